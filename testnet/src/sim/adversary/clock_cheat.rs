//! Opens, says ready and releases shares as if it were later than it is. Its clock is set far ahead.

use beacon_engine::event::Message;
use beacon_spec::message::Ready;

use super::{Adversary, Scene};
use crate::sim::post::Parcel;

/// How far ahead its clock is, milliseconds.
pub const AHEAD: i64 = 7_200_000;

pub struct ClockCheat;

impl Adversary for ClockCheat {
    fn name(&self) -> &'static str {
        "clock-cheat"
    }

    fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        let round = match &parcel.message {
            Message::Opening(opening) => opening.round,
            Message::Ready(ready) => ready.round,
            _ => return vec![parcel],
        };
        if scene.schedule.time_of(round).is_ok_and(|due| scene.now < due) {
            scene.acted(self.name());
        }
        // And a ready for the next round, which it cannot be ready for.
        let mut parcels = vec![parcel];
        let window = scene.schedule.window_of(round + 1);
        let key = scene.committee(window).and_then(|committee| scene.key(&committee));
        if let (Some(member), Some(key)) = (scene.member(window), key) {
            let early = Ready::make(&scene.chain, round + 1, member, &key);
            parcels.push(scene.gossip(Message::Ready(early)));
        }
        parcels
    }
}
