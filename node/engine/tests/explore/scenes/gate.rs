//! The gate: decision, header before and time come in any order, the disk is behind, the power fails.

use beacon_engine::event::Message;
use beacon_spec::consensus::VoteKind;
use beacon_testnet::sim::{GENESIS_TIME, Net};

use super::{LONG, MEMBERS, PERIOD, Scene, Writes, crashes, is_vote_of, leave_out, left_out, vote_for_a_value};

/// All have signed their precommits for window 4, in whose set one member is missing, and none has decided. Round 3 is
/// open. What is missing at the gate of round 4: precommits, the header, the time, the disk. Explored are the member that
/// is missing and one that is not; of the other two one is silent, so that every precommit counts.
pub fn gate() -> Scene {
    let precommitted = |net: &Net| {
        let precommits = net.sent.iter().filter(|sent| vote_for_a_value(&sent.message, 4, VoteKind::Precommit));
        precommits.count() >= MEMBERS
    };
    let scene = Scene::after("gate", LONG, leave_out, precommitted, 4);
    let undecided = scene.disks.iter().all(|disk| !disk.decisions.contains_key(&4));
    assert!(undecided, "nobody has decided when the power is cut");
    let outsider = left_out(&scene, 3);
    let others: Vec<usize> = (0..MEMBERS).filter(|member| *member != outsider).collect();
    let silent = others[2];
    Scene {
        members: vec![others[0], outsider],
        start: GENESIS_TIME + 2 * PERIOD,
        times: vec![GENESIS_TIME + 3 * PERIOD - 1, GENESIS_TIME + 3 * PERIOD],
        writes: Writes { depth: 2, lie: false },
        crashes: crashes(1),
        gives: Box::new(move |message| match message {
            Message::Beacon(beacon) => beacon.header.round == 3,
            Message::Consensus(vote) if is_vote_of(vote, silent as u16) => false,
            other => vote_for_a_value(other, 4, VoteKind::Precommit),
        }),
        ..scene
    }
}
