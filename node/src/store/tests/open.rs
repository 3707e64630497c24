use std::fs;
use std::os::unix::fs::PermissionsExt;

use rocksdb::{DB, Options};
use tempfile::tempdir;

use beacon_engine::serve::Archive;
use beacon_spec::hash::Digest32;

use super::fixture::{CHAIN, GENESIS, open};
use crate::store::{Store, StoreError, schema};

#[test]
fn a_new_store_knows_its_genesis_and_nothing_else() {
    let home = tempdir().expect("temporary directory");
    let path = home.path().join("deep/er/store");
    let store = open(&path);
    assert_eq!(store.genesis().expect("reads"), GENESIS);
    assert_eq!(store.tip_round(), 0);
    assert_eq!(Archive::tip(&*store).expect("reads"), None);
    assert!(store.recover().expect("reads").tip.is_none());
    let mode = fs::metadata(&path).expect("exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_directory_open_to_others_is_closed() {
    let home = tempdir().expect("temporary directory");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("own directory");
    drop(open(home.path()));
    let mode = fs::metadata(home.path()).expect("exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn another_chain_is_refused_by_name() {
    let home = tempdir().expect("temporary directory");
    drop(open(home.path()));
    let other = Digest32([0xaa; 32]);
    let error = Store::open(home.path(), other, GENESIS).err().expect("refused");
    assert!(matches!(&error, StoreError::OtherChain { found, expected, .. } if *found == CHAIN && *expected == other));
    assert!(error.to_string().contains(&other.to_string()));
    assert!(error.to_string().contains(&CHAIN.to_string()));
}

#[test]
fn a_newer_format_is_refused_even_with_families_unknown_here() {
    let home = tempdir().expect("temporary directory");
    drop(open(home.path()));
    let families = schema::Family::ALL.map(|family| family.name());
    let mut newer = DB::open_cf(&Options::default(), home.path(), families).expect("closed before");
    newer.create_cf("of-the-future", &Options::default()).expect("a new name");
    let meta = newer.cf_handle("meta").expect("in the list");
    newer.put_cf(meta, schema::meta::FORMAT, (schema::FORMAT + 1).to_be_bytes()).expect("writes");
    drop(newer);
    let error = Store::open(home.path(), CHAIN, GENESIS).err().expect("refused");
    assert!(matches!(error, StoreError::NewerFormat { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn a_second_open_is_refused_while_the_first_lives() {
    let home = tempdir().expect("temporary directory");
    let first = open(home.path());
    let error = Store::open(home.path(), CHAIN, GENESIS).err().expect("refused");
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(first);
    open(home.path());
}

#[test]
fn a_directory_of_other_files_is_refused_and_left_alone() {
    let home = tempdir().expect("temporary directory");
    fs::write(home.path().join("letter.txt"), "dear").expect("writes");
    let error = Store::open(home.path(), CHAIN, GENESIS).err().expect("refused");
    assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
    assert_eq!(fs::read_dir(home.path()).expect("reads").count(), 1);
}

#[test]
fn a_file_in_place_of_the_directory_is_named() {
    let home = tempdir().expect("temporary directory");
    let path = home.path().join("store");
    fs::write(&path, "").expect("writes");
    let error = Store::open(&path, CHAIN, GENESIS).err().expect("refused");
    assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
}

#[test]
fn a_database_whose_index_is_lost_is_never_laid_over() {
    let home = tempdir().expect("temporary directory");
    drop(open(home.path()));
    fs::remove_file(home.path().join("CURRENT")).expect("RocksDB's own file");
    let error = Store::open(home.path(), CHAIN, GENESIS).err().expect("refused");
    assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
}

#[test]
fn a_creation_cut_short_is_begun_anew() {
    let home = tempdir().expect("temporary directory");
    for name in ["LOCK", "LOG", "IDENTITY", "MANIFEST-000001"] {
        fs::write(home.path().join(name), "").expect("writes");
    }
    open(home.path());
}
