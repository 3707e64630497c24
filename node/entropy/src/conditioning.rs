//! Conditioning: from raw samples to bytes, and how much entropy survives it.
//!
//! The hash conditioners are block-wise and keep account: each output block of 32 bytes
//! consumes a fixed number of fresh raw bytes, so output never exceeds input. What does not
//! fill a block waits for more input.

use sha2::{Digest as _, Sha256};
use sha3::Sha3_256;
use std::collections::VecDeque;
use zeroize::Zeroize;

/// What is done to raw bytes before they are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Raw,
    /// Pairs of bits: 01 gives 0, 10 gives 1, equal pairs are dropped (von Neumann 1951).
    VonNeumann,
    Sha256,
    Sha3,
}

impl Method {
    /// Every method with the name it is chosen by.
    pub const NAMES: [(&'static str, Method); 4] =
        [("raw", Method::Raw), ("von-neumann", Method::VonNeumann), ("sha256", Method::Sha256), ("sha3", Method::Sha3)];

    #[must_use]
    pub fn by_name(name: &str) -> Option<Method> {
        Method::NAMES.iter().find(|(known, _)| *known == name).map(|(_, method)| *method)
    }
}

/// Raw bytes consumed for each 32-byte block unless said otherwise.
pub const DEFAULT_BLOCK: usize = 64;

/// A streaming conditioner.
pub struct Conditioner {
    method: Method,
    block: usize,
    waiting: VecDeque<u8>,
    bits: u8,
    bit_count: u32,
}

impl Conditioner {
    /// `block` is the number of raw bytes per 32-byte output block of the hash methods, at
    /// least 32; see [`block_for`].
    #[must_use]
    pub fn new(method: Method, block: usize) -> Conditioner {
        let block = block.max(32);
        Conditioner { method, block, waiting: VecDeque::new(), bits: 0, bit_count: 0 }
    }

    /// Takes raw bytes and appends what they yield to `out`.
    pub fn push(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        match self.method {
            Method::Raw => out.extend_from_slice(raw),
            Method::VonNeumann => raw.iter().for_each(|byte| self.unbias(*byte, out)),
            Method::Sha256 => self.hash(raw, out, |block| Sha256::digest(block).into()),
            Method::Sha3 => self.hash(raw, out, |block| Sha3_256::digest(block).into()),
        }
    }

    fn hash(&mut self, raw: &[u8], out: &mut Vec<u8>, hash: fn(&[u8]) -> [u8; 32]) {
        self.waiting.extend(raw);
        while self.waiting.len() >= self.block {
            let mut block: Vec<u8> = self.waiting.drain(..self.block).collect();
            let mut digest = hash(&block);
            out.extend_from_slice(&digest);
            block.zeroize();
            digest.zeroize();
        }
    }

    fn unbias(&mut self, byte: u8, out: &mut Vec<u8>) {
        for shift in [6, 4, 2, 0] {
            let bit = match (byte >> shift) & 3 {
                0b01 => 0,
                0b10 => 1,
                _ => continue,
            };
            self.bits = self.bits << 1 | bit;
            self.bit_count += 1;
            if self.bit_count == 8 {
                out.push(self.bits);
                (self.bits, self.bit_count) = (0, 0);
            }
        }
    }
}

impl Drop for Conditioner {
    fn drop(&mut self) {
        self.waiting.make_contiguous().zeroize();
        self.bits.zeroize();
    }
}

impl std::fmt::Debug for Conditioner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Conditioner({:?}, {} waiting)", self.method, self.waiting.len())
    }
}

/// Raw bytes that carry 320 bits at `millibits` per byte, so that a 32-byte block has full
/// entropy (output length + 64, SP 800-90C); `None` for a source credited nothing.
#[must_use]
pub fn block_for(millibits: u32) -> Option<usize> {
    let bytes = 320_000u32.checked_div(millibits)? + u32::from(320_000 % millibits != 0);
    usize::try_from(bytes).ok().map(|bytes| bytes.max(32))
}

/// Min-entropy of a vetted conditioner's output (SP 800-90B 3.1.5.1.2).
///
/// `n_in` and `n_out` are the input and output length, `nw` the narrowest internal width,
/// `h_in` the input's min-entropy, all in bits. Computed relative to 2^−n, so that a
/// deficit far below one unit of 2^−45 still shows.
#[must_use]
pub fn output_entropy(n_in: u32, n_out: u32, nw: u32, h_in: f64) -> f64 {
    let n = f64::from(n_out.min(nw));
    let n_in = f64::from(n_in);
    let p_high = (-h_in).exp2();
    let universe = (-n_in).exp2();
    // scale = P_low · 2^n_in = (1 − 2^−h_in) / (1 − 2^−n_in), kept as its distance from 1.
    let below_one = (universe - p_high) / (1.0 - universe);
    let psi = below_one + (n - h_in).exp2();
    let spread = (2.0 * n * std::f64::consts::LN_2).sqrt() * ((n - n_in) / 2.0).exp2();
    let omega = below_one + spread * (1.0 + below_one);
    n - psi.max(omega).ln_1p() / std::f64::consts::LN_2
}

/// Differences of consecutive values, wrapping.
#[must_use]
pub fn deltas(values: &[u64]) -> Vec<u64> {
    values.windows(2).map(|w| w[1].wrapping_sub(w[0])).collect()
}

/// XOR of neighbours.
#[must_use]
pub fn xor_neighbours(values: &[u64]) -> Vec<u64> {
    values.windows(2).map(|w| w[0] ^ w[1]).collect()
}

/// The low byte of each value.
#[must_use]
pub fn low_bytes(values: &[u64]) -> Vec<u8> {
    values.iter().map(|v| v.to_le_bytes()[0]).collect()
}

/// The eight bytes of each value, folded into one by XOR.
#[must_use]
pub fn fold(values: &[u64]) -> Vec<u8> {
    values.iter().map(|v| v.to_le_bytes().iter().fold(0, |a, b| a ^ b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_entropy_matches_the_vectors() {
        // The first expected value is 2.88 units in the last place below 256.
        let near = |a: f64, b: f64| assert!((a - b).abs() <= 3e-14, "{a} {b}");
        near(output_entropy(512, 256, 256, 300.0), 256.0 - 8.200_39e-14);
        near(output_entropy(1024, 256, 256, 320.0), 256.0);
        assert!((output_entropy(256, 256, 256, 256.0) - 251.689_764_568_727_06).abs() < 1e-12);
    }

    fn run(method: Method, block: usize, raw: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut conditioner = Conditioner::new(method, block);
        // Odd pieces: how the input is cut must not matter.
        raw.chunks(5).for_each(|piece| conditioner.push(piece, &mut out));
        out
    }

    #[test]
    fn known_answers_of_each_method() {
        let raw: Vec<u8> = (0..=255).collect();
        assert_eq!(run(Method::Raw, 64, &raw), raw);
        // 01 10 01 10 | 10 10 01 01 | equal pairs | 01 01 10 10 | 10 01 10 01
        let bits = [0b0110_0110, 0b1010_0101, 0b0011_1100, 0b0101_1010, 0b1001_1001];
        assert_eq!(run(Method::VonNeumann, 64, &bits), [0b0101_1100, 0b0011_1010]);
        let sha = run(Method::Sha256, 64, &raw[..130]);
        assert_eq!(sha.len(), 64, "130 raw bytes are two blocks of 64");
        assert_eq!(hex::encode(&sha[..32]), "fdeab9acf3710362bd2658cdc9a29e8f9c757fcf9811603a8c447cd1d9151108");
        let sha3 = run(Method::Sha3, 64, &raw[..64]);
        assert_eq!(hex::encode(sha3), "c8ad478f4e1dd9d47dfc3b985708d92db1f8db48fe9cddd459e63c321f490402");
        assert!(run(Method::Sha3, 64, &raw[..63]).is_empty());
    }

    #[test]
    fn full_entropy_blocks_follow_from_the_credit() {
        assert_eq!(block_for(0), None);
        assert_eq!(block_for(8000), Some(40));
        assert_eq!(block_for(7000), Some(46));
        assert_eq!(block_for(500), Some(640));
    }

    #[test]
    fn extraction_is_what_it_says() {
        let values = [5, 9, 2, 0x0102_0304_0506_0708];
        assert_eq!(deltas(&values[..3]), [4, u64::MAX - 6]);
        assert_eq!(xor_neighbours(&values[..3]), [12, 11]);
        assert_eq!(low_bytes(&values), [5, 9, 2, 8]);
        assert_eq!(fold(&values), [5, 9, 2, 8]);
    }

    #[test]
    fn methods_are_found_by_name() {
        for (name, method) in Method::NAMES {
            assert_eq!(Method::by_name(name), Some(method));
        }
        assert_eq!(Method::by_name("sha1"), None);
    }
}
