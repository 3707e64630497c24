//! Has exactly the most weight that adversaries may have; what it does with it are its other crimes.

use super::{Adversary, Scene};
use crate::sim::post::Parcel;

pub struct Heaviest;

impl Adversary for Heaviest {
    fn name(&self) -> &'static str {
        "heaviest"
    }

    fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        scene.acted(self.name());
        vec![parcel]
    }
}
