//! `beacon-node entropy analyze`: how samples depend on each other, on time, and on those of other sources.

use beacon_entropy::assess::relations::{Cross, Temporal, cross, temporal};
use beacon_entropy::equipment::Equipment;
use beacon_entropy::probe::{Profile, side_by_side, symbols};
use beacon_entropy::source::{CreditClass, Source};
use beacon_entropy::sources::CATALOGUE;
use clap::Args;
use serde::Serialize;

use super::subject::{HOW_NAMED, Subject, read};
use super::{Equipped, names, say, say_json};
use crate::cli::failure::Failure;

const AFTER: &str = "\
Each source is sampled alone, for the correlation with its own past and a drift of its mean; then all in turn, so that two
that hear the same thing show it. Recordings are read from their starts. Of each two it is said where they go together most,
and how likely that is by chance (p, for all lags together). Timing samples do depend on their past; what is counted of them
(`scan`) lies below what estimators that know such dependence assess.

Examples:
  beacon-node entropy analyze                              # every source that counts as noise
  beacon-node entropy analyze sleep pipe page-fault --profile standard
  beacon-node entropy analyze ./sleep-1 ./sleep-2 --lags 100 --json";

/// Two sources go together when chance alone shows as much less often than this.
const SUSPECT: f64 = 0.001;
/// Pairs of the table, closest first; JSON has all.
const PAIRS: usize = 10;

/// Correlate sources with their own past, with time, and with each other.
#[derive(Args)]
#[command(after_help = format!("{HOW_NAMED}\n\n{AFTER}"))]
pub(super) struct Arguments {
    /// Sources or recordings; all sources that count as noise if left out
    names: Vec<String>,
    /// How many samples of each: 2 000, 20 000 or 200 000, sources as far as they come in 0.1, 0.5 or 5 s each
    #[arg(long, value_parser = names::profile(), default_value = "quick")]
    profile: Profile,
    /// How many samples back, and apart, is looked
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    lags: u16,
    #[command(flatten)]
    equipped: Equipped,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    subjects: Vec<One>,
    pairs: Vec<Pair>,
    /// Sources that gave no samples.
    failed: Vec<String>,
}

#[derive(Serialize)]
struct One {
    name: String,
    #[serde(flatten)]
    temporal: Temporal,
}

#[derive(Serialize)]
struct Pair {
    first: String,
    second: String,
    /// Absent when one of them is constant.
    #[serde(flatten)]
    cross: Option<Cross>,
    /// Whether the two go together more than chance explains, with all pairs considered.
    suspect: bool,
}

/// Symbols under a name: taken by themselves, and beside those of others.
struct Series {
    name: String,
    alone: Vec<u8>,
    beside: Vec<u8>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (series, failed) = gather(arguments)?;
    let lags = usize::from(arguments.lags);
    let one = |series: &Series| One { name: series.name.clone(), temporal: temporal(&series.alone, lags) };
    let report = Report { subjects: series.iter().map(one).collect(), pairs: pairs(&series, lags), failed };
    if arguments.json { say_json(&report) } else { say(&page(&report)) }
}

/// What is named, or every source that counts as noise: symbols of each, and who gave none.
fn gather(arguments: &Arguments) -> Result<(Vec<Series>, Vec<String>), Failure> {
    let equipment = arguments.equipped.equipment();
    let names = if arguments.names.is_empty() { noise(&equipment) } else { arguments.names.clone() };
    let (mut series, mut failed) = (Vec::new(), Vec::new());
    let (mut drawn, mut sources): (Vec<Series>, Vec<Box<dyn Source>>) = (Vec::new(), Vec::new());
    for name in names {
        match Subject::named(&name, &equipment)? {
            Subject::Recording(recording) => {
                let symbols = read(&recording, arguments.profile.samples)?;
                series.push(Series { name, alone: symbols.clone(), beside: symbols });
            }
            Subject::Source(mut source) => match symbols(&mut *source, arguments.profile) {
                Ok((alone, _)) => {
                    drawn.push(Series { name, alone, beside: Vec::new() });
                    sources.push(source);
                }
                Err(error) => failed.push(format!("{name}: {error}")),
            },
        }
    }
    for (one, beside) in drawn.into_iter().zip(side_by_side(&mut sources, arguments.profile)) {
        match beside {
            Ok(beside) => series.push(Series { beside, ..one }),
            Err(error) => failed.push(format!("{}: {error}", one.name)),
        }
    }
    if series.is_empty() {
        let remedy = "name others; `beacon-node entropy scan` lists the sources";
        return Err(Failure::new(format!("nothing gave samples: {}", failed.join("; ")), remedy));
    }
    Ok((series, failed))
}

/// The names of what counts as noise here.
fn noise(equipment: &Equipment) -> Vec<String> {
    let counts = |name: &str| beacon_entropy::credits::of(name).class == CreditClass::Noise;
    let here = |name: &str| equipment.availability(name).is_ok_and(|availability| availability.is_available());
    CATALOGUE.iter().map(|(name, _)| *name).filter(|name| counts(name) && here(name)).map(str::to_owned).collect()
}

/// Every two of them, those that go together most first.
fn pairs(series: &[Series], lags: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (place, first) in series.iter().enumerate() {
        for second in &series[place + 1..] {
            let cross = cross(&first.beside, &second.beside, lags);
            pairs.push(Pair { first: first.name.clone(), second: second.name.clone(), cross, suspect: false });
        }
    }
    let chances = pairs.len() as f64;
    for pair in &mut pairs {
        pair.suspect = pair.cross.is_some_and(|cross| cross.p * chances < SUSPECT);
    }
    let strength = |pair: &Pair| pair.cross.map_or(-1.0, |cross| cross.correlation.abs());
    pairs.sort_by(|a, b| strength(b).total_cmp(&strength(a)));
    pairs
}

fn page(report: &Report) -> String {
    let mut out = format!(
        "{:<20} {:>8} {:>8} {:>9} {:>17} {:>9} {:>11} {:>9}\n",
        "each by itself", "samples", "mean", "deviation", "strongest lag", "p", "drift/block", "p"
    );
    for One { name, temporal } in &report.subjects {
        let strongest = temporal.strongest.map_or("constant".to_owned(), |(lag, r)| format!("{r:+.3} at {lag}"));
        let (slope, p) = match &temporal.drift {
            Some(drift) => (format!("{:+.3}", drift.slope), chance(Some(drift.p))),
            None => ("too few".to_owned(), chance(None)),
        };
        out += &format!(
            "{name:<20} {:>8} {:>8.2} {:>9.2} {strongest:>17} {:>9} {slope:>11} {p:>9}\n",
            temporal.samples,
            temporal.mean,
            temporal.deviation,
            chance(temporal.p),
        );
    }
    if !report.pairs.is_empty() {
        out += &format!("\n{:<41} {:>17} {:>9}\n", "two of them", "correlation", "p");
    }
    for Pair { first, second, cross, suspect } in report.pairs.iter().take(PAIRS) {
        let (both, p) = match cross {
            Some(found) => (format!("{:+.3} at {}", found.correlation, found.lag), chance(Some(found.p))),
            None => ("constant".to_owned(), chance(None)),
        };
        let verdict = if *suspect { "  suspect" } else { "" };
        out += &format!("{first:<20} {second:<20} {both:>17} {p:>9}{verdict}\n");
    }
    let suspects = report.pairs.iter().filter(|pair| pair.suspect).count();
    if !report.pairs.is_empty() {
        out += &format!("{suspects} of {} pairs go together more than chance explains\n", report.pairs.len());
    }
    for failed in &report.failed {
        out += &format!("no samples of {failed}\n");
    }
    out
}

fn chance(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 0.0001 => "< 0.0001".to_owned(),
        Some(p) => format!("{p:.4}"),
        None => "-".to_owned(),
    }
}
