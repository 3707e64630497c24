//! A node's gossip as a source, and the client's only module that names libp2p.
//!
//! A peer pushes the beacons that it verified, the moment it has them. It is believed as little as a server. The client
//! is a leaf of the network: it has a name of its own for each connection, takes beacons, forwards none, and listens
//! nowhere. Peers are asked for nothing, so a subscription needs a server beside them for what came before and for gaps.

use std::collections::HashSet;
use std::time::Duration;

use beacon_spec::gossip::{BEACONS, FRAME_HEAD, GOSSIP_MAX, message_id, namespace, protocol, read_beacon, topic};
use beacon_spec::hash::Digest32;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, IdentityTransform, Message, MessageAcceptance, MessageAuthenticity, MessageId,
    ValidationMode, WhitelistSubscriptionFilter,
};
use libp2p::identity::{Keypair, ed25519};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, SwarmBuilder, noise, ping, tcp, yamux};
use tokio::time::timeout;

use super::{Arrival, Fault, Push, PushError, Pushes, Request, Source};
use crate::refusal::Refusal;

/// Room for the envelope around a frame: topic and lengths.
const ENVELOPE: usize = 4096;
/// A peer is asked for a sign of life this often, and given up when it gives none within the second.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that carries nothing but signs of life is kept for so long.
const IDLE: Duration = Duration::from_secs(3600);

/// How often the mesh is looked after. With one peer that costs nothing, and a peer that could not be grafted at once,
/// since its protocol was still being negotiated, is soon.
const BEAT: Duration = Duration::from_millis(100);

type Gossip = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

#[derive(NetworkBehaviour)]
struct Behaviour {
    gossip: Gossip,
    ping: ping::Behaviour,
}

/// A peer, by its address.
pub struct GossipSource {
    /// As the user wrote it.
    name: String,
    address: Multiaddr,
    namespace: String,
    timeout: Duration,
}

impl GossipSource {
    /// Reads a multiaddr; the error says what is wrong with the text.
    pub fn new(address: &str, chain: &Digest32, timeout: Duration) -> Result<GossipSource, String> {
        let parsed = address
            .parse()
            .map_err(|error| format!("{address} is no multiaddr such as /ip4/192.0.2.1/udp/7700/quic-v1: {error}"))?;
        Ok(GossipSource { name: address.to_owned(), address: parsed, namespace: namespace(chain), timeout })
    }

    /// Connects, and waits until the peer is known to gossip this chain's beacons.
    async fn join(&self) -> Result<Swarm<Behaviour>, Fault> {
        let mut swarm = swarm(&self.namespace).map_err(Fault::Connect)?;
        swarm.dial(self.address.clone()).map_err(|error| Fault::Connect(error.to_string()))?;
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { .. })) => return Ok(swarm),
                SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::GossipsubNotSupported { .. })) => {
                    return Err(Fault::Protocol("the peer is not of this chain".into()));
                }
                SwarmEvent::OutgoingConnectionError { error, .. } => return Err(Fault::Connect(error.to_string())),
                SwarmEvent::ConnectionClosed { .. } => return Err(Fault::Closed),
                _ => {}
            }
        }
    }
}

impl Source for GossipSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch(&self, _: Request, _: usize) -> BoxFuture<'_, Result<Vec<u8>, Fault>> {
        async { Err(Fault::Missing(Some("peers only push".into()))) }.boxed()
    }

    fn subscribe(&self, _: u64) -> BoxFuture<'_, Result<Pushes, Fault>> {
        async move {
            let swarm = timeout(self.timeout, self.join()).await.map_err(|_| Fault::Timeout)??;
            Ok(stream::try_unfold(swarm, next_push).boxed())
        }
        .boxed()
    }

    fn arrival(&self) -> Arrival {
        Arrival::Gossip
    }
}

/// The next beacon or sign of life; nothing when the connection has ended.
async fn next_push(mut swarm: Swarm<Behaviour>) -> Result<Option<(Push, Swarm<Behaviour>)>, PushError> {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => {
                let gossip = &mut swarm.behaviour_mut().gossip;
                // What is not accepted is not forwarded.
                gossip.report_message_validation_result(&message_id, &propagation_source, MessageAcceptance::Ignore);
                let beacon = read_beacon(&message.data);
                let refused = |reject| PushError::Refused(Box::new(Refusal::new(reject, "gossiped beacon")));
                return Ok(Some((Push::Beacon(Box::new(beacon.map_err(refused)?)), swarm)));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { result, .. })) => match result {
                Ok(_) => return Ok(Some((Push::Heartbeat, swarm))),
                Err(_) => return Err(Fault::Timeout.into()),
            },
            SwarmEvent::ConnectionClosed { num_established: 0, .. } => return Ok(None),
            _ => {}
        }
    }
}

/// A node of the network for one connection, with a fresh name.
fn swarm(namespace: &str) -> Result<Swarm<Behaviour>, String> {
    let behaviour = Behaviour {
        gossip: gossip(namespace)?,
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)),
    };
    let transports = SwarmBuilder::with_existing_identity(name()?)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| error.to_string())?
        .with_quic();
    let builder = transports.with_dns().map_err(|error| error.to_string())?;
    let builder = builder.with_behaviour(|_| behaviour).map_err(|error| error.to_string())?;
    Ok(builder.with_swarm_config(|config| config.with_idle_connection_timeout(IDLE)).build())
}

fn name() -> Result<Keypair, String> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| error.to_string())?;
    let secret = ed25519::SecretKey::try_from_bytes(&mut secret).map_err(|error| error.to_string())?;
    Ok(Keypair::from(ed25519::Keypair::from(secret)))
}

/// Gossip of one topic, beacons, with the settings that nodes have where both must agree.
fn gossip(namespace: &str) -> Result<Gossip, String> {
    let beacons = IdentTopic::new(topic(namespace, BEACONS));
    let config = ConfigBuilder::default()
        .protocol_id_prefix(protocol(namespace))
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message: &Message| MessageId::new(&message_id(message.topic.as_str(), &message.data).0))
        .heartbeat_initial_delay(BEAT)
        .heartbeat_interval(BEAT)
        .max_transmit_size(GOSSIP_MAX + FRAME_HEAD + ENVELOPE)
        .build()
        .map_err(|error| error.to_string())?;
    let allowed = HashSet::from([beacons.hash()]);
    let mut gossip = Gossip::new_with_subscription_filter(
        MessageAuthenticity::Anonymous,
        config,
        WhitelistSubscriptionFilter(allowed),
    )
    .map_err(str::to_owned)?;
    gossip.subscribe(&beacons).map_err(|error| error.to_string())?;
    Ok(gossip)
}

#[cfg(test)]
mod tests {
    use beacon_spec::chain::Beacon;
    use beacon_spec::codec::encode;
    use beacon_spec::gossip::frame;
    use tokio::sync::oneshot;

    use super::*;
    use crate::fabricate::{Chain, Plan};

    /// A peer that publishes `frames` once somebody has subscribed; gives its address.
    async fn peer(namespace: &str, frames: Vec<Vec<u8>>) -> String {
        let mut swarm = swarm(namespace).expect("a swarm");
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddr")).expect("a free port");
        let (found, address) = oneshot::channel();
        let (mut found, topic) = (Some(found), IdentTopic::new(topic(namespace, BEACONS)));
        tokio::spawn(async move {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::NewListenAddr { address, .. } => {
                        found.take().and_then(|found| found.send(address.to_string()).ok());
                    }
                    SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { .. })) => {
                        for frame in &frames {
                            let gossip = &mut swarm.behaviour_mut().gossip;
                            gossip.publish(topic.hash(), frame.clone()).expect("somebody subscribes");
                        }
                    }
                    _ => {}
                }
            }
        });
        address.await.expect("the peer listens")
    }

    fn message(beacon: &Beacon) -> Vec<u8> {
        frame(0, &[&[0, 0, 0, 3], encode(beacon).as_slice()].concat())
    }

    #[tokio::test]
    async fn peers_push_what_they_gossip() {
        let chain = Chain::build(Plan::new(4), 2).expect("a plan");
        let frames = vec![message(&chain.beacons[0]), message(&chain.beacons[1]), vec![0; 9]];
        let address = peer(&namespace(&chain.chain), frames).await;
        let source = GossipSource::new(&address, &chain.chain, Duration::from_secs(60)).expect("an address");
        let mut pushes = source.subscribe(1).await.expect("a peer of this chain");
        let mut beacons = Vec::new();
        let refused = loop {
            match pushes.next().await.expect("the peer goes on") {
                Ok(Push::Beacon(beacon)) => beacons.push(*beacon),
                Ok(Push::Heartbeat) => {}
                Err(error) => break error,
            }
        };
        beacons.sort_by_key(|beacon| beacon.header.round);
        assert_eq!(beacons, chain.beacons);
        assert!(matches!(refused, PushError::Refused(refusal) if refusal.code() == "malformed"));
        assert!(matches!(source.fetch(Request::Latest, 1).await, Err(Fault::Missing(_))));
    }

    #[tokio::test]
    async fn a_peer_of_another_chain_is_no_source() {
        let address = peer(&namespace(&Digest32::ZERO), Vec::new()).await;
        let source = GossipSource::new(&address, &Digest32([1; 32]), Duration::from_secs(60)).expect("an address");
        assert!(matches!(source.subscribe(1).await.err(), Some(Fault::Protocol(_))));
        assert!(GossipSource::new("127.0.0.1:7700", &Digest32::ZERO, Duration::from_secs(1)).is_err());
    }
}
