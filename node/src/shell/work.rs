//! Work that must not hold up the loop: jobs of the engine, entropy, answers to peers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use zeroize::Zeroizing;

use beacon_engine::batch::Seq;
use beacon_engine::engine::BundleSecrets;
use beacon_engine::event::Request;
use beacon_engine::job::{Job, JobResult};
use beacon_engine::serve::serve;
use beacon_entropy::pool::EntropyPool;
use beacon_spec::bundle::KeyBundle;
use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::gossip;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::VotingKey;

use crate::clock;
use crate::http::Beacons;
use crate::keystore::{KeyStore, KeyStoreError};
use crate::metrics::Metrics;
use crate::network::{Network, Offence, PeerKey, REQUEST_MAX, RESPONSE_MAX, ResponseChannelId};
use crate::services::Cluster;
use crate::store::{Store, StoreError};

/// How long the workers may take for one contribution, and how long to wait after a failure.
const HARVEST: Duration = Duration::from_millis(500);
const HARVEST_AGAIN: Duration = Duration::from_secs(1);
/// Answers to peers under way at once; more wait, and what waits too long the asker gives up.
const ANSWERS: usize = 4;

/// What comes back to the loop.
pub enum Completion {
    Job(JobResult),
    Entropy { window: u64, bytes: Zeroizing<[u8; 32]> },
    Durable { seq: Seq, took: Duration },
    Bundle { bundle: KeyBundle, secrets: Arc<BundleSecrets> },
    DiskFailed(StoreError),
    KeysFailed(KeyStoreError),
}

/// What the workshop works with.
pub struct Tools {
    pub completions: mpsc::UnboundedSender<Completion>,
    pub pool: Arc<EntropyPool>,
    /// Peers whose bytes are mixed with the own workers'.
    pub cluster: Arc<Cluster>,
    pub store: Arc<Store>,
    pub network: Network,
    /// What the public listener shows of beacons, for peers that ask without HTTP.
    pub public: Beacons,
    pub chain: Digest32,
    pub keys: Arc<Mutex<KeyStore>>,
    pub metrics: Metrics,
}

pub struct Workshop {
    tools: Tools,
    answers: Arc<Semaphore>,
    /// The same for clients, so that they hold up no member.
    shown: Arc<Semaphore>,
}

impl Workshop {
    pub fn new(tools: Tools) -> Self {
        Workshop { tools, answers: Arc::new(Semaphore::new(ANSWERS)), shown: Arc::new(Semaphore::new(ANSWERS)) }
    }

    pub fn pool(&self) -> &EntropyPool {
        &self.tools.pool
    }

    pub fn cluster(&self) -> &Cluster {
        &self.tools.cluster
    }

    /// Runs a job on a worker thread, with a fresh coin for batch verification.
    pub fn run(&self, job: Job) {
        let completions = self.tools.completions.clone();
        let metrics = self.tools.metrics.clone();
        let kind = match &job {
            Job::Deal(_) => "deal",
            Job::Verify(_) => "verify",
        };
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let mut coin = [0; 32];
            if let Err(error) = getrandom::fill(&mut coin) {
                // Without a coin nothing can be batch-verified safely, and without randomness nothing can be dealt.
                tracing::error!(%error, "the operating system gives no randomness; a job is dropped");
                return;
            }
            let result = job.run(&coin);
            metrics.job(kind, begun.elapsed());
            // Refused only when the loop has ended.
            let _ = completions.send(Completion::Job(result));
        });
    }

    /// Harvests one contribution of the local workers; tries again until there is one.
    pub fn harvest(&self, window: u64) {
        let completions = self.tools.completions.clone();
        let (pool, metrics) = (self.tools.pool.clone(), self.tools.metrics.clone());
        // Used in one contribution and never again, though that may be tried several times.
        let given = Arc::new(self.tools.cluster.take());
        tokio::spawn(async move {
            loop {
                let (pool, given) = (pool.clone(), given.clone());
                let begun = Instant::now();
                let harvest = move || {
                    let peers: Vec<&[u8]> = given.iter().map(|bytes| bytes.as_slice()).collect();
                    let mut bytes = Zeroizing::new([0; 32]);
                    pool.fill_with(&mut *bytes, HARVEST, &peers).map(|_| bytes)
                };
                match tokio::task::spawn_blocking(harvest).await {
                    Ok(Ok(bytes)) => {
                        metrics.entropy(begun.elapsed());
                        // Refused only when the loop has ended.
                        let _ = completions.send(Completion::Entropy { window, bytes });
                        return;
                    }
                    Ok(Err(error)) => tracing::error!(window, %error, "no entropy: this node does not deal"),
                    Err(error) => tracing::error!(window, %error, "the entropy workers failed"),
                }
                tokio::time::sleep(HARVEST_AGAIN).await;
            }
        });
    }

    /// The key store, for as long as one signature or write takes.
    pub fn keys(&self) -> MutexGuard<'_, KeyStore> {
        lock(&self.tools.keys)
    }

    /// Makes and keeps the own bundle for `epoch`, or finds the one that was made before.
    pub fn make_bundle(&self, epoch: u64, tickets: usize) -> Result<(KeyBundle, Arc<BundleSecrets>), KeyStoreError> {
        make_bundle(&mut self.keys(), &self.tools.chain, epoch, tickets)
    }

    /// The same, off the loop: drawing keys and writing them takes milliseconds.
    pub fn need_bundle(&self, epoch: u64, tickets: usize) {
        let (keys, completions, chain) = (self.tools.keys.clone(), self.tools.completions.clone(), self.tools.chain);
        tokio::task::spawn_blocking(move || {
            let completion = match make_bundle(&mut lock(&keys), &chain, epoch, tickets) {
                Ok((bundle, secrets)) => Completion::Bundle { bundle, secrets },
                Err(error) => Completion::KeysFailed(error),
            };
            // Refused only when the loop has ended.
            let _ = completions.send(completion);
        });
    }

    /// Erases the secrets of the bundles with these voting keys.
    pub fn erase_bundles(&self, erase: Vec<VotingKey>) {
        let (keys, completions) = (self.tools.keys.clone(), self.tools.completions.clone());
        tokio::task::spawn_blocking(move || {
            let erased = lock(&keys).erase_bundles(|bundle| !erase.contains(&bundle.voting().voting()));
            match erased {
                Ok(count) => tracing::info!(bundles = count, "secrets of earlier epochs are erased"),
                // Refused only when the loop has ended.
                Err(error) => drop(completions.send(Completion::KeysFailed(error))),
            }
        });
    }

    /// Answers a peer that asks for private random bytes: out of the own workers, never by asking others, or emptily.
    pub fn give(&self, from: PeerKey, channel: ResponseChannelId) {
        let network = self.tools.network.clone();
        if !self.tools.cluster.admits(&from, tokio::time::Instant::now()) {
            return network.respond(channel, Vec::new());
        }
        let (pool, answers) = (self.tools.pool.clone(), self.answers.clone());
        tokio::spawn(async move {
            let Ok(_permit) = answers.acquire_owned().await else { return };
            match tokio::task::spawn_blocking(move || pool.block(HARVEST)).await {
                Ok(Ok(block)) => network.respond(channel, block.bytes.to_vec()),
                Ok(Err(error)) => tracing::error!(%error, "no entropy for a peer"),
                Err(error) => tracing::error!(%error, "no entropy for a peer"),
            }
        });
    }

    /// Answers a peer as the public listener would.
    pub fn show(&self, channel: ResponseChannelId, path: String) {
        let (network, public, shown) = (self.tools.network.clone(), self.tools.public.clone(), self.shown.clone());
        tokio::spawn(async move {
            let Ok(_permit) = shown.acquire_owned().await else { return };
            let (status, body) = public.ask(&path, RESPONSE_MAX - 2).await;
            network.respond(channel, gossip::shown(status, &body));
        });
    }

    /// Answers a peer's request from the store.
    pub fn answer(&self, from: PeerKey, channel: ResponseChannelId, data: Vec<u8>) {
        let Ok(request) = decode::<Request>(&data, &Limits::bytes(REQUEST_MAX)) else {
            self.tools.network.report(from, Offence::InvalidMessage);
            return;
        };
        let (store, network, chain) = (self.tools.store.clone(), self.tools.network.clone(), self.tools.chain);
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let Ok(_permit) = answers.acquire_owned().await else { return };
            let answered = tokio::task::spawn_blocking(move || {
                serve(&*store, &chain, clock::now(), &request).map(|response| encode(&response))
            });
            match answered.await {
                Ok(Ok(bytes)) => network.respond(channel, bytes),
                Ok(Err(error)) => tracing::error!(%error, "cannot answer a peer"),
                Err(error) => tracing::error!(%error, "cannot answer a peer"),
            }
        });
    }
}

fn lock(keys: &Mutex<KeyStore>) -> MutexGuard<'_, KeyStore> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_bundle(
    keys: &mut KeyStore,
    chain: &Digest32,
    epoch: u64,
    tickets: usize,
) -> Result<(KeyBundle, Arc<BundleSecrets>), KeyStoreError> {
    let identity = keys.identity_secret().clone();
    let made = keys.bundle_or_generate(chain, epoch, tickets)?;
    Ok((made.public(&identity), Arc::new(made.secrets())))
}
