//! Surrounds a node: for a while it hears nobody but the adversaries.

use beacon_engine::event::Message;

use super::{Adversary, Scene};
use crate::sim::post::Parcel;

/// How long an eclipse lasts at most, milliseconds.
const LONGEST: u64 = 8_000;

pub struct Eclipser;

impl Adversary for Eclipser {
    fn name(&self) -> &'static str {
        "eclipser"
    }

    fn see(&mut self, scene: &mut Scene, from: usize, _: &Message) -> Vec<Parcel> {
        if scene.is_eclipse_over() && scene.rng().below(50) == 0 {
            let until = scene.now + scene.rng().between(500, LONGEST);
            scene.eclipse(from, until);
            scene.acted(self.name());
        }
        Vec::new()
    }
}
