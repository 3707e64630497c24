//! The pool as its users see it: known answers over files, and what happens when workers
//! fail.

use beacon_entropy::mix::{self, MixError, Part};
use beacon_entropy::pool::{EntropyPool, PoolConfig, PoolError};
use beacon_entropy::worker::{SourceSpec, WorkerSpec};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

fn write(dir: &Path, files: &[Vec<u8>]) -> Vec<PathBuf> {
    let path = |i| dir.join(format!("worker-{i}"));
    for (i, bytes) in files.iter().enumerate() {
        std::fs::write(path(i), bytes).expect("written");
    }
    (0..files.len()).map(path).collect()
}

fn first_output(files: &[Vec<u8>]) -> [u8; 32] {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pool = EntropyPool::start(PoolConfig::files(write(dir.path(), files))).expect("started");
    *pool.contribution(PATIENCE).expect("a contribution").bytes
}

fn three_files() -> Vec<Vec<u8>> {
    vec![(0..32).collect(), (100..150).collect(), vec![0xab; 64]]
}

#[test]
fn workers_over_files_give_the_known_answer() {
    // Independently: HKDF-SHA3-256 of Python's hmac and hashlib over the framing of the
    // module heads of `mix` and `worker::report`.
    let known = "ee956e1dc249f5794d4e17d8aaf91cabc9143f3f889b5ccb8205bec9e2fbe10d";
    assert_eq!(hex::encode(first_output(&three_files())), known);
}

#[test]
fn any_byte_of_any_worker_changes_the_output() {
    let files = three_files();
    let base = first_output(&files);
    for worker in 0..files.len() {
        for at in [0, files[worker].len() / 2, files[worker].len() - 1] {
            let mut changed = files.clone();
            changed[worker][at] ^= 1;
            assert_ne!(first_output(&changed), base, "worker {worker}, byte {at}");
        }
    }
}

#[test]
fn what_lies_between_two_workers_cannot_be_moved() {
    let mut moved = three_files();
    let byte = moved[1].remove(0);
    moved[0].push(byte);
    assert_ne!(first_output(&moved), first_output(&three_files()));
}

#[test]
fn mixing_states_its_bounds() {
    let bytes = [1u8; 32];
    let part = |index| Part { index, bytes: &bytes };
    let short = Part { index: 3, bytes: &bytes[1..] };
    let mut out = [0u8; 8161];
    assert_eq!(mix::mix(&[part(0)], &mut out), Err(MixError::Output { length: 8161 }));
    assert_eq!(mix::mix(&[part(0)], &mut []), Err(MixError::Output { length: 0 }));
    assert_eq!(mix::mix(&[part(0)], &mut out[..8160]), Ok(()));
    assert_eq!(mix::mix(&[], &mut out[..32]), Err(MixError::Empty));
    assert_eq!(mix::mix(&[part(0), short], &mut out[..32]), Err(MixError::Short { index: 3, length: 31 }));
    assert_eq!(mix::mix(&[part(1), part(1)], &mut out[..32]), Err(MixError::Order { index: 1 }));
    assert_eq!(mix::mix(&[part(1), part(0)], &mut out[..32]), Err(MixError::Order { index: 0 }));
}

#[test]
fn without_any_randomness_there_is_an_error_and_never_bytes() {
    let pool = EntropyPool::start(PoolConfig::files([PathBuf::from("/nonexistent")]));
    let pool = pool.expect("started");
    pool.inject(b"a user's bytes replace nothing");
    let error = pool.contribution(PATIENCE).expect_err("no randomness");
    assert!(matches!(error, PoolError::NoRandomness { fallback: None, .. }), "{error}");
    assert_eq!(pool.status().refused, 1);
    assert!(matches!(EntropyPool::start(PoolConfig::files([])).expect_err("no workers"), PoolError::NoWorkers));
}

#[test]
fn when_all_else_fails_the_os_generator_stands_in_and_says_so() {
    let broken = WorkerSpec::new([SourceSpec::file("/nonexistent")]);
    let config = PoolConfig { workers: vec![broken], ..PoolConfig::default() };
    let pool = EntropyPool::start(config).expect("started");
    let first = pool.contribution(PATIENCE).expect("the operating system's");
    let second = pool.contribution(PATIENCE).expect("the operating system's");
    assert!(first.report.os_only);
    assert_ne!(*first.bytes, *second.bytes);
    let status = pool.status();
    assert_eq!(status.os_only, 2);
    assert!(status.warnings.iter().any(|w| w.contains("generators only")), "{status:?}");
}

#[test]
fn injected_bytes_join_one_contribution_and_count_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pool = EntropyPool::start(PoolConfig::files(write(dir.path(), &three_files())));
    let pool = pool.expect("started");
    let plain = pool.contribution(PATIENCE).expect("a contribution");
    pool.inject(b"dice: 4 1 6");
    let block = pool.block(PATIENCE).expect("a block");
    assert_eq!((block.report.injected, *block.bytes), (0, *plain.bytes), "a block leaves it for the contribution");
    let injected = pool.contribution(PATIENCE).expect("a contribution");
    let after = pool.contribution(PATIENCE).expect("a contribution");
    assert_eq!(injected.report.injected, 11);
    assert_eq!(injected.report.noise_bits + injected.report.generator_bits, 0.0);
    assert_ne!(*plain.bytes, *injected.bytes);
    assert_eq!(*plain.bytes, *after.bytes, "the files repeat and the injection is gone");
}

#[test]
fn the_default_pool_contributes_and_reports() {
    let pool = EntropyPool::start(PoolConfig::default()).expect("started");
    let first = pool.contribution(PATIENCE).expect("a contribution");
    let second = pool.contribution(PATIENCE).expect("a contribution");
    assert_ne!(*first.bytes, *second.bytes);
    assert_eq!(first.report.workers.len(), 3);
    assert!(first.report.workers.iter().all(|w| w.bytes >= 32));
    assert!(first.report.generator_bits >= 256.0);
    assert!(!format!("{first:?}").contains(&format!("{:?}", *first.bytes)));
    let status = pool.status();
    assert_eq!((status.workers_running, status.contributions), (3, 2));
    let json = serde_json::to_value(&status).expect("serializable");
    assert_eq!(json["workers"][0]["sources"][0]["name"], "os");
}

#[test]
fn the_pool_is_shared_between_threads() {
    let pool = std::sync::Arc::new(EntropyPool::start(PoolConfig::default()).expect("started"));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let pool = std::sync::Arc::clone(&pool);
            std::thread::spawn(move || *pool.contribution(PATIENCE).expect("one").bytes)
        })
        .collect();
    let outputs: std::collections::BTreeSet<[u8; 32]> =
        threads.into_iter().map(|t| t.join().expect("no panic")).collect();
    assert_eq!(outputs.len(), 4);
}

#[test]
fn the_generator_is_seeded_from_noise_at_the_start() {
    let pool = EntropyPool::start(PoolConfig::default()).expect("started");
    let random = pool.random();
    let (mut first, mut second) = ([0u8; 32], [0u8; 32]);
    random.fill(&mut first).expect("seeded");
    pool.random().fill(&mut second).expect("seeded");
    assert_ne!(first, second, "clones share one state and never repeat");
    let status = pool.status();
    assert!(status.random.seeded);
    assert_eq!(status.accumulator.extractions, 1, "320 bits of noise came before the output");
    assert!(status.noise_bits >= 320.0);
}

#[test]
fn a_pool_of_files_draws_nothing_from_them_for_the_generator() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let paths = write(dir.path(), &three_files());
    let pool = EntropyPool::start(PoolConfig::files(paths)).expect("started");
    let mut out = [0u8; 32];
    pool.random().fill(&mut out).expect("the operating system's seed");
    assert_eq!(*pool.contribution(PATIENCE).expect("one").bytes, first_output(&three_files()));
}

#[test]
fn peers_bytes_are_mixed_and_never_suffice() {
    let peer = [9u8; 32];
    let output = |peers: &[&[u8]]| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let pool = EntropyPool::start(PoolConfig::files(write(dir.path(), &three_files())));
        let mut out = [0u8; 32];
        pool.expect("started").fill_with(&mut out, PATIENCE, peers).map(|_| out)
    };
    assert_eq!(output(&[]).expect("mixed"), first_output(&three_files()));
    assert_ne!(output(&[&peer]).expect("mixed"), output(&[]).expect("mixed"));
    assert_ne!(output(&[&peer]).expect("mixed"), output(&[&peer, &peer]).expect("mixed"));
    assert!(matches!(output(&[&peer[1..]]), Err(PoolError::Mix(MixError::Short { .. }))));
    let alone = EntropyPool::start(PoolConfig::files([PathBuf::from("/nonexistent")]));
    let refused = alone.expect("started").fill_with(&mut [0u8; 32], PATIENCE, &[&peer]);
    assert!(matches!(refused, Err(PoolError::NoRandomness { .. })));
}

#[test]
fn adversarial_workers_do_not_fix_the_output() {
    // Two of three workers give what an adversary chose, the third reads the operating
    // system. If the choice mattered, equal choices would give equal or related outputs.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let chosen = write(dir.path(), &[vec![0; 64], vec![0xff; 64]]);
    let mut config = PoolConfig::files(chosen);
    config.workers.push(WorkerSpec::named(&["os"]).expect("known"));
    let pool = EntropyPool::start(config).expect("started");
    let mut seen = std::collections::BTreeSet::new();
    let mut ones = 0;
    for _ in 0..256 {
        let bytes = *pool.contribution(PATIENCE).expect("one").bytes;
        ones += bytes.iter().map(|b| b.count_ones()).sum::<u32>();
        assert!(seen.insert(bytes));
    }
    // 65,536 fair bits: 128 is the standard deviation; beyond six once in 5e8.
    assert!(ones.abs_diff(32_768) < 768, "{ones} ones");
}
