//! Every accusation is true and provable: its member committed the crime, and the evidence shows it to others; a bad
//! message was sent by an adversary.

use beacon_engine::event::Fault;
use beacon_spec::hash::Digest32;
use beacon_spec::reject::Reject;

use super::{Checker, Facts, Seen};

pub const NAME: &str = "accusation";

/// With the chain that evidence is of.
pub struct Accusation(pub Digest32);

impl Checker for Accusation {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, seen: &Seen, facts: &Facts) -> Result<(), String> {
        let Seen::Accused { node, fault } = seen else { return Ok(()) };
        match fault {
            Fault::Crime(evidence) => {
                let (member, what) = (evidence.member(), evidence.crime().words());
                let epoch = evidence.epoch(facts.schedule);
                let culprit = facts.node_of(epoch, member);
                if !culprit.is_some_and(|culprit| facts.adversaries.crimes.contains(&(culprit, evidence.crime()))) {
                    return Err(format!("node {node} accuses member {member} of epoch {epoch} of {what}, wrongly"));
                }
                let committee = facts.committees.get(&epoch).ok_or(Reject::WrongEpoch);
                let proof = committee.and_then(|committee| evidence.verify(&self.0, facts.schedule, committee));
                proof.map_err(|reason| format!("node {node} does not prove that member {member} made {what}: {reason}"))
            }
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
