//! Figures of running networks of four nodes.

use std::fs;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::home::default_home;
use crate::plan::Plan;
use crate::report::Report;
use crate::run::{self, Options, Show};

use super::Figure;

/// Runs four equal nodes for so many rounds on free ports.
async fn network(period: u64, window: u64, rounds: u64) -> Result<Report, Failure> {
    let plan = Plan::new(Some(4), None, period, window, 7700)?.on_free_ports()?;
    let root = scratch("network")?;
    let options = Options { rounds: Some(rounds), show: Show::Nothing, keep: false };
    let report = run::up(plan, &root, &options).await?;
    report.ok_or_else(|| Failure::new("the network was stopped before it had its rounds", "let it run to its end"))
}

/// A directory of this process for one purpose, which nobody else has. It stands beside the default home: temporary
/// directories may be in memory, where an fsync costs nothing.
pub(super) fn scratch(purpose: &str) -> Result<PathBuf, Failure> {
    let path = default_home().with_file_name(format!("bench-{}-{purpose}", std::process::id()));
    fs::create_dir_all(&path).map_err(|error| Failure::file("make", &path, &error))?;
    Ok(path)
}

fn figure(value: Option<f64>) -> Result<f64, Failure> {
    value.ok_or_else(|| Failure::new("a figure could not be measured", "look at the messages above"))
}

pub(super) async fn latency() -> Result<Vec<Figure>, Failure> {
    let report = network(200, 1, 1000).await?;
    Ok(vec![
        Figure::at_most("due to certified, n = 4, 200 ms, 1,000 rounds: p50", figure(report.p50)?, 10.0, "ms"),
        Figure::at_most("due to certified, n = 4, 200 ms, 1,000 rounds: p99", figure(report.p99)?, 50.0, "ms"),
    ])
}

pub(super) async fn throughput() -> Result<Vec<Figure>, Failure> {
    let one = network(0, 1, 300).await?;
    let sixteen = network(0, 16, 3200).await?;
    let pace = |report: &Report| figure(report.rounds_per_second);
    Ok(vec![
        Figure::at_least("period 0, n = 4, windows of 1", pace(&one)?, 10.0, "rounds/s"),
        Figure::at_least("period 0, n = 4, windows of 16", pace(&sixteen)?, 100.0, "rounds/s"),
    ])
}

pub(super) async fn member() -> Result<Vec<Figure>, Failure> {
    let report = network(3000, 1, 20).await?;
    Ok(vec![
        Figure::at_most("member at 3 s: resident memory of the largest node", figure(report.peak_rss_mb)?, 80.0, "MB"),
        Figure::at_most("member at 3 s: processor, average of the nodes", figure(report.cpu_percent)?, 2.0, "% of one"),
    ])
}

pub(super) async fn start() -> Result<Vec<Figure>, Failure> {
    let report = network(3000, 1, 1).await?;
    let seconds = figure(report.first_round_ms)? / 1000.0;
    Ok(vec![Figure::at_most("from `up` to the first certified round", seconds, 5.0, "s")])
}
