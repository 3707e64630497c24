//! What an operator does to a database that no node has open: prune it, compact it, see its size.

use std::fs;
use std::path::Path;
use std::sync::PoisonError;

use rocksdb::{BottommostLevelCompaction, CompactOptions, WaitForCompactOptions, WriteBatch, WriteOptions};
use serde::Serialize;

use beacon_spec::codec::number as as_number;

use super::Store;
use super::check::Progress;
use super::error::StoreError;
use super::schema::{Family, meta, number_key};

/// What a prune did.
#[derive(Debug, Serialize)]
pub struct Pruned {
    /// Transcripts of rounds below this one are not kept.
    #[serde(with = "as_number")]
    pub floor: u64,
    /// How many went.
    #[serde(with = "as_number")]
    pub transcripts: u64,
}

impl Store {
    /// Deletes the transcripts of all but the newest `keep` rounds, and gives their room back. Beacons, certificates,
    /// decisions and the mountain range stay.
    pub fn prune(&self, keep: u64) -> Result<Pruned, StoreError> {
        let known = self.known();
        let floor = (self.tip_round() + 1).saturating_sub(keep).max(known.floor);
        let (from, to) = (number_key(known.floor), number_key(floor));
        let mut transcripts = 0;
        for entry in self.scan(Family::Transcripts, &from, Some(&to))? {
            entry?;
            transcripts += 1;
        }
        let mut batch = WriteBatch::default();
        self.forget_transcripts(&mut batch, known.floor, floor)?;
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options).map_err(|error| StoreError::write(&error))?;
        self.known.write().unwrap_or_else(PoisonError::into_inner).floor = floor;
        for family in [Family::Transcripts, Family::Missing] {
            self.squeeze(family)?;
        }
        Ok(Pruned { floor, transcripts })
    }

    /// Puts into `batch` that transcripts of rounds `from..to` go.
    pub(super) fn forget_transcripts(&self, batch: &mut WriteBatch, from: u64, to: u64) -> Result<(), StoreError> {
        let (from, to) = (number_key(from), number_key(to));
        if from < to {
            for family in [Family::Transcripts, Family::Missing] {
                batch.delete_range_cf(self.family(family)?, &from, &to);
            }
            batch.put_cf(self.family(Family::Meta)?, meta::FLOOR, to);
        }
        Ok(())
    }

    /// Rewrites every table without what is deleted or replaced. Needs room for the largest family once more.
    pub fn compact(&self, progress: &mut Progress<'_>) -> Result<(), StoreError> {
        for (family, done) in Family::ALL.into_iter().zip(0..) {
            progress(family.name(), done, Family::ALL.len() as u64);
            self.squeeze(family)?;
        }
        Ok(())
    }

    fn squeeze(&self, family: Family) -> Result<(), StoreError> {
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.db.compact_range_cf_opt(self.family(family)?, None::<&[u8]>, None::<&[u8]>, &options);
        // The call above keeps its errors to itself; the database remembers them.
        let waited = self.db.wait_for_compact(&WaitForCompactOptions::default());
        waited.map_err(|error| StoreError::Disk { doing: "compact", reason: error.to_string() })
    }
}

/// Bytes of all files in the directory of a database.
pub fn size(path: &Path) -> u64 {
    let files = fs::read_dir(path).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}
