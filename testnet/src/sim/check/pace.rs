//! The look-ahead is one window: nobody deals for a window, or agrees on it, before the last header of the window before
//! the one before it is certified. [agree-2]

use beacon_engine::event::Message;

use super::{Checker, Facts, Seen};

pub const NAME: &str = "pace";

pub struct Pace;

impl Checker for Pace {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, seen: &Seen, facts: &Facts) -> Result<(), String> {
        let Seen::Sent { from, message } = seen else { return Ok(()) };
        let window = match message {
            Message::Commitment(commitment) => commitment.signed.body.window,
            Message::Consensus(message) => message.height(),
            _ => return Ok(()),
        };
        let machine = &facts.nodes[*from];
        let start = facts.schedule.genesis_time.saturating_sub(machine.config.parameters.lead);
        if machine.reached(facts.now) < start {
            return Err(format!("node {from} begins with window {window} before the genesis is near"));
        }
        let needed = window.checked_sub(2).filter(|window| *window > 0);
        let needed = needed.map_or(0, |window| *facts.schedule.rounds_of(window).end());
        if machine.head() < needed {
            return Err(format!(
                "node {from} begins with window {window} before header {needed} is certified: it is at {}",
                machine.head()
            ));
        }
        Ok(())
    }
}
