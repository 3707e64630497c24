//! Fetching certified rounds: ranges from several peers at once, judged in their order.

use std::collections::{BTreeMap, VecDeque};

use beacon_spec::chain::{Beacon, Transcript};
use beacon_spec::keys::IdentityKey;
use beacon_spec::reject::Reject;

use crate::engine::Engine;
use crate::event::{Millis, Request, RoundRecord};
use crate::serve::MAX_ROUNDS;
use crate::sync::{Asked, LAG_GRACE};

/// Ranges under way or waiting for their turn, at most. Each is at most one answer large.
const RANGES: usize = 4;
/// A peer that has not answered after this does not hold up the others: its place is given away, and the next range is
/// asked of another peer too.
const SECOND_ASK: Millis = 1_000;

/// Answers that hold rounds above the head, by their first round.
#[derive(Debug, Default)]
pub(crate) struct Ahead(BTreeMap<u64, Answer>);

#[derive(Debug)]
struct Answer {
    peer: IdentityKey,
    /// Consecutive rounds.
    rounds: VecDeque<RoundRecord>,
}

impl Engine {
    /// Asks for certified rounds when a peer has more: at once when two behind, after a grace when one behind. Whoever
    /// is far behind asks several peers, each for another range. [sync-1]
    pub(crate) fn ask_rounds(&mut self) {
        if !self.can_judge_next() {
            return;
        }
        let (head, now) = (self.chain.round, self.now);
        let unmuted = self.sync.peers.values().filter(|peer| peer.muted_until <= now);
        let best = unmuted.filter_map(|peer| peer.status).map(|status| status.round).max().unwrap_or(0);
        let waited = now >= self.sync.head_since.saturating_add(LAG_GRACE);
        if best <= head || (best == head + 1 && !waited) {
            return;
        }
        while let Some((from, room)) = self.gap() {
            let Some((peer, round)) = self.round_peer(from) else { return };
            let count = (round - from + 1).min(room).min(u64::from(MAX_ROUNDS)) as u16;
            self.ask(peer, Asked::Rounds { from, count }, Request::Rounds { from, count, transcripts: true });
        }
    }

    /// The first rounds above the head that are neither here nor asked for, and how many they are.
    fn gap(&self) -> Option<(u64, u64)> {
        let (next, now) = (self.chain.round + 1, self.now);
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for (from, answer) in &self.sync.ahead.0 {
            spans.push((*from, from + answer.rounds.len() as u64));
        }
        let mut busy = spans.len();
        for pending in self.sync.pending.values() {
            let Asked::Rounds { from, count } = pending.asked else { continue };
            let late = now >= pending.sent.saturating_add(SECOND_ASK);
            busy += usize::from(!late);
            if !late || from > next {
                spans.push((from, from.saturating_add(u64::from(count))));
            }
        }
        if busy >= RANGES {
            return None;
        }
        spans.sort_unstable();
        let mut from = next;
        for (begin, end) in spans {
            if begin > from {
                return Some((from, begin - from));
            }
            from = from.max(end);
        }
        Some((from, u64::MAX))
    }

    /// A peer that says it has `round` and was not asked for rounds yet: of those that failed least, the next in turn.
    /// Gives also what it says it has.
    fn round_peer(&mut self, round: u64) -> Option<(IdentityKey, u64)> {
        let (now, pending) = (self.now, &self.sync.pending);
        let busy = |key: &IdentityKey| {
            pending.values().any(|pending| pending.peer == *key && matches!(pending.asked, Asked::Rounds { .. }))
        };
        let able = self.sync.peers.iter().filter(|(key, peer)| peer.muted_until <= now && !busy(key));
        let able: Vec<_> = able
            .filter_map(|(key, peer)| Some((peer.failures, *key, peer.status?.round)))
            .filter(|(_, _, has)| *has >= round)
            .collect();
        let least = able.iter().map(|(failures, ..)| *failures).min()?;
        let able: Vec<_> = able.into_iter().filter(|(failures, ..)| *failures == least).collect();
        self.sync.turn = self.sync.turn.wrapping_add(1);
        able.get(self.sync.turn % able.len()).map(|(_, key, has)| (*key, *has))
    }

    /// Rounds from a peer, which must be those that it was asked for, from the first on. They wait for their turn.
    pub(crate) fn on_rounds(&mut self, from: IdentityKey, first: u64, count: u16, rounds: Vec<RoundRecord>) {
        if rounds.is_empty() {
            return self.mute(from);
        }
        let asked = rounds.iter().zip(first..).all(|(record, round)| record.beacon.header.round == round);
        if !asked || rounds.len() > usize::from(count) {
            self.blame(from, Reject::WrongRound);
            return self.mute(from);
        }
        let head = self.chain.round;
        let rounds: VecDeque<_> = rounds.into_iter().filter(|record| record.beacon.header.round > head).collect();
        let Some(start) = rounds.front().map(|record| record.beacon.header.round) else { return };
        let known = self.sync.ahead.0.get(&start).map_or(0, |answer| answer.rounds.len());
        if known < rounds.len() {
            self.sync.ahead.0.insert(start, Answer { peer: from, rounds });
        }
        self.adopt_next_rounds();
    }

    /// Whether rounds are here that can be judged.
    pub(crate) fn has_next_rounds(&self) -> bool {
        let next = self.chain.round + 1;
        self.sync.ahead.0.first_key_value().is_some_and(|(from, _)| *from <= next) && self.can_judge_next()
    }

    /// Adopts the rounds of one answer, in order from the next one. The first that does not hold ends the answer, and
    /// with it all that its sender has sent. [sync-4]
    pub(crate) fn adopt_next_rounds(&mut self) {
        if self.halted || !self.has_next_rounds() {
            return;
        }
        let Some((_, Answer { peer, mut rounds })) = self.sync.ahead.0.pop_first() else { return };
        while let Some(record) = rounds.pop_front() {
            let round = record.beacon.header.round;
            if round <= self.chain.round {
                continue; // certified here while it waited
            }
            if !self.can_judge_next() {
                rounds.push_front(record); // the next committee comes first
                self.sync.ahead.0.insert(round, Answer { peer, rounds });
                return;
            }
            let hash = match self.check_next(&record.beacon) {
                Ok(hash) => hash,
                Err(reason) => {
                    self.blame(peer, reason);
                    self.sync.ahead.0.retain(|_, answer| answer.peer != peer);
                    return self.mute(peer);
                }
            };
            let RoundRecord { beacon, transcript } = record;
            let transcript = transcript.filter(|transcript| self.is_of(peer, transcript, &beacon));
            self.adopt(beacon, hash, transcript);
            if let Some(peer) = self.sync.peers.get_mut(&peer) {
                peer.failures = 0;
            }
            if self.halted {
                return;
            }
        }
    }

    /// Whether the beacon's output follows from the transcript that came with it; if not, its sender is to blame.
    fn is_of(&mut self, peer: IdentityKey, transcript: &Transcript, beacon: &Beacon) -> bool {
        let Some(committee) = self.committee(beacon.header.epoch) else { return false };
        let verdict = transcript.audit(&beacon.header, &committee);
        if let Err(reason) = verdict {
            self.blame(peer, reason);
        }
        verdict.is_ok()
    }
}
