//! The configuration: defaults, then `config.toml`, then `BEACON_…` variables, then flags.
//!
//! Every key has a default, so an empty file is a configuration. Unknown keys are refused with the nearest known one,
//! and every complaint names the place, the key, the value and the remedy.

mod error;
mod load;
mod template;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use beacon_entropy::atecc608a::{DEFAULT_BUS, Device};
use beacon_entropy::equipment::{CHIP, Equipment};
use beacon_entropy::fortuna::Settings;
use beacon_entropy::pool::PoolConfig;
use beacon_entropy::sources::UnknownSource;
use beacon_entropy::worker::WorkerSpec;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::IdentityKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use error::ConfigError;
pub use load::Layers;
pub use template::template;

use crate::network::NetworkLimits;

/// Everything an operator can choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The chain this node expects to find in its home; `None` takes the one that is there.
    pub chain: Option<Digest32>,
    /// Multiaddrs to listen on for peers.
    #[serde(deserialize_with = "one_or_many")]
    pub listen: Vec<String>,
    /// Multiaddrs to dial and to keep dialling.
    #[serde(deserialize_with = "one_or_many")]
    pub peers: Vec<String>,
    /// The public, read-only HTTP listener.
    pub http: Listener,
    /// The local HTTP listener: private randomness, status and administration. On the loopback, or with a token.
    pub local_http: Listener,
    /// The file that holds the token of the local listener; relative to the home. Without it none is asked for.
    pub local_token_file: Option<PathBuf>,
    /// The database; relative to the home.
    pub data_dir: PathBuf,
    /// For how many rounds transcripts are kept.
    pub transcripts_keep: Keep,
    pub log: LogConfig,
    pub entropy: EntropyConfig,
    pub services: ServicesConfig,
    pub cluster: ClusterConfig,
    pub limits: LimitsConfig,
}

/// Our own events; of the libraries only what an operator should act on.
const DEFAULT_LOG: &str = "info,arc_malachitebft_core_consensus=warn,libp2p_gossipsub=error";

/// What is logged, and how it looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,libp2p=warn`.
    pub level: String,
    pub format: LogFormat,
}

/// One line of text or one JSON object an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// The workers whose bytes are mixed into every contribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntropyConfig {
    /// One list of sources a worker: names of built-in sources, or `file:PATH`.
    pub workers: Vec<Vec<String>>,
    /// What the source `dns` may time; no other server is contacted.
    #[serde(deserialize_with = "sockets")]
    pub dns_servers: Vec<SocketAddr>,
    /// What the source `tcp` may time; no other host is contacted.
    #[serde(deserialize_with = "sockets")]
    pub tcp_hosts: Vec<SocketAddr>,
    /// The bus that the source `atecc608a` is on.
    pub i2c_bus: u8,
}

/// Private randomness on the local listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServicesConfig {
    /// Blocks of 32 bytes that each queue holds.
    pub trng_queue_size: u64,
    pub fortuna_queue_size: u64,
    /// Whether what is read from a queue leaves it. If not, every asker gets the same bytes.
    pub delete_on_consumption: bool,
    /// Time between two blocks for the queue `trng`.
    pub hash_interval_ms: u64,
    /// Time between two fillings of the queue `fortuna`.
    pub process_interval_ms: u64,
    /// Blocks that Fortuna gives for each seed.
    pub amplification_factor: usize,
    /// Seeds of each filling.
    pub seed_count: usize,
    /// Whether raw samples of single sources are given out.
    pub raw: bool,
    /// Origins whose pages may read from the local listener, such as `http://localhost:3000`.
    #[serde(deserialize_with = "one_or_many")]
    pub cors: Vec<String>,
}

/// Peers that give each other private random bytes. All off unless switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// Their identities. Their addresses are those under `peers`, or the committee's.
    pub peers: Vec<IdentityKey>,
    /// Whether this node draws from them, and mixes what they give with its own.
    pub draw: bool,
    /// Whether they may draw from this node.
    pub serve: bool,
    /// Draws of 32 bytes that each of them gets in a minute.
    pub quota: u32,
}

/// Bounds on what strangers may occupy (see [`NetworkLimits`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    pub strangers: usize,
    pub strangers_per_address: usize,
    pub handshakes: usize,
    pub connections_per_peer: usize,
    pub ban_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        let limits = NetworkLimits::default();
        let fortuna = Settings::default();
        let worker = |names: [&str; 2]| names.map(String::from).to_vec();
        Config {
            chain: None,
            listen: vec!["/ip4/0.0.0.0/udp/7700/quic-v1".into(), "/ip4/0.0.0.0/tcp/7700".into()],
            peers: Vec::new(),
            http: Listener(Some(SocketAddr::from(([127, 0, 0, 1], 8080)))),
            local_http: Listener(Some(SocketAddr::from(([127, 0, 0, 1], 8081)))),
            local_token_file: None,
            data_dir: "data".into(),
            transcripts_keep: Keep::Rounds(100_000),
            log: LogConfig { level: DEFAULT_LOG.into(), format: LogFormat::Text },
            entropy: EntropyConfig {
                workers: vec![worker(["os", "sleep"]), worker(["os", "pipe"]), worker(["os", "page-fault"])],
                dns_servers: Vec::new(),
                tcp_hosts: Vec::new(),
                i2c_bus: DEFAULT_BUS,
            },
            services: ServicesConfig {
                trng_queue_size: 100,
                fortuna_queue_size: 100,
                delete_on_consumption: true,
                hash_interval_ms: 1000,
                process_interval_ms: fortuna.process_interval_ms,
                amplification_factor: fortuna.amplification_factor,
                seed_count: fortuna.seed_count,
                raw: false,
                cors: Vec::new(),
            },
            cluster: ClusterConfig { quota: 60, ..ClusterConfig::default() },
            limits: LimitsConfig {
                strangers: limits.strangers,
                strangers_per_address: limits.strangers_per_address,
                handshakes: limits.handshakes,
                connections_per_peer: limits.connections_per_peer,
                ban_seconds: limits.ban.as_secs(),
            },
        }
    }
}

impl EntropyConfig {
    /// What the sources need, with an emulated chip or the one on the bus.
    pub fn equipment(&self, emulate_chip: bool) -> Equipment {
        let chip = if emulate_chip { Device::emulated(true).0 } else { Device::open(self.i2c_bus) };
        Equipment { dns: self.dns_servers.clone(), tcp: self.tcp_hosts.clone(), chip }
    }

    /// The pool that the workers make. An emulated chip gets a worker of its own if none names it.
    pub fn pool(&self, equipment: &Equipment) -> Result<PoolConfig, UnknownSource> {
        let named = self.workers.iter().flatten().any(|name| name == CHIP);
        let chip = (equipment.chip.is_emulated() && !named).then(|| vec!["os".to_owned(), CHIP.to_owned()]);
        let worker = |names: &Vec<String>| {
            names.iter().map(|name| equipment.spec(name)).collect::<Result<Vec<_>, _>>().map(WorkerSpec::new)
        };
        let workers = self.workers.iter().chain(&chip).map(worker).collect::<Result<Vec<_>, _>>()?;
        Ok(PoolConfig { workers, ..PoolConfig::default() })
    }
}

impl LimitsConfig {
    pub fn network(&self) -> NetworkLimits {
        NetworkLimits {
            strangers: self.strangers,
            strangers_per_address: self.strangers_per_address,
            handshakes: self.handshakes,
            connections_per_peer: self.connections_per_peer,
            ban: Duration::from_secs(self.ban_seconds),
            ..NetworkLimits::default()
        }
    }
}

/// A socket address, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener(pub Option<SocketAddr>);

impl std::str::FromStr for Listener {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Listener(None));
        }
        text.parse().map(|address| Listener(Some(address))).map_err(|_| {
            format!("{text:?} is no address with a port, such as 127.0.0.1:8080 or [::1]:8080, and not \"off\"")
        })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "{address}"),
            None => f.write_str("off"),
        }
    }
}

impl Serialize for Listener {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listener {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A number of rounds, or `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    All,
    Rounds(u64),
}

impl Keep {
    /// The number of rounds, 0 for all, as the store counts.
    pub fn rounds(self) -> u64 {
        match self {
            Keep::All => 0,
            Keep::Rounds(rounds) => rounds,
        }
    }
}

impl Serialize for Keep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Keep::All => serializer.serialize_str("all"),
            Keep::Rounds(rounds) => serializer.serialize_u64(*rounds),
        }
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Keep;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of rounds, or \"all\"")
            }

            fn visit_u64<E: de::Error>(self, rounds: u64) -> Result<Keep, E> {
                Ok(Keep::Rounds(rounds))
            }

            fn visit_i64<E: de::Error>(self, rounds: i64) -> Result<Keep, E> {
                let negative = || E::invalid_value(de::Unexpected::Signed(rounds), &self);
                u64::try_from(rounds).map(Keep::Rounds).map_err(|_| negative())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Keep, E> {
                if text == "all" {
                    return Ok(Keep::All);
                }
                Err(E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A list, or one string of entries separated by commas, as environment variables have it.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a list of strings, or one string of entries separated by commas")]
    enum Either {
        Many(Vec<String>),
        One(String),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Many(many) => many,
        Either::One(one) => one.split(',').map(str::trim).filter(|s| !s.is_empty()).map(String::from).collect(),
    })
}

/// Socket addresses, written as a list or as one string.
fn sockets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    let parse = |text: &String| {
        let bad = |_| de::Error::custom(format!("{text:?} is no address with a port, such as 192.0.2.1:53"));
        text.parse().map_err(bad)
    };
    one_or_many(deserializer)?.iter().map(parse).collect()
}
