//! How long compare-and-swap takes while another thread wants the same word.

use crate::clock;
use crate::source::{Category, Info, Samples, Source, SourceError};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static INFO: Info = Info {
    name: "cas-contention",
    description: "sixteen compare-and-swap increments against another thread",
    physics: "cache coherence traffic and arbitration between two cores",
    category: Category::Microarchitecture,
    requirements: "two processors",
    samples_per_second: 500_000,
    burst: 256,
    sample_bytes: 4,
};

#[derive(Debug, Default)]
pub struct Contention;

fn increment(word: &AtomicU64) {
    let mut seen = word.load(Ordering::Relaxed);
    while let Err(now) = word.compare_exchange_weak(seen, seen.wrapping_add(1), Ordering::AcqRel, Ordering::Relaxed) {
        seen = now;
    }
}

impl Source for Contention {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn clock_step(&self) -> u64 {
        clock::step()
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let (word, done) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    increment(&word);
                }
            });
            let sample = |_| clock::time(|| (0..16).for_each(|_| increment(&word)));
            out.extend((0..count).map(sample));
            done.store(true, Ordering::Relaxed);
        });
        Ok(())
    }
}
