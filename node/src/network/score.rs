//! Offences, points and bans. Pure: the time is passed in.
//!
//! Points fade with a half-life of a minute, so that a rare fault never adds up to a ban, while a
//! peer that keeps offending reaches the threshold within seconds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::PeerKey;

/// Points at which a peer is banned: a little below 100, because points fade between offences.
const THRESHOLD: f64 = 95.0;
const HALF_LIFE: Duration = Duration::from_secs(60);
/// A member's ban is this many times shorter than a stranger's.
const MEMBER_CLEMENCY: u32 = 20;
/// Peers remembered at most; identities cost nothing to make.
const REMEMBERED: usize = 4096;

/// What a peer did that an honest one does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// A gossip message or direct message that cannot be valid.
    InvalidMessage,
    /// An answer that does not match what was asked, or is wrong.
    BadAnswer,
    /// More of something than its limit allows.
    Flood,
    /// A frame or stream that breaks the network's own formats.
    BrokenFraming,
}

impl Offence {
    fn points(self) -> f64 {
        match self {
            Self::InvalidMessage => 20.0,
            Self::BadAnswer => 25.0,
            Self::Flood => 10.0,
            Self::BrokenFraming => 50.0,
        }
    }
}

struct Record {
    points: f64,
    at: Instant,
}

/// Points of every peer that offended lately, and who is banned until when.
pub(super) struct ScoreBoard {
    ban: Duration,
    records: BTreeMap<PeerKey, Record>,
    bans: BTreeMap<PeerKey, Instant>,
}

impl ScoreBoard {
    pub(super) fn new(ban: Duration) -> Self {
        Self { ban, records: BTreeMap::new(), bans: BTreeMap::new() }
    }

    /// Adds an offence; `true` if the peer is banned by it.
    pub(super) fn report(&mut self, peer: PeerKey, offence: Offence, member: bool, now: Instant) -> bool {
        let faded = self.records.get(&peer).map_or(0.0, |record| fade(record, now));
        let points = faded + offence.points();
        if points < THRESHOLD {
            self.records.insert(peer, Record { points, at: now });
            self.forget_surplus(now);
            return false;
        }
        self.records.remove(&peer);
        let length = if member { self.ban / MEMBER_CLEMENCY } else { self.ban };
        self.bans.insert(peer, now + length);
        true
    }

    /// Lifts the bans that are over, or beyond what is remembered, and returns whose they were.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<PeerKey> {
        let surplus = self.bans.len().saturating_sub(REMEMBERED);
        let over: Vec<PeerKey> = self
            .bans
            .iter()
            .enumerate()
            .filter(|(position, (_, until))| *position < surplus || **until <= now)
            .map(|(_, (peer, _))| *peer)
            .collect();
        for peer in &over {
            self.bans.remove(peer);
        }
        over
    }

    /// When the next ban is over.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.bans.values().min().copied()
    }

    /// Keeps the records bounded: first what has faded goes, then whatever comes first.
    fn forget_surplus(&mut self, now: Instant) {
        if self.records.len() > REMEMBERED {
            self.records.retain(|_, record| fade(record, now) >= 1.0);
        }
        while self.records.len() > REMEMBERED {
            self.records.pop_first();
        }
    }
}

fn fade(record: &Record, now: Instant) -> f64 {
    let age = now.saturating_duration_since(record.at);
    record.points * 0.5f64.powf(age.as_secs_f64() / HALF_LIFE.as_secs_f64())
}

/// A token bucket: `burst` at once, `rate` per second in the long run.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Budget {
    pub(super) fn new(rate: f64, burst: f64, now: Instant) -> Self {
        Self { rate, burst, tokens: burst, at: now }
    }

    /// Takes one token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + age * self.rate).min(self.burst);
        self.at = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerKey = [7; 32];
    const BAN: Duration = Duration::from_secs(600);

    fn ban(board: &mut ScoreBoard, peer: PeerKey, member: bool, now: Instant) -> bool {
        !board.report(peer, Offence::BrokenFraming, member, now)
            && board.report(peer, Offence::BrokenFraming, member, now)
    }

    #[test]
    fn repeated_offences_ban_and_rare_ones_fade() {
        let start = Instant::now();
        let mut board = ScoreBoard::new(BAN);
        for _ in 0..4 {
            assert!(!board.report(PEER, Offence::InvalidMessage, false, start));
        }
        assert!(board.report(PEER, Offence::InvalidMessage, false, start));

        let mut board = ScoreBoard::new(BAN);
        for minute in 0..60 {
            let now = start + Duration::from_secs(120 * minute);
            assert!(!board.report(PEER, Offence::BadAnswer, false, now));
        }
    }

    #[test]
    fn a_ban_ends_and_a_members_ban_ends_sooner() {
        let start = Instant::now();
        let mut board = ScoreBoard::new(BAN);
        assert!(ban(&mut board, PEER, false, start));
        assert!(ban(&mut board, [8; 32], true, start));
        assert_eq!(board.next_deadline(), Some(start + BAN / MEMBER_CLEMENCY));
        assert_eq!(board.expire(start + BAN / 2), vec![[8; 32]]);
        assert_eq!(board.expire(start + BAN), vec![PEER]);
        assert_eq!(board.next_deadline(), None);
    }

    #[test]
    fn the_tables_stay_bounded() {
        let start = Instant::now();
        let mut board = ScoreBoard::new(BAN);
        for number in 0..2 * REMEMBERED as u64 {
            let mut peer = [0; 32];
            peer[..8].copy_from_slice(&number.to_be_bytes());
            board.report(peer, Offence::Flood, false, start);
            assert!(board.records.len() <= REMEMBERED);
            peer[31] = 1;
            ban(&mut board, peer, false, start);
        }
        assert_eq!(board.expire(start).len(), REMEMBERED);
        assert_eq!(board.bans.len(), REMEMBERED);
    }

    #[test]
    fn a_budget_refills_at_its_rate() {
        let start = Instant::now();
        let mut budget = Budget::new(10.0, 2.0, start);
        assert!(budget.take(start) && budget.take(start) && !budget.take(start));
        let later = start + Duration::from_millis(100);
        assert!(budget.take(later) && !budget.take(later));
    }
}
