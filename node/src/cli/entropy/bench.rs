//! `beacon-node entropy bench`: every source ranked, and what the whole costs on this machine.

use std::process::Command;
use std::time::Duration;

use beacon_entropy::figures::{self, Figure, FigureError, Target};
use beacon_entropy::pool::PoolConfig;
use beacon_entropy::probe::{self, Probe, Profile, RankBy};
use beacon_entropy::sources::CATALOGUE;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Equipped, names, say, say_json};
use crate::cli::failure::Failure;

const AFTER: &str = "\
The figures are what the project promises of one core, each beside its target; `openssl rand` is run beside ours when
it is installed. A figure that misses its target makes the command fail.

Examples:
  beacon-node entropy bench
  beacon-node entropy bench --only sources --rank throughput --profile quick
  beacon-node entropy bench --only figures --json > figures.json";

/// Bytes of a throughput run.
const STREAMED: u64 = 1_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Sources,
    Figures,
}

/// Rank the sources of this machine and measure the whole.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Samples of each source: 2 000, 20 000 or 200 000, as far as they come in 0.1, 0.5 or 5 s
    #[arg(long, value_parser = names::profile(), default_value = "quick")]
    profile: Profile,
    /// The order: balanced (bits per second), min-entropy (bits per sample) or throughput (samples per second)
    #[arg(long, value_parser = names::rank(), default_value = "balanced")]
    rank: RankBy,
    /// Only one of the two parts
    #[arg(long, value_enum)]
    only: Option<Part>,
    #[command(flatten)]
    equipped: Equipped,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    sources: Vec<Probe>,
    figures: Vec<Figure>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    let mut report = Report { sources: Vec::new(), figures: Vec::new() };
    if wanted(Part::Figures) {
        let failed =
            |error: FigureError| Failure::new(format!("cannot measure: {error}"), "try again on an idle machine");
        report.figures = measure(arguments).map_err(failed)?;
    }
    if wanted(Part::Sources) {
        report.sources = sources(arguments);
    }
    let missed: Vec<&str> = report.figures.iter().filter(|figure| !figure.holds).map(|figure| figure.name).collect();
    if arguments.json {
        say_json(&report)?
    } else {
        say(&table(&report))?
    }
    match missed.is_empty() {
        true => Ok(()),
        false => {
            let what = format!("short of the target: {}", missed.join("; "));
            Err(Failure::new(what, "measure on an idle machine, with a program built by `cargo build --release`"))
        }
    }
}

/// Every available source, best first. One that gives nothing is left out, as `scan` would say it.
fn sources(arguments: &Arguments) -> Vec<Probe> {
    let equipment = arguments.equipped.equipment();
    let available = CATALOGUE.iter().filter(|(name, _)| equipment.availability(name).is_ok_and(|a| a.is_available()));
    let built = available.filter_map(|(name, _)| equipment.spec(name).ok()).map(|spec| spec.build());
    let mut probes: Vec<Probe> =
        built.filter_map(|mut source| probe::probe(&mut *source, arguments.profile).ok()).collect();
    probe::rank(&mut probes, arguments.rank);
    probes
}

fn measure(arguments: &Arguments) -> Result<Vec<Figure>, FigureError> {
    let ours = || -> Result<f64, FigureError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["entropy", "stream", "--bytes", &STREAMED.to_string()]);
        figures::pipe_throughput(&mut command, STREAMED)
    };
    // In turn, so that a passing load hits both; the better of two runs each.
    let openssl = || figures::pipe_throughput(Command::new("openssl").args(["rand", &STREAMED.to_string()]), STREAMED);
    let (first, theirs, second, again) = (ours()?, openssl(), ours()?, openssl());
    let stream = first.max(second);
    let mut rows = vec![Figure::new("stream, raw, to a pipe", stream, "MB/s", Target::AtLeast(500.0))];
    if let (Ok(theirs), Ok(again)) = (theirs, again) {
        let target = Target::AtLeast(theirs.max(again));
        rows.push(Figure::new("stream, not below `openssl rand` in the same run", stream, "MB/s", target));
    }
    rows.push(figures::scanning(&arguments.equipped.equipment()));
    let (first, pool) = figures::first_output(PoolConfig::default())?;
    rows.push(first);
    rows.push(figures::calls(&pool.random())?);
    drop(pool);
    rows.push(figures::harvest(Duration::from_secs(2))?);
    rows.push(figures::deadline_overrun()?);
    Ok(rows)
}

fn table(report: &Report) -> String {
    let mut out = String::new();
    for Figure { name, value, unit, target, holds } in &report.figures {
        let target = match target {
            Target::AtLeast(least) => format!("at least {}", amount(*least)),
            Target::AtMost(most) => format!("at most {}", amount(*most)),
        };
        let verdict = if *holds { "holds" } else { "MISSED" };
        out += &format!("{name:<58} {:>12} {unit:<8} {target:<20} {verdict}\n", amount(*value));
    }
    if !report.figures.is_empty() && !report.sources.is_empty() {
        out.push('\n');
    }
    if !report.sources.is_empty() {
        out += &format!(
            "{:<20} {:>12} {:>14} {:>10} {:>14}  {}\n",
            "source", "samples/s", "most common", "Shannon", "credit, bits", "health"
        );
    }
    for probe in &report.sources {
        let health = probe.alarm.map_or("no alarm".to_owned(), |alarm| format!("{:?}", alarm.test));
        out += &format!(
            "{:<20} {:>12.0} {:>14.3} {:>10.3} {:>14.3}  {health}\n",
            probe.name,
            probe.samples_per_second,
            probe.most_common_value,
            probe.shannon,
            probe.credit.bits(),
        );
    }
    out
}

fn amount(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
