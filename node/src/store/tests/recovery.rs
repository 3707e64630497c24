//! What comes back after a stop, a kill, and a power cut.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::tempdir;

use beacon_engine::batch::Record;

use super::fixture::{
    CHAIN, Writing, commitment, commitment_record, decision, open, rounds, seed_record, transcript, wal_record,
};
use crate::store::Store;

/// The files as they are, which is what a killed process leaves behind.
fn image(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("temporary directory");
    for entry in fs::read_dir(from).expect("reads") {
        let entry = entry.expect("reads");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
    }
}

/// The newest log of RocksDB.
fn newest_log(path: &Path) -> PathBuf {
    let names = fs::read_dir(path).expect("reads").map(|entry| entry.expect("reads").path());
    names.filter(|path| path.extension().is_some_and(|end| end == "log")).max().expect("an open database has a log")
}

#[test]
fn all_is_there_after_a_stop() {
    let home = tempdir().expect("temporary directory");
    let chain = rounds(5, CHAIN, CHAIN);
    {
        let store = open(home.path());
        let mut writing = Writing::start(&store, 0);
        for round in &chain {
            writing.write(vec![round.record(), Record::Decision(Box::new(decision(round.beacon.header.round)))]);
        }
        writing.write(vec![Record::Decision(Box::new(decision(6))), seed_record(7), commitment_record(7, 3)]);
        writing.write(vec![wal_record(7, 0), wal_record(7, 1), Record::Transcript(Box::new(transcript(4)))]);
    }
    let recovered = open(home.path()).recover().expect("reads");
    let (beacon, mmr) = recovered.tip.expect("there is a tip");
    assert_eq!(beacon, *chain[4].beacon);
    assert_eq!(mmr, chain[4].mmr);
    assert_eq!(recovered.decisions, vec![decision(4), decision(5), decision(6)], "from the window before the tip's");
    assert_eq!(recovered.commitments, vec![commitment(7, 3).1]);
    assert_eq!(recovered.seeds.len(), 1);
    assert_eq!(recovered.wal, vec![(7, 0, vec![7, 0]), (7, 1, vec![7, 1])]);
    assert_eq!(recovered.missing_transcripts, vec![1, 2, 3, 5]);
}

#[test]
fn a_killed_process_loses_nothing_that_was_reported() {
    let home = tempdir().expect("temporary directory");
    let store = open(&home.path().join("live"));
    let mut writing = Writing::start(&store, 0);
    let chain = rounds(20, CHAIN, CHAIN);
    for round in &chain {
        writing.put(vec![round.record()], false);
    }
    writing.settle();
    image(&home.path().join("live"), &home.path().join("killed"));
    let killed = open(&home.path().join("killed"));
    assert_eq!(killed.tip_round(), 20);
    assert_eq!(killed.beacons(1, 20).expect("reads").filter(Result::is_ok).count(), 20);
}

#[test]
fn a_power_cut_tears_off_whole_batches() {
    let home = tempdir().expect("temporary directory");
    let live = home.path().join("live");
    let store = open(&live);
    let mut writing = Writing::start(&store, 0);
    let chain = rounds(8, CHAIN, CHAIN);
    writing.write(chain[..4].iter().map(|round| round.record()).collect());
    let synced = fs::metadata(newest_log(&live)).expect("exists").len();
    for round in &chain[4..] {
        writing.put(vec![round.record()], false);
        writing.settle();
    }
    let full = fs::metadata(newest_log(&live)).expect("exists").len();
    // Whatever part of the unsynced log reached the disk: a prefix of the batches is there, each whole or not at all.
    for (number, cut) in (synced..=full).step_by(97).enumerate() {
        let copy = home.path().join(format!("cut-{number}"));
        image(&live, &copy);
        let log = fs::OpenOptions::new().write(true).open(newest_log(&copy)).expect("opens");
        log.set_len(cut).expect("truncates");
        let store = open(&copy);
        let tip = store.tip_round();
        assert!((4..=8).contains(&tip), "tip {tip}");
        let recovered = store.recover().expect("reads").tip.expect("there is a tip");
        assert_eq!(recovered.0, *chain[tip as usize - 1].beacon);
        assert_eq!(recovered.1, chain[tip as usize - 1].mmr);
        assert_eq!(store.beacons(1, u64::MAX).expect("reads").count() as u64, tip);
    }
}

#[test]
fn a_log_damaged_before_its_end_is_refused_not_rolled_back() {
    let home = tempdir().expect("temporary directory");
    let live = home.path().join("live");
    let store = open(&live);
    let mut writing = Writing::start(&store, 0);
    let chain = rounds(8, CHAIN, CHAIN);
    for round in &chain {
        writing.write(vec![round.record()]);
    }
    let copy = home.path().join("damaged");
    image(&live, &copy);
    let path = newest_log(&copy);
    let mut bytes = fs::read(&path).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("writes");
    let refused = Store::open(&copy, CHAIN, super::fixture::GENESIS).err().expect("refused");
    assert!(refused.to_string().contains("orrupt"), "{refused}");
}

#[test]
fn transcripts_are_missed_until_they_come_in_whatever_order() {
    let home = tempdir().expect("temporary directory");
    let store = open(home.path());
    let mut writing = Writing::start(&store, 0);
    let chain = rounds(4, CHAIN, CHAIN);
    let learned = |round| Record::Transcript(Box::new(transcript(round)));
    writing.write(vec![learned(1), chain[0].record()]);
    writing.write(vec![learned(2)]);
    writing.write(vec![chain[1].record()]);
    writing.write(vec![chain[2].record(), chain[3].record()]);
    assert_eq!(store.recover().expect("reads").missing_transcripts, vec![3, 4]);
    writing.write(vec![learned(3)]);
    assert_eq!(store.recover().expect("reads").missing_transcripts, vec![4]);
    writing.write(vec![learned(4)]);
    assert_eq!(store.recover().expect("reads").missing_transcripts, Vec::<u64>::new());
}
