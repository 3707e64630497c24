//! The client as a node of the peer-to-peer network: transports, gossip of one topic, and questions.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use beacon_spec::gossip::{ASK_PUBLIC, BEACONS, FRAME_HEAD, GOSSIP_MAX, PATH_MAX, asking, message_id, protocol, topic};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, IdentityTransform, Message, MessageAuthenticity, MessageId, ValidationMode,
    WhitelistSubscriptionFilter,
};
use libp2p::identity::{Keypair, ed25519};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, noise, ping, tcp, yamux};

/// Room for the envelope around a frame: topic and lengths.
const ENVELOPE: usize = 4096;
/// A peer is asked for a sign of life this often, and given up when it gives none in as long again.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that carries nothing but signs of life is kept for so long.
const IDLE: Duration = Duration::from_secs(3600);
/// How often the mesh is looked after. With one peer that costs nothing, and a peer that could not be grafted at once,
/// since its protocol was still being negotiated, is soon.
const BEAT: Duration = Duration::from_millis(100);
/// The longest answer of a peer. [gossip-4]
const ANSWER_MAX: usize = 4 << 20;
/// What stands before every answer. [gossip-4]
const ANSWER: u8 = 0;

pub(super) type Gossip = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub gossip: Gossip,
    pub asking: request_response::Behaviour<Questions>,
    pub ping: ping::Behaviour,
}

/// A node of the network for one connection, with a fresh name. `support` is whether it asks, answers, or both; a
/// question without an answer fails after `timeout`.
pub(super) fn swarm(namespace: &str, support: ProtocolSupport, timeout: Duration) -> Result<Swarm<Behaviour>, String> {
    let protocol = StreamProtocol::try_from_owned(asking(namespace)).map_err(|error| error.to_string())?;
    let config = request_response::Config::default().with_request_timeout(timeout);
    let behaviour = Behaviour {
        gossip: gossip(namespace)?,
        asking: request_response::Behaviour::with_codec(Questions, [(protocol, support)], config),
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

/// Paths of the public interface, asked of a peer each on a stream of its own. [gossip-4]
#[derive(Clone)]
pub(super) struct Questions;

impl request_response::Codec for Questions {
    type Protocol = StreamProtocol;
    type Request = String;
    /// Status and body, see [`beacon_spec::gossip::read_shown`].
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<String>
    where
        T: AsyncRead + Unpin + Send,
    {
        let path = read_tagged(io, ASK_PUBLIC, PATH_MAX).await?;
        String::from_utf8(path).map_err(|_| malformed())
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_tagged(io, ANSWER, ANSWER_MAX).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, path: String) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&[&[ASK_PUBLIC], path.as_bytes()].concat()).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, answer: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&[ANSWER]).await?;
        io.write_all(&answer).await
    }
}

/// What follows a byte `tag` up to the end of the stream, of at most `limit` bytes.
async fn read_tagged<T: AsyncRead + Unpin + Send>(io: &mut T, tag: u8, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(limit as u64 + 2).read_to_end(&mut bytes).await?;
    if bytes.first() != Some(&tag) || bytes.len() > limit + 1 {
        return Err(malformed());
    }
    bytes.remove(0);
    Ok(bytes)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no answer of this protocol, or too long a one")
}
