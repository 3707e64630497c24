//! Spectral flatness and correlations.

use super::super::sts::{Skip, igamc};
use super::{Data, two_sided};
use rustfft::{FftPlanner, num_complex::Complex};

/// The bytes around their expected mean, with variance one.
fn normalised(bytes: &[u8]) -> Vec<f64> {
    let deviation = ((65_536.0 - 1.0) / 12.0f64).sqrt();
    bytes.iter().map(|b| (f64::from(*b) - 127.5) / deviation).collect()
}

/// Geometric over arithmetic mean of the periodogram. Of white noise the ordinates are
/// exponential: ln of the ratio has mean −γ and variance (π²/6 − 1) / m. Only the first 2^16
/// bytes are looked at.
pub fn flatness(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    data.need(4096)?;
    let bytes = &data.bytes[..data.bytes.len().min(1 << 16)];
    let mut values: Vec<Complex<f64>> = normalised(bytes).into_iter().map(|v| Complex::new(v, 0.0)).collect();
    FftPlanner::new().plan_fft_forward(values.len()).process(&mut values);
    let ordinates: Vec<f64> = values[1..values.len() / 2].iter().map(Complex::norm_sqr).collect();
    let m = ordinates.len() as f64;
    let mean = ordinates.iter().sum::<f64>() / m;
    if mean <= 0.0 {
        return Ok(vec![0.0]);
    }
    let log = ordinates.iter().map(|v| v.max(f64::MIN_POSITIVE).ln()).sum::<f64>() / m;
    const EULER: f64 = 0.577_215_664_901_532_9;
    let variance = (std::f64::consts::PI.powi(2) / 6.0 - 1.0) / m;
    Ok(vec![two_sided((log - mean.ln() + EULER) / variance.sqrt())])
}

/// Bits against the bits 1, 2, 8 and 16 places on: the disagreements are binomial.
pub fn autocorrelation(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    data.need(125)?;
    let p = |lag: usize| {
        let pairs = data.bits.iter().zip(&data.bits[lag..]);
        let count = pairs.len() as f64;
        let differ = pairs.filter(|(a, b)| a != b).count() as f64;
        two_sided((2.0 * differ - count) / count.sqrt())
    };
    Ok([1, 2, 8, 16].map(p).to_vec())
}

/// Sum of products over the root of their number: standard normal for independent values.
fn product_z(a: &[f64], b: &[f64]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
    sum / (a.len().min(b.len()) as f64).sqrt()
}

/// Each byte against the next.
pub fn serial(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    data.need(1000)?;
    let values = normalised(data.bytes);
    Ok(vec![two_sided(product_z(&values, &values[1..]))])
}

/// Bytes against those 1 to 32 places on, all together: χ² with 32 degrees of freedom.
pub fn lags(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    data.need(1000)?;
    let values = normalised(data.bytes);
    let chi: f64 = (1..=32).map(|lag| product_z(&values, &values[lag..]).powi(2)).sum();
    Ok(vec![igamc(16.0, chi / 2.0)])
}

/// The even bytes against the odd ones, and the first half against the second.
pub fn cross(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    data.need(1000)?;
    let values = normalised(data.bytes);
    let even: Vec<f64> = values.iter().step_by(2).copied().collect();
    let odd: Vec<f64> = values.iter().skip(1).step_by(2).copied().collect();
    let (first, second) = values.split_at(values.len() / 2);
    let second = &second[..first.len()];
    Ok(vec![two_sided(product_z(&even, &odd)), two_sided(product_z(first, second))])
}
