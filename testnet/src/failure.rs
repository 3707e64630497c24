//! What a command says when it cannot do what it was asked: the thing, and what to do about it.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A refusal or failure for people.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    what: String,
    remedy: String,
}

impl Failure {
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Failure { what: what.into(), remedy: remedy.into() }
    }

    /// What could not be done, without the remedy.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// A file or directory that could not be used.
    pub fn file(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        Failure::new(format!("cannot {verb} {}: {error}", path.display()), "look at the path, its rights and the disk")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nremedy: {}", self.what, self.remedy)
    }
}

impl std::error::Error for Failure {}
