//! The engine's work: networks in memory, every job and step of one member timed on this thread's processor clock.

use super::Figure;
use crate::failure::Failure;
use crate::sim::command::work_of;

/// Rounds that are measured.
const ROUNDS: u64 = 8;

fn work_per_round(members: usize) -> Result<f64, Failure> {
    work_of(members, ROUNDS).map(|(work, _)| work)
}

pub(super) fn work() -> Result<Vec<Figure>, Failure> {
    Ok(vec![
        Figure::at_most("engine work, round and member, n = 16", work_per_round(16)?, 6.0, "ms"),
        Figure::at_most("engine work, round and member, n = 64", work_per_round(64)?, 50.0, "ms"),
        Figure::at_most("engine work, round and member, n = 128", work_per_round(128)?, 160.0, "ms"),
    ])
}
