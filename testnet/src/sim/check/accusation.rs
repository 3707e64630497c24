//! Every accusation is true: a crime was committed by its member, a bad message was sent by an adversary.

use beacon_engine::event::Fault;

use super::{Checker, Facts, Seen};

pub const NAME: &str = "accusation";

pub struct Accusation;

impl Checker for Accusation {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, seen: &Seen, facts: &Facts) -> Result<(), String> {
        let Seen::Accused { node, fault } = seen else { return Ok(()) };
        match fault {
            Fault::Crime { member, what } if facts.adversaries.crimes.contains(&(*member, *what)) => Ok(()),
            Fault::Crime { member, what } => Err(format!("node {node} accuses member {member} of {what}, wrongly")),
            Fault::Peer { peer, reason } => {
                let accused = facts.nodes.iter().position(|other| other.config.identity == *peer);
                match accused {
                    Some(other) if facts.adversaries.is_adversary(other) => Ok(()),
                    other => Err(format!("node {node} blames honest node {other:?}: {reason}")),
                }
            }
        }
    }
}
