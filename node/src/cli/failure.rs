//! What a command says when it cannot do what it was asked.

use std::fmt;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::keystore::KeyStoreError;

/// A refusal or failure: what is wrong, and what to do about it.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    what: String,
    remedy: String,
}

impl Failure {
    /// The thing cannot be done as the world is. Exit code 1.
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Failure { code: 1, what: what.into(), remedy: remedy.into() }
    }

    /// The command line itself is wrong. Exit code 2.
    pub(super) fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Failure { code: 2, what: what.into(), remedy: remedy.into() }
    }

    /// Says in which file the fault is.
    pub(super) fn inside(mut self, path: &std::path::Path) -> Self {
        self.what = format!("{}: {}", path.display(), self.what);
        self
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nremedy: {}", self.what, self.remedy)
    }
}

impl From<KeyStoreError> for Failure {
    fn from(error: KeyStoreError) -> Self {
        Failure::new(error.to_string(), error.remedy())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::new(error.to_string(), error.remedy)
    }
}
