//! Headers, beacons and the ways from one to another: ten rounds, the last two in the second epoch.

use beacon_spec::chain::{Beacon, Header};
use beacon_spec::committee::SignerList;
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::keys::Signature;
use beacon_spec::mmr::{self, Mmr, MmrProof};
use beacon_spec::trust::Head;
use serde_json::{Value, json};

use crate::build::{Build, Change, wire, with};
use crate::certificate::WEIGHTS;
use crate::world::{SCHEDULE, World};

const CONTRIBUTORS: [u16; 7] = [0, 1, 2, 4, 5, 6, 7];
const QUORUM: [u16; 5] = [0, 2, 4, 5, 6];
const OTHER: Digest32 = Digest32([0xee; 32]);

/// The rounds of the chain with what is needed to lead from one to another.
struct Rounds {
    world: World,
    beacons: Vec<Beacon>,
    nodes: Vec<Digest32>,
}

impl Rounds {
    fn new() -> Rounds {
        let world = World::new("chain", &WEIGHTS);
        let beacons: Vec<Beacon> = world.chain(10, &CONTRIBUTORS).into_iter().map(|(beacon, _)| beacon).collect();
        let mut mmr = Mmr::new();
        let hashes = beacons.iter().map(|beacon| (beacon.header.round, beacon.header.hash()));
        let nodes = hashes.flat_map(|(round, hash)| mmr.append(round, hash)).map(|(_, node)| node).collect();
        Rounds { world, beacons, nodes }
    }

    fn beacon(&self, round: u64) -> &Beacon {
        &self.beacons[round as usize - 1]
    }

    fn header(&self, round: u64) -> &Header {
        &self.beacon(round).header
    }

    /// The head after `round`.
    fn head(&self, round: u64) -> Head {
        match round {
            0 => Head::genesis(self.world.chain, self.world.committees[0].hash()),
            _ => {
                let header = self.header(round);
                Head { round, hash: header.hash(), committee: header.next_committee }
            }
        }
    }

    /// The proof of `round` under the root that the header of `under` carries.
    fn proof(&self, round: u64, under: u64) -> MmrProof {
        mmr::prove(round, under - 1, |position| self.nodes.get(position as usize).copied()).expect("a past round")
    }

    /// A changed header, certified by a quorum all the same.
    fn certified(&self, round: u64, change: impl FnOnce(&mut Header)) -> Beacon {
        let header = with(self.header(round), change);
        let certificate = self.world.certificate(&header, &QUORUM);
        Beacon { header, certificate }
    }

    fn signers(epoch: u64) -> String {
        format!("@signers_{epoch}")
    }
}

pub fn build() -> Build {
    let rounds = Rounds::new();
    let mut build = Build::new();
    build.share("chain", json!(rounds.world.chain));
    build.share("schedule", json!(SCHEDULE));
    for epoch in [1, 2] {
        build.share(&Rounds::signers(epoch)[1..], json!(wire(rounds.world.committee(epoch).signers().list())));
    }
    headers(&mut build, &rounds);
    beacons(&mut build, &rounds);
    follows(&mut build, &rounds);
    leaps(&mut build, &rounds);
    earlier(&mut build, &rounds);
    hand_overs(&mut build, &rounds);
    mmr_proofs(&mut build, &rounds);
    build
}

fn headers(build: &mut Build, rounds: &Rounds) {
    let mut case = |name: &str, verdict: &str, bytes: String| {
        build.case("header", name, verdict, json!({ "chain": "@chain", "schedule": "@schedule", "header": bytes }));
    };
    for round in 1..=10 {
        case(&format!("round {round}"), "ok", wire(rounds.header(round)));
    }
    let good = rounds.header(3);
    let changed: [Change<Header>; 15] = [
        ("version 0", "unknown-version", |h| h.version = 0),
        ("version 2", "unknown-version", |h| h.version = 2),
        ("another chain", "wrong-chain", |h| h.chain = OTHER),
        ("round 0", "wrong-round", |h| (h.round, h.window, h.epoch) = (0, 0, 0)),
        ("due a millisecond late", "wrong-due-time", |h| h.due += 1),
        ("due a period early", "wrong-due-time", |h| h.due -= 1000),
        ("a round beyond all times", "no-such-time", |h| h.round = u64::MAX),
        ("another window", "wrong-window", |h| h.window = 1),
        ("another epoch", "wrong-epoch", |h| h.epoch = 2),
        ("another next committee in mid-epoch", "wrong-committee", |h| h.next_committee = OTHER),
        ("another committee in mid-epoch", "wrong-committee", |h| h.committee = OTHER),
        ("both committees others", "ok", |h| (h.committee, h.next_committee) = (OTHER, OTHER)),
        ("version and chain", "unknown-version", |h| (h.version, h.chain) = (0, OTHER)),
        ("chain and due time", "wrong-chain", |h| (h.chain, h.due) = (OTHER, 0)),
        ("due time and window", "wrong-due-time", |h| (h.due, h.window) = (0, 0)),
    ];
    for (name, verdict, change) in changed {
        case(name, verdict, wire(&with(good, change)));
    }
    case("a byte too many", "too-long", wire(good) + "00");
    case("a byte too few", "malformed", wire(good)[2..].into());
}

fn beacons(build: &mut Build, rounds: &Rounds) {
    let mut case = |name: &str, verdict: &str, epoch: u64, beacon: &Beacon| {
        let input = json!({ "chain": "@chain", "schedule": "@schedule", "signers": Rounds::signers(epoch),
            "beacon": wire(beacon) });
        build.case("beacon", name, verdict, input);
    };
    for round in [1, 8, 9] {
        case(&format!("round {round}"), "ok", SCHEDULE.epoch_of(round), rounds.beacon(round));
    }
    case("the committee of the next epoch", "wrong-committee", 2, rounds.beacon(8));
    case("the committee of the epoch before", "wrong-committee", 1, rounds.beacon(9));
    case(
        "another committee, certified",
        "wrong-committee",
        1,
        &rounds.certified(3, |h| {
            (h.committee, h.next_committee) = (OTHER, OTHER);
        }),
    );
    case("another output", "bad-signature", 1, &with(rounds.beacon(2), |b| b.header.output = OTHER));
    case("another chain, certified", "wrong-chain", 1, &rounds.certified(2, |h| h.chain = OTHER));
    case(
        "the certificate of another round",
        "bad-signature",
        1,
        &with(rounds.beacon(2), |b| {
            b.certificate = rounds.beacon(3).certificate.clone();
        }),
    );
    case("no certificate", "bad-count", 1, &with(rounds.beacon(2), |b| b.certificate.signatures.clear()));
    case(
        "a signature of zeros",
        "bad-signature",
        1,
        &with(rounds.beacon(2), |b| {
            b.certificate.signatures[1] = Signature([0; 64]);
        }),
    );
    let elsewhen = with(rounds.world.committee(1).signers().list(), |list| list.epoch = 2);
    let named = rounds.certified(3, |h| (h.committee, h.next_committee) = (elsewhen.hash(), elsewhen.hash()));
    let input =
        json!({ "chain": "@chain", "schedule": "@schedule", "signers": wire(&elsewhen), "beacon": wire(&named) });
    build.case("beacon", "a committee of another epoch, named and certified", "wrong-committee", input);
}

fn follows(build: &mut Build, rounds: &Rounds) {
    let mut case = |name: &str, verdict: &str, head: Head, epoch: u64, beacon: &Beacon| {
        let input = json!({ "chain": "@chain", "schedule": "@schedule", "signers": Rounds::signers(epoch),
            "head": head, "beacon": wire(beacon) });
        build.case("follow", name, verdict, input);
    };
    for round in 1..=10 {
        let epoch = SCHEDULE.epoch_of(round);
        case(&format!("round {round} after {}", round - 1), "ok", rounds.head(round - 1), epoch, rounds.beacon(round));
    }
    case("a round left out", "wrong-round", rounds.head(1), 1, rounds.beacon(3));
    case("the same round again", "wrong-round", rounds.head(3), 1, rounds.beacon(3));
    case("the round before", "wrong-round", rounds.head(3), 1, rounds.beacon(2));
    let elsewhere = with(&rounds.head(2), |head| head.hash = OTHER);
    case("after another header", "broken-link", elsewhere, 1, rounds.beacon(3));
    case(
        "another previous hash, certified",
        "broken-link",
        rounds.head(2),
        1,
        &rounds.certified(3, |h| {
            h.previous = OTHER;
        }),
    );
    let renamed = with(&rounds.head(2), |head| head.committee = OTHER);
    case("a head that named another committee", "wrong-committee", renamed, 1, rounds.beacon(3));
    case(
        "the old committee after the last round",
        "wrong-committee",
        rounds.head(8),
        1,
        &rounds.certified(9, |h| {
            (h.committee, h.next_committee) = (rounds.header(8).committee, rounds.header(8).committee);
        }),
    );
    case("the new committee's header, the old one's list", "wrong-committee", rounds.head(8), 1, rounds.beacon(9));
    case(
        "a forged certificate",
        "bad-signature",
        rounds.head(2),
        1,
        &with(rounds.beacon(3), |b| {
            b.certificate.signatures[0].0[63] ^= 0x08;
        }),
    );
    case(
        "the genesis of another chain",
        "broken-link",
        Head::genesis(OTHER, rounds.head(0).committee),
        1,
        rounds.beacon(1),
    );
}

fn leaps(build: &mut Build, rounds: &Rounds) {
    let mut case = |name: &str, verdict: &str, head: Head, epoch: u64, beacon: &Beacon, proof: &MmrProof| {
        let input = json!({ "chain": "@chain", "schedule": "@schedule", "signers": Rounds::signers(epoch),
            "head": head, "beacon": wire(beacon), "proof": wire(proof) });
        build.case("leap", name, verdict, input);
    };
    let none = MmrProof { siblings: Vec::new() };
    let good = rounds.proof(2, 7);
    case("from the genesis", "ok", rounds.head(0), 1, rounds.beacon(7), &none);
    case("from 2 to 7", "ok", rounds.head(2), 1, rounds.beacon(7), &good);
    case("from 6 to 7", "ok", rounds.head(6), 1, rounds.beacon(7), &rounds.proof(6, 7));
    case("from 3 to 10, into the next epoch", "ok", rounds.head(3), 2, rounds.beacon(10), &rounds.proof(3, 10));
    case("the same head", "ok", rounds.head(7), 1, rounds.beacon(7), &none);
    let fork = rounds.certified(7, |h| h.output = OTHER);
    case("another certified header of the round", "conflict", rounds.head(7), 1, &fork, &none);
    case("an older round", "wrong-round", rounds.head(7), 1, rounds.beacon(6), &none);
    case("without a proof", "bad-mmr", rounds.head(2), 1, rounds.beacon(7), &none);
    case("the proof of another round", "bad-mmr", rounds.head(2), 1, rounds.beacon(7), &rounds.proof(3, 7));
    case("the proof under another round", "bad-mmr", rounds.head(2), 1, rounds.beacon(7), &rounds.proof(2, 6));
    let elsewhere = with(&rounds.head(2), |head| head.hash = OTHER);
    case("from a head that is not under it", "bad-mmr", elsewhere, 1, rounds.beacon(7), &good);
    case(
        "a forged certificate",
        "bad-signature",
        rounds.head(2),
        1,
        &with(rounds.beacon(7), |b| {
            b.certificate.signatures[0].0[0] ^= 1;
        }),
        &good,
    );
}

fn earlier(build: &mut Build, rounds: &Rounds) {
    let mut case = |name: &str, verdict: &str, head: u64, epoch: u64, beacon: &Beacon, proof: &MmrProof| {
        let input = json!({ "chain": "@chain", "schedule": "@schedule", "signers": Rounds::signers(epoch),
            "head": wire(rounds.header(head)), "beacon": wire(beacon), "proof": wire(proof) });
        build.case("past", name, verdict, input);
    };
    case("round 1 under 10", "ok", 10, 1, rounds.beacon(1), &rounds.proof(1, 10));
    case("round 9 under 10", "ok", 10, 2, rounds.beacon(9), &rounds.proof(9, 10));
    case("round 5 under 8", "ok", 8, 1, rounds.beacon(5), &rounds.proof(5, 8));
    case("the head itself", "wrong-round", 5, 1, rounds.beacon(5), &rounds.proof(4, 5));
    case("a later round", "wrong-round", 5, 1, rounds.beacon(6), &rounds.proof(4, 5));
    case(
        "another header of the round",
        "bad-mmr",
        10,
        1,
        &rounds.certified(5, |h| h.output = OTHER),
        &rounds.proof(5, 10),
    );
    case("the wrong proof", "bad-mmr", 10, 1, rounds.beacon(5), &rounds.proof(6, 10));
    case("the wrong committee", "wrong-committee", 10, 2, rounds.beacon(5), &rounds.proof(5, 10));
    case(
        "a forged certificate",
        "bad-signature",
        10,
        1,
        &with(rounds.beacon(5), |b| {
            b.certificate.signatures[0].0[0] ^= 1;
        }),
        &rounds.proof(5, 10),
    );
}

fn hand_overs(build: &mut Build, rounds: &Rounds) {
    let mut case = |name: &str, verdict: &str, last: &Header, list: Value| {
        let input = json!({ "schedule": "@schedule", "last": wire(last), "signers": list });
        build.case("hand-over", name, verdict, input);
    };
    let list: &SignerList = rounds.world.committees[1].signers().list();
    let last = rounds.header(8);
    case("the last header of the epoch", "ok", last, json!("@signers_2"));
    case("a header in mid-epoch", "wrong-round", rounds.header(7), json!("@signers_1"));
    case("the list in force", "wrong-committee", last, json!("@signers_1"));
    case("another weight", "wrong-committee", last, json!(wire(&with(list, |l| l.signers[0].weight = 2))));
    case("another ticket root", "wrong-committee", last, json!(wire(&with(list, |l| l.ticket_root = OTHER))));
    let skipped = with(list, |l| l.epoch = 3);
    let names_it = with(last, |h| h.next_committee = skipped.hash());
    case("an epoch left out", "wrong-epoch", &names_it, json!(wire(&skipped)));
    let unsorted = with(list, |l| l.signers.swap(0, 1));
    let names_it = with(last, |h| h.next_committee = unsorted.hash());
    case("a list out of order", "not-sorted", &names_it, json!(wire(&unsorted)));
}

fn mmr_proofs(build: &mut Build, rounds: &Rounds) {
    let mut case = |name: &str, verdict: &str, root: Digest32, (round, count): (u64, u64), siblings: &[Digest32]| {
        let proof = wire(&MmrProof { siblings: siblings.to_vec() });
        let number = |n: u64| if n > 1 << 53 { json!(n.to_string()) } else { json!(n) };
        let header = rounds.header(round.clamp(1, 10)).hash();
        let input =
            json!({ "root": root, "count": number(count), "round": number(round), "header": header, "proof": proof });
        build.case("mmr-proof", name, verdict, input);
    };
    let leaf = Hasher::new(tag::MMR_LEAF).u64(1).fixed(&rounds.header(1).hash().0).finish();
    let node = |left: Digest32, right: Digest32| Hasher::new(tag::MMR_NODE).fixed(&left.0).fixed(&right.0).finish();
    let root = |count: u64, top: Digest32| Hasher::new(tag::MMR_BAG).u64(count).fixed(&top.0).finish();
    let good = rounds.proof(4, 10);
    case("round 4 of 9", "ok", rounds.header(10).mmr, (4, 9), &good.siblings);
    case("round 1 of 1", "ok", root(1, leaf), (1, 1), &[]);
    case("a sibling too many, under the root that it gives", "bad-mmr", root(1, node(OTHER, leaf)), (1, 1), &[OTHER]);
    case(
        "an inner node passed off as the leaf of a shorter range",
        "bad-mmr",
        rounds.header(10).mmr,
        (4, 9),
        &good.siblings[1..],
    );
    let path = |height: usize| (0..height).fold(leaf, |top, _| node(top, OTHER));
    case("a range of 2^61", "ok", root(1 << 61, path(61)), (1, 1 << 61), &[OTHER; 61]);
    case("a range of 2^62", "bad-mmr", root(1 << 62, path(62)), (1, 1 << 62), &[OTHER; 62]);
    case("round 0", "wrong-round", root(1, leaf), (0, 1), &[]);
    case("round 2 of 1", "wrong-round", root(1, leaf), (2, 1), &[]);
    case("no range", "wrong-round", root(0, leaf), (1, 0), &[]);
}
