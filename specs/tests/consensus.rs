//! Chapter consensus.md: preimages, certificates, the rotation of proposers.

use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::consensus::{
    CommitCertificate, ConsensusMessage, PolkaCertificate, Proposal, RoundCertificate, RoundCertificateKind,
    RoundSignature, SignedProposal, Vote, VoteKind, is_quorum, proposer, value_id,
};
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::keys::{SecretKey, Signature, Verifier};
use beacon_spec::reject::Reject;

const CHAIN: Digest32 = Digest32([9; 32]);

fn key(member: u16) -> SecretKey {
    SecretKey::from_seed(&[member as u8 + 1; 32])
}

struct Committee(Vec<(u64, Verifier)>);

impl Committee {
    fn new(weights: &[u64]) -> Self {
        let voter = |(member, weight): (usize, &u64)| {
            let verifier = Verifier::new(&key(member as u16).public()).expect("keys made from seeds are good");
            (*weight, verifier)
        };
        Committee(weights.iter().enumerate().map(voter).collect())
    }

    fn voter<'a>(&'a self) -> impl Fn(u16) -> Option<(u64, &'a Verifier)> {
        |member| self.0.get(usize::from(member)).map(|(weight, key)| (*weight, key))
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|(weight, _)| weight).sum()
    }
}

fn vote() -> Vote {
    Vote { height: 5, round: 2, kind: VoteKind::Precommit, value_id: Some(value_id(b"v")), member: 3 }
}

fn proposal() -> Proposal {
    Proposal { height: 5, round: 2, pol_round: Some(1), value_id: value_id(b"v"), member: 3 }
}

fn signature(kind: VoteKind, member: u16) -> Signature {
    Vote { kind, member, ..vote() }.sign(&CHAIN, &key(member)).signature
}

fn commit(members: &[u16]) -> CommitCertificate {
    let signers = members.iter().map(|member| (*member, signature(VoteKind::Precommit, *member)));
    CommitCertificate { height: 5, round: 2, value_id: value_id(b"v"), signers: signers.collect() }
}

#[test]
fn consensus_1_the_value_id_frames_the_bytes() {
    assert_eq!(value_id(b"v"), Hasher::new(tag::VALUE).u32(1).fixed(b"v").finish());
    assert_ne!(value_id(b""), value_id(b"\0"));
}

#[test]
fn consensus_2_a_vote_binds_every_field() {
    let vote = vote();
    let mut digests = vec![
        vote.digest(&CHAIN),
        vote.digest(&Digest32([8; 32])),
        Vote { height: 6, ..vote }.digest(&CHAIN),
        Vote { round: 3, ..vote }.digest(&CHAIN),
        Vote { kind: VoteKind::Prevote, ..vote }.digest(&CHAIN),
        Vote { value_id: None, ..vote }.digest(&CHAIN),
        Vote { value_id: Some(Digest32::ZERO), ..vote }.digest(&CHAIN),
        Vote { member: 4, ..vote }.digest(&CHAIN),
        proposal().digest(&CHAIN),
    ];
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 9);
    let signed = vote.sign(&CHAIN, &key(3));
    let voters = Committee::new(&[1; 4]);
    assert_eq!(signed.verify(&CHAIN, &voters.0[3].1), Ok(()));
    assert_eq!(signed.verify(&CHAIN, &voters.0[2].1), Err(Reject::BadSignature));
}

#[test]
fn consensus_3_conflicts() {
    let (vote, proposal) = (vote(), proposal());
    assert!(vote.conflicts_with(&Vote { value_id: None, ..vote }));
    for other in [
        vote,
        Vote { value_id: None, height: 6, ..vote },
        Vote { value_id: None, round: 3, ..vote },
        Vote { value_id: None, kind: VoteKind::Prevote, ..vote },
        Vote { value_id: None, member: 4, ..vote },
    ] {
        assert!(!vote.conflicts_with(&other));
    }
    assert!(proposal.conflicts_with(&Proposal { value_id: Digest32::ZERO, ..proposal }));
    assert!(proposal.conflicts_with(&Proposal { pol_round: None, ..proposal }));
    for other in [proposal, Proposal { height: 6, ..proposal }, Proposal { round: 3, ..proposal }] {
        assert!(!proposal.conflicts_with(&Proposal { pol_round: None, member: 4, ..other }));
    }
    assert!(!proposal.conflicts_with(&proposal));
}

#[test]
fn consensus_4_a_proposal_binds_every_field() {
    let proposal = proposal();
    let mut digests = vec![
        proposal.digest(&CHAIN),
        proposal.digest(&Digest32([8; 32])),
        Proposal { height: 6, ..proposal }.digest(&CHAIN),
        Proposal { round: 3, ..proposal }.digest(&CHAIN),
        Proposal { pol_round: None, ..proposal }.digest(&CHAIN),
        Proposal { pol_round: Some(0), ..proposal }.digest(&CHAIN),
        Proposal { value_id: Digest32::ZERO, ..proposal }.digest(&CHAIN),
        Proposal { member: 4, ..proposal }.digest(&CHAIN),
    ];
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 8);
}

#[test]
fn consensus_4_the_value_belongs_to_the_signed_id() {
    let voters = Committee::new(&[1; 4]);
    let mut signed = SignedProposal::sign((5, 2, Some(1)), b"v".to_vec(), &CHAIN, (3, &key(3)));
    assert_eq!(signed.proposal, proposal());
    assert_eq!(signed.verify(&CHAIN, &voters.0[3].1), Ok(()));
    assert_eq!(signed.head().verify(&CHAIN, &voters.0[3].1), Ok(()));
    signed.value.push(0);
    assert_eq!(signed.verify(&CHAIN, &voters.0[3].1), Err(Reject::Malformed));
}

#[test]
fn consensus_5_a_quorum_is_strictly_more_than_two_thirds() {
    for (weight, total, quorum) in [(2, 3, false), (3, 3, true), (66, 100, false), (67, 100, true), (0, 0, false)] {
        assert_eq!(is_quorum(weight, total), quorum);
    }
    assert!(is_quorum(u64::MAX, u64::MAX));
    assert!(!is_quorum(u64::MAX / 3 * 2, u64::MAX));
}

#[test]
fn consensus_6_commit_certificates() {
    let voters = Committee::new(&[1, 1, 1, 1, 0]);
    let verify = |certificate: &CommitCertificate| certificate.verify(&CHAIN, voters.voter(), voters.total());
    assert_eq!(verify(&commit(&[0, 1, 2])), Ok(()));
    assert_eq!(verify(&commit(&[0, 1, 2, 3])), Ok(()));
    assert_eq!(verify(&commit(&[])), Err(Reject::NoQuorum));
    assert_eq!(verify(&commit(&[0, 3])), Err(Reject::NoQuorum));
    assert_eq!(verify(&commit(&[0, 2, 1])), Err(Reject::NotSorted));
    assert_eq!(verify(&commit(&[0, 1, 1])), Err(Reject::NotSorted));
    assert_eq!(verify(&commit(&[0, 1, 2, 4])), Err(Reject::NoWeight));
    assert_eq!(verify(&commit(&[0, 1, 2, 5])), Err(Reject::UnknownMember));
    for position in 0..4 {
        let mut forged = commit(&[0, 1, 2, 3]);
        forged.signers[position].1 = signature(VoteKind::Prevote, position as u16);
        assert_eq!(verify(&forged), Err(Reject::BadSignature), "surplus signatures must verify too");
    }
    for certificate in [
        CommitCertificate { height: 6, ..commit(&[0, 1, 2]) },
        CommitCertificate { round: 0, ..commit(&[0, 1, 2]) },
        CommitCertificate { value_id: value_id(b"w"), ..commit(&[0, 1, 2]) },
    ] {
        assert_eq!(verify(&certificate), Err(Reject::BadSignature));
    }
    let other_chain = commit(&[0, 1, 2]).verify(&Digest32::ZERO, voters.voter(), voters.total());
    assert_eq!(other_chain, Err(Reject::BadSignature));
}

#[test]
fn consensus_6_weights_count_and_not_heads() {
    let voters = Committee::new(&[10, 20, 30, 40]);
    let verify = |members: &[u16]| commit(members).verify(&CHAIN, voters.voter(), voters.total());
    assert_eq!(verify(&[2, 3]), Ok(()));
    assert_eq!(verify(&[0, 1, 2]), Err(Reject::NoQuorum));
    assert_eq!(verify(&[1, 3]), Err(Reject::NoQuorum));
}

#[test]
fn consensus_7_polka_certificates_hold_prevotes() {
    let voters = Committee::new(&[1; 4]);
    let polka = |kind| {
        let signers = (0..3).map(|member| (member, signature(kind, member))).collect();
        PolkaCertificate { height: 5, round: 2, value_id: value_id(b"v"), signers }
    };
    let verify = |certificate: PolkaCertificate| certificate.verify(&CHAIN, voters.voter(), voters.total());
    assert_eq!(verify(polka(VoteKind::Prevote)), Ok(()));
    assert_eq!(verify(polka(VoteKind::Precommit)), Err(Reject::BadSignature));
}

#[test]
fn consensus_8_round_certificates() {
    let voters = Committee::new(&[1; 4]);
    let certificate = |kind, votes: &[(u16, VoteKind)]| {
        let votes = votes.iter().map(|(member, kind)| RoundSignature {
            member: *member,
            kind: *kind,
            value_id: Some(value_id(b"v")),
            signature: signature(*kind, *member),
        });
        RoundCertificate { height: 5, round: 2, kind, votes: votes.collect() }
    };
    let verify = |certificate: RoundCertificate| certificate.verify(&CHAIN, voters.voter(), voters.total());
    let (prevote, precommit) = (VoteKind::Prevote, VoteKind::Precommit);
    let skip = |votes: &[_]| verify(certificate(RoundCertificateKind::Skip, votes));
    assert_eq!(skip(&[(0, prevote), (2, precommit)]), Ok(()));
    assert_eq!(skip(&[(0, prevote)]), Err(Reject::NoQuorum));
    assert_eq!(skip(&[(0, prevote), (0, precommit)]), Err(Reject::NotSorted));
    let precommits = |votes: &[_]| verify(certificate(RoundCertificateKind::Precommit, votes));
    assert_eq!(precommits(&[(0, precommit), (1, precommit), (2, precommit)]), Ok(()));
    assert_eq!(precommits(&[(0, precommit), (1, precommit)]), Err(Reject::NoQuorum));
    assert_eq!(precommits(&[(0, precommit), (1, precommit), (2, prevote)]), Err(Reject::Malformed));
}

fn turns(weights: &[u64], heights: u64) -> Vec<u64> {
    let mut turns = vec![0; weights.len()];
    let list = weights.iter().enumerate().map(|(member, weight)| (member as u16, *weight));
    for height in 0..heights {
        turns[usize::from(proposer(list.clone(), height, 0).expect("there is weight"))] += 1;
    }
    turns
}

#[test]
fn consensus_9_turns_are_exactly_by_weight() {
    for weights in
        [&[1][..], &[1, 1], &[1, 1, 1], &[1; 16], &[10, 20, 30, 40], &[0, 5, 0, 3, 1], &[81, 2, 88, 13, 5, 77]]
    {
        assert_eq!(turns(weights, weights.iter().sum()), weights);
    }
}

#[test]
fn consensus_9_turns_are_spread() {
    // Equal members take turns without gaps; nobody below a third proposes twice running.
    let list = (0..7).map(|member| (member, 1));
    for height in 0..50 {
        let mut seven: Vec<_> = (0..7).map(|round| proposer(list.clone(), height, round)).collect();
        seven.sort();
        seven.dedup();
        assert_eq!(seven.len(), 7);
    }
    let list = [100, 200, 290, 300].iter().enumerate().map(|(member, weight)| (member as u16, *weight));
    for height in 0..2000 {
        assert_ne!(proposer(list.clone(), height, 0), proposer(list.clone(), height, 1));
    }
}

#[test]
fn consensus_9_known_turns_and_extremes() {
    let list = [10, 20, 30, 40].iter().enumerate().map(|(member, weight)| (member as u16, *weight));
    let turns: Vec<_> = (1..=12).filter_map(|height| proposer(list.clone(), height, 0)).collect();
    assert_eq!(turns, [3, 1, 3, 2, 0, 3, 1, 3, 2, 1, 3, 2]);
    assert_eq!(proposer(list.clone(), 3, 4), proposer(list, 7, 0));
    assert_eq!(proposer(std::iter::empty(), 1, 0), None);
    assert_eq!(proposer([(0, 0)].into_iter(), 1, 0), None);
    assert_eq!(proposer([(0, 1 << 62)].into_iter(), 1, 0), None);
    assert_eq!(proposer([(7, 0), (8, (1 << 62) - 1)].into_iter(), u64::MAX, u32::MAX), Some(8));
}

#[test]
fn consensus_messages_travel() {
    let signed = SignedProposal::sign((5, 2, None), b"v".to_vec(), &CHAIN, (3, &key(3)));
    let commit = commit(&[0, 1, 2]);
    let polka = PolkaCertificate { height: 5, round: 2, value_id: commit.value_id, signers: commit.signers };
    let entry = RoundSignature { member: 1, kind: VoteKind::Prevote, value_id: None, signature: Signature([1; 64]) };
    let round = RoundCertificate { height: 5, round: 2, kind: RoundCertificateKind::Skip, votes: vec![entry] };
    for message in [
        ConsensusMessage::Proposal(signed),
        ConsensusMessage::Vote(vote().sign(&CHAIN, &key(3))),
        ConsensusMessage::PolkaCertificate(polka),
        ConsensusMessage::RoundCertificate(round),
    ] {
        assert_eq!((message.height(), message.round()), (5, 2));
        let bytes = encode(&message);
        assert_eq!(decode::<ConsensusMessage>(&bytes, &Limits::bytes(bytes.len())).as_ref(), Ok(&message));
        let json = serde_json::to_string(&message).expect("wire types have a JSON form");
        assert_eq!(serde_json::from_str::<ConsensusMessage>(&json).expect("and are read from it"), message);
    }
}
