//! The gate, openings and readies.

use std::collections::{BTreeMap, BTreeSet};

use beacon_spec::chain::Header;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{IdentityKey, ScalarBytes};
use beacon_spec::message::{Opening, Ready, SetEntry};
use beacon_spec::pvss::{self, Secret, Share};
use beacon_spec::sabotage::{Bug, planted};

use crate::engine::Engine;
use crate::event::{Effect, Message, Millis, Recipient};
use crate::resend::Own as OwnMessage;
use crate::window::OwnDealing;

/// What is known of the round after the head.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// When the own gate opened.
    pub opened_at: Option<Millis>,
    /// When openings or readies of a quorum had been seen.
    pub quorum_at: Option<Millis>,
    /// Valid shares by dealer and position.
    pub shares: BTreeMap<u16, BTreeMap<u16, Share>>,
    /// Dealers for whom the own shares were released.
    pub released: BTreeSet<u16>,
    /// Secrets recovered from shares.
    pub recovered: BTreeMap<u16, (Secret, Vec<Share>)>,
    /// Dealers that had to be recovered in the round before: δ is 0 for them.
    pub slow: BTreeSet<u16>,
    pub header: Option<(Header, Digest32)>,
    /// When the own gate for the round before opened.
    pub previous_open: Option<Millis>,
    /// Whether all that follows from the messages seen so far has been done; every new one clears it.
    pub settled: bool,
}

/// Rounds ahead of the head whose openings, readies and votes are kept, in windows.
const WINDOWS_AHEAD: u64 = 2;

impl Engine {
    /// Whether messages for `round` are worth a look: not certified, not far ahead.
    pub(crate) fn is_near(&self, round: u64) -> bool {
        let last = *self.schedule().rounds_of(self.current_window() + WINDOWS_AHEAD).end();
        round > self.chain.round && round <= last
    }

    /// Position of `round` within its window, 0-based.
    pub(crate) fn index_in_window(&self, round: u64) -> usize {
        let schedule = self.schedule();
        (round - schedule.rounds_of(schedule.window_of(round)).start()) as usize
    }

    /// The decided set of the next round's window, once it is on disk.
    pub(crate) fn decided_set(&self) -> Option<&[SetEntry]> {
        let window = self.windows.get(&self.current_window())?;
        Some(&window.decided(self.durable)?.decision.value.set)
    }

    /// When the gate of the next round opens: T(r), and the catch-up interval after the gate before. [open-3]
    pub(crate) fn open_deadline(&self) -> Option<Millis> {
        if self.round.opened_at.is_some() || self.is_dealing_again() {
            return None;
        }
        self.decided_set()?;
        Some(self.gate_time())
    }

    /// Whether the current window's own dealing is still being made again from its seed, or verified again, after
    /// a restart.
    fn is_dealing_again(&self) -> bool {
        self.windows.get(&self.current_window()).is_some_and(|window| match &window.own {
            OwnDealing::Dealing { .. } => window.seed.is_some(),
            OwnDealing::Dealt { hash, .. } => window.pending.iter().any(|entry| entry.commitment == *hash),
            OwnDealing::None | OwnDealing::Harvesting => false,
        })
    }

    fn gate_time(&self) -> Millis {
        let parameters = &self.config.parameters;
        let due = parameters.schedule.time_of(self.chain.round + 1).unwrap_or(Millis::MAX);
        let paced = self.round.previous_open.map_or(0, |at| at.saturating_add(parameters.catch_up_interval));
        self.at_clock(due).max(paced)
    }

    /// The gate: decision on disk, header before certified, clock at T(r). Then the opening, or a ready. [open-4]
    pub(crate) fn try_open(&mut self) -> bool {
        let shut = self.round.opened_at.is_some() || self.is_dealing_again() || self.decided_set().is_none();
        if shut || (self.now < self.gate_time() && !planted(Bug::GateRemoved)) {
            return false;
        }
        self.round.opened_at = Some(self.now);
        let round = self.chain.round + 1;
        let Some(committee) = self.committee_of_window(self.current_window()) else { return true };
        let Some(own) = self.own(&committee) else { return true };
        match self.own_opening(round, own.member) {
            Some(opening) if self.config.unsafe_withhold_openings => {
                self.out.effects.push(Effect::Withheld(opening));
            }
            Some(opening) => {
                self.send(Recipient::Gossip, Message::Opening(opening), 0);
                self.take_opening(&opening);
                self.resend_later(OwnMessage::Opening(round));
            }
            None if self.config.unsafe_withhold_openings => {}
            None => {
                let ready = Ready::make(&self.config.chain, round, own.member, &own.secrets.voting);
                self.send(Recipient::Gossip, Message::Ready(ready), 0);
                if let Some(window) = self.windows.get_mut(&self.schedule().window_of(round)) {
                    window.readies.insert((round, own.member));
                }
                self.resend_later(OwnMessage::Opening(round));
            }
        }
        true
    }

    /// The own opening for `round`, if the own commitment is in the decided set and its keys are here.
    pub(crate) fn own_opening(&self, round: u64, member: u16) -> Option<Opening> {
        let window = self.windows.get(&self.schedule().window_of(round))?;
        let set = &window.decision.as_ref()?.decision.value.set;
        let OwnDealing::Dealt { hash, openings, .. } = &window.own else { return None };
        let chosen = set.iter().any(|entry| entry.member == member && entry.commitment == *hash);
        if !chosen && !planted(Bug::UndecidedOpened) {
            return None;
        }
        let d = openings.get(self.index_in_window(round))?;
        Some(Opening { round, member, d: ScalarBytes(*d) })
    }

    /// An opening counts when d·G = D of a dealing in the decided set; it proves itself, whoever brings it. [open-1]
    pub(crate) fn on_opening(&mut self, from: IdentityKey, opening: Opening) {
        if !self.is_near(opening.round) {
            return;
        }
        match self.take_opening(&opening) {
            Some(true) => self.out.relay = true,
            Some(false) => self.blame(from, beacon_spec::reject::Reject::BadOpening),
            None => {}
        }
    }

    /// `None` when it cannot be judged here or is known; otherwise whether it is valid.
    fn take_opening(&mut self, opening: &Opening) -> Option<bool> {
        let index = self.index_in_window(opening.round);
        let window = self.windows.get_mut(&self.config.parameters.schedule.window_of(opening.round))?;
        let decided = window.decision.as_ref()?;
        let key = (opening.round, opening.member);
        if decided.openings.contains_key(&key) {
            return None;
        }
        let entry = *decided.decision.value.set.iter().find(|entry| entry.member == opening.member)?;
        let verdict = pvss::open(window.dealing(&entry, index)?, &opening.d);
        if let (Ok(secret), Some(decided)) = (&verdict, &mut window.decision) {
            decided.openings.insert(key, (opening.d, *secret));
            self.round.settled = false;
        }
        Some(verdict.is_ok())
    }

    /// A ready counts with its signature. [open-2]
    pub(crate) fn on_ready(&mut self, from: IdentityKey, ready: Ready) {
        if !self.is_near(ready.round) {
            return;
        }
        let number = self.schedule().window_of(ready.round);
        let key = (ready.round, ready.member);
        let judges = number - u64::from(planted(Bug::OldKeysTaken));
        let Some(committee) = self.committee_of_window(judges) else { return };
        let chain = self.config.chain;
        let Some(window) = self.window_mut(number) else { return };
        if window.readies.contains(&key) {
            return;
        }
        match ready.verify(&chain, committee.signers()) {
            Ok(()) => {
                window.readies.insert(key);
                self.round.settled = false;
                self.out.relay = true;
            }
            Err(reason) => self.blame(from, reason),
        }
    }

    /// The secret of `member` for the next round, if it is known.
    pub(crate) fn secret(&self, member: u16) -> Option<Secret> {
        let round = self.chain.round + 1;
        let window = self.windows.get(&self.current_window())?;
        let opened = window.decision.as_ref()?.openings.get(&(round, member)).map(|(_, secret)| *secret);
        opened.or_else(|| self.round.recovered.get(&member).map(|(secret, _)| *secret))
    }
}
