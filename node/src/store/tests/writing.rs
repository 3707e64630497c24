use std::sync::Arc;

use tempfile::tempdir;

use beacon_engine::batch::{Batch, Record};
use beacon_engine::serve::Archive;

use super::fixture::{
    CHAIN, GENESIS, Writing, commitment, commitment_record, decision, open, rounds, seed_record, transcript, wal_record,
};
use crate::store::schema::{Family, number_key};
use crate::store::{Report, Store, StoreError};

#[test]
fn every_record_is_read_back_as_it_was_written() {
    let home = tempdir().expect("temporary directory");
    let store = open(home.path());
    let mut writing = Writing::start(&store, 0);
    let chain = rounds(3, CHAIN, CHAIN);
    let (hash, expected) = commitment(9, 2);
    writing.write(vec![commitment_record(9, 2), Record::Decision(Box::new(decision(4)))]);
    for round in &chain {
        let number = round.beacon.header.round;
        writing.write(vec![round.record(), Record::Transcript(Box::new(transcript(number)))]);
    }
    for round in &chain {
        let number = round.beacon.header.round;
        assert_eq!(store.beacon(number).expect("reads").as_ref(), Some(&*round.beacon));
        assert_eq!(store.transcript(number).expect("reads"), Some(transcript(number)));
        for (position, node) in &round.nodes {
            assert_eq!(store.mmr_node(*position).expect("reads"), Some(*node));
        }
    }
    assert_eq!(store.commitment(9, 2, &hash).expect("reads"), Some(expected));
    assert_eq!(store.decision(4).expect("reads"), Some(decision(4)));
    assert_eq!(store.decided().expect("reads"), 4);
    assert_eq!(Archive::tip(&*store).expect("reads"), Some((3, chain[2].beacon.header.hash())));
    assert_eq!(store.beacon(4).expect("reads"), None);
    assert_eq!(store.mmr_node(4).expect("reads"), None);
}

#[test]
fn ranges_are_read_in_order_and_end_at_the_tip() {
    let home = tempdir().expect("temporary directory");
    let store = open(home.path());
    let mut writing = Writing::start(&store, 0);
    let chain = rounds(300, CHAIN, CHAIN);
    for round in &chain {
        writing.put(vec![round.record()], false);
    }
    writing.settle();
    let read = |from, to| -> Vec<u64> {
        let beacons = store.beacons(from, to).expect("reads");
        beacons.map(|beacon| beacon.expect("decodes").header.round).collect()
    };
    assert_eq!(read(1, 300), (1..=300).collect::<Vec<_>>());
    assert_eq!(read(250, 260), (250..=260).collect::<Vec<_>>());
    assert_eq!(read(299, u64::MAX), vec![299, 300]);
    assert_eq!(read(301, 400), Vec::<u64>::new());
    assert_eq!(read(5, 4), Vec::<u64>::new());
}

#[test]
fn reports_name_the_highest_batch_and_never_go_back() {
    let home = tempdir().expect("temporary directory");
    let store = open(home.path());
    let writing = Writing::start(&store, 0);
    for seq in 1..=1000 {
        let batch = Batch { seq, sync: seq % 10 == 0, records: vec![wal_record(1, seq)] };
        writing.writer.write(batch).expect("runs");
    }
    let mut last = 0;
    let mut reports = 0;
    while last < 1000 {
        let Report::Durable { seq, .. } = writing.reports.recv().expect("reports") else { panic!("a write failed") };
        assert!(seq > last);
        last = seq;
        reports += 1;
    }
    // One report a group: what queues up while the disk works goes out together.
    assert!(reports < 1000, "{reports} reports");
    assert_eq!(store.recover().expect("reads").wal.len(), 1000);
}

#[test]
fn closing_writes_what_is_queued() {
    let home = tempdir().expect("temporary directory");
    let store = open(home.path());
    let mut writing = Writing::start(&store, 0);
    for index in 0..500 {
        writing.put(vec![wal_record(7, index)], false);
    }
    writing.writer.close();
    assert_eq!(store.recover().expect("reads").wal.len(), 500);
    let refused = writing.writer.write(Batch { seq: 501, sync: false, records: Vec::new() });
    assert!(matches!(refused, Err(StoreError::WriterStopped)));
}

#[test]
fn there_is_one_writer() {
    let home = tempdir().expect("temporary directory");
    let store = open(home.path());
    let _writing = Writing::start(&store, 0);
    assert!(matches!(store.writer(0, drop), Err(StoreError::WriterTaken)));
}

#[test]
fn a_failed_write_is_the_last_one() {
    let home = tempdir().expect("temporary directory");
    let mut broken = Store::open(home.path(), CHAIN, GENESIS).expect("a new directory");
    broken.db.drop_cf("wal").expect("this test's own database");
    let store = Arc::new(broken);
    let mut writing = Writing::start(&store, 0);
    writing.put(vec![wal_record(1, 0)], true);
    assert!(matches!(writing.reports.recv(), Ok(Report::Failed(_))));
    // The writer's end of the queue goes as soon as its thread has ended; until then nothing is taken from it.
    let next = || Batch { seq: 2, sync: true, records: vec![seed_record(1)] };
    while writing.writer.write(next()).is_ok() {
        std::thread::yield_now();
    }
    assert!(writing.reports.recv().is_err());
    assert!(store.raw(Family::Seeds, &number_key(1)).expect("reads").is_none());
    assert!(matches!(store.writer(0, drop), Err(StoreError::WriterTaken)));
}

#[test]
fn a_decision_forgets_the_log_of_its_height_alone() {
    let home = tempdir().expect("temporary directory");
    let store = open(home.path());
    let mut writing = Writing::start(&store, 0);
    let logged = vec![wal_record(4, 0), wal_record(5, 0), wal_record(5, u64::MAX), wal_record(6, 0)];
    writing.write(logged);
    writing.write(vec![Record::Decision(Box::new(decision(5)))]);
    let heights: Vec<u64> = store.recover().expect("reads").wal.iter().map(|entry| entry.0).collect();
    assert_eq!(heights, vec![4, 6]);
}

#[test]
fn forgetting_takes_seeds_and_commitments_up_to_the_window() {
    let home = tempdir().expect("temporary directory");
    let store = open(home.path());
    let mut writing = Writing::start(&store, 0);
    for window in 1..=6 {
        writing.write(vec![seed_record(window), commitment_record(window, 0), commitment_record(window, 1)]);
        if window > 2 {
            writing.write(vec![Record::Forget { window: window - 2 }]);
        }
    }
    let recovered = store.recover().expect("reads");
    assert_eq!(recovered.seeds.iter().map(|seed| seed.0).collect::<Vec<_>>(), vec![5, 6]);
    let windows: Vec<u64> = recovered.commitments.iter().map(|commitment| commitment.signed.body.window).collect();
    assert_eq!(windows, vec![5, 5, 6, 6]);
    assert_eq!(store.commitment(4, 0, &commitment(4, 0).0).expect("reads"), None);
}

#[test]
fn records_of_one_batch_keep_their_order() {
    let home = tempdir().expect("temporary directory");
    let store = open(home.path());
    let mut writing = Writing::start(&store, 0);
    writing.write(vec![seed_record(3), Record::Forget { window: 3 }, seed_record(4)]);
    let seeds = store.recover().expect("reads").seeds;
    assert_eq!(seeds.iter().map(|seed| seed.0).collect::<Vec<_>>(), vec![4]);
    assert_eq!(*seeds[0].1.0, [4; 32]);
}

#[test]
fn reading_goes_on_while_the_writer_works() {
    let home = tempdir().expect("temporary directory");
    let store = open(home.path());
    let mut writing = Writing::start(&store, 0);
    let chain = rounds(200, CHAIN, CHAIN);
    let reader = std::thread::spawn({
        let store = Arc::clone(&store);
        move || {
            let mut seen = 0;
            while seen < 200 {
                let tip = store.tip_round();
                assert!(tip >= seen, "the tip never goes back");
                assert_eq!(store.beacons(1, tip).expect("reads").count() as u64, tip);
                seen = tip;
            }
        }
    });
    for round in &chain {
        writing.put(vec![round.record()], false);
    }
    writing.settle();
    reader.join().expect("the reader's assertions hold");
}
