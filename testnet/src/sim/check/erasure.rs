//! No secret is erased that is in force, or will be: one bundle's secrets go when the first header under another is on
//! disk.

use super::{Checker, Facts, Seen};

pub const NAME: &str = "erasure";

pub struct Erasure;

impl Checker for Erasure {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, seen: &Seen, facts: &Facts) -> Result<(), String> {
        let Seen::Erased { node, keys } = seen else { return Ok(()) };
        let machine = &facts.nodes[*node];
        let head = machine.disk.rounds.last_key_value().map_or(1, |(round, _)| *round);
        // A power cut now would leave it in this epoch, if not later.
        for (epoch, committee) in facts.committees.range(facts.schedule.epoch_of(head)..) {
            let own = committee.members().iter().find(|member| member.identity == machine.config.identity);
            if own.is_some_and(|own| keys.contains(&own.bundle.voting_key)) {
                return Err(format!(
                    "node {node} erases its secrets of epoch {epoch}, and the newest header on its disk is {head}"
                ));
            }
        }
        Ok(())
    }
}
