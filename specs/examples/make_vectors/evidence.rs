//! Evidence: five members, one without weight; each crime, and each way in which an accusation fails.

use beacon_spec::chain::Beacon;
use beacon_spec::consensus::{Proposal, ProposalHead, SignedProposal, SignedVote, Vote, VoteKind};
use beacon_spec::evidence::{BadDealing, Evidence};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::SecretKey;
use beacon_spec::message::{Commitment, HeaderVote, SignedCommitment, dealing_context, dealings_root};
use serde_json::json;

use crate::build::{Build, wire, with};
use crate::world::{SCHEDULE, World};

const WEIGHTS: [u64; 5] = [1, 1, 0, 1, 1];
const OTHER: Digest32 = Digest32([0xee; 32]);
const WINDOW: u64 = 2;
const ROUND: u64 = 3;

struct Cases {
    build: Build,
    world: World,
}

impl Cases {
    fn case(&mut self, name: &str, verdict: &str, evidence: &Evidence) {
        let input =
            json!({ "genesis": "@genesis", "chain": "@chain", "schedule": "@schedule", "evidence": wire(evidence) });
        self.build.case("evidence", name, verdict, input);
    }

    fn key(&self, member: u16) -> &SecretKey {
        &self.world.keys[0][usize::from(member)].voting
    }
}

pub fn build() -> Build {
    let world = World::new("evidence", &WEIGHTS);
    let mut build = Build::new();
    build.share("genesis", json!(wire(&world.genesis)));
    build.share("chain", json!(world.chain));
    build.share("schedule", json!(SCHEDULE));
    let mut cases = Cases { build, world };
    commitments(&mut cases);
    bad_dealings(&mut cases);
    proposals(&mut cases);
    votes(&mut cases);
    header_votes(&mut cases);
    uncertified(&mut cases);
    encodings(&mut cases);
    cases.build
}

fn signed(cases: &Cases, change: impl FnOnce(&mut SignedCommitment)) -> SignedCommitment {
    let mut signed = cases.world.commitment(WINDOW, 1).signed;
    change(&mut signed);
    signed.signature = cases.key(signed.body.member).sign(&signed.body.hash(&cases.world.chain));
    signed
}

fn commitments(cases: &mut Cases) {
    let first = signed(cases, |_| {});
    let second = signed(cases, |s| s.body.root = OTHER);
    let two = |first, second| Evidence::TwoCommitments { first, second };
    cases.case("two commitments", "ok", &two(first, second));
    cases.case("two commitments, the other way round", "ok", &two(second, first));
    let epoch = signed(cases, |s| s.body.epoch = 2);
    cases.case("two commitments that differ in their epoch", "ok", &two(first, epoch));
    cases.case("one commitment twice", "not-evidence", &two(first, first));
    let elsewhere = signed(cases, |s| s.body.window = WINDOW + 1);
    cases.case("commitments of two windows", "not-evidence", &two(first, elsewhere));
    let by_another = signed(cases, |s| s.body.member = 3);
    cases.case("commitments of two members", "not-evidence", &two(first, by_another));
    let late = signed(cases, |s| s.body.window = SCHEDULE.epoch_windows + 1);
    cases.case("a window of the next epoch", "wrong-epoch", &two(late, SignedCommitment { ..second }));
    let never = signed(cases, |s| s.body.window = 0);
    cases.case("window 0", "wrong-epoch", &two(never, signed(cases, |s| (s.body.window, s.body.root) = (0, OTHER))));
    let forged = SignedCommitment { signature: first.signature, ..second };
    cases.case("the signature of the first beside the second", "bad-signature", &two(first, forged));
    cases.case("the second's signature beside the first", "bad-signature", &two(forged, first));
    let weightless = |root| signed(cases, |s| (s.body.member, s.body.root) = (2, root));
    let of_weightless = two(weightless(OTHER), weightless(Digest32::ZERO));
    cases.case("a member without weight", "no-weight", &of_weightless);
    let of_nobody = with(&of_weightless, |evidence| {
        if let Evidence::TwoCommitments { first, second } = evidence {
            (first.body.member, second.body.member) = (5, 5);
        }
    });
    cases.case("a member that is not there", "unknown-member", &of_nobody);
    let abroad = SignedCommitment { signature: cases.key(1).sign(&second.body.hash(&OTHER)), ..second };
    cases.case("a commitment for another chain", "bad-signature", &two(first, abroad));
}

/// A commitment of member 1 whose second dealing has two of its points swapped, signed as it is.
fn spoilt(cases: &Cases, spoil: impl FnOnce(&mut Commitment)) -> BadDealing {
    let world = &cases.world;
    let mut commitment = world.commitment(WINDOW, 1);
    spoil(&mut commitment);
    let hashes: Vec<Digest32> = SCHEDULE
        .rounds_of(WINDOW)
        .zip(&commitment.dealings)
        .map(|(round, dealing)| dealing.hash(&dealing_context(&world.chain, world.committee(1), round, 1)))
        .collect();
    commitment.signed.body.root = dealings_root(&hashes);
    let signed = SignedCommitment {
        signature: cases.key(1).sign(&commitment.signed.body.hash(&world.chain)),
        ..commitment.signed
    };
    BadDealing { signed, hashes, index: 1, dealing: commitment.dealings[1].clone() }
}

fn bad_dealings(cases: &mut Cases) {
    let of = |bad: BadDealing| Evidence::BadDealing(Box::new(bad));
    let swapped = spoilt(cases, |c| c.dealings[1].c.swap(0, 1));
    cases.case("a dealing with two points swapped", "ok", &of(swapped.clone()));
    let response = spoilt(cases, |c| c.dealings[1].z.0[0] ^= 1);
    cases.case("a dealing with another response", "ok", &of(response));
    let short = spoilt(cases, |c| c.dealings[1].c.truncate(1));
    cases.case("a dealing with a point too few", "ok", &of(short));
    let no_point = spoilt(cases, |c| c.dealings[1].d.0 = [0xff; 32]);
    cases.case("a dealing whose D is no point", "ok", &of(no_point));
    let long = spoilt(cases, |c| c.dealings[1].c = vec![c.dealings[1].d; 685]);
    cases.case("a dealing of 685 points", "too-long", &of(long));
    let good = spoilt(cases, |_| {});
    cases.case("a dealing that verifies", "not-evidence", &of(good.clone()));
    let other_one = BadDealing { index: 0, ..swapped.clone() };
    cases.case("the dealing of another index", "wrong-root", &of(other_one));
    cases.case("an index beyond the window", "bad-position", &of(BadDealing { index: 2, ..swapped.clone() }));
    let foreign = BadDealing { dealing: swapped.dealing.clone(), ..good.clone() };
    cases.case("a bad dealing that was not committed to", "wrong-root", &of(foreign));
    let other_hashes = with(&swapped, |bad| bad.hashes[0] = OTHER);
    cases.case("hashes that were not signed", "wrong-root", &of(other_hashes));
    cases.case("a hash too few", "bad-count", &of(with(&swapped, |bad| bad.hashes.truncate(1))));
    let unsigned = with(&swapped, |bad| bad.signed.signature = good.signed.signature);
    cases.case("the signature of another commitment", "bad-signature", &of(unsigned));
    let chain = cases.world.chain;
    let key = cases.key(1).clone();
    let other_epoch = with(&swapped, |bad| {
        bad.signed.body.epoch = 2;
        bad.signed.signature = key.sign(&bad.signed.body.hash(&chain));
    });
    cases.case("a body of another epoch", "not-evidence", &of(other_epoch));
}

fn proposals(cases: &mut Cases) {
    let head = |change: fn(&mut Proposal)| {
        let signed = SignedProposal::sign((WINDOW, 1, None), vec![1], &cases.world.chain, (1, cases.key(1)));
        let mut proposal = signed.proposal;
        change(&mut proposal);
        let signature = cases.key(proposal.member).sign(&proposal.digest(&cases.world.chain));
        ProposalHead { proposal, signature }
    };
    let first = head(|_| {});
    let second = head(|p| p.value_id = OTHER);
    let lock = head(|p| p.pol_round = Some(0));
    let round = head(|p| (p.round, p.value_id) = (2, OTHER));
    let forged = ProposalHead { signature: first.signature, ..second };
    let two = |first, second| Evidence::TwoProposals { first, second };
    cases.case("two proposals", "ok", &two(first, second));
    cases.case("two proposals that differ in their earlier round", "ok", &two(first, lock));
    cases.case("one proposal twice", "not-evidence", &two(first, first));
    cases.case("proposals of two rounds", "not-evidence", &two(first, round));
    cases.case("a proposal with another's signature", "bad-signature", &two(first, forged));
}

fn votes(cases: &mut Cases) {
    let vote = |change: fn(&mut Vote)| {
        let kind = VoteKind::Precommit;
        let mut vote = Vote { height: WINDOW, round: 0, kind, value_id: Some(OTHER), member: 1 };
        change(&mut vote);
        vote.sign(&cases.world.chain, cases.key(vote.member))
    };
    let first = vote(|_| {});
    let nil = vote(|v| v.value_id = None);
    let prevote = vote(|v| (v.kind, v.value_id) = (VoteKind::Prevote, None));
    let late = vote(|v| (v.height, v.value_id) = (SCHEDULE.epoch_windows + 1, None));
    let forged = SignedVote { signature: first.signature, ..nil };
    let two = |first, second| Evidence::TwoVotes { first, second };
    cases.case("two votes", "ok", &two(first, nil));
    cases.case("one vote twice", "not-evidence", &two(first, first));
    cases.case("votes of two steps", "not-evidence", &two(first, prevote));
    cases.case("a height of the next epoch", "wrong-epoch", &two(late, nil));
    cases.case("a vote with another's signature", "bad-signature", &two(first, forged));
}

fn header_votes(cases: &mut Cases) {
    let chain = cases.world.chain;
    let vote = |round, member, header| HeaderVote::make(&chain, round, member, header, cases.key(member));
    let first = vote(ROUND, 1, OTHER);
    let second = vote(ROUND, 1, Digest32::ZERO);
    let elsewhere = vote(ROUND + 1, 1, Digest32::ZERO);
    let by_another = vote(ROUND, 3, Digest32::ZERO);
    let forged = HeaderVote { signature: first.signature, ..second };
    let two = |first, second| Evidence::TwoHeaderVotes { first, second };
    cases.case("two header votes", "ok", &two(first, second));
    cases.case("one header vote twice", "not-evidence", &two(first, first));
    cases.case("header votes for two rounds", "not-evidence", &two(first, elsewhere));
    cases.case("header votes of two members", "not-evidence", &two(first, by_another));
    cases.case("a header vote with another's signature", "bad-signature", &two(first, forged));
}

fn uncertified(cases: &mut Cases) {
    let chain = cases.world.chain;
    let beacons: Vec<Beacon> =
        cases.world.chain(ROUND + 1, &[0, 1, 3, 4]).into_iter().map(|(beacon, _)| beacon).collect();
    let certified = &beacons[ROUND as usize - 1];
    let against =
        |vote: HeaderVote, beacon: &Beacon| Evidence::UncertifiedHeader { vote, beacon: Box::new(beacon.clone()) };
    let vote = HeaderVote::make(&chain, ROUND, 1, OTHER, cases.key(1));
    let honest = HeaderVote::make(&chain, ROUND, 1, certified.header.hash(), cases.key(1));
    let forged = HeaderVote { signature: honest.signature, ..vote };
    cases.case("a vote against the certified header", "ok", &against(vote, certified));
    cases.case("a vote for the certified header", "not-evidence", &against(honest, certified));
    cases.case("the beacon of another round", "not-evidence", &against(vote, &beacons[ROUND as usize]));
    cases.case("a vote with another's signature against the header", "bad-signature", &against(forged, certified));
    let few = cases.world.certificate(&certified.header, &[0, 1]);
    let weak = Beacon { certificate: few, ..certified.clone() };
    cases.case("a header that no quorum signed", "no-quorum", &against(vote, &weak));
}

fn encodings(cases: &mut Cases) {
    let (first, second) = (signed(cases, |_| {}), signed(cases, |s| s.body.root = OTHER));
    let bytes = wire(&Evidence::TwoCommitments { first, second });
    for (name, verdict, bytes) in [
        ("a byte too many", "trailing-bytes", bytes.clone() + "00"),
        ("a byte too few", "malformed", bytes[2..].into()),
        ("a crime that there is not", "malformed", "06000000".to_owned() + &bytes[8..]),
    ] {
        let input = json!({ "genesis": "@genesis", "chain": "@chain", "schedule": "@schedule", "evidence": bytes });
        cases.build.case("evidence", name, verdict, input);
    }
}
