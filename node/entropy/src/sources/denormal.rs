//! How long arithmetic with denormal numbers takes.

use super::timed::Timed;
use crate::source::{Category, Info, Source, SourceError};

static INFO: Info = Info {
    name: "denormal",
    description: "thirty-two multiplications of denormal numbers",
    physics: "microcode assists, where the processor needs them",
    category: Category::Microarchitecture,
    requirements: "",
    samples_per_second: 1_000_000,
    burst: 128,
    sample_bytes: 4,
};

fn operate(value: &mut f64) -> Result<(), SourceError> {
    for _ in 0..32 {
        let scaled = std::hint::black_box(*value) * 0.5;
        *value = if scaled > 0.0 { scaled } else { f64::MIN_POSITIVE / 3.0 };
    }
    Ok(())
}

#[must_use]
pub fn denormal() -> Box<dyn Source> {
    Timed::boxed(&INFO, || Ok(f64::MIN_POSITIVE / 3.0), operate)
}
