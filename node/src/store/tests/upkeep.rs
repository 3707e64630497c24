//! What an operator does: check, back up, prune, compact.

use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{DB, Options};
use tempfile::{TempDir, tempdir};

use beacon_engine::batch::Record;

use super::chain::Chain;
use super::fixture::{commitment_record, transcript};
use crate::store::schema::{Family, meta, number_key};
use crate::store::{Checked, Store, StoreError};

/// Rounds over two and a half epochs.
const ROUNDS: u64 = 25;
const EPOCH: u64 = 10;

/// A database that a node has worked with, closed.
fn filled() -> (TempDir, Chain) {
    let home = tempdir().expect("temporary directory");
    let mut chain = Chain::new(EPOCH);
    drop(chain.store(home.path(), ROUNDS));
    (home, chain)
}

fn check(home: &Path, chain: &Chain) -> Checked {
    let store = Store::inspect(home, chain.hash, &chain.bytes).expect("it can be opened");
    let (rules, extent) = chain.rules();
    store.check(rules, extent, &mut |_, _, _| {})
}

fn raw(home: &Path) -> DB {
    DB::open_cf(&Options::default(), home, Family::ALL.map(Family::name)).expect("closed before")
}

fn change(home: &Path, family: Family, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let db = raw(home);
    let handle = db.cf_handle(family.name()).expect("in the list");
    let mut value = db.get_cf(handle, key).expect("reads").expect("the fixture wrote it");
    change(&mut value);
    db.put_cf(handle, key, value).expect("writes");
}

fn tables(home: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(home).expect("reads").map(|entry| entry.expect("reads").path());
    files.filter(|path| path.extension().is_some_and(|end| end == "sst")).collect()
}

/// Every byte of every file, but for those that only describe: nothing may change them.
fn bytes(home: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(home).expect("reads").map(|entry| entry.expect("reads").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).expect("reads"))).collect()
}

#[test]
fn a_sound_database_is_read_whole_and_left_as_it_is() {
    let (home, chain) = filled();
    let before = bytes(home.path());
    let checked = check(home.path(), &chain);
    assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    assert_eq!((checked.first_round, checked.newest_round), (1, ROUNDS));
    assert_eq!((checked.rounds, checked.certificates, checked.decisions), (ROUNDS, ROUNDS, ROUNDS));
    assert!(bytes(home.path()) == before, "a check changed something");
}

#[test]
fn a_database_in_use_can_be_checked_and_shows_what_is_there() {
    let home = tempdir().expect("temporary directory");
    let mut chain = Chain::new(EPOCH);
    let (_store, mut writing) = chain.store(home.path(), 5);
    assert_eq!(check(home.path(), &chain).newest_round, 5);
    writing.write(chain.round());
    let checked = check(home.path(), &chain);
    assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    assert_eq!(checked.newest_round, 6);
}

/// Each damage is found by the part that it belongs to, with the round or window that it concerns.
#[test]
fn every_kind_of_damage_is_named_with_its_round() {
    type Damage = fn(&Path);
    let cases: [(Damage, &str, u64); 9] = [
        // A signature that does not hold, in the middle and nowhere else.
        (|home| change(home, Family::Beacons, &number_key(7), |value| *value.last_mut().unwrap() ^= 1), "beacons", 7),
        // Another output: the certificate and the link after it break, and the first of both is named.
        (|home| change(home, Family::Beacons, &number_key(8), |value| value[265] ^= 1), "beacons", 8),
        (|home| remove(home, Family::Beacons, &number_key(9)), "beacons", 9),
        (|home| change(home, Family::Mmr, &number_key(3), |value| value[0] ^= 1), "mmr", 3),
        (|home| change(home, Family::Committees, &number_key(2), |value| value[8] ^= 1), "committees", 2),
        (
            |home| change(home, Family::Decisions, &number_key(4), |value| *value.last_mut().unwrap() ^= 1),
            "decisions",
            4,
        ),
        (|home| change(home, Family::Meta, meta::TIP, |value| *value.last_mut().unwrap() ^= 1), "meta", ROUNDS),
        (|home| remove(home, Family::Missing, &number_key(6)), "transcripts", 6),
        (|home| remove(home, Family::Beacons, &number_key(ROUNDS)), "beacons", ROUNDS),
    ];
    for (damage, family, number) in cases {
        let (home, chain) = filled();
        damage(home.path());
        let checked = check(home.path(), &chain);
        let first = checked.findings.first().expect("the damage is found");
        assert_eq!((first.family, first.number), (family, Some(number)), "{:?}", checked.findings);
    }
}

fn remove(home: &Path, family: Family, key: &[u8]) {
    let db = raw(home);
    db.delete_cf(db.cf_handle(family.name()).expect("in the list"), key).expect("writes");
}

#[test]
fn fewer_certificates_are_verified_when_asked_and_the_newest_always() {
    let (home, chain) = filled();
    let store = Store::inspect(home.path(), chain.hash, &chain.bytes).expect("it can be opened");
    let (rules, mut extent) = chain.rules();
    extent.certificates = 0;
    // Two ends of epochs and the newest round.
    assert_eq!(store.check(rules, extent, &mut |_, _, _| {}).certificates, 3);
}

#[test]
fn a_flipped_byte_of_a_table_is_found_with_the_tables_name() {
    let (home, chain) = filled();
    {
        let db = raw(home.path());
        db.flush_cf(db.cf_handle("beacons").expect("in the list")).expect("writes the table");
    }
    let size = |path: &PathBuf| fs::metadata(path).expect("exists").len();
    let table = tables(home.path()).into_iter().max_by_key(size).expect("it was flushed");
    let mut bytes = fs::read(&table).expect("reads");
    bytes[100] ^= 1;
    fs::write(&table, bytes).expect("writes");
    let checked = check(home.path(), &chain);
    let finding = checked.findings.iter().find(|finding| finding.family == "beacons").expect("the damage is found");
    assert_eq!(finding.number, Some(1));
    let name = table.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(finding.what.contains(&name), "{finding:?} lacks {name}");
}

/// Whether some file below a directory holds these bytes.
fn holds(home: &Path, needle: &[u8]) -> bool {
    bytes(home).iter().any(|(_, bytes)| bytes.windows(needle.len()).any(|window| window == needle))
}

#[test]
fn a_backup_has_the_chain_and_nothing_that_could_sign() {
    let home = tempdir().expect("temporary directory");
    let mut chain = Chain::new(EPOCH);
    let (_store, mut writing) = chain.store(&home.path().join("data"), ROUNDS);
    let seed = [0x5e; 32];
    let secret = Record::Seed { window: 26, seed: beacon_engine::batch::DealingSeed(zeroize::Zeroizing::new(seed)) };
    let log = b"a vote that this node has signed".to_vec();
    writing.write(vec![secret, Record::Wal { height: 26, index: 0, entry: log.clone() }, commitment_record(26, 1)]);
    assert!(holds(&home.path().join("data"), &seed) && holds(&home.path().join("data"), &log));

    let copy = home.path().join("copy");
    let live = Store::inspect(&home.path().join("data"), chain.hash, &chain.bytes).expect("beside the writer");
    let done = live.backup(&copy, &mut |_, _, _| {}).expect("it is new");
    assert_eq!(done.newest_round, ROUNDS);
    assert!(!holds(&copy, &seed), "the backup has a seed");
    assert!(!holds(&copy, &log), "the backup has a signing record");
    let checked = check(&copy, &chain);
    assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    assert_eq!(checked.newest_round, ROUNDS);

    // A home whose keys may have signed cannot use it; another starts from it, once and for all.
    let store = Store::open(&copy, chain.hash, &chain.bytes).expect("a database");
    let refused = store.adopt(&copy, true).expect_err("the keys may have signed").to_string();
    assert!(refused.contains("backup") && refused.contains("beacon-node init"), "{refused}");
    store.adopt(&copy, false).expect("an observer has no keys");
    store.adopt(&copy, true).expect("what it signs from here on is in this database");
    let recovered = store.recover().expect("reads");
    assert_eq!(recovered.tip.expect("a tip").0.header.round, ROUNDS);
    assert!(recovered.seeds.is_empty() && recovered.wal.is_empty() && recovered.commitments.is_empty());

    let again = live.backup(&copy, &mut |_, _, _| {}).expect_err("it is there already");
    assert!(matches!(again, StoreError::Occupied { .. }), "{again}");
}

#[test]
fn a_backup_cut_short_is_no_database() {
    let (home, chain) = filled();
    let copy = home.path().join("copy");
    let store = Store::inspect(home.path(), chain.hash, &chain.bytes).expect("it can be opened");
    store.backup(&copy, &mut |_, _, _| {}).expect("it is new");
    let db = raw(&copy);
    db.delete_cf(db.cf_handle("meta").expect("in the list"), meta::FORMAT).expect("writes");
    drop(db);
    let error = Store::inspect(&copy, chain.hash, &chain.bytes).err().expect("refused");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(Store::open(&copy, chain.hash, &chain.bytes).is_err());
}

#[test]
fn prune_drops_old_transcripts_and_nothing_else_and_compact_gives_room_back() {
    let home = tempdir().expect("temporary directory");
    let mut chain = Chain::new(EPOCH);
    let (store, mut writing) = chain.store(home.path(), ROUNDS);
    for round in 1..=ROUNDS - 5 {
        writing.write(vec![Record::Transcript(Box::new(transcript(round)))]);
    }
    drop((writing, store));
    let store = Store::open_existing(home.path(), chain.hash, &chain.bytes).expect("closed before");
    let pruned = store.prune(10).expect("writes");
    assert_eq!((pruned.floor, pruned.transcripts), (16, 15));
    assert_eq!(store.prune(20).expect("writes").transcripts, 0, "what is gone stays gone");
    store.compact(&mut |_, _, _| {}).expect("writes");
    drop(store);
    let checked = check(home.path(), &chain);
    assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    assert_eq!((checked.rounds, checked.transcripts), (ROUNDS, 5));
    // What a node is asked for, and what it would fetch again.
    let store = Store::inspect(home.path(), chain.hash, &chain.bytes).expect("it can be opened");
    assert_eq!(store.transcript(15).expect("reads"), None);
    assert!(store.transcript(16).expect("reads").is_some());
    let missing = store.recover().expect("reads").missing_transcripts;
    assert_eq!(missing, (ROUNDS - 4..=ROUNDS).collect::<Vec<_>>());
}

#[test]
fn a_home_without_a_database_is_named() {
    let home = tempdir().expect("temporary directory");
    let chain = Chain::new(EPOCH);
    let error = Store::inspect(home.path(), chain.hash, &chain.bytes).err().expect("refused");
    assert!(matches!(error, StoreError::NoStore { .. }), "{error}");
    let error = Store::open_existing(home.path(), chain.hash, &chain.bytes).err().expect("refused");
    assert!(matches!(error, StoreError::NoStore { .. }), "{error}");
    assert_eq!(fs::read_dir(home.path()).expect("reads").count(), 0, "nothing was made");
}
