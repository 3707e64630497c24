//! Certificates: one committee of nine whose total, 12, makes exactly two thirds possible.

use beacon_spec::certificate::Certificate;
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::message::HeaderVote;
use serde_json::json;

use crate::build::{Build, wire, with};
use crate::world::{World, seed};

pub const WEIGHTS: [u64; 9] = [3, 1, 2, 0, 2, 1, 1, 1, 1];
/// Weight 9 of 12, and weight 8: exactly two thirds.
const QUORUM: [u16; 5] = [0, 2, 4, 5, 6];
const TWO_THIRDS: [u16; 4] = [0, 1, 2, 4];
const ROUND: u64 = 7;

pub fn build() -> Build {
    let world = World::new("certificates", &WEIGHTS);
    let header = Digest32(seed("header", &[1]));
    let digest = HeaderVote::digest(&world.chain, ROUND, &header);
    let sign = |member: u16, digest: &Digest32| world.keys[0][usize::from(member)].voting.sign(digest);
    let by = |members: &[u16]| {
        let mut bitmap = vec![0; 2];
        members.iter().for_each(|member| bitmap[usize::from(*member) / 8] |= 1 << (member % 8));
        Certificate { bitmap, signatures: members.iter().map(|member| sign(*member, &digest)).collect() }
    };
    let good = by(&QUORUM);
    let mut build = Build::new();
    build.share("signers", json!(wire(world.committees[0].signers().list())));
    build.share("chain", json!(world.chain));
    build.share("header", json!(header));
    let mut case = |name: &str, verdict: &str, bytes: String| {
        let input = json!({ "chain": "@chain", "round": ROUND, "signers": "@signers", "header": "@header", "certificate": bytes });
        build.case("certificate", name, verdict, input);
    };
    let all: Vec<u16> = (0..9).filter(|member| *member != 3).collect();
    case("a minimal quorum", "ok", wire(&good));
    case("all that have weight", "ok", wire(&by(&all)));
    case("no signer", "no-quorum", wire(&by(&[])));
    case("exactly two thirds", "no-quorum", wire(&by(&TWO_THIRDS)));
    case("one above two thirds", "ok", wire(&by(&[0, 1, 2, 4, 8])));
    case("a third", "no-quorum", wire(&by(&[0, 1])));
    case("a bit for the member without weight", "bad-bitmap", wire(&by(&[0, 2, 3, 4, 5, 6])));
    case("the lowest surplus bit", "bad-bitmap", wire(&with(&good, |c| c.bitmap[1] |= 1 << 1)));
    case("the highest surplus bit", "bad-bitmap", wire(&with(&good, |c| c.bitmap[1] |= 1 << 7)));
    case("a bitmap too short", "bad-bitmap", wire(&with(&good, |c| c.bitmap.truncate(1))));
    case("a bitmap too long", "bad-bitmap", wire(&with(&good, |c| c.bitmap.push(0))));
    case("no bitmap", "bad-bitmap", wire(&with(&good, |c| c.bitmap.clear())));
    case("a signature too few", "bad-count", wire(&with(&good, |c| c.signatures.truncate(4))));
    case("a signature too many", "bad-count", wire(&with(&good, |c| c.signatures.push(c.signatures[0]))));
    case("no signatures", "bad-count", wire(&with(&good, |c| c.signatures.clear())));
    case("two signatures swapped", "bad-signature", wire(&with(&good, |c| c.signatures.swap(0, 1))));
    case("one signature twice", "bad-signature", wire(&with(&good, |c| c.signatures[1] = c.signatures[0])));
    let spoilt = with(&by(&all), |c| c.signatures[7].0[0] ^= 1);
    case("one bad signature above a good quorum", "bad-signature", wire(&spoilt));
    let other = with(&good, |c| c.signatures[4] = sign(6, &HeaderVote::digest(&world.chain, ROUND, &Digest32::ZERO)));
    case("one signature over another header", "bad-signature", wire(&other));
    case(
        "one signature over the bare header hash",
        "bad-signature",
        wire(&with(&good, |c| {
            c.signatures[0] = sign(0, &header);
        })),
    );
    case(
        "one signature under another tag",
        "bad-signature",
        wire(&with(&good, |c| {
            c.signatures[0] = sign(0, &Hasher::new(tag::HEADER).fixed(&header.0).finish());
        })),
    );
    case(
        "one signature by the identity key",
        "bad-signature",
        wire(&with(&good, |c| {
            c.signatures[0] = world.keys[0][0].identity.sign(&digest);
        })),
    );
    case("one signature with s + l", "bad-signature", wire(&with(&good, |c| add_order(&mut c.signatures[2].0))));
    case(
        "bad bits and a wrong count",
        "bad-bitmap",
        wire(&with(&good, |c| {
            c.bitmap[1] |= 4;
            c.signatures.pop();
        })),
    );
    case("a wrong count and no quorum", "bad-count", wire(&with(&by(&TWO_THIRDS), |c| c.signatures.truncate(3))));
    case("no quorum and a bad signature", "no-quorum", wire(&with(&by(&TWO_THIRDS), |c| c.signatures[0].0[5] ^= 1)));
    case("a byte too many", "trailing-bytes", wire(&good) + "00");
    case("a byte too few", "malformed", wire(&good)[..wire(&good).len() - 2].into());
    case("nothing", "malformed", String::new());
    let mut assembly = |name: &str, members: &[u16]| {
        let votes: Vec<_> = members.iter().map(|member| (*member, sign(*member, &digest))).collect();
        build.case("assembly", name, "ok", json!({ "signers": "@signers", "votes": votes }));
    };
    assembly("of all votes, the heaviest", &all);
    assembly("of all votes and one without weight", &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assembly("of the lightest that are a quorum", &[1, 2, 4, 5, 6, 7, 8]);
    assembly("of exactly two thirds", &TWO_THIRDS);
    assembly("of none", &[]);
    let light_first = World::new("assembly", &[1, 3, 1, 3, 3, 0, 1]);
    build.share("light_first", json!(wire(light_first.committees[0].signers().list())));
    let votes: Vec<_> = [0, 1, 2, 3, 4, 6].iter().map(|member| (*member, sign(*member, &digest))).collect();
    build.case("assembly", "light ones first", "ok", json!({ "signers": "@light_first", "votes": votes }));
    build
}

/// s + ℓ in place of s: the same signature to a verifier that does not compare s with ℓ.
fn add_order(signature: &mut [u8; 64]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0u16;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry as u8;
        carry >>= 8;
    }
}
