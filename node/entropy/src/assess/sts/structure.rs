//! Matrix rank and the discrete Fourier transform (sections 2.5 and 2.6).

use super::{Skip, chi_squared, erfc, need};
use rustfft::{FftPlanner, num_complex::Complex};

const SIDE: usize = 32;

/// 2.5: ranks of 32 by 32 matrices over two elements.
pub fn rank(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    need(bits, 38 * SIDE * SIDE)?;
    let full = share_of_rank(32);
    let one_less = share_of_rank(31);
    let shares = [full, one_less, 1.0 - (full + one_less)];
    let mut counts = [0u64; 3];
    let matrices = bits.chunks_exact(SIDE * SIDE);
    let total = matrices.len() as f64;
    for matrix in matrices {
        counts[(SIDE - matrix_rank(matrix)).min(2)] += 1;
    }
    Ok(vec![(-chi_squared(&counts, &shares, total) / 2.0).exp()])
}

fn share_of_rank(r: i32) -> f64 {
    let side = 32;
    let factor = |i: i32| {
        let missing = 1.0 - f64::from(i - side).exp2();
        missing * missing / (1.0 - f64::from(i - r).exp2())
    };
    let product: f64 = (0..r).map(factor).product();
    f64::from(r * (2 * side - r) - side * side).exp2() * product
}

fn matrix_rank(bits: &[u8]) -> usize {
    let row = |row: &[u8]| row.iter().fold(0u32, |word, bit| word << 1 | u32::from(*bit));
    let mut rows: Vec<u32> = bits.chunks_exact(SIDE).map(row).collect();
    let mut rank = 0;
    for column in (0..SIDE).rev() {
        let Some(pivot) = (rank..SIDE).find(|i| rows[*i] >> column & 1 == 1) else { continue };
        rows.swap(rank, pivot);
        for i in rank + 1..SIDE {
            if rows[i] >> column & 1 == 1 {
                rows[i] ^= rows[rank];
            }
        }
        rank += 1;
    }
    rank
}

/// 2.6: how many peaks of the spectrum lie below the 95 % line.
pub fn spectral(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    let n = need(bits, 1000)?;
    let mut values: Vec<Complex<f64>> = bits.iter().map(|bit| Complex::new(2.0 * f64::from(*bit) - 1.0, 0.0)).collect();
    FftPlanner::new().plan_fft_forward(bits.len()).process(&mut values);
    let bound = (2.995_732_274 * n).sqrt();
    let below = values[..bits.len() / 2].iter().filter(|v| v.norm() < bound).count() as f64;
    let distance = (below - 0.95 * n / 2.0) / (n / 4.0 * 0.95 * 0.05).sqrt();
    Ok(vec![erfc(distance.abs() / std::f64::consts::SQRT_2)])
}
