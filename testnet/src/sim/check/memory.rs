//! What an engine holds is bounded, whatever others send.

use super::{Checker, Facts, Seen};

pub const NAME: &str = "memory";

/// What an engine may print of itself for each member and round of a window, and besides, in bytes. An honest run
/// stays below a third of it.
const FOR_EACH: usize = 16_000;
const BESIDES: usize = 60_000;

pub struct Memory;

impl Checker for Memory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, seen: &Seen, facts: &Facts) -> Result<(), String> {
        let Seen::Holds { node } = seen else { return Ok(()) };
        let Some(engine) = &facts.nodes[*node].engine else { return Ok(()) };
        // Its own account of its state is as long as what it holds is large.
        let held = format!("{engine:?}").len();
        let most = BESIDES + FOR_EACH * facts.nodes.len() * facts.schedule.window as usize;
        if held <= most { Ok(()) } else { Err(format!("node {node} holds {held} bytes, more than {most}")) }
    }
}
