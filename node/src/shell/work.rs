//! Work that must not hold up the loop: jobs of the engine, entropy, answers to peers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use zeroize::Zeroizing;

use beacon_engine::batch::Seq;
use beacon_engine::event::Request;
use beacon_engine::job::{Job, JobResult};
use beacon_engine::serve::serve;
use beacon_entropy::pool::EntropyPool;
use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::hash::Digest32;

use crate::clock;
use crate::metrics::Metrics;
use crate::network::{Network, Offence, PeerKey, REQUEST_MAX, ResponseChannelId};
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
    DiskFailed(StoreError),
}

pub struct Workshop {
    completions: mpsc::UnboundedSender<Completion>,
    pool: Arc<EntropyPool>,
    store: Arc<Store>,
    network: Network,
    chain: Digest32,
    metrics: Metrics,
    answers: Arc<Semaphore>,
}

impl Workshop {
    pub fn new(
        completions: mpsc::UnboundedSender<Completion>,
        pool: Arc<EntropyPool>,
        store: Arc<Store>,
        network: Network,
        chain: Digest32,
        metrics: Metrics,
    ) -> Self {
        Workshop { completions, pool, store, network, chain, metrics, answers: Arc::new(Semaphore::new(ANSWERS)) }
    }

    pub fn pool(&self) -> &EntropyPool {
        &self.pool
    }

    /// Runs a job on a worker thread, with a fresh coin for batch verification.
    pub fn run(&self, job: Job) {
        let completions = self.completions.clone();
        let metrics = self.metrics.clone();
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
        let completions = self.completions.clone();
        let (pool, metrics) = (self.pool.clone(), self.metrics.clone());
        tokio::spawn(async move {
            loop {
                let pool = pool.clone();
                let begun = Instant::now();
                let harvest = tokio::task::spawn_blocking(move || pool.contribution(HARVEST)).await;
                match harvest {
                    Ok(Ok(contribution)) => {
                        let bytes = contribution.bytes;
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

    /// Answers a peer's request from the store.
    pub fn answer(&self, from: PeerKey, channel: ResponseChannelId, data: Vec<u8>) {
        let Ok(request) = decode::<Request>(&data, &Limits::bytes(REQUEST_MAX)) else {
            self.network.report(from, Offence::InvalidMessage);
            return;
        };
        let (store, network, chain) = (self.store.clone(), self.network.clone(), self.chain);
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
