//! Signs dealings that do not verify: changed after they were proven, or forged against a challenge that leaves the
//! last encrypted share out.

use std::collections::BTreeMap;

use beacon_engine::event::Message;
use beacon_spec::evidence::Crime;
use beacon_spec::message::{Commitment, dealing_context};

use super::forge::Forge;
use super::{Adversary, Scene, once};
use crate::sim::post::Parcel;

#[derive(Default)]
pub struct BadDealer {
    made: BTreeMap<u64, Commitment>,
}

/// Dealings whose shares lie on no polynomial.
fn forged(scene: &mut Scene, window: u64) -> Option<Commitment> {
    let (committee, member) = (scene.committee(window)?, scene.member(window)?);
    let mut dealings = Vec::new();
    let mut keys = Vec::new();
    for round in scene.schedule.rounds_of(window) {
        let context = dealing_context(&scene.chain, &committee, round, member);
        let (dealing, key) = Forge::new(committee.ticket_set(), context, scene.rng()).against_a_weak_challenge();
        dealings.push(dealing);
        keys.push(key);
    }
    let commitment = scene.commit(window, dealings)?;
    scene.know_keys(&commitment, keys);
    Some(commitment)
}

fn changed(scene: &mut Scene, commitment: &Commitment) -> Option<Commitment> {
    let mut dealings = commitment.dealings.clone();
    let place = scene.rng().below(dealings.len() as u64) as usize;
    let choice = scene.rng().below(3);
    let dealing = dealings.get_mut(place)?;
    match choice {
        0 => dealing.z.0[0] ^= 1,
        1 => dealing.c.swap(0, 1),
        _ => dealing.r2 = dealing.r1,
    }
    scene.commit(commitment.signed.body.window, dealings)
}

impl Adversary for BadDealer {
    fn name(&self) -> &'static str {
        "bad-dealer"
    }

    fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        let commitment = match &parcel.message {
            Message::Commitment(commitment) => commitment,
            // What it forged is never opened: its shares are to tell different secrets.
            Message::Opening(_) => return Vec::new(),
            _ => return vec![parcel],
        };
        let window = commitment.signed.body.window;
        let forge = scene.rng().below(2) == 0;
        let make = || if forge { forged(scene, window) } else { changed(scene, commitment) };
        let Some(bad) = once(&mut self.made, window, make) else { return vec![parcel] };
        scene.acted(self.name());
        // Who asks gets what its engine made, from its disk.
        scene.guilty(Crime::TwoCommitments);
        scene.guilty(Crime::BadDealing);
        vec![Parcel { message: Message::Commitment(Box::new(bad)), ..parcel }]
    }
}
