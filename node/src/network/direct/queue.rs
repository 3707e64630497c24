//! A bounded queue of frames: by count and by bytes, so that neither many small nor a few large
//! messages to a slow member take the node's memory.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

const MAX_FRAMES: usize = 4096;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Frames are written together up to about this many bytes.
const BATCH_BYTES: usize = 64 * 1024;

#[derive(Default)]
pub(in super::super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

impl Queue {
    /// Appends a message; `false` if there is no room.
    pub(super) fn push(&self, data: Vec<u8>) -> bool {
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let full = waiting.frames.len() >= MAX_FRAMES || waiting.bytes.saturating_add(data.len()) > MAX_BYTES;
            if full {
                return false;
            }
            waiting.bytes += data.len();
            waiting.frames.push_back(data);
        }
        self.filled.notify_one();
        true
    }

    /// Waits for messages and takes them as one run of frames: each a length of four bytes and the
    /// message. Nothing is taken if the wait is given up.
    pub(super) async fn batch(&self) -> Vec<u8> {
        loop {
            if let Some(batch) = self.try_batch() {
                return batch;
            }
            self.filled.notified().await;
        }
    }

    fn try_batch(&self) -> Option<Vec<u8>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Vec::new();
        while let Some(frame) = waiting.frames.pop_front() {
            waiting.bytes -= frame.len();
            // The handle refuses messages beyond DIRECT_MAX, which is far below u32::MAX.
            let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            batch.reserve(4 + frame.len());
            batch.extend_from_slice(&length.to_be_bytes());
            batch.extend_from_slice(&frame);
            if batch.len() >= BATCH_BYTES {
                break;
            }
        }
        (!batch.is_empty()).then_some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_by_count_and_by_bytes() {
        let queue = Queue::default();
        for _ in 0..MAX_FRAMES {
            assert!(queue.push(Vec::new()));
        }
        assert!(!queue.push(Vec::new()));

        let queue = Queue::default();
        for _ in 0..8 {
            assert!(queue.push(vec![0; 1024 * 1024]));
        }
        assert!(!queue.push(vec![0; 1]));
        assert!(queue.try_batch().is_some());
        assert!(queue.push(vec![0; 1]));
    }

    #[test]
    fn batches_keep_the_order() {
        let queue = Queue::default();
        queue.push(vec![1]);
        queue.push(vec![2, 3]);
        assert_eq!(queue.try_batch(), Some(vec![0, 0, 0, 1, 1, 0, 0, 0, 2, 2, 3]));
        assert_eq!(queue.try_batch(), None);
    }
}
