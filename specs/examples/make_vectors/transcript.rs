//! Transcripts: five members, one without weight; three of the four with weight make a round.

use beacon_spec::chain::{Header, Revealed, Transcript};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{PointBytes, ScalarBytes};
use beacon_spec::message::dealing_context;
use beacon_spec::mmr::Mmr;
use beacon_spec::pvss::{self, Share};
use serde_json::json;

use crate::build::{Build, Change, wire, with};
use crate::world::{World, seed};

pub const WEIGHTS: [u64; 5] = [1, 1, 0, 1, 1];
const CONTRIBUTORS: [u16; 3] = [0, 1, 3];
const OTHER: Digest32 = Digest32([0xee; 32]);

struct Cases {
    build: Build,
}

impl Cases {
    fn case(&mut self, name: &str, verdict: &str, header: &Header, transcript: &Transcript) {
        let input = json!({ "genesis": "@genesis", "header": wire(header), "transcript": wire(transcript) });
        self.build.case("transcript", name, verdict, input);
    }
}

pub fn build() -> Build {
    let world = World::new("transcripts", &WEIGHTS);
    let opened = world.transcript(1, &CONTRIBUTORS, &[]);
    let header = world.header(&world.chain, &Mmr::new(), &opened);
    let mut cases = Cases { build: Build::new() };
    cases.build.share("genesis", json!(wire(&world.genesis)));
    good(&mut cases, &world, &header);
    spoilt_lists(&mut cases, &world, &header, &opened);
    spoilt_dealings(&mut cases, &world, &header, &opened);
    spoilt_secrets(&mut cases, &world, &header);
    spoilt_headers(&mut cases, &header, &opened);
    let bytes = wire(&opened);
    for (name, verdict, bytes) in [
        ("a byte too many", "trailing-bytes", bytes.clone() + "00"),
        ("a byte too few", "malformed", bytes[2..].into()),
    ] {
        let input = json!({ "genesis": "@genesis", "header": wire(&header), "transcript": bytes });
        cases.build.case("transcript", name, verdict, input);
    }
    cases.build
}

/// However the secrets came, the header is the same.
fn good(cases: &mut Cases, world: &World, header: &Header) {
    for (name, withheld) in
        [("all opened", &[][..]), ("one recovered", &[1]), ("two recovered", &[0, 3]), ("all recovered", &CONTRIBUTORS)]
    {
        cases.case(name, "ok", header, &world.transcript(1, &CONTRIBUTORS, withheld));
    }
    let by_others = with(&world.transcript(1, &CONTRIBUTORS, &[1]), |t| {
        t.contributions[1].revealed = Revealed::Recovered(world.shares(1, 1, &[3, 1]));
    });
    cases.case("recovered from other shares, out of order", "ok", header, &by_others);
    let surplus = with(&by_others, |t| {
        t.contributions[1].revealed = Revealed::Recovered(world.shares(1, 1, &[1, 2, 3]));
    });
    cases.case("recovered with a share to spare", "ok", header, &surplus);
    let four = world.transcript(5, &[0, 1, 3, 4], &[4]);
    let later = world.header(&OTHER, &Mmr::new(), &four);
    cases.case("all with weight, round 5", "ok", &later, &four);
}

fn spoilt_lists(cases: &mut Cases, world: &World, header: &Header, opened: &Transcript) {
    let four = world.transcript(1, &[0, 1, 3, 4], &[]);
    let changed: [Change<Transcript>; 6] = [
        ("another round", "wrong-round", |t| t.round = 2),
        ("a contributor left out", "wrong-root", |t| drop(t.contributions.pop())),
        ("no contributor", "wrong-root", |t| t.contributions.clear()),
        ("out of order", "not-sorted", |t| t.contributions.swap(0, 1)),
        ("one contributor twice", "not-sorted", |t| t.contributions[1] = t.contributions[0].clone()),
        ("a member that is not there", "unknown-member", |t| t.contributions[2].member = 5),
    ];
    for (name, verdict, change) in changed {
        cases.case(name, verdict, header, &with(opened, change));
    }
    let weightless = with(opened, |t| t.contributions[2].member = 2);
    cases.case("a member without weight", "no-weight", header, &weightless);
    cases.case("a contributor too many", "wrong-root", header, &four);
    let next = world.header(&OTHER, &Mmr::new(), &world.transcript(9, &CONTRIBUTORS, &[]));
    let of_next = world.transcript(9, &CONTRIBUTORS, &[]);
    cases.case("another epoch's committee", "wrong-committee", &next, &of_next);
}

fn spoilt_dealings(cases: &mut Cases, world: &World, header: &Header, opened: &Transcript) {
    let mut dealing = |name: &str, verdict: &str, change: &dyn Fn(&mut pvss::Dealing)| {
        cases.case(name, verdict, header, &with(opened, |t| change(&mut t.contributions[1].dealing)));
    };
    dealing("a C too few", "bad-count", &|d| d.c.truncate(3));
    dealing("a C too many", "bad-count", &|d| d.c.push(d.c[0]));
    dealing("D is no point", "bad-point", &|d| d.d = PointBytes([0xff; 32]));
    dealing("D is the identity", "identity-point", &|d| d.d = PointBytes([0; 32]));
    dealing("a C is no point", "bad-point", &|d| d.c[3] = PointBytes([0xff; 32]));
    dealing("R1 is no point", "bad-point", &|d| d.r1 = PointBytes([0x01; 32]));
    dealing("R2 is no point", "bad-point", &|d| d.r2 = PointBytes([0x01; 32]));
    dealing("z is not canonical", "bad-scalar", &|d| d.z = ScalarBytes([0xff; 32]));
    dealing("two C swapped", "bad-dealing", &|d| d.c.swap(1, 2));
    dealing("R1 and R2 swapped", "bad-dealing", &|d| (d.r1, d.r2) = (d.r2, d.r1));
    dealing("z is zero", "bad-dealing", &|d| d.z = ScalarBytes([0; 32]));
    dealing("C_0 is the identity", "bad-dealing", &|d| d.c[0] = PointBytes([0; 32]));
    dealing("the dealing of another round", "bad-dealing", &|d| *d = world.deal(2, 1).0);
    dealing("the dealing of another member", "bad-dealing", &|d| *d = world.deal(1, 3).0);
    // Another good dealing of the same member for the same round: only the root tells.
    let context = dealing_context(&world.chain, world.committee(1), 1, 1);
    let (second, key) = pvss::deal(&seed("second", &[1]), &context, world.committee(1).ticket_set());
    let replaced = with(opened, |t| {
        t.contributions[1].dealing = second;
        t.contributions[1].revealed = Revealed::Opened(key.reveal());
    });
    cases.case("another good dealing of the member", "wrong-root", header, &replaced);
}

fn spoilt_secrets(cases: &mut Cases, world: &World, header: &Header) {
    let recovered = world.transcript(1, &CONTRIBUTORS, &[1]);
    let mut revealed = |name: &str, verdict: &str, revealed: Revealed| {
        cases.case(name, verdict, header, &with(&recovered, |t| t.contributions[1].revealed = revealed));
    };
    let d = |member| ScalarBytes(world.deal(1, member).1);
    revealed("the opening of another member", "bad-opening", Revealed::Opened(d(3)));
    revealed("an opening of zero", "bad-opening", Revealed::Opened(ScalarBytes([0; 32])));
    revealed("an opening that is not canonical", "bad-scalar", Revealed::Opened(ScalarBytes([0xff; 32])));
    let shares = |positions: &[u16]| world.shares(1, 1, positions);
    revealed("no shares", "too-few-shares", Revealed::Recovered(Vec::new()));
    revealed("a share too few", "too-few-shares", Revealed::Recovered(shares(&[2])));
    revealed("one share twice", "bad-position", Revealed::Recovered(shares(&[2, 2])));
    let mut second = |name: &str, verdict: &str, change: &dyn Fn(&mut Share)| {
        revealed(name, verdict, Revealed::Recovered(with(&shares(&[1, 3]), |list| change(&mut list[1]))));
    };
    second("position 0", "bad-position", &|s| s.position = 0);
    second("position T + 1", "bad-position", &|s| s.position = 4);
    second("a share under another position", "bad-share", &|s| s.position = 2);
    second("the share of another dealing", "bad-share", &|s| *s = world.shares(1, 3, &[3])[0]);
    second("A is no point", "bad-point", &|s| s.a = PointBytes([0xff; 32]));
    second("A is the identity", "bad-share", &|s| s.a = PointBytes([0; 32]));
    second("a challenge that is not canonical", "bad-scalar", &|s| s.challenge = ScalarBytes([0xff; 32]));
    second("a response that is not canonical", "bad-scalar", &|s| s.response = ScalarBytes([0xff; 32]));
    second("a response of zero", "bad-share", &|s| s.response = ScalarBytes([0; 32]));
    let spare = with(&shares(&[1, 2, 3]), |list| list[2].response = ScalarBytes([0; 32]));
    revealed("a bad share to spare", "bad-share", Revealed::Recovered(spare));
}

fn spoilt_headers(cases: &mut Cases, header: &Header, opened: &Transcript) {
    let changed: [Change<Header>; 8] = [
        ("the header of another chain", "bad-dealing", |h| h.chain = OTHER),
        ("a header of another round", "wrong-round", |h| h.round = 2),
        ("a header of another committee", "wrong-committee", |h| h.committee = OTHER),
        ("another dealing set", "wrong-root", |h| h.dealing_set = OTHER),
        ("another weight", "bad-count", |h| h.weight = 4),
        ("another count", "bad-count", |h| h.contributors = 4),
        ("another output", "wrong-output", |h| h.output = OTHER),
        ("another header before", "wrong-output", |h| h.previous = OTHER),
    ];
    for (name, verdict, change) in changed {
        cases.case(name, verdict, &with(header, change), opened);
    }
}
