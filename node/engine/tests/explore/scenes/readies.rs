//! Openings, readies and shares of a round in which one opening is lost and one member has none.

use beacon_engine::event::Message;
use beacon_testnet::sim::{GENESIS_TIME, Net};

use super::{LONG, PERIOD, Scene, crashes, leave_out, left_out};

/// Round 3 is decided everywhere and not yet due; clocks are a little apart. The opening of one contributor reaches
/// nobody, another member is not in the set, and the round is certified all the same: with the header that it has when
/// nothing is lost. Of an open round only the decision is on the disk, so a power cut would only take back what was given.
pub fn readies() -> Scene {
    let due = GENESIS_TIME + 2 * PERIOD;
    let decided = |net: &Net| net.now >= GENESIS_TIME + PERIOD + PERIOD / 2;
    let scene = Scene::after("readies", LONG, leave_out, decided, 3);
    let outsider = left_out(&scene, 3);
    let lost = if outsider == 0 { 1 } else { 0 };
    let delay = scene.configs[0].parameters.recovery_delay;
    Scene {
        start: due - 1,
        times: vec![due, due + delay, due + 2 * delay],
        crashes: crashes(0),
        gives: Box::new(move |message| match message {
            Message::Opening(opening) => opening.round == 3 && opening.member != lost,
            Message::Ready(ready) => ready.round == 3,
            Message::Shares(shares) => shares.round == 3,
            _ => false,
        }),
        ..scene
    }
}
