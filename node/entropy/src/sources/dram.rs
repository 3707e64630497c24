//! How long two accesses to far rows of memory take, past the caches.

use super::timed::{Spread, Timed};
use crate::raw;
use crate::source::{Availability, Category, Info, Source, SourceError};

static INFO: Info = Info {
    name: "dram",
    description: "two flushed reads from far apart rows of memory",
    physics: "row buffer conflicts, bank scheduling and refresh of the DRAM",
    category: Category::Hardware,
    requirements: "x86-64, 16 MiB of memory",
    samples_per_second: 500_000,
    burst: 64,
    sample_bytes: 4,
};

const LENGTH: usize = 16 << 20;

struct Rows {
    bytes: Vec<u8>,
    spread: Spread,
}

fn probe() -> Availability {
    if raw::HAS_FLUSH { Availability::Available } else { Availability::Absent("needs clflush".into()) }
}

fn open() -> Result<Rows, SourceError> {
    Ok(Rows { bytes: vec![1; LENGTH], spread: Spread::new() })
}

fn operate(rows: &mut Rows) -> Result<(), SourceError> {
    let first = &rows.bytes[rows.spread.index(LENGTH / 2)];
    let second = &rows.bytes[LENGTH / 2 + rows.spread.index(LENGTH / 2)];
    raw::flush(first);
    raw::flush(second);
    std::hint::black_box(raw::reload(first) ^ raw::reload(second));
    Ok(())
}

#[must_use]
pub fn dram() -> Box<dyn Source> {
    Timed::probed(&INFO, probe, open, operate)
}
