//! A copy of what everybody may know, for a node that does not sign.
//!
//! What could make a copy sign stays behind: seeds, the agreement log, and the commitments of open windows. Those and
//! the keys live and die together, in one place; a copy that signed would not know what the original has signed since.

use std::fs;
use std::path::Path;

use rocksdb::{DB, FlushOptions, WriteBatch, WriteOptions};
use serde::Serialize;

use beacon_spec::codec::number as as_number;

use super::Store;
use super::check::Progress;
use super::error::{Damage, StoreError};
use super::open::Access;
use super::schema::{Family, meta};

/// What is copied, in this order; `meta` comes last, so that a copy cut short is no database.
const COPIED: [Family; 8] = [
    Family::Beacons,
    Family::Mmr,
    Family::Transcripts,
    Family::Missing,
    Family::Decisions,
    Family::Registries,
    Family::Committees,
    Family::Evidence,
];
const META: [&[u8]; 6] = [meta::FORMAT, meta::CHAIN, meta::GENESIS, meta::TIP, meta::FLOOR, meta::BASE];
/// Bytes of one write.
const CHUNK: usize = 2 << 20;

/// What a backup holds.
#[derive(Debug, Serialize)]
pub struct BackedUp {
    #[serde(with = "as_number")]
    pub newest_round: u64,
    #[serde(with = "as_number")]
    pub entries: u64,
    /// Keys and values, before compression.
    #[serde(with = "as_number")]
    pub bytes: u64,
}

impl Store {
    /// Writes a copy to the directory `to`, which must not exist. Everything is read with its checksums, and the copy
    /// is on the disk when this returns.
    pub fn backup(&self, to: &Path, progress: &mut Progress<'_>) -> Result<BackedUp, StoreError> {
        if fs::symlink_metadata(to).is_ok() {
            return Err(StoreError::Occupied { path: to.to_owned() });
        }
        super::open::prepare_directory(to)?;
        let copy = Access::Write.open(to)?;
        let mut done = BackedUp { newest_round: self.tip_round(), entries: 0, bytes: 0 };
        for family in COPIED {
            self.copy(family, &copy, &mut done, progress)?;
        }
        let mut batch = WriteBatch::default();
        for key in META {
            if let Some(value) = self.raw(Family::Meta, key)? {
                batch.put_cf(handle(&copy, Family::Meta)?, key, &*value);
            }
        }
        batch.put_cf(handle(&copy, Family::Meta)?, meta::BACKUP, b"");
        let families = COPIED.into_iter().map(|family| handle(&copy, family)).collect::<Result<Vec<_>, _>>()?;
        let mut flush = FlushOptions::default();
        flush.set_wait(true);
        copy.flush_cfs_opt(&families, &flush).map_err(|error| StoreError::write(&error))?;
        let mut options = WriteOptions::default();
        options.set_sync(true);
        copy.write_opt(batch, &options).map_err(|error| StoreError::write(&error))?;
        Ok(done)
    }

    fn copy(
        &self,
        family: Family,
        copy: &DB,
        done: &mut BackedUp,
        progress: &mut Progress<'_>,
    ) -> Result<(), StoreError> {
        let to = handle(copy, family)?;
        let mut options = WriteOptions::default();
        options.disable_wal(true); // everything is flushed in the end
        let mut batch = WriteBatch::default();
        for entry in self.scan(family, b"", None)? {
            let (key, value) = entry?;
            done.entries += 1;
            done.bytes += (key.len() + value.len()) as u64;
            batch.put_cf(to, key, value);
            if batch.size_in_bytes() >= CHUNK {
                copy.write_opt(std::mem::take(&mut batch), &options).map_err(|error| StoreError::write(&error))?;
                progress(family.name(), done.entries, 0);
            }
        }
        copy.write_opt(batch, &options).map_err(|error| StoreError::write(&error))
    }

    /// Makes a backup a node's own database from here on. Refused in a home `with_keys` to vote: what they have signed
    /// is not in the backup.
    pub fn adopt(&self, path: &Path, with_keys: bool) -> Result<(), StoreError> {
        if self.raw(Family::Meta, meta::BACKUP)?.is_none() {
            return Ok(());
        }
        if with_keys {
            return Err(StoreError::BackupWithKeys { path: path.to_owned() });
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        let deleted = self.db.delete_cf_opt(self.family(Family::Meta)?, meta::BACKUP, &options);
        deleted.map_err(|error| StoreError::write(&error))
    }
}

fn handle(db: &DB, family: Family) -> Result<&rocksdb::ColumnFamily, StoreError> {
    db.cf_handle(family.name()).ok_or_else(|| StoreError::damaged(family, b"", Damage::Missing))
}
