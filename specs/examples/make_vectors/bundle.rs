//! Key bundles, and every way in which one can be wrong.

use beacon_spec::bundle::KeyBundle;
use beacon_spec::codec::encode;
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::keys::{IdentityKey, PointBytes, ScalarBytes, SecretKey, VotingKey};
use serde_json::json;

use crate::build::{Build, wire, with};
use crate::world::{Keys, seed};

/// What the bundle's two signatures are over, written out a second time.
fn digest(tag: &'static str, scope: &Digest32, identity: &IdentityKey, bundle: &KeyBundle) -> Digest32 {
    let hasher = Hasher::new(tag).fixed(&scope.0).fixed(&identity.0).u64(bundle.epoch).fixed(&bundle.voting_key.0);
    let keys = bundle.ticket_keys.iter();
    keys.fold(hasher.u32(bundle.ticket_keys.len() as u32), |hasher, ticket| {
        hasher.fixed(&ticket.key.0).fixed(&encode(&ticket.proof))
    })
    .finish()
}

/// `bundle` changed and signed again with both keys.
pub fn signed_again(
    bundle: &KeyBundle,
    scope: &Digest32,
    (identity, voting): (&SecretKey, &SecretKey),
    change: impl FnOnce(&mut KeyBundle),
) -> KeyBundle {
    let mut bundle = with(bundle, change);
    let name = identity.identity();
    bundle.voting_proof = voting.sign(&digest(tag::BUNDLE_VOTING, scope, &name, &bundle));
    bundle.signature = identity.sign(&digest(tag::BUNDLE, scope, &name, &bundle));
    bundle
}

/// A point of order 8 on edwards25519.
const SMALL_ORDER: [u8; 32] = [
    0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53,
    0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
];

pub fn build() -> Build {
    let (keys, other) = (Keys::new(1, 7, 3), Keys::new(2, 7, 3));
    let scope = Digest32(seed("scope", &[1]));
    let good = keys.bundle(&scope, 7);
    let identity = keys.identity.identity();
    let mut build = Build::new();
    build.share("scope", json!(scope)).share("identity", json!(identity));
    {
        let mut case = |name: &str, verdict: &str, bundle: &KeyBundle| {
            let input = json!({ "scope": "@scope", "identity": "@identity", "epoch": 7, "bundle": wire(bundle) });
            build.case("bundle", name, verdict, input);
        };
        case("three ticket keys", "ok", &good);
        case("no ticket key", "ok", &Keys { tickets: Vec::new(), ..keys.clone() }.bundle(&scope, 7));
        case("of another epoch", "wrong-epoch", &keys.bundle(&scope, 8));
        case("for another scope", "bad-signature", &keys.bundle(&Digest32::ZERO, 7));
        case("of another member", "bad-signature", &other.bundle(&scope, 7));
        case("identity signature flipped", "bad-signature", &with(&good, |b| b.signature.0[40] ^= 1));
        case("a ticket key changed", "bad-signature", &with(&good, |b| b.ticket_keys[0].key = other.tickets[0].1));
        case("a proof changed", "bad-signature", &with(&good, |b| b.ticket_keys[0].proof.response.0[0] ^= 1));
        case("a ticket key left out", "bad-signature", &with(&good, |b| b.ticket_keys.truncate(2)));
        case("another voting key", "bad-signature", &with(&good, |b| b.voting_key = other.voting.voting()));
        case("voting signature flipped", "bad-possession", &with(&good, |b| b.voting_proof.0[40] ^= 1));
        let swapped =
            with(&good, |b| b.voting_proof = keys.identity.sign(&digest(tag::BUNDLE_VOTING, &scope, &identity, b)));
        case("voting signature by the identity key", "bad-possession", &swapped);
        let mistagged = with(&good, |b| b.voting_proof = keys.voting.sign(&digest(tag::BUNDLE, &scope, &identity, b)));
        case("voting signature under the bundle's tag", "bad-possession", &mistagged);
        let mistagged =
            with(&good, |b| b.signature = keys.identity.sign(&digest(tag::BUNDLE_VOTING, &scope, &identity, b)));
        case("identity signature under the voting key's tag", "bad-signature", &mistagged);
        let secrets = (&keys.identity, &keys.voting);
        let mut resigned = |name: &str, verdict: &str, change: &dyn Fn(&mut KeyBundle)| {
            case(name, verdict, &signed_again(&good, &scope, secrets, change));
        };
        resigned("signed again, nothing changed", "ok", &|_| {});
        resigned("voting key of small order", "bad-key", &|b| b.voting_key = VotingKey(SMALL_ORDER));
        resigned("voting key of another", "bad-possession", &|b| b.voting_key = other.voting.voting());
        resigned("two ticket keys swapped", "bad-possession", &|b| b.ticket_keys.swap(0, 1));
        resigned("ticket key of another", "bad-possession", &|b| b.ticket_keys[1].key = other.tickets[1].1);
        resigned("a copied key with its proof", "bad-possession", &|b| {
            b.ticket_keys[1] = other.bundle(&scope, 7).ticket_keys[1].clone();
        });
        resigned("a proof for another scope", "bad-possession", &|b| {
            b.ticket_keys[1] = keys.bundle(&Digest32::ZERO, 7).ticket_keys[1].clone();
        });
        resigned("a proof for another epoch", "bad-possession", &|b| {
            b.ticket_keys[1] = keys.bundle(&scope, 8).ticket_keys[1].clone();
        });
        resigned("the identity as a ticket key", "identity-point", &|b| b.ticket_keys[2].key = PointBytes([0; 32]));
        resigned("a ticket key that is no point", "bad-point", &|b| b.ticket_keys[2].key = PointBytes([0xff; 32]));
        resigned("a challenge that is not canonical", "bad-scalar", &|b| {
            b.ticket_keys[2].proof.challenge = ScalarBytes([0xff; 32]);
        });
        resigned("a response that is not canonical", "bad-scalar", &|b| {
            b.ticket_keys[2].proof.response = ScalarBytes([0xff; 32]);
        });
        let twice = Keys { tickets: [0, 1, 0].map(|k: usize| keys.tickets[k].clone()).to_vec(), ..keys.clone() };
        case("one ticket key twice, with proofs", "duplicate-key", &twice.bundle(&scope, 7));
    }
    let mut other_identity = |name: &str, verdict: &str, identity: [u8; 32]| {
        let input = json!({ "scope": "@scope", "identity": IdentityKey(identity), "epoch": 7, "bundle": wire(&good) });
        build.case("bundle", name, verdict, input);
    };
    other_identity("under an identity of small order", "bad-key", SMALL_ORDER);
    other_identity("under an identity that is no point", "bad-key", [0xff; 32]);
    let mut raw = |name: &str, verdict: &str, bytes: String| {
        let input = json!({ "scope": "@scope", "identity": "@identity", "epoch": 7, "bundle": bytes });
        build.case("bundle", name, verdict, input);
    };
    let head = format!("{:016x}{}", 7, hex::encode(good.voting_key.0));
    raw("683 ticket keys of zeros", "bad-signature", format!("{head}{:016x}(00)*{};", 683, 683 * 96 + 128));
    raw("684 ticket keys", "bad-count", format!("{head}{:016x}(00)*{};", 684, 684 * 96 + 128));
    raw("a byte too many", "trailing-bytes", wire(&good) + "00");
    raw("a byte too few", "malformed", wire(&good)[2..].into());
    raw("more ticket keys than bytes", "malformed", format!("{head}(ff)*8;(00)*128;"));
    raw("longer than any message", "too-long", format!("(00)*{};", (1 << 20) + 1));
    build
}
