//! A database that begins at a checkpoint instead of the genesis.

use std::path::Path;

use rocksdb::{WriteBatch, WriteOptions};

use beacon_engine::checkpoint::Start;
use beacon_spec::codec::encode;

use super::Store;
use super::error::StoreError;
use super::schema::{Family, Tip, meta, number_key};

impl Store {
    /// Puts the judged checkpoint into a database without rounds, durably and at once. Refused if there are rounds.
    pub fn begin(self, path: &Path, start: &Start) -> Result<(), StoreError> {
        if let Some((round, _)) = self.known().tip {
            return Err(StoreError::HasRounds { path: path.to_owned(), round });
        }
        let header = &start.beacon.header;
        let round = header.round;
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(Family::Beacons)?, number_key(round), encode(&start.beacon));
        for (position, node) in &start.nodes {
            batch.put_cf(self.family(Family::Mmr)?, number_key(*position), node.0);
        }
        if let Some(list) = &start.members {
            batch.put_cf(self.family(Family::Committees)?, number_key(list.epoch), encode(list));
        }
        let tip = Tip { round, header: header.hash(), mmr: start.mmr.clone() };
        let family = self.family(Family::Meta)?;
        batch.put_cf(family, meta::TIP, encode(&tip));
        batch.put_cf(family, meta::BASE, number_key(round));
        // The checkpoint's own transcript is not asked for.
        batch.put_cf(family, meta::FLOOR, number_key(round + 1));
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options).map_err(|error| StoreError::write(&error))
    }
}
