//! Why the node stopped or could not start.

use std::fmt;

use beacon_engine::event::Halt;
use beacon_entropy::pool::PoolError;
use beacon_entropy::sources::UnknownSource;

use crate::http::ListenError;
use crate::keystore::KeyStoreError;
use crate::network::NetworkError;
use crate::services::ServicesError;
use crate::store::StoreError;

#[derive(Debug)]
pub enum ShellError {
    Runtime(String),
    Store(StoreError),
    Network(NetworkError),
    Http(ListenError),
    Entropy(PoolError),
    Services(ServicesError),
    UnknownSource(String),
    /// The key store could not be written.
    Keys(KeyStoreError),
    /// The engine refuses to go on.
    Halted(Halt),
    NetworkStopped,
}

impl ShellError {
    pub fn source(error: UnknownSource) -> Self {
        ShellError::UnknownSource(error.to_string())
    }

    /// What the operator can do.
    pub fn remedy(&self) -> String {
        let remedy = match self {
            ShellError::Runtime(_) => "free memory or threads, then start again",
            ShellError::Services(_) => {
                "see the message; the folder queues in the home may be deleted, it holds nothing of the beacon"
            }
            ShellError::Store(StoreError::Damaged { .. } | StoreError::Unreadable { .. }) => {
                "see that this user can read and write the directory; if so, keep the home as it is and ask \
                 `beacon-node db check`; `beacon-node db --help` says what can be done"
            }
            ShellError::Store(StoreError::Disk { .. }) => {
                "see that the disk has room and can be written, then start again; nothing was signed that is not on it"
            }
            ShellError::Store(_) => "see the message; the data directory is in config.toml as data_dir",
            ShellError::Network(_) | ShellError::Http(_) => "choose another address in config.toml, or free this one",
            ShellError::Entropy(_) | ShellError::UnknownSource(_) => "correct [entropy] in config.toml",
            ShellError::Keys(error) => return error.remedy(),
            ShellError::Halted(Halt::ForkedHeader { .. }) => {
                "keep the home as it is and compare it with other members: a quorum certified another header"
            }
            ShellError::Halted(_) => "keep the home as it is; restoring an older copy of it is not safe",
            ShellError::NetworkStopped => "start the node again",
        };
        remedy.to_owned()
    }
}

impl fmt::Display for ShellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShellError::Runtime(error) => write!(f, "cannot start the runtime: {error}"),
            ShellError::Store(error) => error.fmt(f),
            ShellError::Network(error) => error.fmt(f),
            ShellError::Http(error) => error.fmt(f),
            ShellError::Entropy(error) => error.fmt(f),
            ShellError::Services(error) => error.fmt(f),
            ShellError::UnknownSource(error) => f.write_str(error),
            ShellError::Keys(error) => error.fmt(f),
            ShellError::Halted(Halt::ForkedHeader { round, own, certified }) => {
                write!(f, "round {round}: the own header {own} differs from the certified one {certified}")
            }
            ShellError::Halted(Halt::Agreement(reason)) => write!(f, "agreement stopped: {reason}"),
            ShellError::Halted(Halt::BadRecords(reason)) => write!(f, "the stored records do not fit: {reason}"),
            ShellError::NetworkStopped => f.write_str("the network task ended"),
        }
    }
}

impl std::error::Error for ShellError {}

impl From<StoreError> for ShellError {
    fn from(error: StoreError) -> Self {
        ShellError::Store(error)
    }
}

impl From<NetworkError> for ShellError {
    fn from(error: NetworkError) -> Self {
        ShellError::Network(error)
    }
}

impl From<ListenError> for ShellError {
    fn from(error: ListenError) -> Self {
        ShellError::Http(error)
    }
}

impl From<ServicesError> for ShellError {
    fn from(error: ServicesError) -> Self {
        ShellError::Services(error)
    }
}

impl From<PoolError> for ShellError {
    fn from(error: PoolError) -> Self {
        ShellError::Entropy(error)
    }
}
