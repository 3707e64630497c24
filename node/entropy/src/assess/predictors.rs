//! The prediction estimators (SP 800-90B 6.3.7 to 6.3.10): how often a simple predictor is
//! right, over all and in its longest run.

use super::{Estimate, entropy_of, upper_bound};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Counts of one predictor.
#[derive(Default)]
struct Score {
    correct: u64,
    run: u64,
    longest: u64,
}

impl Score {
    fn count(&mut self, right: bool) {
        if right {
            self.correct += 1;
            self.run += 1;
            self.longest = self.longest.max(self.run);
        } else {
            self.run = 0;
        }
    }

    /// The estimate from `n` predictions over `alphabet` symbols.
    fn estimate(&self, name: &'static str, n: usize, alphabet: usize) -> Estimate {
        let count = n as f64;
        let global = self.correct as f64 / count;
        let bound = if self.correct > 0 { upper_bound(global, count) } else { 1.0 - 0.01f64.powf(1.0 / count) };
        let r = self.longest as f64 + 1.0;
        let mut values =
            vec![("C", self.correct as f64), ("r", r), ("N", count), ("P_global", global), ("P_global'", bound)];
        let mut p = bound.max(1.0 / alphabet as f64);
        if p < 1.0 && no_run(p, r, count) > 0.99f64.ln() {
            p = local(p, r, count);
            values.push(("P_local", p));
        }
        Estimate { name, min_entropy: entropy_of(p), values }
    }
}

/// ln of the probability that `n` predictions, each right with probability `p`, hold no run
/// of `r` (Feller). With y the excess of the root x over 1, nothing cancels.
fn no_run(p: f64, r: f64, n: f64) -> f64 {
    let q = 1.0 - p;
    let scale = q * p.powf(r);
    let mut y = 0.0f64;
    for _ in 0..66 {
        let next = scale * (1.0 + y).powf(r + 1.0);
        let done = (next - y).abs() <= f64::EPSILON * y.abs() * 0.5;
        y = next;
        if done {
            break;
        }
    }
    (-p * y / q).ln_1p() - (-r * y).ln_1p() - (n + 1.0) * y.ln_1p()
}

/// The probability for which a longest run below `r` has probability 0.99.
fn local(low: f64, r: f64, n: f64) -> f64 {
    let target = 0.99f64.ln();
    let (mut low, mut high) = (low, 1.0);
    loop {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        // Near 1 the expression is not defined; such a p is too high in any case.
        let value = no_run(middle, r, n);
        if value > target { low = middle } else { high = middle }
    }
}

const WINDOWS: [usize; 4] = [63, 255, 1023, 4095];

/// The most frequent symbol of the last `width` symbols, the most recent among equals.
struct Window {
    width: usize,
    counts: Vec<u32>,
    latest: Vec<usize>,
    frequent: u8,
    score: u64,
}

impl Window {
    fn push(&mut self, symbols: &[u8], i: usize) {
        let symbol = symbols[i];
        let entering = usize::from(symbol);
        self.counts[entering] += 1;
        self.latest[entering] = i;
        let leaving = i.checked_sub(self.width).map(|at| symbols[at]);
        if let Some(leaving) = leaving {
            self.counts[usize::from(leaving)] -= 1;
        }
        if leaving == Some(self.frequent) {
            let best = (0..self.counts.len()).max_by_key(|k| (self.counts[*k], self.latest[*k]));
            // Symbols are bytes, so an index is one.
            self.frequent = best.unwrap_or(0) as u8;
        } else if self.counts[entering] >= self.counts[usize::from(self.frequent)] {
            self.frequent = symbol;
        }
    }
}

/// Section 6.3.7, MultiMCW.
#[must_use]
pub fn most_common_in_window(symbols: &[u8], alphabet: usize) -> Option<Estimate> {
    let largest = WINDOWS[WINDOWS.len() - 1];
    if symbols.len() <= largest {
        return None;
    }
    let mut windows = WINDOWS.map(|width| Window {
        width,
        counts: vec![0; alphabet],
        latest: vec![0; alphabet],
        frequent: symbols[0],
        score: 0,
    });
    let mut score = Score::default();
    let mut winner = 0;
    for (i, symbol) in symbols.iter().enumerate() {
        if i >= WINDOWS[0] {
            score.count(windows[winner].frequent == *symbol);
            for j in 0..windows.len() {
                if i >= windows[j].width && windows[j].frequent == *symbol {
                    windows[j].score += 1;
                    if windows[j].score >= windows[winner].score {
                        winner = j;
                    }
                }
            }
        }
        windows.iter_mut().for_each(|window| window.push(symbols, i));
    }
    Some(score.estimate("MultiMCW Prediction", symbols.len() - WINDOWS[0], alphabet))
}

const LAGS: usize = 128;

/// Section 6.3.8: the symbol some steps back.
#[must_use]
pub fn lag(symbols: &[u8], alphabet: usize) -> Option<Estimate> {
    if symbols.len() < 3 {
        return None;
    }
    let mut scores = [0u64; LAGS];
    let mut winner = 0;
    let mut score = Score::default();
    for i in 1..symbols.len() {
        score.count(symbols[i] == symbols[i - winner - 1]);
        for (back, earlier) in symbols[i.saturating_sub(LAGS)..i].iter().rev().enumerate() {
            if *earlier == symbols[i] {
                scores[back] += 1;
                if scores[back] >= scores[winner] {
                    winner = back;
                }
            }
        }
    }
    Some(score.estimate("Lag Prediction", symbols.len() - 1, alphabet))
}

/// What has followed one context, and the most frequent of it, the greatest among equals.
#[derive(Default)]
struct Followers {
    counts: Vec<(u8, u32)>,
    best: u32,
    prediction: u8,
}

impl Followers {
    /// Counts `symbol`; a new one only if `may_add`. Whether it was new.
    fn count(&mut self, symbol: u8, may_add: bool) -> bool {
        let known = self.counts.iter_mut().find(|(s, _)| *s == symbol);
        let added = known.is_none();
        let count = match known {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None if may_add => {
                self.counts.push((symbol, 1));
                1
            }
            None => return false,
        };
        if count > self.best || (count == self.best && symbol > self.prediction) {
            self.best = count;
            self.prediction = symbol;
        }
        added
    }
}

const DEPTH: usize = 16;

/// What followed each context of one length. Never iterated, so its order cannot matter.
type Contexts = HashMap<u128, Followers, BuildHasherDefault<Fold>>;

/// A quick hash of one number; the keys are recorded samples, not an adversary's choice.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u128(u128::from(*byte)));
    }

    fn write_u128(&mut self, key: u128) {
        const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        let product = (key ^ u128::from(self.0)).wrapping_mul(ODD);
        // The upper half depends on every bit of the key.
        self.0 = (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn no_contexts() -> Vec<Contexts> {
    (0..DEPTH).map(|_| Contexts::default()).collect()
}

/// The up to 16 symbols before `i` as a number, the last one lowest.
fn context(symbols: &[u8], i: usize) -> u128 {
    let start = i.saturating_sub(DEPTH);
    symbols[start..i].iter().fold(0, |key, symbol| key << 8 | u128::from(*symbol))
}

/// The last `length` (1 to 16) symbols of a context. Different lengths are kept in different
/// maps.
fn last(context: u128, length: usize) -> u128 {
    context & (u128::MAX >> (8 * (DEPTH - length)))
}

/// Entries per depth of [`markov_model`].
const MODEL_ENTRIES: usize = 100_000;

/// Section 6.3.9, MultiMMC: Markov models of order 1 to 16.
#[must_use]
pub fn markov_model(symbols: &[u8], alphabet: usize) -> Option<Estimate> {
    if symbols.len() < DEPTH + 2 {
        return None;
    }
    let mut models = no_contexts();
    let mut entries = [1usize; DEPTH];
    for (d, model) in models.iter_mut().enumerate() {
        let followers = model.entry(context(symbols, d + 1)).or_default();
        followers.count(symbols[d + 1], true);
    }
    let mut scores = [0u64; DEPTH];
    let mut winner = 0;
    let mut score = Score::default();
    for i in 2..symbols.len() {
        let leader = winner;
        let before = context(symbols, i);
        let mut found = true;
        for d in 0..DEPTH.min(i - 1) {
            let key = last(before, d + 1);
            let room = entries[d] < MODEL_ENTRIES;
            // Where a shorter context is unknown the longer ones are as well.
            let followers = if found { models[d].get_mut(&key) } else { None };
            found = followers.is_some();
            if let Some(followers) = followers {
                let right = followers.prediction == symbols[i];
                if right {
                    scores[d] += 1;
                    if scores[d] >= scores[winner] {
                        winner = d;
                    }
                }
                if d == leader {
                    score.count(right);
                }
                entries[d] += usize::from(followers.count(symbols[i], room));
            } else if room {
                models[d].entry(key).or_default().count(symbols[i], true);
                entries[d] += 1;
            }
        }
    }
    Some(score.estimate("MultiMMC Prediction", symbols.len() - 2, alphabet))
}

/// Contexts in all of [`lz78y`].
const DICTIONARY: usize = 65_536;

/// Section 6.3.10: a dictionary in the manner of LZ78.
#[must_use]
pub fn lz78y(symbols: &[u8], alphabet: usize) -> Option<Estimate> {
    if symbols.len() < DEPTH + 4 {
        return None;
    }
    let mut contexts = no_contexts();
    for (d, known) in contexts.iter_mut().enumerate() {
        let followers = known.entry(last(context(symbols, DEPTH), d + 1)).or_default();
        followers.count(symbols[DEPTH], true);
    }
    let mut size = DEPTH;
    let mut score = Score::default();
    for i in DEPTH + 1..symbols.len() {
        let before = context(symbols, i);
        let mut best = 0;
        let mut prediction = None;
        for d in (0..DEPTH).rev() {
            let key = last(before, d + 1);
            if let Some(followers) = contexts[d].get_mut(&key) {
                if followers.best > best {
                    best = followers.best;
                    prediction = Some(followers.prediction);
                }
                followers.count(symbols[i], true);
            } else if size < DICTIONARY {
                contexts[d].entry(key).or_default().count(symbols[i], true);
                size += 1;
            }
        }
        score.count(prediction == Some(symbols[i]));
    }
    Some(score.estimate("LZ78Y Prediction", symbols.len() - DEPTH - 1, alphabet))
}
