//! The t-tuple and longest repeated substring estimators (SP 800-90B 6.3.5 and 6.3.6).

use super::suffixes::{common_prefixes, suffix_array};
use super::{Estimate, entropy_of, upper_bound};

/// A tuple must occur this often to count for the t-tuple estimate.
const OFTEN: u64 = 35;

/// For each length: how often the most frequent tuple occurs, and how many pairs of equal
/// tuples there are. Index 0 is length 0 and unused.
struct Repeats {
    most: Vec<u64>,
    pairs: Vec<u128>,
}

/// Neighbouring suffixes are joined from the longest common prefix down; a group at length t
/// is all occurrences of one t-tuple.
fn repeats(symbols: &[u8]) -> Repeats {
    let order = suffix_array(symbols);
    let prefixes = common_prefixes(symbols, &order);
    let longest = prefixes.iter().copied().max().unwrap_or(0) as usize;
    let mut by_length = vec![Vec::new(); longest + 1];
    for (i, prefix) in prefixes.iter().enumerate().skip(1) {
        by_length[*prefix as usize].push(i);
    }
    let mut groups = Groups::new(order.len());
    let mut result = Repeats { most: vec![1; longest + 1], pairs: vec![0; longest + 1] };
    for length in (1..=longest).rev() {
        by_length[length].iter().for_each(|i| groups.join(*i - 1, *i));
        result.most[length] = groups.largest;
        result.pairs[length] = groups.pairs;
    }
    result
}

/// Disjoint sets with path halving and union by size.
struct Groups {
    parent: Vec<u32>,
    size: Vec<u32>,
    largest: u64,
    pairs: u128,
}

impl Groups {
    fn new(n: usize) -> Groups {
        Groups { parent: (0..n as u32).collect(), size: vec![1; n], largest: 1, pairs: 0 }
    }

    fn root(&mut self, mut i: usize) -> usize {
        while self.parent[i] as usize != i {
            self.parent[i] = self.parent[self.parent[i] as usize];
            i = self.parent[i] as usize;
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (mut a, mut b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        if self.size[a] < self.size[b] {
            std::mem::swap(&mut a, &mut b);
        }
        self.pairs += u128::from(self.size[a]) * u128::from(self.size[b]);
        self.size[a] += self.size[b];
        self.parent[b] = a as u32;
        self.largest = self.largest.max(u64::from(self.size[a]));
    }
}

/// Both estimates; each is absent when the samples do not allow it.
#[must_use]
pub fn estimates(symbols: &[u8]) -> (Option<Estimate>, Option<Estimate>) {
    let n = symbols.len() as f64;
    let repeats = repeats(symbols);
    let longest = repeats.most.len() - 1;
    // u is the shortest length whose most frequent tuple occurs fewer than 35 times.
    let u = (1..=longest).find(|i| repeats.most[*i] < OFTEN).unwrap_or(longest + 1);
    let root = |p: f64, length: usize| p.powf(1.0 / length as f64);

    let share = |i: usize| root(repeats.most[i] as f64 / (n - i as f64 + 1.0), i);
    let p_tuple = (1..u).map(share).fold(0.0, f64::max);
    let tuple = (u > 1).then(|| {
        let bound = upper_bound(p_tuple, n);
        Estimate {
            name: "t-Tuple",
            min_entropy: entropy_of(bound),
            values: vec![("t", (u - 1) as f64), ("p-hat_max", p_tuple), ("p_u", bound)],
        }
    });

    let collision = |i: usize| {
        let places = n - i as f64 + 1.0;
        root(repeats.pairs[i] as f64 / (places * (places - 1.0) / 2.0), i)
    };
    let p_repeat = (u..=longest).map(collision).fold(0.0, f64::max);
    let repeated = (longest >= u).then(|| {
        let bound = upper_bound(p_repeat, n);
        Estimate {
            name: "LRS",
            min_entropy: entropy_of(bound),
            values: vec![("u", u as f64), ("v", longest as f64), ("p-hat", p_repeat), ("p_u", bound)],
        }
    });
    (tuple, repeated)
}
