//! How long a 4 kB read past the page cache takes.

use super::timed::{Spread, Timed};
use crate::source::{Availability, Category, Info, Source, SourceError};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

static INFO: Info = Info {
    name: "disk",
    description: "4 kB read of this program's own file with O_DIRECT",
    physics: "the device's queue, flash or platter, interrupts and completion",
    category: Category::Io,
    requirements: "a file system with O_DIRECT under the program's file",
    samples_per_second: 11_000,
    burst: 16,
    sample_bytes: 4,
};

const BLOCK: usize = 4096;

struct Disk {
    file: File,
    blocks: usize,
    memory: Vec<u8>,
    spread: Spread,
}

fn direct() -> std::io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open("/proc/self/exe")
}

fn probe() -> Availability {
    match direct() {
        Ok(_) => Availability::Available,
        Err(error) => Availability::Absent(format!("O_DIRECT: {error}")),
    }
}

fn open() -> Result<Disk, SourceError> {
    let file = direct()?;
    let blocks = usize::try_from(file.metadata()?.len()).unwrap_or(0) / BLOCK;
    if blocks == 0 {
        return Err(SourceError::Absent("the program's file is shorter than a block".into()));
    }
    Ok(Disk { file, blocks, memory: vec![0; 2 * BLOCK], spread: Spread::new() })
}

fn operate(disk: &mut Disk) -> Result<(), SourceError> {
    // O_DIRECT wants memory aligned to the block; the buffer is twice as large for that.
    let skip = disk.memory.as_ptr().align_offset(BLOCK);
    let offset = disk.spread.index(disk.blocks) * BLOCK;
    let aligned = &mut disk.memory[skip..skip + BLOCK];
    disk.file.read_exact_at(aligned, offset as u64)?;
    Ok(())
}

#[must_use]
pub fn disk() -> Box<dyn Source> {
    Timed::probed(&INFO, probe, open, operate)
}
