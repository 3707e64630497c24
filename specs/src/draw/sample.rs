//! Unbiased sampling from the output of a round.

use alloc::vec::Vec;

use crate::hash::{Digest32, tag};
use crate::mix;

/// Bytes of one expansion.
const BLOCK: usize = 1024;

/// The bytes of one draw. [draw-8]
pub struct Stream {
    output: Digest32,
    draw: Digest32,
    next_block: u64,
    block: Vec<u8>,
    used: usize,
}

impl Stream {
    pub fn new(output: Digest32, draw: Digest32) -> Stream {
        Stream { output, draw, next_block: 0, block: Vec::new(), used: 0 }
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    /// A number from 0 to n − 1, each as likely; 0 for n = 0. [draw-9]
    pub fn below(&mut self, n: u64) -> u64 {
        match n.checked_sub(1) {
            Some(greatest) => self.up_to(greatest),
            None => 0,
        }
    }

    /// A number from 0 to `greatest`, each as likely.
    pub fn up_to(&mut self, greatest: u64) -> u64 {
        let n = u128::from(greatest) + 1;
        let multiple = (1u128 << 64) / n * n;
        loop {
            let word: [u8; 8] = core::array::from_fn(|_| self.byte());
            let number = u128::from(u64::from_be_bytes(word));
            if number < multiple {
                return (number % n) as u64; // below n, which is at most 2^64
            }
        }
    }

    fn byte(&mut self) -> u8 {
        if self.used == self.block.len() {
            let label = [tag::DRAW_STREAM.as_bytes(), &self.draw.0, &self.next_block.to_be_bytes()].concat();
            self.block =
                mix::expand(&self.output, &label, BLOCK).expect("a block is within the limit of one expansion");
            self.next_block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }
}

/// Weights of entries that are still to be drawn, with sums over ranges (a Fenwick tree).
pub struct Weights {
    tree: Vec<u64>,
    total: u64,
}

impl Weights {
    /// The sum of all weights must be below 2^64.
    pub fn new(weights: impl IntoIterator<Item = u64>) -> Weights {
        let mut tree: Vec<u64> = core::iter::once(0).chain(weights).collect();
        let total = tree.iter().sum();
        for place in 1..tree.len() {
            let parent = place + (place & place.wrapping_neg());
            if parent < tree.len() {
                tree[parent] += tree[place];
            }
        }
        Weights { tree, total }
    }

    /// The sum of the weights that are left.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The first entry with which the running sum exceeds `point`, which is below the total; and removes it.
    pub fn take(&mut self, point: u64, weight: impl Fn(usize) -> u64) -> usize {
        let (mut place, mut left) = (0, point);
        let mut step = self.tree.len().next_power_of_two();
        while step > 0 {
            if let Some(sum) = self.tree.get(place + step).filter(|sum| **sum <= left) {
                left -= sum;
                place += step;
            }
            step /= 2;
        }
        let weight = weight(place);
        self.total -= weight;
        let mut cover = place + 1;
        while cover < self.tree.len() {
            self.tree[cover] -= weight;
            cover += cover & cover.wrapping_neg();
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seed: u8) -> Stream {
        Stream::new(Digest32([seed; 32]), Digest32([7; 32]))
    }

    #[test]
    fn draw_9_numbers_are_in_range_and_even() {
        let mut counts = [0u32; 7];
        let mut bytes = stream(1);
        for _ in 0..70_000 {
            counts[bytes.below(7) as usize] += 1;
        }
        // Six degrees of freedom: 30 is exceeded once in 25,000 streams, and this one is fixed.
        let squares: f64 = counts.iter().map(|count| (f64::from(*count) - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(squares < 30.0, "{counts:?}");
        assert_eq!((bytes.below(1), bytes.below(0), bytes.up_to(0)), (0, 0, 0));
        assert!((0..1000).all(|_| bytes.up_to(u64::MAX / 2 + 5) <= u64::MAX / 2 + 5));
        bytes.up_to(u64::MAX);
    }

    #[test]
    fn draw_9_numbers_beyond_the_greatest_multiple_are_drawn_again() {
        // For n = 2^63 + 1 almost every second word is refused, so fewer than the words used come out.
        let n = (1u64 << 63) + 1;
        let (mut bytes, mut plain) = (stream(2), stream(2));
        let drawn: Vec<u64> = (0..200).map(|_| bytes.below(n)).collect();
        let words: Vec<u64> = (0..1000).map(|_| plain.up_to(u64::MAX)).filter(|word| *word < n).take(200).collect();
        assert_eq!(drawn, words);
    }

    #[test]
    fn draw_11_weighted_takes_follow_the_running_sum() {
        let weights = [3u64, 1, 4, 1, 5, 9, 2, 6];
        for point in 0..31 {
            let mut tree = Weights::new(weights);
            assert_eq!(tree.total(), 31);
            let mut sum = 0;
            let expected = weights.iter().position(|weight| {
                sum += weight;
                sum > point
            });
            assert_eq!(Some(tree.take(point, |place| weights[place])), expected);
        }
        let mut tree = Weights::new(weights);
        let mut taken: Vec<usize> = Vec::new();
        let mut bytes = stream(3);
        while tree.total() > 0 {
            taken.push(tree.take(bytes.below(tree.total()), |place| weights[place]));
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..8).collect::<Vec<_>>());
    }
}
