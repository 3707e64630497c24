//! One worker on its own, read directly: no mixing, no pool.

use super::{Limits, WorkerSpec, WorkerStatus, Workers};
use std::time::Duration;
use zeroize::Zeroizing;

/// A supervised worker outside any pool.
#[derive(Debug)]
pub struct Standalone {
    workers: Workers,
}

/// Why a direct read gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("the worker did not answer in time")]
    NoAnswer,
    #[error("the worker's sources gave {have} of {want} bytes in time")]
    Short { have: usize, want: usize },
}

impl Standalone {
    pub fn start(spec: WorkerSpec, limits: Limits) -> std::io::Result<Standalone> {
        Ok(Standalone { workers: Workers::start(vec![spec], limits)? })
    }

    /// Exactly `count` raw symbols of the worker's sources, one byte each.
    pub fn read(&self, count: usize, deadline: Duration) -> Result<Zeroizing<Vec<u8>>, ReadError> {
        let bytes = self.workers.read(0, count, deadline).ok_or(ReadError::NoAnswer)?;
        if bytes.len() < count {
            return Err(ReadError::Short { have: bytes.len(), want: count });
        }
        Ok(bytes)
    }

    /// Waits until the start-up tests are over, at most `patience`.
    pub fn wait_started(&self, patience: Duration) -> bool {
        self.workers.wait_started(patience)
    }

    #[must_use]
    pub fn status(&self) -> Option<WorkerStatus> {
        self.workers.status().into_iter().next()
    }
}
