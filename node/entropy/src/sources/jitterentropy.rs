//! The jitterentropy algorithm (Müller), through the crate `rand_jitter`. Its output is
//! conditioned inside, so its credit is policy: a third of a bit per measured delta, as its
//! C library claims, of which 64 make eight bytes.

use crate::clock;
use crate::source::{Category, Info, Samples, Source, SourceError};
use rand_core::Rng;
use rand_jitter::JitterRng;

static INFO: Info = Info {
    name: "jitterentropy",
    description: "the jitterentropy algorithm",
    physics: "execution time variations of memory accesses and computation",
    category: Category::Timing,
    requirements: "",
    samples_per_second: 20_000,
    burst: 64,
    sample_bytes: 1,
};

#[derive(Debug, Default)]
pub struct Jitterentropy {
    generator: Option<JitterRng<fn() -> u64>>,
}

impl Source for Jitterentropy {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let generator = match self.generator {
            Some(ref mut generator) => generator,
            None => {
                let mut fresh = JitterRng::new_with_timer(clock::now as fn() -> u64);
                let rounds = fresh.test_timer().map_err(|_| SourceError::Hardware("the clock is too coarse"))?;
                fresh.set_rounds(rounds.max(1));
                // The first value of a new generator is thrown away, as its authors ask.
                fresh.next_u64();
                self.generator.insert(fresh)
            }
        };
        let mut left = count;
        while left > 0 {
            let bytes = generator.next_u64().to_le_bytes();
            out.extend(bytes.iter().take(left).map(|b| u64::from(*b)));
            left = left.saturating_sub(bytes.len());
        }
        Ok(())
    }
}
