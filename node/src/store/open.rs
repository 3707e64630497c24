//! Opening: is this directory ours to write, of this chain, and of a format this program knows?

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;

use rocksdb::{ColumnFamilyDescriptor, DB, Direction, InfoLogger, IteratorMode, LogLevel, WriteBatch, WriteOptions};

use beacon_spec::hash::Digest32;

use super::error::{Damage, StoreError};
use super::schema::{self, FORMAT, Family, TIP_LIMITS, Tip, meta, number};
use super::{Known, Store};

/// Times that a database which a running node changes meanwhile is opened for reading before that is given up.
const TRIES: usize = 4;

/// What a database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// By the one process that has it.
    Write,
    /// A view that stands still, also beside the process that writes. Changes no byte of the directory.
    Read,
}

impl Access {
    pub fn open(self, path: &Path) -> Result<DB, StoreError> {
        let cache = schema::cache();
        let mut options = schema::options();
        // A newer program may have added families. They have to be opened too before its format can be read.
        let mut names: Vec<String> = Family::ALL.iter().map(|family| family.name().to_owned()).collect();
        if path.join("CURRENT").exists() {
            let listed = DB::list_cf(&options, path).map_err(|error| refused(path, &error))?;
            names.extend(listed.into_iter().filter(|name| Family::ALL.iter().all(|family| family.name() != name)));
        }
        let families = names.into_iter().map(|name| {
            let family = Family::ALL.into_iter().find(|family| family.name() == name).unwrap_or(Family::Meta);
            ColumnFamilyDescriptor::new(name, family.options(&cache))
        });
        let opened = match self {
            Access::Write => DB::open_cf_descriptors(&options, path, families),
            Access::Read => {
                options.create_if_missing(false);
                options.create_missing_column_families(false);
                // Tables that the writing process drops stay readable as long as they are open.
                options.set_max_open_files(-1);
                options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| {}));
                DB::open_cf_descriptors_read_only(&options, path, families, false)
            }
        };
        opened.map_err(|error| refused(path, &error))
    }
}

impl Store {
    /// Opens the database of `chain` in the directory `path`, or makes it, with `genesis` kept inside.
    ///
    /// The directory is readable by its owner alone, whatever it was before, since seeds are stored in it.
    pub fn open(path: &Path, chain: Digest32, genesis: &[u8]) -> Result<Store, StoreError> {
        prepare_directory(path)?;
        let store = Store::over(Access::Write.open(path)?);
        store.identify(path, chain, genesis)?;
        store.know()
    }

    /// Opens a database that is there, for writing.
    pub fn open_existing(path: &Path, chain: Digest32, genesis: &[u8]) -> Result<Store, StoreError> {
        if path.join("CURRENT").exists() {
            Store::open(path, chain, genesis)
        } else {
            Err(StoreError::NoStore { path: path.to_owned() })
        }
    }

    /// Opens a database that is there for reading what it holds at this moment, also while a node runs on it. Nothing
    /// in the directory is changed, and nothing that is written later is seen.
    pub fn inspect(path: &Path, chain: Digest32, genesis: &[u8]) -> Result<Store, StoreError> {
        if !path.join("CURRENT").exists() {
            return Err(StoreError::NoStore { path: path.to_owned() });
        }
        let mut tries = (1..=TRIES).map(|_| Access::Read.open(path));
        // A file may go between being listed and being opened.
        let db = tries.find(Result::is_ok).unwrap_or_else(|| Access::Read.open(path))?;
        let store = Store::over(db);
        store.check_identity(path, chain, genesis)?;
        store.know()
    }

    fn over(db: DB) -> Store {
        Store { db, known: RwLock::new(Known::default()), writing: AtomicBool::new(false) }
    }

    fn know(self) -> Result<Store, StoreError> {
        let known = self.read_known()?;
        Ok(Store { known: RwLock::new(known), ..self })
    }

    /// Refuses another chain's database and a newer format; marks a new one as ours.
    fn identify(&self, path: &Path, chain: Digest32, genesis: &[u8]) -> Result<(), StoreError> {
        match self.raw(Family::Meta, meta::FORMAT)? {
            Some(_) => self.check_identity(path, chain, genesis),
            None => self.found(chain, genesis),
        }
    }

    fn check_identity(&self, path: &Path, chain: Digest32, genesis: &[u8]) -> Result<(), StoreError> {
        let missing = || StoreError::damaged(Family::Meta, meta::FORMAT, Damage::Missing);
        let format = self.raw(Family::Meta, meta::FORMAT)?.ok_or_else(missing)?;
        let format = <[u8; 4]>::try_from(&*format)
            .map(u32::from_be_bytes)
            .map_err(|_| StoreError::damaged(Family::Meta, meta::FORMAT, Damage::Length(format.len())))?;
        if format > FORMAT {
            return Err(StoreError::NewerFormat { path: path.to_owned(), found: format, known: FORMAT });
        }
        let found = self.raw(Family::Meta, meta::CHAIN)?;
        let found = found.ok_or_else(|| StoreError::damaged(Family::Meta, meta::CHAIN, Damage::Missing))?;
        let found = <[u8; 32]>::try_from(&*found)
            .map(Digest32)
            .map_err(|_| StoreError::damaged(Family::Meta, meta::CHAIN, Damage::Length(found.len())))?;
        if found != chain {
            return Err(StoreError::OtherChain { path: path.to_owned(), found, expected: chain });
        }
        let kept = self.raw(Family::Meta, meta::GENESIS)?;
        match kept.as_deref() == Some(genesis) {
            true => Ok(()),
            false => Err(StoreError::damaged(Family::Meta, meta::GENESIS, Damage::OtherKey)),
        }
    }

    /// Marks an empty database as one of `chain`, durably.
    fn found(&self, chain: Digest32, genesis: &[u8]) -> Result<(), StoreError> {
        for family in Family::ALL {
            if self.db.iterator_cf(self.family(family)?, IteratorMode::From(b"", Direction::Forward)).next().is_some() {
                return Err(StoreError::damaged(Family::Meta, meta::FORMAT, Damage::Missing));
            }
        }
        let family = self.family(Family::Meta)?;
        let mut batch = WriteBatch::default();
        batch.put_cf(family, meta::FORMAT, FORMAT.to_be_bytes());
        batch.put_cf(family, meta::CHAIN, chain.0);
        batch.put_cf(family, meta::GENESIS, genesis);
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options).map_err(|error| StoreError::write(&error))
    }

    fn read_known(&self) -> Result<Known, StoreError> {
        let tip: Option<Tip> = self.get(Family::Meta, meta::TIP, &TIP_LIMITS)?;
        let mut decisions = self.db.raw_iterator_cf(self.family(Family::Decisions)?);
        decisions.seek_to_last();
        let decided = match decisions.key() {
            Some(key) => {
                number(key).ok_or_else(|| StoreError::damaged(Family::Decisions, key, Damage::KeyLength(key.len())))?
            }
            None => 0,
        };
        decisions.status().map_err(|error| StoreError::read(Family::Decisions, b"", &error))?;
        let (floor, base) = (self.meta_number(meta::FLOOR)?.unwrap_or(0), self.meta_number(meta::BASE)?.unwrap_or(1));
        Ok(Known { tip: tip.map(|tip| (tip.round, tip.header)), decided, floor, base })
    }

    fn meta_number(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        let Some(bytes) = self.raw(Family::Meta, key)? else { return Ok(None) };
        let damaged = || StoreError::damaged(Family::Meta, key, Damage::Length(bytes.len()));
        number(&bytes).ok_or_else(damaged).map(Some)
    }
}

/// Makes the directory, or checks that it is empty or a database, and closes it to everybody else.
pub(super) fn prepare_directory(path: &Path) -> Result<(), StoreError> {
    let unreadable = |error: io::Error| StoreError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    if !path.exists() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unreadable)?;
        // The directory itself must survive a power cut like what is in it.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(unreadable)?;
    }
    let entries = fs::read_dir(path).map_err(unreadable)?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(unreadable)?;
    // CURRENT is written before the first log and the first table: where it is missing beside those, or beside files
    // that RocksDB never makes, a new database must not be laid over what is there.
    let is_database = names.iter().any(|name| name == "CURRENT");
    let is_new = names.iter().all(|name| {
        let name = name.to_string_lossy();
        matches!(&*name, "LOCK" | "LOG" | "IDENTITY") || name.starts_with("MANIFEST-") || name.ends_with(".dbtmp")
    });
    if !is_database && !is_new {
        return Err(StoreError::NotAStore { path: path.to_owned() });
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(unreadable)
}

/// RocksDB names a held lock only in words.
pub(super) fn refused(path: &Path, error: &rocksdb::Error) -> StoreError {
    let reason = error.to_string();
    match error.kind() {
        rocksdb::ErrorKind::IOError if reason.contains("lock") && reason.contains("LOCK") => {
            StoreError::Locked { path: path.to_owned() }
        }
        _ => StoreError::Unreadable { path: path.to_owned(), reason },
    }
}
