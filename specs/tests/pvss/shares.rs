//! Decrypted shares: each proves for one ticket and one dealing, and recovery takes enough distinct ones.

use beacon_spec::keys::PointBytes;
use beacon_spec::pvss::{Share, deal, open, recover, share, verify_share};
use beacon_spec::reject::Reject;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::scalar::Scalar;

use crate::malformed::{UNDECODABLE, plus_order};
use crate::reference::{
    ForgeShare, ShareBinding, WHOLE_SHARE, bytes, committee, context, point, random, scalar, scalar_bytes, seed,
    shares, verified,
};

#[test]
fn pvss_11_a_share_is_made_only_at_its_own_position() {
    let committee = committee(5);
    let dealing = verified(&deal(&seed("deal", 0), &context(), &committee.tickets).0, &context(), &committee);
    for position in [0, 1, 3, 5, 6, u16::MAX] {
        let refused = share(&committee.secrets[1], position, &dealing, &committee.tickets);
        assert_eq!(refused, Err(Reject::BadPosition), "{position}");
    }
    let made = share(&committee.secrets[1], 2, &dealing, &committee.tickets).expect("own position");
    assert_eq!(share(&committee.secrets[1], 2, &dealing, &committee.tickets), Ok(made));
    let a = point(&dealing.dealing().c[2])
        - ForgeShare::new(&committee.secrets[1], 2, &dealing).e() * point(&dealing.dealing().d);
    assert_eq!(made.a, bytes(&a));
}

#[test]
fn pvss_11_a_share_changed_anywhere_is_refused() {
    let committee = committee(5);
    let dealing = verified(&deal(&seed("deal", 0), &context(), &committee.tickets).0, &context(), &committee);
    let other = verified(&deal(&seed("deal", 1), &context(), &committee.tickets).0, &context(), &committee);
    let good = shares(&committee, &dealing)[1];
    let verdict = |share: Share| verify_share(&share, &dealing, &committee.tickets);
    assert_eq!(verdict(good), Ok(()));
    for position in [0, 6, u16::MAX] {
        assert_eq!(verdict(Share { position, ..good }), Err(Reject::BadPosition), "{position}");
    }
    for position in [1, 3, 5] {
        assert_eq!(verdict(Share { position, ..good }), Err(Reject::BadShare), "{position}");
    }
    for (name, a) in UNDECODABLE {
        assert_eq!(verdict(Share { a, ..good }), Err(Reject::BadPoint), "{name}");
    }
    for a in [PointBytes([0; 32]), bytes(&(point(&good.a) + G)), dealing.dealing().c[2]] {
        assert_eq!(verdict(Share { a, ..good }), Err(Reject::BadShare));
    }
    let one_more = |bytes| scalar_bytes(&(scalar(bytes) + Scalar::ONE));
    assert_eq!(verdict(Share { challenge: one_more(&good.challenge), ..good }), Err(Reject::BadShare));
    assert_eq!(verdict(Share { response: one_more(&good.response), ..good }), Err(Reject::BadShare));
    assert_eq!(verdict(Share { challenge: plus_order(&good.challenge), ..good }), Err(Reject::BadScalar));
    assert_eq!(verdict(Share { response: plus_order(&good.response), ..good }), Err(Reject::BadScalar));
    assert_eq!(verify_share(&good, &other, &committee.tickets), Err(Reject::BadShare));
}

#[test]
fn pvss_11_the_challenge_hashes_dealing_position_key_and_a() {
    let committee = committee(5);
    let dealing = verified(&deal(&seed("deal", 0), &context(), &committee.tickets).0, &context(), &committee);
    let mut forge = ForgeShare::new(&committee.secrets[2], 3, &dealing);
    assert_eq!(verify_share(&forge.share(), &dealing, &committee.tickets), Ok(()));
    for (name, binding) in [
        ("dealing", ShareBinding { dealing: false, ..WHOLE_SHARE }),
        ("position", ShareBinding { position: false, ..WHOLE_SHARE }),
        ("key", ShareBinding { key: false, ..WHOLE_SHARE }),
        ("A", ShareBinding { a: false, ..WHOLE_SHARE }),
    ] {
        forge.binding = binding;
        assert_eq!(verify_share(&forge.share(), &dealing, &committee.tickets), Err(Reject::BadShare), "{name}");
    }
}

/// A challenge that does not hash A lets a holder fix the commitments first and solve for a false A.
#[test]
fn pvss_11_a_false_share_solved_for_after_the_challenge_is_refused() {
    let committee = committee(5);
    let dealing = verified(&deal(&seed("deal", 0), &context(), &committee.tickets).0, &context(), &committee);
    let mut forge = ForgeShare::new(&committee.secrets[2], 3, &dealing);
    forge.binding.a = false;
    let (d, c) = (point(&dealing.dealing().d), point(&dealing.dealing().c[3]));
    let r2 = random("any commitment", 0) * G;
    let challenge = forge.challenge(&d, &(forge.nonce * G), &r2);
    let response = forge.nonce + challenge * forge.e();
    let a = c - challenge.invert() * (response * d - r2);
    assert_eq!(response * d - challenge * (c - a), r2, "the forgery is one");
    let share = forge.finish(&a, &challenge);
    assert_eq!(verify_share(&share, &dealing, &committee.tickets), Err(Reject::BadShare));
}

#[test]
fn pvss_12_recovery_takes_enough_distinct_positions_and_no_more() {
    let committee = committee(5);
    let (dealing, key) = deal(&seed("deal", 0), &context(), &committee.tickets);
    let dealing = verified(&dealing, &context(), &committee);
    let secret = open(&dealing, &key.reveal()).expect("the opening");
    let all = shares(&committee, &dealing);
    let (a, b, c) = (all[0], all[1], all[4]);
    assert_eq!(recover(&[], &committee.tickets), Err(Reject::TooFewShares));
    assert_eq!(recover(&[a, b], &committee.tickets), Err(Reject::TooFewShares));
    assert_eq!(recover(&[a, b, a], &committee.tickets), Err(Reject::BadPosition));
    for position in [0, 6] {
        let outside = Share { position, ..c };
        assert_eq!(recover(&[a, b, outside], &committee.tickets), Err(Reject::BadPosition), "{position}");
    }
    let spoiled = Share { a: UNDECODABLE[0].1, ..b };
    assert_eq!(recover(&[a, spoiled, c], &committee.tickets), Err(Reject::BadPoint));
    assert_eq!(recover(&[c, a, b], &committee.tickets), Ok(secret));
    assert_eq!(recover(&[c, a, b, spoiled, Share { position: 9, ..a }], &committee.tickets), Ok(secret));
}
