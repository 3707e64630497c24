//! What must hold whatever goes wrong: one small checker for each promise, shown everything that honest nodes do.

mod accusation;
mod agreement;
mod client;
mod erasure;
mod memory;
mod pace;
mod secrecy;
mod signing;
mod withholding;

use std::collections::BTreeMap;
use std::sync::Arc;

use beacon_engine::batch::Record;
use beacon_engine::event::{Fault, Halt, Message};
use beacon_spec::chain::Beacon;
use beacon_spec::committee::Committee;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::VotingKey;
use beacon_spec::schedule::Schedule;

use super::adversary::Adversaries;
use super::ledger::Ledger;
use super::node::Node;

/// Something that an honest node does.
pub enum Seen<'a> {
    /// A message leaves it.
    Sent {
        from: usize,
        message: &'a Message,
    },
    /// It hands a record to its disk.
    Wrote {
        node: usize,
        record: &'a Record,
    },
    Published {
        node: usize,
        beacon: &'a Beacon,
    },
    Accused {
        node: usize,
        fault: &'a Fault,
    },
    Stopped {
        node: usize,
        halt: &'a Halt,
    },
    /// It is looked at for what it holds in memory.
    Holds {
        node: usize,
    },
    /// The secrets of these voting keys are about to be erased.
    Erased {
        node: usize,
        keys: &'a [VotingKey],
    },
}

impl Seen<'_> {
    fn node(&self) -> usize {
        match self {
            Seen::Sent { from, .. } => *from,
            Seen::Wrote { node, .. }
            | Seen::Published { node, .. }
            | Seen::Accused { node, .. }
            | Seen::Stopped { node, .. }
            | Seen::Holds { node }
            | Seen::Erased { node, .. } => *node,
        }
    }
}

/// How things stand when it is seen.
pub struct Facts<'a> {
    pub now: u64,
    pub nodes: &'a [Node],
    pub schedule: &'a Schedule,
    pub committees: &'a BTreeMap<u64, Arc<Committee>>,
    pub adversaries: &'a Adversaries,
    pub ledger: &'a Ledger,
}

impl Facts<'_> {
    /// The node of a member of an epoch's committee.
    fn node_of(&self, epoch: u64, member: u16) -> Option<usize> {
        let identity = self.committees.get(&epoch)?.signers().identity(member)?;
        self.nodes.iter().position(|node| node.config.identity == identity)
    }

    /// Whether a member of an epoch's committee is an adversary.
    fn is_adversary(&self, epoch: u64, member: u16) -> bool {
        self.node_of(epoch, member).is_some_and(|node| self.adversaries.is_adversary(node))
    }

    fn committee_of(&self, round: u64) -> Option<&Committee> {
        self.committees.get(&self.schedule.epoch_of(round)).map(|committee| &**committee)
    }

    /// Whether the clocks of honest members of more than a third of the weight have reached T(round).
    fn is_due(&self, round: u64) -> bool {
        let (Some(committee), Ok(due)) = (self.committee_of(round), self.schedule.time_of(round)) else { return false };
        let signers = committee.signers();
        let weight: u64 = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(index, node)| !self.adversaries.is_adversary(*index) && node.reached(self.now) >= due)
            .filter_map(|(_, node)| Some(signers.weight(signers.index_of(&node.config.identity)?)))
            .sum();
        3 * weight > signers.total_weight()
    }
}

trait Checker: Send {
    fn name(&self) -> &'static str;
    /// The promise that `seen` breaks.
    fn see(&mut self, seen: &Seen, facts: &Facts) -> Result<(), String>;
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    pub at: u64,
    pub checker: &'static str,
    pub what: String,
}

/// All checkers and what they have found.
pub struct Checks {
    checkers: Vec<Box<dyn Checker>>,
    pub violations: Vec<Violation>,
    /// Off for networks that are told to break promises.
    pub on: bool,
}

/// The names of the checkers, liveness included, which a run judges by itself.
pub const NAMES: [&str; 10] = [
    agreement::NAME,
    secrecy::NAME,
    withholding::NAME,
    signing::NAME,
    accusation::NAME,
    client::NAME,
    memory::NAME,
    pace::NAME,
    erasure::NAME,
    LIVENESS,
];
pub use agreement::NAME as AGREEMENT;
/// Violations of one simulation that are kept.
const MOST: usize = 64;
pub const LIVENESS: &str = "liveness";

impl Checks {
    /// For a chain whose genesis for clients is `light`.
    pub fn new(chain: Digest32, light: Vec<u8>) -> Checks {
        Checks {
            checkers: vec![
                Box::new(agreement::Agreement::default()),
                Box::new(secrecy::Secrecy::default()),
                Box::new(withholding::Withholding::default()),
                Box::new(signing::Signing::new(chain)),
                Box::new(accusation::Accusation(chain)),
                Box::new(client::Client::new(chain, light)),
                Box::new(memory::Memory),
                Box::new(pace::Pace),
                Box::new(erasure::Erasure),
            ],
            violations: Vec::new(),
            on: false,
        }
    }

    pub(super) fn see(&mut self, seen: &Seen, facts: &Facts) {
        if !self.on || facts.adversaries.is_adversary(seen.node()) {
            return;
        }
        for checker in &mut self.checkers {
            // A planted bug is in the engines under test, not in who judges them.
            let verdict = beacon_spec::sabotage::aside(|| checker.see(seen, facts));
            if let Err(what) = verdict
                && self.violations.len() < MOST
            {
                self.violations.push(Violation { at: facts.now, checker: checker.name(), what });
            }
        }
    }

    pub fn broken(&mut self, at: u64, checker: &'static str, what: String) {
        self.violations.push(Violation { at, checker, what });
    }
}
