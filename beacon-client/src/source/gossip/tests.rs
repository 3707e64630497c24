//! A peer that answers and gossips, and what the source makes of it.

use std::sync::Arc;

use beacon_spec::chain::Beacon;
use beacon_spec::codec::encode;
use beacon_spec::gossip::{BEACONS, frame, shown, topic};
use futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic};
use libp2p::request_response::{self, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use tokio::sync::{mpsc, oneshot};

use super::swarm::{BehaviourEvent, swarm};
use super::*;
use crate::client::Client;
use crate::fabricate::{Chain, Plan};
use crate::follow::{Event, Subscription};
use crate::source::{Push, PushError};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a peer does.
enum Order {
    Gossip(Vec<u8>),
    Disconnect,
}

/// Answers a path with a status and a body.
type Answers = dyn Fn(&str) -> (u16, Vec<u8>) + Send + Sync;

/// A peer that is asked and told what to gossip; gossip waits until somebody subscribes.
struct Peer {
    address: String,
    orders: mpsc::UnboundedSender<Order>,
}

impl Peer {
    async fn start(namespace: &str, answers: Arc<Answers>) -> Peer {
        let mut swarm = swarm(namespace, ProtocolSupport::Full, PATIENCE).expect("a swarm");
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddr")).expect("a free port");
        let (found, address) = oneshot::channel();
        let (orders, mut ordered) = mpsc::unbounded_channel();
        let (mut found, topic) = (Some(found), IdentTopic::new(topic(namespace, BEACONS)));
        tokio::spawn(async move {
            let mut subscribed = None;
            loop {
                let event = tokio::select! {
                    Some(order) = ordered.recv(), if subscribed.is_some() => {
                        match order {
                            Order::Gossip(frame) => {
                                swarm.behaviour_mut().gossip.publish(topic.hash(), frame).expect("somebody subscribes");
                            }
                            Order::Disconnect => drop(subscribed.take().map(|peer| swarm.disconnect_peer_id(peer))),
                        }
                        continue;
                    }
                    event = swarm.select_next_some() => event,
                };
                match event {
                    SwarmEvent::NewListenAddr { address, .. } => {
                        found.take().and_then(|found| found.send(address.to_string()).ok());
                    }
                    SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { peer_id, .. })) => {
                        subscribed = Some(peer_id);
                    }
                    SwarmEvent::Behaviour(BehaviourEvent::Asking(request_response::Event::Message {
                        message: Message::Request { request, channel, .. },
                        ..
                    })) => {
                        let (status, body) = answers(&request);
                        let asking = &mut swarm.behaviour_mut().asking;
                        asking.send_response(channel, shown(status, &body)).expect("the asker waits");
                    }
                    _ => {}
                }
            }
        });
        Peer { address: address.await.expect("the peer listens"), orders }
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("the peer runs");
    }

    fn gossip(&self, beacon: &Beacon) {
        self.order(Order::Gossip(frame(0, &[&[0, 0, 0, 3], encode(beacon).as_slice()].concat())));
    }

    fn source(&self, chain: &Digest32) -> GossipSource {
        GossipSource::new(&self.address, chain, PATIENCE).expect("an address")
    }
}

fn chain() -> Arc<Chain> {
    Arc::new(Chain::build(Plan::new(4), 12).expect("a plan"))
}

/// Answers as a node that stands at round `tip` of the chain would.
fn standing(chain: &Arc<Chain>, tip: u64) -> Arc<Answers> {
    let chain = Arc::clone(chain);
    Arc::new(move |path| {
        let round = path.strip_prefix("rounds/").and_then(|path| path.strip_suffix("?format=binary"));
        let body = match (path, round) {
            ("info?format=binary", _) => Some(encode(&chain.genesis)),
            (_, Some("latest")) => chain.beacon(tip).map(encode),
            (_, Some(round)) => {
                round.parse().ok().filter(|round| *round <= tip).and_then(|r| chain.beacon(r)).map(encode)
            }
            _ => None,
        };
        body.map_or((404, br#"{"code":"no-such-path"}"#.to_vec()), |body| (200, body))
    })
}

/// The next round and how it came.
async fn beacon(subscription: &mut Subscription) -> (u64, Arrival) {
    loop {
        if let Event::Beacon(verified, arrival) = subscription.event().await.expect("it goes on").expect("no error") {
            return (verified.round(), arrival);
        }
    }
}

/// The next push that is no mere sign of life.
async fn next_push(pushes: &mut Pushes) -> Option<Result<Push, PushError>> {
    loop {
        match pushes.next().await {
            Some(Ok(Push::Heartbeat)) => {}
            other => return other,
        }
    }
}

#[tokio::test]
async fn peers_push_what_they_gossip() {
    let chain = chain();
    let peer = Peer::start(&namespace(&chain.chain), standing(&chain, 0)).await;
    for beacon in &chain.beacons[..2] {
        peer.gossip(beacon);
    }
    peer.order(Order::Gossip(vec![0; 9]));
    let mut pushes = peer.source(&chain.chain).subscribe(1).await.expect("a peer of this chain");
    let mut beacons = Vec::new();
    let refused = loop {
        match next_push(&mut pushes).await.expect("the peer goes on") {
            Ok(Push::Beacon(beacon)) => beacons.push(*beacon),
            Ok(Push::Heartbeat) => unreachable!("left out"),
            Err(error) => break error,
        }
    };
    beacons.sort_by_key(|beacon| beacon.header.round);
    assert_eq!(beacons, chain.beacons[..2]);
    assert!(matches!(refused, PushError::Refused(refusal) if refusal.code() == "malformed"));
}

#[tokio::test]
async fn gossip_4_peers_answer_what_they_are_asked() {
    let chain = chain();
    let honest = standing(&chain, 12);
    let statuses = move |path: &str| match path {
        "rounds/1?format=binary" => (425, Vec::new()),
        "rounds/2?format=binary" => (503, br#"{"error":"...","code":"busy"}"#.to_vec()),
        path => honest(path),
    };
    let peer = Peer::start(&namespace(&chain.chain), Arc::new(statuses)).await;
    let source = peer.source(&chain.chain);
    let newest = encode(&chain.beacons[11]);
    assert_eq!(source.fetch(Request::Latest, newest.len()).await, Ok(newest.clone()));
    assert_eq!(source.fetch(Request::Latest, newest.len() - 1).await, Err(Fault::TooLong(newest.len() - 1)));
    assert_eq!(source.fetch(Request::Round(1), 9).await, Err(Fault::NotYet));
    assert_eq!(source.fetch(Request::Round(2), 9).await, Err(Fault::Status(503, Some("busy".into()))));
    let missing = Err(Fault::Missing(Some("no-such-path".into())));
    assert_eq!(source.fetch(Request::Transcript(1), 9).await, missing);
}

/// The round that went round before the subscriber was there is asked for, over the connection that brings the next.
#[tokio::test]
async fn a_fresh_subscriber_with_one_peer_waits_for_no_gossip() {
    let chain = chain();
    let peer = Peer::start(&namespace(&chain.chain), standing(&chain, 7)).await;
    let now = chain.beacons[11].header.due;
    let client = Client::builder().chain(chain.chain).peer(&peer.address).clock(Arc::new(move || now));
    let client = client.build().expect("a client");
    let mut subscription = client.subscribe(None).await.expect("a subscription");
    assert_eq!(beacon(&mut subscription).await, (7, Arrival::Fetch));
    peer.gossip(&chain.beacons[7]);
    assert_eq!(beacon(&mut subscription).await, (8, Arrival::Gossip));
}

#[tokio::test]
async fn a_connection_that_ended_is_made_again() {
    let chain = chain();
    let peer = Peer::start(&namespace(&chain.chain), standing(&chain, 7)).await;
    let source = peer.source(&chain.chain);
    let mut pushes = source.subscribe(1).await.expect("a peer of this chain");
    peer.order(Order::Disconnect);
    assert_eq!(next_push(&mut pushes).await, Some(Err(PushError::Fault(Fault::Closed))));
    assert!(next_push(&mut pushes).await.is_none());
    assert!(source.fetch(Request::Latest, 1 << 20).await.is_ok());
    let mut pushes = source.subscribe(1).await.expect("a peer of this chain");
    peer.gossip(&chain.beacons[7]);
    assert!(matches!(next_push(&mut pushes).await, Some(Ok(Push::Beacon(_)))));
}

#[tokio::test]
async fn a_peer_of_another_chain_is_no_source() {
    let peer = Peer::start(&namespace(&Digest32::ZERO), standing(&chain(), 1)).await;
    let other = Digest32([1; 32]);
    assert!(matches!(peer.source(&other).subscribe(1).await.err(), Some(Fault::Protocol(_))));
    assert!(matches!(peer.source(&other).fetch(Request::Latest, 9).await, Err(Fault::Protocol(_))));
    assert!(GossipSource::new("127.0.0.1:7700", &Digest32::ZERO, Duration::from_secs(1)).is_err());
}

#[tokio::test]
async fn nobody_there_is_no_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a bound listener").port();
    drop(listener);
    let source =
        GossipSource::new(&format!("/ip4/127.0.0.1/tcp/{port}"), &Digest32::ZERO, PATIENCE).expect("an address");
    assert!(matches!(source.fetch(Request::Latest, 9).await, Err(Fault::Connect(_))));
    assert!(matches!(source.subscribe(1).await.err(), Some(Fault::Connect(_))));
}
