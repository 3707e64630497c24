//! Why the key store cannot be used, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::slots::SlotError;

/// What is wrong with a key store.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    #[error("there is no {}", .path.display())]
    Missing { path: PathBuf },
    #[error("{} exists already and is never overwritten", .path.display())]
    Exists { path: PathBuf },
    #[error("{} has mode {:04o}: others than its owner can reach the secrets in it", .path.display(), .mode)]
    TooOpen { path: PathBuf, mode: u32 },
    #[error("{} cannot be read: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not a regular file", .path.display())]
    NotAFile { path: PathBuf },
    #[error("cannot {doing} {}: {source}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} has {bytes} bytes, but a key store has {wanted}", .path.display())]
    WrongSize { path: PathBuf, bytes: usize, wanted: usize },
    #[error("{} is damaged: neither of its two slots is whole", .path.display())]
    Damaged { path: PathBuf },
    #[error("{} was not sealed with the key from {seal}", .path.display())]
    WrongSealKey { path: PathBuf, seal: String },
    #[error("the sealing key from {origin} is neither 32 bytes nor 64 hexadecimal digits")]
    BadSealKey { origin: String },
    #[error("{} holds contents of another version", .path.display())]
    BadContents { path: PathBuf },
    #[error("{} has room for {room} bytes of secrets, not for {bytes}", .path.display())]
    Full { path: PathBuf, bytes: usize, room: usize },
    #[error("{} is in use by another process", .path.display())]
    Locked { path: PathBuf },
    #[error("{}: these keys have signed with the database {before}, not with {found}", .path.display())]
    OtherDatabase { path: PathBuf, before: String, found: String },
    #[error("the operating system gives no randomness: {0}")]
    Randomness(getrandom::Error),
}

impl KeyStoreError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        KeyStoreError::Io { doing, path: path.to_owned(), source }
    }

    pub(super) fn slot(path: &Path, error: SlotError) -> Self {
        let path = path.to_owned();
        match error {
            SlotError::NoneWhole => KeyStoreError::Damaged { path },
            SlotError::Unsealed => KeyStoreError::WrongSealKey { path, seal: "the sealing key".into() },
            SlotError::Full { bytes, room } => KeyStoreError::Full { path, bytes, room },
            SlotError::Randomness(error) => KeyStoreError::Randomness(error),
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Missing { path } => match path.file_name().is_some_and(|name| name == "seal.key") {
                true => {
                    "restore the sealing key, or give it in BEACON_SEAL_KEY; without it the secrets are lost".into()
                }
                false => "make one with `beacon-node keygen --home DIR`".into(),
            },
            Self::Exists { .. } => "choose another home, or move the old file away by hand".into(),
            Self::TooOpen { path, .. } => {
                format!("chmod 600 {}   (and if others may have read it, make a new identity instead)", path.display())
            }
            Self::Unreadable { path, .. } => format!("run as the user that owns it (ls -l {})", path.display()),
            Self::NotAFile { path } => format!("move {} away", path.display()),
            Self::Io { path, .. } => format!("look at the disk and the permissions of {}", path.display()),
            Self::WrongSize { .. } | Self::Damaged { .. } | Self::BadContents { .. } => {
                "restore a copy of the file made with the same software, or start anew in another home".into()
            }
            Self::WrongSealKey { .. } => "give the key that the store was made with, in BEACON_SEAL_KEY, as the \
                 credential beacon-seal-key, or as seal.key beside it"
                .into(),
            Self::BadSealKey { .. } => "a new key, before the first keygen: openssl rand -hex 32".into(),
            Self::Full { .. } => "make bundles for fewer drafts from one home".into(),
            Self::Locked { .. } => "stop the other beacon-node that uses this home first".into(),
            Self::OtherDatabase { .. } => {
                "bring back the newest database that there is of this member; if it is lost, \
                 run with --restored: the node signs nothing that it may have signed before, and takes part again later"
                    .into()
            }
            Self::Randomness(_) => "run where getrandom(2) works".into(),
        }
    }
}
