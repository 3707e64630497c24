//! Local entropy: sources, supervised workers, health tests, the pool, Fortuna, assessment.
//!
//! From the ground up: [`source`] says what a source is and [`sources`] has every built-in
//! one; [`credits`] is the table of what they count for; [`health`] tests raw samples;
//! [`worker`] runs sources on supervised threads; [`mix`] joins the workers' contributions.
//! [`accumulator`] accounts for credited noise, [`drbg`] and [`random`] are the generator it
//! seeds, [`draw`] is what can be drawn from it. [`conditioning`] and [`stream`] give single
//! sources out, [`outlet`] and [`encoding`] write any amount of either, [`fortuna`] is the
//! other generator, [`atecc608a`] a chip; [`equipment`] is what sources need beyond a name.
//! [`probe`], [`recorder`], [`assess`] and [`figures`] look at sources and at the whole;
//! [`pool`] is the whole, ready to use:
//!
//! ```
//! use beacon_entropy::pool::{EntropyPool, PoolConfig};
//! use std::time::Duration;
//!
//! let pool = EntropyPool::start(PoolConfig::default())?;
//! let contribution = pool.contribution(Duration::from_millis(500))?;
//! assert_eq!(contribution.bytes.len(), 32);
//! # Ok::<(), beacon_entropy::pool::PoolError>(())
//! ```

pub mod accumulator;
pub mod assess;
pub mod atecc608a;
pub mod clock;
pub mod conditioning;
pub mod credits;
pub mod draw;
pub mod drbg;
pub mod encoding;
pub mod equipment;
pub mod figures;
pub mod fortuna;
pub mod health;
pub mod mix;
pub mod outlet;
pub mod pool;
pub mod probe;
pub mod random;
mod raw;
pub mod recorder;
pub mod source;
pub mod sources;
pub mod stream;
pub mod worker;
