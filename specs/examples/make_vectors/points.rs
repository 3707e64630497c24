//! Encodings of ristretto255 points and scalars, and recovery from shares.

use beacon_spec::keys::PointBytes;
use beacon_spec::pvss::TicketSecret;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use serde_json::{Value, json};

use crate::build::Build;
use crate::world::{World, seed};

/// RFC 9496, appendix A.3, and the fields' edges.
const BAD: [(&str, &[&str]); 5] = [
    (
        "not canonical",
        &[
            "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ],
    ),
    (
        "negative",
        &[
            "0100000000000000000000000000000000000000000000000000000000000000",
            "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
            "c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
            "c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78",
            "47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24",
            "f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72",
            "87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309",
        ],
    ),
    (
        "not a square",
        &[
            "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
            "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
            "de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b",
            "bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042",
            "2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08",
            "f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22",
            "8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731",
            "2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b",
        ],
    ),
    (
        "negative x y",
        &[
            "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
            "a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220",
            "d483fe813c6ba647ebbfd3ec41adca1c6130c2beeee9d9bf065c8d151c5f396e",
            "8a2e1d30050198c65a54483123960ccc38aef6848e1ec8f5f780e8523769ba32",
            "32888462f8b486c68ad7dd9610be5192bbeaf3b443951ac1a8118419d9fa097b",
            "227142501b9d4355ccba290404bde41575b037693cef1f438c47f8fbf35d1165",
            "5c37cc491da847cfeb9281d407efc41e15144c876e0170b499a96a22ed31e01e",
            "445425117cb8c90edcbc7c1cc0e74f747f2c1efa5630a967c64f287792a48a4b",
        ],
    ),
    ("s = -1, which makes y zero", &["ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"]),
];

const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
const ORDER_LESS_ONE: &str = "ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

pub fn build() -> Build {
    let mut build = Build::new();
    let mut point = |name: &str, verdict: &str, bytes: &str| {
        build.case("point", name, verdict, json!({ "point": bytes }));
    };
    for i in 0..16u64 {
        let bytes = hex::encode(RistrettoPoint::mul_base(&Scalar::from(i)).compress().0);
        point(&format!("{i} G"), "ok", &bytes);
    }
    for (name, list) in BAD {
        list.iter().enumerate().for_each(|(i, bytes)| point(&format!("{name} {i}"), "bad-point", bytes));
    }
    scalars(&mut build);
    keys(&mut build);
    recovery(&mut build);
    build
}

fn scalars(build: &mut Build) {
    let one = format!("01{}", "00".repeat(31));
    let cases = [
        ("one", "ok", one.as_str()),
        ("the order less one", "ok", ORDER_LESS_ONE),
        ("zero", "bad-scalar", &"00".repeat(32)),
        ("the order", "bad-scalar", ORDER),
        ("all bits", "bad-scalar", &"ff".repeat(32)),
        ("2^255", "bad-scalar", &format!("{}80", "00".repeat(31))),
    ];
    for (name, verdict, bytes) in cases {
        build.case("scalar", name, verdict, json!({ "scalar": bytes }));
    }
}

fn keys(build: &mut Build) {
    let keys: Vec<PointBytes> = (0..4).map(|i| TicketSecret::from_seed(&seed("key", &[i])).1).collect();
    let zero = PointBytes([0; 32]);
    let cases = [
        ("one key", "ok", keys[..1].to_vec()),
        ("four keys", "ok", keys.clone()),
        ("no key", "bad-count", Vec::new()),
        ("one key twice", "duplicate-key", vec![keys[0], keys[1], keys[0]]),
        ("the identity", "identity-point", vec![keys[0], zero]),
        ("the identity twice", "duplicate-key", vec![zero, keys[0], zero]),
        ("no point", "bad-point", vec![keys[0], PointBytes([0xff; 32])]),
    ];
    for (name, verdict, keys) in cases {
        build.case("ticket-key", name, verdict, json!({ "keys": keys }));
    }
}

fn recovery(build: &mut Build) {
    let world = World::new("recovery", &[1, 1, 1, 1, 1, 1, 1]);
    let set = world.committee(1).ticket_set();
    let tickets = set.tickets() as u16;
    let keys: Vec<&PointBytes> = (1..=tickets).map(|j| set.key(j).expect("in range")).collect();
    build.share("keys", json!(keys));
    let need = set.threshold();
    let mut case = |name: &str, verdict: &str, positions: &[u16], change: &dyn Fn(&mut Value)| {
        let mut shares = json!(world.shares(1, 2, positions));
        change(&mut shares);
        build.case("recover", name, verdict, json!({ "keys": "@keys", "shares": shares }));
    };
    for first in 1..=tickets - need as u16 + 1 {
        let positions: Vec<u16> = (first..first + need as u16).collect();
        case(&format!("from {positions:?}"), "ok", &positions, &|_| {});
    }
    let reversed: Vec<u16> = (1..=need as u16).rev().collect();
    case(&format!("from {reversed:?}"), "ok", &reversed, &|_| {});
    let spread: Vec<u16> = (1..=tickets).step_by(2).collect();
    case(&format!("from {spread:?}"), "ok", &spread, &|_| {});
    let all: Vec<u16> = (1..=tickets).collect();
    case("from all", "ok", &all, &|_| {});
    case("a surplus share is not looked at", "ok", &all, &|s| s[need]["position"] = json!(1));
    case("one share too few", "too-few-shares", &all[..need - 1], &|_| {});
    case("none", "too-few-shares", &[], &|_| {});
    case("one position twice", "bad-position", &all[..need], &|s| s[1] = s[0].clone());
    case("position 0", "bad-position", &all[..need], &|s| s[0]["position"] = json!(0));
    case("position T + 1", "bad-position", &all[..need], &|s| s[0]["position"] = json!(tickets + 1));
    case("no point", "bad-point", &all[..need], &|s| s[0]["a"] = json!("ff".repeat(32)));
    case("an unverified share of another value", "ok", &all[..need], &|s| s[0]["a"] = s[1]["a"].clone());
}
