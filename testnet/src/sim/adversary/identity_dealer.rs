//! Deals the identity: a polynomial of zeros, or one whose value is zero at chosen positions; then it withholds.

use std::collections::BTreeMap;

use beacon_engine::event::Message;
use beacon_spec::evidence::Crime;
use beacon_spec::message::{Commitment, dealing_context};

use super::forge::Forge;
use super::{Adversary, Scene, once};
use crate::sim::post::Parcel;

#[derive(Default)]
pub struct IdentityDealer {
    made: BTreeMap<u64, Commitment>,
}

fn made(scene: &mut Scene, window: u64) -> Option<Commitment> {
    let (committee, member) = (scene.committee(window)?, scene.member(window)?);
    let mut dealings = Vec::new();
    let mut keys = Vec::new();
    for round in scene.schedule.rounds_of(window) {
        let context = dealing_context(&scene.chain, &committee, round, member);
        let zeros = scene.rng().below(3);
        let (dealing, key) = Forge::new(committee.ticket_set(), context, scene.rng()).with_zeros(zeros);
        dealings.push(dealing);
        keys.push(key);
    }
    let commitment = scene.commit(window, dealings)?;
    scene.know_keys(&commitment, keys);
    Some(commitment)
}

impl Adversary for IdentityDealer {
    fn name(&self) -> &'static str {
        "identity-dealer"
    }

    fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        let commitment = match &parcel.message {
            Message::Commitment(commitment) => commitment,
            Message::Opening(_) => return Vec::new(),
            _ => return vec![parcel],
        };
        let window = commitment.signed.body.window;
        let Some(made) = once(&mut self.made, window, || made(scene, window)) else { return vec![parcel] };
        scene.acted(self.name());
        // Who asks gets what its engine made, from its disk.
        scene.guilty(Crime::TwoCommitments);
        vec![Parcel { message: Message::Commitment(Box::new(made)), ..parcel }]
    }
}
