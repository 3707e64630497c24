//! Rules of specs/tickets.md, against the frozen vectors and an independent search over all subsets.

use beacon_spec::tickets::{assign, threshold};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    weights: Vec<Number>,
    tickets: Vec<u32>,
    total: u32,
    threshold: u32,
}

#[derive(Deserialize)]
struct Number(#[serde(with = "beacon_spec::codec::number")] u64);

fn total(tickets: &[u32]) -> u32 {
    tickets.iter().sum()
}

/// Every set with 3·weight < W has 2·tickets < T, by looking at every set.
fn valid_by_subsets(weights: &[u64], tickets: &[u32]) -> bool {
    let all_weight: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    let all_tickets = total(tickets);
    (0_u32..1 << weights.len()).all(|set| {
        let members = || (0..weights.len()).filter(|i| (set >> i) & 1 == 1);
        let weight: u128 = members().map(|i| u128::from(weights[i])).sum();
        let held: u32 = members().map(|i| tickets[i]).sum();
        3 * weight >= all_weight || 2 * held < all_tickets
    })
}

/// All assignments in the order of the rule, from the sorted list of all pairs that the bound lets matter.
fn assignments(weights: &[u64]) -> Vec<Vec<u32>> {
    let bound = (4 * weights.len()).div_ceil(3) as u64;
    let mut pairs: Vec<(u64, usize)> = (1..=bound).flat_map(|c| (0..weights.len()).map(move |i| (c, i))).collect();
    pairs.retain(|(_, i)| weights[*i] > 0);
    pairs.sort_by(|(c, i), (d, j)| {
        let left = u128::from(3 * c - 1) * 3 * u128::from(weights[*j]);
        let right = u128::from(3 * d - 1) * 3 * u128::from(weights[*i]);
        left.cmp(&right).then(i.cmp(j))
    });
    let mut tickets = vec![0; weights.len()];
    let grow = |(_, member): &(u64, usize)| {
        tickets[*member] += 1;
        tickets.clone()
    };
    pairs.iter().take(bound as usize).map(grow).collect()
}

#[test]
fn tickets_vectors() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../vectors/tickets.json")).expect("the vector file");
    assert!(cases.len() >= 30);
    for case in cases {
        let weights: Vec<u64> = case.weights.iter().map(|number| number.0).collect();
        let tickets = assign(&weights);
        assert_eq!(tickets, case.tickets, "weights {weights:?}");
        assert_eq!(total(&tickets), case.total);
        assert_eq!(threshold(case.total), case.threshold);
    }
}

#[test]
fn tickets_1_equal_pairs_go_by_index() {
    // (1 − 1/3)/1 and (3 − 1/3)/4 are equal: the lower index is first, wherever it stands.
    assert_eq!(assign(&[1, 4, 4, 4, 4]), [0, 1, 1, 1, 0]);
    assert_eq!(assign(&[5, 5, 5, 5]), [1, 1, 1, 0]);
}

#[test]
fn tickets_2_known_answers_for_equal_weights() {
    let known = [(4, 3), (7, 5), (10, 7), (16, 11), (31, 21), (64, 43), (100, 67), (128, 85)];
    for (members, expected) in known {
        for weight in [1, 3, 1_000_000] {
            assert_eq!(total(&assign(&vec![weight; members])), expected, "{members} members of weight {weight}");
        }
    }
    assert_eq!(total(&assign(&[81, 2, 88, 13, 5, 77])), 3);
}

#[test]
fn tickets_2_validity_is_not_monotone() {
    // Three tickets are valid, four are not, five are: bisection over 1..=7 looks at 4 and 6, and finds 5.
    let weights = [2, 2, 1, 1, 1];
    let valid: Vec<bool> = assignments(&weights).iter().map(|given| valid_by_subsets(&weights, given)).collect();
    assert_eq!(valid, [false, false, true, false, true, true, true]);
    assert_eq!(assign(&weights), [1, 1, 1, 0, 0]);
}

#[test]
fn tickets_2_nothing_to_give() {
    assert!(assign(&[]).is_empty());
    assert_eq!(assign(&[0, 0, 0]), [0, 0, 0]);
}

#[test]
fn tickets_2_no_weight_no_ticket_and_no_influence() {
    assert_eq!(assign(&[0, 5, 0, 5, 5, 0, 5]), [0, 1, 0, 1, 1, 0, 0]);
    assert_eq!(assign(&[5, 5, 5, 5]), [1, 1, 1, 0]);
}

#[test]
fn tickets_2_the_development_committees() {
    // A heaviest member with a third of the weight is in no judged set: its one ticket is enough.
    assert_eq!(assign(&[1]), [1]);
    assert_eq!(assign(&[1, 1]), [1, 0]);
    assert_eq!(assign(&[1, 1, 1]), [1, 0, 0]);
    assert_eq!(assign(&[1_000_000, 1, 1]), [1, 0, 0]);
    assert_eq!(assign(&[1, 1, 1_000_000]), [0, 0, 1]);
}

#[test]
fn tickets_4_extreme_weights_end_without_overflow() {
    for weights in [[1 << 60; 3], [(1 << 62) - 4, 1, 1], [u64::MAX; 3], [u64::MAX, 1, 0]] {
        assert!(total(&assign(&weights)) <= 4, "{weights:?}");
    }
    assert_eq!(assign(&[1 << 59; 4]), assign(&[1; 4]));
    assert!(total(&assign(&[u64::MAX; 16])) <= 22);
}

#[test]
fn tickets_4_the_largest_committees_stay_in_bound() {
    // A fixed linear congruence stands for arbitrary weights of 512 members.
    let mut state = 1_u64;
    let mut draw = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 44
    };
    let weights: Vec<u64> = (0..512).map(|_| draw() % 1_000_000 + 1).collect();
    let tickets = assign(&weights);
    assert!(total(&tickets) <= (4_u32 * 512).div_ceil(3));
    assert_eq!(total(&assign(&[7; 512])), 341);
}

#[test]
fn tickets_5_recovery_takes_half_rounded_up() {
    assert_eq!([1, 2, 3, 4, 5, 85].map(threshold), [1, 1, 2, 2, 3, 43]);
}

fn weights() -> impl Strategy<Value = Vec<u64>> {
    let spread = prop_oneof![0..=4_u64, 1..=100_u64, 1..=1_000_000_u64, 1_u64..1 << 58];
    prop_oneof![prop::collection::vec(spread, 1..=9), prop::collection::vec(1..=6_u64, 4..=11)]
}

proptest! {
    /// [tickets-1] [tickets-2] [tickets-3]: the first assignment in the order that all subsets find valid.
    #[test]
    fn tickets_3_first_valid_assignment_by_all_subsets(weights in weights()) {
        prop_assume!(weights.iter().any(|w| *w > 0));
        let tickets = assign(&weights);
        let first = assignments(&weights).into_iter().find(|given| valid_by_subsets(&weights, given));
        prop_assert_eq!(Some(tickets), first);
    }

    #[test]
    fn tickets_4_total_is_within_four_thirds(weights in prop::collection::vec(1..=1_000_000_u64, 1..=60)) {
        prop_assert!(total(&assign(&weights)) as usize <= (4 * weights.len()).div_ceil(3));
    }

    /// Members above two thirds of the weight always hold enough tickets to recover.
    #[test]
    fn tickets_5_two_thirds_can_recover(weights in weights(), set in any::<u32>()) {
        let tickets = assign(&weights);
        let all: u128 = weights.iter().map(|w| u128::from(*w)).sum();
        let members: Vec<usize> = (0..weights.len()).filter(|i| (set >> i) & 1 == 1).collect();
        let weight: u128 = members.iter().map(|i| u128::from(weights[*i])).sum();
        let held: u32 = members.iter().map(|i| tickets[*i]).sum();
        prop_assert!(3 * weight <= 2 * all || held >= threshold(total(&tickets)));
    }

    /// A member of a third or more makes the first ticket enough, and only then.
    #[test]
    fn tickets_2_one_ticket_exactly_in_exempted_committees(weights in weights()) {
        let all: u128 = weights.iter().map(|w| u128::from(*w)).sum();
        prop_assume!(all > 0);
        let exempted = weights.iter().any(|w| 3 * u128::from(*w) >= all);
        let given = total(&assign(&weights));
        prop_assert_eq!(given == 1, exempted);
        prop_assert_ne!(given, 2);
    }

    /// Scaling all weights changes nothing.
    #[test]
    fn tickets_1_only_ratios_count(weights in weights(), factor in 1..=15_u64) {
        let scaled: Vec<u64> = weights.iter().map(|w| w * factor).collect();
        prop_assert_eq!(assign(&weights), assign(&scaled));
    }
}
