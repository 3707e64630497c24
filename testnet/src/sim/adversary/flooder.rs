//! Sends far more than it owes: commitments without number, votes of rounds and heights to come, readies and header
//! votes of rounds to come, values as large as they may be.

use beacon_engine::event::Message;
use beacon_spec::consensus::{ConsensusMessage, SignedProposal, Vote, VoteKind};
use beacon_spec::evidence::Crime;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::SecretKey;
use beacon_spec::message::{HeaderVote, Ready};

use super::{Adversary, Scene};
use crate::sim::post::Parcel;

/// Messages of one burst.
const BURST: u64 = 12;

pub struct Flooder;

fn junk(scene: &mut Scene, round: u64, member: u16, key: &SecretKey) -> Option<Message> {
    let chain = scene.chain;
    let hash = Digest32(scene.rng().bytes());
    let ahead = scene.rng().below(70);
    let height = scene.schedule.window_of(round) + scene.rng().below(4);
    let turn = scene.rng().below(16) as u32;
    Some(match scene.rng().below(6) {
        0 => {
            let mut commitment = scene.deal(height)?;
            commitment.dealings.iter_mut().for_each(|dealing| dealing.z.0[..31].copy_from_slice(&hash.0[..31]));
            scene.guilty(Crime::BadDealing);
            scene.guilty(Crime::TwoCommitments);
            Message::Commitment(Box::new(scene.commit(height, commitment.dealings)?))
        }
        1 => Message::Ready(Ready::make(&chain, round + ahead, member, key)),
        2 => {
            scene.guilty(Crime::TwoHeaderVotes);
            scene.guilty(Crime::UncertifiedHeader);
            Message::HeaderVote(HeaderVote::make(&chain, round + ahead, member, hash, key))
        }
        3 => {
            scene.guilty(Crime::TwoProposals);
            let value = vec![7; 1 << scene.rng().below(18)];
            let signed = SignedProposal::sign((height, turn, None), value, &chain, (member, key));
            Message::Consensus(Box::new(ConsensusMessage::Proposal(signed)))
        }
        choice => {
            scene.guilty(Crime::TwoVotes);
            let kind = if choice == 4 { VoteKind::Prevote } else { VoteKind::Precommit };
            let vote = Vote { height, round: turn, kind, value_id: Some(hash), member };
            Message::Consensus(Box::new(ConsensusMessage::Vote(vote.sign(&chain, key))))
        }
    })
}

impl Adversary for Flooder {
    fn name(&self) -> &'static str {
        "flooder"
    }

    fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        let round = match &parcel.message {
            Message::HeaderVote(vote) => vote.round,
            Message::Commitment(commitment) => *scene.schedule.rounds_of(commitment.signed.body.window).start(),
            _ => return vec![parcel],
        };
        let window = scene.schedule.window_of(round);
        let key = scene.committee(window).and_then(|committee| scene.key(&committee));
        let (Some(member), Some(key)) = (scene.member(window), key) else { return vec![parcel] };
        let mut parcels = vec![parcel];
        for _ in 0..BURST {
            let Some(junk) = junk(scene, round, member, &key) else { continue };
            let direct = matches!(junk, Message::HeaderVote(_) | Message::Consensus(_) | Message::Shares(_));
            parcels.push(if direct { scene.message(junk) } else { scene.gossip(junk) });
        }
        scene.acted(self.name());
        parcels
    }
}
