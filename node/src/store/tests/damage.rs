//! A damaged value is reported with its place; nothing panics and nothing is made up.

use rocksdb::{DB, Options};
use tempfile::{TempDir, tempdir};

use beacon_engine::batch::Record;
use beacon_engine::serve::Archive;

use super::fixture::{
    CHAIN, GENESIS, Writing, commitment, commitment_record, decision, open, rounds, seed_record, transcript, wal_record,
};
use crate::store::schema::{Family, commitment_key, meta, number_key};
use crate::store::{Store, StoreError};

fn filled() -> TempDir {
    let home = tempdir().expect("temporary directory");
    let store = open(home.path());
    let mut writing = Writing::start(&store, 0);
    for round in rounds(3, CHAIN, CHAIN) {
        let number = round.beacon.header.round;
        writing.write(vec![round.record(), Record::Transcript(Box::new(transcript(number)))]);
    }
    writing.write(vec![Record::Decision(Box::new(decision(3))), commitment_record(3, 1), seed_record(3)]);
    writing.write(vec![wal_record(4, 0)]);
    home
}

/// Changes one stored value behind the store's back.
fn change(home: &TempDir, family: Family, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let db = DB::open_cf(&Options::default(), home.path(), Family::ALL.map(Family::name)).expect("closed before");
    let handle = db.cf_handle(family.name()).expect("in the list");
    let mut value = db.get_cf(handle, key).expect("reads").expect("the fixture wrote it");
    change(&mut value);
    db.put_cf(handle, key, value).expect("writes");
}

fn place(error: &StoreError) -> (&'static str, String) {
    match error {
        StoreError::Damaged { family, key, .. } => (family, key.clone()),
        other => panic!("not damage: {other}"),
    }
}

#[test]
fn a_value_cut_short_names_family_and_key() {
    let (hash, _) = commitment(3, 1);
    type Read = fn(&Store) -> Result<(), StoreError>;
    let cases: [(Family, Vec<u8>, Read); 5] = [
        (Family::Beacons, number_key(2).to_vec(), |store| store.beacon(2).map(drop)),
        (Family::Transcripts, number_key(2).to_vec(), |store| store.transcript(2).map(drop)),
        (Family::Mmr, number_key(1).to_vec(), |store| store.mmr_node(1).map(drop)),
        (Family::Decisions, number_key(3).to_vec(), |store| store.decision(3).map(drop)),
        (Family::Commitments, commitment_key(3, 1, &hash).to_vec(), |store| {
            store.commitment(3, 1, &commitment(3, 1).0).map(drop)
        }),
    ];
    for (family, key, read) in cases {
        let home = filled();
        change(&home, family, &key, |value| value.truncate(value.len() - 1));
        let error = read(&open(home.path())).expect_err("the value is too short");
        assert_eq!(place(&error), (family.name(), hex::encode(&key)));
        assert!(error.to_string().contains(family.name()));
    }
}

#[test]
fn recovery_refuses_what_it_cannot_read() {
    for (family, key) in [
        (Family::Beacons, number_key(3).to_vec()),
        (Family::Decisions, number_key(3).to_vec()),
        (Family::Commitments, commitment_key(3, 1, &commitment(3, 1).0).to_vec()),
        (Family::Seeds, number_key(3).to_vec()),
    ] {
        let home = filled();
        change(&home, family, &key, |value| value.truncate(value.len() - 1));
        let error = open(home.path()).recover().expect_err("a value is too short");
        assert_eq!(place(&error), (family.name(), hex::encode(&key)));
    }
}

#[test]
fn a_value_under_the_wrong_key_is_damage() {
    let home = filled();
    let beacon = rounds(3, CHAIN, CHAIN)[0].beacon.clone();
    change(&home, Family::Beacons, &number_key(2), |value| *value = beacon_spec::codec::encode(&*beacon));
    let store = open(home.path());
    assert_eq!(place(&store.beacon(2).expect_err("round 1")), ("beacons", hex::encode(number_key(2))));
    let range: Result<Vec<_>, _> = store.beacons(1, 3).expect("opens").collect();
    assert_eq!(place(&range.expect_err("round 1 twice")), ("beacons", hex::encode(number_key(2))));
}

#[test]
fn a_hole_between_rounds_is_damage() {
    let home = filled();
    let db = DB::open_cf(&Options::default(), home.path(), Family::ALL.map(Family::name)).expect("closed before");
    db.delete_cf(db.cf_handle("beacons").expect("in the list"), number_key(2)).expect("writes");
    drop(db);
    let range: Result<Vec<_>, _> = open(home.path()).beacons(1, 3).expect("opens").collect();
    assert_eq!(place(&range.expect_err("no round 2")), ("beacons", hex::encode(number_key(2))));
}

#[test]
fn a_tip_that_is_not_the_stored_header_is_damage() {
    let home = filled();
    change(&home, Family::Meta, meta::TIP, |value| value[8] ^= 1);
    let error = open(home.path()).recover().expect_err("another header hash");
    assert_eq!(place(&error).0, "meta");
}

#[test]
fn another_genesis_under_the_same_chain_hash_is_damage() {
    let home = filled();
    change(&home, Family::Meta, meta::GENESIS, |value| value[0] ^= 1);
    let error = Store::open(home.path(), CHAIN, GENESIS).err().expect("refused");
    assert_eq!(place(&error), ("meta", hex::encode(meta::GENESIS)));
}

#[test]
fn a_flipped_byte_in_a_table_is_found_by_its_checksum() {
    let home = filled();
    {
        let db = DB::open_cf(&Options::default(), home.path(), Family::ALL.map(Family::name)).expect("closed before");
        db.flush_cf(db.cf_handle("beacons").expect("in the list")).expect("writes the table");
    }
    // The beacons make the largest of the small tables; its first block begins the file.
    let files = std::fs::read_dir(home.path()).expect("reads").map(|entry| entry.expect("reads").path());
    let tables = files.filter(|path| path.extension().is_some_and(|end| end == "sst"));
    let table = tables.max_by_key(|path| std::fs::metadata(path).expect("exists").len()).expect("it was flushed");
    let mut bytes = std::fs::read(&table).expect("reads");
    bytes[20] ^= 1;
    std::fs::write(&table, bytes).expect("writes");
    let store = open(home.path());
    assert_eq!(place(&store.beacon(1).expect_err("a checksum fails")), ("beacons", hex::encode(number_key(1))));
}
