//! Fortuna as a service: thread-safe, with its clock, its seed file and the settings of the
//! amplification.

use super::seed_file::{self, SEED_LENGTH, SeedFileError};
use super::{Fortuna, FortunaError, MAX_EVENT, MAX_REQUEST, POOLS};
use crate::draw::{Draw, DrawError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// What an operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Output bytes per seed byte where an amplification names no size.
    pub amplification_factor: usize,
    /// Blocks of 32 bytes fetched from the sources for each seeding.
    pub seed_count: usize,
    /// Time between two fillings of the queue, in milliseconds.
    pub process_interval_ms: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { amplification_factor: 4, seed_count: 3, process_interval_ms: 5000 }
    }
}

/// A snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct Info {
    pub seeded: bool,
    pub settings: Settings,
    /// Reseeds from the pools.
    pub reseeds: u64,
    pub events: u64,
    pub bytes: u64,
    /// Seconds since seeds last came in.
    pub last_seeded_seconds: Option<f64>,
}

struct State {
    fortuna: Fortuna,
    settings: Settings,
    /// The pool each source's next event goes to.
    turns: BTreeMap<u8, usize>,
    events: u64,
    bytes: u64,
    last_seeded: Option<Instant>,
}

/// The thread-safe whole.
pub struct Service {
    started: Instant,
    state: Mutex<State>,
}

impl Service {
    #[must_use]
    pub fn new(settings: Settings) -> Service {
        let state = State {
            fortuna: Fortuna::default(),
            settings,
            turns: BTreeMap::new(),
            events: 0,
            bytes: 0,
            last_seeded: None,
        };
        Service { started: Instant::now(), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The key changes before a request returns, so a panic cannot repeat output.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seeds directly with secret, unpredictable bytes of one's own, such as from the pool.
    pub fn seed_directly(&self, seed: &[u8]) {
        let mut state = self.lock();
        state.fortuna.reseed(seed);
        state.last_seeded = Some(Instant::now());
    }

    /// Spreads `data` over the pools as events of `source`, in pieces of at most 32 bytes.
    pub fn add(&self, source: u8, data: &[u8]) -> Result<(), FortunaError> {
        self.lock().add(source, data)
    }

    /// Adds each seed as events of `source`; the generator is reseeded by its rule at the
    /// next request. Outsiders may call this: events can add to the state, never replace it.
    pub fn seed(&self, source: u8, seeds: &[Vec<u8>]) -> Result<usize, FortunaError> {
        if seeds.is_empty() {
            return Err(FortunaError::NoSeeds);
        }
        let mut state = self.lock();
        for seed in seeds {
            state.add(source, seed)?;
        }
        state.last_seeded = Some(Instant::now());
        Ok(seeds.len())
    }

    /// `size` bytes (1 to 1 MiB).
    pub fn generate(&self, size: usize) -> Result<Zeroizing<Vec<u8>>, FortunaError> {
        if size > MAX_REQUEST {
            return Err(FortunaError::Length { length: size });
        }
        let mut out = Zeroizing::new(vec![0u8; size]);
        self.lock().generate(self.started.elapsed(), &mut out)?;
        Ok(out)
    }

    /// Stirs `seed` into the generator and gives `size` bytes, or the amplification factor
    /// times the seed's length. A seed from outside does not make it seeded.
    pub fn amplify(&self, seed: &[u8], size: Option<usize>) -> Result<Zeroizing<Vec<u8>>, FortunaError> {
        let mut state = self.lock();
        if seed.is_empty() {
            return Err(FortunaError::NoSeeds);
        }
        if !state.fortuna.is_seeded() {
            return Err(FortunaError::Unseeded);
        }
        let by_factor = seed.len().saturating_mul(state.settings.amplification_factor);
        let length = size.unwrap_or(by_factor);
        if length == 0 || length > MAX_REQUEST {
            return Err(FortunaError::Length { length });
        }
        state.fortuna.reseed(seed);
        let mut out = Zeroizing::new(vec![0u8; length]);
        state.generate(self.started.elapsed(), &mut out)?;
        Ok(out)
    }

    /// Seeds from the file and overwrites it with fresh output before anything is given out.
    /// False when there is no file yet.
    pub fn load_seed_file(&self, path: &Path) -> Result<bool, SeedFileError> {
        let Some(seed) = seed_file::read(path)? else { return Ok(false) };
        // Tried on a generator of its own first: if the file cannot be replaced, the seed
        // must not be used, because the next start would use it again.
        let mut fresh = Fortuna::default();
        fresh.reseed(&*seed);
        let mut next = Zeroizing::new([0u8; SEED_LENGTH]);
        fresh.random_data(Duration::ZERO, &mut *next).map_err(|_| SeedFileError::Unseeded)?;
        seed_file::write(path, &next)?;
        let mut carried = Zeroizing::new([0u8; 32]);
        fresh.random_data(Duration::ZERO, &mut *carried).map_err(|_| SeedFileError::Unseeded)?;
        self.seed_directly(&*carried);
        Ok(true)
    }

    /// Writes 64 bytes of output for the next start.
    pub fn save_seed_file(&self, path: &Path) -> Result<(), SeedFileError> {
        let mut seed = Zeroizing::new([0u8; SEED_LENGTH]);
        let filled = self.lock().generate(self.started.elapsed(), &mut *seed);
        filled.map_err(|_| SeedFileError::Unseeded)?;
        seed_file::write(path, &seed)
    }

    #[must_use]
    pub fn settings(&self) -> Settings {
        self.lock().settings
    }

    pub fn set(&self, settings: Settings) {
        self.lock().settings = settings;
    }

    #[must_use]
    pub fn info(&self) -> Info {
        let state = self.lock();
        Info {
            seeded: state.fortuna.is_seeded(),
            settings: state.settings,
            reseeds: state.fortuna.reseeds(),
            events: state.events,
            bytes: state.bytes,
            last_seeded_seconds: state.last_seeded.map(|at| at.elapsed().as_secs_f64()),
        }
    }
}

impl State {
    fn add(&mut self, source: u8, data: &[u8]) -> Result<(), FortunaError> {
        if data.is_empty() {
            return Err(FortunaError::Event { length: 0 });
        }
        for piece in data.chunks(MAX_EVENT) {
            let turn = self.turns.entry(source).or_default();
            let pool = *turn;
            *turn = (pool + 1) % POOLS;
            self.fortuna.add_event(source, pool, piece)?;
            self.events += 1;
        }
        Ok(())
    }

    fn generate(&mut self, now: Duration, out: &mut [u8]) -> Result<(), FortunaError> {
        self.fortuna.random_data(now, out)?;
        self.bytes += out.len() as u64;
        Ok(())
    }
}

impl Draw for &Service {
    /// Larger requests than 1 MiB are cut into several.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), DrawError> {
        for piece in out.chunks_mut(MAX_REQUEST) {
            let filled = self.lock().generate(self.started.elapsed(), piece);
            filled.map_err(|error| DrawError::Unready(error.to_string()))?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({:?})", self.lock().fortuna)
    }
}
