//! One chain: honest nodes decide the same sets, certify the same headers in order, and none has to stop.

use std::collections::BTreeMap;

use beacon_engine::batch::Record;
use beacon_spec::hash::Digest32;

use super::{Checker, Facts, Seen};

pub const NAME: &str = "agreement";

#[derive(Default)]
pub struct Agreement {
    headers: BTreeMap<u64, (usize, Digest32)>,
    decided: BTreeMap<u64, (usize, Digest32)>,
}

/// Notes the first of each number; the node and the value of an earlier one that differs.
fn first(map: &mut BTreeMap<u64, (usize, Digest32)>, number: u64, node: usize, hash: Digest32) -> Option<usize> {
    let (other, before) = *map.entry(number).or_insert((node, hash));
    (before != hash).then_some(other)
}

impl Checker for Agreement {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, seen: &Seen, _: &Facts) -> Result<(), String> {
        match seen {
            Seen::Published { node, beacon } => {
                let round = beacon.header.round;
                match first(&mut self.headers, round, *node, beacon.header.hash()) {
                    Some(other) => Err(format!("nodes {other} and {node} certify two headers of round {round}")),
                    None => Ok(()),
                }
            }
            Seen::Wrote { node, record: Record::Decision(decision) } => {
                let window = decision.value.window;
                let id = beacon_spec::consensus::value_id(&decision.value.encode());
                match first(&mut self.decided, window, *node, id) {
                    Some(other) => Err(format!("nodes {other} and {node} decide two sets for window {window}")),
                    None => Ok(()),
                }
            }
            Seen::Stopped { node, halt } => Err(format!("honest node {node} stops: {halt:?}")),
            _ => Ok(()),
        }
    }
}
