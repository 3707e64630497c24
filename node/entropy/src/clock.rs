//! The one clock of the timing sources: monotonic nanoseconds, and the step it counts in.

use std::sync::OnceLock;
use std::time::Instant;

/// Samples used to find the step.
const CALIBRATION: usize = 4096;
/// Steps above this are not believed; a coarser clock is as good as no clock.
const MAX_STEP: u64 = 4096;

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

/// Nanoseconds since the first use in this process.
#[must_use]
pub fn now() -> u64 {
    u64::try_from(origin().elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds taken by `work`.
pub fn time<T>(work: impl FnOnce() -> T) -> u64 {
    let start = now();
    std::hint::black_box(work());
    now().saturating_sub(start)
}

/// The step of [`now`] in nanoseconds, measured once per process.
#[must_use]
pub fn step() -> u64 {
    static STEP: OnceLock<u64> = OnceLock::new();
    *STEP.get_or_init(|| {
        let mut deltas = Vec::with_capacity(CALIBRATION);
        let mut last = now();
        let mut sink = 0u64;
        for round in 0..CALIBRATION as u64 {
            // Work of varying length spreads the deltas over many multiples of the step.
            for i in 0..round % 61 {
                sink = std::hint::black_box(sink.wrapping_mul(31).wrapping_add(i));
            }
            let next = now();
            deltas.push(next.saturating_sub(last));
            last = next;
        }
        step_of(&deltas)
    })
}

/// The largest step that divides nearly all non-zero deltas (98 %). A plain greatest
/// common divisor would fall to 1 by a single outlier.
#[must_use]
pub fn step_of(deltas: &[u64]) -> u64 {
    let used: Vec<u64> = deltas.iter().copied().filter(|d| *d > 0).collect();
    if used.is_empty() {
        return 1;
    }
    let divides = |s: u64| used.iter().filter(|d| *d % s == 0).count() * 100 >= used.len() * 98;
    let smallest = used.iter().copied().min().unwrap_or(1).min(MAX_STEP);
    // A step larger than the smallest delta can still divide the bulk only if that delta is
    // one of the outliers, so candidates go up to the median.
    let mut sorted = used.clone();
    sorted.sort_unstable();
    let top = sorted[sorted.len() / 2].clamp(smallest, MAX_STEP);
    (2..=top).rev().find(|s| divides(*s)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bulk_decides_the_step() {
        let mut deltas: Vec<u64> = (1..1000u64).map(|i| 10 * (3 + i % 7)).collect();
        assert_eq!(step_of(&deltas), 10);
        deltas.extend([7, 13, 99_999]);
        assert_eq!(step_of(&deltas), 10, "three outliers among a thousand do not matter");
        assert_eq!(step_of(&[]), 1);
        assert_eq!(step_of(&[0, 0]), 1);
        assert_eq!(step_of(&(1..500).collect::<Vec<_>>()), 1);
    }

    #[test]
    fn the_clock_does_not_go_back() {
        let first = now();
        let taken = time(|| (0..1000u64).sum::<u64>());
        assert!(now() >= first + taken);
        assert!(step() >= 1);
    }
}
