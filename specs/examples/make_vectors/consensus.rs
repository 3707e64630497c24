//! Votes, proposals and the certificates of agreement; the rotation of proposers.

use beacon_spec::consensus::{
    CommitCertificate, PolkaCertificate, Proposal, RoundCertificate, RoundCertificateKind, RoundSignature,
    SignedProposal, SignedVote, Vote, VoteKind, value_id,
};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::Signature;
use serde_json::{Value as Json, json};

use crate::build::{Build, wire, with};
use crate::certificate::WEIGHTS;
use crate::world::World;

const OTHER: Digest32 = Digest32([0xee; 32]);
const VALUE: &[u8] = b"what is agreed";
const QUORUM: [u16; 5] = [0, 2, 4, 5, 6];
const TWO_THIRDS: [u16; 4] = [0, 1, 2, 4];

struct Voters(World);

impl Voters {
    fn vote(&self, member: u16, kind: VoteKind, value_id: Option<Digest32>) -> SignedVote {
        let vote = Vote { height: 5, round: 2, kind, value_id, member };
        vote.sign(&self.0.chain, &self.0.keys[0][usize::from(member)].voting)
    }

    fn signed(&self, members: &[u16], kind: VoteKind) -> Vec<(u16, Signature)> {
        let id = value_id(VALUE);
        members.iter().map(|member| (*member, self.vote(*member, kind, Some(id)).signature)).collect()
    }
}

pub fn build() -> Build {
    let voters = Voters(World::new("consensus", &WEIGHTS));
    let mut build = Build::new();
    build.share("chain", json!(voters.0.chain));
    build.share("signers", json!(wire(voters.0.committees[0].signers().list())));
    votes(&mut build, &voters);
    proposals(&mut build, &voters);
    commits(&mut build, &voters);
    polkas(&mut build, &voters);
    rounds(&mut build, &voters);
    conflicts(&mut build);
    rotation(&mut build);
    build
}

fn votes(build: &mut Build, voters: &Voters) {
    let mut under = |name: &str, verdict: &str, chain: Json, vote: &SignedVote| {
        build.case("vote", name, verdict, json!({ "chain": chain, "signers": "@signers", "vote": wire(vote) }));
    };
    let good = voters.vote(1, VoteKind::Precommit, Some(value_id(VALUE)));
    under("a precommit", "ok", json!("@chain"), &good);
    under("a prevote", "ok", json!("@chain"), &voters.vote(1, VoteKind::Prevote, Some(value_id(VALUE))));
    under("a prevote for nil", "ok", json!("@chain"), &voters.vote(1, VoteKind::Prevote, None));
    under("a precommit for nil", "ok", json!("@chain"), &voters.vote(1, VoteKind::Precommit, None));
    under(
        "a precommit for the zero id",
        "ok",
        json!("@chain"),
        &voters.vote(1, VoteKind::Precommit, Some(Digest32::ZERO)),
    );
    under("on another chain", "bad-signature", json!(OTHER), &good);
    let mut case = |name: &str, verdict: &str, change: &dyn Fn(&mut Vote)| {
        under(name, verdict, json!("@chain"), &with(&good, |signed| change(&mut signed.vote)));
    };
    case("another height", "bad-signature", &|v| v.height = 6);
    case("another round", "bad-signature", &|v| v.round = 3);
    case("another kind", "bad-signature", &|v| v.kind = VoteKind::Prevote);
    case("another value", "bad-signature", &|v| v.value_id = Some(OTHER));
    case("nil instead", "bad-signature", &|v| v.value_id = None);
    case("another member", "bad-signature", &|v| v.member = 2);
    case("a member that is not there", "unknown-member", &|v| v.member = 9);
    case("a member without weight", "no-weight", &|v| v.member = 3);
    let nil = voters.vote(1, VoteKind::Precommit, None);
    let zero = with(&nil, |signed| signed.vote.value_id = Some(Digest32::ZERO));
    under("nil passed off as the zero id", "bad-signature", json!("@chain"), &zero);
}

fn proposals(build: &mut Build, voters: &Voters) {
    let sign = |pol_round| {
        let key = &voters.0.keys[0][1].voting;
        SignedProposal::sign((5, 2, pol_round), VALUE.to_vec(), &voters.0.chain, (1, key))
    };
    let mut under = |name: &str, verdict: &str, chain: Json, proposal: &SignedProposal| {
        let input = json!({ "chain": chain, "signers": "@signers", "proposal": wire(proposal) });
        build.case("proposal", name, verdict, input);
    };
    let good = sign(Some(1));
    under("with an earlier round", "ok", json!("@chain"), &good);
    under("without", "ok", json!("@chain"), &sign(None));
    under("with round 0", "ok", json!("@chain"), &sign(Some(0)));
    under("on another chain", "bad-signature", json!(OTHER), &good);
    let mut case = |name: &str, verdict: &str, change: &dyn Fn(&mut SignedProposal)| {
        under(name, verdict, json!("@chain"), &with(&good, |signed| change(signed)));
    };
    case("a value that does not hash to the id", "malformed", &|p| p.value.push(0));
    case("another value with its id", "bad-signature", &|p| {
        p.value = b"another".to_vec();
        p.proposal.value_id = value_id(b"another");
    });
    case("another height", "bad-signature", &|p| p.proposal.height = 6);
    case("another round", "bad-signature", &|p| p.proposal.round = 3);
    case("another earlier round", "bad-signature", &|p| p.proposal.pol_round = Some(0));
    case("no earlier round", "bad-signature", &|p| p.proposal.pol_round = None);
    case("another member", "bad-signature", &|p| p.proposal.member = 2);
    let none = sign(None);
    let zero = with(&none, |p: &mut SignedProposal| p.proposal = Proposal { pol_round: Some(0), ..p.proposal });
    under("none passed off as round 0", "bad-signature", json!("@chain"), &zero);
}

fn commits(build: &mut Build, voters: &Voters) {
    let of = |members: &[u16]| CommitCertificate {
        height: 5,
        round: 2,
        value_id: value_id(VALUE),
        signers: voters.signed(members, VoteKind::Precommit),
    };
    let mut under = |name: &str, verdict: &str, chain: Json, certificate: String| {
        let input = json!({ "chain": chain, "signers": "@signers", "certificate": certificate });
        build.case("commit-certificate", name, verdict, input);
    };
    let good = of(&QUORUM);
    under("on another chain", "bad-signature", json!(OTHER), wire(&good));
    let mut case = |name: &str, verdict: &str, certificate: &CommitCertificate| {
        under(name, verdict, json!("@chain"), wire(certificate));
    };
    case("a quorum", "ok", &good);
    case("all", "ok", &of(&[0, 1, 2, 4, 5, 6, 7, 8]));
    case("exactly two thirds", "no-quorum", &of(&TWO_THIRDS));
    case("nobody", "no-quorum", &of(&[]));
    case("out of order", "not-sorted", &with(&good, |c| c.signers.swap(0, 1)));
    case("one member twice", "not-sorted", &of(&[0, 2, 4, 5, 5]));
    case("a member without weight", "no-weight", &of(&[0, 2, 3, 4, 5, 6]));
    case("a member that is not there", "unknown-member", &with(&good, |c| c.signers[4].0 = 9));
    case("a bad signature", "bad-signature", &with(&good, |c| c.signers[2].1.0[3] ^= 1));
    case(
        "a bad signature above a quorum",
        "bad-signature",
        &with(&of(&[0, 1, 2, 4, 5, 6, 7, 8]), |c| c.signers[7].1.0[3] ^= 1),
    );
    case(
        "one prevote among them",
        "bad-signature",
        &with(&good, |c| c.signers[2] = voters.signed(&[4], VoteKind::Prevote)[0]),
    );
    case("another height", "bad-signature", &with(&good, |c| c.height = 6));
    case("another round", "bad-signature", &with(&good, |c| c.round = 3));
    case("another value", "bad-signature", &with(&good, |c| c.value_id = OTHER));
    case("no quorum and a bad signature", "no-quorum", &with(&of(&TWO_THIRDS), |c| c.signers[0].1.0[3] ^= 1));
    under("a byte too many", "trailing-bytes", json!("@chain"), wire(&good) + "00");
}

fn polkas(build: &mut Build, voters: &Voters) {
    let of = |members: &[u16], kind| PolkaCertificate {
        height: 5,
        round: 2,
        value_id: value_id(VALUE),
        signers: voters.signed(members, kind),
    };
    let mut case = |name: &str, verdict: &str, certificate: &PolkaCertificate| {
        let input = json!({ "chain": "@chain", "signers": "@signers", "certificate": wire(certificate) });
        build.case("polka-certificate", name, verdict, input);
    };
    case("prevotes of a quorum", "ok", &of(&QUORUM, VoteKind::Prevote));
    case("precommits of a quorum", "bad-signature", &of(&QUORUM, VoteKind::Precommit));
    case("exactly two thirds", "no-quorum", &of(&TWO_THIRDS, VoteKind::Prevote));
}

fn rounds(build: &mut Build, voters: &Voters) {
    use VoteKind::{Precommit, Prevote};
    let of = |kind, votes: &[(u16, VoteKind, bool)]| {
        let votes = votes.iter().map(|(member, kind, nil)| {
            let value_id = (!nil).then(|| value_id(VALUE));
            let signature = voters.vote(*member, *kind, value_id).signature;
            RoundSignature { member: *member, kind: *kind, value_id, signature }
        });
        RoundCertificate { height: 5, round: 2, kind, votes: votes.collect() }
    };
    let mut case = |name: &str, verdict: &str, certificate: &RoundCertificate| {
        let input = json!({ "chain": "@chain", "signers": "@signers", "certificate": wire(certificate) });
        build.case("round-certificate", name, verdict, input);
    };
    let skip = RoundCertificateKind::Skip;
    case(
        "skip, above a third, mixed",
        "ok",
        &of(skip, &[(0, Prevote, true), (1, Precommit, false), (5, Precommit, true)]),
    );
    case("skip, exactly a third", "no-quorum", &of(skip, &[(0, Prevote, true), (1, Precommit, false)]));
    case("skip, out of order", "not-sorted", &of(skip, &[(1, Prevote, true), (0, Prevote, true), (5, Prevote, true)]));
    case("skip, one member's two votes", "not-sorted", &of(skip, &[(0, Prevote, true), (0, Precommit, true)]));
    let above = of(skip, &[(0, Prevote, true), (2, Prevote, false)]);
    case(
        "skip, a nil vote as one for the value",
        "bad-signature",
        &with(&above, |c| c.votes[0].value_id = Some(value_id(VALUE))),
    );
    case("skip, a prevote as a precommit", "bad-signature", &with(&above, |c| c.votes[0].kind = Precommit));
    case("skip, another round", "bad-signature", &with(&above, |c| c.round = 3));
    let precommit = RoundCertificateKind::Precommit;
    let votes = QUORUM.map(|member| (member, Precommit, member > 2));
    case("precommits of a quorum, mixed", "ok", &of(precommit, &votes));
    case("precommits of two thirds", "no-quorum", &of(precommit, &TWO_THIRDS.map(|member| (member, Precommit, true))));
    let one_prevote = QUORUM.map(|member| (member, if member == 4 { Prevote } else { Precommit }, true));
    case("precommits and a prevote", "malformed", &of(precommit, &one_prevote));
    case("a skip passed off as precommits", "no-quorum", &with(&of(skip, &votes[..3]), |c| c.kind = precommit));
}

fn conflicts(build: &mut Build) {
    let id = Some(value_id(VALUE));
    let vote = Vote { height: 5, round: 2, kind: VoteKind::Precommit, value_id: id, member: 3 };
    let mut votes = |name: &str, second: &Vote| {
        build.case("vote-conflict", name, "ok", json!({ "first": wire(&vote), "second": wire(second) }));
    };
    votes("the same vote", &vote);
    votes("another value", &Vote { value_id: Some(OTHER), ..vote });
    votes("nil", &Vote { value_id: None, ..vote });
    votes("another value at another height", &Vote { value_id: Some(OTHER), height: 6, ..vote });
    votes("another value in another round", &Vote { value_id: Some(OTHER), round: 3, ..vote });
    votes("another value of another kind", &Vote { value_id: Some(OTHER), kind: VoteKind::Prevote, ..vote });
    votes("another value by another member", &Vote { value_id: Some(OTHER), member: 4, ..vote });
    let proposal = Proposal { height: 5, round: 2, pol_round: Some(1), value_id: value_id(VALUE), member: 3 };
    let mut proposals = |name: &str, second: &Proposal| {
        build.case("proposal-conflict", name, "ok", json!({ "first": wire(&proposal), "second": wire(second) }));
    };
    proposals("the same proposal", &proposal);
    proposals("another value", &Proposal { value_id: OTHER, ..proposal });
    proposals("another earlier round", &Proposal { pol_round: None, ..proposal });
    proposals("another value at another height", &Proposal { value_id: OTHER, height: 6, ..proposal });
    proposals("another value in another round", &Proposal { value_id: OTHER, round: 3, ..proposal });
    proposals("another value by another member", &Proposal { value_id: OTHER, member: 4, ..proposal });
}

fn rotation(build: &mut Build) {
    let mut case = |weights: &[u64], height: u64, round: u32| {
        let name = format!("{weights:?}, height {height}, round {round}");
        build.case("proposer", &name, "ok", json!({ "weights": weights, "height": height, "round": round }));
    };
    for height in 1..=12 {
        case(&[10, 20, 30, 40], height, 0);
        case(&WEIGHTS, height, 0);
    }
    (1..=6).for_each(|round| case(&[10, 20, 30, 40], 7, round));
    (1..=5).for_each(|height| case(&[1, 1, 1, 1], height, 0));
    case(&[5], 1, 0);
    case(&[0, 1, 0], 9, 9);
    case(&[], 1, 0);
    case(&[0, 0], 1, 0);
    case(&[81, 2, 88, 13, 5, 77], 1_000_000_007, u32::MAX);
    case(&[1_000_000, 999_999, 1_000_000, 7], (1 << 53) - 1, 3);
    case(&[(1 << 52) + 1, 1 << 52, 12345], 6_700_417, 1);
}
