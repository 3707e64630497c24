//! A node's gossip as a source, and the client's only module that names libp2p.
//!
//! A peer pushes the beacons that it verified, the moment it has them, and answers on the same connection whatever is
//! asked, as its public HTTP interface would. Gossip alone would leave it to luck whether the first round comes soon: the
//! newest one went round before the subscriber was there, and the next may be late. It is asked for instead.
//!
//! A peer is believed as little as a server. The client is a leaf of the network: it has a name of its own for each
//! connection, takes beacons, forwards none, and listens nowhere.
//!
//! Reading order: `swarm` (what is spoken), `link` (one connection and its users), and the source itself.

mod link;
mod swarm;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use beacon_spec::gossip::namespace;
use beacon_spec::hash::Digest32;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use libp2p::Multiaddr;
use tokio::time::timeout;

use self::link::{Link, read_answer};
use super::{Arrival, Fault, Pushes, Request, Source};

/// A peer, by its address.
pub struct GossipSource {
    /// As the user wrote it.
    name: String,
    address: Multiaddr,
    namespace: String,
    timeout: Duration,
    /// The connection, from the first use on. Another is made when it has ended.
    link: Mutex<Option<Link>>,
}

impl GossipSource {
    /// Reads a multiaddr; the error says what is wrong with the text.
    pub fn new(address: &str, chain: &Digest32, timeout: Duration) -> Result<GossipSource, String> {
        let parsed = address
            .parse()
            .map_err(|error| format!("{address} is no multiaddr such as /ip4/192.0.2.1/udp/7700/quic-v1: {error}"))?;
        let (name, namespace) = (address.to_owned(), namespace(chain));
        Ok(GossipSource { name, address: parsed, namespace, timeout, link: Mutex::new(None) })
    }

    fn link(&self) -> Result<Link, Fault> {
        let mut kept = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(link) if !link.is_over() => Ok(link.clone()),
            _ => Ok(kept.insert(Link::start(&self.namespace, &self.address, self.timeout)?).clone()),
        }
    }
}

impl Source for GossipSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch(&self, request: Request, limit: usize) -> BoxFuture<'_, Result<Vec<u8>, Fault>> {
        async move {
            let link = self.link()?;
            let answer = timeout(self.timeout, link.ask(request.path())).await.map_err(|_| Fault::Timeout)??;
            read_answer(&answer, limit)
        }
        .boxed()
    }

    fn subscribe(&self, _: u64) -> BoxFuture<'_, Result<Pushes, Fault>> {
        async move {
            let link = self.link()?;
            let pushes = timeout(self.timeout, link.subscribe()).await.map_err(|_| Fault::Timeout)??;
            // The link is held so that the connection lives as long as the subscription.
            let pushes = stream::unfold((pushes, link), |(mut pushes, link)| async move {
                pushes.recv().await.map(|push| (push, (pushes, link)))
            });
            Ok(pushes.boxed())
        }
        .boxed()
    }

    fn arrival(&self) -> Arrival {
        Arrival::Gossip
    }
}
