//! Encodings: one of each value, and only the identities that rule [pvss-7] names are refused.

use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::keys::{PointBytes, ScalarBytes};
use beacon_spec::pvss::{Dealing, VerifiedDealing, deal, open, verify, verify_batch};
use beacon_spec::reject::Reject;

use crate::reference::{committee, context, other_contexts, seed, verified};

/// Bytes that are no ristretto255 encoding: not below p, negative, and of no point (RFC 9496, appendix A.3).
pub const UNDECODABLE: [(&str, PointBytes); 5] = [
    ("p, a second zero", PointBytes(little_endian(0xed, 0xff, 0x7f))),
    ("all ones", PointBytes([0xff; 32])),
    ("the identity with its top bit set", PointBytes(little_endian(0, 0, 0x80))),
    ("one, a negative element", PointBytes(little_endian(1, 0, 0))),
    ("two, a non-negative element of no point", PointBytes(little_endian(2, 0, 0))),
];

const fn little_endian(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// The same scalar modulo the group order, not in canonical form.
pub fn plus_order(scalar: &ScalarBytes) -> ScalarBytes {
    let order = (curve25519_dalek::Scalar::ZERO - curve25519_dalek::Scalar::ONE).to_bytes();
    let mut carry = 1;
    let mut bytes = scalar.0;
    for (byte, add) in bytes.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    ScalarBytes(bytes)
}

type Place = (&'static str, fn(&mut Dealing) -> &mut PointBytes);

const PLACES: [Place; 5] = [
    ("D", |dealing| &mut dealing.d),
    ("C_0", |dealing| &mut dealing.c[0]),
    ("C_T", |dealing| dealing.c.last_mut().expect("T + 1 points")),
    ("R1", |dealing| &mut dealing.r1),
    ("R2", |dealing| &mut dealing.r2),
];

#[test]
fn mistake_6_non_canonical_points_and_scalars_are_refused_everywhere() {
    let committee = committee(5);
    let (good, key) = deal(&seed("deal", 0), &context(), &committee.tickets);
    let refused = |dealing: &Dealing| {
        let alone = verify(dealing, &context(), &committee.tickets).expect_err("malformed");
        let context = context();
        let mut batch = verify_batch(&[(&good, &context), (dealing, &context)], &committee.tickets, &[0; 32]);
        assert_eq!(batch.pop(), Some(Err(alone)));
        assert!(batch[0].is_ok());
        alone
    };
    for (place, point) in PLACES {
        for (name, bad) in UNDECODABLE {
            let mut dealing = good.clone();
            *point(&mut dealing) = bad;
            assert_eq!(refused(&dealing), Reject::BadPoint, "{place}: {name}");
        }
    }
    let shifted = Dealing { z: plus_order(&good.z), ..good.clone() };
    assert_eq!(refused(&shifted), Reject::BadScalar);
    let dealing = verified(&good, &context(), &committee);
    assert_eq!(open(&dealing, &plus_order(&key.reveal())), Err(Reject::BadScalar));
}

#[test]
fn pvss_7_a_dealing_has_one_c_for_each_position() {
    let committee = committee(5);
    let (good, _) = deal(&seed("deal", 0), &context(), &committee.tickets);
    let mut short = good.clone();
    short.c.pop();
    let mut long = good.clone();
    long.c.push(good.d);
    let none = Dealing { c: Vec::new(), ..good };
    for dealing in [short, long, none] {
        assert_eq!(verify(&dealing, &context(), &committee.tickets), Err(Reject::BadCount));
    }
}

/// Mistake 10: a hash that left out proof bytes would name a valid and an invalid body alike.
#[test]
fn mistake_10_the_dealing_hash_covers_every_byte_and_the_context() {
    let committee = committee(5);
    let (good, _) = deal(&seed("deal", 0), &context(), &committee.tickets);
    let bytes = encode(&good);
    assert_eq!(bytes.len(), 32 * (5 + 1 + 4) + 8);
    let limits = Limits::bytes(bytes.len());
    let count = 32..40;
    for i in (0..bytes.len()).filter(|i| !count.contains(i)) {
        let mut changed = bytes.clone();
        changed[i] ^= 1;
        let changed: Dealing = decode(&changed, &limits).expect("points and scalars are judged later");
        assert_ne!(changed.hash(&context()), good.hash(&context()), "byte {i}");
        assert!(verify(&changed, &context(), &committee.tickets).is_err(), "byte {i}");
    }
    for (name, other) in other_contexts() {
        assert_ne!(good.hash(&other), good.hash(&context()), "{name}");
    }
    let moved = Dealing { c: [&good.c[..], &[good.r1]].concat(), ..good.clone() };
    assert_ne!(moved.hash(&context()), good.hash(&context()));
}

#[test]
fn pvss_8_a_record_is_reloaded_only_by_its_own_hash() {
    let committee = committee(5);
    let (good, key) = deal(&seed("deal", 0), &context(), &committee.tickets);
    let checked = verified(&good, &context(), &committee);
    assert_eq!(checked.hash(), good.hash(&context()));
    let reloaded = VerifiedDealing::reload(&good, &context(), &committee.tickets, &checked.hash());
    let reloaded = reloaded.expect("its own record");
    assert_eq!(reloaded, checked);
    assert_eq!(open(&reloaded, &key.reveal()), open(&checked, &key.reveal()));
    let changed = Dealing { z: ScalarBytes([0; 32]), ..good.clone() };
    let refused = VerifiedDealing::reload(&changed, &context(), &committee.tickets, &checked.hash());
    assert_eq!(refused, Err(Reject::WrongRoot));
    for (name, other) in other_contexts() {
        let refused = VerifiedDealing::reload(&good, &other, &committee.tickets, &checked.hash());
        assert_eq!(refused, Err(Reject::WrongRoot), "{name}");
    }
}
