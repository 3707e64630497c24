//! By how much a short sleep misses its deadline.

use crate::clock;
use crate::source::{Category, Info, Samples, Source, SourceError};
use std::time::Duration;

static INFO: Info = Info {
    name: "timer",
    description: "lateness of sleeps of 10 to 150 microseconds",
    physics: "timer slack and coalescing, idle states, interrupts",
    category: Category::Timing,
    requirements: "",
    samples_per_second: 6_000,
    burst: 16,
    sample_bytes: 4,
};

#[derive(Debug, Default)]
pub struct Timer {
    turn: u64,
}

impl Source for Timer {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn clock_step(&self) -> u64 {
        clock::step()
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        for _ in 0..count {
            let planned = 10_000 * (1 + self.turn % 15);
            self.turn += 1;
            let slept = clock::time(|| std::thread::sleep(Duration::from_nanos(planned)));
            out.push(slept.saturating_sub(planned));
        }
        Ok(())
    }
}
