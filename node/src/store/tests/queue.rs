//! The queues of private random blocks.

use tempfile::{TempDir, tempdir};

use crate::store::queue::{BLOCK, Queues, TakeError, Which};

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Home(tempdir().expect("a temporary directory"))
    }

    fn open(&self, capacity: u64) -> Queues {
        Queues::open(&self.0.path().join("queues"), |_| capacity).expect("opens")
    }
}

fn blocks(numbers: impl Iterator<Item = u8>) -> Vec<[u8; BLOCK]> {
    numbers.map(|number| [number; BLOCK]).collect()
}

/// Takes `count` blocks and gives the first byte of each.
fn take(queues: &Queues, skip: u64, count: u64, keep: bool) -> Vec<u8> {
    let taken = queues.take(Which::Trng, skip, count, keep).expect("there are enough");
    assert_eq!(taken.len() as u64, count * BLOCK as u64);
    taken.chunks(BLOCK).map(|block| block[0]).collect()
}

#[test]
fn first_in_first_out_and_never_twice() {
    let home = Home::new();
    let queues = home.open(10);
    queues.push(Which::Trng, &blocks(0..6)).expect("written");
    assert_eq!(take(&queues, 0, 2, false), [0, 1]);
    assert_eq!(take(&queues, 0, 2, false), [2, 3]);
    assert_eq!(take(&queues, 1, 1, false), [5], "an offset passes over");
    assert!(matches!(queues.take(Which::Trng, 0, 1, false), Err(TakeError::TooFew { held: 0, wanted: 1 })));
    let status = queues.status(Which::Trng);
    assert_eq!((status.consumed_count, status.total_generated, status.queue_dropped), (6, 6, 0));
}

#[test]
fn all_or_nothing() {
    let home = Home::new();
    let queues = home.open(10);
    queues.push(Which::Trng, &blocks(0..3)).expect("written");
    assert!(matches!(queues.take(Which::Trng, 0, 4, false), Err(TakeError::TooFew { held: 3, wanted: 4 })));
    assert!(matches!(queues.take(Which::Trng, u64::MAX, 1, false), Err(TakeError::TooFew { .. })));
    assert_eq!(take(&queues, 0, 3, false), [0, 1, 2]);
}

#[test]
fn a_full_queue_drops_the_oldest_and_counts() {
    let home = Home::new();
    let queues = home.open(10);
    queues.push(Which::Trng, &blocks(0..8)).expect("written");
    queues.push(Which::Trng, &blocks(8..13)).expect("written");
    let status = queues.status(Which::Trng);
    assert_eq!((status.queue_current, status.queue_dropped, status.polling_count), (10, 3, 2));
    assert_eq!((status.queue_percentage, status.unconsumed_count), (100.0, 10));
    assert_eq!(take(&queues, 0, 10, false), (3..13).collect::<Vec<u8>>());
}

#[test]
fn resizing_keeps_the_newest() {
    let home = Home::new();
    let queues = home.open(20);
    queues.push(Which::Trng, &blocks(0..20)).expect("written");
    queues.resize(Which::Trng, 12).expect("resized");
    let status = queues.status(Which::Trng);
    assert_eq!((status.queue_capacity, status.queue_current, status.queue_dropped), (12, 12, 8));
    assert_eq!(take(&queues, 0, 1, false), [8]);
    queues.resize(Which::Trng, 1).expect("at least ten");
    assert_eq!(queues.status(Which::Trng).queue_capacity, 10);
    assert_eq!(queues.status(Which::Fortuna).queue_capacity, 20, "each queue has its own");
}

#[test]
fn kept_blocks_are_given_again_and_counted_once() {
    let home = Home::new();
    let queues = home.open(10);
    queues.push(Which::Trng, &blocks(0..4)).expect("written");
    assert_eq!(take(&queues, 0, 2, true), [0, 1]);
    assert_eq!(take(&queues, 0, 3, true), [0, 1, 2]);
    let status = queues.status(Which::Trng);
    assert_eq!((status.queue_current, status.consumed_count, status.unconsumed_count), (4, 3, 1));
    queues.push(Which::Trng, &blocks(4..12)).expect("written");
    assert_eq!(queues.status(Which::Trng).queue_dropped, 0, "what was read is not lost when it makes room");
}

#[test]
fn everything_survives_a_restart() {
    let home = Home::new();
    let queues = home.open(10);
    queues.push(Which::Trng, &blocks(0..12)).expect("written");
    queues.push(Which::Fortuna, &blocks(50..51)).expect("written");
    assert_eq!(take(&queues, 0, 1, false), [2]);
    queues.resize(Which::Trng, 15).expect("resized");
    let before = format!("{:?}", queues.status(Which::Trng));
    drop(queues);
    let queues = home.open(10);
    assert_eq!(format!("{:?}", queues.status(Which::Trng)), before);
    assert_eq!(take(&queues, 0, 1, false), [3]);
    drop(queues);
    let queues = home.open(11);
    assert_eq!(queues.status(Which::Trng).queue_capacity, 11, "a new configuration wins");
    assert_eq!(queues.status(Which::Fortuna).queue_current, 1);
}

#[test]
fn what_has_passed_does_not_stay_on_disk() {
    let home = Home::new();
    let queues = home.open(10);
    for _ in 0..40 {
        queues.push(Which::Trng, &blocks((0..250).cycle().take(1000))).expect("written");
    }
    // 40,000 blocks are 1.3 MB; ten are left.
    assert!(queues.size() < 600_000, "{} bytes", queues.size());
    assert_eq!(queues.status(Which::Trng).queue_dropped, 39_990);
}

#[test]
fn damage_is_named_and_never_given_out() {
    let home = Home::new();
    drop(home.open(10));
    let path = home.0.path().join("queues");
    let db = rocksdb::DB::open_default(&path).expect("opens");
    db.put(b"state/\0", b"short").expect("written");
    drop(db);
    let error = Queues::open(&path, |_| 10).err().expect("refused").to_string();
    assert!(error.contains("queues") && error.contains(&hex::encode(b"state/\0")), "{error}");
}
