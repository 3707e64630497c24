//! The agreement on a window: in every order, with power cuts, and where a window of the next epoch waits for its header.

use beacon_engine::event::Message;
use beacon_spec::consensus::{VoteKind, proposer};
use beacon_testnet::sim::GENESIS_TIME;

use super::{EPOCH, LEAD, LONG, MEMBERS, PERIOD, Scene, Writes, crashes, is_vote_of, proposal, vote_for_a_value};

fn commitment(message: &Message, window: u64) -> bool {
    matches!(message, Message::Commitment(commitment) if commitment.signed.body.window == window)
}

/// Who proposes first at a height, and another.
fn leader(height: u64) -> usize {
    proposer((0..MEMBERS as u16).map(|member| (member, 1)), height, 0).map_or(0, usize::from)
}

fn follower(height: u64) -> usize {
    (leader(height) + 1) % MEMBERS
}

/// Two others are enough for a quorum with the own vote: one is silent, so that every vote counts.
fn silent(height: u64) -> usize {
    (leader(height) + 3) % MEMBERS
}

/// Before the genesis time: commitments, proposal and votes of the first window. Of one member there is the commitment.
pub fn first() -> Scene {
    let silent = silent(1);
    let scene = Scene::after("first window", LONG, |_| (), |net| net.now > GENESIS_TIME - LEAD, 1);
    let calm = scene.calm.into_iter().filter(|(from, message)| *from == silent && commitment(message, 1));
    Scene {
        members: (0..MEMBERS).filter(|member| *member != silent).collect(),
        calm: calm.collect(),
        gives: Box::new(|message| match message {
            Message::Consensus(message) => message.height() == 1,
            other => commitment(other, 1),
        }),
        ..Scene::fresh("first window")
    }
}

/// All commitments are on the disks. The power fails, and the time to wait for a proposal passes, at any point between
/// proposal and precommit.
pub fn cut() -> Scene {
    let held = |net: &beacon_testnet::sim::Net| {
        net.nodes.iter().all(|node| {
            let held = node.disk.recovered(&net.schedule).commitments;
            held.iter().filter(|commitment| commitment.signed.body.window == 3).count() == MEMBERS
        })
    };
    let scene = Scene::after("power cuts while agreeing", LONG, |_| (), held, 3);
    Scene {
        members: vec![leader(3), follower(3)],
        times: vec![scene.start + 2_000],
        writes: Writes { depth: 1, lie: false },
        crashes: crashes(1),
        gives: Box::new(|message| match message {
            Message::Consensus(vote) if is_vote_of(vote, silent(3) as u16) => false,
            other => proposal(other, 3) || vote_for_a_value(other, 3, VoteKind::Prevote),
        }),
        ..scene
    }
}

/// The first window of the second epoch is dealt for and agreed on while the last rounds of the first are open, and not
/// before the header that it waits for. Two windows are decided ahead.
pub fn next() -> Scene {
    let scene = Scene::after("next window", EPOCH, |_| (), |net| net.now >= GENESIS_TIME + PERIOD + PERIOD / 2, 5);
    Scene {
        members: vec![follower(5)],
        start: GENESIS_TIME + 2 * PERIOD,
        gives: Box::new(|message| match message {
            Message::Beacon(beacon) => beacon.header.round == 3,
            Message::Consensus(vote) if is_vote_of(vote, silent(5) as u16) => false,
            other => commitment(other, 5) || proposal(other, 5) || vote_for_a_value(other, 5, VoteKind::Prevote),
        }),
        ..scene
    }
}
