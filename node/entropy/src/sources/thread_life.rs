//! How long starting and ending a thread takes.

use super::timed::Timed;
use crate::source::{Category, Info, Source, SourceError};

static INFO: Info = Info {
    name: "thread",
    description: "start and join of a thread",
    physics: "stack mapping, scheduling, placement on a core",
    category: Category::Scheduling,
    requirements: "",
    samples_per_second: 15_000,
    burst: 16,
    sample_bytes: 4,
};

fn operate(_: &mut ()) -> Result<(), SourceError> {
    let thread = std::thread::Builder::new().stack_size(16 * 1024).spawn(|| {})?;
    // The closure is empty, so it cannot have panicked.
    let _ = thread.join();
    Ok(())
}

#[must_use]
pub fn thread() -> Box<dyn Source> {
    Timed::boxed(&INFO, || Ok(()), operate)
}
