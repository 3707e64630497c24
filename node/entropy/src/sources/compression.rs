//! How long compressing a small block takes.

use super::timed::{Spread, Timed};
use crate::source::{Category, Info, Source, SourceError};

static INFO: Info = Info {
    name: "compression",
    description: "DEFLATE of 256 bytes",
    physics: "data-dependent branches and table look-ups in shared caches",
    category: Category::Timing,
    requirements: "",
    samples_per_second: 50_000,
    burst: 16,
    sample_bytes: 4,
};

fn operate(spread: &mut Spread) -> Result<(), SourceError> {
    let mut block = [0u8; 256];
    for chunk in block.chunks_exact_mut(16) {
        chunk[..8].copy_from_slice(&spread.next().to_le_bytes());
    }
    std::hint::black_box(miniz_oxide::deflate::compress_to_vec(&block, 1));
    Ok(())
}

#[must_use]
pub fn compression() -> Box<dyn Source> {
    Timed::boxed(&INFO, || Ok(Spread::new()), operate)
}
