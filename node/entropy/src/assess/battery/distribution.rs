//! Tests of the distribution of 32-bit words, and of points in a square.

use super::super::sts::Skip;
use super::{Data, two_sided};

/// The 32-bit words in (0, 1), sorted; at most 100,000.
fn uniforms(data: &Data<'_>) -> Vec<f64> {
    let value = |word: &[u8]| {
        let word = word.iter().fold(0u32, |w, b| w << 8 | u32::from(*b));
        (f64::from(word) + 0.5) / 32f64.exp2()
    };
    let mut values: Vec<f64> = data.bytes.chunks_exact(4).take(100_000).map(value).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The largest distance of the empirical from the uniform law; p after Stephens (1970).
pub fn kolmogorov_smirnov(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    data.need(400)?;
    let values = uniforms(data);
    let n = values.len() as f64;
    let distance =
        values.iter().enumerate().map(|(i, v)| (v - i as f64 / n).max((i as f64 + 1.0) / n - v)).fold(0.0, f64::max);
    let scaled = distance * (n.sqrt() + 0.12 + 0.11 / n.sqrt());
    let term = |k: i32| {
        let k = f64::from(k);
        let sign = if k % 2.0 == 0.0 { -1.0 } else { 1.0 };
        sign * (-2.0 * k * k * scaled * scaled).exp()
    };
    // Below 0.2 the series has not converged and the probability is one to ten digits.
    let p = if scaled < 0.2 { 1.0 } else { 2.0 * (1..=100).map(term).sum::<f64>() };
    Ok(vec![p.clamp(0.0, 1.0)])
}

/// Anderson and Darling's statistic; its limiting law after Marsaglia (2004), which holds to
/// six digits at these lengths.
pub fn anderson_darling(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    data.need(400)?;
    let values = uniforms(data);
    let n = values.len() as f64;
    let sum: f64 = values
        .iter()
        .zip(values.iter().rev())
        .enumerate()
        .map(|(i, (low, high))| (2.0 * i as f64 + 1.0) * (low.ln() + (-high).ln_1p()))
        .sum();
    let z = -n - sum / n;
    Ok(vec![(1.0 - limiting_law(z)).clamp(0.0, 1.0)])
}

/// P(A² < z), Marsaglia's approximation of the limit.
fn limiting_law(z: f64) -> f64 {
    if z <= 0.0 {
        return 0.0;
    }
    let polynomial = |coefficients: [f64; 6]| coefficients.iter().rev().fold(0.0, |a, c| a * z + c);
    if z < 2.0 {
        let series = polynomial([2.00012, 0.247_105, -0.064_982_1, 0.034_796_2, -0.011_672, 0.001_686_91]);
        (-1.233_714_1 / z).exp() / z.sqrt() * series
    } else {
        let series = polynomial([1.0776, -2.306_95, 0.434_24, -0.082_433, 0.008_056, -0.000_314_6]);
        (-series.exp()).exp()
    }
}

/// Points of the unit square inside the quarter circle: binomial with share π/4.
pub fn monte_carlo_pi(data: &Data<'_>) -> Result<Vec<f64>, Skip> {
    data.need(6 * 1000)?;
    let coordinate = |three: &[u8]| {
        let whole = three.iter().fold(0u32, |v, b| v << 8 | u32::from(*b));
        (f64::from(whole) + 0.5) / 24f64.exp2()
    };
    let points = data.bytes.chunks_exact(6);
    let count = points.len() as f64;
    let inside =
        points.filter(|six| coordinate(&six[..3]).powi(2) + coordinate(&six[3..]).powi(2) < 1.0).count() as f64;
    let share = std::f64::consts::FRAC_PI_4;
    let z = (inside - count * share) / (count * share * (1.0 - share)).sqrt();
    Ok(vec![two_sided(z)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limiting_law_has_its_known_quantiles() {
        // 10 %, 5 % and 1 % points (Marsaglia and Marsaglia 2004).
        for (z, p) in [(1.933, 0.10), (2.492, 0.05), (3.878, 0.01)] {
            assert!((1.0 - limiting_law(z) - p).abs() < 2e-4, "{z}");
        }
    }
}
