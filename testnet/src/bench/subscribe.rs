//! How soon a fresh gossip subscriber has its first round.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beacon_client::follow::{Arrival, Event};
use beacon_client::source::gossip::GossipSource;
use beacon_client::source::http::HttpSource;
use beacon_client::source::{Fault, Pushes, Request, Source};
use beacon_client::{Client, Digest32};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::time::timeout;

use super::Figure;
use super::networks::scratch;
use crate::binaries::Binaries;
use crate::failure::Failure;
use crate::home::Home;
use crate::network::Network;
use crate::plan::Plan;
use crate::watch::{View, Watchers};

const PERIOD: u64 = 1000;
/// Subscribers at one time.
const TOGETHER: usize = 8;
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that is asked and does not push, so that no round comes both ways.
struct Asked(HttpSource);

impl Source for Asked {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn fetch(&self, request: Request, limit: usize) -> BoxFuture<'_, Result<Vec<u8>, Fault>> {
        self.0.fetch(request, limit)
    }

    fn subscribe(&self, _: u64) -> BoxFuture<'_, Result<Pushes, Fault>> {
        async { Err(Fault::Missing(None)) }.boxed()
    }
}

/// What one subscriber saw until its first gossiped round.
struct Try {
    /// Until it had a round, however that came.
    first: Option<Duration>,
    took: Option<Duration>,
    arrivals: BTreeMap<Arrival, usize>,
}

pub(super) async fn first_round(tries: usize, peers: usize) -> Result<Vec<Figure>, Failure> {
    let plan = Plan::new(Some(4), None, PERIOD, 1, 7700)?.on_free_ports()?;
    let home = Home::claim(&scratch("subscribe")?)?;
    let mut network = Network::make(plan, home, Binaries::beside()?).await?;
    network.start()?;
    let seen = subscribe_all(&network, tries, peers).await;
    let stopped = network.stop_all().await;
    let seen = seen?;
    stopped?;
    network.home.remove()?;
    let two = Duration::from_millis(2 * PERIOD);
    let soon = |took: Option<Duration>| took.is_some_and(|took| took <= two);
    let any = seen.iter().filter(|one| soon(one.first)).count();
    let good = seen.iter().filter(|one| soon(one.took)).count();
    let slowest = seen.iter().map(|one| one.took.unwrap_or(PATIENCE)).max().unwrap_or_default();
    let count = |arrival| seen.iter().filter_map(|one| one.arrivals.get(&arrival)).sum::<usize>();
    eprintln!("rounds by gossip: {}, by fetch: {}", count(Arrival::Gossip), count(Arrival::Fetch));
    Ok(vec![
        Figure::at_least("gossip subscribers with a round within two periods", any as f64, tries as f64, "tries"),
        Figure::at_least(
            "gossip subscribers with a gossiped round within two periods",
            good as f64,
            tries as f64,
            "tries",
        ),
        Figure::at_most("slowest first gossiped round", slowest.as_secs_f64() * 1000.0 / PERIOD as f64, 2.0, "periods"),
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
    let began = Instant::now();
    let (mut first, mut arrivals) = (None, BTreeMap::new());
    let until_gossip = async {
        let mut subscription =
            client(network, chain, peers, number)?.subscribe(None).await.map_err(|reason| unusable(&reason))?;
        while let Some(event) = subscription.event().await {
            if let Event::Beacon(_, arrival) = event.map_err(|reason| unusable(&reason))? {
                first.get_or_insert_with(|| began.elapsed());
                *arrivals.entry(arrival).or_default() += 1;
                if arrival == Arrival::Gossip {
                    return Ok(());
                }
            }
        }
        Err(unusable(&"the subscription ended"))
    };
    let took = match timeout(PATIENCE, until_gossip).await {
        Ok(ended) => ended.map(|()| Some(began.elapsed()))?,
        Err(_) => None,
    };
    Ok(Try { first, took, arrivals })
}

/// A client of so many peers, over QUIC and TCP in turn; the node after them is asked for what is missing.
fn client(network: &Network, chain: Digest32, peers: usize, number: usize) -> Result<Client, Failure> {
    let node = |place: usize| &network.nodes[(number + place) % network.nodes.len()].endpoints;
    let mut builder = Client::builder().chain(chain);
    for place in 0..peers {
        let address = &node(place).multiaddrs()[(number / 4 + place) % 2];
        let peer = GossipSource::new(address, &chain, PATIENCE).map_err(|reason| unusable(&reason))?;
        builder = builder.source(Arc::new(peer));
    }
    let server = HttpSource::new(&node(peers).url(), PATIENCE).map_err(|reason| unusable(&reason))?;
    builder.source(Arc::new(Asked(server))).build().map_err(|reason| unusable(&reason))
}

fn unusable(reason: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("a subscriber cannot go on: {reason}"), "look at the nodes' logs; the files are kept")
}
