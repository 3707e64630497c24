use super::*;
use num_bigint::{BigInt, BigUint};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The reference results: SP 800-90B tool 1.1.7 and STS 2.1.2, over the expansions of e and π.
pub(crate) fn reference() -> serde_json::Value {
    serde_json::from_str(include_str!("reference.json")).expect("valid JSON")
}

/// P and Q with P/Q = sum over a < k ≤ b of a!/k!.
fn split(a: u32, b: u32) -> (BigUint, BigUint) {
    if b == a + 1 {
        return (1u32.into(), b.into());
    }
    let middle = a.midpoint(b);
    let (p1, q1) = split(a, middle);
    let (p2, q2) = split(middle, b);
    (p1 * &q2 + p2, q1 * q2)
}

/// The first 10^6 bits of e, two of them before the point.
pub(crate) fn e() -> Vec<u8> {
    // 90,000! has more than 1.3 million bits.
    let (p, q) = split(0, 90_000);
    let fraction = (p << 999_998u32) / q;
    ((BigUint::from(1u32) << 999_998u32) + fraction).to_bytes_be()
}

/// P, Q and T of the terms a to b of Chudnovsky's series.
fn chudnovsky(a: i64, b: i64) -> (BigInt, BigInt, BigInt) {
    if b == a + 1 {
        let p = if a == 0 { BigInt::from(1) } else { BigInt::from(6 * a - 5) * (2 * a - 1) * (6 * a - 1) };
        // 640320^3 / 24.
        let q = if a == 0 { BigInt::from(1) } else { BigInt::from(a).pow(3) * 10_939_058_860_032_000i64 };
        let t = &p * (13_591_409 + 545_140_134 * a) * if a % 2 == 0 { 1 } else { -1 };
        return (p, q, t);
    }
    let middle = a.midpoint(b);
    let (p1, q1, t1) = chudnovsky(a, middle);
    let (p2, q2, t2) = chudnovsky(middle, b);
    let t = t1 * &q2 + &p1 * t2;
    (p1 * p2, q1 * q2, t)
}

/// The first 10^6 bits of π, two of them before the point.
pub(crate) fn pi() -> Vec<u8> {
    // Each term gives 47 bits.
    let (_, q, t) = chudnovsky(0, 22_000);
    let root = (BigInt::from(10_005) << 2_000_200u32).sqrt();
    let scaled: BigInt = ((q * 426_880 * root) / t) >> 102u32;
    scaled.magnitude().to_bytes_be()
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    bits_of(bytes, 8)
}

#[test]
fn the_reference_data_is_that_of_the_reference() {
    assert!(digest(&e()).starts_with("7ae61691f949a9a9"));
    assert!(digest(&pi()).starts_with("e31af8c522997478"));
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Compares an assessment with the tool's output, every value of it.
fn compare(name: &str, assessment: &Assessment, sha: &str) {
    let reference = &reference()["sp800_90b_v1_1_7"][name];
    assert_eq!(reference["sha256"], sha, "the data is that of the reference");
    let mut ours = BTreeMap::new();
    for (label, estimates) in [("Literal", &assessment.literal), ("Bitstring", &assessment.bitstring)] {
        for estimate in estimates {
            let all = estimate.values.iter().copied();
            for (value, number) in all.chain([("min entropy", estimate.min_entropy)]) {
                ours.insert(format!("{label} {} Estimate: {value}", estimate.name), number);
            }
        }
    }
    ours.insert("H_original".into(), assessment.h_original);
    ours.insert("Assessed min entropy".into(), assessment.min_entropy);
    if !assessment.bitstring.is_empty() {
        let width = f64::from(assessment.width);
        ours.insert("H_bitstring".into(), assessment.h_bitstring);
        ours.insert("H_bitstring Per Symbol".into(), width * assessment.h_bitstring);
    }
    let expected = reference.as_object().expect("an object");
    for (key, value) in expected.iter().filter(|(key, _)| *key != "sha256") {
        let value = value.as_f64().expect("a number");
        let our = ours.get(key).unwrap_or_else(|| panic!("{name}: no {key}"));
        let tolerance = 1e-9 * value.abs().max(1e-300);
        assert!((our - value).abs() <= tolerance, "{name}: {key}: {our} instead of {value}");
    }
    assert_eq!(ours.len(), expected.len() - 1, "{name}: nothing beyond the reference");
}

#[test]
fn bits_of_e_match_nists_tool() {
    let bits = bits(&e());
    compare("e_bits", &assess(&bits, 1).expect("assessed"), &digest(&bits));
}

#[test]
fn a_biased_dependent_sequence_matches_nists_tool() {
    let bits = bits(&e());
    let and: Vec<u8> = (0..bits.len()).map(|i| bits[i] & bits[(i + 1) % bits.len()]).collect();
    compare("e_and", &assess(&and, 1).expect("assessed"), &digest(&and));
}

#[test]
fn bytes_of_e_match_nists_tool() {
    let bytes = e();
    compare("e_bytes", &assess(&bytes, 8).expect("assessed"), &digest(&bytes));
}

#[test]
fn unsuitable_samples_are_refused() {
    let few = MIN_SAMPLES - 1;
    assert_eq!(assess(&vec![0; few], 1).map(|_| ()), Err(AssessError::TooFew { samples: few }));
    let mixed: Vec<u8> = (0..20_000u32).map(|i| (i % 3) as u8).collect();
    assert_eq!(assess(&mixed, 1).map(|_| ()), Err(AssessError::Width));
    assert_eq!(assess(&mixed, 9).map(|_| ()), Err(AssessError::Width));
    assert_eq!(assess(&vec![5; 20_000], 8).map(|_| ()), Err(AssessError::Constant));
    let periodic = assess(&mixed, 8).expect("assessed");
    assert!(periodic.min_entropy < 0.01, "a period is found: {}", periodic.min_entropy);
}
