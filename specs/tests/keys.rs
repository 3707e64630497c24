//! Rules [keys-1] to [keys-3] of specs/encoding.md, against the frozen vectors with the known edge cases of Ed25519.

use beacon_spec::hash::{Digest32, Hasher};
use beacon_spec::keys::{IdentityKey, SecretKey, Signature, Verifier};
use beacon_spec::reject::Reject;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signer, SigningKey};
use serde::Deserialize;
use sha2::{Digest, Sha512};

#[derive(Deserialize)]
struct Vectors {
    keys: Vec<KeyCase>,
    signatures: Vec<SignatureCase>,
}

#[derive(Deserialize)]
struct KeyCase {
    name: String,
    key: Digest32,
    reject: Option<String>,
}

#[derive(Deserialize)]
struct SignatureCase {
    name: String,
    key: Digest32,
    digest: Digest32,
    signature: Signature,
    reject: Option<String>,
    /// Seed of the key whose signature this is, where it is a good one.
    seed: Option<Digest32>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/keys.json")).expect("the vector file")
}

#[test]
fn keys_1_signing_is_deterministic() {
    let cases: Vec<SignatureCase> = vectors().signatures.into_iter().filter(|case| case.seed.is_some()).collect();
    assert!(!cases.is_empty());
    for case in cases {
        let secret = SecretKey::from_seed(&case.seed.expect("only those with a seed are left").0);
        assert_eq!(secret.public(), case.key.0, "{}", case.name);
        assert_eq!(secret.sign(&case.digest), case.signature, "{}", case.name);
    }
}

#[test]
fn keys_1_secrets_do_not_print() {
    let secret = SecretKey::from_seed(&[7; 32]);
    assert_eq!(format!("{secret:?}"), "SecretKey([REDACTED])");
    assert_eq!(*secret.seed(), [7; 32]);
}

#[test]
fn keys_2_public_key_vectors() {
    for case in vectors().keys {
        let verdict = Verifier::new(&case.key.0);
        assert_eq!(verdict.err().map(Reject::code), case.reject.as_deref(), "{}", case.name);
    }
}

#[test]
fn keys_3_signature_vectors() {
    for case in vectors().signatures {
        let key = Verifier::new(&case.key.0);
        for key in [key.clone(), key.map(Verifier::prepared)] {
            let verdict = key.and_then(|key| key.verify(&case.digest, &case.signature));
            assert_eq!(verdict.err().map(Reject::code), case.reject.as_deref(), "{}", case.name);
        }
    }
}

/// Signatures that are good, spoilt, and made of points of small order with the secret at hand: of each is said what
/// `verify_strict` says, whether the key is prepared or not, and alone or beside good ones.
#[test]
fn keys_3_verdicts_agree_with_verify_strict() {
    let number = |text: &'static str, at: u64| Hasher::new(text).u64(at).finish().0;
    let mut accepted = 0;
    for key in 0..4 {
        let secret = SigningKey::from_bytes(&number("key", key));
        let strict = secret.verifying_key();
        let plain = Verifier::new(strict.as_bytes()).expect("a made key");
        let prepared = plain.clone().prepared();
        for at in 0..600u64 {
            let digest = Digest32(number("digest", at));
            let mut signature = secret.sign(&digest.0).to_bytes();
            let random = number("choice", 600 * key + at);
            let small = EIGHT_TORSION[usize::from(random[0] % 8)];
            match at % 10 {
                0 | 1 => {}
                2 => signature[usize::from(random[1]) % 64] ^= 1 << (random[2] % 8),
                3 => signature[..32].copy_from_slice(&random),
                4 => signature[32..].copy_from_slice(&random),
                // s + l, which is the same number to whoever does not look.
                5 => plus_order(&mut signature[32..]),
                6 => signature[..32].copy_from_slice(&small.compress().0),
                // The equation holds up to a point of small order, or with R of small order itself.
                7 => signature = signed(&secret, &Scalar::from_bytes_mod_order(random), &small, &digest),
                8 => signature = signed(&secret, &Scalar::ZERO, &small, &digest),
                // The identity with the sign of its x set, and y = p: spellings of points that have better ones.
                _ => signature[..32].copy_from_slice(&SPELLINGS[usize::from(random[3] % 2)]),
            }
            let expected = strict.verify_strict(&digest.0, &ed25519_dalek::Signature::from_bytes(&signature)).is_ok();
            let (good, signature) = (Signature(secret.sign(&digest.0).to_bytes()), Signature(signature));
            for key in [&prepared, &plain] {
                let alone = key.verify(&digest, &signature).is_ok();
                let among = Verifier::verify_each(&[(key, &good), (key, &signature), (key, &good)], &digest).is_ok();
                assert_eq!((alone, among), (expected, expected), "signature {at}: {}", hex::encode(signature.0));
            }
            accepted += u32::from(expected);
        }
    }
    assert!((480..600).contains(&accepted), "{accepted} are good");
}

const SPELLINGS: [[u8; 32]; 2] = {
    let mut all = [[0; 32], [0xff; 32]];
    all[0][0] = 1;
    all[0][31] = 0x80;
    all[1][0] = 0xed;
    all[1][31] = 0x7f;
    all
};

/// s such that s·B = r·B + k·A, beside R = r·B + `small`.
fn signed(secret: &SigningKey, r: &Scalar, small: &EdwardsPoint, digest: &Digest32) -> [u8; 64] {
    let point = (EdwardsPoint::mul_base(r) + small).compress().0;
    let hash = Sha512::new().chain_update(point).chain_update(secret.verifying_key().as_bytes());
    let k = Scalar::from_bytes_mod_order_wide(&hash.chain_update(digest.0).finalize().into());
    let s = r + k * secret.to_scalar();
    [point, s.to_bytes()].concat().try_into().expect("two halves")
}

/// Adds the group order to a number in 32 bytes, little-endian.
fn plus_order(number: &mut [u8]) {
    let last = (-Scalar::ONE).to_bytes();
    let mut carry = 1;
    for (byte, other) in number.iter_mut().zip(&last) {
        carry += u16::from(*byte) + u16::from(*other);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
}

#[test]
fn keys_3_every_flipped_bit_is_refused() {
    let secret = SecretKey::from_seed(&[1; 32]);
    let key = Verifier::new(&secret.public()).expect("a made key");
    let digest = Digest32([2; 32]);
    let good = secret.sign(&digest);
    assert_eq!(key.verify(&digest, &good), Ok(()));
    for bit in 0..512 {
        let mut bad = good;
        bad.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key.verify(&digest, &bad), Err(Reject::BadSignature));
    }
}

#[test]
fn codec_3_text_form_of_keys() {
    let key = SecretKey::from_seed(&[1; 32]).identity();
    let text = key.to_string();
    assert_eq!(IdentityKey::from_hex(&text), Ok(key));
    assert_eq!(IdentityKey::from_hex(&text.to_uppercase()), Ok(key));
    for bad in
        [&text[1..], &text[2..], &format!("{text}00"), &text.replace(&text[..1], "g"), "", &format!("0x{}", &text[2..])]
    {
        assert_eq!(IdentityKey::from_hex(bad), Err(Reject::BadHex), "{bad}");
    }
}
