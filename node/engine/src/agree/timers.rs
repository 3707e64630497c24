//! The timeouts of a height, kept by kind and round: setting one replaces it, cancelling one removes it.
//!
//! The core names a timeout by kind and round only, so a height's timers must die with the height; each height has its
//! own [`Timers`].

use std::collections::BTreeMap;

use arc_malachitebft_core_types::{Round, Timeout, TimeoutKind};

use super::Millis;
use super::convert;

/// No timeout grows beyond this, in milliseconds.
pub const LONGEST: Millis = 10_000;

/// How long a member waits, in milliseconds. A step's time is its base plus its delta for every failed round, at most
/// 10 s; none is shorter than 1 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a proposal, from the start of a round.
    pub propose: Millis,
    pub propose_delta: Millis,
    /// For prevotes to agree, from a quorum of mixed ones.
    pub prevote: Millis,
    pub prevote_delta: Millis,
    /// For precommits to agree, from a quorum of mixed ones.
    pub precommit: Millis,
    pub precommit_delta: Millis,
    /// Until the own messages of a round are sent again; each further time in the round takes one such span longer.
    pub rebroadcast: Millis,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            propose: 2_000,
            propose_delta: 500,
            prevote: 500,
            prevote_delta: 250,
            precommit: 500,
            precommit_delta: 250,
            rebroadcast: 300,
        }
    }
}

impl Timeouts {
    fn span(base: Millis, delta: Millis, times: u32) -> Millis {
        base.saturating_add(delta.saturating_mul(u64::from(times))).clamp(1, LONGEST)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Propose,
    Prevote,
    Precommit,
    Rebroadcast,
}

/// The pending timeouts and when they are due.
#[derive(Clone, Debug)]
pub struct Timers {
    timeouts: Timeouts,
    due: BTreeMap<(Kind, u32), Millis>,
}

impl Timers {
    pub fn new(timeouts: Timeouts) -> Self {
        Timers { timeouts, due: BTreeMap::new() }
    }

    /// Sets a timeout; `resent` counts how often the own messages of the round have been sent again.
    pub fn set(&mut self, now: Millis, timeout: Timeout, resent: u32) {
        let Some(key) = key(timeout) else { return };
        let (given, round) = (&self.timeouts, key.1);
        let span = match key.0 {
            Kind::Propose => Timeouts::span(given.propose, given.propose_delta, round),
            Kind::Prevote => Timeouts::span(given.prevote, given.prevote_delta, round),
            Kind::Precommit => Timeouts::span(given.precommit, given.precommit_delta, round),
            Kind::Rebroadcast => Timeouts::span(given.rebroadcast, given.rebroadcast, resent),
        };
        self.due.insert(key, now.saturating_add(span));
    }

    pub fn cancel(&mut self, timeout: Timeout) {
        if let Some(key) = key(timeout) {
            self.due.remove(&key);
        }
    }

    pub fn clear(&mut self) {
        self.due.clear();
    }

    /// Leaves only what re-sends own messages: a decided height needs nothing else.
    pub fn keep_rebroadcast(&mut self) {
        self.due.retain(|(kind, _), _| *kind == Kind::Rebroadcast);
    }

    pub fn next(&self) -> Option<Millis> {
        self.due.values().min().copied()
    }

    /// Removes and returns the earliest timeout due at `now`; of equals, the one of the earlier step.
    pub fn pop(&mut self, now: Millis) -> Option<Timeout> {
        let ready = self.due.iter().filter(|(_, at)| **at <= now);
        let key = ready.min_by_key(|(key, at)| (**at, **key)).map(|(key, _)| *key)?;
        self.due.remove(&key);
        let round = Round::new(key.1);
        Some(match key.0 {
            Kind::Propose => Timeout::propose(round),
            Kind::Prevote => Timeout::prevote(round),
            Kind::Precommit => Timeout::precommit(round),
            Kind::Rebroadcast => Timeout::rebroadcast(round),
        })
    }
}

/// `None` for the finalization timeout, which only heights with a target time have, and ours have none.
fn key(timeout: Timeout) -> Option<(Kind, u32)> {
    let kind = match timeout.kind {
        TimeoutKind::Propose => Kind::Propose,
        TimeoutKind::Prevote => Kind::Prevote,
        TimeoutKind::Precommit => Kind::Precommit,
        TimeoutKind::Rebroadcast => Kind::Rebroadcast,
        TimeoutKind::FinalizeHeight(_) => return None,
    };
    Some((kind, convert::round(timeout.round)))
}
