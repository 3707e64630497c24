//! How long a line takes to come back after it was flushed from all caches.

use super::timed::{Spread, Timed};
use crate::raw;
use crate::source::{Availability, Category, Info, Source, SourceError};

static INFO: Info = Info {
    name: "cache",
    description: "reload of a cache line after clflush",
    physics: "last-level cache slices, ring or mesh traffic, the memory controller's queues",
    category: Category::Microarchitecture,
    requirements: "x86-64",
    samples_per_second: 890_000,
    burst: 128,
    sample_bytes: 4,
};

struct Lines {
    bytes: Vec<u8>,
    spread: Spread,
}

fn probe() -> Availability {
    if raw::HAS_FLUSH { Availability::Available } else { Availability::Absent("needs clflush".into()) }
}

fn open() -> Result<Lines, SourceError> {
    Ok(Lines { bytes: vec![1; 1 << 20], spread: Spread::new() })
}

fn operate(lines: &mut Lines) -> Result<(), SourceError> {
    let byte = &lines.bytes[lines.spread.index(1 << 20)];
    raw::flush(byte);
    std::hint::black_box(raw::reload(byte));
    Ok(())
}

#[must_use]
pub fn cache() -> Box<dyn Source> {
    Timed::probed(&INFO, probe, open, operate)
}
