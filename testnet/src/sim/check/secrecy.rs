//! No honest secret is seen before its time (P2 of the threat model).
//!
//! The adversary reads all that is sent and holds its own ticket keys. An opening tells its dealer's secret; shares
//! tell one as soon as they stand, with the adversary's own positions, at ⌈T/2⌉ of a dealing. So an honest member opens
//! and says ready only when its own gate is open, and no honest dealing is determined by shares before the clocks of
//! honest members of more than a third of the weight have reached its time; nothing outside a decided set ever is.

use std::collections::{BTreeMap, BTreeSet};

use beacon_engine::event::Message;
use beacon_spec::hash::Digest32;
use beacon_spec::message::{Opening, Shares};

use super::{Checker, Facts, Seen};
use crate::sim::ledger::DealingId;

pub const NAME: &str = "secrecy";

#[derive(Default)]
pub struct Secrecy {
    /// Positions at which honest members have decrypted a dealing.
    positions: BTreeMap<DealingId, BTreeSet<u16>>,
}

impl Checker for Secrecy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, seen: &Seen, facts: &Facts) -> Result<(), String> {
        let Seen::Sent { from, message } = seen else { return Ok(()) };
        match message {
            Message::Opening(opening) => opened(*from, opening, facts),
            Message::Ready(ready) => gate(*from, ready.round, facts),
            Message::Shares(shares) => self.shared(*from, shares, facts),
            _ => Ok(()),
        }
    }
}

/// The gate of `node` for `round`: the decision on its disk, the header before certified here, its clock. [open-4]
fn gate(node: usize, round: u64, facts: &Facts) -> Result<(), String> {
    let machine = &facts.nodes[node];
    let due = facts.schedule.time_of(round).unwrap_or(u64::MAX);
    if machine.reached(facts.now) < due {
        return Err(format!("node {node} opens its gate for round {round}, due {due}, before its clock is there"));
    }
    if !machine.disk.decisions.contains_key(&facts.schedule.window_of(round)) {
        return Err(format!("node {node} opens its gate for round {round} without a decision on its disk"));
    }
    if machine.head() + 1 < round {
        return Err(format!("node {node} opens its gate for round {round} and has certified {}", machine.head()));
    }
    Ok(())
}

/// The decided commitment of `member`, as the disk of `node` has it.
fn decided(node: usize, round: u64, member: u16, facts: &Facts) -> Option<Digest32> {
    let decision = facts.nodes[node].disk.decisions.get(&facts.schedule.window_of(round))?;
    decision.value.set.iter().find(|entry| entry.member == member).map(|entry| entry.commitment)
}

fn opened(from: usize, opening: &Opening, facts: &Facts) -> Result<(), String> {
    gate(from, opening.round, facts)?;
    match decided(from, opening.round, opening.member, facts) {
        Some(_) => Ok(()),
        None => Err(format!("node {from} opens a dealing for round {} that was not decided", opening.round)),
    }
}

impl Secrecy {
    fn shared(&mut self, from: usize, shares: &Shares, facts: &Facts) -> Result<(), String> {
        let round = shares.round;
        let Some(committee) = facts.committee_of(round) else { return Ok(()) };
        let index = (round - facts.schedule.rounds_of(facts.schedule.window_of(round)).start()) as usize;
        for dealer in &shares.dealers {
            let Some(commitment) = decided(from, round, dealer.dealer, facts) else {
                return Err(format!("node {from} decrypts a dealing for round {round} that was not decided"));
            };
            let own = (commitment, index);
            let source = facts.ledger.derived.get(&own).copied().unwrap_or(own);
            let Some(verified) = facts.ledger.verified.get(&source.0) else { continue };
            let source_round = facts.schedule.rounds_of(verified.window()).start() + source.1 as u64;
            if facts.is_adversary(facts.schedule.epoch_of(source_round), verified.member()) {
                continue;
            }
            let known = self.positions.entry(source).or_default();
            known.extend(dealer.shares.iter().map(|share| share.position));
            let theirs = (1..=committee.ticket_set().tickets() as u16).filter(|position| {
                committee.owner(*position).is_some_and(|owner| facts.is_adversary(committee.epoch(), owner))
            });
            let count = known.iter().copied().chain(theirs).collect::<BTreeSet<u16>>().len();
            if count >= committee.ticket_set().threshold() && !facts.is_due(source_round) {
                return Err(format!(
                    "the dealing of honest member {} for round {source_round} is determined before its time: node \
                     {from} decrypts dealer {} of round {round}",
                    verified.member(),
                    dealer.dealer,
                ));
            }
        }
        Ok(())
    }
}
