//! `beacon-testnet kill-loop`: SIGKILL again and again while rounds go on, and what is left in the end.

use std::path::PathBuf;
use std::time::Duration;

use beacon_spec::hash::Digest32;
use clap::Args;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::audit;
use crate::binaries::Binaries;
use crate::failure::Failure;
use crate::home::{self, Home};
use crate::measure::rounded;
use crate::network::Network;
use crate::plan::Plan;
use crate::sim::rng::Rng;
use crate::watch::{View, Watchers};

/// Without a new round for so long the loop is given up.
const PATIENCE: Duration = Duration::from_secs(90);
/// Every so many kills all nodes are killed at once.
const ALL_EVERY: u64 = 10;

/// Kill nodes without warning again and again while rounds go on; then compare what is left
///
/// A network of its own, on free ports, at a period of its own. Each time one node is killed (SIGKILL) at a random
/// moment of a round and started again, at once or a round later; every tenth time all nodes are. In the end every
/// round that any node has ever shown must be held by all of them with the same header, nobody may have accused anybody
/// of signing twice, no node may have ended by itself, and `beacon-node db check` must find nothing in any database.
#[derive(Args, Debug)]
pub struct Arguments {
    /// How often to kill
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    pub times: u64,
    /// Nodes, of equal weight
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(4..=64))]
    pub nodes: u64,
    /// From round to round in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub period: u64,
    /// Rounds agreed together, 1 to 64
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub window: u64,
    /// Which nodes are killed, and when, follows from it; what they were doing then does not
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// The network's directory; it is kept if something is wrong [default: kill-loop in cargo's target directory]
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What was done, and what was seen.
#[derive(Debug)]
pub struct Report {
    pub times: u64,
    /// Single processes killed.
    pub kills: u64,
    pub rounds: u64,
    pub seconds: f64,
    /// Milliseconds from a restart to the next new round of anybody, the longest.
    pub slowest_ms: f64,
    /// Nodes that hold the same whole chain.
    pub agreeing: usize,
    /// Rounds that were shown as certified and are not held so by all.
    pub lost: u64,
    /// Accusations of having signed twice.
    pub crimes: u64,
    /// Everything that should not be, in words.
    pub wrong: Vec<String>,
}

impl Report {
    pub fn json(&self) -> Value {
        json!({
            "times": self.times, "kills": self.kills, "rounds": self.rounds, "seconds": rounded(self.seconds),
            "slowest_ms": rounded(self.slowest_ms), "nodes_agreeing": self.agreeing, "rounds_lost": self.lost,
            "crimes": self.crimes, "wrong": self.wrong,
        })
    }
}

/// Runs the loop, prints what it showed, and fails if anything was wrong.
pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let root = arguments.home.clone().unwrap_or_else(|| home::default_home().with_file_name("kill-loop"));
    let home = Home::claim(&root)?;
    let nodes = usize::try_from(arguments.nodes).unwrap_or(usize::MAX);
    let plan = Plan::new(Some(nodes), None, arguments.period, arguments.window, 7700)?.on_free_ports()?;
    let network = Network::make(plan, home, Binaries::beside()?).await?;
    let mut kill_loop = Loop::start(network, arguments.seed)?;
    let report = kill_loop.run(arguments.times, |done| {
        if !arguments.json && done.is_multiple_of(10) {
            eprintln!("{done} of {}", arguments.times);
        }
    });
    let report = report.await?;
    match arguments.json {
        true => println!("{}", report.json()),
        false => println!(
            "{} times, {} processes killed, {} rounds in {:.0} s; {} of {nodes} nodes agree, {} rounds lost, {} \
             accusations; the slowest restart took {:.0} ms to the next round",
            report.times,
            report.kills,
            report.rounds,
            report.seconds,
            report.agreeing,
            report.lost,
            report.crimes,
            report.slowest_ms
        ),
    }
    if report.wrong.is_empty() {
        return kill_loop.network.home.remove();
    }
    Err(Failure::new(report.wrong.join("; "), format!("the homes and logs of the nodes are in {}", root.display())))
}

/// A network that is killed again and again.
pub struct Loop {
    pub network: Network,
    view: View,
    watchers: Watchers,
    rng: Rng,
}

impl Loop {
    /// Starts the network.
    pub fn start(mut network: Network, seed: u64) -> Result<Loop, Failure> {
        let watchers = Watchers::start(network.nodes.iter().map(|node| node.endpoints.url()))?;
        let view = View::new(network.nodes.len(), network.plan.period);
        network.start()?;
        Ok(Loop { network, view, watchers, rng: Rng::new(seed, "kill-loop") })
    }

    /// Kills `times` times, stops the network, and compares.
    pub async fn run(&mut self, times: u64, mut tell: impl FnMut(u64)) -> Result<Report, Failure> {
        let began = Instant::now();
        let mut report = Report {
            times,
            kills: 0,
            rounds: 0,
            seconds: 0.0,
            slowest_ms: 0.0,
            agreeing: 0,
            lost: 0,
            crimes: 0,
            wrong: Vec::new(),
        };
        self.until("the first rounds", |view| view.common() >= 2).await?;
        for done in 1..=times {
            let took = self.kill(done.is_multiple_of(ALL_EVERY), &mut report.kills).await?;
            report.slowest_ms = report.slowest_ms.max(took.as_secs_f64() * 1000.0);
            for (_, failure) in self.network.ended()? {
                report.wrong.push(failure.to_string());
            }
            if !report.wrong.is_empty() {
                break;
            }
            tell(done);
        }
        let goal = self.newest() + 3;
        self.until("all nodes catch up", |view| view.common() >= goal).await?;
        report.rounds = self.view.common();
        report.seconds = began.elapsed().as_secs_f64();
        self.compare(&mut report).await?;
        Ok(report)
    }

    fn newest(&self) -> u64 {
        self.view.newest().map_or(0, |beacon| beacon.header.round)
    }

    /// One kill, of one node or of all; gives the time from the last start to the next new round.
    async fn kill(&mut self, all: bool, kills: &mut u64) -> Result<Duration, Failure> {
        let moment = Duration::from_millis(self.rng.below(self.network.plan.period * 2));
        self.watch_for(moment).await;
        let count = self.network.nodes.len();
        let first = self.rng.below(count as u64) as usize;
        let victims: Vec<usize> = if all { (0..count).collect() } else { vec![first] };
        for victim in &victims {
            self.network.kill(*victim).await?;
            *kills += 1;
        }
        if !all && self.rng.below(2) == 0 {
            let goal = self.newest() + 1;
            self.until("the others go on", |view| view.newest().is_some_and(|beacon| beacon.header.round >= goal))
                .await?;
        }
        for victim in victims {
            self.network.restart(victim, false).await?;
        }
        let (started, goal) = (Instant::now(), self.newest() + 1);
        self.until("rounds go on", |view| view.newest().is_some_and(|beacon| beacon.header.round >= goal)).await?;
        Ok(started.elapsed())
    }

    /// Takes in what is seen for as long as that.
    async fn watch_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Ok(sighting) = timeout_at(end, self.watchers.next()).await {
            self.view.note(sighting);
        }
    }

    async fn until(&mut self, what: &str, done: impl Fn(&View) -> bool) -> Result<(), Failure> {
        let end = Instant::now() + PATIENCE;
        while !done(&self.view) {
            let Ok(sighting) = timeout_at(end, self.watchers.next()).await else {
                let rounds: Vec<u64> = self.view.nodes.iter().map(|seen| seen.round()).collect();
                let logs: Vec<String> = self.network.nodes.iter().map(|node| node.tail()).collect();
                let what = format!("{what}: not within {} s; nodes are at rounds {rounds:?}", PATIENCE.as_secs());
                return Err(Failure::new(what, logs.join("\n")));
            };
            self.view.note(sighting);
        }
        Ok(())
    }

    /// Sets what the nodes hold against everything that was ever shown, then stops them and checks their databases.
    async fn compare(&mut self, report: &mut Report) -> Result<(), Failure> {
        let chain = Digest32::from_hex(&self.network.chain)
            .map_err(|reason| Failure::new(format!("no chain hash: {reason}"), "look at the network's state"))?;
        let urls: Vec<String> = self.network.nodes.iter().map(|node| node.endpoints.url()).collect();
        let agreement = audit::compare(&urls, chain, report.rounds).await;
        report.agreeing = agreement.agreeing;
        report.wrong.extend(agreement.failures.iter().map(|(node, reason)| format!("node {node}: {reason}")));
        let held = audit::headers(&urls[0], chain, report.rounds).await.unwrap_or_default();
        let same = |(round, (_, hash)): (&u64, &(f64, Digest32))| {
            round.checked_sub(1).and_then(|index| held.get(usize::try_from(index).ok()?)) == Some(hash)
        };
        let shown = self.view.first.range(..=report.rounds);
        report.lost = shown.filter(|seen| !same(*seen)).count() as u64 + self.view.disagreements;
        if report.lost > 0 {
            report.wrong.push(format!("{} rounds were shown and are not held by all", report.lost));
        }
        self.network.stop_all().await?;
        for node in &self.network.nodes {
            let crimes = audit::accusations(node)?;
            report.crimes += crimes.len() as u64;
            report.wrong.extend(crimes);
            report.wrong.extend(audit::database(&self.network.binaries.node, node).await?);
        }
        Ok(())
    }
}
