//! Records to puts and deletes: one group of batches becomes one atomic write.

use std::collections::BTreeSet;

use rocksdb::{WriteBatch, WriteOptions};

use beacon_engine::batch::{Batch, Record};
use beacon_spec::chain::{Beacon, Transcript};
use beacon_spec::codec::encode;
use beacon_spec::hash::Digest32;
use beacon_spec::mmr::Mmr;

use super::error::StoreError;
use super::schema::{Family, Tip, commitment_key, evidence_key, meta, number_key, wal_key};
use super::{Known, Store};

/// Rounds by which transcripts outstay before a prune, so that range deletes are few.
pub(super) const PRUNE_STEP: u64 = 64;

/// What the writer remembers from group to group.
#[derive(Debug)]
pub(super) struct Applier {
    /// Rounds whose transcripts are kept; 0 for all.
    keep: u64,
    /// Seeds and commitments of windows below this one are gone already.
    forgotten: u64,
}

/// A group on its way into one write.
struct Group<'a> {
    store: &'a Store,
    batch: WriteBatch,
    known: Known,
    /// Rounds whose transcripts are in this group.
    transcripts: BTreeSet<u64>,
}

impl Applier {
    pub fn new(keep: u64) -> Self {
        Applier { keep, forgotten: 0 }
    }

    /// Writes `batches` together, in order, and returns once they are as durable as the strictest of them asks.
    pub fn write(&mut self, store: &Store, batches: &[Batch]) -> Result<(), StoreError> {
        let records = || batches.iter().flat_map(|batch| &batch.records);
        let transcripts = records().filter_map(|record| match record {
            Record::Transcript(transcript) => Some(transcript.round),
            _ => None,
        });
        let mut group =
            Group { store, batch: WriteBatch::default(), known: store.known(), transcripts: transcripts.collect() };
        for record in records() {
            self.put(&mut group, record)?;
        }
        let pruned = self.prune(&mut group)?;
        let mut options = WriteOptions::default();
        options.set_sync(batches.iter().any(|batch| batch.sync));
        store.db.write_opt(group.batch, &options).map_err(|error| StoreError::write(&error))?;
        *store.known.write().unwrap_or_else(std::sync::PoisonError::into_inner) = group.known;
        if let Some(last) = pruned {
            // Tables that hold nothing else go at once instead of waiting for a compaction.
            let family = store.family(Family::Transcripts)?;
            let range = store.db.delete_file_in_range_cf(family, number_key(0), number_key(last));
            range.map_err(|error| StoreError::write(&error))?;
        }
        Ok(())
    }

    fn put(&mut self, group: &mut Group<'_>, record: &Record) -> Result<(), StoreError> {
        match record {
            Record::Seed { window, seed } => group.put(Family::Seeds, &number_key(*window), &*seed.0),
            Record::Commitment { window, member, hash, commitment } => {
                group.put(Family::Commitments, &commitment_key(*window, *member, hash), &encode(commitment))
            }
            Record::Wal { height, index, entry } => group.put(Family::Wal, &wal_key(*height, *index), entry),
            Record::Decision(decision) => {
                let window = decision.value.window;
                group.known.decided = group.known.decided.max(window);
                group.put(Family::Decisions, &number_key(window), &encode(decision))?;
                group.delete_range(Family::Wal, &wal_key(window, 0), &wal_key(window.saturating_add(1), 0))
            }
            Record::Round { beacon, nodes, mmr } => group.round(beacon, nodes, mmr),
            Record::Transcript(transcript) => group.transcript(transcript),
            Record::Registry { window, registry } => {
                group.put(Family::Registries, &number_key(*window), &encode(registry))
            }
            Record::ForgetRegistries { below } => {
                group.delete_range(Family::Registries, &number_key(0), &number_key(*below))
            }
            Record::Committee(list) => group.put(Family::Committees, &number_key(list.epoch), &encode(list)),
            Record::Evidence { epoch, evidence } => {
                let key = evidence_key(*epoch, evidence.member(), evidence.crime() as u8);
                group.put(Family::Evidence, &key, &encode(evidence))
            }
            Record::Silent { through } => group.put(Family::Meta, meta::SILENT, &number_key(*through)),
            Record::Forget { window } => {
                let end = window.saturating_add(1);
                let (from, to) = (number_key(self.forgotten), number_key(end));
                self.forgotten = end.max(self.forgotten);
                group.delete_range(Family::Seeds, &from, &to)?;
                group.delete_range(Family::Commitments, &from, &to)
            }
        }
    }

    /// Deletes transcripts that are older than configured; gives the last round deleted.
    fn prune(&self, group: &mut Group<'_>) -> Result<Option<u64>, StoreError> {
        let tip = group.known.tip.map_or(0, |(round, _)| round);
        let floor = tip.saturating_add(1).saturating_sub(self.keep);
        if self.keep == 0 || floor < group.known.floor.saturating_add(PRUNE_STEP) {
            return Ok(None);
        }
        group.store.forget_transcripts(&mut group.batch, group.known.floor, floor)?;
        group.known.floor = floor;
        Ok(floor.checked_sub(1))
    }
}

impl Group<'_> {
    fn put(&mut self, family: Family, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.batch.put_cf(self.store.family(family)?, key, value);
        Ok(())
    }

    fn delete_range(&mut self, family: Family, from: &[u8], to: &[u8]) -> Result<(), StoreError> {
        if from < to {
            self.batch.delete_range_cf(self.store.family(family)?, from, to);
        }
        Ok(())
    }

    fn round(&mut self, beacon: &Beacon, nodes: &[(u64, Digest32)], mmr: &Mmr) -> Result<(), StoreError> {
        let round = beacon.header.round;
        let key = number_key(round);
        self.put(Family::Beacons, &key, &encode(beacon))?;
        for (position, hash) in nodes {
            self.put(Family::Mmr, &number_key(*position), &hash.0)?;
        }
        let tip = Tip { round, header: beacon.header.hash(), mmr: mmr.clone() };
        self.put(Family::Meta, meta::TIP, &encode(&tip))?;
        self.known.tip = Some((round, tip.header));
        let has_transcript = self.transcripts.contains(&round) || self.store.transcript_settled(round)?;
        if has_transcript { Ok(()) } else { self.put(Family::Missing, &key, &[]) }
    }

    fn transcript(&mut self, transcript: &Transcript) -> Result<(), StoreError> {
        let key = number_key(transcript.round);
        if transcript.round < self.known.floor {
            return Ok(());
        }
        if self.store.raw(Family::Missing, &key)?.is_some() {
            self.batch.delete_cf(self.store.family(Family::Missing)?, key);
        }
        self.put(Family::Transcripts, &key, &encode(transcript))
    }
}
