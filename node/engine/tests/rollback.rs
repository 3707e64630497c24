//! A member whose store is older than its own messages: nothing is signed twice, and nobody is stopped for long.

use std::collections::BTreeMap;

use beacon_engine::event::{Effect, Fault, Input, Message};
use beacon_spec::consensus::ConsensusMessage;
use beacon_spec::hash::Digest32;
use beacon_testnet::sim::chaos::Fault as Chance;
use beacon_testnet::sim::{GENESIS_TIME, Net, Setup};

const PERIOD: u64 = 400;

fn setup() -> Setup {
    Setup { weights: vec![1; 4], period: PERIOD, ..Setup::default() }
}

/// Steps in which a node signed two things, over all its lives.
fn signed_twice(net: &Net, node: usize) -> Vec<String> {
    let chain = net.nodes[node].config.chain;
    let mut first: BTreeMap<String, Digest32> = BTreeMap::new();
    let mut twice = Vec::new();
    for sent in net.sent.iter().filter(|sent| sent.from == node) {
        let (step, what) = match &sent.message {
            Message::Commitment(commitment) => {
                let body = commitment.signed.body;
                (format!("commitment {}", body.window), body.hash(&chain))
            }
            Message::Consensus(message) => match &**message {
                ConsensusMessage::Vote(signed) if usize::from(signed.vote.member) == node => {
                    let vote = signed.vote;
                    (format!("{:?} {}/{}", vote.kind, vote.height, vote.round), vote.value_id.unwrap_or(Digest32::ZERO))
                }
                ConsensusMessage::Proposal(signed) if usize::from(signed.proposal.member) == node => {
                    let proposal = signed.proposal;
                    (format!("proposal {}/{}", proposal.height, proposal.round), proposal.digest(&chain))
                }
                _ => continue,
            },
            _ => continue,
        };
        if *first.entry(step.clone()).or_insert(what) != what {
            twice.push(step);
        }
    }
    twice
}

/// Runs four members, takes a copy of one's disk at `copied`, lets it go on until `crashed`, and restores the copy.
fn restored(copied: u64, crashed: u64, change: impl FnOnce(&mut Net)) -> Net {
    let mut net = Net::new(&setup());
    net.start_all();
    net.run_until(GENESIS_TIME + copied);
    let copy = net.nodes[3].disk.clone();
    net.run_until(GENESIS_TIME + crashed);
    net.crash(3);
    net.nodes[3].disk = copy.clone();
    net.nodes[3].written = copy;
    net.nodes[3].harvest = 1;
    change(&mut net);
    net.start(3);
    net
}

fn commits_again(net: &Net, since: u64) -> bool {
    let dealt = |message: &Message| matches!(message, Message::Commitment(_));
    net.sent.iter().any(|sent| sent.from == 3 && sent.at > since && dealt(&sent.message))
}

/// Copies of every age, brought back at every moment of a round. [rollback-2] [rollback-3]
#[test]
fn rollback_3_a_restored_member_signs_nothing_twice_and_comes_back() {
    for (copied, crashed) in (0..12).map(|step| (1_000 + 37 * step, 1_400 + 91 * step)) {
        let mut net = restored(copied, crashed, |_| {});
        let round = net.nodes[0].head() + 12;
        assert!(net.run_to(round, GENESIS_TIME + 60_000), "copied at {copied}, restored at {crashed}");
        assert_eq!(signed_twice(&net, 3), Vec::<String>::new(), "copied at {copied}, restored at {crashed}");
        assert!(!net.faults.iter().any(|(_, fault)| matches!(fault, Fault::Crime(_))), "{:?}", net.faults);
        assert!(commits_again(&net, GENESIS_TIME + crashed), "the member takes part again");
    }
}

/// The same without the rule: the copies above do make members sign twice.
#[test]
fn rollback_3_released_members_sign_twice() {
    let twice = (0..12).map(|step| (1_000 + 37 * step, 1_400 + 91 * step)).filter(|(copied, crashed)| {
        let mut net = restored(*copied, *crashed, |net| net.nodes[3].config.unsafe_release = true);
        net.run_until(GENESIS_TIME + crashed + 5_000);
        !signed_twice(&net, 3).is_empty() || net.nodes[3].halted.is_some()
    });
    assert!(twice.count() > 0);
}

/// An empty store beside the old keys. [rollback-2]
#[test]
fn rollback_2_an_emptied_store_is_an_old_one() {
    for crashed in (0..8).map(|step| 1_400 + 91 * step) {
        let mut net = Net::new(&setup());
        net.start_all();
        net.run_until(GENESIS_TIME + crashed);
        net.crash(3);
        net.nodes[3].disk = Default::default();
        net.nodes[3].written = Default::default();
        net.nodes[3].harvest = 1;
        net.start(3);
        let round = net.nodes[0].head() + 12;
        assert!(net.run_to(round, GENESIS_TIME + 60_000));
        assert_eq!(signed_twice(&net, 3), Vec::<String>::new(), "emptied at {crashed}");
    }
}

/// The operator's word is enough, although nobody remembers the member. [rollback-2]
#[test]
fn rollback_2_the_operators_word_counts() {
    let mut net = restored(1_000, 1_000, |net| net.nodes[3].config.restored = true);
    let begun = net.nodes[0].head();
    let silent = (begun + 2) * PERIOD;
    net.run_until(GENESIS_TIME + silent);
    assert!(!commits_again(&net, GENESIS_TIME + 1_000), "nothing is dealt for the windows that were reached");
    assert!(net.run_to(begun + 12, GENESIS_TIME + 60_000));
    assert!(commits_again(&net, GENESIS_TIME + 1_000));
    assert_eq!(signed_twice(&net, 3), Vec::<String>::new());
}

/// What is silenced stays so through another restart. [rollback-3]
#[test]
fn rollback_3_silence_is_on_disk() {
    let mut net = restored(1_000, 1_900, |net| net.nodes[3].config.restored = true);
    net.run_until(GENESIS_TIME + 2_100);
    net.nodes[3].config.restored = false;
    net.crash(3);
    net.start(3);
    let through = net.nodes[3].engine.as_mut().map(|engine| engine.status().silent_through);
    assert!(through.is_some_and(|through| through > 0), "{through:?}");
    assert!(net.run_to(net.nodes[0].head() + 12, GENESIS_TIME + 60_000));
    assert_eq!(signed_twice(&net, 3), Vec::<String>::new());
}

/// All are switched off at once and on again, with their stores: they just go on. [rollback-1]
#[test]
fn rollback_1_intact_members_that_restart_together_go_on() {
    let mut net = Net::new(&setup());
    net.start_all();
    assert!(net.run_to(6, GENESIS_TIME + 20_000));
    for node in 0..4 {
        net.crash(node);
    }
    for node in 0..4 {
        net.start(node);
    }
    let asked = net.now;
    assert!(net.run_to(10, asked + 6 * PERIOD), "no member waits its ten seconds");
    for node in 0..4 {
        assert_eq!(net.nodes[node].engine.as_mut().map(|engine| engine.status().silent_through), Some(0));
        assert_eq!(signed_twice(&net, node), Vec::<String>::new());
    }
}

/// Nobody answers an eclipsed member: it waits ten seconds, and then goes on. [rollback-2]
#[test]
fn rollback_2_an_eclipsed_restart_waits_and_goes_on() {
    let mut net = Net::new(&setup());
    net.start_all();
    assert!(net.run_to(4, GENESIS_TIME + 20_000));
    for node in 0..4 {
        net.crash(node);
    }
    net.start(3);
    let started = net.now;
    let asking = |net: &mut Net| net.nodes[3].engine.as_mut().is_some_and(|engine| engine.status().asking);
    net.run_until(started + 9_000);
    assert!(asking(&mut net));
    net.run_until(started + 11_000);
    assert!(!asking(&mut net));
}

/// A member that crashes at any moment and finds its own store is not taken for an older one. [rollback-2]
#[test]
fn rollback_2_an_honest_restart_is_never_an_old_store() {
    for window in [1, 4] {
        for crashed in (0..40).map(|step| 1_000 + 23 * step) {
            let mut net = Net::new(&Setup { window, ..setup() });
            net.start_all();
            net.run_until(GENESIS_TIME + crashed);
            let crashing = (crashed % 4) as usize;
            net.crash(crashing);
            net.run_until(GENESIS_TIME + crashed + 7 * (crashed % 90));
            net.start(crashing);
            net.run_until(GENESIS_TIME + crashed + 1_500);
            let status = net.nodes[crashing].engine.as_mut().map(|engine| engine.status());
            let status = status.expect("the node runs");
            assert_eq!((status.asking, status.silent_through), (false, 0), "crashed at {crashed}, windows of {window}");
        }
    }
}

/// A copy from before the last hand-overs: the others' newest decisions are of committees that it does not know. It must
/// first catch up, however long that takes. [rollback-2]
#[test]
fn rollback_2_a_copy_of_an_earlier_epoch_waits_until_it_can_judge() {
    for crashed in (0..6).map(|step| 13_000 + 97 * step) {
        let mut net = Net::new(&Setup { epoch_windows: 6, ..setup() });
        net.start_all();
        net.run_until(GENESIS_TIME + 5_000);
        let copy = net.nodes[3].disk.clone();
        net.run_until(GENESIS_TIME + crashed);
        net.crash(3);
        net.nodes[3].disk = copy.clone();
        net.nodes[3].written = copy;
        net.nodes[3].harvest = 1;
        // For a while nobody answers requests, so that it cannot catch up.
        net.chaos.set(Chance::Unanswered, 1_000_000);
        net.start(3);
        let mut asked_while_behind = false;
        let (answered, round) = (net.now + 12_000, net.nodes[0].head() + 50);
        while net.nodes[3].head() < round {
            assert!(net.now < GENESIS_TIME + 90_000 && net.advance(), "restored at {crashed}");
            if net.now > answered {
                net.chaos.set(Chance::Unanswered, 0);
            }
            let behind = net.nodes[0].head() > net.nodes[3].head() + 6;
            let status = net.nodes[3].engine.as_mut().map(|engine| engine.status());
            let asking = status.is_some_and(|status| status.asking);
            asked_while_behind |= behind && asking;
            assert!(asking || !behind, "it asks as long as it is epochs behind");
        }
        assert!(asked_while_behind);
        assert_eq!(signed_twice(&net, 3), Vec::<String>::new(), "restored at {crashed}");
        assert!(!net.faults.iter().any(|(_, fault)| matches!(fault, Fault::Crime(_))), "{:?}", net.faults);
    }
}

/// However often a member asks, answers are few. [rollback-1]
#[test]
fn rollback_1_answers_are_few() {
    let mut net = Net::new(&setup());
    net.start_all();
    net.run_until(GENESIS_TIME + 1_000);
    let asker = net.nodes[3].config.identity;
    let now = GENESIS_TIME + 1_001;
    let engine = net.nodes[0].engine.as_mut().expect("it runs");
    let mut answers = |at: u64| {
        let step = engine.step(at, Input::Message { from: asker, message: Message::Recall });
        let answer = |effect: &Effect| matches!(effect, Effect::Send { message: Message::Recalled(_), .. });
        step.effects.iter().filter(|effect| answer(effect)).count()
    };
    assert_eq!((0..100).map(|_| answers(now)).sum::<usize>(), 1);
    assert_eq!(answers(now + 249), 0);
    assert_eq!(answers(now + 250), 1);
}
