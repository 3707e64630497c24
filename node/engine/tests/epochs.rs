//! Epochs and membership while rounds are open: keys rotate, members come, go and change their weight.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use beacon_engine::event::Input;
use beacon_spec::committee::Committee;
use beacon_spec::keys::{IdentityKey, VotingKey};
use beacon_spec::message::{Amendment, Change};
use beacon_testnet::sim::{GENESIS_TIME, Net, Setup};

const EPOCH: u64 = 8;

fn setup(weights: &[u64]) -> Setup {
    Setup { weights: weights.to_vec(), epoch_windows: EPOCH, period: 400, ..Setup::default() }
}

fn run_to(net: &mut Net, round: u64) {
    assert!(net.run_to(round, GENESIS_TIME + round * 400 + 60_000), "round {round} was not certified in time");
}

/// The committee that `node` has in force.
fn committee(net: &Net, node: usize) -> Arc<Committee> {
    let engine = net.nodes[node].engine.as_ref().expect("the node runs");
    engine.committee_in_force().expect("the node has followed the hand-over")
}

/// The voting keys of the committee that `node` has in force.
fn keys_in_force(net: &Net, node: usize) -> Vec<VotingKey> {
    committee(net, node).members().iter().map(|member| member.bundle.voting_key).collect()
}

fn members(net: &Net, node: usize) -> Vec<(IdentityKey, u64)> {
    committee(net, node).members().iter().map(|member| (member.identity, member.weight)).collect()
}

fn amendment(net: &Net, changes: Vec<Change>, expires: u64, approvers: &[usize]) -> Amendment {
    let committee = committee(net, 0);
    let mut amendment = Amendment { follows: committee.membership(), expires, changes, approvals: Vec::new() };
    for node in approvers {
        let key = &net.nodes[*node].identity;
        let member = committee.signers().index_of(&key.identity()).expect("approvers are members");
        amendment.approve(&net.nodes[0].config.chain, member, key);
    }
    amendment
}

fn propose(net: &mut Net, node: usize, amendment: Amendment) {
    net.feed(node, Input::Amendment(Box::new(amendment)));
}

#[test]
fn epoch_8_keys_rotate_in_every_epoch_and_the_old_ones_are_erased() {
    let mut net = Net::new(&setup(&[30, 30, 25, 15]));
    net.start_all();
    let mut seen = BTreeSet::new();
    for epoch in 1..=4 {
        run_to(&mut net, (epoch - 1) * EPOCH + 3);
        let keys = keys_in_force(&net, 0);
        assert!(keys.iter().all(|key| seen.insert(*key)), "epoch {epoch} has a key of an earlier one");
        for (node, key) in net.nodes.iter().zip(&keys) {
            let held: Vec<_> = node.config.bundles.iter().map(|bundle| bundle.voting.voting()).collect();
            assert!(held.contains(key), "the key in force is there");
            assert!(held.iter().all(|held| held == key || !seen.contains(held)), "erased keys stay erased");
        }
    }
    net.agreed_outputs(3 * EPOCH + 3);
    assert_eq!(net.faults.len(), 0, "{:?}", net.faults);
}

#[test]
fn epoch_5_members_come_go_and_change_their_weight_while_rounds_go_on() {
    let mut net = Net::new(&setup(&[30, 30, 25, 25, 15]));
    let observer = net.add_observer();
    net.start_all();
    run_to(&mut net, 2);
    let before = members(&net, 0);
    let (bundle, secrets) = net.make_bundle(observer, 2, 4);
    net.feed(observer, Input::Bundle { bundle: Box::new(bundle.clone()), secrets });
    let joiner = net.nodes[observer].identity.identity();
    let changes = vec![
        Change::Add { identity: joiner, weight: 20, bundle },
        Change::Remove { identity: before[4].0 },
        Change::Weight { identity: before[0].0, weight: 28 },
    ];
    // Approvals come one by one, from different nodes.
    for approver in 0..4 {
        let one = amendment(&net, changes.clone(), EPOCH, &[approver]);
        propose(&mut net, approver, one);
    }
    run_to(&mut net, EPOCH + 4);
    let after = members(&net, observer);
    assert_eq!(after.len(), 5);
    assert!(after.contains(&(joiner, 20)));
    assert!(after.contains(&(before[0].0, 28)));
    assert!(!after.iter().any(|(identity, _)| *identity == before[4].0));
    run_to(&mut net, 2 * EPOCH + 4);
    net.agreed_outputs(2 * EPOCH + 4);
    let header = &net.nodes[0].beacon(2 * EPOCH + 4).header;
    assert_eq!(header.contributors, 5, "the joiner contributes, the leaver follows");
    assert_eq!(net.faults.len(), 0, "{:?}", net.faults);
}

#[test]
fn epoch_3_an_amendment_without_a_quorum_or_expired_changes_nothing() {
    let mut net = Net::new(&setup(&[30, 30, 25, 25, 15]));
    net.start_all();
    run_to(&mut net, 2);
    let before = members(&net, 0);
    let few = amendment(&net, vec![Change::Remove { identity: before[4].0 }], EPOCH, &[0, 1]);
    let old = amendment(&net, vec![Change::Remove { identity: before[3].0 }], 1, &[0, 1, 2, 3]);
    propose(&mut net, 0, few);
    propose(&mut net, 1, old);
    run_to(&mut net, EPOCH + 2);
    assert_eq!(members(&net, 0), before);
}

#[test]
fn epoch_3_one_member_cannot_crowd_out_the_amendments_of_others() {
    let mut net = Net::new(&setup(&[30, 30, 25, 25, 15]));
    net.start_all();
    run_to(&mut net, 2);
    let before = members(&net, 0);
    for weight in 1..40 {
        let noise = amendment(&net, vec![Change::Weight { identity: before[4].0, weight }], EPOCH, &[4]);
        propose(&mut net, 4, noise);
    }
    let wanted = vec![Change::Weight { identity: before[0].0, weight: 29 }];
    for approver in 0..4 {
        let one = amendment(&net, wanted.clone(), EPOCH, &[approver]);
        propose(&mut net, approver, one);
    }
    run_to(&mut net, EPOCH + 2);
    assert_eq!(members(&net, 1)[0].1, 29);
}

#[test]
fn epoch_5_a_mistyped_amendment_never_stops_the_chain() {
    let mut net = Net::new(&setup(&[30, 30, 25, 25, 15]));
    net.start_all();
    run_to(&mut net, 2);
    let before = members(&net, 0);
    // Three newcomers who exist only on paper would have more than a third of the weight.
    let ghosts = (0..3u8).map(|index| {
        let (key, bundle) = net.paper_member(&[b'g', index], 2, 8);
        Change::Add { identity: key.identity(), weight: 35, bundle }
    });
    let mistyped = amendment(&net, ghosts.collect(), EPOCH, &[0, 1, 2, 3, 4]);
    propose(&mut net, 0, mistyped);
    run_to(&mut net, EPOCH - 3);
    assert!(net.nodes[0].engine.as_ref().unwrap().registry().unwrap().pending.is_some(), "it is included");
    run_to(&mut net, 2 * EPOCH);
    assert_eq!(members(&net, 0), before, "and void at the cut-off");
}

#[test]
fn epoch_8_who_registers_nothing_keeps_its_keys() {
    let mut net = Net::new(&setup(&[30, 30, 25, 25, 15]));
    net.start_all();
    run_to(&mut net, EPOCH - 3);
    // Down from before the next epoch's registrations open until after they close.
    net.crash(4);
    run_to(&mut net, EPOCH + 1);
    let before = keys_in_force(&net, 0);
    run_to(&mut net, 2 * EPOCH + 2);
    let after = keys_in_force(&net, 0);
    assert_eq!(before[4], after[4]);
    assert!(before.iter().zip(&after).take(4).all(|(before, after)| before != after));
    net.start(4);
    run_to(&mut net, 2 * EPOCH + 10);
    net.agreed_outputs(2 * EPOCH + 10);
    run_to(&mut net, 3 * EPOCH + 4);
    assert_ne!(keys_in_force(&net, 0)[4], after[4], "back, it registers again");
}

#[test]
fn epoch_7_a_node_that_was_away_for_epochs_takes_committees_and_registry_from_others() {
    let mut net = Net::new(&setup(&[30, 30, 25, 25, 15]));
    net.start_all();
    run_to(&mut net, 3);
    net.crash(1);
    run_to(&mut net, 3 * EPOCH + 4);
    net.start(1);
    run_to(&mut net, 3 * EPOCH + 6);
    let observer = net.add_observer();
    net.start(observer);
    run_to(&mut net, 4 * EPOCH + 5);
    net.agreed_outputs(4 * EPOCH + 5);
    assert_eq!(net.nodes[0].beacon(4 * EPOCH + 5).header.contributors, 5);
    assert_eq!(net.faults.len(), 0, "{:?}", net.faults);
}

/// A member comes back near the end of an epoch and learns its last decision before anybody gives it the registry. Then
/// another is gone for good, and the last header needs the vote of the one that came back. [epoch-7]
#[test]
fn epoch_7_who_learns_the_last_decision_first_still_asks_for_the_registry() {
    let mut net = Net::new(&Setup { period: 1_000, ..setup(&[1; 4]) });
    net.start_all();
    let decided = |net: &mut Net, node: usize| net.nodes[node].engine.as_mut().expect("it runs").status().decided;
    assert!(net.run_to(3, GENESIS_TIME + 20_000));
    net.crash(3);
    assert!(net.run_to(EPOCH - 1, GENESIS_TIME + 20_000));
    net.unregistered.insert(3);
    net.start(3);
    while decided(&mut net, 3) < EPOCH {
        assert!(net.advance());
    }
    net.unregistered.clear();
    net.crash(2);
    assert!(net.run_to(EPOCH + 3, GENESIS_TIME + 40_000), "three of four go on");
    net.agreed_outputs(EPOCH + 3);
}

/// A member comes back when others have decided the first window of the next epoch, whose committee it does not know:
/// who gives it both decisions at once tells no lie. [sync-2]
#[test]
fn sync_2_a_decision_of_the_next_epoch_is_no_lie_before_its_committee_is_here() {
    let mut net = Net::new(&Setup { period: 4_000, ..setup(&[1; 4]) });
    net.start_all();
    let decided = |net: &mut Net, node: usize| net.nodes[node].engine.as_mut().expect("it runs").status().decided;
    assert!(net.run_to(3, GENESIS_TIME + 40_000));
    net.crash(3);
    net.run_until(GENESIS_TIME + 27_000);
    assert_eq!(decided(&mut net, 0), EPOCH + 1);
    net.unregistered.insert(3);
    net.start(3);
    while decided(&mut net, 3) < EPOCH {
        assert!(net.advance());
    }
    net.unregistered.clear();
    run_to(&mut net, EPOCH + 3);
    assert_eq!(net.faults.len(), 0, "{:?}", net.faults);
}

/// One peer answers so late that a later committee is wanted by then: its answer is of no use, and no lie. Seed 1856 of
/// the simulator. [epoch-6]
#[test]
fn epoch_6_a_committee_that_comes_late_is_no_lie() {
    let mut net = Net::new(&setup(&[1; 4]));
    net.start_all();
    run_to(&mut net, 3);
    net.crash(3);
    run_to(&mut net, 9 * EPOCH);
    net.slow = BTreeMap::from([(1, 600), (2, 600)]);
    net.start(3);
    run_to(&mut net, 10 * EPOCH);
    assert_eq!(net.faults.len(), 0, "{:?}", net.faults);
}

#[test]
fn epoch_1_a_power_cut_of_all_at_any_round_of_an_epoch_is_survived() {
    for round in EPOCH - 4..=EPOCH + 2 {
        let mut net = Net::new(&setup(&[30, 30, 25, 25]));
        net.start_all();
        run_to(&mut net, round);
        for node in 0..4 {
            net.crash(node);
        }
        for node in 0..4 {
            net.start(node);
        }
        run_to(&mut net, 2 * EPOCH + 4);
        net.agreed_outputs(2 * EPOCH + 4);
        assert_eq!(net.faults.len(), 0, "cut at round {round}: {:?}", net.faults);
    }
}
