//! Tells one member alone what it owes to all: its opening or a share of its own dealing instead, its ready, its shares.
//! It votes for no header, so that whoever it leaves behind is needed.

use std::collections::BTreeMap;

use beacon_engine::event::Message;

use super::{Adversary, Scene};
use crate::sim::post::Parcel;

/// What becomes of the own dealing in one round, and who hears of it.
#[derive(Clone, Copy)]
struct Whisper {
    to: usize,
    dealing: Own,
}

#[derive(Clone, Copy)]
enum Own {
    Opened,
    Shared,
    Withheld,
}

#[derive(Default)]
pub struct Whisperer {
    /// By round: a re-sent message goes where the first one went.
    rounds: BTreeMap<u64, Whisper>,
}

impl Whisperer {
    fn whisper(&mut self, scene: &mut Scene, round: u64) -> Option<Whisper> {
        super::once(&mut self.rounds, round, || {
            let honest: Vec<usize> = scene.everyone().into_iter().filter(|node| !scene.is_adversary(*node)).collect();
            let to = *scene.rng().pick(&honest)?;
            let dealing = match scene.rng().below(4) {
                0 => Own::Opened,
                1 | 2 => Own::Shared,
                _ => Own::Withheld,
            };
            Some(Whisper { to, dealing })
        })
    }
}

impl Adversary for Whisperer {
    fn name(&self) -> &'static str {
        "whisperer"
    }

    fn send(&mut self, scene: &mut Scene, mut parcel: Parcel) -> Vec<Parcel> {
        let round = match &parcel.message {
            Message::Opening(opening) => opening.round,
            Message::Ready(ready) => ready.round,
            Message::Shares(shares) => shares.round,
            Message::HeaderVote(_) => return Vec::new(),
            _ => return vec![parcel],
        };
        let Some(whisper) = self.whisper(scene, round) else { return vec![parcel] };
        if let Message::Opening(opening) = &parcel.message
            && Some(opening.member) == scene.member(scene.schedule.window_of(round))
        {
            let shares = match whisper.dealing {
                Own::Opened => None,
                Own::Shared => Some(scene.own_dealing_shared(round)),
                Own::Withheld => Some(None),
            };
            match shares {
                None => {}
                Some(None) => return Vec::new(),
                Some(Some(shares)) => parcel.message = Message::Shares(Box::new(shares)),
            }
        }
        scene.acted(self.name());
        vec![Parcel { to: vec![whisper.to], gossip: false, ..parcel }]
    }
}
