//! The task that owns the swarm.
//!
//! It waits for commands, for the swarm, and for the clock. Events for the owner of the node go
//! into an outbox; while the outbox is not empty the swarm is not polled, so a slow owner slows the
//! peers down instead of filling memory. Commands are always taken.

mod commands;
mod swarm_events;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::sync::{Notify, mpsc, watch};

use super::behaviour::Behaviour;
use super::dialer::{Attempt, Dialer, Failed, Target};
use super::gossip::{EXPLICIT_MEMBERS, Recent, Topics};
use super::handle::{Command, Refused, Reply};
use super::metrics::NetworkMetrics;
use super::peers::{Peers, Snapshot};
use super::score::ScoreBoard;
use super::{NetworkEvent, Offence, PeerKey, RequestId, identity};

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often connected peers are asked for the addresses of members that are not connected.
const ASK_AGAIN: Duration = Duration::from_secs(20);
/// The longest the loop sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// What the driver is made of.
pub(super) struct Parts {
    pub swarm: Swarm<Behaviour>,
    pub namespace: String,
    pub ban: Duration,
    pub peers: Vec<(Option<PeerId>, Multiaddr)>,
    pub commands: mpsc::Receiver<Command>,
    pub membership: watch::Receiver<BTreeSet<PeerKey>>,
    pub events: mpsc::Sender<NetworkEvent>,
    pub refused: Refused,
    pub wake: Arc<Notify>,
    pub metrics: NetworkMetrics,
    pub libp2p_metrics: libp2p::metrics::Metrics,
}

/// An outbound request: one of the owner's, or one for addresses.
enum Asked {
    /// Somebody waits for the answer.
    Directly(Reply),
    Opaque(RequestId),
    Addresses,
}

pub(super) struct Driver {
    swarm: Swarm<Behaviour>,
    namespace: String,
    topics: Topics,
    commands: mpsc::Receiver<Command>,
    membership: watch::Receiver<BTreeSet<PeerKey>>,
    events: mpsc::Sender<NetworkEvent>,
    outbox: VecDeque<NetworkEvent>,
    refused: Refused,
    wake: Arc<Notify>,
    metrics: NetworkMetrics,
    libp2p_metrics: libp2p::metrics::Metrics,
    peers: Peers,
    dialer: Dialer,
    scores: ScoreBoard,
    recent: Recent,
    ask_at: Instant,
    channels: BTreeMap<InboundRequestId, ResponseChannel<Vec<u8>>>,
    asked: BTreeMap<OutboundRequestId, Asked>,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        let now = Instant::now();
        let mut dialer = Dialer::new(*parts.swarm.local_peer_id());
        for (peer, address) in parts.peers {
            dialer.configure(peer, address, now);
        }
        let mut driver = Self {
            topics: Topics::new(&parts.namespace),
            namespace: parts.namespace,
            swarm: parts.swarm,
            commands: parts.commands,
            membership: parts.membership,
            events: parts.events,
            outbox: VecDeque::new(),
            refused: parts.refused,
            wake: parts.wake,
            metrics: parts.metrics,
            libp2p_metrics: parts.libp2p_metrics,
            peers: Peers::default(),
            dialer,
            scores: ScoreBoard::new(parts.ban),
            recent: Recent::default(),
            ask_at: now + ASK_AGAIN,
            channels: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        driver.apply_membership();
        driver
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.peers.snapshot()
    }

    /// Runs until it is told to stop or every handle is gone.
    pub(super) async fn run(mut self) {
        let mut deadline = Instant::now();
        let events = self.events.clone();
        let done = loop {
            let now = Instant::now();
            if now >= deadline {
                self.maintain(now);
            }
            self.flush();
            deadline = self.next_deadline(now);
            tokio::select! {
                command = self.commands.recv() => match command {
                    None => break None,
                    Some(Command::Shutdown(done)) => break Some(done),
                    Some(command) => self.execute(command),
                },
                Ok(()) = self.membership.changed() => self.apply_membership(),
                () = self.wake.notified() => self.answer_refused(),
                Ok(permit) = events.reserve(), if !self.outbox.is_empty() => {
                    if let Some(event) = self.outbox.pop_front() {
                        permit.send(event);
                    }
                },
                event = self.swarm.select_next_some(), if self.outbox.is_empty() => {
                    self.on_swarm_event(event);
                }
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
            if events.is_closed() {
                break None;
            }
        };
        self.farewell().await;
        if let Some(done) = done {
            // The asker may have stopped waiting; there is nothing to tell anybody else.
            done.send(()).ok();
        }
    }

    /// Hands events over while there is room.
    fn flush(&mut self) {
        while let Some(event) = self.outbox.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.outbox.push_front(event);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return,
            }
        }
    }

    fn next_deadline(&self, now: Instant) -> Instant {
        [self.dialer.next_deadline(), self.scores.next_deadline(), self.peers.next_deadline(now)]
            .into_iter()
            .flatten()
            .fold(now + IDLE, Instant::min)
    }

    /// Everything that depends on the clock.
    fn maintain(&mut self, now: Instant) {
        for key in self.scores.expire(now) {
            if let Some(peer) = identity::peer_id(&key) {
                self.swarm.behaviour_mut().admission.unban(&peer);
                tracing::info!(peer = identity::short(&key), "ban is over");
            }
        }
        for peer in self.peers.overdue(now) {
            if self.dialer.wants(&peer) {
                tracing::debug!(%peer, "no subscriptions announced; connecting anew");
                self.reset(peer);
            }
        }
        for attempt in self.dialer.due(now) {
            self.dial(&attempt, now);
        }
        if now >= self.ask_at {
            self.ask_at = now + ASK_AGAIN;
            if self.dialer.misses_someone() {
                for peer in self.peers.up().filter(|peer| self.dialer.wants(peer)).collect::<Vec<_>>() {
                    self.ask_addresses(peer);
                }
            }
        }
    }

    fn dial(&mut self, attempt: &Attempt, now: Instant) {
        let options = match &attempt.target {
            Target::Peer(peer) => DialOpts::peer_id(*peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(vec![attempt.address.clone()])
                .build(),
            Target::Address(address) => DialOpts::unknown_peer_id().address(address.clone()).build(),
        };
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => self.dialer.started(&attempt.target, connection, now),
            Err(error) => {
                tracing::debug!(address = %attempt.address, %error, "cannot dial");
                self.dialer.failed(Failed::Target(&attempt.target), now, jitter());
            }
        }
    }

    /// Closes every connection to a peer; wanted peers are dialled again soon.
    fn reset(&mut self, peer: PeerId) {
        self.metrics.reset();
        self.disconnect(peer);
    }

    fn disconnect(&mut self, peer: PeerId) {
        // An error means that there is no connection, which is what was asked for.
        self.swarm.disconnect_peer_id(peer).ok();
    }

    fn apply_membership(&mut self) {
        let members = self.membership.borrow_and_update().clone();
        let ids: Vec<PeerId> = members.iter().filter_map(identity::peer_id).collect();
        if ids.len() < members.len() {
            tracing::warn!("a member's identity key is no Ed25519 key; it cannot be reached");
        }
        self.dialer.set_members(ids.iter().copied());
        let welcome = self.dialer.named().copied().collect();
        let local = *self.swarm.local_peer_id();
        let behaviour = self.swarm.behaviour_mut();
        behaviour.admission.set_welcome(welcome);
        behaviour.direct.set_members(members.clone());
        self.peers.set_members(members);
        let connected: Vec<PeerId> = self.peers.connected().copied().collect();
        for peer in connected.into_iter().filter(|peer| *peer != local) {
            self.set_explicit(peer);
        }
    }

    /// Makes a connected peer an explicit gossip peer, or no longer one. Only connected ones are,
    /// because gossipsub would dial the others by itself.
    fn set_explicit(&mut self, peer: PeerId) {
        let member = identity::peer_key(&peer).is_some_and(|key| self.peers.is_member(&key));
        let small = self.peers.member_count() <= EXPLICIT_MEMBERS;
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if member && small {
            gossip.add_explicit_peer(&peer);
        } else {
            gossip.remove_explicit_peer(&peer);
        }
    }

    fn offend(&mut self, key: PeerKey, offence: Offence) {
        let now = Instant::now();
        let Some(peer) = identity::peer_id(&key) else {
            return;
        };
        if self.swarm.behaviour().admission.is_banned(&peer) {
            return;
        }
        let member = self.peers.is_member(&key);
        tracing::debug!(peer = identity::short(&key), ?offence, "offence");
        if self.scores.report(key, offence, member, now) {
            tracing::warn!(peer = identity::short(&key), ?offence, member, "peer banned");
            self.metrics.ban();
            self.swarm.behaviour_mut().admission.ban(peer);
            self.disconnect(peer);
        }
    }

    fn answer_refused(&mut self) {
        let refused = std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, from, failure) in refused {
            let result = Err(failure);
            self.outbox.push_back(NetworkEvent::Response { id, from, result });
        }
    }

    /// Closes all connections, so that peers notice at once.
    async fn farewell(&mut self) {
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in connected {
            self.disconnect(peer);
        }
        let all_closed = async {
            while self.swarm.connected_peers().next().is_some() {
                if let SwarmEvent::ConnectionEstablished { peer_id, .. } = self.swarm.select_next_some().await {
                    self.swarm.disconnect_peer_id(peer_id).ok();
                }
            }
        };
        if tokio::time::timeout(FAREWELL, all_closed).await.is_err() {
            tracing::debug!("some peers were left without a farewell");
        }
    }
}

/// Uniform in 0..1. Without randomness all wait alike, which is no worse than not waiting.
fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |draw| f64::from(draw) / (f64::from(u32::MAX) + 1.0))
}
