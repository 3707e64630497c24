//! The pool: workers, mixing, and what is known about both.
//!
//! A contribution is 32 bytes mixed from every live worker. Nothing else enters but bytes
//! that a user injected, which count nothing and replace nothing: a pool whose workers read
//! only files gives the same contributions for the same files.

mod config;
mod harvest;
mod status;

pub use config::PoolConfig;
pub use status::{Contribution, ContributionReport, PoolStatus, WorkerPart};

use crate::accumulator::Accumulator;
use crate::mix::{self, MixError, Part};
use crate::random::Random;
use crate::source::SourceError;
use crate::sources::os_fill;
use crate::worker::{Absence, Collection, Workers};
use harvest::{Harvester, PoolSeeder};
use sha3::{Digest, Sha3_256};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// The frame index of injected bytes; worker indices stay below it.
pub const INJECTED: u32 = u32::MAX;
/// Frame indices of peers' bytes: this plus the peer's place in the list.
pub const PEERS: u32 = 1 << 31;
/// The frame index of the operating system's bytes when no worker answered.
pub const FALLBACK: u32 = u32::MAX - 1;

#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("a pool needs at least one worker")]
    NoWorkers,
    #[error("threads could not be started: {0}")]
    Threads(#[from] std::io::Error),
    #[error("no randomness: no worker answered ({absent:?}){}", fallback_text(.fallback))]
    NoRandomness { absent: BTreeMap<u32, Absence>, fallback: Option<SourceError> },
    #[error("mixing: {0}")]
    Mix(#[from] MixError),
}

fn fallback_text(fallback: &Option<SourceError>) -> String {
    fallback.as_ref().map_or_else(String::new, |error| format!(", and {error}"))
}

#[derive(Default)]
struct Injected {
    hash: Sha3_256,
    bytes: u64,
}

struct Core {
    workers: Workers,
    os_fallback: bool,
    injected: Mutex<Injected>,
    accumulator: Arc<Mutex<Accumulator>>,
    random: Random,
    contributions: AtomicU64,
    refused: AtomicU64,
    os_only: AtomicU64,
}

/// The running pool. Blocking and thread-safe.
pub struct EntropyPool {
    // Dropped first: the harvester holds the core only while it works.
    _harvester: Harvester,
    core: Arc<Core>,
}

impl EntropyPool {
    /// Starts the workers and waits for their start-up tests, at most `startup_patience`;
    /// then gathers a first seed's worth of noise where there is noise.
    pub fn start(config: PoolConfig) -> Result<EntropyPool, PoolError> {
        if config.workers.is_empty() {
            return Err(PoolError::NoWorkers);
        }
        let workers = Workers::start(config.workers, config.limits)?;
        workers.wait_started(config.startup_patience);
        let accumulator = Arc::new(Mutex::new(Accumulator::default()));
        let random = Random::new(Box::new(PoolSeeder(Arc::clone(&accumulator))));
        let core = Arc::new(Core {
            workers,
            os_fallback: config.os_fallback,
            injected: Mutex::default(),
            accumulator,
            random,
            contributions: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            os_only: AtomicU64::new(0),
        });
        core.first_harvest();
        let harvester = Harvester::start(Arc::downgrade(&core), config.harvest_every)?;
        Ok(EntropyPool { _harvester: harvester, core })
    }

    /// 32 bytes mixed from all workers that answer by the deadline.
    pub fn contribution(&self, deadline: Duration) -> Result<Contribution, PoolError> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        let report = self.fill(&mut *bytes, deadline)?;
        Ok(Contribution { bytes, report })
    }

    /// As [`Self::contribution`], for 1 to 8160 bytes of one draw.
    pub fn fill(&self, out: &mut [u8], deadline: Duration) -> Result<ContributionReport, PoolError> {
        self.fill_with(out, deadline, &[])
    }

    /// As [`Self::fill`], with what peers gave out of their own pools, at least 32 bytes each.
    /// It counts nothing and replaces nothing: without randomness of one's own this fails.
    pub fn fill_with(
        &self,
        out: &mut [u8],
        deadline: Duration,
        peers: &[&[u8]],
    ) -> Result<ContributionReport, PoolError> {
        let result = self.core.mixed(out, deadline, peers, true);
        let counter = if result.is_ok() { &self.core.contributions } else { &self.core.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        result
    }

    /// 32 bytes mixed from all workers, for others: what a user injected stays for the next
    /// contribution, no peer is asked, and it is not counted as a contribution.
    pub fn block(&self, deadline: Duration) -> Result<Contribution, PoolError> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        let report = self.core.mixed(&mut *bytes, deadline, &[], false)?;
        Ok(Contribution { bytes, report })
    }

    /// Adds a user's bytes to the next contribution. They count nothing.
    pub fn inject(&self, bytes: &[u8]) {
        let mut injected = self.core.lock_injected();
        injected.hash.update((bytes.len() as u64).to_be_bytes());
        injected.hash.update(bytes);
        injected.bytes = injected.bytes.saturating_add(bytes.len() as u64);
    }

    /// The workers, to add, remove, kill or revive while running.
    #[must_use]
    pub fn workers(&self) -> &Workers {
        &self.core.workers
    }

    /// The fast generator, seeded from this pool and the operating system. Clones share it.
    #[must_use]
    pub fn random(&self) -> Random {
        self.core.random.clone()
    }

    /// A snapshot of workers, sources, credits and warnings.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        self.core.status()
    }
}

impl Core {
    fn mixed(
        &self,
        out: &mut [u8],
        deadline: Duration,
        peers: &[&[u8]],
        with_injected: bool,
    ) -> Result<ContributionReport, PoolError> {
        if out.is_empty() || out.len() > mix::MAX_OUTPUT {
            return Err(MixError::Output { length: out.len() }.into());
        }
        let collection = self.workers.collect(deadline);
        self.lock_accumulator().withdraw(&collection);
        let mut report = status::report(&collection);
        let mut spare = Zeroizing::new([0u8; 64]);
        let mut parts: Vec<Part<'_>> = collection
            .materials
            .iter()
            .map(|material| Part { index: material.worker, bytes: &material.bytes })
            .collect();
        if parts.is_empty() {
            self.fall_back(&mut *spare, &collection)?;
            report.os_only = true;
            self.os_only.fetch_add(1, Ordering::Relaxed);
            parts.push(Part { index: FALLBACK, bytes: &*spare });
        }
        // Workers stay below the peers and the peers below the two special frames.
        parts.extend((PEERS..FALLBACK).zip(peers).map(|(index, bytes)| Part { index, bytes }));
        parts.sort_by_key(|part| part.index);
        let injected = if with_injected { self.take_injected() } else { None };
        if let Some((digest, count)) = &injected {
            report.injected = *count;
            parts.push(Part { index: INJECTED, bytes: &**digest });
        }
        mix::mix(&parts, out)?;
        Ok(report)
    }

    fn fall_back(&self, spare: &mut [u8], collection: &Collection) -> Result<(), PoolError> {
        let refuse = |fallback| Err(PoolError::NoRandomness { absent: collection.absent.clone(), fallback });
        if !self.os_fallback {
            return refuse(None);
        }
        os_fill(spare).or_else(|error| refuse(Some(error)))
    }

    fn take_injected(&self) -> Option<(Zeroizing<[u8; 32]>, u64)> {
        let taken = std::mem::take(&mut *self.lock_injected());
        (taken.bytes > 0).then(|| (Zeroizing::new(taken.hash.finalize().into()), taken.bytes))
    }

    fn lock_injected(&self) -> MutexGuard<'_, Injected> {
        // A hash state cannot be half-updated by a panic elsewhere.
        self.injected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_accumulator(&self) -> MutexGuard<'_, Accumulator> {
        // Its counters are updated after the hash, so a panic can only lose credit.
        self.accumulator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for EntropyPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EntropyPool({:?})", self.core.workers)
    }
}
