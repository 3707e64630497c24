use tempfile::tempdir;

use beacon_engine::batch::Record;

use super::fixture::{CHAIN, Writing, open, rounds, transcript};
use crate::store::apply::PRUNE_STEP;

#[test]
fn old_transcripts_go_and_beacons_stay() {
    let home = tempdir().expect("temporary directory");
    let keep = 100;
    let count = 400;
    {
        let store = open(home.path());
        let mut writing = Writing::start(&store, keep);
        for round in rounds(count, CHAIN, CHAIN) {
            let number = round.beacon.header.round;
            let mut records = vec![round.record()];
            if number % 2 == 0 {
                records.push(Record::Transcript(Box::new(transcript(number))));
            }
            writing.put(records, false);
        }
        writing.settle();
    }
    let store = open(home.path());
    let kept: Vec<u64> = (1..=count).filter(|round| store.transcript(*round).expect("reads").is_some()).collect();
    assert_eq!(kept.last(), Some(&count));
    assert!(kept.len() as u64 >= keep / 2, "{} kept", kept.len());
    assert!(kept.len() as u64 <= (keep + PRUNE_STEP).div_ceil(2), "{} kept", kept.len());
    assert!(store.transcript_settled(1).expect("reads"));
    assert!(!store.transcript_settled(count - 1).expect("reads"));
    assert_eq!(store.beacons(1, count).expect("reads").count() as u64, count);
    // What is pruned is not missed, and not taken back when a peer sends it late.
    let missing = store.recover().expect("reads").missing_transcripts;
    assert!(missing.iter().all(|round| *round > count - keep - PRUNE_STEP && round % 2 == 1));
    let mut writing = Writing::start(&store, keep);
    writing.write(vec![Record::Transcript(Box::new(transcript(2)))]);
    assert_eq!(store.transcript(2).expect("reads"), None);
}
