//! The end of an epoch: keys change, old ones are erased, and the power fails at any point.

use beacon_engine::event::Message;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::SecretKey;
use beacon_spec::message::{HeaderVote, Ready};
use beacon_testnet::sim::{GENESIS_TIME, Net};

use super::{EPOCH, PERIOD, Scene, Writes, crashes, is_vote_of};

/// The last round of the first epoch is due, the first of the second is decided. Given are the openings and the beacon of
/// the one, the beacon of the other, and of the old epoch a commitment, votes and a registration, early and late; and
/// messages of the new epoch that are signed with a stolen key of the old one.
pub fn hand_over() -> Scene {
    let before = |net: &Net| net.now >= GENESIS_TIME + (EPOCH - 2) * PERIOD + PERIOD / 2;
    let scene = Scene::after("hand-over", EPOCH, |_| (), before, EPOCH + 2);
    let keys = |epoch: u64| scene.committees[&epoch].members().iter().map(|member| member.bundle.voting_key);
    assert!(keys(1).zip(keys(2)).all(|(old, new)| old != new), "every member has registered");
    assert!(scene.disks.iter().all(|disk| disk.decisions.contains_key(&(EPOCH + 1))), "decided ahead");
    let old = |member: usize| -> &SecretKey {
        let mut bundles = scene.configs[member].bundles.iter();
        &bundles.find(|bundle| bundle.epoch == 1).expect("the first epoch is not over").voting
    };
    let (chain, first) = (scene.configs[0].chain, EPOCH + 1);
    let forged = vec![
        (1, Message::Ready(Ready::make(&chain, first, 1, old(1)))),
        (2, Message::HeaderVote(HeaderVote::make(&chain, first, 2, Digest32::ZERO, old(2)))),
    ];
    Scene {
        forged,
        members: vec![0],
        registers: true,
        start: GENESIS_TIME + (EPOCH - 1) * PERIOD,
        times: vec![GENESIS_TIME + EPOCH * PERIOD],
        writes: Writes { depth: 2, lie: false },
        crashes: crashes(1),
        gives: Box::new(|message| match message {
            Message::Opening(opening) => opening.round == EPOCH,
            Message::Beacon(beacon) => (EPOCH..=EPOCH + 1).contains(&beacon.header.round),
            Message::HeaderVote(vote) => vote.round == EPOCH && vote.member == 0,
            Message::Commitment(commitment) => {
                commitment.signed.body.window == EPOCH && commitment.signed.body.member == 1
            }
            Message::Consensus(message) => message.height() == EPOCH && is_vote_of(message, 2),
            Message::Registration(registration) => registration.bundle.epoch == 2 && registration.member == 3,
            _ => false,
        }),
        ..scene
    }
}
