//! One connection to a peer, which a task holds: whoever asks and whoever subscribes shares it.

use std::collections::BTreeMap;
use std::time::Duration;

use beacon_spec::gossip::{read_beacon, read_shown};
use futures::StreamExt;
use libp2p::gossipsub::{self, MessageAcceptance};
use libp2p::request_response::{self, OutboundFailure, OutboundRequestId, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm, ping};
use tokio::sync::{mpsc, oneshot};

use super::super::{Fault, Push, PushError};
use super::swarm::{Behaviour, BehaviourEvent, swarm};
use crate::refusal::Refusal;

/// Pushes that wait for a slow subscriber. What comes beyond is dropped, as gossip may always be, and fetched later.
const WAITING: usize = 64;

type Reply<T> = oneshot::Sender<Result<T, Fault>>;
type Sender = mpsc::Sender<Result<Push, PushError>>;

/// What the task is told to do.
enum Order {
    Ask { path: String, reply: Reply<Vec<u8>> },
    Subscribe { reply: Reply<mpsc::Receiver<Result<Push, PushError>>> },
}

/// A connection in use or being made. It ends when nobody holds a clone any more.
#[derive(Clone)]
pub(super) struct Link {
    orders: mpsc::UnboundedSender<Order>,
}

impl Link {
    /// Begins to connect.
    pub fn start(namespace: &str, address: &Multiaddr, timeout: Duration) -> Result<Link, Fault> {
        let mut swarm = swarm(namespace, ProtocolSupport::Outbound, timeout).map_err(Fault::Connect)?;
        swarm.dial(address.clone()).map_err(|error| Fault::Connect(error.to_string()))?;
        let (orders, taken) = mpsc::unbounded_channel();
        tokio::spawn(Task::new(swarm, timeout).run(taken));
        Ok(Link { orders })
    }

    /// Whether the connection has ended.
    pub fn is_over(&self) -> bool {
        self.orders.is_closed()
    }

    /// Asks for a path of the peer's public interface, see [`beacon_spec::gossip::read_shown`].
    pub async fn ask(&self, path: String) -> Result<Vec<u8>, Fault> {
        self.order(|reply| Order::Ask { path, reply }).await
    }

    /// Pushes from here on, as soon as the peer is known to gossip this chain's beacons.
    pub async fn subscribe(&self) -> Result<mpsc::Receiver<Result<Push, PushError>>, Fault> {
        self.order(|reply| Order::Subscribe { reply }).await
    }

    async fn order<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        // An error means that the connection has ended.
        self.orders.send(order(reply)).map_err(|_| Fault::Closed)?;
        answer.await.unwrap_or(Err(Fault::Closed))
    }
}

struct Task {
    swarm: Swarm<Behaviour>,
    /// How long connecting may take.
    timeout: Duration,
    /// Known once there is a connection.
    peer: Option<PeerId>,
    /// Whether the peer gossips this chain's beacons.
    gossips: bool,
    /// Questions that wait for the connection.
    early: Vec<(String, Reply<Vec<u8>>)>,
    asked: BTreeMap<OutboundRequestId, Reply<Vec<u8>>>,
    /// Subscribers that wait for the peer to gossip, and those that do not.
    joining: Vec<Reply<mpsc::Receiver<Result<Push, PushError>>>>,
    subscribers: Vec<Sender>,
}

impl Task {
    fn new(swarm: Swarm<Behaviour>, timeout: Duration) -> Task {
        Task {
            swarm,
            timeout,
            peer: None,
            gossips: false,
            early: Vec::new(),
            asked: BTreeMap::new(),
            joining: Vec::new(),
            subscribers: Vec::new(),
        }
    }

    /// Runs until the connection ends, or nobody is there any more to use it.
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let connecting = tokio::time::sleep(self.timeout);
        tokio::pin!(connecting);
        let fault = loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.take(order),
                    None => return,
                },
                event = self.swarm.select_next_some() => if let Err(fault) = self.on_event(event) {
                    break fault;
                },
                () = &mut connecting, if self.peer.is_none() => break Fault::Timeout,
            }
        };
        orders.close();
        while let Some(order) = orders.recv().await {
            self.take(order);
        }
        self.end(&fault);
    }

    /// Tells all that wait why the connection ended.
    fn end(self, fault: &Fault) {
        // An error means here as below that whoever asked has stopped waiting.
        for (_, reply) in self.early {
            let _ = reply.send(Err(fault.clone()));
        }
        for reply in self.asked.into_values() {
            let _ = reply.send(Err(fault.clone()));
        }
        for reply in self.joining {
            let _ = reply.send(Err(fault.clone()));
        }
        for subscriber in self.subscribers {
            let _ = subscriber.try_send(Err(fault.clone().into()));
        }
    }

    fn take(&mut self, order: Order) {
        match (order, self.peer) {
            (Order::Ask { path, reply }, Some(peer)) => self.ask(&peer, path, reply),
            (Order::Ask { path, reply }, None) => self.early.push((path, reply)),
            (Order::Subscribe { reply }, _) if self.gossips => self.join(reply),
            (Order::Subscribe { reply }, _) => self.joining.push(reply),
        }
    }

    fn ask(&mut self, peer: &PeerId, path: String, reply: Reply<Vec<u8>>) {
        let id = self.swarm.behaviour_mut().asking.send_request(peer, path);
        self.asked.insert(id, reply);
    }

    fn join(&mut self, reply: Reply<mpsc::Receiver<Result<Push, PushError>>>) {
        let (sender, pushes) = mpsc::channel(WAITING);
        if reply.send(Ok(pushes)).is_ok() {
            self.subscribers.push(sender);
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) -> Result<(), Fault> {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                self.peer = Some(peer_id);
                for (path, reply) in std::mem::take(&mut self.early) {
                    self.ask(&peer_id, path, reply);
                }
            }
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(Fault::Connect(error.to_string())),
            SwarmEvent::ConnectionClosed { num_established: 0, .. } => return Err(Fault::Closed),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => return self.on_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Asking(event)) => self.on_answer(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { result, .. })) => {
                result.map_err(|_| Fault::Timeout)?;
                self.push(&Ok(Push::Heartbeat));
            }
            _ => {}
        }
        Ok(())
    }

    fn on_gossip(&mut self, event: gossipsub::Event) -> Result<(), Fault> {
        match event {
            gossipsub::Event::Subscribed { .. } => {
                self.gossips = true;
                for reply in std::mem::take(&mut self.joining) {
                    self.join(reply);
                }
            }
            gossipsub::Event::GossipsubNotSupported { .. } => return Err(of_another_chain()),
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                // What is not accepted is not forwarded.
                gossip.report_message_validation_result(&message_id, &propagation_source, MessageAcceptance::Ignore);
                let refused = |reject| PushError::Refused(Box::new(Refusal::new(reject, "gossiped beacon")));
                let beacon = read_beacon(&message.data).map_err(refused);
                self.push(&beacon.map(|beacon| Push::Beacon(Box::new(beacon))));
            }
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, push: &Result<Push, PushError>) {
        self.subscribers.retain(|subscriber| {
            !matches!(subscriber.try_send(push.clone()), Err(mpsc::error::TrySendError::Closed(_)))
        });
    }

    fn on_answer(&mut self, event: request_response::Event<String, Vec<u8>>) {
        let (id, answer) = match event {
            request_response::Event::Message {
                message: request_response::Message::Response { request_id, response },
                ..
            } => (request_id, Ok(response)),
            request_response::Event::OutboundFailure { request_id, error, .. } => (request_id, Err(failure(&error))),
            _ => return,
        };
        if let Some(reply) = self.asked.remove(&id) {
            let _ = reply.send(answer);
        }
    }
}

fn of_another_chain() -> Fault {
    Fault::Protocol("the peer is not of this chain".into())
}

fn failure(error: &OutboundFailure) -> Fault {
    match error {
        OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => Fault::Closed,
        OutboundFailure::Timeout => Fault::Timeout,
        OutboundFailure::UnsupportedProtocols => of_another_chain(),
        OutboundFailure::Io(error) => Fault::Protocol(error.to_string()),
    }
}

/// The body of an answer, of at most `limit` bytes, if its status is 200.
pub(super) fn read_answer(answer: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    match read_shown(answer) {
        Err(_) => Err(Fault::Closed),
        Ok((200, body)) if body.len() > limit => Err(Fault::TooLong(limit)),
        Ok((200, body)) => Ok(body.to_vec()),
        Ok((status, body)) => Err(Fault::of_status(status, body)),
    }
}
