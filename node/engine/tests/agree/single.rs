//! One member, fed by hand: accusations, refusals, the buffer, sync, the log and what halts.

use std::sync::Arc;

use beacon_engine::agree::{Agree, AgreeConfig, AgreeFault, AgreeHalt, Input, Output, Voter, WalEntry};
use beacon_spec::consensus::{
    CommitCertificate, ConsensusMessage, PolkaCertificate, RoundCertificate, RoundCertificateKind, RoundSignature,
    SignedProposal, SignedVote, Vote, VoteKind, proposer, value_id,
};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::Signature;
use beacon_spec::reject::Reject;

use crate::net::{CHAIN, config, key, voters};

/// Members 0 to 3 count alike, member 4 not at all.
const WEIGHTS: [u64; 5] = [1, 1, 1, 1, 0];

fn committee() -> Arc<[Voter]> {
    voters(&WEIGHTS)
}

fn first_proposer(height: u64, round: u32) -> u16 {
    let weights = WEIGHTS.iter().enumerate().map(|(member, weight)| (member as u16, *weight));
    proposer(weights, height, round).expect("there is weight")
}

/// An engine of a member that does not propose first, at height 1.
fn follower() -> (Agree, u16) {
    let member = (first_proposer(1, 0) + 1) % 4;
    let mut agree = Agree::new(config());
    assert_eq!(agree.start_height(0, 1, committee(), Some((member, key(member))), Vec::new()), Vec::new());
    (agree, member)
}

fn vote(member: u16, height: u64, kind: VoteKind, value_id: Option<Digest32>) -> SignedVote {
    Vote { height, round: 0, kind, value_id, member }.sign(&CHAIN, &key(member))
}

fn proposal(height: u64, value: &[u8]) -> SignedProposal {
    let member = first_proposer(height, 0);
    SignedProposal::sign((height, 0, None), value.to_vec(), &CHAIN, (member, &key(member)))
}

fn receive(agree: &mut Agree, from: u16, message: ConsensusMessage) -> Vec<Output> {
    agree.handle(1, Input::Message { from, message })
}

fn commit(height: u64, value: &[u8], members: &[u16]) -> CommitCertificate {
    let id = value_id(value);
    let signers =
        members.iter().map(|member| (*member, vote(*member, height, VoteKind::Precommit, Some(id)).signature));
    CommitCertificate { height, round: 0, value_id: id, signers: signers.collect() }
}

fn sent(outputs: &[Output]) -> Vec<Vote> {
    let vote = |output: &Output| match output {
        Output::Send { message: ConsensusMessage::Vote(signed) } => Some(signed.vote),
        _ => None,
    };
    outputs.iter().filter_map(vote).collect()
}

#[test]
fn two_votes_of_one_step_are_proven() {
    let (mut agree, own) = follower();
    let liar = (own + 1) % 4;
    let first = vote(liar, 1, VoteKind::Prevote, None);
    let second = vote(liar, 1, VoteKind::Prevote, Some(value_id(b"x")));
    let third = vote(liar, 1, VoteKind::Prevote, Some(value_id(b"y")));
    assert!(!receive(&mut agree, liar, ConsensusMessage::Vote(first)).iter().any(|o| matches!(o, Output::Fault(_))));
    let outputs = receive(&mut agree, liar, ConsensusMessage::Vote(second));
    assert!(outputs.contains(&Output::Fault(AgreeFault::TwoVotes { first, second })));
    assert!(first.vote.conflicts_with(&second.vote));
    let voters = committee();
    assert!([first, second].iter().all(|signed| signed.verify(&CHAIN, &voters[liar as usize].key).is_ok()));
    // One accusation a step is enough.
    let outputs = receive(&mut agree, liar, ConsensusMessage::Vote(third));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Fault(_))));
}

#[test]
fn two_votes_are_proven_when_one_hides_in_a_certificate() {
    let (mut agree, own) = follower();
    let (liar, id) = ((own + 1) % 4, value_id(b"x"));
    let first = vote(liar, 1, VoteKind::Prevote, None);
    receive(&mut agree, liar, ConsensusMessage::Vote(first));
    let signers = (0..4).filter(|member| *member != own);
    let signers = signers.map(|member| (member, vote(member, 1, VoteKind::Prevote, Some(id)).signature));
    let polka = PolkaCertificate { height: 1, round: 0, value_id: id, signers: signers.collect() };
    let outputs = receive(&mut agree, (own + 2) % 4, ConsensusMessage::PolkaCertificate(polka));
    let second = vote(liar, 1, VoteKind::Prevote, Some(id));
    assert!(outputs.contains(&Output::Fault(AgreeFault::TwoVotes { first, second })));
}

#[test]
fn two_proposals_of_one_round_are_proven() {
    let (mut agree, _) = follower();
    let (first, second) = (proposal(1, b"one"), proposal(1, b"two"));
    let liar = first.proposal.member;
    receive(&mut agree, liar, ConsensusMessage::Proposal(first.clone()));
    let outputs = receive(&mut agree, liar, ConsensusMessage::Proposal(second.clone()));
    let (first, second) = (first.head(), second.head());
    assert!(outputs.contains(&Output::Fault(AgreeFault::TwoProposals { first, second })));
    assert!(first.proposal.conflicts_with(&second.proposal));
    let voters = committee();
    assert!([first, second].iter().all(|head| head.verify(&CHAIN, &voters[liar as usize].key).is_ok()));
}

#[test]
fn a_value_is_asked_about_once_and_a_copy_costs_nothing() {
    let (mut agree, own) = follower();
    let signed = proposal(1, b"value");
    let member = signed.proposal.member;
    let message = ConsensusMessage::Proposal(signed.clone());
    let outputs = receive(&mut agree, member, message.clone());
    let asked = |outputs: &[Output]| outputs.iter().filter(|o| matches!(o, Output::Validate { .. })).count();
    assert_eq!(asked(&outputs), 1);
    assert_eq!(receive(&mut agree, member, message), Vec::new());
    let value_id = signed.proposal.value_id;
    let input = Input::Validity { height: 1, round: 0, value_id, valid: true };
    let outputs = agree.handle(2, input.clone());
    assert_eq!(
        sent(&outputs),
        [Vote { height: 1, round: 0, kind: VoteKind::Prevote, value_id: Some(value_id), member: own }]
    );
    // The log comes before what depends on it.
    let log = outputs.iter().rposition(|output| matches!(output, Output::Wal(_)));
    let send = outputs.iter().position(|output| matches!(output, Output::Send { .. }));
    assert!(log < send);
    assert_eq!(agree.handle(3, input), Vec::new());
}

#[test]
fn bad_messages_are_blamed_on_who_sent_them_and_change_nothing() {
    let (mut agree, own) = follower();
    let (signer, from) = ((own + 1) % 4, (own + 2) % 4);
    let mut forged = vote(signer, 1, VoteKind::Prevote, None);
    forged.signature = Signature([1; 64]);
    let blame = |reason| vec![Output::Fault(AgreeFault::BadMessage { from, reason })];
    assert_eq!(receive(&mut agree, from, ConsensusMessage::Vote(forged)), blame(Reject::BadSignature));

    let mut altered = proposal(1, b"value");
    altered.value = b"other".to_vec();
    assert_eq!(receive(&mut agree, from, ConsensusMessage::Proposal(altered)), blame(Reject::Malformed));
    let mut forged = proposal(1, b"value");
    forged.signature = Signature([1; 64]);
    assert_eq!(receive(&mut agree, from, ConsensusMessage::Proposal(forged)), blame(Reject::BadSignature));
    // The genuine one is still taken.
    assert_eq!(receive(&mut agree, from, ConsensusMessage::Proposal(proposal(1, b"value"))).len(), 2);

    let id = value_id(b"value");
    let entry = |member| (member, vote(member, 1, VoteKind::Prevote, Some(id)).signature);
    let polka = |signers: &[u16]| {
        let signers = signers.iter().map(|member| entry(*member)).collect();
        ConsensusMessage::PolkaCertificate(PolkaCertificate { height: 1, round: 0, value_id: id, signers })
    };
    assert_eq!(receive(&mut agree, from, polka(&[0, 1])), blame(Reject::NoQuorum));
    assert_eq!(receive(&mut agree, from, polka(&[0, 1, 1])), blame(Reject::NotSorted));
    assert_eq!(receive(&mut agree, from, polka(&[0, 1, 2, 9])), blame(Reject::UnknownMember));
    let votes =
        vec![RoundSignature { member: 0, kind: VoteKind::Prevote, value_id: None, signature: Signature([0; 64]) }];
    let certificate = RoundCertificate { height: 1, round: 3, kind: RoundCertificateKind::Precommit, votes };
    assert_eq!(receive(&mut agree, from, ConsensusMessage::RoundCertificate(certificate)), blame(Reject::Malformed));
    assert_eq!(agree.round(), Some(0));
}

#[test]
fn strangers_the_weightless_and_other_heights_cost_nothing() {
    let (mut agree, own) = follower();
    let from = (own + 1) % 4;
    let mut far = vote(from, 1, VoteKind::Prevote, None).vote;
    far.round = 11;
    let mut not_entitled = proposal(1, b"value");
    not_entitled.proposal.member = own;
    for (from, message) in [
        (4, ConsensusMessage::Vote(vote(from, 1, VoteKind::Prevote, None))),
        (77, ConsensusMessage::Vote(vote(from, 1, VoteKind::Prevote, None))),
        (from, ConsensusMessage::Vote(vote(4, 1, VoteKind::Prevote, None))),
        (from, ConsensusMessage::Vote(vote(77, 1, VoteKind::Prevote, None))),
        (from, ConsensusMessage::Vote(vote(from, 0, VoteKind::Prevote, None))),
        (from, ConsensusMessage::Vote(vote(from, 4, VoteKind::Prevote, None))),
        (from, ConsensusMessage::Vote(vote(from, u64::MAX, VoteKind::Prevote, None))),
        (from, ConsensusMessage::Vote(far.sign(&CHAIN, &key(from)))),
        (from, ConsensusMessage::Proposal(not_entitled)),
    ] {
        assert_eq!(receive(&mut agree, from, message), Vec::new());
    }
}

#[test]
fn messages_of_the_next_heights_wait_for_them() {
    let (mut agree, own) = follower();
    let signed = proposal(3, b"value");
    let (from, id) = (signed.proposal.member, signed.proposal.value_id);
    assert_eq!(receive(&mut agree, from, ConsensusMessage::Proposal(signed)), Vec::new());
    for member in (0..4).filter(|member| *member != own) {
        // More than is kept of one sender: the oldest give way.
        for round in (1..=20).rev().chain([0]) {
            let vote = Vote { height: 3, round, kind: VoteKind::Precommit, value_id: Some(id), member };
            let message = ConsensusMessage::Vote(vote.sign(&CHAIN, &key(member)));
            assert_eq!(receive(&mut agree, member, message), Vec::new());
        }
    }
    let outputs = agree.start_height(5, 3, committee(), Some((own, key(own))), Vec::new());
    assert!(!outputs.iter().any(|output| matches!(output, Output::Fault(_) | Output::Halt(_))));
    let logged = outputs.iter().filter(|output| matches!(output, Output::Wal(_))).count();
    assert!(logged >= 3, "three precommits of round 0 at least: {logged}");
}

#[test]
fn a_decision_learnt_elsewhere_ends_the_height() {
    let (mut agree, own) = follower();
    let value = b"value".to_vec();
    let others: Vec<u16> = (0..4).filter(|member| *member != own).collect();
    let bad = |agree: &mut Agree, value: &[u8], certificate| {
        agree.handle(1, Input::Decided { value: value.to_vec(), certificate })
    };
    let fault = |reason| vec![Output::Fault(AgreeFault::BadDecision { reason })];
    assert_eq!(bad(&mut agree, b"other", commit(1, &value, &others)), fault(Reject::Malformed));
    assert_eq!(bad(&mut agree, &value, commit(1, &value, &others[..2])), fault(Reject::NoQuorum));
    let mut forged = commit(1, &value, &others);
    forged.signers[1].1 = Signature([0; 64]);
    assert_eq!(bad(&mut agree, &value, forged), fault(Reject::BadSignature));
    assert_eq!(bad(&mut agree, &value, commit(2, &value, &others)), Vec::new());

    let certificate = commit(1, &value, &others);
    let input = Input::Decided { value: value.clone(), certificate: certificate.clone() };
    let decided = Output::Decide { height: 1, round: 0, value_id: value_id(&value), value, certificate };
    assert_eq!(agree.handle(1, input.clone()), [decided]);
    assert_eq!(agree.handle(1, input), Vec::new());
    assert_eq!(agree.deadline(), None);
    assert_eq!(receive(&mut agree, others[0], ConsensusMessage::Proposal(proposal(1, b"late"))), Vec::new());
    agree.start_height(9, 2, committee(), Some((own, key(own))), Vec::new());
    assert_eq!((agree.height(), agree.round()), (Some(2), Some(0)));
}

#[test]
fn an_observer_decides_and_signs_nothing() {
    let mut agree = Agree::new(config());
    agree.start_height(0, 1, committee(), None, Vec::new());
    let signed = proposal(1, b"value");
    let id = signed.proposal.value_id;
    let from = signed.proposal.member;
    let mut outputs = receive(&mut agree, from, ConsensusMessage::Proposal(signed));
    outputs.extend(agree.handle(1, Input::Validity { height: 1, round: 0, value_id: id, valid: true }));
    for member in 0..3 {
        let message = ConsensusMessage::Vote(vote(member, 1, VoteKind::Precommit, Some(id)));
        outputs.extend(receive(&mut agree, member, message));
    }
    outputs.extend(agree.on_time(20_000));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Send { .. })));
    assert!(outputs.iter().any(|output| matches!(output, Output::Decide { value, .. } if value == b"value")));
}

/// A member's log after it has prevoted and precommitted, and its votes, each with its log entry.
fn logged() -> (u16, Vec<WalEntry>, Vec<(Vote, WalEntry)>) {
    let (mut agree, own) = follower();
    let signed = proposal(1, b"value");
    let id = signed.proposal.value_id;
    let mut outputs = receive(&mut agree, signed.proposal.member, ConsensusMessage::Proposal(signed));
    outputs.extend(agree.handle(1, Input::Validity { height: 1, round: 0, value_id: id, valid: true }));
    for member in (0..4).filter(|member| *member != own) {
        let vote = vote(member, 1, VoteKind::Prevote, Some(id));
        outputs.extend(receive(&mut agree, member, ConsensusMessage::Vote(vote)));
    }
    let (mut log, mut votes) = (Vec::new(), Vec::new());
    for output in outputs {
        match output {
            Output::Wal(entry) => log.push(entry),
            // An own vote is the last entry before it is sent.
            Output::Send { message: ConsensusMessage::Vote(signed) } => {
                votes.push((signed.vote, log.last().expect("a vote is logged first").clone()));
            }
            _ => {}
        }
    }
    (own, log, votes)
}

fn restart(own: u16, log: Vec<WalEntry>) -> (Agree, Vec<Output>) {
    let mut agree = Agree::new(config());
    let outputs = agree.start_height(50, 1, committee(), Some((own, key(own))), log);
    (agree, outputs)
}

#[test]
fn a_replay_sends_the_same_votes_and_logs_nothing_twice() {
    let (own, log, votes) = logged();
    assert_eq!(votes.len(), 2);
    let (_, outputs) = restart(own, log.clone());
    assert!(sent(&outputs).iter().eq(votes.iter().map(|(vote, _)| vote)));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Wal(_) | Output::Halt(_))));
    // Cut off anywhere: what is signed again is the same, and is logged before it is sent.
    for length in 1..log.len() {
        let mut kept = log[..length].to_vec();
        for output in restart(own, kept.clone()).1 {
            match output {
                Output::Wal(entry) => kept.push(entry),
                Output::Send { message: ConsensusMessage::Vote(signed) } => {
                    let known = votes.iter().find(|(vote, _)| *vote == signed.vote);
                    assert!(known.is_some_and(|(_, entry)| kept.contains(entry)), "cut after {length}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_value_that_was_logged_is_proposed_after_a_crash_and_no_other() {
    let own = first_proposer(1, 0);
    let (mut agree, outputs) = restart(own, Vec::new());
    assert_eq!(outputs, [Output::NeedValue { height: 1, round: 0 }]);
    let outputs = agree.handle(1, Input::Propose { height: 1, round: 0, value: b"value".to_vec() });
    let is_wal = |output: &&Output| matches!(output, Output::Wal(_));
    let Some(Output::Wal(draft)) = outputs.first() else { panic!("{outputs:?}") };
    let (_, again) = restart(own, vec![draft.clone()]);
    assert_eq!(again, outputs);
    assert_eq!(again.iter().filter(is_wal).count(), 3);
    // A second answer, or one for another round, is too late.
    assert_eq!(agree.handle(2, Input::Propose { height: 1, round: 0, value: b"other".to_vec() }), Vec::new());
    assert_eq!(agree.handle(2, Input::Propose { height: 1, round: 1, value: b"other".to_vec() }), Vec::new());
}

#[test]
fn a_damaged_log_halts() {
    let (own, log, _) = logged();
    let halts = |log: Vec<WalEntry>| {
        let (mut agree, outputs) = restart(own, log);
        // Nothing is done any more, whatever comes.
        assert_eq!(agree.on_time(100_000), Vec::new());
        assert_eq!(agree.deadline(), None);
        assert_eq!(agree.start_height(60, 2, committee(), Some((own, key(own))), Vec::new()), Vec::new());
        outputs
    };
    let changed = |position: usize, change: fn(&mut WalEntry)| {
        let mut log = log.clone();
        change(&mut log[position]);
        log
    };
    for position in 0..log.len() {
        let malformed = vec![Output::Halt(AgreeHalt::WalMalformed)];
        assert_eq!(halts(changed(position, |entry| entry.height = 2)), malformed);
        assert_eq!(halts(changed(position, |entry| entry.bytes.truncate(9))), malformed);
        assert_eq!(halts(changed(position, |entry| entry.bytes.clear())), malformed);
    }
    // A vote whose signature does not verify.
    let last = log.len() - 1;
    let flipped = changed(last, |entry| *entry.bytes.last_mut().expect("an entry has bytes") ^= 1);
    assert!(matches!(halts(flipped)[..], [Output::Halt(_)]));
}

#[test]
fn a_log_with_two_own_votes_of_one_step_halts() {
    let (own, log, votes) = logged();
    let (mut agree, _) = follower();
    // The other vote's entry, as another engine with the same key would have logged it.
    let other = vote(own, 1, VoteKind::Prevote, None);
    assert!(other.vote.conflicts_with(&votes[0].0));
    let outputs = receive(&mut agree, (own + 1) % 4, ConsensusMessage::Vote(other));
    let Some(Output::Wal(entry)) = outputs.first() else { panic!("{outputs:?}") };
    let mut log = log;
    log.push(entry.clone());
    assert_eq!(restart(own, log).1, [Output::Halt(AgreeHalt::SignedTwice)]);
}

#[test]
fn an_own_vote_that_the_log_has_lost_is_learnt_from_peers() {
    let (mut agree, own) = follower();
    let before = vote(own, 1, VoteKind::Prevote, Some(value_id(b"before")));
    receive(&mut agree, (own + 1) % 4, ConsensusMessage::Vote(before));
    let outputs = agree.on_time(5_000);
    assert!(sent(&outputs).is_empty(), "the nil prevote would be a second one");
    assert_eq!(outputs.last(), Some(&Output::Halt(AgreeHalt::WouldSignTwice)));
}

#[test]
fn a_released_member_is_not_bound_by_what_peers_show() {
    let own = follower().1;
    let mut agree = Agree::new(AgreeConfig { released: true, ..config() });
    agree.start_height(0, 1, committee(), Some((own, key(own))), Vec::new());
    let before = vote(own, 1, VoteKind::Prevote, Some(value_id(b"before")));
    let show = ConsensusMessage::Vote(before);
    assert_eq!(receive(&mut agree, (own + 1) % 4, show.clone()), Vec::new());
    let outputs = agree.on_time(5_000);
    assert!(!sent(&outputs).is_empty(), "the nil prevote is sent");
    receive(&mut agree, (own + 1) % 4, show);
    let halted = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::Halt(_)));
    assert!(!halted(&outputs) && !halted(&agree.on_time(100_000)));
}

#[test]
fn wrong_calls_halt() {
    let start = |height, voters: Arc<[Voter]>, own| {
        let mut agree = Agree::new(config());
        agree.start_height(0, 1, committee(), None, Vec::new());
        agree.start_height(0, height, voters, own, Vec::new())
    };
    let halt = |reason| vec![Output::Halt(reason)];
    assert_eq!(start(1, committee(), None), halt(AgreeHalt::HeightNotAbove));
    assert_eq!(start(0, committee(), None), halt(AgreeHalt::HeightNotAbove));
    assert_eq!(start(2, Arc::new([]), None), halt(AgreeHalt::BadVoters));
    assert_eq!(start(2, voters(&[0, 0]), None), halt(AgreeHalt::BadVoters));
    assert_eq!(start(2, voters(&[1 << 62]), None), halt(AgreeHalt::BadVoters));
    assert_eq!(start(2, voters(&[u64::MAX, u64::MAX]), None), halt(AgreeHalt::BadVoters));
    let twice: Arc<[Voter]> = [committee()[1].clone(), committee()[1].clone()].into();
    assert_eq!(start(2, twice, None), halt(AgreeHalt::BadVoters));
    assert_eq!(start(2, committee(), Some((1, key(2)))), halt(AgreeHalt::WrongKey));
    assert_eq!(start(2, committee(), Some((4, key(4)))), Vec::new());
}
