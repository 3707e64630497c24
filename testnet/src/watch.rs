//! Subscribers, one a node, and what they have seen.
//!
//! Nothing is verified here: what a network shows of itself is shown, and [`crate::audit`] compares it. Users verify
//! with the client.

use std::collections::BTreeMap;
use std::time::Duration;

use beacon_client::source::http::HttpSource;
use beacon_client::source::{Push, Source};
use beacon_spec::chain::Beacon;
use beacon_spec::hash::Digest32;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::measure;

/// How soon a subscription that broke, or was refused by a node not up yet, is tried again.
const RETRY: Duration = Duration::from_millis(25);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Beacons that wait for the watcher at most; beyond it the subscribers wait, and lose nothing.
const QUEUE: usize = 4096;

/// A beacon as it arrived at the subscriber of one node.
#[derive(Debug)]
pub struct Sighting {
    pub node: usize,
    /// Unix milliseconds.
    pub at: f64,
    pub beacon: Box<Beacon>,
}

/// The subscribers; they end when this is dropped.
pub struct Watchers {
    sightings: mpsc::Receiver<Sighting>,
    _tasks: JoinSet<()>,
}

impl Watchers {
    /// Subscribes to every address from its first round on, through stops and restarts.
    pub fn start(urls: impl IntoIterator<Item = String>) -> Result<Watchers, Failure> {
        let (sender, sightings) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        for (node, url) in urls.into_iter().enumerate() {
            let source = HttpSource::new(&url, CONNECT_PATIENCE)
                .map_err(|reason| Failure::new(reason, "name a node's public interface"))?;
            tasks.spawn(follow(node, source, sender.clone()));
        }
        Ok(Watchers { sightings, _tasks: tasks })
    }

    /// The next sighting. Pends for ever when nothing happens any more.
    pub async fn next(&mut self) -> Sighting {
        match self.sightings.recv().await {
            Some(sighting) => sighting,
            // The subscribers end only with this structure.
            None => std::future::pending().await,
        }
    }
}

async fn follow(node: usize, source: HttpSource, sender: mpsc::Sender<Sighting>) {
    let mut next = 1;
    loop {
        if let Ok(mut pushes) = source.subscribe(next).await {
            while let Some(Ok(push)) = pushes.next().await {
                let at = measure::now_ms();
                let Push::Beacon(beacon) = push else { continue };
                next = beacon.header.round + 1;
                if sender.send(Sighting { node, at, beacon }).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// What was seen of one node.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub latest: Option<Beacon>,
    /// Due time to certified of the latest, in milliseconds; `None` without a period.
    pub latency: Option<f64>,
}

impl Seen {
    pub fn round(&self) -> u64 {
        self.latest.as_ref().map_or(0, |beacon| beacon.header.round)
    }
}

/// What all subscribers have seen together.
#[derive(Debug)]
pub struct View {
    pub nodes: Vec<Seen>,
    /// Without a period there are no due times.
    timed: bool,
    /// When each of the latest rounds was first seen, and with which header.
    pub first: BTreeMap<u64, (f64, Digest32)>,
    /// Due time to certified of every sighting, in milliseconds.
    pub latencies: Vec<f64>,
    /// Sightings whose header is another than the one first seen for the round.
    pub disagreements: u64,
}

/// Rounds that [`View::first`] remembers.
const REMEMBERED: usize = 100_000;

impl View {
    pub fn new(nodes: usize, period: u64) -> View {
        View {
            nodes: vec![Seen::default(); nodes],
            timed: period > 0,
            first: BTreeMap::new(),
            latencies: Vec::new(),
            disagreements: 0,
        }
    }

    /// Takes a sighting in; whether its round was not seen before.
    pub fn note(&mut self, sighting: Sighting) -> bool {
        let header = &sighting.beacon.header;
        let (round, hash) = (header.round, header.hash());
        let latency = self.timed.then_some(sighting.at - header.due as f64);
        self.latencies.extend(latency);
        let new = !self.first.contains_key(&round);
        let (_, known) = self.first.entry(round).or_insert((sighting.at, hash));
        self.disagreements += u64::from(*known != hash);
        if self.first.len() > REMEMBERED {
            self.first.pop_first();
            let half = self.latencies.len() / 2;
            self.latencies.drain(..half);
        }
        if let Some(seen) = self.nodes.get_mut(sighting.node) {
            *seen = Seen { latest: Some(*sighting.beacon), latency };
        }
        new
    }

    /// The newest round that any node has shown.
    pub fn newest(&self) -> Option<&Beacon> {
        self.nodes.iter().filter_map(|seen| seen.latest.as_ref()).max_by_key(|beacon| beacon.header.round)
    }

    /// The round that every node has shown.
    pub fn common(&self) -> u64 {
        self.nodes.iter().map(Seen::round).min().unwrap_or(0)
    }
}
