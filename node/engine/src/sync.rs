//! Catching up: what peers say of themselves, and what is asked of whom.
//!
//! Gossip is never trusted to deliver. Whoever is behind asks; a bad answer costs its sender.

use std::collections::BTreeMap;

use beacon_spec::keys::IdentityKey;
use beacon_spec::message::SetEntry;
use beacon_spec::reject::Reject;

use crate::batch::{Decision, Record};
use crate::engine::Engine;
use crate::event::{Effect, Millis, PeerStatus, Request, RequestId, Response, RoundRecord};
use crate::fetch::Ahead;
use crate::serve::MAX_ROUNDS;

/// How often peers are asked for their status, and how many at a time. Who answers badly is left alone as long, then
/// twice as long, at most 2^[`MOST_DOUBLINGS`] times.
const STATUS_EVERY: Millis = 1_000;
const MOST_DOUBLINGS: u32 = 3;
const STATUS_PEERS: usize = 4;
/// An unanswered request is given up after this.
const PATIENCE: Millis = 5_000;
/// A member that is one round behind first waits this long for openings and votes.
pub(crate) const LAG_GRACE: Millis = 400;
/// How often the own position is compared with the peers' when nothing is heard of them.
const LOOK_EVERY: Millis = 100;
/// Between two requests for the same commitments.
const WANTED_EVERY: Millis = 250;
/// Rounds whose transcripts are still to be fetched, at most; and how many answers without one of them end the search.
const MAX_MISSING: usize = 4_096;
const MOST_LACKING: u8 = 8;

#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub status: Option<PeerStatus>,
    /// The peer's clock minus ours, milliseconds.
    offset: Option<i64>,
    /// Nothing is asked of it before this.
    pub muted_until: Millis,
    /// Requests in a row that it did not answer, or badly.
    pub failures: u32,
    /// When the newest question of its status that it has answered was asked.
    told: Millis,
}

#[derive(Debug)]
pub(crate) enum Asked {
    Status,
    /// `count` rounds from `from` on.
    Rounds {
        from: u64,
        count: u16,
    },
    /// Of this window and the next.
    Decisions {
        from: u64,
    },
    Commitments(u64),
    /// Up to this round.
    Transcripts {
        last: u64,
    },
    Registry,
    /// Of this epoch.
    Committee(u64),
}

#[derive(Debug)]
pub(crate) struct Pending {
    pub peer: IdentityKey,
    pub asked: Asked,
    pub sent: Millis,
}

#[derive(Debug, Default)]
pub(crate) struct Sync {
    pub peers: BTreeMap<IdentityKey, Peer>,
    next_id: RequestId,
    pub pending: BTreeMap<RequestId, Pending>,
    next_status: Millis,
    next_transcripts: Millis,
    pub turn: usize,
    /// Rounds that came before it was their turn.
    pub ahead: Ahead,
    /// The highest round that any peer says it has.
    best: u64,
    /// When peers' positions are compared with the own next; at once when one of them changes.
    next_look: Millis,
    /// When the head last moved.
    pub head_since: Millis,
    /// Rounds without their transcript, and how many answers did not have it.
    missing: BTreeMap<u64, u8>,
}

impl Sync {
    pub fn miss_transcript(&mut self, round: u64) {
        self.missing.insert(round, 0);
        if self.missing.len() > MAX_MISSING {
            self.missing.pop_first();
        }
    }

    pub fn missing_transcripts(&self) -> usize {
        self.missing.len()
    }

    /// Median of the peers' clocks minus ours, milliseconds. [clock-1]
    pub fn clock_offset(&self) -> Option<i64> {
        let mut offsets: Vec<i64> = self.peers.values().filter_map(|peer| peer.offset).collect();
        offsets.sort_unstable();
        offsets.get(offsets.len() / 2).copied()
    }

    /// Connected peers and the round each says it has.
    pub fn peers(&self) -> impl Iterator<Item = (&IdentityKey, Option<u64>)> {
        self.peers.iter().map(|(key, peer)| (key, peer.status.map(|status| status.round)))
    }

    /// The highest round that any peer says it has.
    pub fn best_round(&self) -> u64 {
        self.best
    }

    /// To be called whenever what peers say has changed: `best_round` is asked in every step.
    fn compare_peers(&mut self) {
        let rounds = self.peers.values().filter_map(|peer| peer.status).map(|status| status.round);
        self.best = rounds.max().unwrap_or(0);
    }

    fn is_asking(&self, kind: fn(&Asked) -> bool) -> bool {
        self.pending.values().any(|pending| kind(&pending.asked))
    }
}

impl Engine {
    pub(crate) fn on_peer_up(&mut self, key: IdentityKey) {
        self.sync.peers.entry(key).or_default();
        self.ask(key, Asked::Status, Request::Status);
    }

    pub(crate) fn on_peer_down(&mut self, key: IdentityKey) {
        self.sync.peers.remove(&key);
        self.sync.compare_peers();
    }

    /// A peer has shown that it knows a certified `round`.
    pub(crate) fn heard_of(&mut self, key: IdentityKey, round: u64) {
        let (head, clock) = (self.config.chain, self.clock());
        if let Some(peer) = self.sync.peers.get_mut(&key) {
            let status = peer.status.get_or_insert(PeerStatus { round, header: head, decided: 0, clock });
            status.round = status.round.max(round);
            self.sync.next_look = 0;
            self.sync.compare_peers();
        }
    }

    pub(crate) fn ask(&mut self, peer: IdentityKey, asked: Asked, request: Request) {
        self.sync.next_id += 1;
        let id = self.sync.next_id;
        self.sync.pending.insert(id, Pending { peer, asked, sent: self.now });
        self.out.effects.push(Effect::Request { id, to: peer, request });
    }

    pub(crate) fn sync_deadline(&self) -> Option<Millis> {
        let patience = self.sync.pending.values().map(|pending| pending.sent + PATIENCE).min();
        let status = (!self.sync.peers.is_empty()).then_some(self.sync.next_status);
        let wanted = self.windows.values().flat_map(|window| window.wanted.values()).map(|wanted| wanted.next).min();
        let membership = self.membership.wanted.is_some() || self.missing_registry().is_some();
        let wanted = wanted.into_iter().chain(membership.then_some(self.membership.next_ask)).min();
        let wanted = wanted.filter(|_| !self.sync.peers.is_empty());
        let look = (self.sync.best_round() > self.chain.round).then_some(self.sync.next_look);
        let ready = self.has_next_rounds().then_some(self.now);
        [patience, status, wanted, look, ready].into_iter().flatten().min()
    }

    pub(crate) fn try_sync(&mut self) {
        self.give_up_late();
        self.ask_statuses();
        if self.now >= self.sync.next_look {
            self.sync.next_look = self.now.saturating_add(LOOK_EVERY);
            self.ask_rounds();
            self.ask_decisions();
        }
        self.ask_wanted();
        self.ask_membership();
        self.ask_transcripts();
    }

    fn give_up_late(&mut self) {
        let now = self.now;
        let late: Vec<RequestId> =
            self.sync.pending.iter().filter(|(_, pending)| pending.sent + PATIENCE <= now).map(|(id, _)| *id).collect();
        for id in late {
            if let Some(pending) = self.sync.pending.remove(&id) {
                self.on_silence(&pending);
            }
        }
    }

    /// A request came to nothing. Of a peer that does not even say where it is nothing else is asked, so that after a
    /// partition nobody is left alone for what the network did.
    fn on_silence(&mut self, pending: &Pending) {
        match (&pending.asked, self.sync.peers.get_mut(&pending.peer)) {
            (Asked::Status, Some(peer)) if pending.sent > peer.told => {
                peer.status = None;
                self.sync.compare_peers();
            }
            (Asked::Status, _) => {}
            _ => self.mute(pending.peer),
        }
    }

    /// Asks nothing of a peer for a while, longer each time.
    pub(crate) fn mute(&mut self, key: IdentityKey) {
        let now = self.now;
        if let Some(peer) = self.sync.peers.get_mut(&key) {
            peer.muted_until = now.saturating_add(STATUS_EVERY << peer.failures.min(MOST_DOUBLINGS));
            peer.failures = peer.failures.saturating_add(1);
            peer.status = None;
            self.sync.compare_peers();
        }
    }

    fn ask_statuses(&mut self) {
        if self.now < self.sync.next_status || self.sync.peers.is_empty() {
            return;
        }
        self.sync.next_status = self.now.saturating_add(STATUS_EVERY);
        let keys: Vec<IdentityKey> = self.sync.peers.keys().copied().collect();
        for offset in 0..STATUS_PEERS.min(keys.len()) {
            self.ask(keys[(self.sync.turn + offset) % keys.len()], Asked::Status, Request::Status);
        }
        self.sync.turn = (self.sync.turn + STATUS_PEERS) % keys.len();
    }

    /// An unmuted peer of whom `rank` is above `least`: of those that failed least, the next in turn. What it says of itself
    /// counts for no more than that, since anybody may boast.
    fn best_peer(&mut self, least: u64, rank: fn(&PeerStatus) -> u64) -> Option<(IdentityKey, u64)> {
        let now = self.now;
        let able = self.sync.peers.iter().filter(|(_, peer)| peer.muted_until <= now);
        let able: Vec<(u32, IdentityKey, u64)> = able
            .filter_map(|(key, peer)| Some((peer.failures, *key, rank(peer.status.as_ref()?))))
            .filter(|(_, _, value)| *value > least)
            .collect();
        let fewest = able.iter().map(|(failures, ..)| *failures).min()?;
        let able: Vec<_> = able.into_iter().filter(|(failures, ..)| *failures == fewest).collect();
        self.sync.turn = self.sync.turn.wrapping_add(1);
        able.get(self.sync.turn % able.len()).map(|(_, key, value)| (*key, *value))
    }

    /// Asks for decisions of windows that a peer has and this member lacks. [sync-2]
    fn ask_decisions(&mut self) {
        let next = self.next_height();
        let Some(committee) = self.committee_of_window(next) else { return };
        if self.own(&committee).is_none() || self.sync.is_asking(|asked| matches!(asked, Asked::Decisions { .. })) {
            return;
        }
        if self.now < self.sync.head_since.saturating_add(LAG_GRACE) {
            return;
        }
        if let Some((peer, decided)) = self.best_peer(next - 1, |status| status.decided) {
            let count = (decided - next + 1).min(2) as u16;
            self.ask(peer, Asked::Decisions { from: next }, Request::Decisions { from: next, count });
        }
    }

    /// Asks for commitments that a live proposal or a decision names, another peer each time. [sync-3]
    fn ask_wanted(&mut self) {
        let now = self.now;
        let mut wanted = self.windows.values().flat_map(|window| window.wanted.values());
        if self.sync.peers.is_empty() || !wanted.any(|wanted| wanted.next <= now) {
            return;
        }
        let peers: Vec<IdentityKey> = self.sync.peers.keys().copied().collect();
        let mut requests: BTreeMap<(u64, IdentityKey), Vec<SetEntry>> = BTreeMap::new();
        for (number, window) in &mut self.windows {
            for (entry, wanted) in window.wanted.iter_mut().filter(|(_, wanted)| wanted.next <= now) {
                let peer = peers[(usize::from(entry.member) + wanted.turn) % peers.len()];
                wanted.turn = wanted.turn.wrapping_add(1);
                wanted.next = now.saturating_add(WANTED_EVERY);
                requests.entry((*number, peer)).or_default().push(*entry);
            }
        }
        for ((window, peer), wanted) in requests {
            self.ask(peer, Asked::Commitments(window), Request::Commitments { window, wanted });
        }
    }

    /// Asks for the committee that a certified header names, or for the registry without which no value can be judged,
    /// one peer after the other. [sync-5]
    fn ask_membership(&mut self) {
        if self.now < self.membership.next_ask || self.sync.peers.is_empty() {
            return;
        }
        let (asked, request) = match (self.membership.wanted, self.missing_registry()) {
            (Some((epoch, _)), _) => (Asked::Committee(epoch), Request::Committee { epoch }),
            (None, Some(window)) => (Asked::Registry, Request::Registry { window }),
            (None, None) => return,
        };
        self.membership.next_ask = self.now.saturating_add(WANTED_EVERY);
        self.sync.turn = self.sync.turn.wrapping_add(1);
        let turn = self.sync.turn % self.sync.peers.len();
        let peer = self.sync.peers.keys().nth(turn).copied();
        if let Some(peer) = peer {
            self.ask(peer, asked, request);
        }
    }

    /// Fetches transcripts of rounds that were learned without them.
    fn ask_transcripts(&mut self) {
        if self.now < self.sync.next_transcripts
            || self.sync.is_asking(|asked| matches!(asked, Asked::Transcripts { .. } | Asked::Rounds { .. }))
        {
            return;
        }
        let Some(first) = self.sync.missing.first_key_value().map(|(round, _)| *round) else { return };
        let Some((peer, _)) = self.best_peer(first - 1, |status| status.round) else { return };
        self.sync.next_transcripts = self.now.saturating_add(STATUS_EVERY);
        let last = self.sync.missing.range(first..first + u64::from(MAX_ROUNDS)).next_back();
        let last = last.map_or(first, |(round, _)| *round);
        let count = (last - first + 1) as u16;
        self.ask(peer, Asked::Transcripts { last }, Request::Rounds { from: first, count, transcripts: true });
    }

    pub(crate) fn on_response(&mut self, id: RequestId, from: IdentityKey, response: Option<Response>) {
        let Some(pending) = self.sync.pending.remove(&id) else { return };
        self.sync.next_look = 0;
        if pending.peer != from {
            return;
        }
        match (&pending.asked, response) {
            (_, None) => self.on_silence(&pending),
            (Asked::Status, Some(Response::Status(status))) => self.on_status(from, pending.sent, status),
            (Asked::Rounds { from: first, count }, Some(Response::Rounds(rounds))) => {
                self.on_rounds(from, *first, *count, rounds);
            }
            (Asked::Decisions { from: first }, Some(Response::Decisions(decisions))) => {
                self.on_decisions(from, *first, decisions);
            }
            (Asked::Transcripts { last }, Some(Response::Rounds(rounds))) => self.on_transcripts(from, *last, rounds),
            (Asked::Registry, Some(Response::Registry(Some(answer)))) => {
                let (decision, registry) = *answer;
                self.on_registry(from, &decision, registry);
            }
            (Asked::Committee(epoch), Some(Response::Committee(Some(list)))) => self.on_committee(from, *epoch, *list),
            // This peer does not have it; the next one is asked in turn.
            (Asked::Registry, Some(Response::Registry(None)))
            | (Asked::Committee(_), Some(Response::Committee(None))) => {}
            (Asked::Commitments(window), Some(Response::Commitments(commitments))) => {
                for commitment in commitments {
                    if commitment.signed.body.window == *window {
                        self.on_commitment(from, commitment, false);
                    } else {
                        self.blame(from, Reject::WrongWindow);
                    }
                }
                self.out.relay = false;
            }
            (_, Some(_)) => {
                self.blame(from, Reject::Malformed);
                self.mute(from);
            }
        }
    }

    fn on_status(&mut self, from: IdentityKey, sent: Millis, status: PeerStatus) {
        let middle = (sent + (self.now.saturating_sub(sent)) / 2).saturating_sub(self.set_back);
        if let Some(peer) = self.sync.peers.get_mut(&from) {
            peer.status = Some(status);
            peer.told = peer.told.max(sent);
            peer.offset = Some(i64::try_from(status.clock).unwrap_or(i64::MAX).saturating_sub(middle as i64));
            self.sync.compare_peers();
        }
    }

    fn on_decisions(&mut self, from: IdentityKey, first: u64, decisions: Vec<Decision>) {
        // Who says that it has a decision and gives none is not asked again before the others.
        if decisions.first().is_none_or(|decision| decision.value.window != first) {
            return self.mute(from);
        }
        for decision in decisions {
            let height = decision.value.window;
            if height != self.next_height() {
                continue;
            }
            // The last of an epoch may come together with the first of the next, whose committee is not here yet.
            if self.committee_of_window(height).is_none() {
                return;
            }
            if let Err(reason) = self.check_decision(&decision) {
                self.blame(from, reason);
                return self.mute(from);
            }
            self.on_synced_decision(&decision);
        }
    }

    /// A decision holds when its certificate does and its value follows the rules.
    pub(crate) fn check_decision(&self, decision: &Decision) -> Result<(), Reject> {
        let height = decision.value.window;
        let committee = self.committee_of_window(height).ok_or(Reject::WrongCommittee)?;
        let value = decision.value.encode();
        self.check_value(&value, &committee, height)?;
        let certificate = &decision.certificate;
        if certificate.height != height {
            return Err(Reject::WrongWindow);
        }
        if certificate.value_id != beacon_spec::consensus::value_id(&value) {
            return Err(Reject::WrongRoot);
        }
        let signers = committee.signers();
        certificate.verify(
            &self.config.chain,
            |member| Some((signers.weight(member), signers.verifier(member).ok()?)),
            signers.total_weight(),
        )
    }

    fn on_transcripts(&mut self, from: IdentityKey, asked: u64, rounds: Vec<RoundRecord>) {
        let Some(first) = self.sync.missing.first_key_value().map(|(round, _)| *round) else { return };
        let last = rounds.last().map_or(first, |record| record.beacon.header.round).min(asked);
        for record in rounds {
            let round = record.beacon.header.round;
            let Some(transcript) = record.transcript.filter(|_| self.sync.missing.contains_key(&round)) else {
                continue;
            };
            let holds = match self.committee(record.beacon.header.epoch) {
                // The beacon is verified again: what the peer sent with the transcript is not yet known to be ours.
                Some(committee) => record
                    .beacon
                    .verify(&self.config.chain, &self.config.parameters.schedule, committee.signers())
                    .and_then(|_| transcript.audit(&record.beacon.header, &committee)),
                None => continue,
            };
            match holds {
                Ok(()) => {
                    self.sync.missing.remove(&round);
                    self.persist(Record::Transcript(Box::new(transcript)), false);
                }
                Err(reason) => return self.blame(from, reason),
            }
        }
        // What many answers lacked is nowhere any more.
        self.sync.missing.range_mut(..=last).for_each(|(_, lacking)| *lacking = lacking.saturating_add(1));
        self.sync.missing.retain(|_, lacking| *lacking < MOST_LACKING);
    }
}
