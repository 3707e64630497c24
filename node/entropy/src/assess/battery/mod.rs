//! Thirty-one statistical tests of a byte stream, in ten categories.
//!
//! Every test gives p-values with a known distribution under the hypothesis of independent
//! uniform bytes, or says why it cannot be run. Where NIST's suite has the test, it is that
//! one ([`super::sts`]). Passing says that a stream looks uniform; it says nothing about how
//! unpredictable it is.

mod bytes;
mod correlation;
mod distribution;
mod information;

use super::sts::{self, Outcome, Skip};
use serde::Serialize;
use statrs::distribution::{DiscreteCDF, Poisson};

/// What a test looks at: the bytes and their bits.
pub struct Data<'a> {
    pub bytes: &'a [u8],
    pub bits: Vec<u8>,
}

impl<'a> Data<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Data<'a> {
        Data { bytes, bits: sts::bits_of(bytes) }
    }

    fn need(&self, bytes: usize) -> Result<f64, Skip> {
        if self.bytes.len() < bytes {
            return Err(Skip::TooShort { bits: 8 * bytes });
        }
        Ok(self.bytes.len() as f64)
    }
}

type Test = fn(&Data<'_>) -> Result<Vec<f64>, Skip>;

/// Category, name, test.
const TESTS: [(&str, &str, Test); 31] = [
    ("frequency", "Monobit", |d| sts::frequency(&d.bits)),
    ("frequency", "Block Frequency", |d| sts::block_frequency(&d.bits)),
    ("frequency", "Byte Frequency", bytes::byte_frequency),
    ("runs", "Runs", |d| sts::runs(&d.bits)),
    ("runs", "Longest Run", |d| sts::longest_run(&d.bits)),
    ("serial", "Serial", |d| sts::serial(&d.bits)),
    ("serial", "Approximate Entropy", |d| sts::approximate_entropy(&d.bits)),
    ("spectral", "DFT", |d| sts::spectral(&d.bits)),
    ("spectral", "Spectral Flatness", correlation::flatness),
    ("entropy", "Shannon Entropy", information::shannon),
    ("entropy", "Min-Entropy", information::most_common),
    ("entropy", "Permutation Entropy", information::permutation),
    ("entropy", "Compression", information::compression),
    ("entropy", "Kolmogorov Complexity", information::context_coding),
    ("correlation", "Autocorrelation", correlation::autocorrelation),
    ("correlation", "Serial Correlation", correlation::serial),
    ("correlation", "Lag-N Correlation", correlation::lags),
    ("correlation", "Cross-Correlation", correlation::cross),
    ("distribution", "Kolmogorov-Smirnov", distribution::kolmogorov_smirnov),
    ("distribution", "Anderson-Darling", distribution::anderson_darling),
    ("pattern", "Overlapping Template", |d| sts::overlapping_templates(&d.bits)),
    ("pattern", "Non-overlapping Template", |d| sts::non_overlapping_templates(&d.bits)),
    ("pattern", "Maurer's Universal", |d| sts::universal(&d.bits)),
    ("advanced", "Binary Matrix Rank", |d| sts::rank(&d.bits)),
    ("advanced", "Linear Complexity", |d| sts::linear_complexity(&d.bits)),
    ("advanced", "Cumulative Sums", |d| sts::cumulative_sums(&d.bits)),
    ("advanced", "Random Excursions", |d| sts::random_excursions(&d.bits)),
    ("advanced", "Birthday Spacings", bytes::birthday_spacings),
    ("practical", "Avalanche", bytes::avalanche),
    ("practical", "Monte Carlo Pi", distribution::monte_carlo_pi),
    ("practical", "Mean and Variance", bytes::mean_and_variance),
];

/// How a p-value reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Grade {
    A,
    B,
    C,
    D,
    F,
}

impl Grade {
    /// A good stream gives A in 19 of 20 tests, D once in a thousand and F once in a million.
    #[must_use]
    pub fn of(p: f64) -> Grade {
        match p {
            p if p >= 0.05 => Grade::A,
            p if p >= 0.01 => Grade::B,
            p if p >= 0.001 => Grade::C,
            p if p >= 1e-6 => Grade::D,
            _ => Grade::F,
        }
    }

    fn points(self) -> f64 {
        match self {
            Grade::A | Grade::B => 1.0,
            Grade::C => 0.8,
            Grade::D => 0.3,
            Grade::F => 0.0,
        }
    }
}

/// One line of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub category: &'static str,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The p-values taken together.
    pub p: Option<f64>,
    pub grade: Option<Grade>,
}

/// The battery's verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub bytes: usize,
    pub lines: Vec<Line>,
    pub run: usize,
    /// Tests below 0.001.
    pub failed: usize,
    /// 0 to 1: the mean of the grades' points; 0 when no test could be run.
    pub quality: f64,
}

/// Runs every test.
#[must_use]
pub fn run_all(bytes: &[u8]) -> Report {
    let data = Data::new(bytes);
    let line = |(category, name, test): &(&'static str, &'static str, Test)| {
        let outcome = Outcome::of(name, test(&data));
        let p = outcome.combined();
        Line { category, outcome, p, grade: p.map(Grade::of) }
    };
    let lines: Vec<Line> = TESTS.iter().map(line).collect();
    let grades: Vec<Grade> = lines.iter().filter_map(|line| line.grade).collect();
    let run = grades.len();
    let points: f64 = grades.iter().map(|grade| grade.points()).sum();
    Report {
        bytes: bytes.len(),
        lines,
        run,
        failed: grades.iter().filter(|grade| **grade >= Grade::D).count(),
        quality: if run == 0 { 0.0 } else { points / run as f64 },
    }
}

/// Two-sided p of a standard normal value.
fn two_sided(z: f64) -> f64 {
    sts::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// Two-sided p of a Poisson count.
fn poisson_p(count: u64, mean: f64) -> f64 {
    let Ok(law) = Poisson::new(mean) else { return 1.0 };
    let at_most = law.cdf(count);
    let at_least = if count == 0 { 1.0 } else { law.sf(count - 1) };
    (2.0 * at_most.min(at_least)).min(1.0)
}

#[cfg(test)]
mod tests;
