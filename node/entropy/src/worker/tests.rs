use super::*;
use crate::source::{Category, Credit, Info, Samples, SourceError};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, atomic::AtomicUsize, atomic::Ordering};
use std::time::Instant;

static INFO: Info = Info {
    name: "scripted",
    description: "a source that does what a test says",
    physics: "none",
    category: Category::External,
    requirements: "",
    samples_per_second: 1,
    burst: 64,
    sample_bytes: 1,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Count,
    Panic,
    Hang,
    Fail,
    Stuck,
}

/// Panics without the hook's printing, which would drown the test's output.
fn crash(message: &'static str) -> ! {
    std::panic::resume_unwind(Box::new(message))
}

/// Acts as told; `Hang` waits for a gate that the test opens by dropping its sender.
struct Scripted {
    act: Arc<Mutex<Act>>,
    gate: Arc<Mutex<Receiver<()>>>,
    next: u64,
    credit: Credit,
}

impl Source for Scripted {
    fn info(&self) -> &'static Info {
        &INFO
    }
    fn credit(&self) -> Credit {
        self.credit
    }
    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let act = *self.act.lock().expect("not poisoned");
        match act {
            Act::Panic => crash("scripted panic"),
            Act::Fail => return Err(SourceError::Hardware("scripted")),
            Act::Hang => {
                // Ends with an error once the test has dropped the sender.
                let _ = self.gate.lock().expect("not poisoned").recv();
            }
            Act::Count | Act::Stuck => {}
        }
        for _ in 0..count {
            self.next = self.next.wrapping_add(1);
            out.push(if act == Act::Stuck { 7 } else { self.next & 0xff });
        }
        Ok(())
    }
}

/// A spec over one scripted source, the handle that changes its act, and the gate.
fn scripted(act: Act, credit: Credit) -> (SourceSpec, Arc<Mutex<Act>>, Sender<()>) {
    let act = Arc::new(Mutex::new(act));
    let (open, gate) = channel();
    let gate = Arc::new(Mutex::new(gate));
    let told = Arc::clone(&act);
    let spec = SourceSpec::custom("scripted", move || {
        let (act, gate) = (Arc::clone(&told), Arc::clone(&gate));
        Box::new(Scripted { act, gate, next: 0, credit })
    });
    (spec, act, open)
}

fn worker(act: Act) -> (WorkerSpec, Arc<Mutex<Act>>, Sender<()>) {
    let (spec, act, open) = scripted(act, Credit::ZERO);
    (WorkerSpec::new([spec]), act, open)
}

fn quick() -> Limits {
    Limits {
        backoff: Duration::from_millis(1),
        backoff_max: Duration::from_millis(5),
        hang_after: Duration::from_millis(40),
        source_rest: Duration::from_millis(1),
        ..Limits::default()
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn one_hung_and_one_panicking_of_five_leave_the_rest_by_the_deadline() {
    let mut gates = Vec::new();
    let specs = [Act::Count, Act::Hang, Act::Count, Act::Panic, Act::Count]
        .map(|act| {
            let (spec, _, open) = worker(act);
            gates.push(open);
            spec
        })
        .to_vec();
    let workers = Workers::start(specs, Limits::default()).expect("threads");
    assert!(workers.wait_started(PATIENCE));
    let deadline = Duration::from_millis(100);
    // A call that waited for the hung worker would be late every time; on a busy machine a
    // single one may be late by the scheduler's fault.
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let collection = workers.collect(deadline);
        quickest = quickest.min(start.elapsed());
        let answered: Vec<u32> = collection.materials.iter().map(|m| m.worker).collect();
        assert_eq!(answered, [0, 2, 4]);
        assert_eq!(collection.absent.get(&1), Some(&Absence::Late));
        assert!(collection.absent.contains_key(&3));
    }
    assert!(quickest <= deadline + Duration::from_millis(10), "{quickest:?}");
}

#[test]
fn a_killed_a_panicked_and_a_hung_worker_come_back() {
    for fault in [Act::Count, Act::Panic, Act::Hang] {
        let (spec, act, gate) = worker(fault);
        let workers = Workers::start(vec![spec], quick()).expect("threads");
        if fault == Act::Count {
            assert!(workers.kill(0));
        } else {
            assert!(workers.collect(Duration::from_millis(10)).materials.is_empty());
        }
        assert!(workers.wait_until(PATIENCE, |status| status[0].restarts >= 1), "{fault:?}");
        *act.lock().expect("not poisoned") = Act::Count;
        let back = workers.wait_until(PATIENCE, |s| s[0].state == WorkerState::Running);
        assert!(back, "{fault:?}");
        assert_eq!(workers.collect(PATIENCE).materials.len(), 1, "{fault:?}");
        drop(gate);
        let returned = workers.wait_until(PATIENCE, |s| s[0].abandoned == 0);
        assert!(returned, "the abandoned thread ends once its source returns");
    }
}

#[test]
fn ten_restarts_are_made_and_then_the_worker_is_failed_until_revived() {
    let built = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&built);
    let spec = SourceSpec::custom("broken", move || {
        // The first eleven threads die while they build their source.
        if count.fetch_add(1, Ordering::SeqCst) < 11 {
            crash("cannot be built");
        }
        Box::new(crate::sources::Os)
    });
    let workers = Workers::start(vec![WorkerSpec::new([spec])], quick()).expect("threads");
    assert!(workers.wait_until(PATIENCE, |s| s[0].state == WorkerState::Failed));
    assert_eq!(workers.status()[0].restarts, 10);
    assert_eq!(built.load(Ordering::SeqCst), 11, "one start and ten restarts");
    assert_eq!(workers.collect(PATIENCE).absent.get(&0), Some(&Absence::Failed));
    assert!(workers.revive(0));
    assert!(workers.wait_started(PATIENCE));
    assert_eq!(workers.collect(PATIENCE).materials.len(), 1);
}

#[test]
fn a_bad_source_rests_while_the_others_of_its_worker_go_on() {
    for fault in [Act::Panic, Act::Fail] {
        let (bad, _, _gate) = scripted(fault, Credit::ZERO);
        let (good, _, _gate2) = scripted(Act::Count, Credit::ZERO);
        let limits = Limits { source_rest: Duration::from_secs(3600), ..quick() };
        let limits = Limits { source_rest_max: Duration::from_secs(3600), ..limits };
        let workers = Workers::start(vec![WorkerSpec::new([bad, good])], limits).expect("threads");
        let _ = workers.collect(PATIENCE);
        assert!(workers.wait_until(PATIENCE, |s| {
            s[0].state == WorkerState::Running && s[0].sources[0].state == SourceState::Resting
        }));
        for _ in 0..3 {
            let collection = workers.collect(PATIENCE);
            assert_eq!(collection.materials.len(), 1);
            assert_eq!(collection.materials[0].drawn.len(), 1);
        }
        let status = workers.status();
        assert!(status[0].restarts <= 1);
        assert_eq!(status[0].sources[0].state, SourceState::Resting);
        assert_eq!(status[0].sources[1].failures, 0);
    }
}

#[test]
fn workers_are_added_and_removed_while_running() {
    let workers = Workers::start(vec![worker(Act::Count).0], quick()).expect("threads");
    assert_eq!(workers.count(), 1);
    let index = workers.add(worker(Act::Count).0);
    assert_eq!((index, workers.count()), (1, 2));
    assert_eq!(workers.collect(PATIENCE).materials.len(), 2);
    assert!(workers.remove(0));
    assert!(!workers.remove(0));
    let collection = workers.collect(PATIENCE);
    assert_eq!(collection.materials.len(), 1);
    assert_eq!(collection.materials[0].worker, 1);
    assert_eq!(workers.add(worker(Act::Count).0), 2, "an index is not used again");
}

#[test]
fn collection_is_parallel() {
    // Each of the four waits until all four are inside their source: only possible when
    // they run at the same time.
    let barrier = Arc::new(std::sync::Barrier::new(4));
    struct Meeting(Arc<std::sync::Barrier>);
    impl Source for Meeting {
        fn info(&self) -> &'static Info {
            &INFO
        }
        fn credit(&self) -> Credit {
            Credit::ZERO
        }
        fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
            self.0.wait();
            out.extend(0..count as u64);
            Ok(())
        }
    }
    let specs = (0..4).map(|_| {
        let barrier = Arc::clone(&barrier);
        WorkerSpec::new([SourceSpec::custom("meeting", move || Box::new(Meeting(Arc::clone(&barrier))))])
    });
    let workers = Workers::start(specs.collect(), Limits::default()).expect("threads");
    assert_eq!(workers.collect(PATIENCE).materials.len(), 4);
}

#[test]
fn a_stuck_source_is_muted_and_nothing_is_counted_until_it_has_started_up_again() {
    let (spec, act, _gate) = scripted(Act::Count, Credit::noise(2000));
    let (other, _, _gate2) = scripted(Act::Count, Credit::ZERO);
    let workers = Workers::start(vec![WorkerSpec::new([spec, other])], quick()).expect("threads");
    assert!(workers.wait_started(PATIENCE));
    let healthy = workers.collect(PATIENCE);
    assert_eq!(healthy.materials[0].drawn[0].credited_bits, 128.0);
    *act.lock().expect("not poisoned") = Act::Stuck;
    let muted = workers.collect(PATIENCE);
    let drawn = &muted.materials[0].drawn[0];
    assert!(drawn.alarm.is_some());
    assert_eq!((drawn.bytes, drawn.credited_bits), (0, 0.0));
    // 64 equal samples at 2 bits pass the permanent cutoff of 31: it needs an operator.
    assert_eq!(workers.status()[0].sources[0].state, SourceState::Muted);
    *act.lock().expect("not poisoned") = Act::Count;
    for _ in 0..20 {
        assert_eq!(workers.collect(PATIENCE).materials[0].drawn[0].credited_bits, 0.0);
    }
    let samples = || workers.status()[0].sources[0].samples;
    let before = samples();
    assert!(workers.revive(0));
    while workers.collect(PATIENCE).materials[0].drawn[0].credited_bits == 0.0 {
        assert!(samples() < before + 4096, "the start-up test is over after 1024 samples");
    }
    // The draw that was credited had 64 samples itself.
    assert!(samples() >= before + 1024 + 64);
}

#[test]
fn a_standalone_worker_is_read_without_mixing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("bytes");
    std::fs::write(&path, b"0123456789").expect("written");
    let spec = WorkerSpec::new([SourceSpec::file(&path)]);
    let worker = Standalone::start(spec, quick()).expect("thread");
    assert_eq!(**worker.read(4, PATIENCE).expect("four"), *b"0123");
    assert_eq!(**worker.read(6, PATIENCE).expect("six"), *b"456789");
    std::fs::write(&path, b"").expect("emptied");
    assert_eq!(worker.read(4, PATIENCE), Err(ReadError::Short { have: 0, want: 4 }));
}
