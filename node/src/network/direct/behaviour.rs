//! The part of the direct behaviour that lives in the swarm: which connection carries which queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use tokio::sync::mpsc;

use super::super::admission::Refusal;
use super::super::{NetworkEvent, PeerKey, identity};
use super::Shared;
use super::handler::{Handler, Order, OversizeFrame};

/// A peer announced a direct message beyond the limit.
#[derive(Debug)]
pub(in super::super) struct DirectEvent {
    pub peer: PeerKey,
}

pub(in super::super) struct Direct {
    protocol: StreamProtocol,
    shared: Arc<Shared>,
    events: mpsc::Sender<NetworkEvent>,
    peers: BTreeMap<PeerId, Peer>,
    actions: VecDeque<ToSwarm<DirectEvent, Order>>,
}

struct Peer {
    key: PeerKey,
    connections: BTreeSet<ConnectionId>,
    /// The connection that carries our messages to the peer.
    carrier: Option<ConnectionId>,
}

impl Direct {
    pub(in super::super) fn new(
        namespace: &str,
        shared: Arc<Shared>,
        events: mpsc::Sender<NetworkEvent>,
    ) -> Result<Self, String> {
        let protocol =
            StreamProtocol::try_from_owned(format!("{namespace}/direct/1")).map_err(|error| error.to_string())?;
        Ok(Self { protocol, shared, events, peers: BTreeMap::new(), actions: VecDeque::new() })
    }

    /// Replaces the committee: streams to new partners open, those to former ones close.
    pub(in super::super) fn set_members(&mut self, members: BTreeSet<PeerKey>) {
        self.shared.set_members(members);
        let connected: Vec<PeerId> = self.peers.keys().copied().collect();
        for peer in connected {
            self.assign(peer);
        }
    }

    /// Makes the peer's queue and carrier what membership and connections say they should be.
    fn assign(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if !self.shared.is_partner(&peer.key) {
            self.shared.close(&peer.key);
            if peer.carrier.take().is_some() {
                for connection in &peer.connections {
                    self.actions.push_back(order(id, *connection, Order::Release));
                }
            }
        } else if peer.carrier.is_none()
            && let Some(newest) = peer.connections.last()
        {
            peer.carrier = Some(*newest);
            let queue = self.shared.open(peer.key);
            self.actions.push_back(order(id, *newest, Order::Carry(queue)));
        }
    }

    fn established(&mut self, id: PeerId, connection: ConnectionId) {
        let Some(key) = identity::peer_key(&id) else {
            return;
        };
        let peer = self.peers.entry(id).or_insert(Peer { key, connections: BTreeSet::new(), carrier: None });
        peer.connections.insert(connection);
        self.assign(id);
    }

    fn closed(&mut self, id: PeerId, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.connections.remove(&connection);
        if peer.carrier == Some(connection) {
            peer.carrier = None;
        }
        if peer.connections.is_empty() {
            self.shared.close(&peer.key);
            self.peers.remove(&id);
        } else {
            self.assign(id);
        }
    }

    fn handler(&self, id: &PeerId) -> Result<Handler, ConnectionDenied> {
        let key = identity::peer_key(id).ok_or(ConnectionDenied::new(Refusal::NotEd25519))?;
        Ok(Handler::new(key, self.protocol.clone(), self.shared.clone(), self.events.clone()))
    }
}

fn order(peer_id: PeerId, connection: ConnectionId, event: Order) -> ToSwarm<DirectEvent, Order> {
    ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(connection), event }
}

impl NetworkBehaviour for Direct {
    type ConnectionHandler = Handler;
    type ToSwarm = DirectEvent;

    fn handle_established_inbound_connection(
        &mut self,
        _connection: ConnectionId,
        peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(&peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _connection: ConnectionId,
        peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(&peer)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, .. }) => {
                self.established(peer_id, connection_id)
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                self.closed(peer_id, connection_id)
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, id: PeerId, _connection: ConnectionId, event: THandlerOutEvent<Self>) {
        let OversizeFrame = event;
        if let Some(peer) = self.peers.get(&id) {
            let event = DirectEvent { peer: peer.key };
            self.actions.push_back(ToSwarm::GenerateEvent(event));
        }
    }

    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.actions.pop_front() {
            Some(action) => Poll::Ready(action),
            None => Poll::Pending,
        }
    }
}
