//! Linear complexity (section 2.10).

use super::{Skip, chi_squared, igamc, need};

const BLOCK: usize = 500;
const SHARES: [f64; 7] = [0.01047, 0.03125, 0.125, 0.5, 0.25, 0.0625, 0.020_833];

/// 2.10: the length of the shortest feedback register of blocks of 500.
pub fn linear_complexity(bits: &[u8]) -> Result<Vec<f64>, Skip> {
    need(bits, 200 * BLOCK)?;
    let m = BLOCK as f64;
    // The block length is even, so both signs of the standard are fixed.
    let mean = m / 2.0 + 8.0 / 36.0 - (m / 3.0 + 2.0 / 9.0) * (-m).exp2();
    let mut counts = [0u64; 7];
    let blocks = bits.chunks_exact(BLOCK);
    let total = blocks.len() as f64;
    for block in blocks {
        let t = register_length(block) as f64 - mean + 2.0 / 9.0;
        // Classes: up to −2.5, up to −1.5, …, up to 2.5, above.
        let class = (0..6).position(|i| t <= f64::from(i) - 2.5).unwrap_or(6);
        counts[class] += 1;
    }
    Ok(vec![igamc(3.0, chi_squared(&counts, &SHARES, total) / 2.0)])
}

/// Words for the polynomials of one block.
const WORDS: usize = BLOCK / 64 + 1;
type Polynomial = [u64; WORDS];

/// a ^= b · x^shift, cut to the width.
fn add_shifted(a: &mut Polynomial, b: &Polynomial, shift: usize) {
    let (words, bits) = (shift / 64, shift % 64);
    for i in words..WORDS {
        let mut word = b[i - words] << bits;
        if bits > 0 && i > words {
            word |= b[i - words - 1] >> (64 - bits);
        }
        a[i] ^= word;
    }
}

/// Berlekamp and Massey over two elements, 64 coefficients at a time.
fn register_length(bits: &[u8]) -> usize {
    let (mut current, mut previous) = ([0u64; WORDS], [0u64; WORDS]);
    current[0] = 1;
    previous[0] = 1;
    // The bits seen so far, the latest lowest.
    let mut seen = [0u64; WORDS];
    let (mut length, mut since) = (0usize, 1usize);
    for (i, bit) in bits.iter().enumerate() {
        for word in (1..WORDS).rev() {
            seen[word] = seen[word] << 1 | seen[word - 1] >> 63;
        }
        seen[0] = seen[0] << 1 | u64::from(*bit);
        let products = current.iter().zip(&seen).map(|(c, s)| (c & s).count_ones());
        if products.sum::<u32>() % 2 == 0 {
            since += 1;
            continue;
        }
        let before = current;
        add_shifted(&mut current, &previous, since);
        if 2 * length <= i {
            length = i + 1 - length;
            previous = before;
            since = 1;
        } else {
            since += 1;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_of_known_length_are_found() {
        // 1101011110001 is the example of the standard, section 2.10.4.
        let example = [1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 1];
        assert_eq!(register_length(&example), 4);
        assert_eq!(register_length(&[0; 100]), 0);
        let mut last_only = [0; 500];
        last_only[499] = 1;
        assert_eq!(register_length(&last_only), 500);
        // x^100 + x^37 + 1: the recurrence has length 100.
        let mut long = vec![0u8; 500];
        long[99] = 1;
        for i in 100..500 {
            long[i] = long[i - 37] ^ long[i - 100];
        }
        assert_eq!(register_length(&long), 100);
    }
}
