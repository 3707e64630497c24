//! Random bytes for everybody: the fast generator with its reseeding policy.
//!
//! It is reseeded from the operating system and the accounting pool before the first output,
//! then after every [`RESEED_BYTES`] or [`RESEED_AFTER`], whichever is first, and at once in
//! a forked child. When no seed can be had it refuses instead of going on.
//!
//! What a cloned virtual machine can still share: until the next reseeding both copies hold
//! the same key, so they may give the same output for up to 1 MiB or one second after the
//! clone was made; and the reseeding only separates them if the kernel's generator knows of
//! the clone (a VM generation identifier) or the copies' noise sources differ since.
//!
//! A child forked while another thread held the lock of this value must not use it, as with
//! every lock of the parent.

use crate::draw::{Draw, DrawError};
use crate::drbg::Drbg;
use crate::raw::ForkMark;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

pub const RESEED_BYTES: usize = 1 << 20;
pub const RESEED_AFTER: Duration = Duration::from_secs(1);

/// Where seeds come from.
pub trait Seeder: Send + Sync {
    /// Fresh secret bytes of at least 256 bits of entropy, or why there are none.
    fn seed(&self) -> Result<Zeroizing<Vec<u8>>, NoSeed>;
}

/// No seed could be had, so no output is given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the generator has no seed: {0}")]
pub struct NoSeed(pub String);

/// A handle on the shared generator; clones share it.
#[derive(Clone)]
pub struct Random {
    shared: Arc<Shared>,
}

struct Shared {
    seeder: Box<dyn Seeder>,
    state: Mutex<State>,
    mark: ForkMark,
}

struct State {
    drbg: Option<Drbg>,
    since: usize,
    seeded_at: Instant,
    reseeds: u64,
    given: u64,
}

/// Counters of a generator.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct RandomStatus {
    pub seeded: bool,
    pub reseeds: u64,
    pub bytes: u64,
}

impl Random {
    #[must_use]
    pub fn new(seeder: Box<dyn Seeder>) -> Random {
        let state = State { drbg: None, since: 0, seeded_at: Instant::now(), reseeds: 0, given: 0 };
        let mark = ForkMark::new();
        Random { shared: Arc::new(Shared { seeder, state: Mutex::new(state), mark }) }
    }

    /// Fills `out`, of any length. On an error `out` holds nothing random.
    pub fn fill(&self, out: &mut [u8]) -> Result<(), NoSeed> {
        let mut state = self.shared.lock();
        if out.len() <= RESEED_BYTES {
            return self.shared.piece(&mut state, out);
        }
        for piece in out.chunks_mut(RESEED_BYTES) {
            self.shared.piece(&mut state, piece)?;
        }
        Ok(())
    }

    #[must_use]
    pub fn status(&self) -> RandomStatus {
        let state = self.shared.lock();
        RandomStatus { seeded: state.drbg.is_some(), reseeds: state.reseeds, bytes: state.given }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside cannot leave the state usable twice: the key is replaced before
        // output is given.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn piece(&self, state: &mut State, out: &mut [u8]) -> Result<(), NoSeed> {
        let forked = !self.mark.holds();
        let due = state.since + out.len() > RESEED_BYTES;
        if forked || due || state.drbg.is_none() || state.seeded_at.elapsed() >= RESEED_AFTER {
            let seed = self.seeder.seed()?;
            match &mut state.drbg {
                Some(drbg) => drbg.reseed(&seed),
                None => state.drbg = Some(Drbg::new(&seed)),
            }
            state.since = 0;
            state.reseeds += 1;
            state.seeded_at = Instant::now();
            self.mark.set();
        }
        let drbg = state.drbg.as_mut().ok_or_else(|| NoSeed("not seeded".into()))?;
        drbg.fill(out);
        state.since += out.len();
        state.given += out.len() as u64;
        Ok(())
    }
}

impl Draw for Random {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), DrawError> {
        Random::fill(self, out).map_err(|error| DrawError::Unready(error.to_string()))
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Counts its calls and gives each a different seed; fails when told.
    struct Counting {
        calls: Arc<AtomicU64>,
        works: bool,
    }

    impl Seeder for Counting {
        fn seed(&self) -> Result<Zeroizing<Vec<u8>>, NoSeed> {
            if !self.works {
                return Err(NoSeed("scripted".into()));
            }
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            // A child process counts on by itself; its own identity keeps the seeds apart,
            // as the operating system's generator does.
            Ok(Zeroizing::new(format!("{call} {}", std::process::id()).into_bytes()))
        }
    }

    fn random() -> (Random, Arc<AtomicU64>) {
        let calls = Arc::new(AtomicU64::new(0));
        let seeder = Counting { calls: Arc::clone(&calls), works: true };
        (Random::new(Box::new(seeder)), calls)
    }

    #[test]
    fn it_is_reseeded_at_least_every_mebibyte() {
        let (random, calls) = random();
        let mut out = vec![0u8; RESEED_BYTES];
        random.fill(&mut out).expect("seeded");
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        random.fill(&mut out[..1]).expect("seeded");
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        let mut out = vec![0u8; 5 * RESEED_BYTES];
        random.fill(&mut out).expect("seeded");
        assert!(calls.load(Ordering::SeqCst) >= 7);
    }

    #[test]
    fn without_a_seed_it_refuses() {
        let seeder = Counting { calls: Arc::default(), works: false };
        let random = Random::new(Box::new(seeder));
        let mut out = [0u8; 32];
        assert_eq!(random.fill(&mut out), Err(NoSeed("scripted".into())));
        assert_eq!(out, [0u8; 32]);
        assert!(!random.status().seeded);
    }

    #[test]
    fn a_forked_child_gives_other_output() {
        let (random, _) = random();
        random.fill(&mut [0u8; 32]).expect("seeded");
        // The same position of the same key in both processes.
        let child = crate::raw::in_forked_child(|out| random.fill(out).is_ok());
        let mut parent = [0u8; 32];
        random.fill(&mut parent).expect("seeded");
        let child = child.expect("the child wrote its output");
        assert_ne!(child, [0u8; 32]);
        assert_ne!(child, parent);
    }
}
