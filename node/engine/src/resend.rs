//! Re-sending of own messages, with back-off, until a certificate or a decision supersedes them. [resend-1]

use std::collections::BTreeMap;

use beacon_spec::hash::Digest32;
use beacon_spec::message::{Opening, Ready};

use crate::engine::Engine;
use crate::event::{Message, Millis, Recipient};
use crate::window::OwnDealing;

/// First wait and longest wait between two sendings, milliseconds.
const FIRST: Millis = 300;
const LONGEST: Millis = 5_000;

/// An own message that others need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Own {
    /// Of a window, until it is decided.
    Commitment(u64),
    /// Opening or ready of a round, until it is certified.
    Opening(u64),
    Shares(u64),
    HeaderVote(u64),
    /// For an epoch, until it is decided or too late.
    Registration(u64),
    /// By digest, until it is decided or expired.
    Amendment(Digest32),
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    next: Millis,
    wait: Millis,
}

#[derive(Debug, Default)]
pub(crate) struct Resend {
    timers: BTreeMap<Own, Timer>,
}

impl Engine {
    pub(crate) fn resend_later(&mut self, own: Own) {
        let timer = Timer { next: self.now.saturating_add(FIRST), wait: FIRST };
        self.resend.timers.insert(own, timer);
    }

    pub(crate) fn resend_deadline(&self) -> Option<Millis> {
        self.resend.timers.values().map(|timer| timer.next).min()
    }

    pub(crate) fn try_resend(&mut self) {
        let now = self.now;
        let superseded = |engine: &mut Engine, own: &Own| match own {
            Own::Registration(epoch) => engine.is_registered(*epoch),
            Own::Amendment(digest) => engine.own_amendment(digest).is_none(),
            Own::Commitment(window) => engine.windows.get(window).is_none_or(|state| state.decision.is_some()),
            Own::Opening(round) | Own::Shares(round) | Own::HeaderVote(round) => *round <= engine.chain.round,
        };
        for own in self.resend.timers.keys().copied().collect::<Vec<_>>() {
            if superseded(self, &own) {
                self.resend.timers.remove(&own);
            }
        }
        let due: Vec<Own> =
            self.resend.timers.iter().filter(|(_, timer)| timer.next <= now).map(|(own, _)| *own).collect();
        for own in due {
            let mut waited = 0;
            if let Some(timer) = self.resend.timers.get_mut(&own) {
                waited = timer.wait;
                timer.wait = (timer.wait * 2).min(LONGEST);
                timer.next = now.saturating_add(timer.wait);
            }
            if let Own::Opening(round) = own
                && waited > FIRST
            {
                self.pass_on_openings(round);
            }
            if let Some((message, after)) = self.own_message(own) {
                self.send(Recipient::Members, message, after);
            }
        }
    }

    /// Sends the openings of others that came for a round that is not certified. Who has one releases no shares of its
    /// dealing, and its dealer may be gone. [resend-2]
    fn pass_on_openings(&mut self, round: u64) {
        let Some(window) = self.windows.get(&self.schedule().window_of(round)) else { return };
        let Some(decided) = &window.decision else { return };
        let known: Vec<Opening> = decided
            .openings
            .range((round, 0)..=(round, u16::MAX))
            .map(|((round, member), (d, _))| Opening { round: *round, member: *member, d: *d })
            .collect();
        for opening in known {
            self.send(Recipient::Members, Message::Opening(opening), 0);
        }
    }

    /// The message again, made from the same state; with the batch that it depends on.
    fn own_message(&mut self, message: Own) -> Option<(Message, u64)> {
        match message {
            Own::Registration(epoch) => self.own_registration(epoch),
            Own::Amendment(digest) => self.own_amendment(&digest),
            Own::Commitment(window) => match &self.windows.get(&window)?.own {
                OwnDealing::Dealt { seq, commitment, .. } => Some((Message::Commitment(commitment.clone()), *seq)),
                _ => None,
            },
            Own::Opening(round) => {
                let committee = self.committee_of_window(self.schedule().window_of(round))?;
                let own = self.own(&committee)?;
                let message = match self.own_opening(round, own.member) {
                    Some(opening) => Message::Opening(opening),
                    None => {
                        let ready = Ready::make(&self.config.chain, round, own.member, &own.secrets.voting);
                        Message::Ready(ready)
                    }
                };
                Some((message, 0))
            }
            Own::Shares(_) => {
                let committee = self.committee_of_window(self.current_window())?;
                let own = self.own(&committee)?;
                Some((Message::Shares(Box::new(self.own_shares(&committee, &own)?)), 0))
            }
            Own::HeaderVote(round) => {
                let number = self.schedule().window_of(round);
                let committee = self.committee_of_window(number)?;
                let own = self.own(&committee)?;
                let vote = *self.windows.get(&number)?.votes.get(&(round, own.member))?;
                Some((Message::HeaderVote(vote), 0))
            }
        }
    }
}
