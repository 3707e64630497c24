//! Fortuna (Ferguson, Schneier, Kohno, "Cryptography Engineering", chapter 9).
//!
//! [`Generator`] is AES-256 in counter mode with a 128-bit little-endian counter, rekeyed
//! with two blocks after every request. [`Fortuna`] adds the 32 pools and the reseeding rule;
//! it takes the time as an argument and is deterministic. [`Service`] is the thread-safe
//! whole with its seed file and the amplification settings.
//!
//! SHAd-256 is SHA-256(SHA-256(m)), as in the published test vectors.

mod generator;
mod seed_file;
mod service;

pub use generator::Generator;
pub use seed_file::{SEED_LENGTH, SeedFileError};
pub use service::{Info, Service, Settings};

use sha2::{Digest, Sha256};
use std::time::Duration;
use zeroize::Zeroizing;

/// Number of pools.
pub const POOLS: usize = 32;
/// Bytes pool 0 must hold before a reseed, headers of events not counted.
pub const MIN_POOL: usize = 64;
/// Shortest time between two reseeds.
pub const RESEED_INTERVAL: Duration = Duration::from_millis(100);
/// Most bytes of one request.
pub const MAX_REQUEST: usize = 1 << 20;
/// Most bytes of one event.
pub const MAX_EVENT: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FortunaError {
    #[error("the generator is not seeded")]
    Unseeded,
    #[error("{length} bytes asked for, 1 to 1048576 can be given")]
    Length { length: usize },
    #[error("an event holds 1 to 32 bytes, not {length}")]
    Event { length: usize },
    #[error("there are 32 pools, no number {pool}")]
    Pool { pool: usize },
    #[error("no seeds were given")]
    NoSeeds,
}

/// The generator with its pools.
pub struct Fortuna {
    generator: Generator,
    pools: [Sha256; POOLS],
    pool_zero: usize,
    reseeds: u64,
    last_reseed: Option<Duration>,
}

impl Default for Fortuna {
    fn default() -> Fortuna {
        Fortuna {
            generator: Generator::default(),
            pools: std::array::from_fn(|_| Sha256::new()),
            pool_zero: 0,
            reseeds: 0,
            last_reseed: None,
        }
    }
}

impl Fortuna {
    /// Adds one event of 1 to 32 bytes to a pool, framed as source, length, data. A source
    /// should go round the pools.
    pub fn add_event(&mut self, source: u8, pool: usize, data: &[u8]) -> Result<(), FortunaError> {
        let length = data.len();
        if length == 0 || length > MAX_EVENT {
            return Err(FortunaError::Event { length });
        }
        let hash = self.pools.get_mut(pool).ok_or(FortunaError::Pool { pool })?;
        // At most 32, as checked.
        hash.update([source, length as u8]);
        hash.update(data);
        if pool == 0 {
            self.pool_zero = self.pool_zero.saturating_add(length);
        }
        Ok(())
    }

    /// Fills `out` (1 byte to 1 MiB), after a reseed if one is due at `now`, which is any
    /// clock that does not go back.
    pub fn random_data(&mut self, now: Duration, out: &mut [u8]) -> Result<(), FortunaError> {
        let waited = self.last_reseed.is_none_or(|last| now.saturating_sub(last) >= RESEED_INTERVAL);
        if self.pool_zero >= MIN_POOL && waited {
            self.reseed_from_pools(now);
        }
        self.generator.random_data(out)
    }

    /// Pool i joins reseed r when 2^i divides r.
    fn reseed_from_pools(&mut self, now: Duration) {
        self.reseeds += 1;
        self.pool_zero = 0;
        self.last_reseed = Some(now);
        let mut seed = Zeroizing::new(Vec::with_capacity(POOLS * 32));
        for (i, pool) in self.pools.iter_mut().enumerate() {
            if !self.reseeds.is_multiple_of(1 << i) {
                break;
            }
            let inner: Zeroizing<[u8; 32]> = Zeroizing::new(pool.finalize_reset().into());
            let outer: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(*inner).into());
            seed.extend_from_slice(&*outer);
        }
        self.generator.reseed(&seed);
    }

    /// Seeds the generator directly, as from a seed file.
    pub fn reseed(&mut self, seed: &[u8]) {
        self.generator.reseed(seed);
    }

    #[must_use]
    pub fn is_seeded(&self) -> bool {
        self.generator.is_seeded()
    }

    /// Reseeds from the pools so far.
    #[must_use]
    pub fn reseeds(&self) -> u64 {
        self.reseeds
    }
}

impl std::fmt::Debug for Fortuna {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fortuna({} reseeds, [REDACTED])", self.reseeds)
    }
}

#[cfg(test)]
mod tests;
