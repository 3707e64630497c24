//! How a client is put together.

use std::path::Path;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use beacon_spec::hash::Digest32;
use tokio::sync::Mutex;

use super::{Client, Inner, Server};
use crate::error::Error;
use crate::source::Source;
use crate::source::file::FileSource;
#[cfg(feature = "gossip")]
use crate::source::gossip::GossipSource;
use crate::source::http::HttpSource;
use crate::source::tls::Authorities;
use crate::state::StateDir;

/// Gives the time in Unix milliseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Longest time for one request, unless said otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long trust lasts without a newer head, unless said otherwise: voting keys older than this are taken for
/// erased, but whoever kept them could sign another past.
pub const DEFAULT_TRUSTING_PERIOD: Duration = Duration::from_secs(60 * 86_400);

/// The longest that a silent server holds up the next one.
const LONGEST_STAGGER: Duration = Duration::from_millis(500);

/// Collects what a client needs: a chain hash and at least one server.
pub struct Builder {
    chain: Option<Digest32>,
    servers: Vec<String>,
    #[cfg(feature = "gossip")]
    peers: Vec<String>,
    sources: Vec<Arc<dyn Source>>,
    authorities: Option<Authorities>,
    timeout: Duration,
    trusting_period: Duration,
    checkpoint: Option<(u64, Digest32)>,
    state: Option<StateDir>,
    clock: Clock,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            chain: None,
            servers: Vec::new(),
            #[cfg(feature = "gossip")]
            peers: Vec::new(),
            sources: Vec::new(),
            authorities: None,
            timeout: DEFAULT_TIMEOUT,
            trusting_period: DEFAULT_TRUSTING_PERIOD,
            checkpoint: None,
            state: None,
            clock: Arc::new(system_time),
        }
    }
}

impl Builder {
    /// The chain hash: the one thing that is trusted.
    #[must_use]
    pub fn chain(mut self, chain: Digest32) -> Self {
        self.chain = Some(chain);
        self
    }

    /// Adds a server by its address, `http://` or `https://`, or a chain file as `file:PATH`. The first is asked first.
    #[must_use]
    pub fn server(mut self, url: impl Into<String>) -> Self {
        self.servers.push(url.into());
        self
    }

    #[must_use]
    pub fn servers(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.servers.extend(urls.into_iter().map(Into::into));
        self
    }

    /// Adds a source of another kind; sources come before servers.
    #[must_use]
    pub fn source(mut self, source: Arc<dyn Source>) -> Self {
        self.sources.push(source);
        self
    }

    /// Accepts certificates of these authorities from `https://` servers, instead of those that are built in.
    #[must_use]
    pub fn authorities(mut self, authorities: Authorities) -> Self {
        self.authorities = Some(authorities);
        self
    }

    /// Adds a node that gossips, by its multiaddr such as `/ip4/192.0.2.1/udp/7700/quic-v1`. It is asked for what is
    /// missing on the same connection, so no server is needed besides. Peers come before servers.
    #[cfg(feature = "gossip")]
    #[must_use]
    pub fn peer(mut self, address: impl Into<String>) -> Self {
        self.peers.push(address.into());
        self
    }

    /// The longest time for one request.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long trust lasts without a newer head.
    #[must_use]
    pub fn trusting_period(mut self, period: Duration) -> Self {
        self.trusting_period = period;
        self
    }

    /// A round and its header hash that the user vouches for; required beyond the trusting period.
    #[must_use]
    pub fn checkpoint(mut self, round: u64, hash: Digest32) -> Self {
        self.checkpoint = Some((round, hash));
        self
    }

    /// Keeps the trusted head in this directory. Without it every run starts from the chain hash.
    #[must_use]
    pub fn state(mut self, state: StateDir) -> Self {
        self.state = Some(state);
        self
    }

    /// Another clock than the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Refuses addresses that do not read, and a client without a chain hash or a server.
    pub fn build(self) -> Result<Client, Error> {
        let chain = self.chain.ok_or_else(|| Error::Usage("a chain hash is needed: trust starts from it".into()))?;
        let mut sources = self.sources;
        #[cfg(feature = "gossip")]
        for address in &self.peers {
            let source = GossipSource::new(address, &chain, self.timeout).map_err(Error::Usage)?;
            sources.push(Arc::new(source));
        }
        for url in &self.servers {
            sources.push(match url.strip_prefix("file:") {
                Some(path) => Arc::new(FileSource::open(Path::new(path)).map_err(Error::Usage)?) as Arc<dyn Source>,
                None => {
                    let source = HttpSource::new(url, self.timeout).map_err(Error::Usage)?;
                    match &self.authorities {
                        Some(authorities) => Arc::new(source.trusting(authorities.clone())),
                        None => Arc::new(source),
                    }
                }
            });
        }
        if sources.is_empty() {
            return Err(Error::Usage("at least one server or peer is needed".into()));
        }
        let servers = sources.into_iter().map(|source| Server { source, ban: StdMutex::new(None) }).collect();
        let inner = Inner {
            chain,
            servers,
            trust: Mutex::new(None),
            kept: StdMutex::new(None),
            state: self.state,
            stored: StdMutex::new(None),
            checkpoint: self.checkpoint,
            trusting_period: self.trusting_period,
            stagger: (self.timeout / 4).min(LONGEST_STAGGER),
            clock: self.clock,
        };
        Ok(Client { inner: Arc::new(inner) })
    }
}

/// The system's clock; a time before 1970 counts as 1970.
pub fn system_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
