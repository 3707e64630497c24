//! Byte frequency, birthday spacings, avalanche, mean and variance.

use super::super::sts::{Skip, chi_squared, igamc};
use super::{Data, poisson_p, two_sided};

pub(super) fn counts(bytes: &[u8]) -> [u64; 256] {
    let mut counts = [0; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    counts
}

/// χ² of the 256 byte values.
pub fn byte_frequency(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    let n = data.need(256 * 5)?;
    let chi = chi_squared(&counts(data.bytes), &[1.0 / 256.0; 256], n);
    Ok(vec![igamc(127.5, chi / 2.0)])
}

/// Marsaglia's birthday spacings: 512 birthdays in a year of 2^24 days; the number of equal
/// spacings is Poisson with mean 512³ / 2^26 = 2, and adds up over the groups.
pub fn birthday_spacings(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    const BIRTHDAYS: usize = 512;
    data.need(10 * 3 * BIRTHDAYS)?;
    let mut repeated = 0;
    let groups = data.bytes.chunks_exact(3 * BIRTHDAYS);
    let mean = 2.0 * groups.len() as f64;
    for group in groups {
        let day = |three: &[u8]| three.iter().fold(0u32, |day, b| day << 8 | u32::from(*b));
        let mut days: Vec<u32> = group.chunks_exact(3).map(day).collect();
        days.sort_unstable();
        let mut spacings: Vec<u32> = days.windows(2).map(|w| w[1] - w[0]).collect();
        spacings.sort_unstable();
        repeated += spacings.windows(2).filter(|w| w[0] == w[1]).count() as u64;
    }
    Ok(vec![poisson_p(repeated, mean)])
}

/// Bits in which neighbouring 64-bit words differ: binomial with mean 32 and variance 16.
pub fn avalanche(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    data.need(16 * 64)?;
    // Pairs do not overlap, so their distances are independent.
    let pairs = data.bytes.chunks_exact(16);
    let count = pairs.len() as f64;
    let distances: Vec<f64> = pairs
        .map(|pair| {
            let differ = pair[..8].iter().zip(&pair[8..]).map(|(a, b)| (a ^ b).count_ones());
            f64::from(differ.sum::<u32>())
        })
        .collect();
    let mean = distances.iter().sum::<f64>() / count;
    let spread: f64 = distances.iter().map(|d| (d - 32.0).powi(2) / 16.0).sum::<f64>() / count;
    // The fourth central moment of the binomial gives the squares' variance: 2 − 2/64.
    let spread_z = (spread - 1.0) / ((2.0 - 2.0 / 64.0) / count).sqrt();
    Ok(vec![two_sided((mean - 32.0) / (16.0 / count).sqrt()), two_sided(spread_z)])
}

/// Mean 127.5 and variance (256² − 1)/12 of the bytes.
pub fn mean_and_variance(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    let n = data.need(1000)?;
    let variance = (65_536.0 - 1.0) / 12.0;
    let centred = || data.bytes.iter().map(|b| f64::from(*b) - 127.5);
    let mean = centred().sum::<f64>() / n;
    let square = centred().map(|c| c * c).sum::<f64>() / n;
    // Fourth central moment of the discrete uniform law, for the variance of the squares.
    let fourth = (0..256).map(|b| (f64::from(b) - 127.5).powi(4)).sum::<f64>() / 256.0;
    let square_z = (square - variance) / ((fourth - variance * variance) / n).sqrt();
    Ok(vec![two_sided(mean / (variance / n).sqrt()), two_sided(square_z)])
}
