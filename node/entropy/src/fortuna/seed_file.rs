//! The seed file: 64 bytes, owner only, replaced atomically.
//!
//! A seed is used once: it is overwritten with fresh output before anything is given out, so
//! that a restart never repeats. Deleting or overwriting a file on flash does not erase it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of a seed file.
pub const SEED_LENGTH: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum SeedFileError {
    #[error("seed file: {0}")]
    Io(#[from] std::io::Error),
    #[error("the seed file does not hold exactly 64 bytes")]
    Length,
    #[error("the seed file can be read by others than its owner")]
    Permissions,
    #[error("the generator is not seeded, so there is nothing to save")]
    Unseeded,
}

/// The seed, or `None` when there is no file yet.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<[u8; SEED_LENGTH]>>, SeedFileError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    if metadata.len() != SEED_LENGTH as u64 {
        return Err(SeedFileError::Length);
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(SeedFileError::Permissions);
    }
    let mut seed = Zeroizing::new([0u8; SEED_LENGTH]);
    file.read_exact(&mut *seed)?;
    Ok(Some(seed))
}

/// Writes beside the file, syncs, renames over it, syncs the directory.
pub(super) fn write(path: &Path, seed: &[u8; SEED_LENGTH]) -> Result<(), SeedFileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    // What a crash left behind is not trusted to have the right mode.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(seed)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}
