//! What is known of each connected peer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;

use super::score::Budget;
use super::{Direction, PeerKey, PeerStatus, Topic, identity};

/// A wanted peer must have announced its subscriptions by then, else its connections are made anew:
/// gossipsub announces them on the first connection only, and that one may have been stale.
const HELLO_LIMIT: Duration = Duration::from_secs(3);

/// The list of peers as the handle shows it.
pub(super) type Snapshot = Arc<RwLock<Vec<PeerStatus>>>;

struct Connection {
    address: String,
    direction: Direction,
    incarnation: Option<u64>,
}

pub(super) struct Peer {
    pub key: PeerKey,
    connections: BTreeMap<ConnectionId, Connection>,
    topics: BTreeSet<Topic>,
    identified: bool,
    up: bool,
    rtt: Option<Duration>,
    since: Instant,
    /// A stranger's share of requests.
    pub requests: Budget,
    /// A stranger's share of messages that turn out to be known already.
    pub echoes: Budget,
    /// How often a stranger may be too slow for its gossip.
    pub stalls: Budget,
}

impl Peer {
    fn new(key: PeerKey, now: Instant) -> Self {
        Self {
            key,
            connections: BTreeMap::new(),
            topics: BTreeSet::new(),
            identified: false,
            up: false,
            rtt: None,
            since: now,
            requests: Budget::new(200.0, 400.0, now),
            echoes: Budget::new(100.0, 2000.0, now),
            stalls: Budget::new(0.05, 3.0, now),
        }
    }
}

/// What an identification tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identified {
    /// Nothing to do.
    Known,
    /// The peer is up now.
    Up,
    /// Other connections belong to a former process of the peer.
    Restarted,
}

#[derive(Default)]
pub(super) struct Peers {
    peers: BTreeMap<PeerId, Peer>,
    members: BTreeSet<PeerKey>,
    snapshot: Snapshot,
}

impl Peers {
    pub(super) fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    pub(super) fn get_mut(&mut self, peer: &PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(peer)
    }

    pub(super) fn connected(&self) -> impl Iterator<Item = &PeerId> {
        self.peers.keys()
    }

    /// The peers that are up.
    pub(super) fn up(&self) -> impl Iterator<Item = PeerId> {
        self.peers.iter().filter(|(_, peer)| peer.up).map(|(id, _)| *id)
    }

    pub(super) fn is_member(&self, key: &PeerKey) -> bool {
        self.members.contains(key)
    }

    pub(super) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(super) fn set_members(&mut self, members: BTreeSet<PeerKey>) {
        self.members = members;
        self.publish();
    }

    pub(super) fn established(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
        now: Instant,
    ) {
        // Admission refuses every other kind of key.
        let Some(key) = identity::peer_key(&peer) else {
            return;
        };
        let entry = self.peers.entry(peer).or_insert_with(|| Peer::new(key, now));
        let direction = match endpoint {
            ConnectedPoint::Dialer { .. } => Direction::Outbound,
            ConnectedPoint::Listener { .. } => Direction::Inbound,
        };
        let address = endpoint.get_remote_address().to_string();
        entry.connections.insert(connection, Connection { address, direction, incarnation: None });
        self.publish();
    }

    /// Notes a closed connection. Returns the peer's key if it was the last one, and whether the
    /// peer was up.
    pub(super) fn closed(&mut self, peer: &PeerId, connection: ConnectionId) -> Option<(PeerKey, bool)> {
        let entry = self.peers.get_mut(peer)?;
        entry.connections.remove(&connection);
        let gone = entry.connections.is_empty();
        let outcome = gone.then_some((entry.key, entry.up));
        if gone {
            self.peers.remove(peer);
        }
        self.publish();
        outcome
    }

    /// Notes that the peer is of this chain and which process answers on a connection.
    pub(super) fn identified(
        &mut self,
        peer: &PeerId,
        connection: ConnectionId,
        incarnation: Option<u64>,
    ) -> Identified {
        let Some(entry) = self.peers.get_mut(peer) else {
            return Identified::Known;
        };
        let stale = entry
            .connections
            .iter()
            .any(|(id, other)| *id != connection && other.incarnation.is_some() && other.incarnation != incarnation);
        if let Some(entry) = entry.connections.get_mut(&connection) {
            entry.incarnation = incarnation;
        }
        if stale {
            return Identified::Restarted;
        }
        entry.identified = true;
        self.check_up(peer)
    }

    /// Notes a subscription.
    pub(super) fn subscribed(&mut self, peer: &PeerId, topic: Topic) -> Identified {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.topics.insert(topic);
        }
        self.check_up(peer)
    }

    pub(super) fn unsubscribed(&mut self, peer: &PeerId, topic: Topic) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.topics.remove(&topic);
        }
    }

    fn check_up(&mut self, peer: &PeerId) -> Identified {
        let Some(entry) = self.peers.get_mut(peer) else {
            return Identified::Known;
        };
        if entry.up || !entry.identified || entry.topics.len() < Topic::ALL.len() {
            return Identified::Known;
        }
        entry.up = true;
        self.publish();
        Identified::Up
    }

    pub(super) fn measured(&mut self, peer: &PeerId, rtt: Duration) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.rtt = Some(rtt);
            self.publish();
        }
    }

    /// Peers that should have come up by now.
    pub(super) fn overdue(&self, now: Instant) -> Vec<PeerId> {
        self.peers.iter().filter(|(_, peer)| !peer.up && peer.since + HELLO_LIMIT <= now).map(|(id, _)| *id).collect()
    }

    /// When [`Self::overdue`] may have something next.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.peers
            .values()
            .filter(|peer| !peer.up)
            .map(|peer| peer.since + HELLO_LIMIT)
            .filter(|deadline| *deadline > now)
            .min()
    }

    fn publish(&self) {
        let list = self
            .peers
            .values()
            .filter_map(|peer| {
                let (_, oldest) = peer.connections.first_key_value()?;
                Some(PeerStatus {
                    key: peer.key,
                    address: oldest.address.clone(),
                    direction: oldest.direction,
                    member: self.members.contains(&peer.key),
                    up: peer.up,
                    rtt: peer.rtt,
                })
            })
            .collect();
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = list;
    }
}
