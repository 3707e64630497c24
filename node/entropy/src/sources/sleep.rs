//! How long the shortest possible sleep takes.

use crate::clock;
use crate::source::{Category, Info, Samples, Source, SourceError};
use std::time::Duration;

static INFO: Info = Info {
    name: "sleep",
    description: "duration of a one-nanosecond sleep",
    physics: "timer interrupts, idle states and other tasks decide when the scheduler comes back",
    category: Category::Scheduling,
    requirements: "",
    samples_per_second: 10_000,
    burst: 32,
    sample_bytes: 4,
};

#[derive(Debug, Default)]
pub struct Sleep;

impl Source for Sleep {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn clock_step(&self) -> u64 {
        clock::step()
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        out.extend((0..count).map(|_| clock::time(|| std::thread::sleep(Duration::from_nanos(1)))));
        Ok(())
    }
}
