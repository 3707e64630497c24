//! How long sixteen dependent reads at spread addresses of a large buffer take.

use super::timed::{Spread, Timed};
use crate::source::{Category, Info, Source, SourceError};

static INFO: Info = Info {
    name: "memory",
    description: "sixteen dependent reads spread over 64 MiB",
    physics: "cache and TLB misses, DRAM banks and refresh, contention with other cores",
    category: Category::Hardware,
    requirements: "64 MiB of memory",
    samples_per_second: 110_000,
    burst: 64,
    sample_bytes: 4,
};

/// 64 MiB of words.
const WORDS: usize = 8 << 20;

struct Field {
    words: Vec<u64>,
    spread: Spread,
}

fn open() -> Result<Field, SourceError> {
    let mut spread = Spread::new();
    // Written once, so that every page exists and no value is known to the compiler.
    let words = (0..WORDS).map(|_| spread.next()).collect();
    Ok(Field { words, spread })
}

fn operate(field: &mut Field) -> Result<(), SourceError> {
    let mut carried = 0u64;
    for _ in 0..16 {
        // The next address depends on the word just read, so the reads cannot overlap.
        let at = field.spread.index(WORDS) ^ usize::from(carried.to_le_bytes()[0]);
        carried = field.words[at % WORDS];
    }
    std::hint::black_box(carried);
    Ok(())
}

#[must_use]
pub fn memory() -> Box<dyn Source> {
    Timed::boxed(&INFO, open, operate)
}
