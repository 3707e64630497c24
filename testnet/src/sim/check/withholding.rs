//! Whoever withholds what, the output is the one that all openings would have given (P1).

use std::collections::BTreeSet;

use beacon_spec::chain::Header;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::ScalarBytes;
use beacon_spec::{mix, pvss};

use super::{Checker, Facts, Seen};

pub const NAME: &str = "withholding";

#[derive(Default)]
pub struct Withholding {
    judged: BTreeSet<Digest32>,
}

impl Checker for Withholding {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, seen: &Seen, facts: &Facts) -> Result<(), String> {
        let Seen::Published { node, beacon } = seen else { return Ok(()) };
        let header = &beacon.header;
        if !self.judged.insert(header.hash()) {
            return Ok(());
        }
        match by_openings(*node, header, facts) {
            Some(output) if output != header.output => {
                Err(format!("the output of round {} is not the one that its openings give", header.round))
            }
            _ => Ok(()),
        }
    }
}

/// The output from the dealers' own one-time keys, if all of them are known: every dealer's that a job made.
fn by_openings(node: usize, header: &Header, facts: &Facts) -> Option<Digest32> {
    let decided = |node: usize| facts.nodes[node].disk.decisions.get(&header.window);
    let decision = decided(node).or_else(|| (0..facts.nodes.len()).find_map(decided))?;
    let index = (header.round - facts.schedule.rounds_of(header.window).start()) as usize;
    let mut hashes = Vec::new();
    let mut secrets = Vec::new();
    for entry in &decision.value.set {
        let dealing = facts.ledger.verified.get(&entry.commitment)?.dealings().get(index)?;
        let key = facts.ledger.keys.get(&entry.commitment)?.get(index).copied()?;
        hashes.push((entry.member, dealing.hash()));
        secrets.push((entry.member, pvss::open(dealing, &ScalarBytes(key)).ok()?));
    }
    let root = mix::dealing_set_root(header.round, &hashes);
    Some(mix::output(&header.chain, header.round, &header.previous, &root, &secrets))
}
