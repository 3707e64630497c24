//! How long a run of unforeseeable branches takes.

use super::timed::{Spread, Timed};
use crate::source::{Category, Info, Source, SourceError};

static INFO: Info = Info {
    name: "speculation",
    description: "sixty-four branches that a predictor cannot learn",
    physics: "branch predictor state shared with other code, recovery of the pipeline",
    category: Category::Microarchitecture,
    requirements: "",
    samples_per_second: 2_000_000,
    burst: 128,
    sample_bytes: 4,
};

fn operate(spread: &mut Spread) -> Result<(), SourceError> {
    let bits = spread.next();
    let mut sum = 0u64;
    for i in 0..64 {
        // Two different opaque calls keep the compiler from replacing the branch.
        if bits >> i & 1 == 1 {
            sum = std::hint::black_box(sum.wrapping_mul(3));
        } else {
            sum = std::hint::black_box(sum.wrapping_add(i));
        }
    }
    std::hint::black_box(sum);
    Ok(())
}

#[must_use]
pub fn speculation() -> Box<dyn Source> {
    Timed::boxed(&INFO, || Ok(Spread::new()), operate)
}
