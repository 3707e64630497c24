//! Processor time of this thread. Reading the clock is a system call, so what the readings cost is taken off.

use std::cell::Cell;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Readings by which the cost of one is measured.
const TRIALS: u32 = 20_000;

thread_local! {
    /// Readings so far, and what one costs.
    static READINGS: Cell<(u32, Duration)> = const { Cell::new((0, Duration::ZERO)) };
}

fn clock() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Measures what one reading costs, for the readings of this thread that follow.
pub fn calibrate() {
    let begun = clock();
    for _ in 0..TRIALS {
        std::hint::black_box(clock());
    }
    READINGS.set((0, clock().saturating_sub(begun) / TRIALS));
}

/// This thread's processor time without its readings.
pub fn processor_time() -> Duration {
    let (count, cost) = READINGS.get();
    READINGS.set((count.saturating_add(1), cost));
    clock().saturating_sub(cost * count)
}
