//! What is wrong with a configuration, where, and what to do.

use std::fmt;

use figment::Metadata;
use figment::error::Kind;

/// A complaint about one place of the configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, variable or flag.
    pub place: String,
    /// The key in dotted form; empty if the place as a whole is meant.
    pub key: String,
    pub problem: String,
    pub remedy: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError { place, key, problem, .. } = self;
        match key.is_empty() {
            true => write!(f, "{place}: {problem}"),
            false => write!(f, "{place}: key {key}: {problem}"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<figment::Error> for ConfigError {
    fn from(error: figment::Error) -> Self {
        let place = place(error.metadata.as_ref());
        let mut path = error.path.clone();
        let (problem, remedy) = match &error.kind {
            Kind::UnknownField(name, known) => {
                if path.last() != Some(name) {
                    path.push(name.clone());
                }
                unknown(name, known)
            }
            Kind::UnknownVariant(name, known) => {
                (format!("{name:?} is no known value"), format!("write one of {}", known.join(", ")))
            }
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                (format!("{found} does not fit"), format!("write {expected}"))
            }
            other => (other.to_string(), "correct it as `beacon-node init --help` and config.toml show".into()),
        };
        ConfigError { place, key: path.join("."), problem, remedy }
    }
}

fn unknown(name: &str, known: &[&str]) -> (String, String) {
    let problem = "there is no such key".to_owned();
    match nearest(name, known) {
        Some(near) => (problem, format!("did you mean {near}? Known here: {}", known.join(", "))),
        None => (problem, format!("remove it. Known here: {}", known.join(", "))),
    }
}

/// Where a value comes from, as a person would say it.
pub(super) fn place(metadata: Option<&Metadata>) -> String {
    match metadata {
        None => "the configuration".into(),
        Some(metadata) => match metadata.source.as_ref().and_then(|source| source.file_path()) {
            Some(path) => path.display().to_string(),
            None => metadata.name.to_string(),
        },
    }
}

/// The known name closest to `name`, if one is near enough to be meant: at most every third letter is wrong.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|candidate| (edit_distance(name, candidate), *candidate));
    let (distance, candidate) = scored.min()?;
    (distance <= 1 + candidate.len().max(name.len()) / 3).then_some(candidate)
}

/// Levenshtein's distance, in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
