//! Waiting longer after each failure, never in step with other clients.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// Delays that double from 250 ms to 30 s, each shortened by up to a half at random.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay after one more failure.
    pub fn next(&mut self) -> Duration {
        let mut random = [0; 4];
        // Without randomness the delay is merely in step with others.
        let _ = getrandom::fill(&mut random);
        self.next_with(u32::from_le_bytes(random))
    }

    /// As [`Backoff::next`], with the random number given.
    fn next_with(&mut self, random: u32) -> Duration {
        let full = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(1.0 - f64::from(random) / f64::from(u32::MAX) / 2.0)
    }

    /// Starts again from the shortest delay.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_a_limit_and_jitter_only_shortens() {
        let mut backoff = Backoff::default();
        let full: Vec<u128> = (0..9).map(|_| backoff.next_with(0).as_millis()).collect();
        assert_eq!(full, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff.next_with(u32::MAX).as_millis(), 15_000);
        backoff.reset();
        assert_eq!(backoff.next_with(u32::MAX).as_millis(), 125);
    }
}
