//! One seed from beginning to end: first everything may go wrong, then a core becomes healthy and must go on.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use beacon_spec::hash::Digest32;

use super::adversary::Adversaries;
use super::chaos::{Chaos, Fault, TABLE};
use super::check::{LIVENESS, Violation};
use super::net::Net;
use super::operators::Operators;
use super::setup::GENESIS_TIME;
use super::trace::Trace;
use super::{adversary, plan};

/// Rounds that are certified while everything may go wrong, if they can be, and after that.
const ROUGH_ROUNDS: u64 = 12;
const CALM_ROUNDS: u64 = 10;
/// No seed has fewer.
const LEAST_ROUNDS: u64 = 20;
/// The rough part ends after so many virtual milliseconds at the latest.
const ROUGH_TIME: u64 = 40_000;
/// The bound on liveness, virtual milliseconds: from the moment at which members of more than two thirds of the weight
/// are up, connected and at the right time, until a new round is certified by all of them; and for each further one.
pub const FIRST_ROUND_WITHIN: u64 = 60_000;
pub const EACH_ROUND_WITHIN: u64 = 15_000;

/// What came of one seed.
pub struct Outcome {
    pub seed: u64,
    pub rounds: u64,
    pub violations: Vec<Violation>,
    pub trace: Digest32,
    pub faults: [u64; TABLE.len()],
    pub crimes: BTreeMap<&'static str, u64>,
    /// What came of amendments.
    pub changes: BTreeMap<&'static str, u64>,
    /// Virtual milliseconds from the calm to the first new round of the whole core.
    pub recovery: u64,
    /// The readable trace, if it was asked for.
    pub lines: String,
}

/// Simulates a seed; a panic anywhere is a violation.
pub fn simulate(seed: u64, readable: bool) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| play(seed, readable))).unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().cloned();
        let what = what.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
        Outcome {
            seed,
            rounds: 0,
            violations: vec![Violation { at: 0, checker: "panic", what }],
            trace: Digest32::ZERO,
            faults: [0; TABLE.len()],
            crimes: BTreeMap::new(),
            changes: BTreeMap::new(),
            recovery: 0,
            lines: String::new(),
        }
    })
}

fn play(seed: u64, readable: bool) -> Outcome {
    let mut net = cast(seed);
    if readable {
        net.trace = Trace::readable();
    }
    net.trace.note(net.now, 0, "cast", &seed.to_be_bytes(), || format!("{:?}", plan::setup(seed).0));
    for node in 0..net.nodes.len() {
        let (crimes, skew) = (net.adversaries.crimes_of(node), net.nodes[node].skew);
        net.trace.note(net.now, node, "cast", &[], || format!("{crimes:?}, clock {skew:+} ms"));
    }
    rough(&mut net);
    let recovery = calm(&mut net);
    net.look();
    Outcome {
        seed,
        rounds: (0..net.nodes.len()).map(|node| net.nodes[node].head()).max().unwrap_or(0),
        violations: std::mem::take(&mut net.checks.violations),
        trace: net.trace.hash(),
        faults: net.chaos.counts,
        crimes: std::mem::take(&mut net.adversaries.counts),
        changes: std::mem::take(&mut net.operators.counts),
        recovery,
        lines: net.trace.lines().to_owned(),
    }
}

/// Makes the network of a seed, nothing started yet.
fn cast(seed: u64) -> Net {
    let (setup, heaviest) = plan::setup(seed);
    let mut net = Net::new(&setup);
    let cast = plan::cast(seed, &net.committee, heaviest);
    net.record = false;
    net.checks.on = true;
    net.chaos = Chaos::draw(seed);
    for (member, crimes) in &cast.crimes {
        if crimes.contains(&"clock-cheat") {
            net.nodes[*member].skew = adversary::AHEAD;
        }
    }
    for node in 0..net.nodes.len() {
        if !cast.crimes.contains_key(&node) && net.chaos.strikes(Fault::Skew) {
            net.nodes[node].skew = net.chaos.skew();
        }
    }
    if net.chaos.rng.below(2) == 0 {
        net.add_observer();
    }
    net.adversaries = Adversaries::new(seed, cast.crimes, cast.core);
    net.operators = Operators::draw(seed);
    net
}

/// Everything may go wrong.
fn rough(net: &mut Net) {
    for node in 0..net.nodes.len() {
        let after = net.chaos.rng.below(1_500);
        net.restart_later(node, after);
    }
    let newest = |net: &Net| net.nodes.iter().map(|node| node.head()).max().unwrap_or(0);
    while newest(net) < ROUGH_ROUNDS && net.now < GENESIS_TIME + ROUGH_TIME && net.advance() {}
}

/// The core is healthy: its members are up, reach each other, and have the right time. The adversaries go on.
fn calm(net: &mut Net) -> u64 {
    net.trace.note(net.now, 0, "calm", &[], || format!("core {:?}", net.adversaries.core()));
    net.chaos.stop();
    net.adversaries.calm = true;
    net.operators.on = false;
    for node in 0..net.nodes.len() {
        let down = net.nodes[node].engine.is_none();
        let core = net.adversaries.core().contains(&node);
        if core {
            let skew = net.chaos.rng.below(41) as i64 - 20;
            net.set_clock(node, skew);
        }
        if down && (core || net.chaos.rng.below(2) == 0) {
            net.restart_later(node, 100);
        }
    }
    let (began, before) = (net.now, net.nodes.iter().map(|node| node.head()).max().unwrap_or(0));
    let first = wait(net, before + 1, FIRST_ROUND_WITHIN);
    let recovery = net.now - began;
    let target = (before + CALM_ROUNDS).max(LEAST_ROUNDS);
    if first {
        let time = EACH_ROUND_WITHIN * (target - before);
        wait(net, target, time);
    }
    recovery
}

/// Runs until the whole core has certified `round`; too late is a violation.
fn wait(net: &mut Net, round: u64, within: u64) -> bool {
    let began = net.now;
    let heads = |net: &Net| net.adversaries.core().iter().map(|node| net.nodes[*node].head()).collect::<Vec<_>>();
    while heads(net).iter().any(|head| *head < round) {
        if net.now > began + within || !net.advance() {
            let what = format!(
                "the core is healthy since {began} and has not certified round {round} after {within} ms: it is at \
                 {:?}",
                heads(net)
            );
            net.checks.broken(net.now, LIVENESS, what);
            return false;
        }
        if !net.checks.violations.is_empty() {
            return false;
        }
    }
    true
}
