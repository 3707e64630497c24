//! The thread that fills the queues.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use zeroize::{Zeroize, Zeroizing};

use super::Services;
use crate::store::{BLOCK, Which};

/// How often Fortuna's seed file is renewed.
const SEED_EVERY: Duration = Duration::from_secs(600);
/// The source numbers of Fortuna's events.
const FROM_POOL: u8 = 0;

/// Fills the queues until it is dropped, and then leaves a seed for the next start.
pub struct Filler {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Filler {
    pub fn start(services: Arc<Services>) -> std::io::Result<Filler> {
        let (stop, stopped) = mpsc::channel::<()>();
        let work = move || {
            let now = Instant::now();
            let (mut trng, mut fortuna, mut seed) = (now, now, now + SEED_EVERY);
            loop {
                let next = trng.min(fortuna).min(seed);
                let wait = next.saturating_duration_since(Instant::now());
                if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return services.save_seed();
                }
                // Counted from now on, so that a slow disk is not made up for.
                let now = Instant::now();
                if trng <= now {
                    services.fill_trng();
                    trng = now + services.hash_interval;
                }
                if fortuna <= now {
                    services.fill_fortuna();
                    fortuna = now + services.process_interval;
                }
                if seed <= now {
                    services.save_seed();
                    seed = now + SEED_EVERY;
                }
            }
        };
        let thread = thread::Builder::new().name("queue-filler".into()).spawn(work)?;
        Ok(Filler { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has been reported by its own message.
            let _ = thread.join();
        }
    }
}

impl Services {
    /// One block of the workers.
    pub(super) fn fill_trng(&self) {
        let filled = self
            .block()
            .map_err(|error| error.to_string())
            .and_then(|block| self.queues.push(Which::Trng, &[*block.bytes]).map_err(|error| error.to_string()));
        self.note(filled);
    }

    /// As many seeds as the settings say, and the amplification factor times as many blocks.
    pub(super) fn fill_fortuna(&self) {
        let filled = self.amplified();
        self.note(filled);
    }

    fn amplified(&self) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let settings = self.fortuna.settings();
        for _ in 0..settings.seed_count {
            let seed = self.block().map_err(|error| text(&error))?;
            self.fortuna.add(FROM_POOL, &*seed.bytes).map_err(|error| text(&error))?;
        }
        let count = settings.seed_count.saturating_mul(settings.amplification_factor);
        let bytes = self.fortuna.generate(count.saturating_mul(BLOCK)).map_err(|error| text(&error))?;
        let mut blocks: Zeroizing<Vec<[u8; BLOCK]>> = Zeroizing::new(vec![[0; BLOCK]; count]);
        blocks.iter_mut().zip(bytes.chunks_exact(BLOCK)).for_each(|(block, bytes)| block.copy_from_slice(bytes));
        let pushed = self.queues.push(Which::Fortuna, &blocks).map_err(|error| text(&error));
        blocks.zeroize();
        pushed
    }

    pub(super) fn save_seed(&self) {
        if let Err(error) = self.fortuna.save_seed_file(&self.seed_file) {
            tracing::warn!(%error, path = %self.seed_file.display(), "Fortuna's seed could not be saved");
        }
    }

    /// Remembers trouble and tells of it once.
    fn note(&self, filled: Result<(), String>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match filled {
            Ok(()) => *trouble = None,
            Err(reason) => {
                if trouble.as_ref() != Some(&reason) {
                    tracing::error!(reason, "the queues of private randomness are not filled");
                }
                *trouble = Some(reason);
            }
        }
    }

    /// Why the last filling brought nothing, if it did not.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
