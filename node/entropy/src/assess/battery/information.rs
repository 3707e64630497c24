//! Entropy and compression.

use super::super::sts::{Skip, chi_squared, igamc};
use super::Data;
use super::bytes::counts;
use statrs::distribution::{Binomial, DiscreteCDF};

/// The likelihood ratio of the byte frequencies, 2n·ln 2·(8 − H): χ² with 255 degrees.
pub fn shannon(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    let n = data.need(256 * 20)?;
    let used = counts(data.bytes).into_iter().filter(|count| *count > 0);
    let entropy: f64 = used.map(|count| count as f64 / n).map(|p| -p * p.log2()).sum();
    let ratio = 2.0 * n * std::f64::consts::LN_2 * (8.0 - entropy);
    // Williams' correction brings the ratio closer to the law of χ².
    let corrected = ratio / (1.0 + (256.0 + 1.0) / (6.0 * n));
    Ok(vec![igamc(127.5, corrected / 2.0)])
}

/// The count of the most common byte: at most 256 times the binomial tail.
pub fn most_common(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    data.need(1000)?;
    let top = counts(data.bytes).into_iter().max().unwrap_or(0);
    let Ok(law) = Binomial::new(1.0 / 256.0, data.bytes.len() as u64) else {
        return Ok(vec![1.0]);
    };
    let single = if top == 0 { 1.0 } else { law.sf(top - 1) };
    // Exact for independent values; the counts are very nearly so.
    Ok(vec![1.0 - (1.0 - single).powi(256)])
}

/// The orders of four consecutive 32-bit words: 24, all equally likely.
pub fn permutation(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    data.need(16 * 24 * 5)?;
    let mut found = [0u64; 24];
    let groups = data.bytes.chunks_exact(16);
    let total = groups.len() as f64;
    for group in groups {
        let words: Vec<&[u8]> = group.chunks_exact(4).collect();
        // The Lehmer code numbers the orders.
        let later = |i: usize| words[i + 1..].iter().filter(|w| **w < words[i]).count();
        found[later(0) * 6 + later(1) * 2 + later(2)] += 1;
    }
    Ok(vec![igamc(11.5, chi_squared(&found, &[1.0 / 24.0; 24], total) / 2.0)])
}

/// A code that saves k bits does so with probability at most 2^−k (Kraft's inequality).
fn saved(bits: f64, coded: f64) -> f64 {
    (coded - bits).exp2().min(1.0)
}

/// DEFLATE.
pub fn compression(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    let n = data.need(1000)?;
    let packed = miniz_oxide::deflate::compress_to_vec(data.bytes, 6);
    Ok(vec![saved(8.0 * n, 8.0 * packed.len() as f64)])
}

/// Code length of adaptive models of the bits after 0, 8 and 16 bits of context
/// (Krichevsky and Trofimov), each with two bits spent to say which.
pub fn context_coding(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    let n = data.need(1000)?;
    let shortest = [0, 8, 16].map(|width| coded_length(&data.bits, width)).into_iter();
    Ok(vec![saved(8.0 * n, shortest.fold(f64::INFINITY, f64::min) + 2.0)])
}

fn coded_length(bits: &[u8], width: u32) -> f64 {
    let mask = (1usize << width) - 1;
    let mut counts = vec![[0.5f64; 2]; 1 << width];
    let mut context = 0;
    let mut length = 0.0;
    for bit in bits {
        let seen = &mut counts[context];
        let bit = usize::from(*bit);
        length -= (seen[bit] / (seen[0] + seen[1])).log2();
        seen[bit] += 1.0;
        context = (context << 1 | bit) & mask;
    }
    length
}
