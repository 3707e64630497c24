//! Judging recorded samples: the min-entropy estimators of NIST SP 800-90B.
//!
//! [`assess`] runs the non-IID estimators (section 6.3) and combines them as NIST's tool
//! does. The statistical test suite of SP 800-22 is in [`sts`], and
//! thirty-one tests of byte streams are in [`battery`].

pub mod battery;
pub mod binary;
pub mod predictors;
pub mod relations;
pub mod sts;
pub mod suffixes;
pub mod tuples;

use serde::Serialize;

/// z for a one-sided 99.5 % bound, as the standard has it.
pub(crate) const Z_ALPHA: f64 = 2.575_829_303_548_900_4;
/// NIST's tool looks at no more than this many bits of the bit string.
const MAX_BITS: usize = 1_000_000;

/// One estimator's result.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    pub name: &'static str,
    /// Bits per sample.
    pub min_entropy: f64,
    /// Intermediate values, named as in the standard.
    pub values: Vec<(&'static str, f64)>,
}

/// The whole assessment.
#[derive(Clone, Debug, Serialize)]
pub struct Assessment {
    pub samples: usize,
    /// Bits of a symbol.
    pub width: u32,
    /// Estimates of the symbols as they are.
    pub literal: Vec<Estimate>,
    /// Estimates of the symbols' bits in order; empty for binary data.
    pub bitstring: Vec<Estimate>,
    /// Least of `literal`, at most the width.
    pub h_original: f64,
    /// Least of `bitstring`, at most one; one for binary data.
    pub h_bitstring: f64,
    /// min(h_original, width · h_bitstring), bits per sample.
    pub min_entropy: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssessError {
    #[error("{samples} samples are too few; at least 5000 are needed")]
    TooFew { samples: usize },
    #[error("the width must be 1 to 8 bits and hold every symbol")]
    Width,
    #[error("all samples are equal: no entropy")]
    Constant,
}

/// Fewest samples that every estimator can work with (the compression estimator starts
/// from 1000 blocks of six bits and needs more than one beyond them).
pub const MIN_SAMPLES: usize = 6_012;

/// Assesses symbols of `width` bits.
pub fn assess(symbols: &[u8], width: u32) -> Result<Assessment, AssessError> {
    if symbols.len() < MIN_SAMPLES {
        return Err(AssessError::TooFew { samples: symbols.len() });
    }
    let top = symbols.iter().copied().max().unwrap_or(0);
    if !(1..=8).contains(&width) || u32::from(top) >= 1 << width {
        return Err(AssessError::Width);
    }
    if symbols.iter().all(|s| *s == symbols[0]) {
        return Err(AssessError::Constant);
    }
    let (dense, alphabet) = densify(symbols);
    let literal = estimates(&dense, alphabet);
    let bitstring = if alphabet > 2 {
        let bits = bits_of(symbols, width);
        // Symbols of one value in every bit cannot occur: they would all be equal.
        estimates(&bits, 2)
    } else {
        Vec::new()
    };
    let least = |estimates: &[Estimate], limit: f64| estimates.iter().map(|e| e.min_entropy).fold(limit, f64::min);
    let h_original = least(&literal, f64::from(width));
    let h_bitstring = least(&bitstring, 1.0);
    Ok(Assessment {
        samples: symbols.len(),
        width,
        min_entropy: h_original.min(f64::from(width) * h_bitstring),
        literal,
        bitstring,
        h_original,
        h_bitstring,
    })
}

/// Renumbers the symbols that occur, in order; returns their number.
fn densify(symbols: &[u8]) -> (Vec<u8>, usize) {
    let mut present = [false; 256];
    symbols.iter().for_each(|s| present[usize::from(*s)] = true);
    let mut number = [0u8; 256];
    let mut next = 0usize;
    for (symbol, present) in present.iter().enumerate() {
        if *present {
            // At most 255 symbols come before the last.
            number[symbol] = next as u8;
            next += 1;
        }
    }
    (symbols.iter().map(|s| number[usize::from(*s)]).collect(), next)
}

/// The bits of the symbols, most significant first, at most a million.
fn bits_of(symbols: &[u8], width: u32) -> Vec<u8> {
    let bits = symbols.iter().flat_map(|s| (0..width).rev().map(move |i| s >> i & 1));
    bits.take(MAX_BITS).collect()
}

/// Every estimator that applies, in the standard's order.
fn estimates(symbols: &[u8], alphabet: usize) -> Vec<Estimate> {
    let mut all = vec![most_common_value(symbols)];
    if alphabet == 2 {
        all.push(binary::collision(symbols));
        all.push(binary::markov(symbols));
        all.extend(binary::compression(symbols));
    }
    let (tuple, repeated) = tuples::estimates(symbols);
    all.extend(tuple);
    all.extend(repeated);
    all.extend(predictors::most_common_in_window(symbols, alphabet));
    all.extend(predictors::lag(symbols, alphabet));
    all.extend(predictors::markov_model(symbols, alphabet));
    all.extend(predictors::lz78y(symbols, alphabet));
    all
}

/// Section 6.3.1: the most common value. Zero for fewer than two samples.
#[must_use]
pub fn most_common_value(symbols: &[u8]) -> Estimate {
    let mut counts = [0u64; 256];
    symbols.iter().for_each(|s| counts[usize::from(*s)] += 1);
    let mode = counts.iter().copied().max().unwrap_or(0) as f64;
    let n = symbols.len() as f64;
    let (p, bound) = if n > 1.0 { (mode / n, upper_bound(mode / n, n)) } else { (1.0, 1.0) };
    Estimate {
        name: "Most Common Value",
        min_entropy: entropy_of(bound),
        values: vec![("Mode count", mode), ("p-hat", p), ("p_u", bound)],
    }
}

/// The upper end of the 99 % interval of a proportion out of `n`.
fn upper_bound(p: f64, n: f64) -> f64 {
    (p + Z_ALPHA * (p * (1.0 - p) / (n - 1.0)).sqrt()).min(1.0)
}

/// −log2 p, without a negative zero.
fn entropy_of(p: f64) -> f64 {
    (-p.log2()).max(0.0)
}

#[cfg(test)]
mod tests;
