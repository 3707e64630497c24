//! Proposes the set that it likes best of all valid ones: the smallest that it is in.

use std::collections::BTreeMap;

use beacon_engine::event::Message;
use beacon_spec::consensus::{ConsensusMessage, SignedProposal};
use beacon_spec::evidence::Crime;

use super::{Adversary, Scene, once};
use crate::sim::post::Parcel;

#[derive(Default)]
pub struct ChoosyProposer {
    chosen: BTreeMap<(u64, u32), SignedProposal>,
}

fn choose(scene: &mut Scene, signed: &SignedProposal) -> Option<SignedProposal> {
    let proposal = &signed.proposal;
    let committee = scene.committee(proposal.height)?;
    let key = scene.key(&committee)?;
    let mut value = scene.value(&signed.value)?;
    let signers = committee.signers();
    for member in scene.rng().order(signers.len()) {
        let member = member as u16;
        let without: Vec<_> = value.set.iter().filter(|entry| entry.member != member).copied().collect();
        let weight = without.iter().map(|entry| signers.weight(entry.member)).sum();
        if member != proposal.member && signers.is_quorum(weight) {
            value.set = without;
        }
    }
    let place = (proposal.height, proposal.round, proposal.pol_round);
    Some(SignedProposal::sign(place, value.encode(), &scene.chain, (proposal.member, &key)))
}

impl Adversary for ChoosyProposer {
    fn name(&self) -> &'static str {
        "choosy-proposer"
    }

    fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        let signed = match &parcel.message {
            Message::Consensus(message) => match &**message {
                ConsensusMessage::Proposal(signed)
                    if Some(signed.proposal.member) == scene.member(signed.proposal.height) =>
                {
                    signed
                }
                _ => return vec![parcel],
            },
            _ => return vec![parcel],
        };
        // A value with a quorum behind it is not its own to choose.
        if signed.proposal.pol_round.is_some() {
            return vec![parcel];
        }
        let place = (signed.proposal.height, signed.proposal.round);
        let Some(chosen) = once(&mut self.chosen, place, || choose(scene, signed)) else { return vec![parcel] };
        scene.acted(self.name());
        // Its own engine, which has signed another, says so when it hears of the chosen one.
        scene.guilty(Crime::TwoProposals);
        let message = Message::Consensus(Box::new(ConsensusMessage::Proposal(chosen)));
        vec![Parcel { message, ..parcel }]
    }
}
