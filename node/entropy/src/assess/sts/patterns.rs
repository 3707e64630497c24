//! Templates, Maurer's universal test, approximate entropy, serial (sections 2.7 to 2.9,
//! 2.11, 2.12).

use super::{Skip, chi_squared, erfc, igamc, need};
use statrs::function::gamma::ln_gamma;
use std::f64::consts::{LN_2, SQRT_2};

/// Length of the templates.
const TEMPLATE: usize = 9;

/// A template that cannot overlap itself has no border.
fn is_aperiodic(template: u32) -> bool {
    let width = TEMPLATE as u32;
    (1..width).all(|shift| template >> shift != template & ((1 << (width - shift)) - 1))
}

/// The nine-bit value ending at each place from the ninth bit on.
fn windows(bits: &[u8]) -> Vec<u32> {
    let mask = (1 << TEMPLATE) - 1;
    let mut value = 0;
    let values = bits.iter().map(|bit| {
        value = (value << 1 | u32::from(*bit)) & mask;
        value
    });
    values.skip(TEMPLATE - 1).collect()
}

/// 2.7: occurrences of each of the 148 aperiodic templates in eight blocks.
pub fn non_overlapping_templates(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    const BLOCKS: usize = 8;
    need(bits, 100_000)?;
    let length = bits.len() / BLOCKS;
    let blocks: Vec<Vec<u32>> = bits.chunks_exact(length).take(BLOCKS).map(windows).collect();
    let m = TEMPLATE as f64;
    let mean = (length as f64 - m + 1.0) / m.exp2();
    let variance = length as f64 * (1.0 / m.exp2() - (2.0 * m - 1.0) / (2.0 * m).exp2());
    let p = |template: u32| {
        let chi: f64 = blocks.iter().map(|block| (matches(block, template) as f64 - mean).powi(2) / variance).sum();
        igamc(BLOCKS as f64 / 2.0, chi / 2.0)
    };
    Ok((0..1 << TEMPLATE).filter(|t| is_aperiodic(*t)).map(p).collect())
}

/// Occurrences that do not overlap. Those of an aperiodic template never do.
fn matches(windows: &[u32], template: u32) -> usize {
    windows.iter().filter(|w| **w == template).count()
}

/// 2.8: overlapping occurrences of nine ones in blocks of 1032.
pub fn overlapping_templates(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    const BLOCK: usize = 1032;
    need(bits, 100 * BLOCK)?;
    let lambda = (BLOCK - TEMPLATE + 1) as f64 / (TEMPLATE as f64).exp2();
    let eta = lambda / 2.0;
    let mut shares: Vec<f64> = (0..5).map(|u| occurrences(u, eta)).collect();
    shares.push(1.0 - shares.iter().sum::<f64>());
    let mut counts = [0u64; 6];
    let blocks = bits.chunks_exact(BLOCK);
    let total = blocks.len() as f64;
    for block in blocks {
        let found = windows(block).iter().filter(|w| **w == (1 << TEMPLATE) - 1).count();
        counts[found.min(5)] += 1;
    }
    Ok(vec![igamc(2.5, chi_squared(&counts, &shares, total) / 2.0)])
}

/// The probability of `u` occurrences.
fn occurrences(u: u32, eta: f64) -> f64 {
    if u == 0 {
        return (-eta).exp();
    }
    let v = f64::from(u);
    let term = |l: u32| {
        let l = f64::from(l);
        (-eta - v * LN_2 + l * eta.ln() - ln_gamma(l + 1.0) + ln_gamma(v) - ln_gamma(l) - ln_gamma(v - l + 1.0)).exp()
    };
    (1..=u).map(term).sum()
}

/// Least bits for block lengths 6 to 16, and mean and variance of the statistic.
const UNIVERSAL: [(usize, f64, f64); 11] = [
    (387_840, 5.217_705_2, 2.954),
    (904_960, 6.196_250_7, 3.125),
    (2_068_480, 7.183_665_6, 3.238),
    (4_654_080, 8.176_424_8, 3.311),
    (10_342_400, 9.172_324_3, 3.356),
    (22_753_280, 10.170_032, 3.384),
    (49_643_520, 11.168_765, 3.401),
    (107_560_960, 12.168_070, 3.410),
    (231_669_760, 13.167_693, 3.416),
    (496_435_200, 14.167_488, 3.419),
    (1_059_061_760, 15.167_379, 3.421),
];

/// 2.9: how far back the last equal block lies (Maurer).
pub fn universal(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    need(bits, UNIVERSAL[0].0)?;
    let row = UNIVERSAL.iter().rposition(|(least, _, _)| bits.len() >= *least).unwrap_or(0);
    let (_, mean, variance) = UNIVERSAL[row];
    let length = row + 6;
    let first = 10 << length;
    let mut last = vec![0usize; 1 << length];
    let mut sum = 0.0;
    let blocks = bits.chunks_exact(length);
    let tested = (blocks.len() - first) as f64;
    for (i, block) in blocks.enumerate() {
        let value = block.iter().fold(0usize, |v, bit| v << 1 | usize::from(*bit));
        if i >= first {
            sum += ((i + 1 - last[value]) as f64).log2();
        }
        last[value] = i + 1;
    }
    let l = length as f64;
    let c = 0.7 - 0.8 / l + (4.0 + 32.0 / l) * tested.powf(-3.0 / l) / 15.0;
    let sigma = c * (variance / tested).sqrt();
    Ok(vec![erfc((sum / tested - mean).abs() / (SQRT_2 * sigma))])
}

/// How often each value of `width` bits occurs, the sequence taken as a ring.
fn ring_counts(bits: &[u8], width: usize) -> Vec<u64> {
    let mut counts = vec![0u64; 1 << width];
    if width == 0 {
        counts[0] = bits.len() as u64;
        return counts;
    }
    let mask = (1usize << width) - 1;
    let ring = bits.iter().chain(&bits[..width - 1]);
    let mut value = 0;
    for (i, bit) in ring.enumerate() {
        value = (value << 1 | usize::from(*bit)) & mask;
        if i + 1 >= width {
            counts[value] += 1;
        }
    }
    counts
}

/// 2.12: the entropies of blocks of 10 and of 11 bits compared.
pub fn approximate_entropy(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    const WIDTH: usize = 10;
    let n = need(bits, 1 << (WIDTH + 5))?;
    // The difference below cancels nearly all digits, so the order of the operations is
    // that of NIST's program.
    let phi = |width| -> f64 {
        let counts = ring_counts(bits, width).into_iter().filter(|c| *c > 0);
        counts.map(|c| c as f64 * (c as f64 / n).ln()).fold(0.0, |sum, term| sum + term) / n
    };
    let entropy = phi(WIDTH) - phi(WIDTH + 1);
    let chi = 2.0 * n * (LN_2 - entropy);
    Ok(vec![igamc((WIDTH as f64 - 1.0).exp2(), chi / 2.0)])
}

/// 2.11: uniformity of blocks of 16, 15 and 14 bits.
pub fn serial(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    const WIDTH: usize = 16;
    let n = need(bits, 1 << (WIDTH + 3))?;
    let psi = |width: usize| {
        let squares: f64 = ring_counts(bits, width).iter().map(|c| (*c as f64).powi(2)).sum();
        squares * (width as f64).exp2() / n - n
    };
    let (a, b, c) = (psi(WIDTH), psi(WIDTH - 1), psi(WIDTH - 2));
    let m = WIDTH as f64;
    Ok(vec![igamc((m - 2.0).exp2(), (a - b) / 2.0), igamc((m - 3.0).exp2(), (a - 2.0 * b + c) / 2.0)])
}
