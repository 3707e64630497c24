//! Whole networks on the loopback. No test sleeps: each waits for events, under one time limit.

mod exchange;
mod hostile;
mod latency;
mod restart;
mod round_trips;

use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::metrics::DropReason;
use super::{Network, NetworkConfig, NetworkEvent, NetworkLimits, PeerKey, Topic, identity};

/// Longest wait for any one event; far beyond what a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How nodes reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Tcp,
    Quic,
}

impl Carrier {
    fn any_port(self) -> String {
        match self {
            Carrier::Tcp => "/ip4/127.0.0.1/tcp/0".to_owned(),
            Carrier::Quic => "/ip4/127.0.0.1/udp/0/quic-v1".to_owned(),
        }
    }
}

/// A node, its events, and where it listens.
struct Node {
    registry: Registry,
    key: PeerKey,
    network: Network,
    events: mpsc::Receiver<NetworkEvent>,
    address: String,
}

fn secret(seed: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([seed; 32])
}

fn key(seed: u8) -> PeerKey {
    let keypair = identity::keypair(&secret(seed)).unwrap();
    identity::peer_key(&keypair.public().to_peer_id()).unwrap()
}

fn config(seed: u8, listen: String, peers: &[String], members: &[u8]) -> NetworkConfig {
    NetworkConfig {
        identity_secret: secret(seed),
        chain: [1; 32],
        listen: vec![listen],
        peers: peers.to_vec(),
        members: members.iter().map(|seed| key(*seed)).collect(),
        limits: NetworkLimits::default(),
    }
}

impl Node {
    async fn start(config: NetworkConfig) -> Self {
        // RUST_LOG=beacon_node=debug shows what the nodes do; another test may have set it up already.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init().ok();
        let keypair = identity::keypair(&config.identity_secret).unwrap();
        let key = identity::peer_key(&keypair.public().to_peer_id()).unwrap();
        let mut registry = Registry::default();
        let (network, events) = Network::start(config, &mut registry).await.unwrap();
        let mut node = Node { registry, key, network, events, address: String::new() };
        node.address = node
            .wait(|event| match event {
                NetworkEvent::Listening(address) => Some(address),
                _ => None,
            })
            .await;
        node
    }

    /// How many messages the node dropped for a reason, as its metrics tell.
    fn dropped(&self, reason: DropReason) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let name = format!("network_drops_total{{reason=\"{}\"}} ", reason.label());
        text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }

    /// The next event that `pick` takes; others are passed over, gossip among them without verdict.
    async fn wait<T>(&mut self, mut pick: impl FnMut(NetworkEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the network task runs");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, found).await.expect("the event arrives in time")
    }

    async fn up(&mut self, peer: PeerKey) {
        self.wait(|event| matches!(event, NetworkEvent::PeerUp(key) if key == peer).then_some(())).await;
    }

    async fn down(&mut self, peer: PeerKey) {
        self.wait(|event| matches!(event, NetworkEvent::PeerDown(key) if key == peer).then_some(())).await;
    }

    async fn direct(&mut self, peer: PeerKey) -> Vec<u8> {
        self.wait(|event| match event {
            NetworkEvent::Direct { from, data } if from == peer => Some(data),
            _ => None,
        })
        .await
    }

    async fn gossip(&mut self, expected: Topic) -> (PeerKey, Vec<u8>, super::ValidationToken) {
        self.wait(|event| match event {
            NetworkEvent::Gossip { from, topic, data, validation } if topic == expected => {
                Some((from, data, validation))
            }
            _ => None,
        })
        .await
    }
}

/// Members with seeds 1..=count, each given the addresses of those before it, all connected.
async fn committee(count: u8, carrier: Carrier) -> Vec<Node> {
    let members: Vec<u8> = (1..=count).collect();
    let mut nodes: Vec<Node> = Vec::new();
    for seed in 1..=count {
        let peers: Vec<String> = nodes.iter().map(|node| node.address.clone()).collect();
        nodes.push(Node::start(config(seed, carrier.any_port(), &peers, &members)).await);
    }
    for index in 0..nodes.len() {
        let others: Vec<PeerKey> = nodes.iter().map(|node| node.key).collect();
        let node = &mut nodes[index];
        let mut missing: std::collections::BTreeSet<PeerKey> = others.into_iter().collect();
        missing.remove(&node.key);
        node.wait(|event| {
            if let NetworkEvent::PeerUp(key) = event {
                missing.remove(&key);
            }
            missing.is_empty().then_some(())
        })
        .await;
    }
    nodes
}
