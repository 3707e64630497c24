//! Frequency, block frequency, cumulative sums, runs, longest run (sections 2.1 to 2.4, 2.13).

use super::{Skip, chi_squared, erfc, igamc, need};
use std::f64::consts::SQRT_2;

fn ones(bits: &[u8]) -> f64 {
    bits.iter().filter(|b| **b == 1).count() as f64
}

/// 2.1: the share of ones.
pub fn frequency(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    let n = need(bits, 100)?;
    let sum = 2.0 * ones(bits) - n;
    Ok(vec![erfc(sum.abs() / n.sqrt() / SQRT_2)])
}

/// 2.2: the share of ones in blocks of 128.
pub fn block_frequency(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    const BLOCK: usize = 128;
    need(bits, BLOCK)?;
    let blocks = bits.chunks_exact(BLOCK);
    let count = blocks.len() as f64;
    let sum: f64 = blocks.map(|block| (ones(block) / BLOCK as f64 - 0.5).powi(2)).sum();
    Ok(vec![igamc(count / 2.0, 4.0 * BLOCK as f64 * sum / 2.0)])
}

/// 2.13: the largest excursion of the running sum, forward and backward.
pub fn cumulative_sums(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    need(bits, 100)?;
    let excursion = |walk: &mut dyn Iterator<Item = &u8>| {
        let mut sum = 0i64;
        let sums = walk.map(|bit| {
            sum += if *bit == 1 { 1 } else { -1 };
            sum.abs()
        });
        sums.max().unwrap_or(0)
    };
    let forward = excursion(&mut bits.iter());
    let backward = excursion(&mut bits.iter().rev());
    Ok(vec![excursion_p(bits.len(), forward), excursion_p(bits.len(), backward)])
}

fn excursion_p(n: usize, z: i64) -> f64 {
    let root = (n as f64).sqrt();
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    let normal = |k: i64| 0.5 * erfc(-((k * z) as f64 / root) / SQRT_2);
    // The limits are whole numbers cut towards zero, as in NIST's program.
    let first: f64 = ((-n / z + 1) / 4..=(n / z - 1) / 4).map(|k| normal(4 * k + 1) - normal(4 * k - 1)).sum();
    let second: f64 = ((-n / z - 3) / 4..=(n / z - 1) / 4).map(|k| normal(4 * k + 3) - normal(4 * k + 1)).sum();
    // Rounding can leave the interval by a hair.
    (1.0 - first + second).clamp(0.0, 1.0)
}

/// 2.3: the number of runs.
pub fn runs(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    let n = need(bits, 100)?;
    let share = ones(bits) / n;
    if (share - 0.5).abs() > 2.0 / n.sqrt() {
        return Ok(vec![0.0]);
    }
    let runs = 1 + bits.windows(2).filter(|w| w[0] != w[1]).count();
    let spread = share * (1.0 - share);
    let distance = (runs as f64 - 2.0 * n * spread).abs();
    Ok(vec![erfc(distance / (2.0 * spread * (2.0 * n).sqrt()))])
}

/// 2.4: the longest run of ones within blocks.
pub fn longest_run(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    need(bits, 128)?;
    let (block, shortest, shares): (usize, usize, &[f64]) = match bits.len() {
        ..6272 => (8, 1, &[0.214_843_75, 0.367_187_5, 0.230_468_75, 0.187_5]),
        6272..750_000 => {
            (128, 4, &[0.117_403_578_8, 0.242_955_959, 0.249_363_483, 0.175_177_06, 0.102_701_071, 0.112_398_847])
        }
        _ => (10_000, 10, &[0.0882, 0.2092, 0.2483, 0.1933, 0.1208, 0.0675, 0.0727]),
    };
    let mut counts = vec![0u64; shares.len()];
    let blocks = bits.chunks_exact(block);
    let total = blocks.len() as f64;
    for block in blocks {
        let longest = block.split(|b| *b == 0).map(<[u8]>::len).max().unwrap_or(0);
        counts[longest.saturating_sub(shortest).min(shares.len() - 1)] += 1;
    }
    let chi = chi_squared(&counts, shares, total);
    Ok(vec![igamc((shares.len() - 1) as f64 / 2.0, chi / 2.0)])
}
