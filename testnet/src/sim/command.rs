//! `beacon-testnet sim`: networks of seeds, every promise checked.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use beacon_spec::committee::Committee;
use beacon_spec::hash::{Digest32, Hasher, tag};
use clap::Args;
use serde_json::{Value, json};

use super::adversary;
use super::chaos::TABLE;
use super::meter::{calibrate, processor_time};
use super::net::Net;
use super::operators;
use super::run::{EACH_ROUND_WITHIN, FIRST_ROUND_WITHIN, Outcome, simulate};
use super::setup::{GENESIS_TIME, Setup};
use crate::failure::Failure;

/// In runs of so many seeds every fault and every adversary must have acted, and everything come of amendments.
const MANY: u64 = 100;
/// Rounds of a calm network before its work is measured.
const WARM_UP: u64 = 2;

/// Simulate networks from seeds, with faults and adversaries, and check every promise
///
/// Real engines with real cryptography in virtual time. Each seed draws 4 to 10 members, faults of the network, the
/// disks and the clocks, crashes between any two effects, and adversaries of less than a third of the weight. Meanwhile
/// operators amend the committee: members come, go and change their weight, and a mistyped amendment must be void. After
/// some rounds a core of more than two thirds becomes healthy and must certify rounds in time. The same seeds give the
/// same trace hash. Of 100 seeds and more every fault and every adversary must have acted, and amendments must have come
/// to everything that they can come to.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Seeds to simulate, the last one excluded
    #[arg(long, value_name = "A..B", default_value = "0..100", value_parser = range)]
    pub seeds: Range<u64>,
    /// Simulate one seed and print what happened, line by line
    #[arg(long, value_name = "SEED", conflicts_with = "members")]
    pub replay: Option<u64>,
    /// A calm network of N members with equal weights instead: its speed and its work
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub members: Option<u16>,
    /// Rounds of the calm network that are measured
    #[arg(long, value_name = "R", default_value_t = 20, requires = "members")]
    pub rounds: u64,
    /// Threads [default: as many as there are processors]
    #[arg(long, value_name = "J")]
    pub jobs: Option<NonZeroUsize>,
    /// End with one JSON line
    #[arg(long)]
    pub json: bool,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let parsed = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed.filter(|range: &Range<u64>| !range.is_empty()).ok_or_else(|| format!("{text} is no range such as 0..100"))
}

/// What came of all seeds.
#[derive(Default)]
pub struct Total {
    pub seeds: u64,
    pub rounds: u64,
    pub faults: BTreeMap<&'static str, u64>,
    pub crimes: BTreeMap<&'static str, u64>,
    pub changes: BTreeMap<&'static str, u64>,
    pub violations: Vec<(u64, String)>,
    pub trace: Digest32,
    pub slowest_recovery: u64,
}

impl Total {
    /// Adds up outcomes, in the order of their seeds.
    fn of(outcomes: &BTreeMap<u64, Outcome>) -> Total {
        let mut total = Total {
            faults: TABLE.iter().map(|line| (line.name, 0)).collect(),
            crimes: adversary::NAMES.iter().map(|name| (*name, 0)).collect(),
            changes: operators::NAMES.iter().map(|name| (*name, 0)).collect(),
            ..Total::default()
        };
        let mut hasher = Hasher::new(tag::STATUS);
        for outcome in outcomes.values() {
            hasher = hasher.u64(outcome.seed).fixed(&outcome.trace.0);
            total.seeds += 1;
            total.rounds += outcome.rounds;
            total.slowest_recovery = total.slowest_recovery.max(outcome.recovery);
            for (line, count) in TABLE.iter().zip(outcome.faults) {
                *total.faults.entry(line.name).or_default() += count;
            }
            for (name, count) in &outcome.crimes {
                *total.crimes.entry(name).or_default() += count;
            }
            for (name, count) in &outcome.changes {
                *total.changes.entry(name).or_default() += count;
            }
            let violation = outcome.violations.first();
            total.violations.extend(violation.map(|v| (outcome.seed, format!("{}: {}", v.checker, v.what))));
        }
        total.trace = hasher.finish();
        total
    }

    /// Faults and adversaries that never acted, and what never came of amendments.
    fn idle(&self) -> Vec<&'static str> {
        let counts = self.faults.iter().chain(&self.crimes).chain(&self.changes);
        counts.filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect()
    }

    fn json(&self, spent: Duration) -> Value {
        json!({
            "seeds": self.seeds,
            "rounds": self.rounds,
            "violations": self.violations.len(),
            "trace_hash": self.trace.to_string(),
            "slowest_recovery_ms": self.slowest_recovery,
            "faults": self.faults,
            "adversaries": self.crimes,
            "memberships": self.changes,
            "seconds": (spent.as_secs_f64() * 10.0).round() / 10.0,
        })
    }
}

/// Simulates all seeds of a range on several threads.
pub fn simulate_all(seeds: &Range<u64>, jobs: usize, progress: bool) -> Total {
    let next = AtomicU64::new(seeds.start);
    let outcomes: Mutex<BTreeMap<u64, Outcome>> = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let outcome = simulate(seed, false);
            let mut outcomes = outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(violation) = outcome.violations.first() {
                eprintln!("seed {seed}: {}: {}", violation.checker, violation.what);
            }
            outcomes.insert(seed, outcome);
            if progress {
                let rounds: u64 = outcomes.values().map(|outcome| outcome.rounds).sum();
                eprint!("\r{} of {} seeds, {rounds} rounds ", outcomes.len(), seeds.end - seeds.start);
                // Progress that cannot be shown is no failure.
                let _ = stderr().flush();
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    if progress {
        eprintln!();
    }
    let outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Total::of(&outcomes)
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(members) = arguments.members {
        return calm(members, arguments.rounds, arguments.json);
    }
    if let Some(seed) = arguments.replay {
        return replay(seed, arguments.json);
    }
    let began = Instant::now();
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let total = simulate_all(&arguments.seeds, jobs, stderr().is_terminal());
    if arguments.json {
        println!("{}", total.json(began.elapsed()));
    } else {
        table(&total, began.elapsed());
    }
    if let Some((seed, _)) = total.violations.first() {
        return Err(Failure::new(
            format!("{} of {} seeds break a promise", total.violations.len(), total.seeds),
            format!("look at the first with: beacon-testnet sim --replay {seed}"),
        ));
    }
    let idle = total.idle();
    if total.seeds >= MANY && !idle.is_empty() {
        return Err(Failure::new(
            format!("never acted or came about: {}", idle.join(", ")),
            "simulate other or more seeds",
        ));
    }
    Ok(())
}

fn table(total: &Total, spent: Duration) {
    println!("faults");
    for line in &TABLE {
        println!("  {:<24}{:>10}   each {}", line.name, total.faults.get(line.name).unwrap_or(&0), line.each);
    }
    println!("adversaries");
    for (name, count) in &total.crimes {
        println!("  {name:<24}{count:>10}");
    }
    println!("memberships");
    for (name, count) in &total.changes {
        println!("  {name:<24}{count:>10}");
    }
    println!(
        "{} seeds, {} rounds, {} violations in {:.1} s; first round of a healthy core after {} ms at most (bound {} ms, \
         then {} ms each)",
        total.seeds,
        total.rounds,
        total.violations.len(),
        spent.as_secs_f64(),
        total.slowest_recovery,
        FIRST_ROUND_WITHIN,
        EACH_ROUND_WITHIN,
    );
    println!("trace {}", total.trace);
}

fn replay(seed: u64, json: bool) -> Result<(), Failure> {
    let began = Instant::now();
    let outcome = simulate(seed, true);
    print!("{}", outcome.lines);
    for violation in &outcome.violations {
        println!("VIOLATION at {}: {}: {}", violation.at, violation.checker, violation.what);
    }
    let total = Total::of(&BTreeMap::from([(seed, outcome)]));
    if json {
        println!("{}", total.json(began.elapsed()));
    } else {
        table(&total, began.elapsed());
    }
    match total.violations.first() {
        Some((_, what)) => Err(Failure::new(format!("seed {seed} breaks a promise: {what}"), "read the trace above")),
        None => Ok(()),
    }
}

/// Milliseconds of processor time that one of `members` equal members takes for a round, and rounds simulated in a
/// second.
pub fn work_of(members: usize, rounds: u64) -> Result<(f64, f64), Failure> {
    let mut net = Net::new(&Setup { weights: vec![1; members], ..Setup::default() });
    net.record = false;
    // As they are after the first rounds of an epoch.
    let prepared = Arc::new(Committee::clone(&net.committee).prepared());
    for node in &mut net.nodes {
        node.config.committee = prepared.clone();
    }
    calibrate();
    net.meter = processor_time;
    net.metered = Some(0);
    net.start_all();
    let certified = |net: &mut Net, round| match net.run_to(round, GENESIS_TIME + 3_600_000) {
        true => Ok(()),
        false => Err(Failure::new(
            format!("{members} members in memory do not certify round {round}"),
            "this is a defect of the engine: run its tests",
        )),
    };
    certified(&mut net, WARM_UP)?;
    let (before, began) = (net.nodes[0].worked, processor_time());
    certified(&mut net, WARM_UP + rounds)?;
    let spent = net.nodes[0].worked.saturating_sub(before);
    let speed = rounds as f64 / (processor_time() - began).as_secs_f64();
    Ok((spent.as_secs_f64() * 1000.0 / rounds as f64, speed))
}

fn calm(members: u16, rounds: u64, json: bool) -> Result<(), Failure> {
    let (work, speed) = work_of(usize::from(members), rounds)?;
    if json {
        println!("{}", json!({ "members": members, "rounds": rounds, "work_ms": work, "rounds_per_second": speed }));
    } else {
        println!("{members} members, {rounds} rounds: {work:.2} ms a member and round, {speed:.1} rounds a second");
    }
    Ok(())
}
