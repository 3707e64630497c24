//! The estimators for bits: collision, Markov and compression (SP 800-90B 6.3.2 to 6.3.4).

use super::{Estimate, Z_ALPHA, entropy_of};

/// Section 6.3.2. The mean time to a collision of a binary source is 2 + 2p(1 − p), which is
/// solved for p directly.
#[must_use]
pub fn collision(bits: &[u8]) -> Estimate {
    let (mut at, mut count, mut squares) = (0usize, 0u64, 0u64);
    while at + 1 < bits.len() {
        let time = if bits[at] == bits[at + 1] {
            2
        } else if at + 2 < bits.len() {
            3
        } else {
            break;
        };
        count += 1;
        squares += time * time;
        at += if time == 2 { 2 } else { 3 };
    }
    let (v, total) = (count as f64, at as f64);
    let mean = total / v;
    let sigma = ((squares as f64 - total * mean) / (v - 1.0)).sqrt();
    let bound = (mean - Z_ALPHA * sigma / v.sqrt()).max(2.0);
    let p = if bound < 2.5 { 0.5 + (1.25 - 0.5 * bound).sqrt() } else { 0.5 };
    Estimate {
        name: "Collision",
        min_entropy: entropy_of(p),
        values: vec![("v", v), ("Sum t_i", total), ("X-bar", mean), ("sigma-hat", sigma), ("X-bar'", bound), ("p", p)],
    }
}

/// Section 6.3.3: the most likely sequence of 128 bits of a first-order Markov model.
#[must_use]
pub fn markov(bits: &[u8]) -> Estimate {
    let mut pairs = [[0u64; 2]; 2];
    for pair in bits.windows(2) {
        pairs[usize::from(pair[0] & 1)][usize::from(pair[1] & 1)] += 1;
    }
    let zeros = bits.iter().filter(|b| **b == 0).count() as f64;
    let p0 = zeros / bits.len() as f64;
    let start = [p0, 1.0 - p0];
    let mut step = [[0.0; 2]; 2];
    for (row, counts) in step.iter_mut().zip(&pairs) {
        let total = counts[0] + counts[1];
        if total > 0 {
            row[0] = counts[0] as f64 / total as f64;
            row[1] = 1.0 - row[0];
        }
    }
    let h = most_likely(start, step);
    Estimate {
        name: "Markov",
        min_entropy: (h / 128.0).min(1.0),
        values: vec![
            ("P_0", start[0]),
            ("P_1", start[1]),
            ("P_{0,0}", step[0][0]),
            ("P_{0,1}", step[0][1]),
            ("P_{1,0}", step[1][0]),
            ("P_{1,1}", step[1][1]),
            ("p-hat_max", (-h).exp2()),
        ],
    }
}

/// −log2 of the probability of the most likely of the six candidate sequences.
fn most_likely(start: [f64; 2], step: [[f64; 2]; 2]) -> f64 {
    let mut least = 128.0f64;
    for first in [0, 1] {
        let other = 1 - first;
        // All the same; alternating; one change after the first bit.
        let candidates = [
            [(first, first, 127.0), (first, first, 0.0)],
            [(first, other, 64.0), (other, first, 63.0)],
            [(first, other, 1.0), (other, other, 126.0)],
        ];
        for candidate in candidates {
            if candidate.iter().all(|(from, to, _)| step[*from][*to] > 0.0) {
                let steps = candidate.iter().map(|(from, to, n)| n * -step[*from][*to].log2());
                least = least.min(-start[first].log2() + steps.sum::<f64>());
            }
        }
    }
    least
}

/// Bits of a block, and blocks that only fill the dictionary.
const BLOCK: usize = 6;
const DICTIONARY: usize = 1000;
const SYMBOLS: f64 = 64.0;

/// Section 6.3.4, after Maurer: how far back the last equal block lies. `None` for too few.
#[must_use]
pub fn compression(bits: &[u8]) -> Option<Estimate> {
    let value = |block: &[u8]| block.iter().fold(0usize, |v, bit| v << 1 | usize::from(bit & 1));
    let blocks: Vec<usize> = bits.chunks_exact(BLOCK).map(value).collect();
    let tested = blocks.len().checked_sub(DICTIONARY).filter(|v| *v > 1)? as f64;
    let mut last = [0usize; 1 << BLOCK];
    let (mut sum, mut squares) = (Sum::default(), Sum::default());
    for (i, block) in blocks.iter().enumerate() {
        if i >= DICTIONARY {
            let log = ((i + 1 - last[*block]) as f64).log2();
            sum.add(log);
            squares.add(log * log);
        }
        last[*block] = i + 1;
    }
    let mean = sum.0 / tested;
    let sigma = 0.5907 * (squares.0 / (tested - 1.0) - mean * mean).sqrt();
    let bound = mean - Z_ALPHA * sigma / tested.sqrt();
    let p = solve(bound, blocks.len());
    let (p, min_entropy) = match p {
        Some(p) => (p, -p.log2() / BLOCK as f64),
        None => (1.0 / SYMBOLS, 1.0),
    };
    Some(Estimate {
        name: "Compression",
        min_entropy,
        values: vec![("X-bar", mean), ("sigma-hat", sigma), ("X-bar'", bound), ("p", p)],
    })
}

/// The probability of the likeliest block for which the mean is `target`, by bisection; the
/// mean falls as p grows.
fn solve(target: f64, blocks: usize) -> Option<f64> {
    let logs: Vec<f64> = (0..=blocks).map(|i| (i as f64).log2()).collect();
    let mean = |p: f64| {
        let q = (1.0 - p) / (SYMBOLS - 1.0);
        expected(p, &logs) + (SYMBOLS - 1.0) * expected(q, &logs)
    };
    let (mut low, mut high) = (1.0 / SYMBOLS, 1.0);
    if mean(low) <= target {
        return None;
    }
    loop {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            return Some(high);
        }
        if mean(middle) > target {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// G(z) of the standard, from the sums of log2(u)·(1 − z)^(u − 1).
fn expected(z: f64, logs: &[f64]) -> f64 {
    let blocks = logs.len() - 1;
    let miss = 1.0 - z;
    // `power` is (1 − z)^(u − 1) at u.
    let mut power = miss;
    let mut head = Sum::default();
    for log in &logs[2..=DICTIONARY] {
        head.add(log * power);
        power *= miss;
    }
    let (mut tail, mut tails) = (Sum::default(), Sum::default());
    for (u, log) in logs.iter().enumerate().skip(DICTIONARY + 1) {
        let term = log * power;
        if term == 0.0 {
            break;
        }
        tail.add(term);
        tails.add((blocks - u) as f64 * term);
        power *= miss;
    }
    let tested = (blocks - DICTIONARY) as f64;
    z * (z * (tails.0 + tested * head.0) + tail.0) / tested
}

/// Kahan's compensated sum.
#[derive(Default)]
struct Sum(f64, f64);

impl Sum {
    fn add(&mut self, value: f64) {
        let corrected = value - self.1;
        let total = self.0 + corrected;
        self.1 = (total - self.0) - corrected;
        self.0 = total;
    }
}
