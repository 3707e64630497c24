//! The clock: the only place of the node that reads the time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds; 0 for a clock set before 1970.
pub fn now() -> u64 {
    since_epoch().as_millis() as u64
}

/// How long until `deadline` (Unix milliseconds) is reached by [`now`].
pub fn until(deadline: u64) -> Duration {
    Duration::from_millis(deadline).saturating_sub(since_epoch())
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
