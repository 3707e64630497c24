//! Files that only their owner may read: made so, checked so, and locked while in use.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::KeyStoreError;

/// Bits of a mode that let others than the owner read, write or execute.
const OTHERS: u32 = 0o077;

/// Makes the directory (and those above it) if it is not there, for its owner alone.
pub(super) fn create_directory(path: &Path) -> Result<(), KeyStoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| KeyStoreError::io("create", path, source))
}

/// Makes a file with mode 0600 that holds `bytes` once it has its name. Never replaces one.
pub(super) fn create_file(path: &Path, bytes: &[u8]) -> Result<(), KeyStoreError> {
    // Linking fails if the name is taken.
    put_file(path, bytes, |draft| std::fs::hard_link(draft, path).and_then(|()| std::fs::remove_file(draft)))
}

/// Puts a file with mode 0600 that holds `bytes` in the place of another.
pub(super) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), KeyStoreError> {
    put_file(path, bytes, |draft| std::fs::rename(draft, path))
}

/// The bytes are written and fsynced under another name before `name` gives them theirs.
fn put_file(path: &Path, bytes: &[u8], name: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<(), KeyStoreError> {
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let made = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        name(&draft)
    })();
    made.map_err(|source| {
        // What could not get its name is of no use; that it may stay behind matters less than why.
        let _ = std::fs::remove_file(&draft);
        match source.kind() {
            ErrorKind::AlreadyExists => KeyStoreError::Exists { path: path.to_owned() },
            _ => KeyStoreError::io("create", path, source),
        }
    })?;
    sync_directory(path)
}

/// Makes a new name durable.
fn sync_directory(path: &Path) -> Result<(), KeyStoreError> {
    let Some(directory) = path.parent() else { return Ok(()) };
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| KeyStoreError::io("sync", directory, source))
}

/// Opens a file after making sure that nobody but its owner can read it. The open file is what is judged, so that
/// it cannot be exchanged in between.
pub(super) fn open(path: &Path, writable: bool) -> Result<File, KeyStoreError> {
    let file = OpenOptions::new().read(true).write(writable).open(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => KeyStoreError::Missing { path: path.to_owned() },
        ErrorKind::PermissionDenied => KeyStoreError::Unreadable { path: path.to_owned(), source },
        _ => KeyStoreError::io("open", path, source),
    })?;
    let metadata = file.metadata().map_err(|source| KeyStoreError::io("inspect", path, source))?;
    if !metadata.is_file() {
        return Err(KeyStoreError::NotAFile { path: path.to_owned() });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(KeyStoreError::TooOpen { path: path.to_owned(), mode });
    }
    Ok(file)
}

/// Reads at most `limit` bytes from the start.
pub(super) fn read_all(path: &Path, file: &File, limit: usize) -> Result<Vec<u8>, KeyStoreError> {
    let mut bytes = Vec::with_capacity(limit);
    file.take(limit as u64).read_to_end(&mut bytes).map_err(|source| KeyStoreError::io("read", path, source))?;
    Ok(bytes)
}

/// Keeps other processes out for as long as `file` is open.
pub(super) fn lock(path: &Path, file: &File) -> Result<(), KeyStoreError> {
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
        rustix::io::Errno::WOULDBLOCK => KeyStoreError::Locked { path: path.to_owned() },
        other => KeyStoreError::io("lock", path, other.into()),
    })
}
