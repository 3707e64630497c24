//! The one thread that writes. It takes whatever has queued up while the disk was busy and writes it at once, so the
//! cost of an fsync is shared by all who wait for it.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use beacon_engine::batch::{Batch, Seq};

use super::Store;
use super::apply::Applier;
use super::error::StoreError;

/// Batches of one write at most, so that a long backlog is reported on as it goes down.
const GROUP: usize = 256;

/// What the writer says to its owner, from its own thread.
#[derive(Debug)]
pub enum Report {
    /// Every batch up to `seq` is as durable as it asked to be; the write took `took`.
    Durable { seq: Seq, took: Duration },
    /// A write failed. What was not reported is not durable, nothing is written any more, and the process must stop:
    /// to go on would be to vote from memory alone.
    Failed(StoreError),
}

/// The way to the writing thread. Dropped or closed, it waits until all that was handed over is written.
pub struct Writer {
    queue: Mutex<Option<Sender<Batch>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Starts the writing thread, which keeps the transcripts of the newest `keep` rounds (0: of all).
    pub fn writer(
        self: &Arc<Self>,
        keep: u64,
        report: impl FnMut(Report) + Send + 'static,
    ) -> Result<Writer, StoreError> {
        if self.writing.swap(true, Ordering::AcqRel) {
            return Err(StoreError::WriterTaken);
        }
        let (queue, batches) = channel();
        let store = Arc::clone(self);
        let thread = Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&store, keep, &batches, report))
            .map_err(|error| StoreError::Disk { doing: "start its thread", reason: error.to_string() })?;
        Ok(Writer { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }
}

impl Writer {
    /// Hands over a batch; never waits. Batches are written in the order in which they are handed over.
    pub fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queue.as_ref().ok_or(StoreError::WriterStopped)?;
        queue.send(batch).map_err(|_| StoreError::WriterStopped)
    }

    /// Waits until everything is written, and ends the thread.
    pub fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(store: &Store, keep: u64, batches: &Receiver<Batch>, mut report: impl FnMut(Report)) {
    let mut applier = Applier::new(keep);
    while let Ok(first) = batches.recv() {
        let group: Vec<Batch> = std::iter::once(first).chain(batches.try_iter().take(GROUP - 1)).collect();
        let begun = Instant::now();
        match applier.write(store, &group) {
            Ok(()) => {
                let seq = group.iter().map(|batch| batch.seq).max().unwrap_or_default();
                report(Report::Durable { seq, took: begun.elapsed() });
            }
            Err(error) => {
                // The receiver goes with this thread, so that every later hand-over is refused.
                report(Report::Failed(error));
                return;
            }
        }
    }
}
