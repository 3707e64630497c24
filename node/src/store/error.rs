//! Why the store refuses to open, to read, or to go on.

use std::path::PathBuf;

use beacon_spec::hash::Digest32;
use beacon_spec::reject::Reject;

use super::schema::Family;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{path:?} is the database of another chain ({found}); this node is to follow {expected}. \
         Choose another data directory, or the configuration of that chain"
    )]
    OtherChain { path: PathBuf, found: Digest32, expected: Digest32 },
    #[error(
        "{path:?} has format {found}, written by a newer program; this one knows formats up to {known}. \
         Install that version, or a newer one"
    )]
    NewerFormat { path: PathBuf, found: u32, known: u32 },
    #[error("{path:?} is in use by another process. Stop it first; one data directory serves one node")]
    Locked { path: PathBuf },
    #[error("{path:?} holds other files and no database. Choose an empty directory, or one that does not exist")]
    NotAStore { path: PathBuf },
    #[error("{path:?} holds no database. Name the home of a node that has run")]
    NoStore { path: PathBuf },
    #[error("{path:?} holds rounds already, up to {round}. A checkpoint is where an empty database begins")]
    HasRounds { path: PathBuf, round: u64 },
    #[error("{path:?} is there already. A backup is written to a directory that does not exist")]
    Occupied { path: PathBuf },
    #[error(
        "{path:?} is a backup and holds no record of what was signed, but this home has keys that may have signed. \
         Give the backup a home of its own: `beacon-node init --home NEW --genesis GENESIS`, with the backup as NEW/data"
    )]
    BackupWithKeys { path: PathBuf },
    #[error("{path:?} cannot be opened: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error("the database is damaged: column family {family}, key {key}: {damage}")]
    Damaged { family: &'static str, key: String, damage: Damage },
    #[error("the disk refuses to {doing}: {reason}")]
    Disk { doing: &'static str, reason: String },
    #[error("the store already has its one writer")]
    WriterTaken,
    #[error("the store's writer has stopped")]
    WriterStopped,
}

/// What is wrong with a stored value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("the value does not decode ({})", .0.code())]
    Undecodable(Reject),
    #[error("the value has {0} bytes")]
    Length(usize),
    #[error("the key has {0} bytes")]
    KeyLength(usize),
    #[error("the value belongs under another key")]
    OtherKey,
    #[error("it is missing")]
    Missing,
    #[error("the checksum does not match: {0}")]
    Checksum(String),
}

impl StoreError {
    pub(super) fn damaged(family: Family, key: &[u8], damage: Damage) -> Self {
        StoreError::Damaged { family: family.name(), key: hex::encode(key), damage }
    }

    /// A failed read: damage when a checksum says so, else the disk's fault.
    pub(super) fn read(family: Family, key: &[u8], error: &rocksdb::Error) -> Self {
        match error.kind() {
            rocksdb::ErrorKind::Corruption => Self::damaged(family, key, Damage::Checksum(error.to_string())),
            _ => StoreError::Disk { doing: "read", reason: error.to_string() },
        }
    }

    pub(super) fn write(error: &rocksdb::Error) -> Self {
        StoreError::Disk { doing: "write", reason: error.to_string() }
    }
}
