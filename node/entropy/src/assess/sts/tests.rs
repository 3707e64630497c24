use super::*;
use crate::assess::tests::{e, pi, reference};

fn compare(name: &str, bytes: &[u8]) {
    let reference = reference();
    let expected = reference["sts_2_1_2"][name].as_object().expect("an object");
    let outcomes = suite(&bits_of(bytes));
    assert_eq!(outcomes.len(), expected.len());
    for outcome in outcomes {
        let values = expected[outcome.name].as_array().expect("an array");
        assert_eq!(values.len(), outcome.p_values.len(), "{name} {}", outcome.name);
        for (i, (value, p)) in values.iter().zip(&outcome.p_values).enumerate() {
            let value = value.as_f64().expect("a number");
            let close = (p - value).abs() <= 1e-9 * value;
            assert!(close, "{name} {} {i}: {p} instead of {value}", outcome.name);
        }
    }
}

#[test]
fn the_suite_matches_nists_program_on_e() {
    compare("e", &e());
}

#[test]
fn the_suite_matches_nists_program_on_pi() {
    compare("pi", &pi());
}

#[test]
fn short_and_poor_input_is_judged_without_a_panic() {
    for length in [0, 1, 99, 100, 128, 1000, 40_000] {
        let zeros = vec![0u8; length];
        let alternating: Vec<u8> = (0..length).map(|i| (i % 2) as u8).collect();
        for bits in [zeros, alternating] {
            for outcome in suite(&bits) {
                assert_eq!(outcome.skipped.is_some(), outcome.p_values.is_empty());
                let within = |p: &f64| (0.0..=1.0 + 1e-12).contains(p);
                assert!(outcome.p_values.iter().all(within), "{} {length}", outcome.name);
            }
        }
    }
    let zeros = suite(&vec![0u8; 1_000_000]);
    let caught = zeros.iter().filter_map(Outcome::combined).filter(|p| *p < 1e-6).count();
    assert!(caught >= 11, "{caught} tests see that all bits are zero");
}
