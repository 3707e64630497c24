//! One step of a scenario: when, and what is done or expected then.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::sim::chaos::Fault;

/// Where a scenario is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// The simulator: engines in memory, virtual time.
    Sim,
    /// Processes of `beacon-node` on the loopback.
    Processes,
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            On::Sim => "sim",
            On::Processes => "processes",
        })
    }
}

/// When a step's turn has come, after the step before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    AtOnce,
    /// When some node has certified this round.
    Round(u64),
    /// So many milliseconds later.
    Wait(u64),
}

/// What is done to the network. Nodes are numbers of the file: members first, then observers.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// SIGKILL: what was written stays.
    Kill(Vec<usize>),
    /// A machine without power: what was not synced is lost, and the write under way is torn.
    PowerCut(Vec<usize>),
    /// SIGTERM.
    Stop(Vec<usize>),
    /// Starts nodes that are down; an observer joins by the chain hash and one member's address.
    Start(Vec<usize>),
    /// Starts members again so that they deal and vote but never open.
    Withhold(Vec<usize>),
    /// SIGSTOP and SIGCONT.
    Freeze(Vec<usize>),
    Thaw(Vec<usize>),
    Clock(Clock),
    /// Nothing passes between nodes of different groups.
    Partition(Vec<Vec<usize>>),
    Heal,
    /// The faults of the simulator's table, in millionths; those not named are off.
    Faults(Vec<(Fault, u32)>),
}

/// A clock is set to the true time and so much more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    pub node: usize,
    /// Milliseconds, ahead or behind.
    pub skew: i64,
}

/// What the network must show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Each of the nodes certifies so many rounds beyond the newest.
    Certify { rounds: u64, by: Vec<usize>, within: u64 },
    /// After a while no node certifies anything for so long.
    Stall { after: u64, lasting: u64 },
    /// A new round has so many contributors.
    Contributors { least: u64, within: u64 },
    /// A round of this epoch is certified.
    Epoch { number: u64, within: u64 },
    /// Of all rounds so far, in so many the dealing of a node was completed by recovery.
    Recovered { node: usize, rounds: u64 },
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Do(Act),
    Expect(Expectation),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub when: When,
    pub what: What,
}

impl Act {
    /// The nodes that the act is done to, one after the other; none for what befalls the network.
    pub fn nodes(&self) -> &[usize] {
        match self {
            Act::Kill(nodes)
            | Act::PowerCut(nodes)
            | Act::Stop(nodes)
            | Act::Start(nodes)
            | Act::Withhold(nodes)
            | Act::Freeze(nodes)
            | Act::Thaw(nodes) => nodes,
            Act::Clock(clock) => std::slice::from_ref(&clock.node),
            Act::Partition(_) | Act::Heal | Act::Faults(_) => &[],
        }
    }

    /// Why processes on one machine cannot do it, if they cannot.
    pub fn only_simulated(&self) -> Option<&'static str> {
        match self {
            Act::PowerCut(_) => Some("the kernel keeps what a killed process has written"),
            Act::Partition(_) | Act::Heal => Some("nothing on this machine keeps processes apart"),
            Act::Faults(_) => Some("nothing on this machine loses or delays what processes send"),
            _ => None,
        }
    }

    pub fn key(&self) -> &'static str {
        match self {
            Act::Kill(_) => "kill",
            Act::PowerCut(_) => "power_cut",
            Act::Stop(_) => "stop",
            Act::Start(_) => "start",
            Act::Withhold(_) => "withhold",
            Act::Freeze(_) => "freeze",
            Act::Thaw(_) => "thaw",
            Act::Clock(_) => "clock",
            Act::Partition(_) => "partition",
            Act::Heal => "heal",
            Act::Faults(_) => "faults",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Do(act) => act.fmt(f),
            What::Expect(expectation) => expectation.fmt(f),
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Clock(Clock { node, skew }) => write!(f, "clock of {node} {skew:+} ms"),
            Act::Partition(groups) => write!(f, "partition {groups:?}"),
            Act::Heal => f.write_str("heal"),
            Act::Faults(rates) => {
                let rates: BTreeMap<_, _> = rates.iter().map(|(fault, rate)| (fault.name(), rate)).collect();
                write!(f, "faults in millionths {rates:?}")
            }
            act => write!(f, "{} {:?}", act.key(), act.nodes()),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expectation::Certify { rounds, by, within } => {
                write!(f, "{by:?} certify {rounds} more rounds within {within} ms")
            }
            Expectation::Stall { after, lasting } => {
                write!(f, "no round is certified for {lasting} ms, after {after} ms")
            }
            Expectation::Contributors { least, within } => {
                write!(f, "a new round has {least} contributors or more within {within} ms")
            }
            Expectation::Epoch { number, within } => write!(f, "epoch {number} begins within {within} ms"),
            Expectation::Recovered { node, rounds } => {
                write!(f, "{rounds} rounds or more recovered the dealing of {node}")
            }
        }
    }
}
