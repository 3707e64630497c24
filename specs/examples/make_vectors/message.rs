//! Commitments, readies, header votes and values, under a committee whose total, 6, makes exactly two thirds possible.

use beacon_spec::hash::Digest32;
use beacon_spec::keys::{SecretKey, Signature};
use beacon_spec::message::{
    Commitment, HeaderVote, Ready, Registration, SetEntry, Value, dealing_context, dealings_root,
};
use beacon_spec::registry::Registry;
use serde_json::{Value as Json, json};

use crate::build::{Build, wire, with};
use crate::world::{SCHEDULE, World, seed};

const WEIGHTS: [u64; 7] = [1, 1, 1, 0, 1, 1, 1];
const OTHER: Digest32 = Digest32([0xee; 32]);

pub fn build() -> Build {
    let world = World::new("messages", &WEIGHTS);
    let mut build = Build::new();
    build.share("genesis", json!(wire(&world.genesis)));
    build.share("signers", json!(wire(world.committees[0].signers().list())));
    build.share("chain", json!(world.chain));
    build.share("schedule", json!(SCHEDULE));
    commitments(&mut build, &world);
    signed_commitments(&mut build, &world);
    readies(&mut build, &world);
    header_votes(&mut build, &world);
    values(&mut build, &world);
    build
}

fn voting(world: &World, member: u16) -> &SecretKey {
    &world.keys[0][usize::from(member)].voting
}

/// The body changed and signed again.
fn signed_again(world: &World, good: &Commitment, by: u16, change: impl FnOnce(&mut Commitment)) -> Commitment {
    with(good, |commitment| {
        change(commitment);
        commitment.signed.signature = voting(world, by).sign(&commitment.signed.body.hash(&world.chain));
    })
}

/// The root over the dealings that are there, signed.
fn rooted_again(world: &World, commitment: &mut Commitment) {
    let body = commitment.signed.body;
    let rounds = SCHEDULE.rounds_of(body.window).zip(&commitment.dealings);
    let hashes: Vec<Digest32> = rounds
        .map(|(round, dealing)| dealing.hash(&dealing_context(&world.chain, world.committee(1), round, body.member)))
        .collect();
    commitment.signed.body.root = dealings_root(&hashes);
    commitment.signed.signature = voting(world, body.member).sign(&commitment.signed.body.hash(&world.chain));
}

fn commitments(build: &mut Build, world: &World) {
    let good = world.commitment(2, 1);
    let mut under = |name: &str, verdict: &str, window: u64, chain: Json, commitment: &Commitment| {
        let input = json!({ "genesis": "@genesis", "chain": chain, "schedule": "@schedule", "window": window,
            "commitment": wire(commitment) });
        build.case("commitment", name, verdict, input);
    };
    under("member 1, window 2", "ok", 2, json!("@chain"), &good);
    under("member 6, window 1", "ok", 1, json!("@chain"), &world.commitment(1, 6));
    under("judged for another window", "wrong-window", 1, json!("@chain"), &good);
    under("on another chain", "bad-signature", 2, json!(OTHER), &good);
    let mut case = |name: &str, verdict: &str, commitment: &Commitment| {
        under(name, verdict, 2, json!("@chain"), commitment);
    };
    case("of another epoch", "wrong-epoch", &signed_again(world, &good, 1, |c| c.signed.body.epoch = 2));
    case("of no dealing", "bad-count", &with(&good, |c| c.dealings.clear()));
    case("a dealing too few", "bad-count", &with(&good, |c| c.dealings.truncate(1)));
    case("a dealing too many", "bad-count", &with(&good, |c| c.dealings.push(c.dealings[0].clone())));
    case("a member that is not there", "unknown-member", &signed_again(world, &good, 1, |c| c.signed.body.member = 7));
    case("a member without weight", "no-weight", &signed_again(world, &good, 3, |c| c.signed.body.member = 3));
    case("signature flipped", "bad-signature", &with(&good, |c| c.signed.signature.0[9] ^= 1));
    case("signed by another member", "bad-signature", &signed_again(world, &good, 2, |_| {}));
    case("under another member's name", "bad-signature", &with(&good, |c| c.signed.body.member = 2));
    case("another root", "bad-signature", &with(&good, |c| c.signed.body.root = OTHER));
    case("another root, signed", "wrong-root", &signed_again(world, &good, 1, |c| c.signed.body.root = OTHER));
    case("dealings swapped", "wrong-root", &with(&good, |c| c.dealings.swap(0, 1)));
    case("a dealing replaced", "wrong-root", &with(&good, |c| c.dealings[0] = world.deal(3, 2).0));
    case("one byte of a proof", "wrong-root", &with(&good, |c| c.dealings[1].z.0[0] ^= 1));
    case("copied by another member", "wrong-root", &signed_again(world, &good, 2, |c| c.signed.body.member = 2));
    case(
        "copied by another member, rooted again",
        "bad-dealing",
        &with(&good, |c| {
            c.signed.body.member = 2;
            rooted_again(world, c);
        }),
    );
    case(
        "a bad proof, rooted again",
        "bad-dealing",
        &with(&good, |c| {
            c.dealings[1].z.0[0] ^= 1;
            rooted_again(world, c);
        }),
    );
    case(
        "one dealing for both rounds, rooted again",
        "bad-dealing",
        &with(&good, |c| {
            c.dealings[1] = c.dealings[0].clone();
            rooted_again(world, c);
        }),
    );
    case(
        "dealings of window 1, rooted again",
        "bad-dealing",
        &with(&good, |c| {
            c.dealings = world.commitment(1, 1).dealings;
            rooted_again(world, c);
        }),
    );
    let raw = [
        ("a byte too many", "trailing-bytes", wire(&good) + "00"),
        ("longer than any", "too-long", format!("(00)*{};", (2 << 20) + 1)),
    ];
    for (name, verdict, bytes) in raw {
        let input = json!({ "genesis": "@genesis", "chain": "@chain", "schedule": "@schedule", "window": 2, "commitment": bytes });
        build.case("commitment", name, verdict, input);
    }
}

fn signed_commitments(build: &mut Build, world: &World) {
    let good = world.commitment(2, 1).signed;
    let mut case = |name: &str, verdict: &str, change: &dyn Fn(&mut beacon_spec::message::SignedCommitment)| {
        let input = json!({ "signers": "@signers", "chain": "@chain", "signed": wire(&with(&good, |s| change(s))) });
        build.case("signed-commitment", name, verdict, input);
    };
    case("member 1, window 2", "ok", &|_| {});
    case("another window", "bad-signature", &|s| s.body.window = 1);
    case("another epoch", "bad-signature", &|s| s.body.epoch = 2);
    case("another member", "bad-signature", &|s| s.body.member = 0);
    case("another root", "bad-signature", &|s| s.body.root = OTHER);
}

fn readies(build: &mut Build, world: &World) {
    let good = Ready::make(&world.chain, 3, 1, voting(world, 1));
    let mut case = |name: &str, verdict: &str, ready: &Ready| {
        build.case("ready", name, verdict, json!({ "signers": "@signers", "chain": "@chain", "ready": wire(ready) }));
    };
    case("member 1, round 3", "ok", &good);
    case("for another round", "bad-signature", &Ready { round: 4, ..good });
    case("in another's name", "bad-signature", &Ready { member: 2, ..good });
    case("for another chain", "bad-signature", &Ready::make(&OTHER, 3, 1, voting(world, 1)));
    case("a member without weight", "no-weight", &Ready::make(&world.chain, 3, 3, voting(world, 3)));
    case("a member that is not there", "unknown-member", &Ready { member: 7, ..good });
    let header_vote = HeaderVote::make(&world.chain, 3, 1, OTHER, voting(world, 1));
    case("the signature of a header vote", "bad-signature", &Ready { signature: header_vote.signature, ..good });
}

fn header_votes(build: &mut Build, world: &World) {
    let good = HeaderVote::make(&world.chain, 3, 1, OTHER, voting(world, 1));
    let mut case = |name: &str, verdict: &str, vote: &HeaderVote| {
        build.case(
            "header-vote",
            name,
            verdict,
            json!({ "chain": "@chain", "signers": "@signers", "vote": wire(vote) }),
        );
    };
    case("member 1, round 3", "ok", &good);
    case("another header", "bad-signature", &HeaderVote { header: Digest32::ZERO, ..good });
    case("another round", "bad-signature", &HeaderVote { round: 4, ..good });
    case("another chain", "bad-signature", &HeaderVote::make(&OTHER, 3, 1, OTHER, voting(world, 1)));
    case("in another's name", "bad-signature", &HeaderVote { member: 2, ..good });
    case("a member without weight", "no-weight", &HeaderVote::make(&world.chain, 3, 3, OTHER, voting(world, 3)));
    case("a member that is not there", "unknown-member", &HeaderVote { member: 7, ..good });
    case("signature of zeros", "bad-signature", &HeaderVote { signature: Signature([0; 64]), ..good });
}

fn values(build: &mut Build, world: &World) {
    let entry = |member| SetEntry { member, commitment: Digest32(seed("commitment", &[u64::from(member)])) };
    let set = |members: &[u16]| members.iter().map(|member| entry(*member)).collect::<Vec<_>>();
    let good = Value {
        window: 2,
        epoch: 1,
        set: set(&[0, 1, 2, 4, 5]),
        registrations: Vec::new(),
        amendment: None,
        registry: Registry::new(1).hash(),
    };
    let mut case = |name: &str, verdict: &str, change: &dyn Fn(&mut Value)| {
        let input = json!({ "genesis": "@genesis", "window": 2, "value": wire(&with(&good, |value| change(value))) });
        build.case("value", name, verdict, input);
    };
    case("five of six", "ok", &|_| {});
    case("all six", "ok", &|v| v.set = set(&[0, 1, 2, 4, 5, 6]));
    case("exactly two thirds", "no-quorum", &|v| v.set = set(&[0, 1, 2, 4]));
    case("nobody", "no-quorum", &|v| v.set.clear());
    case("another window", "wrong-window", &|v| v.window = 3);
    case("another epoch", "wrong-epoch", &|v| v.epoch = 2);
    case("out of order", "not-sorted", &|v| v.set.swap(0, 1));
    case("one member twice", "not-sorted", &|v| v.set[1].member = 0);
    case("a member without weight", "no-weight", &|v| v.set = set(&[0, 1, 2, 3, 4, 5]));
    case("a member that is not there", "unknown-member", &|v| v.set = set(&[0, 1, 2, 4, 5, 7]));
    case("two registrations", "ok", &|v| {
        v.registrations = [1, 4]
            .map(|member: u16| Registration {
                member,
                bundle: world.keys[1][usize::from(member)].bundle(&world.chain, 2),
            })
            .to_vec();
    });
    let bytes = wire(&good);
    for (name, verdict, bytes) in [
        ("a byte too many", "trailing-bytes", bytes.clone() + "00"),
        ("a byte too few", "malformed", bytes[2..].into()),
    ] {
        build.case("value", name, verdict, json!({ "genesis": "@genesis", "window": 2, "value": bytes }));
    }
}
