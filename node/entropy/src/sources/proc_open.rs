//! How long opening and reading a small file of /proc takes.

use super::timed::Timed;
use crate::source::{Availability, Category, Info, Source, SourceError};
use std::fs::File;
use std::io::Read;

static INFO: Info = Info {
    name: "proc-open",
    description: "open, read and close of /proc/self/stat",
    physics: "path look-up, locks and allocation in the kernel",
    category: Category::System,
    requirements: "/proc",
    samples_per_second: 47_000,
    burst: 64,
    sample_bytes: 4,
};

const PATH: &str = "/proc/self/stat";

fn probe() -> Availability {
    match std::fs::metadata(PATH) {
        Ok(_) => Availability::Available,
        Err(error) => Availability::Absent(error.to_string()),
    }
}

pub(super) fn read_once(buffer: &mut [u8; 1024]) -> Result<(), SourceError> {
    let length = File::open(PATH)?.read(buffer)?;
    std::hint::black_box(length);
    Ok(())
}

#[must_use]
pub fn proc_open() -> Box<dyn Source> {
    Timed::probed(&INFO, probe, || Ok([0u8; 1024]), read_once)
}
