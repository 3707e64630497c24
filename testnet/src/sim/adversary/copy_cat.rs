//! Passes off what others made as its own: dealings as they are, multiplied, or moved to an earlier round of the
//! window; messages under another round, window or member.

use std::collections::BTreeSet;

use beacon_engine::event::Message;
use beacon_spec::consensus::ConsensusMessage;
use beacon_spec::evidence::Crime;
use beacon_spec::message::{Commitment, Ready};

use super::forge::scaled;
use super::{Adversary, Scene};
use crate::sim::post::Parcel;

#[derive(Default)]
pub struct CopyCat {
    copied: BTreeSet<u64>,
}

/// An honest member's dealings under the own signature.
fn copy(scene: &mut Scene, source: &Commitment) -> Option<Commitment> {
    let window = source.signed.body.window;
    let count = source.dealings.len();
    let choice = scene.rng().below(3);
    let places: Vec<(usize, usize)> = match choice {
        // Each round gets the dealing of the last one.
        0 => (0..count).map(|place| (place, count - 1)).collect(),
        _ => (0..count).map(|place| (place, place)).collect(),
    };
    let mut dealings: Vec<_> = places.iter().filter_map(|(_, theirs)| source.dealings.get(*theirs).cloned()).collect();
    if choice == 1 {
        dealings = dealings.iter().map(|dealing| scaled(dealing, scene.rng())).collect();
    }
    let copied = scene.commit(window, dealings)?;
    scene.know_source(&copied, source, &places);
    Some(copied)
}

/// The window whose committee a message is for.
fn window_of(scene: &Scene, message: &Message) -> Option<u64> {
    let schedule = &scene.schedule;
    Some(match message {
        Message::Opening(opening) => schedule.window_of(opening.round),
        Message::Ready(ready) => schedule.window_of(ready.round),
        Message::HeaderVote(vote) => schedule.window_of(vote.round),
        Message::Shares(shares) => schedule.window_of(shares.round),
        Message::Consensus(message) => message.height(),
        Message::Commitment(commitment) => commitment.signed.body.window,
        Message::Registration(registration) => schedule.last_window_of_epoch(registration.bundle.epoch - 1),
        Message::Beacon(_) | Message::Amendment(_) | Message::Evidence(_) | Message::Recall | Message::Recalled(_) => {
            return None;
        }
    })
}

/// Another's message with one of its fields changed.
fn moved(scene: &mut Scene, message: &Message) -> Option<Message> {
    let choice = scene.rng().below(3);
    let member = scene.member(window_of(scene, message)?)?;
    Some(match message {
        Message::Opening(opening) => {
            let mut opening = *opening;
            match choice {
                0 => opening.member = member,
                _ => opening.round += 1,
            }
            Message::Opening(opening)
        }
        Message::Ready(ready) => Message::Ready(match choice {
            0 => Ready { member, ..*ready },
            _ => Ready { round: ready.round + 1, ..*ready },
        }),
        Message::HeaderVote(vote) => {
            let mut vote = *vote;
            match choice {
                0 => vote.member = member,
                _ => vote.round += 1,
            }
            Message::HeaderVote(vote)
        }
        Message::Shares(shares) => {
            let mut shares = shares.clone();
            match choice {
                0 => shares.member = member,
                _ => shares.round += 1,
            }
            Message::Shares(shares)
        }
        Message::Consensus(message) => {
            let mut message = message.clone();
            match &mut *message {
                ConsensusMessage::Vote(signed) if choice == 0 => signed.vote.member = member,
                ConsensusMessage::Vote(signed) if choice == 1 => signed.vote.height += 1,
                ConsensusMessage::Vote(signed) => signed.vote.round += 1,
                ConsensusMessage::Proposal(signed) => signed.proposal.round += 1,
                _ => return None,
            }
            Message::Consensus(message)
        }
        Message::Commitment(commitment) => {
            let mut commitment = commitment.clone();
            match choice {
                0 => commitment.signed.body.member = member,
                1 => commitment.signed.body.epoch += 1,
                _ => commitment.signed.body.window += 1,
            }
            Message::Commitment(commitment)
        }
        Message::Registration(registration) => {
            let mut registration = registration.clone();
            match choice {
                0 => registration.member = member,
                _ => registration.bundle.epoch += 1,
            }
            Message::Registration(registration)
        }
        Message::Beacon(_) | Message::Amendment(_) | Message::Evidence(_) | Message::Recall | Message::Recalled(_) => {
            return None;
        }
    })
}

impl Adversary for CopyCat {
    fn name(&self) -> &'static str {
        "copy-cat"
    }

    fn send(&mut self, _: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        // It deals nothing of its own, and cannot open what it copied.
        match &parcel.message {
            Message::Commitment(_) | Message::Opening(_) => Vec::new(),
            _ => vec![parcel],
        }
    }

    fn see(&mut self, scene: &mut Scene, _: usize, message: &Message) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        if let Message::Commitment(source) = message
            && self.copied.insert(source.signed.body.window)
            && let Some(copied) = copy(scene, source)
        {
            scene.guilty(Crime::BadDealing);
            // Who asks gets what its engine made, from its disk.
            scene.guilty(Crime::TwoCommitments);
            parcels.push(scene.gossip(Message::Commitment(Box::new(copied))));
        }
        if scene.rng().below(8) == 0
            && let Some(moved) = moved(scene, message)
        {
            parcels.push(scene.message(moved));
        }
        if !parcels.is_empty() {
            scene.acted(self.name());
        }
        parcels
    }
}
