//! Keeps to itself what it owes the others.

use beacon_engine::event::Message;

use super::{Adversary, Scene};
use crate::sim::post::Parcel;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    Openings,
    /// It deals for nobody, so that it would have nothing but readies to send.
    Readies,
    Shares,
    Votes,
}

pub struct Withholder(pub Withheld);

impl Adversary for Withholder {
    fn name(&self) -> &'static str {
        match self.0 {
            Withheld::Openings => "withholder-of-openings",
            Withheld::Readies => "withholder-of-readies",
            Withheld::Shares => "withholder-of-shares",
            Withheld::Votes => "withholder-of-votes",
        }
    }

    fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        let withheld = match &parcel.message {
            Message::Opening(_) => self.0 == Withheld::Openings,
            Message::Ready(_) => self.0 == Withheld::Readies,
            Message::Shares(_) => self.0 == Withheld::Shares,
            Message::HeaderVote(_) | Message::Consensus(_) => self.0 == Withheld::Votes,
            // Without a dealing in the set its engine says ready, which is then kept back.
            Message::Commitment(_) if self.0 == Withheld::Readies => return Vec::new(),
            _ => false,
        };
        if !withheld {
            return vec![parcel];
        }
        scene.acted(self.name());
        Vec::new()
    }
}
