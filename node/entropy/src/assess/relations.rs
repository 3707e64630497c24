//! How samples hang together: with earlier ones of their source, with the time at which they
//! were taken, and with those of another source taken beside them.
//!
//! All of it looks at symbols. Timing samples are expected to depend on each other; what is
//! measured here says how much, and whether two sources that are counted apart tell the same
//! thing twice. Nothing here can show that samples are unpredictable.

use super::most_common_value;
use super::sts::{erfc, igamc};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Pieces that a drift is looked for in.
const BLOCKS: usize = 16;
/// Below this many samples of a block its mean says too little.
const BLOCK_MIN: usize = 16;

/// How one source's samples depend on each other and on time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Temporal {
    pub samples: usize,
    pub mean: f64,
    pub deviation: f64,
    /// Correlation with the sample 1, 2, … places earlier; empty for constant samples.
    pub lags: Vec<f64>,
    /// The lag with the greatest correlation, and that; none for constant samples.
    pub strongest: Option<(usize, f64)>,
    /// That independent samples have lags as great as these together (Ljung and Box).
    pub p: Option<f64>,
    /// Absent with fewer than 256 samples.
    pub drift: Option<Drift>,
}

/// The course of a recording, in sixteen blocks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    pub blocks: Vec<Block>,
    /// By how much the mean rises from block to block.
    pub slope: f64,
    /// That blocks without a trend have a slope as great as this.
    pub p: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Block {
    pub first: usize,
    pub mean: f64,
    /// Min-entropy of the most common value, bits per sample.
    pub most_common_value: f64,
}

/// How two sources go together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cross {
    /// Where the correlation is greatest: sample i of the first with sample i + lag of the second.
    pub lag: isize,
    pub correlation: f64,
    /// That two unrelated sources show as great a correlation at any of the lags, given how
    /// much each depends on its own past (Bartlett).
    pub p: f64,
}

/// Values around their mean, and the sum of their squares.
struct Centred {
    values: Vec<f64>,
    mean: f64,
    power: f64,
}

impl Centred {
    fn of(symbols: &[u8]) -> Centred {
        let mean = symbols.iter().map(|s| f64::from(*s)).sum::<f64>() / symbols.len().max(1) as f64;
        let values: Vec<f64> = symbols.iter().map(|s| f64::from(*s) - mean).collect();
        let power = values.iter().map(|v| v * v).sum();
        Centred { values, mean, power }
    }

    /// Correlations with the values 1 to `lags` places earlier; empty for constant values.
    fn lags(&self, lags: usize) -> Vec<f64> {
        if self.power <= 0.0 {
            return Vec::new();
        }
        let most = lags.min(self.values.len().saturating_sub(1));
        (1..=most).map(|lag| dot(&self.values, &self.values[lag..]) / self.power).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Looks at one source's symbols, up to `lags` places back.
#[must_use]
pub fn temporal(symbols: &[u8], lags: usize) -> Temporal {
    let centred = Centred::of(symbols);
    let n = symbols.len() as f64;
    let lags = centred.lags(lags);
    let strongest = lags.iter().copied().zip(1usize..).max_by(|a, b| a.0.abs().total_cmp(&b.0.abs()));
    let q: f64 = n * (n + 2.0) * lags.iter().zip(1u32..).map(|(r, lag)| r * r / (n - f64::from(lag))).sum::<f64>();
    Temporal {
        samples: symbols.len(),
        mean: centred.mean,
        deviation: (centred.power / (n - 1.0).max(1.0)).sqrt(),
        strongest: strongest.map(|(r, lag)| (lag, r)),
        p: (!lags.is_empty()).then(|| igamc(lags.len() as f64 / 2.0, q / 2.0)),
        lags,
        drift: drift(symbols),
    }
}

/// A straight line through the means of equal blocks, and Student's test of its slope.
fn drift(symbols: &[u8]) -> Option<Drift> {
    let length = symbols.len() / BLOCKS;
    if length < BLOCK_MIN {
        return None;
    }
    let block = |(number, piece): (usize, &[u8])| Block {
        first: number * length,
        mean: Centred::of(piece).mean,
        most_common_value: most_common_value(piece).min_entropy,
    };
    let blocks: Vec<Block> = symbols.chunks_exact(length).take(BLOCKS).enumerate().map(block).collect();
    let count = blocks.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = blocks.iter().map(|b| b.mean).sum::<f64>() / count;
    let points = || blocks.iter().zip(0u32..).map(|(b, x)| (f64::from(x) - middle, b.mean - mean));
    let spread: f64 = points().map(|(x, _)| x * x).sum();
    let slope = points().map(|(x, y)| x * y).sum::<f64>() / spread;
    let rest: f64 = points().map(|(x, y)| (y - slope * x).powi(2)).sum();
    let error = (rest / (count - 2.0) / spread).sqrt();
    Some(Drift { p: slope_p(slope, error, count - 2.0), blocks, slope })
}

fn slope_p(slope: f64, error: f64, freedom: f64) -> f64 {
    let law = StudentsT::new(0.0, 1.0, freedom);
    match law {
        Ok(law) if error > 0.0 => 2.0 * law.sf((slope / error).abs()),
        // Without any scatter a slope is certain, and its absence as well.
        _ if slope == 0.0 => 1.0,
        _ => 0.0,
    }
}

/// Looks at two sources' symbols taken beside each other, up to `lags` places apart; `None`
/// when one of them is constant or there are too few.
#[must_use]
pub fn cross(a: &[u8], b: &[u8], lags: usize) -> Option<Cross> {
    let length = a.len().min(b.len());
    if length < 2 * BLOCK_MIN {
        return None;
    }
    let (a, b) = (Centred::of(&a[..length]), Centred::of(&b[..length]));
    let scale = (a.power * b.power).sqrt();
    if scale <= 0.0 {
        return None;
    }
    let most = lags.min(length / 2);
    let ahead = (0..=most).map(|lag| (lag.cast_signed(), dot(&a.values, &b.values[lag..])));
    let behind = (1..=most).map(|lag| (-lag.cast_signed(), dot(&a.values[lag..], &b.values)));
    let (lag, sum) = ahead.chain(behind).max_by(|x, y| x.1.abs().total_cmp(&y.1.abs()))?;
    let correlation = sum / scale;
    // Two sources that depend on their own past agree by chance more often than such that do not.
    let own: f64 = a.lags(most).iter().zip(b.lags(most)).map(|(x, y)| x * y).sum();
    let error = ((1.0 + 2.0 * own).max(1.0) / length as f64).sqrt();
    let single = erfc((correlation / error).abs() / std::f64::consts::SQRT_2);
    // As many chances as there are lags.
    Some(Cross { lag, correlation, p: (single * (2 * most + 1) as f64).min(1.0) })
}

/// That two samples of one distribution differ as much as these in how often each symbol
/// occurs (χ²); `None` when there are too few of either or all are equal.
#[must_use]
pub fn same_distribution(a: &[u8], b: &[u8]) -> Option<f64> {
    let (left, right) = (counts(a), counts(b));
    let (n, m) = (a.len() as f64, b.len() as f64);
    let rare = |both: f64| both * n.min(m) / (n + m) < 5.0;
    let (mut chi, mut cells, mut rest) = (0.0, 0u32, [0.0; 2]);
    let mut cell = |x: f64, y: f64| {
        let both = x + y;
        chi += (x * m - y * n).powi(2) / (both * n * m);
        cells += 1;
    };
    for (x, y) in left.into_iter().zip(right) {
        // Symbols too rare for the law are looked at together.
        if rare(x + y) {
            rest = [rest[0] + x, rest[1] + y];
        } else {
            cell(x, y);
        }
    }
    if !rare(rest[0] + rest[1]) {
        cell(rest[0], rest[1]);
    }
    (cells > 1).then(|| igamc(f64::from(cells - 1) / 2.0, chi / 2.0))
}

fn counts(symbols: &[u8]) -> [f64; 256] {
    let mut counts = [0.0; 256];
    symbols.iter().for_each(|s| counts[usize::from(*s)] += 1.0);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drbg::Drbg;

    fn random(seed: u8, count: usize) -> Vec<u8> {
        let mut out = vec![0; count];
        Drbg::new(&[seed; 32]).fill(&mut out);
        out
    }

    #[test]
    fn independent_samples_show_nothing() {
        let (a, b) = (random(1, 20_000), random(2, 20_000));
        let found = temporal(&a, 32);
        assert!(found.p.is_some_and(|p| p > 0.001) && found.strongest.is_some_and(|(_, r)| r.abs() < 0.04));
        assert!(found.drift.is_some_and(|drift| drift.p > 0.001 && drift.blocks.len() == 16));
        assert!(cross(&a, &b, 32).is_some_and(|found| found.p > 0.001));
        assert!(same_distribution(&a, &b).is_some_and(|p| p > 0.001));
    }

    #[test]
    fn a_period_shows_at_its_lag() {
        let noise = random(3, 4000);
        let wave: Vec<u8> = noise.iter().zip(0..).map(|(n, i)| n / 2 + if i % 7 == 0 { 120 } else { 0 }).collect();
        let found = temporal(&wave, 10);
        assert_eq!(found.strongest.map(|(lag, _)| lag), Some(7));
        assert!(found.p.is_some_and(|p| p < 1e-9));
    }

    #[test]
    fn a_slow_rise_is_a_drift() {
        let noise = random(4, 8000);
        let rising: Vec<u8> = noise.iter().zip(0u32..).map(|(n, i)| n / 2 + (i / 200) as u8).collect();
        let drift = temporal(&rising, 4).drift.expect("enough samples");
        assert!((drift.slope - 2.5).abs() < 0.5 && drift.p < 1e-6, "{drift:?}");
    }

    #[test]
    fn a_source_that_follows_another_is_found_with_its_distance() {
        let (a, noise) = (random(5, 4000), random(6, 4000));
        let follower: Vec<u8> = (0..4000usize).map(|i| noise[i] / 2 + a[i.saturating_sub(3)] / 4).collect();
        let found = cross(&a, &follower, 8).expect("neither is constant");
        assert_eq!(found.lag, 3);
        assert!(found.correlation > 0.3 && found.p < 1e-9);
        assert_eq!(cross(&follower, &a, 8).map(|found| found.lag), Some(-3));
    }

    #[test]
    fn two_slow_sources_that_know_nothing_of_each_other_are_not_accused() {
        // Each a running mean, so that neighbours nearly agree.
        let slow = |seed| -> Vec<u8> {
            random(seed, 4031).windows(32).map(|w| (w.iter().map(|v| u32::from(*v)).sum::<u32>() / 32) as u8).collect()
        };
        let accused = (10u8..30).filter(|i| cross(&slow(*i), &slow(*i + 100), 32).is_some_and(|found| found.p < 0.001));
        assert_eq!(accused.count(), 0);
    }

    #[test]
    fn constant_and_few_samples_are_told_apart_from_good_ones() {
        let flat = temporal(&[7; 1000], 8);
        assert_eq!((flat.strongest, flat.p, flat.deviation), (None, None, 0.0));
        assert_eq!(flat.drift.map(|drift| drift.p), Some(1.0));
        assert_eq!(cross(&[7; 1000], &random(7, 1000), 8), None);
        assert_eq!((temporal(&[1, 2, 3], 8).lags.len(), temporal(&[], 8).samples), (2, 0));
        assert_eq!(same_distribution(&[7; 1000], &[7; 1000]), None);
        assert!(same_distribution(&random(8, 4000), &vec![7; 4000]).is_some_and(|p| p < 1e-9));
    }
}
