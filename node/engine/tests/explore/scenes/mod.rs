//! What is explored and how: one file a scene, and the machinery that they have in common.
//!
//! What a member does follows from what it was given and in which order, and messages stay in the network once they
//! are sent. So instead of all orders of the whole network, every state is visited that one member can be brought into
//! by any part of the messages that any member can be brought to send, in any order, with its clock's hands moving, its
//! disk writing and its power failing at any point between: a superset of every run of the network, with loss and
//! partition. What must hold of several members follows from what holds of each: two quorums have an honest member in
//! common, which says one thing in one place.
//!
//! Read [`local`] (a member), [`explorer`] (all its states), [`rules`] (what it may say when, counted anew from the
//! messages given and from the disk, not asked of the engine), then the scenes.

pub mod epochs;
pub mod explorer;
pub mod gate;
pub mod local;
pub mod readies;
pub mod rules;
pub mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;

use beacon_engine::engine::Config;
use beacon_engine::event::Message;
use beacon_spec::committee::Committee;
use beacon_spec::consensus::{ConsensusMessage, VoteKind, proposer};
use beacon_spec::schedule::Schedule;
use beacon_testnet::sim::{Disk, GENESIS_TIME, Net, Setup};

pub const MEMBERS: usize = 4;
/// Of four equal weights, more than two thirds.
pub const QUORUM: usize = 3;
pub const PERIOD: u64 = 1_000;
pub const LEAD: u64 = 500;
/// The shortest epochs that there are, and some that do not end here.
pub const EPOCH: u64 = 4;
pub const LONG: u64 = 1_000;

/// How far the disk may be behind.
#[derive(Clone, Copy, Default)]
pub struct Writes {
    /// So many batches wait to be written, at most, when the member is given something; 0: all are on disk at once.
    pub depth: usize,
    /// A mutant: decisions are reported before they are written.
    pub lie: bool,
}

/// What is explored: where it begins, and what may happen.
pub struct Scene {
    pub name: &'static str,
    pub schedule: Schedule,
    /// Who is explored: of members that differ in nothing but their numbers, one is enough.
    pub members: Vec<usize>,
    /// Whether members get bundles to register. Where epochs do not end they would change nothing but the time it takes.
    pub registers: bool,
    pub configs: Vec<Config>,
    pub committees: BTreeMap<u64, Arc<Committee>>,
    /// What each member finds at its start, and what it said before.
    pub disks: Vec<Disk>,
    pub said: Vec<Vec<Message>>,
    pub start: u64,
    /// What the clock may show later.
    pub times: Vec<u64>,
    pub writes: Writes,
    /// Power cuts of one run.
    pub crashes: u32,
    /// What a calm run sends, beside what the explored members send.
    pub calm: Vec<(usize, Message)>,
    /// Which of these messages are given.
    pub gives: Box<dyn Fn(&Message) -> bool>,
    /// What somebody who stole keys may send. It must change nothing.
    pub forged: Vec<(usize, Message)>,
}

fn network(epoch: u64, change: fn(&mut Net)) -> Net {
    let mut net = Net::new(&setup(epoch));
    change(&mut net);
    net.start_all();
    net
}

fn setup(epoch_windows: u64) -> Setup {
    Setup { weights: vec![1; MEMBERS], period: PERIOD, window: 1, epoch_windows, ..Setup::default() }
}

/// A member that proposes none of the values of windows 2 to 4.
fn outsider(net: &Net) -> usize {
    let proposes =
        |member: usize, height| proposer((0..MEMBERS as u16).map(|one| (one, 1)), height, 0) == Some(member as u16);
    let member = (0..net.nodes.len()).find(|member| (2..=4).all(|height| !proposes(*member, height)));
    member.expect("four members take turns")
}

/// Keeps the outsider's commitments from the others: the sets of these windows go without it.
fn leave_out(net: &mut Net) {
    let outsider = outsider(net);
    net.deaf.extend((0..MEMBERS).filter(|other| *other != outsider).map(|other| (outsider, other)));
}

/// Who is missing in the set of a window.
fn left_out(scene: &Scene, window: u64) -> usize {
    let set = &scene.disks[0].decisions[&window].value.set;
    let missing: Vec<usize> =
        (0..MEMBERS).filter(|member| set.iter().all(|entry| usize::from(entry.member) != *member)).collect();
    assert_eq!(missing.len(), 1, "one is left out of {set:?}");
    missing[0]
}

impl Scene {
    /// The first life of a network: nothing is on the disks.
    fn fresh(name: &'static str) -> Scene {
        let net = Net::new(&setup(LONG));
        Scene {
            name,
            members: (0..MEMBERS).collect(),
            registers: false,
            schedule: net.schedule,
            configs: net.nodes.iter().map(|node| node.config.clone()).collect(),
            committees: net.committees,
            disks: (0..MEMBERS).map(|_| Disk::default()).collect(),
            said: (0..MEMBERS).map(|_| Vec::new()).collect(),
            start: GENESIS_TIME - LEAD,
            times: Vec::new(),
            writes: Writes::default(),
            crashes: 0,
            calm: Vec::new(),
            gives: Box::new(|_| false),
            forged: Vec::new(),
        }
    }

    /// What a power cut of all members leaves of a calm network as soon as `cut` holds. The same network goes on
    /// elsewhere, to show what it would have sent up to `round`.
    fn after(name: &'static str, epoch: u64, change: fn(&mut Net), cut: fn(&Net) -> bool, round: u64) -> Scene {
        let mut net = network(epoch, change);
        while !cut(&net) {
            assert!(net.advance(), "{name}: a calm network comes to where the scene begins");
        }
        let start = net.now;
        (0..MEMBERS).for_each(|node| net.crash(node));
        let said = |node| net.sent.iter().filter(|sent| sent.from == node).map(|sent| sent.message.clone()).collect();
        let said = (0..MEMBERS).map(said).collect();
        let mut calm = network(epoch, change);
        assert!(calm.run_to(round, GENESIS_TIME + (round + 2) * PERIOD), "{name}: a calm network goes on");
        let mut scene = Scene::fresh(name);
        scene.schedule = net.schedule;
        scene.configs = net.nodes.iter().map(|node| node.config.clone()).collect();
        // The disks are the newest there are: what the others would say when asked is known.
        scene.configs.iter_mut().for_each(|config| config.unsafe_release = true);
        scene.committees = calm.committees;
        scene.disks = net.nodes.iter().map(|node| node.disk.clone()).collect();
        scene.said = said;
        scene.start = start;
        scene.calm = calm.sent.into_iter().map(|sent| (sent.from, sent.message)).collect();
        scene
    }
}

/// More power cuts than a scene has by itself, for longer runs.
pub fn crashes(few: u32) -> u32 {
    std::env::var("BEACON_EXPLORE_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

/// A vote for a value, not for nil.
fn vote_for_a_value(message: &Message, height: u64, kind: VoteKind) -> bool {
    let Message::Consensus(message) = message else { return false };
    matches!(&**message, ConsensusMessage::Vote(signed) if signed.vote.height == height && signed.vote.round == 0
        && signed.vote.kind == kind && signed.vote.value_id.is_some())
}

/// The first proposal of a height.
fn proposal(message: &Message, height: u64) -> bool {
    let Message::Consensus(message) = message else { return false };
    matches!(&**message, ConsensusMessage::Proposal(signed) if signed.proposal.height == height
        && signed.proposal.round == 0)
}

/// A vote of this member.
fn is_vote_of(message: &ConsensusMessage, member: u16) -> bool {
    matches!(message, ConsensusMessage::Vote(signed) if signed.vote.member == member)
}
