//! The engine's work: networks in memory, every job and step of one member timed on this thread's processor clock.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::Figure;
use crate::failure::Failure;
use crate::sim::{GENESIS_TIME, Net, Setup};

/// Rounds that are measured, after some to warm up.
const WARM_UP: u64 = 2;
const ROUNDS: u64 = 8;

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Milliseconds of one member for one round of `members` with equal weights.
fn work_per_round(members: usize) -> Result<f64, Failure> {
    let mut net = Net::new(&Setup { weights: vec![1; members], ..Setup::default() });
    net.meter = processor_time;
    net.start_all();
    let certified = |net: &mut Net, round| match net.run_to(round, GENESIS_TIME + 3_600_000) {
        true => Ok(()),
        false => Err(Failure::new(
            format!("{members} members in memory do not certify round {round}"),
            "this is a defect of the engine: run its tests",
        )),
    };
    certified(&mut net, WARM_UP)?;
    let before = net.nodes[0].worked;
    certified(&mut net, WARM_UP + ROUNDS)?;
    let spent = net.nodes[0].worked.saturating_sub(before);
    Ok(spent.as_secs_f64() * 1000.0 / ROUNDS as f64)
}

pub(super) fn work() -> Result<Vec<Figure>, Failure> {
    Ok(vec![
        Figure::at_most("engine work, round and member, n = 16", work_per_round(16)?, 6.0, "ms"),
        Figure::at_most("engine work, round and member, n = 64", work_per_round(64)?, 50.0, "ms"),
    ])
}
