//! One value of every type that travels, as bytes and as JSON, and ways to spoil the bytes.

use beacon_spec::chain::{Beacon, Transcript};
use beacon_spec::consensus::{
    CommitCertificate, ConsensusMessage, PolkaCertificate, Proposal, ProposalHead, RoundCertificate,
    RoundCertificateKind, RoundSignature, SignedProposal, SignedVote, Vote, VoteKind,
};
use beacon_spec::evidence::{BadDealing, Evidence};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{ScalarBytes, Signature};
use beacon_spec::message::{
    Amendment, Change, DealerShares, HeaderVote, Opening, Ready, Registration, SetEntry, Shares, Value,
};
use beacon_spec::mmr::{Mmr, MmrProof};
use serde_json::json;

use crate::build::{Build, wire};
use crate::world::{World, seed};

pub fn build() -> Build {
    let world = World::new("formats", &[1, 1, 0, 1, 1]);
    let mut build = Build::new();
    keys(&mut build, &world);
    messages(&mut build, &world);
    agreement(&mut build, &world);
    chain(&mut build, &world);
    evidence(&mut build, &world);
    build
}

fn add<T: serde::Serialize>(build: &mut Build, kind: &str, name: &str, value: &T) {
    build.case(kind, name, "ok", json!({ "bytes": wire(value) }));
}

fn refused(build: &mut Build, kind: &str, name: &str, verdict: &str, bytes: String) {
    build.case(kind, name, verdict, json!({ "bytes": bytes }));
}

fn evidence(build: &mut Build, world: &World) {
    let vote = HeaderVote { round: 1, member: 1, header: digest(1), signature: signature(8) };
    let signed = world.commitment(1, 1).signed;
    let voted = |id| SignedVote {
        vote: Vote { height: 1, round: 0, kind: VoteKind::Prevote, value_id: id, member: 1 },
        signature: signature(9),
    };
    let proposal = Proposal { height: 1, round: 0, pol_round: None, value_id: digest(2), member: 1 };
    let head = ProposalHead { proposal, signature: signature(10) };
    let bad = BadDealing { signed, hashes: vec![digest(3), digest(4)], index: 1, dealing: world.deal(2, 1).0 };
    let (beacon, _) = world.chain(1, &[0, 1, 3]).remove(0);
    for (name, evidence) in [
        ("two commitments", Evidence::TwoCommitments { first: signed, second: signed }),
        ("a bad dealing", Evidence::BadDealing(Box::new(bad))),
        ("two proposals", Evidence::TwoProposals { first: head, second: head }),
        ("two votes", Evidence::TwoVotes { first: voted(None), second: voted(Some(digest(1))) }),
        ("two header votes", Evidence::TwoHeaderVotes { first: vote, second: vote }),
        ("an uncertified header", Evidence::UncertifiedHeader { vote, beacon: Box::new(beacon) }),
    ] {
        add(build, "Evidence", name, &evidence);
    }
}

fn digest(i: u64) -> Digest32 {
    Digest32(seed("format", &[i]))
}

fn signature(i: u8) -> Signature {
    Signature([i; 64])
}

fn keys(build: &mut Build, world: &World) {
    add(build, "KeyBundle", "two ticket keys", &world.genesis.bundles[0]);
    add(build, "Member", "of weight 1", &world.committees[0].members()[1]);
    add(build, "MemberList", "five members", &world.committees[0].list());
    add(build, "SignerList", "five signers", world.committees[0].signers().list());
    add(build, "Draft", "five members", &world.genesis.draft);
    add(build, "Genesis", "five members", &world.genesis);
    add(build, "LightGenesis", "five members", &world.genesis.light(&world.committees[0]));
    let draft = wire(&world.genesis.draft);
    let flag = 2 * (2 + 8 + world.genesis.draft.name.len() + 8 * 8 + 2);
    assert_eq!(&draft[flag..flag + 2], "00");
    refused(build, "Draft", "a flag of 2", "malformed", format!("{}02{}", &draft[..flag], &draft[flag + 2..]));
    let bytes = wire(world.committees[0].signers().list());
    for (name, from, to) in [
        ("an epoch of 2^53", "0020000000000000", "9007199254740992"),
        ("an epoch of 2^64 - 1", "ffffffffffffffff", "18446744073709551615"),
    ] {
        assert!(!to.is_empty());
        build.case("SignerList", name, "ok", json!({ "bytes": format!("{from}{}", &bytes[16..]) }));
    }
    refused(
        build,
        "SignerList",
        "a signer more than bytes",
        "malformed",
        format!("{}06{}", &bytes[..46], &bytes[48..]),
    );
    refused(
        build,
        "SignerList",
        "2^64 - 1 signers",
        "malformed",
        format!("{}{}{}", &bytes[..32], "ff".repeat(8), &bytes[48..]),
    );
}

fn messages(build: &mut Build, world: &World) {
    let (dealing, d) = world.deal(1, 1);
    add(build, "Dealing", "of three tickets", &dealing);
    let share = world.shares(1, 1, &[2])[0];
    add(build, "Share", "at position 2", &share);
    add(build, "Commitment", "two dealings", &world.commitment(1, 1));
    add(build, "Opening", "round 1", &Opening { round: 1, member: 1, d: ScalarBytes(d) });
    add(build, "Ready", "round 1", &Ready { round: 1, member: 1, signature: signature(7) });
    let dealers = vec![
        DealerShares { dealer: 1, shares: world.shares(1, 1, &[2, 3]) },
        DealerShares { dealer: 3, shares: Vec::new() },
    ];
    add(build, "Shares", "of two dealers", &Shares { round: 1, member: 4, dealers });
    add(
        build,
        "HeaderVote",
        "round 1",
        &HeaderVote { round: 1, member: 1, header: digest(1), signature: signature(8) },
    );
    let registration = Registration { member: 3, bundle: world.genesis.bundles[3].clone() };
    add(build, "Registration", "of member 3", &registration);
    let identity = world.genesis.draft.members[0].identity;
    let changes = vec![
        Change::Add { identity, weight: 5, bundle: world.genesis.bundles[0].clone() },
        Change::Remove { identity },
        Change::Weight { identity, weight: 1_000_000 },
    ];
    changes.iter().zip(["add", "remove", "weight"]).for_each(|(change, name)| add(build, "Change", name, change));
    refused(build, "Change", "a fourth kind", "malformed", format!("00000003{}", hex::encode(identity.0)));
    let amendment =
        Amendment { follows: 2, expires: 90, changes, approvals: vec![(0, signature(1)), (3, signature(2))] };
    add(build, "Amendment", "three changes, two approvals", &amendment);
    let set = vec![SetEntry { member: 0, commitment: digest(2) }, SetEntry { member: 3, commitment: digest(3) }];
    let plain = Value { window: 4, epoch: 1, set, registrations: Vec::new(), amendment: None, registry: digest(4) };
    add(build, "Value", "plain", &plain);
    let full = Value { registrations: vec![registration], amendment: Some(amendment), ..plain.clone() };
    add(build, "Value", "with a registration and an amendment", &full);
    let bytes = wire(&plain);
    let option = bytes.len() - 66;
    refused(
        build,
        "Value",
        "an option byte of 2",
        "malformed",
        format!("{}02{}", &bytes[..option], &bytes[option + 2..]),
    );
}

fn agreement(build: &mut Build, world: &World) {
    let key = &world.keys[0][1].voting;
    for (name, kind, value_id) in [
        ("prevote", VoteKind::Prevote, Some(digest(5))),
        ("precommit", VoteKind::Precommit, Some(digest(5))),
        ("precommit for nil", VoteKind::Precommit, None),
    ] {
        let vote = Vote { height: 9, round: 1, kind, value_id, member: 1 };
        add(build, "Vote", name, &vote);
        add(build, "ConsensusMessage", name, &ConsensusMessage::Vote(vote.sign(&world.chain, key)));
    }
    for (name, pol_round) in [("proposal", None), ("proposal after round 3", Some(3))] {
        let signed = SignedProposal::sign((9, 4, pol_round), b"a value".to_vec(), &world.chain, (1, key));
        let proposal: Proposal = signed.proposal;
        add(build, "Proposal", name, &proposal);
        add(build, "ConsensusMessage", name, &ConsensusMessage::Proposal(signed));
    }
    let signers = vec![(0, signature(3)), (4, signature(4))];
    let commit = CommitCertificate { height: 9, round: 1, value_id: digest(5), signers: signers.clone() };
    add(build, "CommitCertificate", "two signers", &commit);
    let polka = PolkaCertificate { height: 9, round: 1, value_id: digest(5), signers };
    add(build, "ConsensusMessage", "polka certificate", &ConsensusMessage::PolkaCertificate(polka));
    for (name, kind) in [("skip", RoundCertificateKind::Skip), ("precommits", RoundCertificateKind::Precommit)] {
        let vote = |kind, value_id| RoundSignature { member: 2, kind, value_id, signature: signature(5) };
        let votes = vec![vote(VoteKind::Prevote, None), vote(VoteKind::Precommit, Some(digest(6)))];
        let certificate = RoundCertificate { height: 9, round: 1, kind, votes };
        add(build, "ConsensusMessage", name, &ConsensusMessage::RoundCertificate(certificate));
    }
    refused(build, "ConsensusMessage", "a fifth kind", "malformed", format!("00000004{}", "00".repeat(64)));
    let nil = wire(&Vote { height: 9, round: 1, kind: VoteKind::Prevote, value_id: Some(digest(5)), member: 1 });
    refused(build, "Vote", "an option byte of 2", "malformed", format!("{}02{}", &nil[..32], &nil[34..]));
    refused(build, "Vote", "a third kind of vote", "malformed", format!("{:016x}{:08x}{:08x}00{:04x}", 9, 1, 2, 1));
}

fn chain(build: &mut Build, world: &World) {
    let mut mmr = Mmr::new();
    add(build, "Mmr", "empty", &mmr);
    (1..=5).for_each(|round| drop(mmr.append(round, digest(round))));
    add(build, "Mmr", "five leaves", &mmr);
    let bytes = wire(&mmr);
    refused(build, "Mmr", "a count that has one peak", "malformed", format!("{:016x}{}", 4, &bytes[16..]));
    add(build, "MmrProof", "three siblings", &MmrProof { siblings: vec![digest(1), digest(2), digest(3)] });
    let transcript: Transcript = world.transcript(1, &[0, 1, 3], &[3]);
    let header = world.header(&world.chain, &Mmr::new(), &transcript);
    let certificate = world.certificate(&header, &[0, 1, 3]);
    add(build, "Header", "round 1", &header);
    add(build, "Certificate", "three of five", &certificate);
    add(build, "Beacon", "round 1", &Beacon { header, certificate });
    add(build, "Transcript", "two opened, one recovered", &transcript);
    refused(build, "Header", "a byte too few", "malformed", "00".repeat(269));
    refused(build, "Header", "a byte too many", "trailing-bytes", "00".repeat(271));
    build.case("Header", "zeros", "ok", json!({ "bytes": "00".repeat(270) }));
}
