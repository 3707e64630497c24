//! The statistical test suite of NIST SP 800-22, revision 1a, with the parameters and the
//! rounded constants of NIST's own program, so that its p-values are met.
//!
//! Every test takes bits (0 or 1, one per byte) and gives its p-values, or says how many
//! bits it needs. A p-value below 0.01 is what one in a hundred good sequences shows.

mod complexity;
mod excursions;
mod frequency;
mod patterns;
mod structure;

pub use complexity::linear_complexity;
pub use excursions::{random_excursions, random_excursions_variant};
pub use frequency::{block_frequency, cumulative_sums, frequency, longest_run, runs};
pub use patterns::{approximate_entropy, non_overlapping_templates, overlapping_templates, serial, universal};
pub use structure::{rank, spectral};

use serde::Serialize;
use statrs::function::{erf, gamma};

/// Why a test has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    #[error("needs at least {bits} bits")]
    TooShort { bits: usize },
    #[error("too few cycles of the random walk")]
    TooFewCycles,
}

/// One test's result.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub name: &'static str,
    pub p_values: Vec<f64>,
    pub skipped: Option<Skip>,
}

impl Outcome {
    pub(crate) fn of(name: &'static str, result: Result<Vec<f64>, Skip>) -> Outcome {
        match result {
            Ok(p_values) => Outcome { name, p_values, skipped: None },
            Err(skip) => Outcome { name, p_values: Vec::new(), skipped: Some(skip) },
        }
    }

    /// The least p-value, multiplied by their number (Bonferroni), at most one.
    #[must_use]
    pub fn combined(&self) -> Option<f64> {
        let least = self.p_values.iter().copied().reduce(f64::min)?;
        Some((least * self.p_values.len() as f64).min(1.0))
    }
}

/// A test of the suite: bits in, p-values out.
pub type Test = fn(&[u8]) -> Result<Vec<f64>, Skip>;

/// All fifteen, by the names of NIST's report, with default parameters.
pub const SUITE: [(&str, Test); 15] = [
    ("Frequency", frequency),
    ("BlockFrequency", block_frequency),
    ("CumulativeSums", cumulative_sums),
    ("Runs", runs),
    ("LongestRun", longest_run),
    ("Rank", rank),
    ("FFT", spectral),
    ("NonOverlappingTemplate", non_overlapping_templates),
    ("OverlappingTemplate", overlapping_templates),
    ("Universal", universal),
    ("ApproximateEntropy", approximate_entropy),
    ("RandomExcursions", random_excursions),
    ("RandomExcursionsVariant", random_excursions_variant),
    ("Serial", serial),
    ("LinearComplexity", linear_complexity),
];

/// Runs the whole suite.
#[must_use]
pub fn suite(bits: &[u8]) -> Vec<Outcome> {
    SUITE.iter().map(|(name, test)| Outcome::of(name, test(bits))).collect()
}

/// The bits of bytes, most significant first.
#[must_use]
pub fn bits_of(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1)).collect()
}

fn need(bits: &[u8], least: usize) -> Result<f64, Skip> {
    if bits.len() < least {
        return Err(Skip::TooShort { bits: least });
    }
    Ok(bits.len() as f64)
}

/// The complementary error function.
pub(crate) fn erfc(x: f64) -> f64 {
    erf::erfc(x)
}

/// The upper regularised incomplete gamma function; 1 for x = 0.
pub(crate) fn igamc(a: f64, x: f64) -> f64 {
    if x <= 0.0 { 1.0 } else { gamma::gamma_ur(a, x) }
}

/// χ² of counts against expected shares of `total`.
pub(crate) fn chi_squared(counts: &[u64], shares: &[f64], total: f64) -> f64 {
    let term = |(count, share): (&u64, &f64)| {
        let expected = total * share;
        (*count as f64 - expected).powi(2) / expected
    };
    counts.iter().zip(shares).map(term).sum()
}

#[cfg(test)]
mod tests;
