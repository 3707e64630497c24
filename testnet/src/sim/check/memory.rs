//! What an engine holds is bounded, whatever others send.

use beacon_engine::serve::MAX_ROUNDS;

use super::{Checker, Facts, Seen};
use crate::sim::node::Node;

pub const NAME: &str = "memory";

/// What an engine may print of itself for each member and round of a window, and besides, in bytes. An honest run
/// stays below a third of it.
const FOR_EACH: usize = 16_000;
const BESIDES: usize = 60_000;
/// And for each member and certified round that it has missed: answers of others wait for their turn, or for the next
/// committee. [sync-1]
const FOR_EACH_MISSED: usize = 4_000;
/// Four answers wait at most.
const MOST_MISSED: u64 = 4 * MAX_ROUNDS as u64;

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
        let newest = facts.nodes.iter().map(Node::head).max().unwrap_or(0);
        let missed = (newest - facts.nodes[*node].head()).min(MOST_MISSED);
        let each = FOR_EACH * facts.schedule.window as usize + FOR_EACH_MISSED * missed as usize;
        let most = BESIDES + each * facts.nodes.len();
        if held <= most { Ok(()) } else { Err(format!("node {node} holds {held} bytes, more than {most}")) }
    }
}

/// Rounds that come while the next committee does not, or from several peers at once, wait for their turn. [sync-1]
#[test]
fn who_catches_up_holds_no_more_than_it_has_missed() {
    use crate::sim::{GENESIS_TIME, Net, Setup};

    let mut net = Net::new(&Setup { weights: vec![1; 4], period: 0, epoch_windows: 30, ..Setup::default() });
    net.record = false;
    net.checks.on = true;
    net.start_all();
    assert!(net.run_to(1, GENESIS_TIME + 5_000));
    net.crash(3);
    assert!(net.run_to(100, GENESIS_TIME + 600_000));
    net.start(3);
    while net.nodes[3].head() < 100 {
        assert!(net.advance());
        net.look();
        assert!(net.checks.violations.is_empty(), "{:?}", net.checks.violations);
    }
}
