//! `beacon-node entropy compare A B`: two sources or recordings side by side.

use beacon_entropy::assess::battery::run_all;
use beacon_entropy::assess::relations::{cross, same_distribution, temporal};
use beacon_entropy::assess::{Assessment, assess};
use beacon_entropy::equipment::Equipment;
use beacon_entropy::probe::{self, Profile, shannon};
use clap::Args;
use serde::Serialize;

use super::subject::{HOW_NAMED, Subject, read};
use super::{Equipped, names, say, say_json};
use crate::cli::failure::Failure;

const AFTER: &str = "\
The same statistics of both: NIST SP 800-90B's estimators, one by one, and the battery of `report`; then how likely one
distribution is to give both, and whether they go together. Symbols are compared: samples in steps of the clock, the low
byte.

Examples:
  beacon-node entropy compare sleep pipe
  beacon-node entropy compare ./sleep-idle ./sleep-loaded --samples 200k
  beacon-node entropy compare sleep ./sleep-1 --json      # this machine against a recording";

/// Lags of the correlations.
const LAGS: usize = 32;

/// Put two sources or recordings side by side, by estimators and statistics.
#[derive(Args)]
#[command(after_help = format!("{HOW_NAMED}\n\n{AFTER}"))]
pub(super) struct Arguments {
    /// A source or a recording
    first: String,
    /// Another one, or the same source again
    second: String,
    /// How many samples of each, at most; 10 s are waited for a source
    #[arg(long, value_name = "AMOUNT", value_parser = names::amount, default_value = "20k")]
    samples: u64,
    #[command(flatten)]
    equipped: Equipped,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    first: Side,
    second: Side,
    /// That one distribution gives both; absent with too few samples.
    same_distribution_p: Option<f64>,
    correlation: Option<beacon_entropy::assess::relations::Cross>,
}

#[derive(Serialize)]
struct Side {
    name: String,
    samples: usize,
    samples_per_second: f64,
    /// Nanoseconds or what the source counts in.
    clock_step: u64,
    mean: f64,
    deviation: f64,
    /// All entropies are in bits per sample.
    shannon: f64,
    strongest_lag: Option<(usize, f64)>,
    /// Absent when there is too little to assess.
    assessment: Option<Assessment>,
    battery_run: usize,
    battery_failed: usize,
    battery_quality: f64,
    credit: f64,
    #[serde(skip)]
    symbols: Vec<u8>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let equipment = arguments.equipped.equipment();
    let most = usize::try_from(arguments.samples).unwrap_or(usize::MAX);
    let (first, second) = (side(&arguments.first, &equipment, most)?, side(&arguments.second, &equipment, most)?);
    let report = Report {
        same_distribution_p: same_distribution(&first.symbols, &second.symbols),
        correlation: cross(&first.symbols, &second.symbols, LAGS),
        first,
        second,
    };
    if arguments.json { say_json(&report) } else { say(&table(&report)) }
}

fn side(name: &str, equipment: &Equipment, most: usize) -> Result<Side, Failure> {
    let subject = Subject::named(name, equipment)?;
    let credit = subject.credit().bits();
    let (symbols, rate, clock_step) = match subject {
        Subject::Recording(recording) => {
            let session = &recording.session;
            let rate = session.samples as f64 / session.seconds.max(1e-9);
            (read(&recording, most)?, rate, session.clock_step)
        }
        Subject::Source(mut source) => {
            let profile = Profile { samples: most, patience: std::time::Duration::from_secs(10) };
            let (symbols, seconds) = probe::symbols(&mut *source, profile).map_err(|error| {
                Failure::new(format!("the source {name} gave no samples: {error}"), "try again, or another source")
            })?;
            let rate = symbols.len() as f64 / seconds.max(1e-9);
            (symbols, rate, source.clock_step())
        }
    };
    let (temporal, battery) = (temporal(&symbols, LAGS), run_all(&symbols));
    Ok(Side {
        name: name.to_owned(),
        samples: symbols.len(),
        samples_per_second: rate,
        clock_step,
        mean: temporal.mean,
        deviation: temporal.deviation,
        shannon: shannon(&symbols),
        strongest_lag: temporal.strongest,
        assessment: assess(&symbols, 8).ok(),
        battery_run: battery.run,
        battery_failed: battery.failed,
        battery_quality: battery.quality,
        credit,
        symbols,
    })
}

fn table(report: &Report) -> String {
    let (a, b) = (&report.first, &report.second);
    let mut out = String::new();
    let mut row = |what: &str, first: String, second: String| out += &format!("{what:<40} {first:>20} {second:>20}\n");
    row("", a.name.clone(), b.name.clone());
    let mut both = |what: &str, show: &dyn Fn(&Side) -> String| row(what, show(a), show(b));
    both("samples", &|side| side.samples.to_string());
    both("samples/s", &|side| format!("{:.0}", side.samples_per_second));
    both("clock step", &|side| side.clock_step.to_string());
    both("mean", &|side| format!("{:.3}", side.mean));
    both("deviation", &|side| format!("{:.3}", side.deviation));
    both("strongest lag", &|side| side.strongest_lag.map_or("-".into(), |(lag, r)| format!("{r:+.3} at {lag}")));
    both("Shannon, bits", &|side| format!("{:.4}", side.shannon));
    for (kind, name) in estimators(a, b) {
        both(&format!("{name}, {kind}"), &|side| estimate(side, kind, name));
    }
    both("min-entropy by SP 800-90B, bits", &|side| match &side.assessment {
        Some(found) => format!("{:.4}", found.min_entropy),
        None => "not assessed".into(),
    });
    both("credit, bits", &|side| format!("{:.3}", side.credit));
    both("tests failed (p < 0.001)", &|side| format!("{} of {}", side.battery_failed, side.battery_run));
    both("quality", &|side| format!("{:.3}", side.battery_quality));
    let p = report.same_distribution_p.map_or("too few samples".to_owned(), |p| format!("p = {p:.4}"));
    out += &format!("\none distribution gives both: {p}\n");
    if let Some(found) = report.correlation {
        let (r, lag, p) = (found.correlation, found.lag, found.p);
        out += &format!("correlation of the two: {r:+.3} at lag {lag}, p = {p:.4}\n");
    }
    out
}

/// What an estimator looked at, as the standard names it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Literal,
    Bits,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Literal => "symbols",
            Kind::Bits => "bits",
        })
    }
}

/// Every estimator that either side has a result of, in the standard's order.
fn estimators(a: &Side, b: &Side) -> Vec<(Kind, &'static str)> {
    let mut names: Vec<(Kind, &'static str)> = Vec::new();
    for found in [a, b].into_iter().filter_map(|side| side.assessment.as_ref()) {
        for (kind, estimates) in [(Kind::Literal, &found.literal), (Kind::Bits, &found.bitstring)] {
            for estimate in estimates {
                if !names.contains(&(kind, estimate.name)) {
                    names.push((kind, estimate.name));
                }
            }
        }
    }
    names
}

fn estimate(side: &Side, kind: Kind, name: &str) -> String {
    let of = side.assessment.as_ref().map(|found| match kind {
        Kind::Literal => &found.literal,
        Kind::Bits => &found.bitstring,
    });
    let found = of.into_iter().flatten().find(|estimate| estimate.name == name);
    found.map_or("-".into(), |estimate| format!("{:.4}", estimate.min_entropy))
}
