//! How long sixty-four rounds of a hash take.

use super::timed::Timed;
use crate::source::{Category, Info, Source, SourceError};
use sha3::{Digest, Sha3_256};

static INFO: Info = Info {
    name: "hash",
    description: "a SHA3-256 over its previous output",
    physics: "execution units and caches shared with other code",
    category: Category::Timing,
    requirements: "",
    samples_per_second: 1_000_000,
    burst: 128,
    sample_bytes: 4,
};

fn operate(state: &mut [u8; 32]) -> Result<(), SourceError> {
    *state = Sha3_256::digest(*state).into();
    Ok(())
}

#[must_use]
pub fn hash() -> Box<dyn Source> {
    Timed::boxed(&INFO, || Ok([0; 32]), operate)
}
