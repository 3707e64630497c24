//! `beacon-node entropy sessions`: the recordings in a folder.

use std::path::{Path, PathBuf};

use beacon_entropy::assess::most_common_value;
use beacon_entropy::probe::shannon;
use beacon_entropy::recorder::{OpenError, Recording, Session, recordings};
use clap::Args;
use serde::Serialize;

use super::{say, say_json, subject};
use crate::cli::failure::Failure;
use crate::when::rfc3339;

const AFTER: &str = "\
Shannon's and the most common value's entropy are of the first million samples. A recording that was cut short is listed
with what is wrong with it.

Examples:
  beacon-node entropy record sleep --samples 100k --out sleep-1
  beacon-node entropy sessions
  beacon-node entropy sessions recordings --json | jq -r '.sessions[] | select(.source == \"sleep\") | .folder'";

/// Samples that a summary is of, at most.
const LOOKED_AT: usize = 1_000_000;

/// List recorded sessions, each with a summary.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Where the folders of the recordings are
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    sessions: Vec<Summary>,
    /// Folders that were recorded into and cannot be used.
    broken: Vec<Broken>,
}

#[derive(Serialize)]
struct Summary {
    folder: PathBuf,
    #[serde(flatten)]
    session: Session,
    /// Both in bits per sample.
    shannon: f64,
    most_common_value: f64,
}

#[derive(Serialize)]
struct Broken {
    folder: PathBuf,
    error: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let found = recordings(folder).map_err(|error| {
        Failure::new(format!("cannot look into {}: {error}", folder.display()), "name a folder that can be read")
    })?;
    let mut report = Report { sessions: Vec::new(), broken: Vec::new() };
    for (folder, opened) in found {
        match opened {
            Ok(recording) => report.sessions.push(summary(&recording)?),
            Err(error) => report.broken.push(broken(folder, &error)),
        }
    }
    if arguments.json { say_json(&report) } else { say(&table(&report, folder)) }
}

fn broken(folder: PathBuf, error: &OpenError) -> Broken {
    Broken { folder, error: error.to_string() }
}

fn summary(recording: &Recording) -> Result<Summary, Failure> {
    let symbols = subject::read(recording, LOOKED_AT)?;
    Ok(Summary {
        folder: recording.folder.clone(),
        session: recording.session.clone(),
        shannon: shannon(&symbols),
        most_common_value: most_common_value(&symbols).min_entropy,
    })
}

fn table(report: &Report, folder: &Path) -> String {
    let mut out = format!("{} recordings in {}\n", report.sessions.len(), folder.display());
    if !report.sessions.is_empty() {
        out += &format!(
            "{:<20} {:<20} {:<21} {:>10} {:>10} {:>10} {:>8} {:>12}\n",
            "folder", "source", "started", "samples", "seconds", "clock step", "Shannon", "most common"
        );
    }
    let name = |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for Summary { folder, session, shannon, most_common_value } in &report.sessions {
        out += &format!(
            "{:<20} {:<20} {:<21} {:>10} {:>10.1} {:>7} ns {shannon:>8.3} {most_common_value:>12.3}\n",
            name(folder),
            session.source,
            rfc3339(session.started.saturating_mul(1000)),
            session.samples,
            session.seconds,
            session.clock_step,
        );
    }
    for Broken { folder, error } in &report.broken {
        out += &format!("{:<20} cannot be used: {error}\n", name(folder));
    }
    out
}
