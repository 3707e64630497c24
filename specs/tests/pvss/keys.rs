//! Ticket keys: what registration and a committee's set of keys refuse.

use beacon_spec::hash::Digest32;
use beacon_spec::keys::{PointBytes, ScalarBytes};
use beacon_spec::pvss::{MAX_TICKETS, TicketProof, TicketSecret, TicketSet, prove_possession, verify_possession};
use beacon_spec::reject::Reject;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;

use crate::malformed::{UNDECODABLE, plus_order};
use crate::reference::{bytes, committee, point, random, scalar, scalar_bytes, seed};

const CONTEXT: Digest32 = Digest32([7; 32]);
const IDENTITY: PointBytes = PointBytes([0; 32]);

#[test]
fn pvss_2_a_set_has_one_to_683_distinct_proper_keys() {
    let keys = committee(3).keys;
    assert_eq!(TicketSet::new(&[]).err(), Some(Reject::BadCount));
    assert_eq!(TicketSet::new(&vec![keys[0]; MAX_TICKETS + 1]).err(), Some(Reject::BadCount));
    assert_eq!(TicketSet::new(&[keys[0], keys[1], keys[0]]).err(), Some(Reject::DuplicateKey));
    assert_eq!(TicketSet::new(&[keys[0], IDENTITY]).err(), Some(Reject::IdentityPoint));
    for (name, bad) in UNDECODABLE {
        assert_eq!(TicketSet::new(&[keys[0], bad]).err(), Some(Reject::BadPoint), "{name}");
    }
    let most: Vec<_> = (0..MAX_TICKETS as u64).map(|i| bytes(&(random("many", i) * G))).collect();
    let set = TicketSet::new(&most).expect("683 keys are allowed");
    assert_eq!((set.tickets(), set.threshold()), (683, 342));
    assert_eq!(set.key(0), Err(Reject::BadPosition));
    assert_eq!(set.key(683), Ok(&most[682]));
    assert_eq!(set.key(684), Err(Reject::BadPosition));
}

#[test]
fn pvss_3_possession_is_proved_for_one_key_one_context_and_one_place() {
    let (secret, key) = TicketSecret::from_seed(&seed("ticket", 0));
    let (_, other) = TicketSecret::from_seed(&seed("ticket", 1));
    let proof = prove_possession(&secret, &CONTEXT, 3);
    assert_eq!(verify_possession(&key, &CONTEXT, 3, &proof), Ok(()));
    assert_eq!(verify_possession(&other, &CONTEXT, 3, &proof), Err(Reject::BadPossession));
    assert_eq!(verify_possession(&key, &Digest32([8; 32]), 3, &proof), Err(Reject::BadPossession));
    assert_eq!(verify_possession(&key, &CONTEXT, 4, &proof), Err(Reject::BadPossession));
    for swapped in
        [TicketProof { challenge: proof.response, ..proof }, TicketProof { response: proof.challenge, ..proof }]
    {
        assert_eq!(verify_possession(&key, &CONTEXT, 3, &swapped), Err(Reject::BadPossession));
    }
}

#[test]
fn pvss_3_possession_of_malformed_keys_or_by_malformed_scalars_is_refused() {
    let (secret, key) = TicketSecret::from_seed(&seed("ticket", 0));
    let proof = prove_possession(&secret, &CONTEXT, 0);
    assert_eq!(verify_possession(&IDENTITY, &CONTEXT, 0, &proof), Err(Reject::IdentityPoint));
    for (name, bad) in UNDECODABLE {
        assert_eq!(verify_possession(&bad, &CONTEXT, 0, &proof), Err(Reject::BadPoint), "{name}");
    }
    let challenge = TicketProof { challenge: plus_order(&proof.challenge), ..proof };
    let response = TicketProof { response: plus_order(&proof.response), ..proof };
    assert_eq!(verify_possession(&key, &CONTEXT, 0, &challenge), Err(Reject::BadScalar));
    assert_eq!(verify_possession(&key, &CONTEXT, 0, &response), Err(Reject::BadScalar));
}

/// Mistake 1: keys E + xG and xE of another's E would leak a secret below the threshold. One key twice in a set is
/// refused; related keys are, because a proof for E cannot be turned into one for them.
#[test]
fn mistake_1_publicly_related_keys_have_no_proof_of_possession() {
    let (secret, key) = TicketSecret::from_seed(&seed("ticket", 0));
    let proof = prove_possession(&secret, &CONTEXT, 0);
    let x = random("shift", 0);
    let (challenge, response) = (scalar(&proof.challenge), scalar(&proof.response));
    // Both keep the verifier's commitment (up to the factor x); only the key in the challenge's hash stops the first.
    let shifted = TicketProof { response: scalar_bytes(&(response + challenge * x)), ..proof };
    let scaled = TicketProof { response: scalar_bytes(&(response * x)), ..proof };
    assert_eq!(verify_possession(&bytes(&(point(&key) + x * G)), &CONTEXT, 0, &shifted), Err(Reject::BadPossession));
    assert_eq!(verify_possession(&bytes(&(x * point(&key))), &CONTEXT, 0, &scaled), Err(Reject::BadPossession));
    assert_eq!(TicketSet::new(&[key, key]).err(), Some(Reject::DuplicateKey));
}

#[test]
fn pvss_3_secrets_survive_the_key_store_and_never_print() {
    let (secret, key) = TicketSecret::from_seed(&seed("ticket", 0));
    let restored = TicketSecret::from_bytes(&secret.to_bytes()).expect("stored bytes");
    assert_eq!(restored.public(), key);
    assert_eq!(bytes(&(scalar(&ScalarBytes(*secret.to_bytes())) * G)), key);
    assert_eq!(TicketSecret::from_bytes(&[0; 32]).err(), Some(Reject::BadScalar));
    assert_eq!(TicketSecret::from_bytes(&[0xff; 32]).err(), Some(Reject::BadScalar));
    assert_eq!(format!("{secret:?}"), "TicketSecret([REDACTED])");
}
