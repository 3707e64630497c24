//! A supervised pool of workers. Each worker is one thread that owns a few sources.
//!
//! A worker that panics, is killed or hangs is replaced with growing delay; one that needs
//! more than [`Limits::restarts`] replacements within [`Limits::restart_window`] is marked
//! failed. Collection asks all live workers at once and takes what has come by the
//! deadline, so the slowest worker costs at most the deadline and a hung one only itself.
//!
//! A thread cannot be stopped from outside. A hung one is abandoned: it no longer gets
//! requests, its samples are dropped, and it ends when its source returns. At most
//! [`Limits::abandoned`] such threads are tolerated per worker.

mod monitored;
mod report;
mod slot;
mod standalone;
mod supervisor;
mod thread;

pub use report::{Absence, Drawn, Material, SourceState, SourceStatus, WorkerState, WorkerStatus};
pub use slot::Collection;
pub use standalone::{ReadError, Standalone};
pub use supervisor::Workers;

use crate::source::Source;
use crate::sources::{self, FileSource, UnknownSource};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How to build one source of a worker, again after each restart.
#[derive(Clone)]
pub struct SourceSpec {
    make: Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>,
    name: String,
    credit_limit: u32,
}

impl SourceSpec {
    /// A built-in source by its name.
    pub fn named(name: &str) -> Result<SourceSpec, UnknownSource> {
        let maker = sources::maker(name)?;
        Ok(SourceSpec::custom(name, maker))
    }

    /// A file, a FIFO or a character device.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> SourceSpec {
        let path = path.into();
        SourceSpec::custom("file", move || Box::new(FileSource::new(path.clone())))
    }

    /// Any other source; `make` builds a fresh one for each thread.
    pub fn custom(name: impl Into<String>, make: impl Fn() -> Box<dyn Source> + Send + Sync + 'static) -> SourceSpec {
        SourceSpec { make: Arc::new(make), name: name.into(), credit_limit: u32::MAX }
    }

    /// Lowers the credit to at most `millibits` per sample.
    #[must_use]
    pub fn credit_at_most(mut self, millibits: u32) -> SourceSpec {
        self.credit_limit = self.credit_limit.min(millibits);
        self
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A fresh instance outside any worker.
    #[must_use]
    pub fn build(&self) -> Box<dyn Source> {
        (self.make)()
    }
}

impl std::fmt::Debug for SourceSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SourceSpec({})", self.name)
    }
}

/// The sources of one worker, drawn in this order.
#[derive(Clone, Debug, Default)]
pub struct WorkerSpec {
    pub sources: Vec<SourceSpec>,
}

impl WorkerSpec {
    #[must_use]
    pub fn new(sources: impl IntoIterator<Item = SourceSpec>) -> WorkerSpec {
        WorkerSpec { sources: sources.into_iter().collect() }
    }

    /// A worker over built-in sources by name.
    pub fn named(names: &[&str]) -> Result<WorkerSpec, UnknownSource> {
        let sources: Result<Vec<_>, _> = names.iter().map(|n| SourceSpec::named(n)).collect();
        Ok(WorkerSpec { sources: sources? })
    }
}

/// The supervisor's bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Replacements allowed within `restart_window` before a worker is marked failed.
    pub restarts: usize,
    pub restart_window: Duration,
    /// Delay before the first replacement; doubles while they follow each other.
    pub backoff: Duration,
    pub backoff_max: Duration,
    /// A source that does not return for this long hangs.
    pub hang_after: Duration,
    /// Abandoned threads tolerated per worker.
    pub abandoned: u32,
    /// Rest of a failing source before its next try; doubles up to `source_rest_max`.
    pub source_rest: Duration,
    pub source_rest_max: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            restarts: 10,
            restart_window: Duration::from_secs(5),
            backoff: Duration::from_millis(10),
            backoff_max: Duration::from_millis(200),
            hang_after: Duration::from_secs(10),
            abandoned: 4,
            source_rest: Duration::from_millis(100),
            source_rest_max: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests;
