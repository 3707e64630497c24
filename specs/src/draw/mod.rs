//! Draws that others can check: from a list, rules and the output of one round to results.
//!
//! What is drawn follows from the chain, the round, its output, the rules and the list alone. Whoever names all but
//! the output in a draw hash before the round is due has nothing left to choose.

mod list;
mod rules;
mod sample;

pub use list::{BadList, Entry, List, MAX_ENTRIES, MAX_LIST_BYTES};
pub use rules::{BadRules, MAX_RESULTS, Rules};

use alloc::string::ToString;

use crate::hash::{Digest32, Hasher, tag};

/// The draw hash: what is published before the round is due. [draw-7]
pub fn hash(chain: &Digest32, round: u64, rules: &Rules, list: &Digest32) -> Digest32 {
    let hasher = Hasher::new(tag::DRAW).fixed(&chain.0).u64(round);
    hasher.framed(rules.to_string().as_bytes()).fixed(&list.0).finish()
}
