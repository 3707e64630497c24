//! Evidence: proofs of crimes, found here or brought by gossip, kept and passed on.

use std::collections::BTreeSet;

use beacon_spec::chain::Beacon;
use beacon_spec::evidence::{Crime, Evidence};
use beacon_spec::keys::IdentityKey;

use crate::batch::Record;
use crate::engine::Engine;
use crate::event::{Fault, Message, Recipient};

/// What has been proven already: one proof of each crime of each member and epoch is kept, however often it was
/// committed, so that a criminal cannot fill disks by accusing itself. [evidence-5]
#[derive(Debug, Default)]
pub(crate) struct Proven(BTreeSet<(u64, u16, Crime)>);

impl Proven {
    pub fn holds(&self, epoch: u64, member: u16, crime: Crime) -> bool {
        self.0.contains(&(epoch, member, crime))
    }
}

impl Engine {
    pub(crate) fn restore_evidence(&mut self, kept: &[Evidence]) {
        let schedule = self.schedule();
        self.proven.0 = kept.iter().map(|known| (known.epoch(&schedule), known.member(), known.crime())).collect();
    }

    /// Whether a crime is not proven yet, in an epoch that can still be judged.
    pub(crate) fn is_news(&self, window: u64, member: u16, crime: Crime) -> bool {
        let epoch = self.schedule().epoch_of_window(window);
        self.committees.contains_key(&epoch) && !self.proven.holds(epoch, member, crime)
    }

    /// Keeps a proof whose parts were verified here, and tells everybody. [evidence-5]
    pub(crate) fn accuse(&mut self, evidence: Evidence) {
        if self.is_news(evidence.window(&self.schedule()), evidence.member(), evidence.crime()) {
            self.send(Recipient::Gossip, Message::Evidence(Box::new(evidence.clone())), 0);
            self.keep_evidence(evidence);
        }
    }

    /// Takes a proof from gossip, if it is news and holds. [evidence-6]
    pub(crate) fn on_evidence(&mut self, from: IdentityKey, evidence: Evidence) {
        let schedule = self.schedule();
        let window = evidence.window(&schedule);
        if !self.is_news(window, evidence.member(), evidence.crime()) {
            return;
        }
        let Some(committee) = self.committee_of_window(window) else { return };
        match evidence.verify(&self.config.chain, &schedule, &committee) {
            Ok(()) => {
                self.out.relay = true;
                self.keep_evidence(evidence);
            }
            Err(reason) => self.blame(from, reason),
        }
    }

    fn keep_evidence(&mut self, evidence: Evidence) {
        let epoch = evidence.epoch(&self.schedule());
        self.proven.0.insert((epoch, evidence.member(), evidence.crime()));
        self.persist(Record::Evidence { epoch, evidence: Box::new(evidence.clone()) }, false);
        self.out.faults.push(Fault::Crime(Box::new(evidence)));
    }

    /// Accuses who voted for another header than the certified one.
    pub(crate) fn judge_votes(&mut self, beacon: &Beacon) {
        let header = &beacon.header;
        let Some(window) = self.windows.get(&header.window) else { return };
        let hash = header.hash();
        let round = (header.round, 0)..=(header.round, u16::MAX);
        let liars: Vec<_> =
            window.votes.range(round).map(|(_, vote)| *vote).filter(|vote| vote.header != hash).collect();
        for vote in liars {
            self.accuse(Evidence::UncertifiedHeader { vote, beacon: Box::new(beacon.clone()) });
        }
    }

    /// Forgets proofs of epochs whose committees are forgotten; the disk keeps them.
    pub(crate) fn drop_past_evidence(&mut self) {
        if let Some(oldest) = self.committees.keys().next() {
            self.proven.0 = self.proven.0.split_off(&(*oldest, 0, Crime::TwoCommitments));
        }
    }
}
