//! Votes twice in one step of agreement, and for two headers of one round.

use beacon_engine::event::Message;
use beacon_spec::consensus::{ConsensusMessage, SignedVote};
use beacon_spec::evidence::Crime;
use beacon_spec::hash::Digest32;
use beacon_spec::message::HeaderVote;

use super::scene::halves;
use super::{Adversary, Scene};
use crate::sim::post::Parcel;

pub struct EquivocatingVoter;

fn other_vote(scene: &mut Scene, signed: &SignedVote) -> Option<Message> {
    let committee = scene.committee(signed.vote.height)?;
    let key = scene.key(&committee)?;
    let mut vote = signed.vote;
    vote.value_id = match vote.value_id {
        Some(_) if scene.rng().below(2) == 0 => None,
        _ => Some(Digest32(scene.rng().bytes())),
    };
    Some(Message::Consensus(Box::new(ConsensusMessage::Vote(vote.sign(&scene.chain, &key)))))
}

fn other_header(scene: &mut Scene, vote: &HeaderVote) -> Option<Message> {
    let committee = scene.committee(scene.schedule.window_of(vote.round))?;
    let key = scene.key(&committee)?;
    let header = Digest32(scene.rng().bytes());
    Some(Message::HeaderVote(HeaderVote::make(&scene.chain, vote.round, vote.member, header, &key)))
}

impl Adversary for EquivocatingVoter {
    fn name(&self) -> &'static str {
        "equivocating-voter"
    }

    fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        let (other, crime) = match &parcel.message {
            Message::HeaderVote(vote) => (other_header(scene, vote), Crime::TwoHeaderVotes),
            Message::Consensus(message) => match &**message {
                ConsensusMessage::Vote(signed) if Some(signed.vote.member) == scene.member(signed.vote.height) => {
                    (other_vote(scene, signed), Crime::TwoVotes)
                }
                _ => return vec![parcel],
            },
            _ => return vec![parcel],
        };
        let Some(message) = other else { return vec![parcel] };
        scene.acted(self.name());
        scene.guilty(crime);
        if crime == Crime::TwoHeaderVotes {
            scene.guilty(Crime::UncertifiedHeader);
        }
        let everyone = parcel.to.clone();
        let (even, odd) = halves(&parcel.to);
        match scene.rng().below(3) {
            0 => vec![Parcel { to: everyone, message, ..parcel.clone() }, parcel],
            _ => vec![Parcel { to: even, message, ..parcel.clone() }, Parcel { to: odd, ..parcel }],
        }
    }
}
