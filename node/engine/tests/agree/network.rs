//! Whole networks: they decide, and everyone decides the same (which [`net`](crate::net) asserts at every decision).

use beacon_spec::consensus::{ConsensusMessage, VoteKind, proposer};

use crate::net::{GOOD, Net, Plan};

/// Who proposes first among four equal members.
const FIRST: u16 = 3;

#[test]
fn who_proposes_first() {
    assert_eq!(proposer((0..4).map(|member| (member, 1)), 1, 0), Some(FIRST));
}

fn decides(mut net: Net, limit: u64) -> Net {
    net.run(limit);
    assert!(net.done(), "stuck at {} ms: {:?}", net.now, net.decided_at);
    assert_eq!((&net.conflicts[..], &net.faults[..], &net.halts[..]), (&[][..], &[][..], &[][..]));
    net
}

#[test]
fn four_weighted_members_decide_a_hundred_heights() {
    let net = decides(Net::new(Plan::new(&[10, 20, 30, 40], 100, 1)), 60_000);
    assert_eq!(net.decisions.len(), 100);
    assert!(net.decisions.values().all(|(_, certificate)| certificate.round == 0), "no round fails without faults");
}

#[test]
fn small_and_uneven_committees_decide() {
    for weights in [&[1][..], &[5, 5], &[1, 1, 1], &[3, 0, 2, 2], &[1, 1_000_000], &[1; 7]] {
        let mut plan = Plan::new(weights, 10, 2);
        plan.down = (0..weights.len()).filter(|i| weights[*i] == 0).map(|i| i as u16).collect();
        decides(Net::new(plan), 60_000);
    }
}

#[test]
fn a_fifth_of_all_messages_lost() {
    for seed in 0..5 {
        let mut plan = Plan::new(&[10, 20, 30, 40], 40, seed);
        plan.loss = 200;
        let net = decides(Net::new(plan), 400_000);
        assert!(net.now / 40 < 2_000, "{} ms a height", net.now / 40);
    }
}

#[test]
fn one_member_down() {
    let mut plan = Plan::new(&[10, 20, 30, 40], 30, 3);
    plan.down = vec![2];
    decides(Net::new(plan), 200_000);
}

#[test]
fn without_a_quorum_nothing_is_decided() {
    let mut plan = Plan::new(&[10, 20, 30, 40], 1, 3);
    plan.down = vec![3];
    let mut net = Net::new(plan);
    net.run(100_000);
    assert!(net.decisions.is_empty());
}

#[test]
fn an_invalid_value_gets_nil_and_the_next_proposal_is_decided() {
    let mut plan = Plan::new(&[1, 1, 1, 1], 8, 4);
    plan.proposes_bad = vec![0, 1, 2, 3];
    let net = decides(Net::new(plan), 100_000);
    assert!(net.decisions.values().all(|(value, certificate)| value[0] == GOOD && certificate.round > 0));
    // Nobody but its proposer prevotes for the first round's value, and at once, not after the propose timeout.
    for (at, from, message) in &net.sent {
        let ConsensusMessage::Vote(signed) = message else { continue };
        let first = signed.vote.height == 1 && signed.vote.round == 0 && signed.vote.kind == VoteKind::Prevote;
        if first && *from != FIRST {
            assert_eq!(signed.vote.value_id, None);
        }
        assert!(!first || *at < 2_000);
    }
}

#[test]
fn a_verdict_after_the_propose_timeout_decides_a_round_long_past() {
    let mut plan = Plan::new(&[1, 1, 1, 1], 1, 5);
    plan.sync = false;
    plan.verdict_after[0] = 7_000;
    let net = decides(Net::new(plan), 60_000);
    assert_eq!(net.decisions[&1].1.round, 0);
    assert!(net.decided_at[&(FIRST, 1)] < 1_000);
    assert!((7_000..7_100).contains(&net.decided_at[&(0, 1)]));
}

#[test]
fn a_slow_verdict_that_the_quorum_needs_is_waited_for() {
    let mut plan = Plan::new(&[1, 1, 1, 1], 3, 6);
    plan.down = vec![0];
    plan.verdict_after[3] = 5_000;
    plan.sync = false;
    decides(Net::new(plan), 300_000);
}

/// In round 0 members 1 and 3 alone lock: member 2 misses the prevotes and member 0 has no verdict for long. Member 2
/// proposes another value next, and still what may have been decided must be.
#[test]
fn a_hidden_lock_is_found_and_decided() {
    for seed in 0..10 {
        let mut plan = Plan::new(&[1, 1, 1, 1], 1, seed);
        plan.verdict_after[0] = 6_000;
        plan.drops = |_, to, message| match message {
            ConsensusMessage::Vote(signed) => {
                to == 2 && signed.vote.round == 0 && signed.vote.kind == VoteKind::Prevote
            }
            _ => false,
        };
        let net = decides(Net::new(plan), 300_000);
        let precommits: Vec<_> = net
            .sent
            .iter()
            .filter_map(|(_, _, message)| match message {
                ConsensusMessage::Vote(signed) if signed.vote.kind == VoteKind::Precommit => Some(signed.vote),
                _ => None,
            })
            .collect();
        let locked = precommits.iter().find(|vote| vote.round == 0 && vote.value_id.is_some());
        let locked = locked.expect("two members saw the polka of round 0");
        let certificate = &net.decisions[&1].1;
        assert!(certificate.round > 0, "round 0 had no quorum of precommits");
        assert_eq!(Some(certificate.value_id), locked.value_id);
    }
}

#[test]
fn the_same_seed_gives_the_same_transcript() {
    let run = |seed| {
        let mut plan = Plan::new(&[10, 20, 30, 40], 20, seed);
        plan.loss = 100;
        plan.crash_rate = 5;
        Net::new(plan).run(400_000)
    };
    assert_eq!(run(9), run(9));
    assert_ne!(run(9), run(10));
}
