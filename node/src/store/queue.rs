//! Queues of private random blocks, first in, first out, in a database of their own beside the beacon's.
//!
//! Each queue is bounded: a block too many pushes out the oldest, which is counted. Every operation touches only the
//! blocks it is about, whatever the queue holds. What was taken is deleted, durably, before it is given out, so that a
//! power cut never gives the same bytes to two askers. (Deleting is no erasure of a disk: flash keeps old pages.)
//!
//! | key | value |
//! |---|---|
//! | `meta/format` | [`FORMAT`], u32 |
//! | `state/QUEUE` | [`Ledger`], eight u64 |
//! | `block/QUEUE/INDEX` | 32 bytes, secret |
//!
//! QUEUE is one byte, INDEX a u64, both big-endian.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use super::error::{Damage, StoreError};
use super::open::{prepare_directory, refused};
use super::schema;

/// Bytes of one block.
pub const BLOCK: usize = 32;
/// What a queue may be resized to, in blocks.
pub const CAPACITY: std::ops::RangeInclusive<u64> = 10..=1_000_000;

const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"meta/format";
/// Deletions after which the disk is tidied, so that what was taken does not stay there.
const TIDY: u64 = 4096;

/// Where the blocks of a queue come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    Trng,
    Fortuna,
}

impl Which {
    pub const ALL: [Which; 2] = [Which::Trng, Which::Fortuna];

    fn index(self) -> usize {
        match self {
            Which::Trng => 0,
            Which::Fortuna => 1,
        }
    }

    fn state_key(self) -> Vec<u8> {
        [b"state/".as_slice(), &[self.index() as u8]].concat()
    }

    fn block_key(self, index: u64) -> Vec<u8> {
        [b"block/".as_slice(), &[self.index() as u8], b"/", &index.to_be_bytes()].concat()
    }
}

/// The counts of one queue. Blocks `head..tail` are there; those below `read` have been given out or passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ledger {
    head: u64,
    tail: u64,
    read: u64,
    capacity: u64,
    /// The capacity that the configuration had when the queue was last opened.
    configured: u64,
    polled: u64,
    dropped: u64,
    consumed: u64,
}

const LEDGER: usize = 8 * 8;

impl Ledger {
    fn encode(&self) -> Vec<u8> {
        let Ledger { head, tail, read, capacity, configured, polled, dropped, consumed } = *self;
        [head, tail, read, capacity, configured, polled, dropped, consumed]
            .iter()
            .flat_map(|n| n.to_be_bytes())
            .collect()
    }

    fn decode(bytes: &[u8]) -> Option<Ledger> {
        let bytes: &[u8; LEDGER] = bytes.try_into().ok()?;
        let mut numbers = bytes.chunks_exact(8).filter_map(|eight| Some(u64::from_be_bytes(eight.try_into().ok()?)));
        let mut next = || numbers.next();
        let ledger = Ledger {
            head: next()?,
            tail: next()?,
            read: next()?,
            capacity: next()?,
            configured: next()?,
            polled: next()?,
            dropped: next()?,
            consumed: next()?,
        };
        (ledger.head.max(ledger.read) <= ledger.tail).then_some(ledger)
    }

    fn length(&self) -> u64 {
        self.tail - self.head
    }
}

/// What is told of one queue.
#[derive(Clone, Debug, Serialize)]
pub struct QueueStatus {
    /// Fillings.
    pub polling_count: u64,
    pub queue_current: u64,
    pub queue_capacity: u64,
    pub queue_percentage: f64,
    /// Blocks pushed out by newer ones.
    pub queue_dropped: u64,
    /// Blocks given out, or passed over by an offset.
    pub consumed_count: u64,
    pub unconsumed_count: u64,
    /// Blocks that ever came in.
    pub total_generated: u64,
}

/// Why a queue gave nothing. Nothing was taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error("the queue holds {held} blocks of {BLOCK} bytes, and {wanted} are asked for")]
    TooFew { held: u64, wanted: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct State {
    ledgers: [Ledger; 2],
    deleted: u64,
}

/// The queues.
pub struct Queues {
    db: DB,
    path: PathBuf,
    state: Mutex<State>,
}

impl Queues {
    /// Opens the queues in the directory `path`, or makes them, with so many blocks each. A capacity that was set while
    /// running holds until the configured one changes.
    pub fn open(path: &Path, capacity: impl Fn(Which) -> u64) -> Result<Queues, StoreError> {
        prepare_directory(path)?;
        let db = DB::open(&options(), path).map_err(|error| refused(path, &error))?;
        let queues = Queues {
            db,
            path: path.to_owned(),
            state: Mutex::new(State { ledgers: [Ledger::default(); 2], deleted: 0 }),
        };
        queues.identify()?;
        for which in Which::ALL {
            let configured = capacity(which).clamp(*CAPACITY.start(), *CAPACITY.end());
            let mut ledger = queues.stored(which)?.unwrap_or_default();
            if ledger.configured != configured {
                (ledger.configured, ledger.capacity) = (configured, configured);
            }
            let mut batch = WriteBatch::default();
            let mut state = queues.lock();
            queues.trim(&mut batch, &mut state, which, &mut ledger);
            queues.commit(&mut state, batch, which, ledger, false)?;
        }
        Ok(queues)
    }

    fn identify(&self) -> Result<(), StoreError> {
        match self.read(FORMAT_KEY)? {
            None => self.db.put(FORMAT_KEY, FORMAT.to_be_bytes()).map_err(|error| StoreError::write(&error)),
            Some(bytes) => match <[u8; 4]>::try_from(bytes.as_slice()).map(u32::from_be_bytes) {
                Ok(found) if found <= FORMAT => Ok(()),
                Ok(found) => Err(StoreError::NewerFormat { path: self.path.clone(), found, known: FORMAT }),
                Err(_) => Err(damaged(FORMAT_KEY, Damage::Length(bytes.len()))),
            },
        }
    }

    /// Adds blocks, the oldest first. Too many push out the oldest.
    pub fn push(&self, which: Which, blocks: &[[u8; BLOCK]]) -> Result<(), StoreError> {
        let mut state = self.lock();
        let mut ledger = state.ledgers[which.index()];
        let mut batch = WriteBatch::default();
        for block in blocks {
            batch.put(which.block_key(ledger.tail), block);
            ledger.tail += 1;
        }
        ledger.polled += 1;
        self.trim(&mut batch, &mut state, which, &mut ledger);
        self.commit(&mut state, batch, which, ledger, false)
    }

    /// Takes `count` blocks after passing over `skip`; all of them or none. They are deleted, with those passed over,
    /// unless `keep`.
    pub fn take(&self, which: Which, skip: u64, count: u64, keep: bool) -> Result<Zeroizing<Vec<u8>>, TakeError> {
        let mut state = self.lock();
        let mut ledger = state.ledgers[which.index()];
        let wanted = skip.saturating_add(count);
        if wanted > ledger.length() {
            return Err(TakeError::TooFew { held: ledger.length(), wanted });
        }
        let (first, end) = (ledger.head + skip, ledger.head + wanted);
        // Full length from the start: growing would leave copies of secrets behind.
        let mut taken = Zeroizing::new(Vec::with_capacity(usize::try_from(count).unwrap_or(0).saturating_mul(BLOCK)));
        for index in first..end {
            let key = which.block_key(index);
            let mut block = self.read(&key)?.ok_or_else(|| damaged(&key, Damage::Missing))?;
            if block.len() != BLOCK {
                return Err(damaged(&key, Damage::Length(block.len())).into());
            }
            taken.extend_from_slice(&block);
            block.zeroize();
        }
        ledger.consumed += end.saturating_sub(ledger.read.max(ledger.head));
        ledger.read = ledger.read.max(end);
        let mut batch = WriteBatch::default();
        if !keep {
            (ledger.head..end).for_each(|index| batch.delete(which.block_key(index)));
            state.deleted += wanted;
            ledger.head = end;
        }
        self.commit(&mut state, batch, which, ledger, !keep)?;
        Ok(taken)
    }

    /// Gives the queue another capacity; what is too much is dropped, the oldest first.
    pub fn resize(&self, which: Which, capacity: u64) -> Result<(), StoreError> {
        let mut state = self.lock();
        let mut ledger = state.ledgers[which.index()];
        ledger.capacity = capacity.clamp(*CAPACITY.start(), *CAPACITY.end());
        let mut batch = WriteBatch::default();
        self.trim(&mut batch, &mut state, which, &mut ledger);
        self.commit(&mut state, batch, which, ledger, false)
    }

    #[must_use]
    pub fn status(&self, which: Which) -> QueueStatus {
        let ledger = self.lock().ledgers[which.index()];
        QueueStatus {
            polling_count: ledger.polled,
            queue_current: ledger.length(),
            queue_capacity: ledger.capacity,
            queue_percentage: ledger.length() as f64 * 100.0 / ledger.capacity.max(1) as f64,
            queue_dropped: ledger.dropped,
            consumed_count: ledger.consumed,
            unconsumed_count: ledger.tail - ledger.read.max(ledger.head),
            total_generated: ledger.tail,
        }
    }

    /// Whether the disk can be read.
    pub fn check(&self) -> Result<(), StoreError> {
        self.read(FORMAT_KEY).map(drop)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the database's files.
    #[must_use]
    pub fn size(&self) -> u64 {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    /// Drops the oldest blocks beyond the capacity.
    fn trim(&self, batch: &mut WriteBatch, state: &mut State, which: Which, ledger: &mut Ledger) {
        let surplus = ledger.length().saturating_sub(ledger.capacity);
        for index in ledger.head..ledger.head + surplus {
            batch.delete(which.block_key(index));
            // What had been read already was not lost to anybody.
            ledger.dropped += u64::from(index >= ledger.read);
        }
        ledger.head += surplus;
        state.deleted += surplus;
    }

    fn commit(
        &self,
        state: &mut State,
        mut batch: WriteBatch,
        which: Which,
        ledger: Ledger,
        durable: bool,
    ) -> Result<(), StoreError> {
        batch.put(which.state_key(), ledger.encode());
        let mut options = WriteOptions::default();
        options.set_sync(durable);
        self.db.write_opt(batch, &options).map_err(|error| StoreError::write(&error))?;
        state.ledgers[which.index()] = ledger;
        if state.deleted >= TIDY {
            state.deleted = 0;
            self.tidy()?;
        }
        Ok(())
    }

    /// Writes out what is in memory and rewrites the tables without the deleted blocks.
    fn tidy(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|error| StoreError::write(&error))?;
        self.db.compact_range(None::<&[u8]>, None::<&[u8]>);
        Ok(())
    }

    fn stored(&self, which: Which) -> Result<Option<Ledger>, StoreError> {
        let key = which.state_key();
        let Some(bytes) = self.read(&key)? else { return Ok(None) };
        Ledger::decode(&bytes).map(Some).ok_or_else(|| damaged(&key, Damage::Length(bytes.len())))
    }

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(key).map_err(|error| match error.kind() {
            rocksdb::ErrorKind::Corruption => damaged(key, Damage::Checksum(error.to_string())),
            _ => StoreError::Disk { doing: "read", reason: error.to_string() },
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A ledger is replaced as a whole, after its batch was written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn damaged(key: &[u8], damage: Damage) -> StoreError {
    StoreError::Damaged { family: "queues", key: hex::encode(key), damage }
}

/// As the beacon's database, with less memory.
fn options() -> Options {
    let mut options = schema::options();
    options.set_write_buffer_size(256 << 10);
    options.set_max_total_wal_size(1 << 20);
    options.set_max_open_files(32);
    options
}
