//! The own commitment: entropy, seed, dealing, broadcast.

use zeroize::Zeroizing;

use beacon_spec::message::Commitment;
use beacon_spec::sabotage::{Bug, planted};

use crate::batch::{DealingSeed, Record};
use crate::engine::Engine;
use crate::event::{Effect, Message, Recipient};
use crate::job::{DealJob, Job, window_seed};
use crate::resend::Own;
use crate::window::OwnDealing;

impl Engine {
    /// Starts the dealings that are due: of the next undecided window, and of any window whose seed a restart
    /// brought back. [deal-3]
    pub(crate) fn try_deal(&mut self) -> bool {
        let mut moved = false;
        let next = self.next_height();
        if self.may_start(next) {
            self.window_mut(next);
        }
        let open: Vec<u64> = self
            .windows
            .iter()
            .filter(|(number, window)| {
                matches!(window.own, OwnDealing::None) && (window.seed.is_some() || **number == next)
            })
            .map(|(number, _)| *number)
            .collect();
        for number in open {
            moved |= self.start_dealing(number, number == next);
        }
        moved
    }

    fn start_dealing(&mut self, number: u64, fresh: bool) -> bool {
        let Some(committee) = self.committee_of_window(number) else { return false };
        if self.own(&committee).is_none() {
            return false;
        }
        let allowed = self.may_start(number) && self.may_sign(number);
        let Some(window) = self.windows.get_mut(&number) else { return false };
        match window.seed.clone() {
            Some(seed) => {
                window.own = OwnDealing::Dealing { seq: 0 };
                self.run_dealing(number, seed.0);
                true
            }
            None if fresh && allowed => {
                window.own = OwnDealing::Harvesting;
                self.out.effects.push(Effect::NeedEntropy { window: number });
                true
            }
            None => false,
        }
    }

    /// The workers' bytes have come: derive the seed and keep it before anything made from it leaves. [deal-2]
    pub(crate) fn on_entropy(&mut self, number: u64, bytes: &[u8; 32]) {
        let Some(committee) = self.committee_of_window(number) else { return };
        let Some(own) = self.own(&committee) else { return };
        if !self.windows.get(&number).is_some_and(|window| matches!(window.own, OwnDealing::Harvesting)) {
            return;
        }
        let seed =
            window_seed(bytes, &self.config.long_lived, &self.config.chain, committee.epoch(), number, own.member);
        let kept = DealingSeed(seed.clone());
        let seq = if planted(Bug::SeedNotKept) {
            0
        } else {
            self.persist(Record::Seed { window: number, seed: kept.clone() }, true)
        };
        if let Some(window) = self.windows.get_mut(&number) {
            window.seed = Some(kept);
            window.own = OwnDealing::Dealing { seq };
        }
        self.run_dealing(number, seed);
    }

    fn run_dealing(&mut self, number: u64, seed: Zeroizing<[u8; 32]>) {
        let Some(committee) = self.committee_of_window(number) else { return };
        let Some(own) = self.own(&committee) else { return };
        self.out.effects.push(Effect::Run(Job::Deal(Box::new(DealJob {
            chain: self.config.chain,
            schedule: self.schedule(),
            committee,
            window: number,
            member: own.member,
            seed,
            key: own.secrets.voting.clone(),
        }))));
    }

    /// The dealing is made: judge it like any other and, while the window is undecided, gossip it.
    pub(crate) fn on_dealt(&mut self, number: u64, commitment: Commitment, openings: Zeroizing<Vec<[u8; 32]>>) {
        let hash = commitment.signed.body.hash(&self.config.chain);
        let sends = self.may_sign(number);
        let Some(window) = self.windows.get_mut(&number) else { return };
        let OwnDealing::Dealing { seq } = window.own else { return };
        window.own = OwnDealing::Dealt { seq, commitment: Box::new(commitment.clone()), hash, openings };
        if sends && window.decision.is_none() {
            self.send(Recipient::Gossip, Message::Commitment(Box::new(commitment.clone())), seq);
            self.resend_later(Own::Commitment(number));
        }
        let me = self.config.identity;
        self.on_commitment(me, commitment, true);
        self.out.relay = false;
    }
}
