//! How soon a fresh gossip subscriber has its first round.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beacon_client::follow::{Arrival, Event};
use beacon_client::source::gossip::GossipSource;
use beacon_client::{Client, Digest32};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout;

use super::Figure;
use super::networks::scratch;
use crate::binaries::Binaries;
use crate::failure::Failure;
use crate::home::Home;
use crate::measure;
use crate::network::Network;
use crate::plan::Plan;
use crate::watch::{View, Watchers};

const PERIOD: u64 = 1000;
const TWO_PERIODS: Duration = Duration::from_millis(2 * PERIOD);
/// Subscribers at one time.
const TOGETHER: usize = 8;
const PATIENCE: Duration = Duration::from_secs(30);

/// One round of a subscriber.
struct Seen {
    after: Duration,
    round: u64,
    arrival: Arrival,
    /// Milliseconds after its due time.
    late: u64,
}

/// What one subscriber saw until its first gossiped round.
struct Try {
    number: usize,
    rounds: Vec<Seen>,
}

impl Try {
    /// Until it had a round, however that came.
    fn first(&self) -> Option<Duration> {
        self.rounds.first().map(|seen| seen.after)
    }

    /// Until it had a round by gossip.
    fn gossiped(&self) -> Option<Duration> {
        self.rounds.iter().find(|seen| seen.arrival == Arrival::Gossip).map(|seen| seen.after)
    }
}

impl fmt::Display for Try {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "try {}:", self.number)?;
        for Seen { after, round, arrival, late } in &self.rounds {
            write!(f, " round {round} by {} after {} ms, {late} ms late;", arrival.name(), after.as_millis())?;
        }
        Ok(())
    }
}

pub(super) async fn first_round(tries: usize, peers: usize) -> Result<Vec<Figure>, Failure> {
    let plan = Plan::new(Some(4), None, PERIOD, 1, 7700)?.on_free_ports()?;
    let home = Home::claim(&scratch("subscribe")?)?;
    let mut network = Network::make(plan, home, Binaries::beside()?).await?;
    network.start()?;
    let tried = subscribe_all(&network, tries, peers).await;
    let stopped = network.stop_all().await;
    let tried = tried?;
    stopped?;
    network.home.remove()?;
    let mut firsts = BTreeMap::<_, usize>::new();
    for seen in tried.iter().filter_map(|one| one.rounds.first()) {
        *firsts.entry(seen.arrival.name()).or_default() += 1;
    }
    eprintln!("first rounds by how they came: {firsts:?}");
    let soon = |took: Option<Duration>| took.is_some_and(|took| took <= TWO_PERIODS);
    for one in tried.iter().filter(|one| !soon(one.gossiped())) {
        eprintln!("no gossiped round within two periods: {one}");
    }
    let periods = |took: Option<Duration>| took.unwrap_or(PATIENCE).as_secs_f64() * 1000.0 / PERIOD as f64;
    let slowest = |took: fn(&Try) -> Option<Duration>| tried.iter().map(took).map(periods).fold(0.0, f64::max);
    let count = |took: fn(&Try) -> Option<Duration>| tried.iter().map(took).filter(|took| soon(*took)).count() as f64;
    let (first, gossiped) = (Try::first, Try::gossiped);
    let all = tries as f64;
    Ok(vec![
        Figure::at_least("gossip subscribers with a round within two periods", count(first), all, "tries"),
        Figure::at_most("slowest first round", slowest(first), 2.0, "periods"),
        Figure::at_least("of them with a gossiped round within two periods", count(gossiped), all, "tries"),
        Figure::at_most("slowest first gossiped round", slowest(gossiped), 2.0, "periods"),
    ])
}

async fn subscribe_all(network: &Network, tries: usize, peers: usize) -> Result<Vec<Try>, Failure> {
    let chain = Digest32::from_hex(&network.chain).map_err(|reason| unusable(&reason))?;
    let mut watchers = Watchers::start(network.nodes.iter().map(|node| node.endpoints.url()))?;
    let mut view = View::new(network.nodes.len(), PERIOD);
    while view.common() < 2 {
        view.note(timeout(PATIENCE, watchers.next()).await.map_err(|reason| unusable(&reason))?);
    }
    let each = stream::iter(0..tries).map(|number| subscribe(network, chain, peers, number));
    each.buffer_unordered(TOGETHER).try_collect().await
}

/// A subscriber without any state, until a round comes by gossip.
async fn subscribe(network: &Network, chain: Digest32, peers: usize, number: usize) -> Result<Try, Failure> {
    // The end of the subscriber before is the moment after a round. They begin spread over the period instead.
    let phase = (number as u64).wrapping_mul(618) % PERIOD;
    let elapsed = measure::now_ms() as u64 % PERIOD;
    tokio::time::sleep(Duration::from_millis((phase + PERIOD - elapsed) % PERIOD)).await;
    let began = Instant::now();
    let mut rounds = Vec::new();
    let until_gossip = async {
        let mut subscription =
            client(network, chain, peers, number)?.subscribe(None).await.map_err(|reason| unusable(&reason))?;
        while let Some(event) = subscription.event().await {
            if let Event::Beacon(verified, arrival) = event.map_err(|reason| unusable(&reason))? {
                let late = (measure::now_ms() as u64).saturating_sub(verified.header().due);
                rounds.push(Seen { after: began.elapsed(), round: verified.round(), arrival, late });
                if arrival == Arrival::Gossip {
                    return Ok(());
                }
            }
        }
        Err(unusable(&"the subscription ended"))
    };
    // Patience that ends shows in what is missing.
    timeout(PATIENCE, until_gossip).await.unwrap_or(Ok(()))?;
    Ok(Try { number, rounds })
}

/// A client of so many peers and of nothing else, over QUIC and TCP in turn.
fn client(network: &Network, chain: Digest32, peers: usize, number: usize) -> Result<Client, Failure> {
    let mut builder = Client::builder().chain(chain);
    for place in 0..peers {
        let node = &network.nodes[(number + place) % network.nodes.len()].endpoints;
        let address = &node.multiaddrs()[(number / 4 + place) % 2];
        let peer = GossipSource::new(address, &chain, PATIENCE).map_err(|reason| unusable(&reason))?;
        builder = builder.source(Arc::new(peer));
    }
    builder.build().map_err(|reason| unusable(&reason))
}

fn unusable(reason: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("a subscriber cannot go on: {reason}"), "look at the nodes' logs; the files are kept")
}
