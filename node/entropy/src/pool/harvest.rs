//! Keeping the accounting pool filled, and seeding the generator from it.

use super::Core;
use crate::accumulator::{Accumulator, SEED_BITS};
use crate::random::{NoSeed, Seeder};
use crate::sources::os_fill;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long one harvest may take.
const HARVEST: Duration = Duration::from_millis(100);
/// Harvests at the start, at most.
const FIRST: usize = 8;

/// Seeds are the operating system's bytes and, when enough noise is credited, an extraction
/// from the accounting pool. Either alone is enough; neither is an error.
pub(super) struct PoolSeeder(pub(super) Arc<Mutex<Accumulator>>);

impl Seeder for PoolSeeder {
    fn seed(&self) -> Result<Zeroizing<Vec<u8>>, NoSeed> {
        let extracted = self.0.lock().unwrap_or_else(PoisonError::into_inner).extract();
        let mut os = Zeroizing::new([0u8; 32]);
        let filled = os_fill(&mut *os);
        if let (Err(error), None) = (&filled, &extracted) {
            return Err(NoSeed(error.to_string()));
        }
        // Two parts of fixed length and a byte that says which are there.
        let mut seed = Zeroizing::new(Vec::with_capacity(65));
        seed.push(u8::from(filled.is_ok()) | u8::from(extracted.is_some()) << 1);
        seed.extend_from_slice(&*os);
        if let Some(extracted) = &extracted {
            seed.extend_from_slice(&*extracted.bytes);
        }
        Ok(seed)
    }
}

impl Core {
    /// Gathers until a seed's worth is credited, as long as each harvest brings something.
    pub(super) fn first_harvest(&self) {
        for _ in 0..FIRST {
            let before = self.lock_accumulator().noise_bits();
            if before >= SEED_BITS || self.harvest() <= before {
                return;
            }
        }
    }

    /// One draw from the noise sources; the credit then waiting.
    fn harvest(&self) -> f64 {
        let collection = self.workers.collect_noise(HARVEST);
        let mut accumulator = self.lock_accumulator();
        accumulator.absorb(&collection);
        accumulator.noise_bits()
    }

    fn harvest_if_wanted(&self) {
        let full = self.lock_accumulator().is_full();
        if !full {
            self.harvest();
        }
    }
}

/// The background thread. It costs nothing while nobody draws from the generator, because
/// the accounting pool then stays full.
pub(super) struct Harvester {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Harvester {
    pub(super) fn start(core: Weak<Core>, every: Duration) -> std::io::Result<Harvester> {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("entropy-harvest".into()).spawn(move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                match core.upgrade() {
                    Some(core) => core.harvest_if_wanted(),
                    None => return,
                }
            }
        })?;
        Ok(Harvester { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Harvester {
    fn drop(&mut self) {
        // Closing the channel ends the thread at once, or after one harvest.
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
