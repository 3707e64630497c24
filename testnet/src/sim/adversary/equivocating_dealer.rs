//! Signs two commitments for one window and shows each half of the others one of them.

use std::collections::BTreeMap;

use beacon_engine::event::Message;
use beacon_spec::evidence::Crime;
use beacon_spec::message::Commitment;

use super::scene::halves;
use super::{Adversary, Scene, once};
use crate::sim::post::Parcel;

#[derive(Default)]
pub struct EquivocatingDealer {
    others: BTreeMap<u64, Commitment>,
}

impl Adversary for EquivocatingDealer {
    fn name(&self) -> &'static str {
        "equivocating-dealer"
    }

    fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        let Message::Commitment(commitment) = &parcel.message else { return vec![parcel] };
        let window = commitment.signed.body.window;
        let Some(other) = once(&mut self.others, window, || scene.deal(window)) else { return vec![parcel] };
        scene.acted(self.name());
        scene.guilty(Crime::TwoCommitments);
        let (even, odd) = halves(&parcel.to);
        let other = Message::Commitment(Box::new(other));
        vec![Parcel { to: even, message: other, ..parcel.clone() }, Parcel { to: odd, ..parcel }]
    }
}
