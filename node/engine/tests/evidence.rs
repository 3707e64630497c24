//! Evidence: every provable crime becomes a proof that others can check, is told to everybody, and is kept once.

use std::collections::BTreeSet;

use beacon_engine::batch::Record;
use beacon_engine::event::{Fault, Input, Message};
use beacon_spec::consensus::{ConsensusMessage, SignedProposal, Vote, VoteKind};
use beacon_spec::evidence::{Crime, Evidence};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::SecretKey;
use beacon_spec::message::{Commitment, HeaderVote};
use beacon_testnet::sim::{GENESIS_TIME, Net, Setup};

const CRIMINAL: usize = 3;

fn net() -> Net {
    let mut net = Net::new(&Setup { weights: vec![1; 4], ..Setup::default() });
    net.start_all();
    assert!(net.run_to(2, GENESIS_TIME + 20_000));
    net
}

fn key(net: &Net) -> SecretKey {
    net.nodes[CRIMINAL].config.bundles[0].voting.clone()
}

/// Member 0 is given what the criminal signed.
fn give(net: &mut Net, message: Message) {
    let from = net.nodes[CRIMINAL].config.identity;
    net.feed(0, Input::Message { from, message });
}

/// Lets the others hear of it; the proofs that each honest node has made or taken.
fn proven(mut net: Net) -> Vec<Evidence> {
    let round = net.nodes[0].head() + 2;
    assert!(net.run_to(round, net.now + 20_000), "crimes stop nothing");
    let committee = net.committee.clone();
    let chain = net.nodes[0].config.chain;
    let mut proofs = Vec::new();
    for (node, fault) in &net.faults {
        let Fault::Crime(evidence) = fault else { continue };
        assert_eq!(evidence.verify(&chain, &net.schedule, &committee), Ok(()), "told by {node}");
        assert_eq!(usize::from(evidence.member()), CRIMINAL);
        proofs.push((*node, evidence.crime(), (**evidence).clone()));
    }
    let told: BTreeSet<_> = proofs.iter().map(|(node, crime, _)| (*node, *crime)).collect();
    assert_eq!(told.len(), proofs.len(), "each node keeps one proof of a crime");
    for crime in proofs.iter().map(|(_, crime, _)| crime) {
        assert!((0..3).all(|node| told.contains(&(node, *crime))), "{crime:?} is known to {told:?}");
    }
    proofs.into_iter().map(|(_, _, evidence)| evidence).collect()
}

fn crimes(net: Net) -> BTreeSet<Crime> {
    proven(net).iter().map(Evidence::crime).collect()
}

#[test]
fn evidence_5_two_commitments_and_dealings_that_do_not_verify() {
    let mut net = net();
    let window = 4;
    let own = net.sent.iter().rev().find_map(|sent| match &sent.message {
        Message::Commitment(commitment) if sent.from == CRIMINAL => Some((**commitment).clone()),
        _ => None,
    });
    let mut dealings = own.expect("every member deals").dealings;
    dealings[0].z.0[0] ^= 1;
    let chain = net.nodes[0].config.chain;
    for _ in 0..2 {
        let commitment = Commitment::make(
            &chain,
            &net.committee,
            &net.schedule,
            window,
            CRIMINAL as u16,
            dealings.clone(),
            &key(&net),
        );
        dealings[0].z.0[1] ^= 1;
        give(&mut net, Message::Commitment(Box::new(commitment)));
    }
    assert_eq!(crimes(net), BTreeSet::from([Crime::TwoCommitments, Crime::BadDealing]));
}

#[test]
fn evidence_5_two_votes_and_two_proposals() {
    let mut net = net();
    let chain = net.nodes[0].config.chain;
    // The height that the members agree on, in a round in which the criminal proposes.
    let height = net.nodes[0].engine.as_mut().map_or(0, |engine| engine.status().decided) + 1;
    let weights = (0..4u16).map(|member| (member, 1));
    let turn = (0..4).find(|turn| beacon_spec::consensus::proposer(weights.clone(), height, *turn) == Some(3));
    let turn = turn.expect("every member proposes in one of four rounds");
    for fill in [1, 2] {
        let vote =
            Vote { height, round: 0, kind: VoteKind::Precommit, value_id: Some(Digest32([fill; 32])), member: 3 };
        let vote = ConsensusMessage::Vote(vote.sign(&chain, &key(&net)));
        give(&mut net, Message::Consensus(Box::new(vote)));
        let signed = SignedProposal::sign((height, turn, None), vec![fill], &chain, (3, &key(&net)));
        give(&mut net, Message::Consensus(Box::new(ConsensusMessage::Proposal(signed))));
    }
    assert_eq!(crimes(net), BTreeSet::from([Crime::TwoVotes, Crime::TwoProposals]));
}

#[test]
fn evidence_5_two_header_votes_and_one_against_the_certified_header() {
    let mut net = net();
    let chain = net.nodes[0].config.chain;
    let round = net.nodes[0].head() + 1;
    for fill in [1, 2] {
        let vote = HeaderVote::make(&chain, round, 3, Digest32([fill; 32]), &key(&net));
        give(&mut net, Message::HeaderVote(vote));
    }
    assert_eq!(crimes(net), BTreeSet::from([Crime::TwoHeaderVotes, Crime::UncertifiedHeader]));
}

/// A false accusation is refused and blamed; a proof survives a restart, and is then no news. [evidence-6]
#[test]
fn evidence_6_false_ones_are_blamed_and_true_ones_kept() {
    let mut net = net();
    let chain = net.nodes[0].config.chain;
    let round = net.nodes[0].head() + 1;
    let votes = [1, 2].map(|fill| HeaderVote::make(&chain, round, 3, Digest32([fill; 32]), &key(&net)));
    let [first, second] = votes;
    let forged = HeaderVote { signature: first.signature, ..second };
    let gossip = |second| Message::Evidence(Box::new(Evidence::TwoHeaderVotes { first, second }));
    let from = net.nodes[2].config.identity;
    assert!(!net.feed(0, Input::Message { from, message: gossip(forged) }), "it is not passed on");
    assert!(matches!(net.faults.last(), Some((0, Fault::Peer { peer, .. })) if *peer == from));
    assert!(net.feed(0, Input::Message { from, message: gossip(second) }), "it is passed on");
    assert!(!net.feed(0, Input::Message { from, message: gossip(second) }), "it is no news");
    // The next write that is synced takes it to the disk.
    assert!(net.run_to(round + 2, GENESIS_TIME + 20_000));
    net.crash(0);
    net.start(0);
    assert!(!net.feed(0, Input::Message { from, message: gossip(second) }), "it is no news after a restart");
}

/// What a store has to keep has a record of its own.
#[test]
fn evidence_is_written_under_its_epoch() {
    let mut net = net();
    let chain = net.nodes[0].config.chain;
    let round = net.nodes[0].head() + 1;
    let [first, second] = [1, 2].map(|fill| HeaderVote::make(&chain, round, 3, Digest32([fill; 32]), &key(&net)));
    let from = net.nodes[2].config.identity;
    let message = Message::Evidence(Box::new(Evidence::TwoHeaderVotes { first, second }));
    let engine = net.nodes[0].engine.as_mut().expect("node 0 runs");
    let step = engine.step(GENESIS_TIME + 2_500, Input::Message { from, message });
    let written = step.effects.iter().any(|effect| match effect {
        beacon_engine::event::Effect::Persist(batch) => {
            batch.records.iter().any(|record| matches!(record, Record::Evidence { epoch: 1, .. }))
        }
        _ => false,
    });
    assert!(written);
}
