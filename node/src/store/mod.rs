//! What the node keeps on disk, and the only place that names RocksDB.
//!
//! The engine decides what belongs together and what must be on disk before a message leaves; the store maps its
//! records to bytes. One thread writes ([`Writer`]), everybody may read. Whatever is read back is judged: bytes that
//! do not decode, or that belong under another key, are an error naming column family and key, never a panic.
//!
//! Reading order: `error`, `schema` (families, keys, settings), `open` (whose database is it), `apply` (records to
//! puts and deletes), `writer` (the thread), `recover` (what a start needs), `begin` (a start from a checkpoint), the
//! readers below; `check`, `backup` and
//! `upkeep` for the operator; and `queue` (private random blocks, in a database of their own).

mod apply;
mod backup;
mod begin;
mod check;
mod error;
mod open;
mod queue;
mod recover;
mod schema;
#[cfg(test)]
pub(crate) mod tests;
mod upkeep;
mod writer;

use std::cell::Cell;
use std::sync::atomic::AtomicBool;
use std::sync::{PoisonError, RwLock};

use rocksdb::{ColumnFamily, DB, Direction, IteratorMode, ReadOptions};
use serde::de::DeserializeOwned;

use beacon_engine::batch::Decision;
use beacon_engine::serve::Archive;
use beacon_spec::chain::{BEACON_LIMITS, Beacon, TRANSCRIPT_LIMITS, Transcript};
use beacon_spec::codec::{Limits, decode};
use beacon_spec::committee::{MEMBER_LIST_LIMITS, MemberList};
use beacon_spec::hash::Digest32;
use beacon_spec::message::{COMMITMENT_LIMITS, Commitment};
use beacon_spec::mmr::{self, Mmr};
use beacon_spec::registry::Registry;

pub use self::check::{Checked, Extent, Finding, Progress, Rules};
pub use self::error::{Damage, StoreError};
pub use self::queue::{BLOCK, CAPACITY, QueueStatus, Queues, TakeError, Which};
use self::schema::{DECISION_LIMITS, Family, REGISTRY_LIMITS, commitment_key, meta, number_key};
pub use self::upkeep::size;
pub use self::writer::{Report, Writer};

/// An open database.
pub struct Store {
    db: DB,
    known: RwLock<Known>,
    /// Whether a writer has been handed out; there is never a second one.
    writing: AtomicBool,
}

/// What readers ask so often that it is held in memory; it follows the disk.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Newest round and its header hash.
    tip: Option<(u64, Digest32)>,
    /// Highest decided window.
    decided: u64,
    /// Transcripts of rounds below this one have been pruned.
    floor: u64,
    /// The first round that is kept: 1, or the checkpoint that the database began from.
    base: u64,
}

impl Store {
    fn known(&self) -> Known {
        *self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn family(&self, family: Family) -> Result<&ColumnFamily, StoreError> {
        let handle = self.db.cf_handle(family.name());
        handle.ok_or_else(|| StoreError::damaged(family, b"", Damage::Missing))
    }

    fn raw(&self, family: Family, key: &[u8]) -> Result<Option<rocksdb::DBPinnableSlice<'_>>, StoreError> {
        self.db.get_pinned_cf(self.family(family)?, key).map_err(|error| StoreError::read(family, key, &error))
    }

    fn get<T: DeserializeOwned>(&self, family: Family, key: &[u8], limits: &Limits) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.raw(family, key)? else { return Ok(None) };
        decode(&bytes, limits).map(Some).map_err(|reason| StoreError::damaged(family, key, Damage::Undecodable(reason)))
    }

    /// Keys and values of `family` from `from` up to but without `end`, in order.
    fn scan<'a>(
        &'a self,
        family: Family,
        from: &[u8],
        end: Option<&[u8]>,
    ) -> Result<impl Iterator<Item = Result<Entry, StoreError>> + use<'a>, StoreError> {
        let mut options = ReadOptions::default();
        if let Some(end) = end {
            options.set_iterate_upper_bound(end);
        }
        let start = IteratorMode::From(from, Direction::Forward);
        let entries = self.db.iterator_cf_opt(self.family(family)?, options, start);
        Ok(entries.map(move |entry| entry.map_err(|error| StoreError::read(family, b"", &error))))
    }

    /// The beacon of `round`.
    pub fn beacon(&self, round: u64) -> Result<Option<Beacon>, StoreError> {
        let key = number_key(round);
        let beacon = self.get::<Beacon>(Family::Beacons, &key, &BEACON_LIMITS)?;
        fitting(beacon, |beacon| beacon.header.round == round, Family::Beacons, &key)
    }

    /// The beacons of rounds `from..=to` in order, as far as they are stored. A hole between two of them is damage; what
    /// is before the checkpoint that the database began from is left out.
    pub fn beacons(
        &self,
        from: u64,
        to: u64,
    ) -> Result<impl Iterator<Item = Result<Beacon, StoreError>> + '_, StoreError> {
        let end = to.checked_add(1).map(number_key);
        let from = from.max(self.known().base);
        let entries = self.scan(Family::Beacons, &number_key(from), end.as_ref().map(<[u8; 8]>::as_slice))?;
        let mut next = from;
        Ok(entries.map(move |entry| {
            let (key, bytes) = entry?;
            if *key != number_key(next) {
                return Err(StoreError::damaged(Family::Beacons, &number_key(next), Damage::Missing));
            }
            let beacon: Beacon = decode(&bytes, &BEACON_LIMITS)
                .map_err(|reason| StoreError::damaged(Family::Beacons, &key, Damage::Undecodable(reason)))?;
            if beacon.header.round != next {
                return Err(StoreError::damaged(Family::Beacons, &key, Damage::OtherKey));
            }
            next = next.saturating_add(1);
            Ok(beacon)
        }))
    }

    /// What the output of `round` was mixed from, unless it was pruned or never learned.
    pub fn transcript(&self, round: u64) -> Result<Option<Transcript>, StoreError> {
        let key = number_key(round);
        let transcript = self.get::<Transcript>(Family::Transcripts, &key, &TRANSCRIPT_LIMITS)?;
        fitting(transcript, |transcript| transcript.round == round, Family::Transcripts, &key)
    }

    /// Whether the transcript of `round` is on disk, or will never be because it is too old to be kept.
    pub fn transcript_settled(&self, round: u64) -> Result<bool, StoreError> {
        Ok(round < self.known().floor || self.raw(Family::Transcripts, &number_key(round))?.is_some())
    }

    /// The node at `position` of the Merkle mountain range over all headers.
    pub fn mmr_node(&self, position: u64) -> Result<Option<Digest32>, StoreError> {
        let key = number_key(position);
        let Some(bytes) = self.raw(Family::Mmr, &key)? else { return Ok(None) };
        match <[u8; 32]>::try_from(&*bytes) {
            Ok(hash) => Ok(Some(Digest32(hash))),
            Err(_) => Err(StoreError::damaged(Family::Mmr, &key, Damage::Length(bytes.len()))),
        }
    }

    /// The decision of `window`.
    pub fn decision(&self, window: u64) -> Result<Option<Decision>, StoreError> {
        let key = number_key(window);
        let decision = self.get::<Decision>(Family::Decisions, &key, &DECISION_LIMITS)?;
        fitting(decision, |decision| decision.value.window == window, Family::Decisions, &key)
    }

    /// The first round that is kept: 1, or the checkpoint that the database began from.
    pub fn first_round(&self) -> u64 {
        self.known().base
    }

    /// What tells this database from every other one, also from an empty one in its place. A copy of its files has it
    /// too.
    pub fn identity(&self) -> Result<String, StoreError> {
        let identity = self.db.get_db_identity().map_err(|error| StoreError::read(Family::Meta, b"", &error))?;
        Ok(String::from_utf8_lossy(&identity).into_owned())
    }

    /// Newest certified round on disk.
    pub fn tip_round(&self) -> u64 {
        self.known().tip.map_or(0, |(round, _)| round)
    }
}

impl Archive for Store {
    type Error = StoreError;

    fn tip(&self) -> Result<Option<(u64, Digest32)>, StoreError> {
        Ok(self.known().tip)
    }

    fn decided(&self) -> Result<u64, StoreError> {
        Ok(self.known().decided)
    }

    fn genesis(&self) -> Result<Vec<u8>, StoreError> {
        let bytes = self.raw(Family::Meta, meta::GENESIS)?;
        bytes
            .map(|bytes| bytes.to_vec())
            .ok_or_else(|| StoreError::damaged(Family::Meta, meta::GENESIS, Damage::Missing))
    }

    fn beacon(&self, round: u64) -> Result<Option<Beacon>, StoreError> {
        Store::beacon(self, round)
    }

    fn transcript(&self, round: u64) -> Result<Option<Transcript>, StoreError> {
        Store::transcript(self, round)
    }

    fn decision(&self, window: u64) -> Result<Option<Decision>, StoreError> {
        Store::decision(self, window)
    }

    fn commitment(&self, window: u64, member: u16, hash: &Digest32) -> Result<Option<Commitment>, StoreError> {
        let key = commitment_key(window, member, hash);
        let commitment = self.get::<Commitment>(Family::Commitments, &key, &COMMITMENT_LIMITS)?;
        let named = |commitment: &Commitment| {
            let body = &commitment.signed.body;
            body.window == window && body.member == member
        };
        fitting(commitment, named, Family::Commitments, &key)
    }

    fn registry(&self, window: u64) -> Result<Option<Registry>, StoreError> {
        let start = IteratorMode::From(&number_key(window), Direction::Reverse);
        let mut entries = self.db.iterator_cf(self.family(Family::Registries)?, start);
        let Some(entry) = entries.next() else { return Ok(None) };
        let (key, bytes) = entry.map_err(|error| StoreError::read(Family::Registries, b"", &error))?;
        let damaged = |reason| StoreError::damaged(Family::Registries, &key, Damage::Undecodable(reason));
        decode(&bytes, &REGISTRY_LIMITS).map(Some).map_err(damaged)
    }

    fn range(&self, count: u64) -> Result<Option<Mmr>, StoreError> {
        let failed = Cell::new(None);
        let node = |position| {
            self.mmr_node(position).unwrap_or_else(|error| {
                failed.set(Some(error));
                None
            })
        };
        let range = mmr::range(count, node);
        failed.into_inner().map_or(Ok(range), Err)
    }

    fn members(&self, epoch: u64) -> Result<Option<MemberList>, StoreError> {
        let key = number_key(epoch);
        let list = self.get::<MemberList>(Family::Committees, &key, &MEMBER_LIST_LIMITS)?;
        fitting(list, |list| list.epoch == epoch, Family::Committees, &key)
    }
}

/// A key with its value.
type Entry = (Box<[u8]>, Box<[u8]>);

/// Refuses a value that names itself otherwise than its key does.
fn fitting<T>(
    value: Option<T>,
    fits: impl Fn(&T) -> bool,
    family: Family,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    match value {
        Some(value) if !fits(&value) => Err(StoreError::damaged(family, key, Damage::OtherKey)),
        value => Ok(value),
    }
}
