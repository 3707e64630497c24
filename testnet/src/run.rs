//! A network from start to end: makes it, watches it, obeys, measures, stops it.

use std::path::Path;
use std::time::Duration;

use beacon_spec::hash::Digest32;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::audit::{self, Agreement};
use crate::binaries::Binaries;
use crate::control::{Act, Asked, Listener};
use crate::failure::Failure;
use crate::health::Poll;
use crate::home::Home;
use crate::measure;
use crate::network::Network;
use crate::plan::Plan;
use crate::report::{Meter, Report};
use crate::table::Display;
use crate::watch::{Sighting, View, Watchers};

/// How often the table is drawn.
const TICK: Duration = Duration::from_millis(250);
/// A run of so many rounds is given up when none was certified for this long, or for ten periods.
const STALLED: Duration = Duration::from_secs(60);

/// How to run a network.
pub struct Options {
    /// Stop when all nodes hold so many certified rounds.
    pub rounds: Option<u64>,
    pub show: Show,
    /// Leave the directory as it is at the end.
    pub keep: bool,
}

/// What goes to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// A table on a terminal, else a line a round; with a number of rounds the result.
    People,
    /// The network when it starts, or with a number of rounds the result; all else goes to standard error.
    Json,
    /// Nothing: the caller takes the report.
    Nothing,
}

/// Why the watching ended.
enum End {
    Rounds(u64),
    Asked(Option<Asked>),
    Stalled,
    Ended(Failure),
}

/// Runs a network until it has so many rounds, or until it is told to stop.
pub async fn up(plan: Plan, root: &Path, options: &Options) -> Result<Option<Report>, Failure> {
    let began = measure::now_ms();
    let binaries = Binaries::beside()?;
    warn_exemption(&plan);
    plan.check_ports()?;
    let home = Home::claim(root)?;
    let mut signals = Signals::listen()?;
    let network = Network::make(plan, home, binaries).await?;
    let mut run = Run::begin(network, options, began)?;
    let end = run.watch(&mut signals).await;
    let (report, failure, asked) = match end {
        Ok(End::Rounds(rounds)) => {
            let (report, failure) = run.conclude(rounds).await;
            (Some(report), failure, None)
        }
        Ok(End::Asked(asked)) => (None, None, asked),
        Ok(End::Stalled) => (None, Some(run.stalled()), None),
        Ok(End::Ended(failure)) | Err(failure) => (None, Some(failure), None),
    };
    let stopped = run.network.stop_all().await;
    if let Some(report) = report.as_ref().filter(|_| options.show != Show::Nothing) {
        println!("{}", report.json());
    }
    let result = failure.map_or(Ok(()), Err).and(stopped);
    let Run { network, .. } = run;
    let result = match result {
        Ok(()) if !options.keep => network.home.remove(),
        Ok(()) => Ok(()),
        Err(failure) => {
            eprintln!("the network's files are kept in {}", network.home.path().display());
            Err(failure)
        }
    };
    if let Some(asked) = asked {
        asked.answer(Ok("all nodes are stopped".into())).await;
    }
    result.map(|()| report)
}

fn warn_exemption(plan: &Plan) {
    if plan.needs_exemption() {
        eprintln!(
            "development exemption: a node of this network has a third of the weight or more, and the genesis says so. \
             Such a node can stop the beacon alone; nodes with half of the tickets can foresee outputs and choose among \
             them. For development only."
        );
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Signals, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(format!("cannot wait for signals: {error}"), "start it again"))
        };
        Ok(Signals { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// A network that runs, with all that watches it.
struct Run<'a> {
    network: Network,
    options: &'a Options,
    watchers: Watchers,
    view: View,
    health: Poll,
    control: Listener,
    display: Display,
    meter: Meter,
    /// When a new round was last seen.
    moved: Instant,
}

impl<'a> Run<'a> {
    fn begin(mut network: Network, options: &'a Options, began: f64) -> Result<Run<'a>, Failure> {
        let control = Listener::open(network.home.path())?;
        network.start()?;
        let watchers = Watchers::start(network.nodes.iter().map(|node| node.endpoints.url()))?;
        let health = Poll::start(network.nodes.iter().map(|node| node.endpoints.http_address()).collect());
        if options.show == Show::Json && options.rounds.is_none() {
            println!("{}", json!(network.state()));
        }
        let mut display = Display::new(options.show);
        display.say(&format!("chain {} in {}", network.chain, network.home.path().display()));
        Ok(Run {
            view: View::new(network.nodes.len(), network.plan.period),
            network,
            options,
            watchers,
            health,
            control,
            display,
            meter: Meter::new(began),
            moved: Instant::now(),
        })
    }

    async fn watch(&mut self, signals: &mut Signals) -> Result<End, Failure> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                sighting = self.watchers.next() => {
                    if let Some(end) = self.note(sighting) {
                        return Ok(end);
                    }
                }
                _ = tick.tick() => {
                    if let Some(end) = self.tick()? {
                        return Ok(end);
                    }
                }
                asked = self.control.next() => {
                    if asked.act == Act::StopAll {
                        return Ok(End::Asked(Some(asked)));
                    }
                    self.obey(asked).await;
                }
                () = signals.next() => {
                    self.display.say("stopping the nodes");
                    return Ok(End::Asked(None));
                }
            }
        }
    }

    fn note(&mut self, sighting: Sighting) -> Option<End> {
        let node = sighting.node;
        if self.view.note(sighting) {
            self.moved = Instant::now();
            let seen = &self.view.nodes[node];
            self.meter.certified(&self.network, seen.round());
            if let Some(beacon) = &seen.latest {
                self.display.round(beacon, seen.latency, &self.view, &self.network);
            }
        }
        let rounds = self.options.rounds?;
        (self.view.common() >= rounds).then_some(End::Rounds(rounds))
    }

    fn tick(&mut self) -> Result<Option<End>, Failure> {
        for (_, failure) in self.network.ended()? {
            if self.options.rounds.is_some() || self.view.first.is_empty() {
                return Ok(Some(End::Ended(failure)));
            }
            self.display.say(&failure.to_string());
        }
        self.display.draw(&self.network, &self.view, &self.health.latest());
        let patience = STALLED.max(Duration::from_millis(self.network.plan.period.saturating_mul(10)));
        let stalled = self.options.rounds.is_some() && self.moved.elapsed() > patience;
        Ok(stalled.then_some(End::Stalled))
    }

    async fn obey(&mut self, asked: Asked) {
        let network = &mut self.network;
        let (result, done) = match asked.act {
            Act::Kill(node) => (network.kill(node).await, format!("node {node} is killed")),
            Act::Stop(node) => (network.stop(node).await, format!("node {node} is stopped")),
            Act::Restart(node) => (network.restart(node, false).await, format!("node {node} is started")),
            Act::Withhold(node) => {
                (network.restart(node, true).await, format!("node {node} is started and withholds its openings"))
            }
            Act::StopAll => return,
        };
        if result.is_ok() {
            self.display.say(&done);
        }
        asked.answer(result.map(|()| done)).await;
    }

    /// Compares what the nodes hold and measures, before anything is stopped.
    async fn conclude(&mut self, rounds: u64) -> (Report, Option<Failure>) {
        let urls: Vec<String> = self.network.nodes.iter().map(|node| node.endpoints.url()).collect();
        let agreement = match Digest32::from_hex(&self.network.chain) {
            Ok(chain) => audit::compare(&urls, chain, rounds).await,
            Err(reason) => Agreement { agreeing: 0, failures: vec![(0, format!("no chain hash: {reason}"))] },
        };
        let report = self.meter.finish(&self.network, &self.view, rounds, &agreement);
        let mut reasons: Vec<String> =
            agreement.failures.iter().map(|(node, reason)| format!("node {node}: {reason}")).collect();
        if self.view.disagreements > 0 {
            reasons.push(format!("{} served headers differ from another node's", self.view.disagreements));
        }
        let failure = (!reasons.is_empty()).then(|| {
            let what = format!("{} of {} nodes agree: {}", agreement.agreeing, urls.len(), reasons.join("; "));
            Failure::new(what, "look at the nodes' logs")
        });
        (report, failure)
    }

    fn stalled(&self) -> Failure {
        let rounds: Vec<String> = self
            .network
            .nodes
            .iter()
            .zip(&self.view.nodes)
            .map(|(node, seen)| format!("node {} at {}", node.index, seen.round()))
            .collect();
        let what = format!("no round was certified for {} s: {}", self.moved.elapsed().as_secs(), rounds.join(", "));
        let tail = self.network.nodes.first().map(|node| node.tail()).unwrap_or_default();
        Failure::new(what, tail)
    }
}
