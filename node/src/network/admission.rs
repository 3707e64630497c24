//! Who may connect. Members and configured peers always may, unless banned; strangers share a
//! bounded number of places, per host and in all, so that a flood of them crowds out each other
//! and nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use super::{NetworkLimits, identity, listen};

/// The gate every connection passes first.
pub(super) struct Admission {
    limits: NetworkLimits,
    welcome: BTreeSet<PeerId>,
    banned: BTreeSet<PeerId>,
    handshakes: BTreeSet<ConnectionId>,
    strangers: BTreeMap<ConnectionId, Option<IpAddr>>,
    connections: BTreeMap<PeerId, BTreeSet<ConnectionId>>,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Banned,
    NotEd25519,
    TooManyHandshakes,
    TooManyStrangers,
    TooManyFromAddress,
    TooManyToPeer,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Banned => "the peer is banned",
            Self::NotEd25519 => "the peer's identity is not an Ed25519 key",
            Self::TooManyHandshakes => "too many unfinished handshakes",
            Self::TooManyStrangers => "too many strangers are connected",
            Self::TooManyFromAddress => "too many strangers are connected from this address",
            Self::TooManyToPeer => "too many connections to this peer",
        })
    }
}

impl std::error::Error for Refusal {}

impl Admission {
    pub(super) fn new(limits: NetworkLimits) -> Self {
        Self {
            limits,
            welcome: BTreeSet::new(),
            banned: BTreeSet::new(),
            handshakes: BTreeSet::new(),
            strangers: BTreeMap::new(),
            connections: BTreeMap::new(),
        }
    }

    /// Replaces the peers that need no stranger's place.
    pub(super) fn set_welcome(&mut self, peers: BTreeSet<PeerId>) {
        self.welcome = peers;
    }

    pub(super) fn ban(&mut self, peer: PeerId) {
        self.banned.insert(peer);
    }

    pub(super) fn unban(&mut self, peer: &PeerId) {
        self.banned.remove(peer);
    }

    pub(super) fn is_banned(&self, peer: &PeerId) -> bool {
        self.banned.contains(peer)
    }

    fn check_peer(&self, peer: &PeerId) -> Result<(), Refusal> {
        if self.banned.contains(peer) {
            return Err(Refusal::Banned);
        }
        if identity::peer_key(peer).is_none() {
            return Err(Refusal::NotEd25519);
        }
        let held = self.connections.get(peer).map_or(0, BTreeSet::len);
        if held >= self.limits.connections_per_peer {
            return Err(Refusal::TooManyToPeer);
        }
        Ok(())
    }

    fn check_stranger(&self, ip: Option<IpAddr>) -> Result<(), Refusal> {
        if self.strangers.len() >= self.limits.strangers {
            return Err(Refusal::TooManyStrangers);
        }
        let from_here = self.strangers.values().filter(|held| **held == ip).count();
        if from_here >= self.limits.strangers_per_address {
            return Err(Refusal::TooManyFromAddress);
        }
        Ok(())
    }

    fn admit_inbound(&mut self, connection: ConnectionId, peer: PeerId, remote: &Multiaddr) -> Result<(), Refusal> {
        self.handshakes.remove(&connection);
        self.check_peer(&peer)?;
        if !self.welcome.contains(&peer) {
            let ip = listen::ip(remote);
            self.check_stranger(ip)?;
            self.strangers.insert(connection, ip);
        }
        self.connections.entry(peer).or_default().insert(connection);
        Ok(())
    }

    fn release(&mut self, connection: ConnectionId, peer: Option<PeerId>) {
        self.handshakes.remove(&connection);
        self.strangers.remove(&connection);
        let Some(peer) = peer else { return };
        if let Some(held) = self.connections.get_mut(&peer) {
            held.remove(&connection);
            if held.is_empty() {
                self.connections.remove(&peer);
            }
        }
    }
}

impl NetworkBehaviour for Admission {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        if self.handshakes.len() >= self.limits.handshakes {
            return Err(ConnectionDenied::new(Refusal::TooManyHandshakes));
        }
        self.handshakes.insert(connection);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit_inbound(connection, peer, remote).map(|()| dummy::ConnectionHandler).map_err(ConnectionDenied::new)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check_peer(&peer).map_err(ConnectionDenied::new)?;
        self.connections.entry(peer).or_default().insert(connection);
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, peer_id, .. }) => {
                self.release(connection_id, Some(peer_id))
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, peer_id, .. }) => {
                self.release(connection_id, peer_id)
            }
            FromSwarm::DialFailure(failure) => {
                self.release(failure.connection_id, failure.peer_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _peer: PeerId, _connection: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(seed: u8) -> PeerId {
        let secret = zeroize::Zeroizing::new([seed; 32]);
        identity::keypair(&secret).unwrap().public().to_peer_id()
    }

    fn from(host: u8) -> Multiaddr {
        format!("/ip4/10.0.0.{host}/tcp/1").parse().unwrap()
    }

    #[test]
    fn strangers_crowd_out_only_each_other() {
        let limits = NetworkLimits { strangers: 3, strangers_per_address: 2, ..NetworkLimits::default() };
        let mut gate = Admission::new(limits);
        gate.set_welcome([peer(200)].into());
        let mut admit = |id, seed, host| gate.admit_inbound(ConnectionId::new_unchecked(id), peer(seed), &from(host));
        assert_eq!(admit(1, 1, 1), Ok(()));
        assert_eq!(admit(2, 2, 1), Ok(()));
        assert_eq!(admit(3, 3, 1), Err(Refusal::TooManyFromAddress));
        assert_eq!(admit(4, 4, 2), Ok(()));
        assert_eq!(admit(5, 5, 3), Err(Refusal::TooManyStrangers));
        assert_eq!(admit(6, 200, 1), Ok(()));
        gate.release(ConnectionId::new_unchecked(1), Some(peer(1)));
        let freed = gate.admit_inbound(ConnectionId::new_unchecked(7), peer(5), &from(3));
        assert_eq!(freed, Ok(()));
    }

    #[test]
    fn a_ban_holds_also_for_the_welcome() {
        let mut gate = Admission::new(NetworkLimits::default());
        gate.set_welcome([peer(1)].into());
        gate.ban(peer(1));
        let id = ConnectionId::new_unchecked(1);
        assert_eq!(gate.admit_inbound(id, peer(1), &from(1)), Err(Refusal::Banned));
        gate.unban(&peer(1));
        assert_eq!(gate.admit_inbound(id, peer(1), &from(1)), Ok(()));
    }
}
