//! Signs two proposals of one round. The second leaves a member out, or names a commitment that nobody has.

use std::collections::BTreeMap;

use beacon_engine::event::Message;
use beacon_spec::consensus::{ConsensusMessage, SignedProposal};
use beacon_spec::evidence::Crime;
use beacon_spec::hash::Digest32;

use super::scene::halves;
use super::{Adversary, Scene, once};
use crate::sim::post::Parcel;

#[derive(Default)]
pub struct EquivocatingProposer {
    others: BTreeMap<(u64, u32), SignedProposal>,
}

/// Another value for the same proposal.
fn other(scene: &mut Scene, signed: &SignedProposal) -> Option<SignedProposal> {
    let proposal = &signed.proposal;
    let committee = scene.committee(proposal.height)?;
    let key = scene.key(&committee)?;
    let mut value = scene.value(&signed.value)?;
    let signers = committee.signers();
    let weight: u64 = value.set.iter().map(|entry| signers.weight(entry.member)).sum();
    let spare = value.set.iter().position(|entry| signers.is_quorum(weight - signers.weight(entry.member)));
    let place = scene.rng().below(value.set.len() as u64) as usize;
    match spare {
        Some(spare) if scene.rng().below(2) == 0 => drop(value.set.remove(spare)),
        _ => value.set.get_mut(place)?.commitment = Digest32(scene.rng().bytes()),
    }
    let place = (proposal.height, proposal.round, proposal.pol_round);
    Some(SignedProposal::sign(place, value.encode(), &scene.chain, (proposal.member, &key)))
}

impl Adversary for EquivocatingProposer {
    fn name(&self) -> &'static str {
        "equivocating-proposer"
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
        let place = (signed.proposal.height, signed.proposal.round);
        let Some(other) = once(&mut self.others, place, || other(scene, signed)) else { return vec![parcel] };
        let message = Message::Consensus(Box::new(ConsensusMessage::Proposal(other)));
        scene.acted(self.name());
        scene.guilty(Crime::TwoProposals);
        let (even, odd) = halves(&parcel.to);
        vec![Parcel { to: even, message, ..parcel.clone() }, Parcel { to: odd, ..parcel }]
    }
}
