//! The handle through which the rest of the node uses the network.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot, watch};
use zeroize::Zeroizing;

use beacon_spec::gossip::{self, GOSSIP_MAX};
use beacon_spec::hash::Digest32;

use super::behaviour::{self, Setup};
use super::direct::{Shared, Untaken};
use super::driver::{Driver, Parts};
use super::metrics::{DropReason, NetworkMetrics};
use super::peers::Snapshot;
use super::sync::Question;
use super::{
    DIRECT_MAX, NetworkConfig, NetworkError, NetworkEvent, Offence, PeerKey, PeerStatus, REQUEST_MAX, RESPONSE_MAX,
    RequestFailure, RequestId, ResponseChannelId, Topic, ValidationToken, Verdict, identity, listen, sync,
};

/// Commands that may wait for the network task.
const COMMANDS: usize = 4096;

pub(super) enum Command {
    Publish { topic: Topic, data: Vec<u8> },
    Request { id: RequestId, to: PeerKey, data: Vec<u8> },
    Ask { to: PeerKey, question: Question, reply: Reply },
    Respond { channel: ResponseChannelId, data: Vec<u8> },
    Validate { token: ValidationToken, verdict: Verdict },
    Report { peer: PeerKey, offence: Offence },
    Shutdown(oneshot::Sender<()>),
}

/// Where the answer to one question goes. Its receiver may have stopped waiting.
pub(super) type Reply = oneshot::Sender<Result<Vec<u8>, RequestFailure>>;

/// Requests that failed before they reached the network task, and why. They wait here so that each
/// identifier gets its answer.
pub(super) type Refused = Arc<Mutex<Vec<(RequestId, PeerKey, RequestFailure)>>>;

/// The network, as the rest of the node sees it. Clones share one network; when the last one is
/// dropped the network stops.
#[derive(Clone)]
pub struct Network {
    commands: mpsc::Sender<Command>,
    members: Arc<watch::Sender<BTreeSet<PeerKey>>>,
    direct: Arc<Shared>,
    refused: Refused,
    wake: Arc<tokio::sync::Notify>,
    requests: Arc<AtomicU64>,
    snapshot: Snapshot,
    metrics: NetworkMetrics,
}

impl Network {
    /// Starts listening and dialling. Events arrive on the returned channel.
    ///
    /// # Errors
    /// If an address is malformed or cannot be had; the message says which and what to do.
    pub async fn start(
        config: NetworkConfig,
        registry: &mut Registry,
    ) -> Result<(Self, mpsc::Receiver<NetworkEvent>), NetworkError> {
        let keypair = identity::keypair(&config.identity_secret)?;
        let local = keypair.public().to_peer_id();
        let local_key = identity::peer_key(&local).ok_or(NetworkError::Identity)?;
        let listen_addresses =
            config.listen.iter().map(|address| listen::parse(address)).collect::<Result<Vec<_>, _>>()?;
        let mut peers = Vec::new();
        for address in &config.peers {
            let parsed = listen::parse(address)?;
            peers.push(match sync::split_peer(parsed.clone()) {
                Some((peer, bare)) => (Some(peer), bare),
                None => (None, parsed),
            });
        }

        let (events, received) = mpsc::channel(config.limits.events.max(1));
        let direct = Shared::new(local_key);
        let setup = Setup {
            keypair,
            namespace: gossip::namespace(&Digest32(config.chain)),
            incarnation: getrandom::u64().map_err(|error| NetworkError::Setup(error.to_string()))?,
            limits: config.limits,
            shared: direct.clone(),
            events: events.clone(),
        };
        let metrics = NetworkMetrics::new(registry);
        let libp2p_metrics = libp2p::metrics::Metrics::new(registry);
        let mut swarm = behaviour::swarm(&setup, registry)?;
        listen::listen_on_all(&mut swarm, &listen_addresses)?;

        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let members: BTreeSet<PeerKey> = config.members.into_iter().collect();
        let (members, membership) = watch::channel(members);
        let refused = Refused::default();
        let wake = Arc::new(tokio::sync::Notify::new());
        let driver = Driver::new(Parts {
            swarm,
            namespace: setup.namespace,
            ban: setup.limits.ban,
            peers,
            commands: command_queue,
            membership,
            events,
            refused: refused.clone(),
            wake: wake.clone(),
            metrics: metrics.clone(),
            libp2p_metrics,
        });
        let snapshot = driver.snapshot();
        tokio::spawn(driver.run());
        let network = Self {
            commands,
            members: Arc::new(members),
            direct,
            refused,
            wake,
            requests: Arc::new(AtomicU64::new(0)),
            snapshot,
            metrics,
        };
        Ok((network, received))
    }

    /// Gossips a message of at most [`GOSSIP_MAX`] bytes. Published again, the same bytes are sent
    /// again, unless they came from a peer and were accepted, and so forwarded.
    pub fn publish(&self, topic: Topic, data: Vec<u8>) {
        if data.len() > GOSSIP_MAX {
            return self.metrics.drop(DropReason::TooLarge);
        }
        self.command(Command::Publish { topic, data });
    }

    /// Sends a message of at most [`DIRECT_MAX`] bytes to a connected member, in order.
    pub fn direct(&self, to: PeerKey, data: Vec<u8>) {
        if data.len() > DIRECT_MAX {
            return self.metrics.drop(DropReason::TooLarge);
        }
        match self.direct.send(&to, data) {
            Ok(()) => {}
            Err(Untaken::NotConnected) => self.metrics.drop(DropReason::DirectNotConnected),
            Err(Untaken::QueueFull) => self.metrics.drop(DropReason::DirectQueueFull),
        }
    }

    /// Asks a connected peer; at most [`REQUEST_MAX`] bytes. Exactly one
    /// [`NetworkEvent::Response`] with the returned identifier follows.
    pub fn request(&self, to: PeerKey, data: Vec<u8>) -> RequestId {
        let id = RequestId(self.requests.fetch_add(1, Ordering::Relaxed));
        if data.len() > REQUEST_MAX {
            self.refuse(id, to, RequestFailure::TooLarge);
            return id;
        }
        let command = Command::Request { id, to, data };
        if self.commands.try_send(command).is_err() {
            self.refuse(id, to, RequestFailure::Busy);
        }
        id
    }

    /// Asks a connected peer for private random bytes of its own pool. An empty answer is a refusal.
    pub async fn draw(&self, from: PeerKey) -> Result<Zeroizing<Vec<u8>>, RequestFailure> {
        self.ask(from, Question::Draw).await.map(Zeroizing::new)
    }

    /// Asks a connected peer whether it is there.
    pub async fn presence(&self, of: PeerKey) -> Result<(), RequestFailure> {
        self.ask(of, Question::Presence).await.map(drop)
    }

    async fn ask(&self, to: PeerKey, question: Question) -> Result<Vec<u8>, RequestFailure> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Ask { to, question, reply };
        self.commands.try_send(command).map_err(|_| RequestFailure::Busy)?;
        answer.await.map_err(|_| RequestFailure::NotConnected)?
    }

    /// Answers a request; at most [`RESPONSE_MAX`] bytes.
    pub fn respond(&self, channel: ResponseChannelId, data: Vec<u8>) {
        if data.len() > RESPONSE_MAX {
            return self.metrics.drop(DropReason::TooLarge);
        }
        self.command(Command::Respond { channel, data });
    }

    /// Gives the verdict on a gossip message.
    pub fn validate(&self, token: ValidationToken, verdict: Verdict) {
        self.command(Command::Validate { token, verdict });
    }

    /// Replaces the committee: its members are dialled, kept connected, and may send directly.
    pub fn set_members(&self, members: Vec<PeerKey>) {
        self.members.send_replace(members.into_iter().collect());
    }

    /// Holds an offence against a peer; enough of them ban it for a time.
    pub fn report(&self, peer: PeerKey, offence: Offence) {
        self.command(Command::Report { peer, offence });
    }

    /// The connected peers.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says farewell to every peer and stops. Returns when the connections are closed, or after a
    /// second.
    pub async fn shutdown(self) {
        let (done, finished) = oneshot::channel();
        if self.commands.send(Command::Shutdown(done)).await.is_ok() {
            // An error means that the task has ended, which is what was asked for.
            finished.await.ok();
        }
    }

    fn command(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            self.metrics.drop(DropReason::CommandQueueFull);
        }
    }

    fn refuse(&self, id: RequestId, to: PeerKey, failure: RequestFailure) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).push((id, to, failure));
        self.wake.notify_one();
    }
}
