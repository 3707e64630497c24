//! How long the dynamic loader takes to open and close a library that is loaded already.

use super::timed::Timed;
use crate::raw;
use crate::source::{Availability, Category, Info, Source, SourceError};

static INFO: Info = Info {
    name: "dynamic-loading",
    description: "dlopen and dlclose of the C library",
    physics: "locks, symbol tables and path look-up of the dynamic loader",
    category: Category::System,
    requirements: "a dynamically linked program",
    samples_per_second: 300_000,
    burst: 64,
    sample_bytes: 4,
};

fn probe() -> Availability {
    if raw::reopen_c_library() { Availability::Available } else { Availability::Absent("no dynamic loader".into()) }
}

fn operate(_: &mut ()) -> Result<(), SourceError> {
    if raw::reopen_c_library() { Ok(()) } else { Err(SourceError::Hardware("dlopen")) }
}

#[must_use]
pub fn dynamic_loading() -> Box<dyn Source> {
    Timed::probed(&INFO, probe, || Ok(()), operate)
}
