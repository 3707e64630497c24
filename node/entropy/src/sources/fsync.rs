//! How long it takes until a written byte is on the disk.

use super::timed::Timed;
use crate::source::{Category, Info, Source, SourceError};
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

static INFO: Info = Info {
    name: "fsync",
    description: "write and fdatasync of one byte in an unnamed temporary file",
    physics: "the file system's journal, the device's cache flush",
    category: Category::Io,
    requirements: "a writable temporary directory; wears flash a little",
    samples_per_second: 1_000,
    burst: 2,
    sample_bytes: 4,
};

fn open() -> Result<File, SourceError> {
    // O_TMPFILE makes a file without a name, which leaves nothing behind.
    Ok(std::fs::OpenOptions::new().write(true).mode(0o600).custom_flags(libc::O_TMPFILE).open(std::env::temp_dir())?)
}

fn operate(file: &mut File) -> Result<(), SourceError> {
    file.write_all_at(&[1], 0)?;
    file.sync_data()?;
    Ok(())
}

#[must_use]
pub fn fsync() -> Box<dyn Source> {
    Timed::boxed(&INFO, open, operate)
}
