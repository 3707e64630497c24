//! How the parts are assembled: transports, protocols and their timeouts.

use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Swarm, SwarmBuilder, dns, identify, noise, ping, quic, swarm, tcp, yamux};
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use super::admission::Admission;
use super::direct::{Direct, Shared};
use super::gossip::{self, Gossip};
use super::sync::{self, Sync};
use super::{NetworkError, NetworkEvent, NetworkLimits};

/// A peer that sends nothing over QUIC for this long is gone.
const SILENCE: Duration = Duration::from_secs(6);
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// libp2p forgives one unanswered ping, so over TCP silence is noticed after 18 seconds.
const PING_TIMEOUT: Duration = Duration::from_secs(4);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(4);
/// Streams a peer may have open at once on one connection.
const STREAMS: u32 = 128;
/// Bytes a peer may have under way on one QUIC stream, and on all of a connection.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 6 * 1024 * 1024;
const IDENTIFY_INTERVAL: Duration = Duration::from_secs(300);

/// Every protocol of a connection. Admission stands first: what it refuses the others never see.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub admission: Admission,
    pub identify: identify::Behaviour,
    pub ping: ping::Behaviour,
    pub direct: Direct,
    pub gossip: Gossip,
    pub sync: Sync,
}

/// What distinguishes this node and chain.
pub(super) struct Setup {
    pub keypair: Keypair,
    pub namespace: String,
    /// Drawn at each start. A peer whose incarnation changed has restarted, and what is left of
    /// connections to its former process is stale.
    pub incarnation: u64,
    pub limits: NetworkLimits,
    pub shared: Arc<Shared>,
    pub events: mpsc::Sender<NetworkEvent>,
}

/// Builds the swarm.
pub(super) fn swarm(setup: &Setup, registry: &mut Registry) -> Result<Swarm<Behaviour>, NetworkError> {
    let behaviour = behaviour(setup, registry)?;
    let failed = |error: &dyn std::fmt::Display| NetworkError::Setup(error.to_string());
    let transports = || {
        SwarmBuilder::with_existing_identity(setup.keypair.clone())
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, tune_yamux)
            .map(|builder| builder.with_quic_config(tune_quic))
            .map_err(|error| failed(&error))
    };
    // Without a resolver configuration names cannot be looked up as this machine would, but
    // addresses still work; so the node starts.
    let swarm = match transports()?.with_dns() {
        Ok(builder) => builder
            .with_behaviour(|_| behaviour)
            .map_err(|error| failed(&error))?
            .with_swarm_config(tune_swarm)
            .with_connection_timeout(HANDSHAKE_TIMEOUT)
            .build(),
        Err(error) => {
            tracing::warn!(%error, "no resolver configuration; peers given by name may not be found");
            transports()?
                .with_dns_config(dns::ResolverConfig::default(), dns::ResolverOpts::default())
                .with_behaviour(|_| behaviour)
                .map_err(|error| failed(&error))?
                .with_swarm_config(tune_swarm)
                .with_connection_timeout(HANDSHAKE_TIMEOUT)
                .build()
        }
    };
    Ok(swarm)
}

fn behaviour(setup: &Setup, registry: &mut Registry) -> Result<Behaviour, NetworkError> {
    let identify = identify::Config::new(setup.namespace.clone(), setup.keypair.public())
        .with_agent_version(agent(setup.incarnation))
        .with_interval(IDENTIFY_INTERVAL)
        .with_cache_size(0);
    let ping = ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT);
    Ok(Behaviour {
        admission: Admission::new(setup.limits.clone()),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        direct: Direct::new(&setup.namespace, setup.shared.clone(), setup.events.clone())
            .map_err(NetworkError::Setup)?,
        gossip: gossip::behaviour(&setup.namespace, registry)?,
        sync: sync::behaviour(&setup.namespace).map_err(NetworkError::Setup)?,
    })
}

/// A crashed peer sends no farewell over UDP, so silence must be noticed soon.
fn tune_quic(mut config: quic::Config) -> quic::Config {
    config.handshake_timeout = HANDSHAKE_TIMEOUT;
    config.max_idle_timeout = u32::try_from(SILENCE.as_millis()).unwrap_or(u32::MAX);
    config.keep_alive_interval = SILENCE / 3;
    config.max_concurrent_stream_limit = STREAMS;
    config.max_stream_data = STREAM_WINDOW;
    config.max_connection_data = CONNECTION_WINDOW;
    config
}

fn tune_yamux() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS as usize);
    config
}

fn tune_swarm(config: swarm::Config) -> swarm::Config {
    config.with_idle_connection_timeout(Duration::from_secs(30))
}

const AGENT: &str = concat!("beacon-node/", env!("CARGO_PKG_VERSION"), "/");

/// The agent string: program, version, incarnation.
fn agent(incarnation: u64) -> String {
    format!("{AGENT}{incarnation:016x}")
}

/// The incarnation in a peer's agent string, if it has one.
pub(super) fn incarnation(agent: &str) -> Option<u64> {
    let (program, last) = agent.rsplit_once('/')?;
    if !program.starts_with("beacon-node/") || last.len() != 16 {
        return None;
    }
    u64::from_str_radix(last, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_incarnation_survives_the_agent_string() {
        assert_eq!(incarnation(&agent(0xfeed)), Some(0xfeed));
        assert_eq!(incarnation("beacon-node/9.9.9/00000000000000ff"), Some(255));
        for other in ["", "/", "rust-libp2p/0.48", "beacon-node/1/xyz"] {
            assert_eq!(incarnation(other), None);
        }
    }
}
