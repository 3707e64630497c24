//! The network: opaque bytes between peers, and the only place in the node that names libp2p.
//!
//! Five ways to move bytes, none of which looks inside them:
//!
//! | way | reaches | used for |
//! |---|---|---|
//! | [`Network::publish`] | every subscribed peer, one hop to each direct neighbour | commitments, openings, beacons, evidence |
//! | [`Network::direct`] | one member, in order, over a long-lived stream | consensus messages, shares, header votes |
//! | [`Network::request`] | one peer, one answer | catching up |
//! | [`Network::draw`], [`Network::presence`] | one peer, one answer | private random bytes; whether a peer is up |
//! | peer exchange (`driver`) | one peer, one answer | addresses of the members |
//!
//! Clients ask for what the public HTTP interface shows in the same way as nodes ask each other; nodes only answer that.
//!
//! One task (`driver`) owns the swarm. The caller talks to it through a [`Network`] handle whose
//! methods never block, and listens to one bounded channel of [`NetworkEvent`]s; while that channel
//! is full the swarm is not read, so that pressure goes back to the senders and not into memory.
//! Delivery is best effort: what is dropped is counted, never hidden, and whoever needs a message
//! sends it again.
//!
//! Reading order: `identity`, `gossip`, `direct`, `sync` (formats and limits), `admission` (who may
//! connect), `dialer` and `score` (pure policies over a clock that is passed in), `peers` (what is
//! known of each peer), `behaviour` (how the parts are assembled), `driver` (the loop), `handle`.

mod admission;
mod behaviour;
mod dialer;
mod direct;
mod driver;
mod gossip;
mod handle;
mod identity;
mod listen;
mod metrics;
mod peers;
mod score;
mod sync;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

pub use self::handle::Network;
pub use self::score::Offence;

/// An Ed25519 identity public key. The libp2p `PeerId` is derived from it.
pub type PeerKey = [u8; 32];

/// Longest message of a direct stream.
pub const DIRECT_MAX: usize = 1024 * 1024;
/// Longest request.
pub const REQUEST_MAX: usize = 64 * 1024;
/// Longest answer to a request.
pub const RESPONSE_MAX: usize = 4 * 1024 * 1024;

/// What a node needs to know to join the network of one chain.
pub struct NetworkConfig {
    /// Seed of the Ed25519 identity key.
    pub identity_secret: Zeroizing<[u8; 32]>,
    /// Chain hash; it names the protocols and topics, so that chains never mix.
    pub chain: [u8; 32],
    /// Addresses to listen on, as multiaddrs: `/ip4/0.0.0.0/tcp/9000`, `/ip4/0.0.0.0/udp/9000/quic-v1`.
    pub listen: Vec<String>,
    /// Addresses to dial and to keep dialling, as multiaddrs with or without `/p2p/<peer id>`.
    pub peers: Vec<String>,
    /// Identity keys of the committee.
    pub members: Vec<PeerKey>,
    /// Bounds on what strangers may occupy.
    pub limits: NetworkLimits,
}

impl fmt::Debug for NetworkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkConfig")
            .field("identity_secret", &"[REDACTED]")
            .field("listen", &self.listen)
            .field("peers", &self.peers)
            .field("members", &self.members.len())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Bounds on what strangers (peers that are neither members nor configured) may occupy.
#[derive(Clone, Debug)]
pub struct NetworkLimits {
    /// Inbound connections of strangers at one time.
    pub strangers: usize,
    /// Of these, how many may come from one IP address.
    pub strangers_per_address: usize,
    /// Inbound connections whose handshake is not finished; nobody is known by name before that.
    pub handshakes: usize,
    /// Connections to one peer, members included.
    pub connections_per_peer: usize,
    /// Events that wait for the owner of the node before the swarm stops reading.
    pub events: usize,
    /// How long a stranger stays banned. A member is banned for a twentieth of it, because a
    /// committee needs its members more than it needs to punish them.
    pub ban: Duration,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            strangers: 128,
            strangers_per_address: 32,
            handshakes: 256,
            connections_per_peer: 8,
            events: 256,
            ban: Duration::from_secs(600),
        }
    }
}

/// A gossip topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    Commitments,
    Openings,
    Beacons,
    Evidence,
}

/// What the network tells the owner of the node.
#[derive(Debug)]
pub enum NetworkEvent {
    /// The node listens on this address, which others can use as it stands (it ends in `/p2p/…`).
    Listening(String),
    /// The peer is of this chain and its gossip subscriptions are known: what is published from
    /// now on reaches it. Direct messages and requests can arrive before this.
    PeerUp(PeerKey),
    /// The last connection to a peer that was up is gone.
    PeerDown(PeerKey),
    /// A gossip message, passed on by `from` (not necessarily its author). It is forwarded only
    /// after [`Network::validate`] accepts it.
    Gossip { from: PeerKey, topic: Topic, data: Vec<u8>, validation: ValidationToken },
    /// A message on the direct stream of a member.
    Direct { from: PeerKey, data: Vec<u8> },
    /// A request; answer with [`Network::respond`]. Left unanswered it times out at the asker.
    Request { from: PeerKey, channel: ResponseChannelId, data: Vec<u8> },
    /// A peer asks for a path of the public interface; answer as above.
    Public { channel: ResponseChannelId, path: String },
    /// A peer asks for private random bytes; answer with [`Network::respond`], emptily to refuse.
    Draw { from: PeerKey, channel: ResponseChannelId },
    /// The answer to [`Network::request`]: exactly one for each identifier.
    Response { id: RequestId, from: PeerKey, result: Result<Vec<u8>, RequestFailure> },
}

/// Names a request of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// Names a request of a peer that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseChannelId(libp2p::request_response::InboundRequestId);

/// Names a gossip message that waits for a verdict. Dropped without one, the message is not forwarded.
#[derive(Debug)]
pub struct ValidationToken {
    id: libp2p::gossipsub::MessageId,
    source: libp2p::PeerId,
}

/// What to do with a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid and new: forward it.
    Accept,
    /// Invalid: do not forward it, and hold it against the peer that passed it on.
    Reject,
    /// Known, late or not judged: do not forward it, blame nobody.
    Ignore,
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFailure {
    /// There is no connection to the peer.
    NotConnected,
    /// The request is longer than [`REQUEST_MAX`].
    TooLarge,
    /// The node's own command queue is full.
    Busy,
    /// No answer in time.
    Timeout,
    /// The peer closed the stream, answered too much, or broke the format.
    Refused,
    /// The peer does not speak this chain's protocol.
    Unsupported,
}

/// Which side dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Inbound,
    Outbound,
}

/// One connected peer, for status pages.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    pub key: PeerKey,
    /// Remote multiaddr of the oldest connection.
    pub address: String,
    pub direction: Direction,
    pub member: bool,
    /// Whether the peer's subscriptions are known (see [`NetworkEvent::PeerUp`]).
    pub up: bool,
    /// Last measured round-trip time.
    pub rtt: Option<Duration>,
}

/// Why the network could not start.
#[derive(Debug)]
pub enum NetworkError {
    /// The identity secret is not a usable Ed25519 seed.
    Identity,
    /// A configured address is not a usable multiaddr.
    Address { address: String, reason: String },
    /// Another program holds the port.
    PortInUse { address: String },
    /// The operating system refuses to listen.
    Listen { address: String, reason: String },
    /// The protocol stack refuses its configuration.
    Setup(String),
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => write!(f, "the identity secret is not an Ed25519 seed"),
            Self::Address { address, reason } => {
                write!(f, "{address:?} is not a usable multiaddr: {reason}")
            }
            Self::PortInUse { address } => write!(
                f,
                "cannot listen on {address}: the port is in use. Stop the program that holds it \
                 (`ss -lntup` names it), or choose another listen address"
            ),
            Self::Listen { address, reason } => write!(f, "cannot listen on {address}: {reason}"),
            Self::Setup(reason) => write!(f, "cannot set up the network: {reason}"),
        }
    }
}

impl std::error::Error for NetworkError {}
