//! The differences of consecutive clock readings.

use super::timed::Timed;
use crate::source::{Category, Info, Source};

static INFO: Info = Info {
    name: "clock",
    description: "difference of two consecutive readings of the monotonic clock",
    physics: "pipeline state, interrupts and the phase between clock and processor",
    category: Category::Timing,
    requirements: "",
    samples_per_second: 5_000_000,
    burst: 256,
    sample_bytes: 4,
};

#[must_use]
pub fn clock() -> Box<dyn Source> {
    Timed::boxed(&INFO, || Ok(()), |()| Ok(()))
}
