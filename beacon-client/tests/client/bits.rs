//! Every bit flip and every truncation of what a server sends is refused, with a reason.

use std::collections::BTreeMap;

use beacon_client::fabricate::{Chain, Plan};
use beacon_client::source::wire::read_beacon;
use beacon_client::trust::{Candidate, Trust};
use beacon_client::{Digest32, Refusal};
use beacon_spec::chain::Beacon;
use beacon_spec::codec::{Limits, decode, encode};

use super::{chain, server};

/// Runs `judge` on every bit flip, every truncation and one byte more; gives the reasons with their counts.
fn refusals(bytes: &[u8], judge: impl Fn(&[u8]) -> Result<(), Refusal>) -> BTreeMap<&'static str, usize> {
    sampled(bytes, 1, judge)
}

/// As [`refusals`], with every `step`-th flip and truncation.
fn sampled(bytes: &[u8], step: usize, judge: impl Fn(&[u8]) -> Result<(), Refusal>) -> BTreeMap<&'static str, usize> {
    assert_eq!(judge(bytes), Ok(()), "untouched bytes are accepted");
    let mut reasons = BTreeMap::new();
    let mut refused = |changed: &[u8], what: String| {
        let refusal = judge(changed).expect_err(&what);
        assert!(!refusal.code().is_empty() && !refusal.what.is_empty());
        *reasons.entry(refusal.code()).or_insert(0) += 1;
    };
    for bit in (0..bytes.len() * 8).step_by(step) {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        refused(&changed, format!("bit {bit} is flipped"));
    }
    for length in (0..bytes.len()).step_by(step) {
        refused(&bytes[..length], format!("cut to {length} bytes"));
    }
    refused(&[bytes, &[0]].concat(), "one byte more".into());
    reasons
}

#[test]
fn newest_beacon() {
    let chain = chain(3);
    let trust = Trust::new(&encode(&chain.genesis), chain.chain).expect("an honest genesis");
    let judge = |bytes: &[u8]| {
        let beacon = trust.read_beacon(bytes, Some(3))?;
        trust.head_candidate(beacon).map(|candidate| assert!(matches!(candidate, Candidate::Extends(_))))
    };
    let reasons = refusals(&encode(&chain.beacons[2]), judge);
    for expected in [
        "wrong-chain",
        "wrong-round",
        "wrong-due-time",
        "wrong-epoch",
        "wrong-committee",
        "wrong-window",
        "bad-signature",
        "bad-bitmap",
        "unknown-version",
        "malformed",
        "trailing-bytes",
        "bad-count",
    ] {
        assert!(reasons.contains_key(expected), "{expected} is missing in {reasons:?}");
    }
}

#[test]
fn newest_beacon_of_sixteen() {
    let chain = Chain::build(Plan::new(16), 2).expect("a plan");
    let trust = Trust::new(&encode(&chain.genesis), chain.chain).expect("an honest genesis");
    let judge = |bytes: &[u8]| trust.certified(trust.read_beacon(bytes, Some(2))?).map(drop);
    let reasons = sampled(&encode(&chain.beacons[1]), 5, judge);
    assert!(reasons["bad-signature"] > 11 * 64 * 8 / 5 - 1, "{reasons:?}");
}

#[test]
fn past_beacon_and_its_proof() {
    let chain = chain(11);
    let mut trust = Trust::new(&encode(&chain.genesis), chain.chain).expect("an honest genesis");
    let head = trust.certified(chain.beacons[10].clone()).expect("an honest head");
    trust.set_head(head);
    let proof = encode(&chain.proof(6, 11).expect("round 6 is under round 11"));
    let signers = trust.signers().clone();
    let judge = |beacon: &[u8], proof: &[u8]| {
        let beacon = trust.read_beacon(beacon, Some(6))?;
        trust.past(trust.proven(beacon, proof)?, &signers).map(|_| ())
    };
    let beacon = encode(&chain.beacons[5]);
    let of_beacon = refusals(&beacon, |bytes| judge(bytes, &proof));
    assert!(of_beacon.contains_key("bad-mmr") && of_beacon.contains_key("bad-signature"), "{of_beacon:?}");
    let of_proof = refusals(&proof, |bytes| judge(&beacon, bytes));
    assert!(of_proof.contains_key("bad-mmr") && of_proof.contains_key("malformed"), "{of_proof:?}");
}

#[test]
fn light_genesis_and_signer_list() {
    let chain = chain(1);
    let genesis = encode(&chain.genesis);
    let reasons = refusals(&genesis, |bytes| Trust::new(bytes, chain.chain).map(|_| ()));
    assert!(reasons["wrong-chain"] > genesis.len() * 6, "{reasons:?}");
    let list = encode(&chain.committees[0]);
    let hash = chain.committees[0].hash();
    let judge = |bytes: &[u8]| beacon_client::trust::read_signers(bytes, 1, &hash).map(|_| ());
    assert!(refusals(&list, judge).contains_key("wrong-committee"));
}

/// Text has other spellings of the same value (upper-case digits, white space), so what counts is that no change of
/// a byte gives another beacon.
#[test]
fn pushed_json() {
    let chain = chain(2);
    let trust = Trust::new(&encode(&chain.genesis), chain.chain).expect("an honest genesis");
    let text = server::event(&chain, 2);
    let start = text.windows(6).position(|part| part == b"data: ").expect("there is data") + 6;
    let json = &text[start..text.len() - 2];
    let judge = |bytes: &[u8]| read_beacon(bytes).and_then(|beacon| trust.certified(beacon));
    let honest = judge(json).expect("an honest beacon");
    let mut refused = 0;
    for bit in 0..json.len() * 8 {
        let mut changed = json.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        match judge(&changed) {
            Ok(same) => assert_eq!(same, honest, "bit {bit} gives another beacon"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > json.len() * 6);
    for length in 0..json.len() {
        assert!(judge(&json[..length]).is_err(), "cut to {length} bytes");
    }
}

#[test]
fn refusals_name_what_was_wrong() {
    let chain = chain(2);
    let trust = Trust::new(&encode(&chain.genesis), chain.chain).expect("an honest genesis");
    let mut beacon: Beacon = decode(&encode(&chain.beacons[1]), &Limits::bytes(4096)).expect("a beacon reads back");
    beacon.header.due += 1;
    let refusal = trust.read_beacon(&encode(&beacon), None).expect_err("a wrong due time").by("http://server");
    assert_eq!(
        refusal.to_string(),
        "wrong-due-time: header of round 2 from http://server, field header.due: expected 1704067203000, found \
         1704067203001"
    );
    let refusal = Trust::new(&encode(&chain.genesis), Digest32::ZERO).expect_err("another chain");
    assert_eq!((refusal.code(), refusal.field), ("wrong-chain", Some("chain")));
}
