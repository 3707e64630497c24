//! What a pool is made of.

use crate::sources::UnknownSource;
use crate::worker::{Limits, SourceSpec, WorkerSpec};
use std::path::PathBuf;
use std::time::Duration;

/// What a pool is made of.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    pub workers: Vec<WorkerSpec>,
    pub limits: Limits,
    /// Whether the operating system's generator stands in, visibly, when no worker answers.
    pub os_fallback: bool,
    /// How long `start` waits for the start-up tests; what is late goes on by itself.
    pub startup_patience: Duration,
    /// How often the background thread looks whether the accounting pool wants more.
    pub harvest_every: Duration,
}

impl PoolConfig {
    /// One worker per list of built-in sources.
    pub fn named(workers: &[&[&str]]) -> Result<PoolConfig, UnknownSource> {
        let specs: Result<Vec<_>, _> = workers.iter().map(|names| WorkerSpec::named(names)).collect();
        Ok(PoolConfig { workers: specs?, ..PoolConfig::empty() })
    }

    /// A deterministic pool: one worker per file, and nothing else.
    #[must_use]
    pub fn files(paths: impl IntoIterator<Item = PathBuf>) -> PoolConfig {
        let one = |path| WorkerSpec::new([SourceSpec::file(path)]);
        PoolConfig { workers: paths.into_iter().map(one).collect(), os_fallback: false, ..PoolConfig::empty() }
    }

    fn empty() -> PoolConfig {
        PoolConfig {
            workers: Vec::new(),
            limits: Limits::default(),
            os_fallback: true,
            startup_patience: Duration::from_millis(300),
            harvest_every: Duration::from_secs(1),
        }
    }
}

impl Default for PoolConfig {
    /// Three workers; each reads the operating system's generator and one jitter source, so
    /// that 32 bytes per worker are always quick.
    fn default() -> PoolConfig {
        PoolConfig::named(&[&["os", "sleep"], &["os", "pipe"], &["os", "page-fault"]])
            .unwrap_or_else(|_| PoolConfig::empty())
    }
}
