//! Whole rounds on the engine, four weighted members in memory.

use std::collections::BTreeMap;

use beacon_engine::event::{Input, Message};
use beacon_spec::chain::{Beacon, Revealed};
use beacon_spec::consensus::ConsensusMessage;
use beacon_spec::hash::Digest32;
use beacon_testnet::sim::{GENESIS_TIME, Net, Sent, Setup};

fn run(setup: &Setup, rounds: u64, prepare: impl FnOnce(&mut Net)) -> Net {
    let mut net = Net::new(setup);
    prepare(&mut net);
    net.start_all();
    let deadline = GENESIS_TIME + rounds * setup.period.max(200) + 20_000;
    assert!(net.run_to(rounds, deadline), "round {rounds} was not certified in time");
    net
}

#[test]
fn four_members_certify_every_round_and_agree() {
    let net = run(&Setup::default(), 20, |_| {});
    net.agreed_outputs(20);
    assert_eq!(net.faults.len(), 0, "{:?}", net.faults);
    for node in &net.nodes {
        for round in 1..=20 {
            let beacon = node.beacon(round);
            beacon.verify(&node.config.chain, &net.schedule, net.committee.signers()).unwrap();
            node.transcript(round).unwrap().audit(&beacon.header, &net.committee).unwrap();
            assert_eq!(beacon.header.contributors, 4);
        }
    }
}

#[test]
fn windows_of_every_length_work() {
    for window in [2, 16, 64] {
        let net = run(&Setup { window, period: 100, ..Setup::default() }, 2 * window + 3, |_| {});
        net.agreed_outputs(2 * window + 3);
    }
}

#[test]
fn committees_of_one_two_and_three_work() {
    for weights in [vec![1], vec![1, 1], vec![1, 1, 1]] {
        let net = run(&Setup { weights, ..Setup::default() }, 5, |_| {});
        net.agreed_outputs(5);
    }
}

#[test]
fn epochs_follow_one_another() {
    let net = run(&Setup { epoch_windows: 4, ..Setup::default() }, 13, |_| {});
    net.agreed_outputs(13);
    let node = &net.nodes[0];
    assert_eq!(node.beacon(13).header.epoch, 4);
    assert_eq!(node.beacon(4).header.next_committee, node.beacon(5).header.committee);
    assert_ne!(node.beacon(4).header.committee, node.beacon(5).header.committee);
}

#[test]
fn withholding_every_opening_changes_no_bit_of_the_output() {
    let honest = run(&Setup::default(), 10, |_| {}).agreed_outputs(10);
    for withholder in 0..4 {
        let net = run(&Setup::default(), 10, |net| net.nodes[withholder].config.unsafe_withhold_openings = true);
        assert_eq!(net.agreed_outputs(10), honest, "member {withholder} withholds");
        let other = &net.nodes[(withholder + 1) % 4];
        let recovered = |round| {
            let transcript = other.transcript(round).expect("kept");
            matches!(transcript.contributions[withholder].revealed, Revealed::Recovered(_))
        };
        assert!((1..=10).all(recovered));
        assert_eq!(net.nodes[withholder].withheld.len(), 10);
    }
}

#[test]
fn one_member_down_does_not_stop_the_others() {
    let mut net = Net::new(&Setup::default());
    net.start_all();
    assert!(net.run_to(3, GENESIS_TIME + 20_000));
    net.crash(0);
    assert!(net.run_to(10, GENESIS_TIME + 40_000));
    net.start(0);
    assert!(net.run_to(14, GENESIS_TIME + 60_000), "the member that was down catches up");
    net.agreed_outputs(14);
    assert!(net.run_to(18, GENESIS_TIME + 80_000));
    let back = &net.nodes[1].beacon(18).header;
    assert_eq!(back.contributors, 4, "the member that was down contributes again");
}

#[test]
fn half_of_the_weight_down_stops_the_chain_and_no_round_is_skipped() {
    let mut net = Net::new(&Setup::default());
    net.start_all();
    assert!(net.run_to(3, GENESIS_TIME + 20_000));
    net.crash(0);
    net.crash(1);
    net.run_until(GENESIS_TIME + 60_000);
    let stopped = net.nodes[2].engine.as_ref().unwrap().head().0;
    assert!(stopped <= 5);
    net.start(0);
    net.start(1);
    assert!(net.run_to(70, GENESIS_TIME + 120_000));
    net.agreed_outputs(70);
}

#[test]
fn an_observer_follows_and_holds_transcripts() {
    let mut net = Net::new(&Setup::default());
    net.start_all();
    assert!(net.run_to(5, GENESIS_TIME + 20_000));
    let observer = net.add_observer();
    net.start(observer);
    assert!(net.run_to(12, GENESIS_TIME + 30_000));
    net.run_until(net.now + 5_000);
    net.agreed_outputs(12);
    for round in 1..=12 {
        assert!(net.nodes[observer].transcript(round).is_some(), "transcript of round {round}");
    }
}

/// Every member mostly certifies a round itself. The certificate that comes by gossip afterwards goes on once all the
/// same, to those who certify nothing.
#[test]
fn certify_8_the_newest_round_is_passed_on_once() {
    let mut net = Net::new(&Setup::default());
    net.start_all();
    // Of the four, members 2 and 3 publish round 6 themselves, and members 0 and 1 hear of it a hop later.
    while net.nodes[0].head() < 6 {
        assert!(net.advance());
    }
    let other = net.nodes[2].config.identity;
    let before = net.nodes[0].beacon(5).clone();
    let published = |sent: &Sent| match &sent.message {
        Message::Beacon(beacon) if beacon.header.round == 6 => Some(Beacon::clone(beacon)),
        _ => None,
    };
    let beacon = net.sent.iter().rev().find_map(published).expect("members 2 and 3 have certified it too");
    let gossip = |net: &mut Net, beacon: &Beacon| {
        let message = Message::Beacon(Box::new(beacon.clone()));
        (net.feed(0, Input::Message { from: other, message }), net.faults.len())
    };
    let mut forged = beacon.clone();
    forged.certificate.signatures[1].0[40] ^= 1;
    assert_eq!(gossip(&mut net, &before), (false, 0), "the round before is over");
    assert_eq!(gossip(&mut net, &forged), (false, 1), "a certificate that does not hold is blamed on who brings it");
    assert_eq!(gossip(&mut net, &beacon), (true, 1));
    assert_eq!(gossip(&mut net, &beacon), (false, 1), "once is enough");
    // After a restart nothing is left of the votes, and each signature is verified.
    net.crash(0);
    net.start(0);
    assert_eq!(gossip(&mut net, &forged), (false, 2));
    assert_eq!(gossip(&mut net, &beacon), (true, 2));
}

#[test]
fn one_clock_far_ahead_hands_out_no_round_early() {
    let net = run(&Setup::default(), 10, |net| net.nodes[2].skew = 3_600_000);
    net.agreed_outputs(10);
    for sent in net.sent.iter().filter(|sent| sent.from != 2) {
        let round = match &sent.message {
            Message::Opening(opening) => opening.round,
            Message::Shares(shares) => shares.round,
            _ => continue,
        };
        assert!(sent.at >= net.schedule.time_of(round).unwrap(), "round {round} handed out at {}", sent.at);
    }
}

#[test]
fn commitments_that_never_arrive_by_gossip_are_fetched() {
    let net = run(&Setup::default(), 6, |net| {
        for other in 1..4 {
            net.deaf.insert((0, other));
            net.deaf.insert((other, 0));
        }
    });
    net.agreed_outputs(6);
}

/// Every pair of signed messages of one node that must not both exist.
fn assert_nothing_signed_twice(net: &Net) {
    let mut commitments: BTreeMap<(usize, u64), Digest32> = BTreeMap::new();
    let mut votes: BTreeMap<(usize, u64, u32, String), Option<Digest32>> = BTreeMap::new();
    let mut headers: BTreeMap<(usize, u64), Digest32> = BTreeMap::new();
    for sent in &net.sent {
        let from = sent.from;
        match &sent.message {
            Message::Commitment(commitment) => {
                let body = commitment.signed.body;
                let hash = body.hash(&net.nodes[0].config.chain);
                assert_eq!(*commitments.entry((from, body.window)).or_insert(hash), hash, "two commitments");
            }
            Message::HeaderVote(vote) => {
                assert_eq!(*headers.entry((from, vote.round)).or_insert(vote.header), vote.header, "two header votes");
            }
            Message::Consensus(message) => {
                let (height, round, step, id) = match &**message {
                    ConsensusMessage::Vote(signed) if usize::from(signed.vote.member) == from => {
                        let vote = &signed.vote;
                        (vote.height, vote.round, format!("{:?}", vote.kind), vote.value_id)
                    }
                    ConsensusMessage::Proposal(signed) if usize::from(signed.proposal.member) == from => {
                        let proposal = &signed.proposal;
                        (proposal.height, proposal.round, "Proposal".into(), Some(proposal.value_id))
                    }
                    _ => continue,
                };
                let first = *votes.entry((from, height, round, step.clone())).or_insert(id);
                assert_eq!(first, id, "node {from} signed two {step}s at {height}/{round}");
            }
            _ => {}
        }
    }
}

#[test]
fn a_crash_at_any_effect_signs_nothing_twice_and_loses_nothing() {
    let setup = Setup::default();
    let total = run(&setup, 4, |_| {}).nodes[1].effects;
    for at in 1..=total {
        let net = run(&setup, 6, |net| net.nodes[1].crash_at = Some(at));
        net.agreed_outputs(6);
        assert_nothing_signed_twice(&net);
        assert!(net.nodes.iter().all(|node| node.halted.is_none()));
    }
}

#[test]
fn a_power_cut_of_all_nodes_is_survived() {
    let mut net = Net::new(&Setup::default());
    net.start_all();
    assert!(net.run_to(5, GENESIS_TIME + 20_000));
    for node in 0..4 {
        net.crash(node);
    }
    net.run_until(net.now + 30_000);
    net.start_all();
    assert!(net.run_to(20, net.now + 60_000));
    net.agreed_outputs(20);
    assert_nothing_signed_twice(&net);
}

#[test]
fn the_same_run_twice_is_the_same_byte_for_byte() {
    let trace = |net: Net| -> Vec<(u64, usize, Vec<u8>)> {
        net.sent.iter().map(|sent| (sent.at, sent.from, beacon_spec::codec::encode(&sent.message))).collect()
    };
    let setup = Setup::default();
    assert!(trace(run(&setup, 5, |_| {})) == trace(run(&setup, 5, |_| {})));
}
