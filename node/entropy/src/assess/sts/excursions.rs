//! Random excursions and their variant (sections 2.14 and 2.15).

use super::{Skip, chi_squared, erfc, igamc, need};
use std::collections::BTreeMap;

/// Shares of cycles with 0 to 4 and more visits of a state at distance 1 to 4.
const SHARES: [[f64; 6]; 4] = [
    [0.5, 0.25, 0.125, 0.062_5, 0.031_25, 0.031_25],
    [0.75, 0.062_5, 0.046_875, 0.035_156_25, 0.026_367_187_5, 0.079_101_562_5],
    [0.833_333_333_3, 0.027_777_777_78, 0.023_148_148_15, 0.019_290_123_46, 0.016_075_102_88, 0.080_375_514_3],
    [0.875, 0.015_625, 0.013_671_875, 0.011_962_890_63, 0.010_467_529_3, 0.073_272_705_1],
];

/// The sums of the walk, cut after each zero; a last open piece counts as a cycle.
fn cycles(bits: &[u8]) -> Result<Vec<Vec<i64>>, Skip> {
    let n = need(bits, 1000)?;
    let mut cycles = vec![Vec::new()];
    let mut sum = 0i64;
    for bit in bits {
        sum += if *bit == 1 { 1 } else { -1 };
        if sum == 0 {
            cycles.push(Vec::new());
        } else if let Some(cycle) = cycles.last_mut() {
            cycle.push(sum);
        }
    }
    if sum == 0 {
        cycles.pop();
    }
    if (cycles.len() as f64) < (0.005 * n.sqrt()).max(500.0) {
        return Err(Skip::TooFewCycles);
    }
    Ok(cycles)
}

/// 2.14: visits of the states −4 to 4 within cycles.
pub fn random_excursions(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    let cycles = cycles(bits)?;
    let total = cycles.len() as f64;
    let p = |state: i64| {
        let mut counts = [0u64; 6];
        for cycle in &cycles {
            counts[cycle.iter().filter(|s| **s == state).count().min(5)] += 1;
        }
        let distance = usize::try_from(state.unsigned_abs()).unwrap_or(1);
        igamc(2.5, chi_squared(&counts, &SHARES[distance - 1], total) / 2.0)
    };
    Ok((-4..=4).filter(|state| *state != 0).map(p).collect())
}

/// 2.15: visits of the states −9 to 9 over all.
pub fn random_excursions_variant(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    let cycles = cycles(bits)?;
    let total = cycles.len() as f64;
    let mut visits: BTreeMap<i64, u64> = BTreeMap::new();
    for state in cycles.iter().flatten().filter(|s| s.abs() <= 9) {
        *visits.entry(*state).or_default() += 1;
    }
    let p = |state: i64| {
        let count = visits.get(&state).copied().unwrap_or(0) as f64;
        let spread = 2.0 * total * (4.0 * state.abs() as f64 - 2.0);
        erfc((count - total).abs() / spread.sqrt())
    };
    Ok((-9..=9).filter(|state| *state != 0).map(p).collect())
}
