//! Tickets: how many share positions each member holds.
//!
//! Weights can be as large as 2^62 while a dealing carries one encrypted share a ticket, so weights are turned into
//! few tickets: weight restriction WR(1/3, 1/2) after Swiper (Tonkikh, Freitas, "Swiper: a new paradigm for efficient
//! weighted distributed protocols", PODC 2024, ePrint 2023/1164), made unambiguous. Everything is exact: a single
//! ticket placed otherwise by another implementation would split the network.

use alloc::vec;
use alloc::vec::Vec;

/// The tickets of each member, in the order of `weights`.
///
/// `weights` are in member order; 0 stands for a member that counts for nothing and gets no ticket. The total is
/// below 2^62 (the committee's rule); a larger one is no error here and no overflow, but without meaning. Without any
/// weight all tickets are 0. The sum T of the result is at most ⌈4m/3⌉ for m members with weight. It takes O(m·T²)
/// steps.
pub fn assign(weights: &[u64]) -> Vec<u32> {
    let mut tickets = vec![0; weights.len()];
    let Some(light) = heaviest_restricted(weights) else {
        return tickets;
    };
    // [tickets-2] One ticket at a time. The bound of [tickets-4] ends the loop whatever the weights are.
    let mut total = 0;
    while let Some(member) = next_pair(weights, &tickets) {
        tickets[member] += 1;
        total += 1;
        if is_valid(weights, &tickets, total, light) {
            break;
        }
    }
    tickets
}

/// Recovery takes ⌈T/2⌉ of `total` = T tickets: the degree of a dealing's polynomial plus one. [tickets-5]
pub const fn threshold(total: u32) -> u32 {
    total.div_ceil(2)
}

/// The largest weight x with 3x < W, or nothing if W = 0.
fn heaviest_restricted(weights: &[u64]) -> Option<u64> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let light = total.checked_sub(1)? / 3;
    // The clamp keeps u64::MAX free to mean "no such set"; it acts only above the total that committees may have.
    Some(u64::try_from(light).unwrap_or(u64::MAX).min(u64::MAX - 1))
}

/// The member whose next pair ((c − 1/3)/w, index) is the least. [tickets-1]
fn next_pair(weights: &[u64], tickets: &[u32]) -> Option<usize> {
    // (c − 1/3)/w = (3c − 1)/3w, and c is one more than what the member has; the common 3 is left out.
    let numerator = |member: usize| u128::from(tickets[member]) * 3 + 2;
    let weighted = (0..weights.len()).filter(|member| weights[*member] > 0);
    // `reduce` with a strict comparison keeps the lower index where two are equal.
    weighted.reduce(|least, other| {
        let before = numerator(other) * u128::from(weights[least]) < numerator(least) * u128::from(weights[other]);
        if before { other } else { least }
    })
}

/// Whether every set of weight ≤ `light` has fewer than half of the `total` tickets. [tickets-3]
///
/// An exact knapsack, turned round because tickets are few and weights are not: the least weight that holds at least
/// j tickets, for every j up to ⌈T/2⌉, which is the least number of tickets that is not under half.
fn is_valid(weights: &[u64], tickets: &[u32], total: u32, light: u64) -> bool {
    let half = threshold(total) as usize;
    let mut least = vec![u64::MAX; half + 1];
    least[0] = 0;
    for (weight, count) in weights.iter().zip(tickets) {
        let count = *count as usize;
        if count == 0 || *weight > light {
            continue;
        }
        for held in (1..=half).rev() {
            let with = least[held.saturating_sub(count)].saturating_add(*weight);
            least[held] = least[held].min(with);
        }
    }
    least[half] > light
}
