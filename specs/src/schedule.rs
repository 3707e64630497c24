//! The schedule: when a round is due, and which window and epoch it belongs to.
//!
//! Times are a plan, not a measurement: u64 milliseconds since the Unix epoch, a function of the genesis alone. Rounds,
//! windows and epochs count from 1; round 0 is the genesis, and window 0 and epoch 0 hold no other round. Nothing here
//! panics or wraps at the ends of u64: each function says what it gives there.

use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::reject::Reject;

/// The parameters that fix all due times; they never change after the genesis, which judges their ranges. Here a K or
/// E of 0 reads as 1. [schedule-1]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Due time of round 1, in milliseconds since the Unix epoch.
    #[serde(with = "codec::number")]
    pub genesis_time: u64,
    /// Milliseconds from round to round; 0 means as fast as the catch-up interval lets.
    #[serde(with = "codec::number")]
    pub period: u64,
    /// K, the rounds of a window: 1..=64.
    #[serde(with = "codec::number")]
    pub window: u64,
    /// E, the windows of an epoch: at least 4.
    #[serde(with = "codec::number")]
    pub epoch_windows: u64,
}

impl Schedule {
    /// T(r) = genesis_time + (r − 1)·period. Round 0, the genesis, counts as due at the genesis time; a due time
    /// beyond u64 is [`Reject::NoSuchTime`]. With period 0 every round is due at the genesis time. [schedule-2]
    pub fn time_of(&self, round: u64) -> Result<u64, Reject> {
        let since = round.saturating_sub(1).checked_mul(self.period);
        since.and_then(|since| self.genesis_time.checked_add(since)).ok_or(Reject::NoSuchTime)
    }

    /// The last round due at or before `time`; [`Reject::NoSuchTime`] before the genesis time or with period 0.
    /// [schedule-3]
    pub fn round_at(&self, time: u64) -> Result<u64, Reject> {
        let since = time.checked_sub(self.genesis_time).ok_or(Reject::NoSuchTime)?;
        let whole = since.checked_div(self.period).ok_or(Reject::NoSuchTime)?;
        // Round 2^64 does not exist, so the last round due is then the one before it.
        Ok(whole.saturating_add(1))
    }

    /// ⌈r/K⌉, 0 for the genesis. [schedule-4]
    pub fn window_of(&self, round: u64) -> u64 {
        round.div_ceil(self.window.max(1))
    }

    /// The rounds (w − 1)·K + 1 ..= w·K, as far as rounds go; empty for window 0 and past round 2^64 − 1. [schedule-4]
    pub fn rounds_of(&self, window: u64) -> RangeInclusive<u64> {
        let length = self.window.max(1);
        let before = window.checked_sub(1).and_then(|earlier| earlier.checked_mul(length));
        match before.and_then(|before| before.checked_add(1)) {
            Some(first) => first..=window.saturating_mul(length),
            None => RangeInclusive::new(1, 0),
        }
    }

    /// ⌈w/E⌉, 0 for window 0. [schedule-5]
    pub fn epoch_of_window(&self, window: u64) -> u64 {
        window.div_ceil(self.epoch_windows.max(1))
    }

    /// ⌈r/(K·E)⌉, 0 for the genesis. [schedule-5]
    pub fn epoch_of(&self, round: u64) -> u64 {
        self.epoch_of_window(self.window_of(round))
    }

    /// L = e·E, or 2^64 − 1 if that is beyond u64. [schedule-6]
    pub fn last_window_of_epoch(&self, epoch: u64) -> u64 {
        epoch.saturating_mul(self.epoch_windows.max(1))
    }

    /// Whether the header of `round` hands over to the next committee: r > 0 and K·E divides r. [schedule-6]
    pub fn is_last_round_of_epoch(&self, round: u64) -> bool {
        // An epoch longer than all rounds has no last one.
        let length = self.window.max(1).checked_mul(self.epoch_windows.max(1));
        round > 0 && length.is_some_and(|length| round.is_multiple_of(length))
    }
}
