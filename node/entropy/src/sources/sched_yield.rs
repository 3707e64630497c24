//! How long giving up the processor takes.

use super::timed::Timed;
use crate::source::{Category, Info, Source};

static INFO: Info = Info {
    name: "sched-yield",
    description: "duration of sched_yield",
    physics: "run queues and the other tasks of the machine",
    category: Category::Scheduling,
    requirements: "",
    samples_per_second: 700_000,
    burst: 128,
    sample_bytes: 4,
};

#[must_use]
pub fn sched_yield() -> Box<dyn Source> {
    Timed::boxed(
        &INFO,
        || Ok(()),
        |()| {
            std::thread::yield_now();
            Ok(())
        },
    )
}
