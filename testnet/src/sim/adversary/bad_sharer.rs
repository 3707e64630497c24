//! Sends shares that do not verify, at positions that are not its own, of dealings that nobody decided.

use beacon_engine::event::Message;

use super::{Adversary, Scene};
use crate::sim::post::Parcel;

pub struct BadSharer;

impl Adversary for BadSharer {
    fn name(&self) -> &'static str {
        "bad-sharer"
    }

    fn send(&mut self, scene: &mut Scene, mut parcel: Parcel) -> Vec<Parcel> {
        let Message::Shares(shares) = &mut parcel.message else { return vec![parcel] };
        let choice = scene.rng().below(4);
        for dealer in &mut shares.dealers {
            for share in &mut dealer.shares {
                match choice {
                    0 => share.a.0[0] ^= 1,
                    1 => share.response.0[0] ^= 1,
                    2 => share.position = share.position % 3 + 1,
                    _ => {}
                }
            }
            if choice == 3 {
                dealer.dealer = dealer.dealer.wrapping_add(1);
            }
        }
        scene.acted(self.name());
        vec![parcel]
    }
}
