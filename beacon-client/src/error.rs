//! What a client call can end in, and the exit code that each ending has.

use std::io;

use beacon_spec::reject::Reject;
use thiserror::Error;

use crate::refusal::Refusal;
use crate::source::Fault;
use crate::trust::Conflict;

/// How a call failed.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// Data was offered and not believed.
    #[error("refused: {0}")]
    Refused(Box<Refusal>),
    /// Two certified headers that exclude each other: this is an alarm about the chain, not about a server.
    #[error("{0}")]
    Conflict(Box<Conflict>),
    /// The question makes no sense, or lacks something.
    #[error("{0}")]
    Usage(String),
    /// No server answered usefully; each with its fault.
    #[error("no server gave a usable answer:{}", list(.0))]
    Unreachable(Vec<(String, Fault)>),
    /// The round is not certified yet.
    #[error("round {round} is not certified yet{}", when(.due))]
    NotYet { round: u64, due: Option<u64> },
    /// A file on this machine could not be read or written.
    #[error("{path}: {message}")]
    File { path: String, message: String },
}

fn list(faults: &[(String, Fault)]) -> String {
    if faults.is_empty() {
        return " none was named".to_owned();
    }
    faults.iter().map(|(server, fault)| format!("\n  {server}: {fault}")).collect()
}

fn when(due: &Option<u64>) -> String {
    due.map_or_else(String::new, |due| format!(", it is due at {}", crate::time::format(due)))
}

impl Error {
    /// 1 refused, 2 usage, 3 unreachable, 4 not yet. A local file that cannot be used counts as usage.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Error::Refused(_) | Error::Conflict(_) => 1,
            Error::Usage(_) | Error::File { .. } => 2,
            Error::Unreachable(_) => 3,
            Error::NotYet { .. } => 4,
        }
    }

    /// The stable name used in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Refused(refusal) => refusal.code(),
            Error::Conflict(_) => Reject::Conflict.code(),
            Error::Usage(_) => "usage",
            Error::Unreachable(_) => "unreachable",
            Error::NotYet { .. } => "not-yet",
            Error::File { .. } => "file",
        }
    }

    pub fn file(path: &std::path::Path, error: &io::Error) -> Self {
        Error::File { path: path.display().to_string(), message: error.to_string() }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(Box::new(refusal))
    }
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        Error::Conflict(Box::new(conflict))
    }
}

impl From<Reject> for Error {
    fn from(reject: Reject) -> Self {
        Refusal::new(reject, "value given").into()
    }
}
