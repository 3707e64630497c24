//! A file, a FIFO or a character device as a source.
//!
//! A regular file is read from its start, at most [`REGULAR_BURST`] bytes per draw, and from
//! its start again once its end was reached: the same file gives the same bytes, which is
//! what known answers need and why it is credited nothing. A FIFO or a device is read
//! without waiting: what is there is taken, and an empty one is dry.

use crate::source::{Availability, Category, Info, Samples, Source, SourceError};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Most bytes one draw takes from a regular file.
pub const REGULAR_BURST: usize = 4096;

static INFO: Info = Info {
    name: "file",
    description: "bytes of a file, a FIFO or a character device",
    physics: "unknown: whatever wrote the bytes",
    category: Category::External,
    requirements: "a configured path",
    samples_per_second: 1_000_000,
    burst: REGULAR_BURST,
    sample_bytes: 1,
};

/// Reads a path; see the module's head.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    regular: bool,
}

impl FileSource {
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> FileSource {
        FileSource { path: path.into(), open: None }
    }

    fn open(&mut self) -> Result<&mut Open, SourceError> {
        match self.open {
            Some(ref mut open) => Ok(open),
            None => {
                let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&self.path)?;
                let kind = file.metadata()?.file_type();
                if !(kind.is_file() || kind.is_fifo() || kind.is_char_device()) {
                    return Err(SourceError::Absent("neither file, FIFO nor character device".into()));
                }
                Ok(self.open.insert(Open { file, regular: kind.is_file() }))
            }
        }
    }
}

impl Open {
    /// Reads until `buffer` is full, the data ends, or none is there; returns the count.
    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut have = 0;
        while have < buffer.len() {
            match self.file.read(&mut buffer[have..]) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(have)
    }
}

impl Source for FileSource {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn availability(&self) -> Availability {
        match std::fs::metadata(&self.path) {
            Ok(_) => Availability::Available,
            Err(error) => Availability::Absent(error.to_string()),
        }
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let open = self.open()?;
        let mut buffer = Zeroizing::new(vec![0u8; count]);
        let mut have = open.read_some(&mut buffer)?;
        if have == 0 && open.regular {
            open.file.seek(SeekFrom::Start(0))?;
            have = open.read_some(&mut buffer)?;
        }
        if have == 0 {
            return Err(SourceError::Dry);
        }
        out.extend(buffer[..have].iter().map(|b| u64::from(*b)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_file_repeats_and_an_empty_one_is_dry() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("bytes");
        std::fs::write(&path, [1u8, 2, 3]).expect("written");
        let mut source = FileSource::new(&path);
        for _ in 0..2 {
            let mut out = Samples::default();
            source.collect(&mut out, 100).expect("three bytes");
            assert_eq!(*out, [1, 2, 3]);
        }
        std::fs::write(&path, []).expect("emptied");
        assert!(matches!(FileSource::new(&path).collect(&mut Samples::default(), 4), Err(SourceError::Dry)));
        let absent = FileSource::new(dir.path().join("none"));
        assert!(!absent.availability().is_available());
        assert!(FileSource::new(dir.path()).collect(&mut Samples::default(), 4).is_err());
    }
}
