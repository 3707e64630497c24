//! `beacon-node entropy pool`: a pool of the usual workers, started, drawn from and reported on.

use std::time::Duration;

use beacon_entropy::pool::{ContributionReport, PoolStatus};
use beacon_entropy::worker::SourceStatus;
use clap::Args;
use serde::Serialize;

use super::{Equipped, say, say_json};
use crate::cli::failure::Failure;

const AFTER: &str = "\
Starts its own workers. What the workers of a running node do is in `beacon-node status`.

Examples:
  beacon-node entropy pool
  beacon-node entropy pool --draws 100 --json
  beacon-node entropy pool --emulate-atecc608a";

/// One contribution waits at most this long for its workers.
const DEADLINE: Duration = Duration::from_millis(500);

/// Start the pool, draw contributions, and report on workers and sources.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// How many contributions of 32 bytes to draw, and drop
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    draws: u32,
    #[command(flatten)]
    equipped: Equipped,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    pool: PoolStatus,
    last_contribution: ContributionReport,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let pool = arguments.equipped.pool()?;
    let mut last = ContributionReport::default();
    for _ in 0..arguments.draws {
        let drawn = pool.contribution(DEADLINE);
        let drawn = drawn.map_err(|error| Failure::new(error.to_string(), "see `beacon-node entropy scan`"))?;
        last = drawn.report;
    }
    let report = Report { pool: pool.status(), last_contribution: last };
    if arguments.json { say_json(&report) } else { say(&table(&report)) }
}

fn table(report: &Report) -> String {
    let Report { pool, last_contribution: last } = report;
    let mut out = format!(
        "workers          {} of {} running\n\
         sources          {} healthy, {} muted, of {}\n\
         contributions    {}\n\
         last one         {:.0} bits of noise, {:.0} bits of generators, {} alarms\n\
         waiting          {:.0} bits of noise for the generator's next seed\n\n",
        pool.workers_running,
        pool.workers.len(),
        pool.sources_healthy,
        pool.sources_muted,
        pool.sources_total,
        pool.contributions,
        last.noise_bits,
        last.generator_bits,
        last.alarms,
        pool.accumulator.noise_bits,
    );
    for worker in &pool.workers {
        out += &format!("worker {} {:?}, {} restarts\n", worker.index, worker.state, worker.restarts);
        for source in &worker.sources {
            out += &line(source);
        }
    }
    for warning in &pool.warnings {
        out += &format!("warning: {warning}\n");
    }
    out
}

fn line(source: &SourceStatus) -> String {
    let state = format!("{:?}", source.state);
    format!(
        "  {:<20} {state:<12} {:>9} samples {:>11.0} bits credited {:>3} alarms {:>3} failures\n",
        source.name, source.samples, source.credited_bits, source.alarms, source.failures
    )
}
