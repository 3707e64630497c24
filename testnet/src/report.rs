//! What a run of so many rounds cost and showed, as one JSON line.

use serde_json::{Value, json};

use crate::audit::Agreement;
use crate::measure::{self, bytes_below, cpu_seconds, peak_rss_mb, percentile, rounded};
use crate::network::Network;
use crate::watch::View;

/// Costs at one moment.
struct Sample {
    at: f64,
    round: u64,
    /// Processor seconds of each node that runs, by process.
    cpu: Vec<(u32, f64)>,
    /// Bytes of all nodes' data.
    disk: u64,
}

impl Sample {
    fn take(network: &Network, round: u64) -> Sample {
        let pids = network.nodes.iter().filter_map(|node| node.pid());
        Sample {
            at: measure::now_ms(),
            round,
            cpu: pids.filter_map(|pid| Some((pid, cpu_seconds(pid)?))).collect(),
            disk: network.nodes.iter().map(|node| bytes_below(&node.home)).sum(),
        }
    }
}

/// Measures from the first certified round on: start-up is not what a round costs.
pub struct Meter {
    /// When the command began, Unix milliseconds.
    began: f64,
    first: Option<Sample>,
}

/// Everything that a run showed.
#[derive(Clone, Debug)]
pub struct Report {
    pub rounds: u64,
    pub nodes_agreeing: usize,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub rounds_per_second: Option<f64>,
    /// Of one core, the average of the nodes.
    pub cpu_percent: Option<f64>,
    /// Of the largest node.
    pub peak_rss_mb: Option<f64>,
    /// Growth of a node's home, the average of the nodes.
    pub disk_bytes_per_round: Option<f64>,
    /// From the start of the command to the first certified round at a subscriber.
    pub first_round_ms: Option<f64>,
    pub chain: String,
}

impl Meter {
    pub fn new(began: f64) -> Meter {
        Meter { began, first: None }
    }

    /// Call when a round was certified; the first call starts the measurement.
    pub fn certified(&mut self, network: &Network, round: u64) {
        if self.first.is_none() {
            self.first = Some(Sample::take(network, round));
        }
    }

    /// Ends the measurement, while the nodes still run.
    pub fn finish(&self, network: &Network, view: &View, rounds: u64, agreement: &Agreement) -> Report {
        let last = Sample::take(network, rounds);
        let mut latencies = view.latencies.clone();
        latencies.sort_by(f64::total_cmp);
        let span = self.first.as_ref().filter(|first| last.at > first.at && last.round > first.round);
        let peaks = network.nodes.iter().filter_map(|node| peak_rss_mb(node.pid()?));
        Report {
            rounds,
            nodes_agreeing: agreement.agreeing,
            p50: percentile(&latencies, 50.0),
            p99: percentile(&latencies, 99.0),
            rounds_per_second: pace(view, rounds),
            cpu_percent: span.and_then(|first| cpu_percent(first, &last)),
            peak_rss_mb: peaks.max_by(f64::total_cmp),
            disk_bytes_per_round: span.map(|first| {
                let grown = last.disk.saturating_sub(first.disk) as f64;
                grown / (last.round - first.round) as f64 / network.nodes.len() as f64
            }),
            first_round_ms: view.first.get(&1).map(|(at, _)| at - self.began),
            chain: network.chain.clone(),
        }
    }
}

/// Rounds a second between the first and the last that the subscribers saw certified.
fn pace(view: &View, rounds: u64) -> Option<f64> {
    let (from, (begin, _)) = view.first.first_key_value()?;
    let (end, _) = view.first.get(&rounds)?;
    (rounds > *from && end > begin).then(|| (rounds - from) as f64 * 1000.0 / (end - begin))
}

fn cpu_percent(first: &Sample, last: &Sample) -> Option<f64> {
    let used: Vec<f64> = last
        .cpu
        .iter()
        .filter_map(|(pid, end)| {
            let (_, begin) = first.cpu.iter().find(|(other, _)| other == pid)?;
            Some(end - begin)
        })
        .collect();
    let seconds = (last.at - first.at) / 1000.0;
    (!used.is_empty()).then(|| used.iter().sum::<f64>() / used.len() as f64 / seconds * 100.0)
}

impl Report {
    pub fn json(&self) -> Value {
        let number = |value: Option<f64>| value.map(rounded);
        json!({
            "rounds": self.rounds,
            "nodes_agreeing": self.nodes_agreeing,
            "latency_ms": { "p50": number(self.p50), "p99": number(self.p99) },
            "rounds_per_second": number(self.rounds_per_second),
            "cpu_percent": number(self.cpu_percent),
            "peak_rss_mb": number(self.peak_rss_mb),
            "disk_bytes_per_round": self.disk_bytes_per_round.map(f64::round),
            "first_round_ms": self.first_round_ms.map(f64::round),
            "chain": self.chain,
        })
    }
}
