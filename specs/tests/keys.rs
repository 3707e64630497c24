//! Rules [keys-1] to [keys-3] of specs/encoding.md, against the frozen vectors with the known edge cases of Ed25519.

use beacon_spec::hash::Digest32;
use beacon_spec::keys::{IdentityKey, SecretKey, Signature, Verifier};
use beacon_spec::reject::Reject;
use serde::Deserialize;

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
        let verdict = Verifier::new(&case.key.0).and_then(|key| key.verify(&case.digest, &case.signature));
        assert_eq!(verdict.err().map(Reject::code), case.reject.as_deref(), "{}", case.name);
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
