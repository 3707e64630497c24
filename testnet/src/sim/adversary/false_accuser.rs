//! Accuses honest members: of what they signed once, told twice; of what they signed beside what they did not.

use beacon_engine::event::Message;
use beacon_spec::consensus::ConsensusMessage;
use beacon_spec::evidence::{BadDealing, Evidence};
use beacon_spec::hash::Digest32;

use super::{Adversary, Scene};
use crate::sim::post::Parcel;

pub struct FalseAccuser;

/// Half of them name the same preimage twice, half another one under the signature of the first.
fn lie(scene: &mut Scene, message: &Message) -> Option<Evidence> {
    let other = (scene.rng().below(2) == 0).then(|| Digest32(scene.rng().bytes()));
    Some(match message {
        Message::HeaderVote(first) => {
            let mut second = *first;
            second.header = other.unwrap_or(first.header);
            Evidence::TwoHeaderVotes { first: *first, second }
        }
        Message::Consensus(message) => match &**message {
            ConsensusMessage::Vote(first) => {
                let mut second = *first;
                second.vote.value_id = other.or(first.vote.value_id);
                Evidence::TwoVotes { first: *first, second }
            }
            ConsensusMessage::Proposal(signed) => {
                let (first, mut second) = (signed.head(), signed.head());
                second.proposal.value_id = other.unwrap_or(first.proposal.value_id);
                Evidence::TwoProposals { first, second }
            }
            _ => return None,
        },
        Message::Commitment(commitment) if scene.rng().below(2) == 0 => {
            let (first, mut second) = (commitment.signed, commitment.signed);
            second.body.root = other.unwrap_or(first.body.root);
            Evidence::TwoCommitments { first, second }
        }
        Message::Commitment(commitment) => {
            let window = commitment.signed.body.window;
            let committee = scene.committee(window)?;
            let hashes = commitment.check(&scene.chain, &committee, &scene.schedule, window).ok()?;
            let mut dealing = commitment.dealings.first()?.clone();
            if other.is_some() {
                dealing.c.reverse();
            }
            Evidence::BadDealing(Box::new(BadDealing { signed: commitment.signed, hashes, index: 0, dealing }))
        }
        _ => return None,
    })
}

impl Adversary for FalseAccuser {
    fn name(&self) -> &'static str {
        "false-accuser"
    }

    fn see(&mut self, scene: &mut Scene, _: usize, message: &Message) -> Vec<Parcel> {
        if scene.rng().below(16) != 0 {
            return Vec::new();
        }
        let Some(evidence) = lie(scene, message) else { return Vec::new() };
        scene.acted(self.name());
        vec![scene.gossip(Message::Evidence(Box::new(evidence)))]
    }
}
