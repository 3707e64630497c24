//! Each checker of the simulator fires on the bugs that it is for, each within 500 seeds, each with a pinned one; and each
//! scene of the explorer finds the bugs that it is for.
//!
//! Built apart, with planted bugs: `cargo test --workspace --features beacon-engine/sabotage --test sabotage`.

#[path = "explore/scenes/mod.rs"]
mod scenes;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use beacon_spec::sabotage::{Bug, MARKER, plant};
use beacon_testnet::sim::check;
use beacon_testnet::sim::run::simulate;

use scenes::explorer::explore;
use scenes::{Scene, epochs, gate, readies, windows};

/// Seeds within which a bug must be found.
const WITHIN: u64 = 500;

/// A bug, a seed that shows it, and the checker that finds it there.
const PINNED: [(Bug, u64, &str); 21] = [
    (Bug::GateRemoved, 2, "secrecy"),
    (Bug::UndecidedOpened, 2, "secrecy"),
    (Bug::ReadyRuleRemoved, 2, "secrecy"),
    (Bug::WalIgnored, 53, "signing"),
    (Bug::SendBeforeFsync, 0, "signing"),
    (Bug::SeedNotKept, 28, "signing"),
    (Bug::QuorumOffByOne, 13, "client"),
    (Bug::QuorumOfAThird, 0, "agreement"),
    (Bug::ThresholdOffByOne, 19, "withholding"),
    (Bug::WeakFiatShamir, 40, "withholding"),
    (Bug::UnboundContext, 21, "secrecy"),
    (Bug::IncompleteIsInvalid, 105, "liveness"),
    (Bug::IdentityRefused, 6, "accusation"),
    (Bug::MixedWithoutTheMissing, 1, "withholding"),
    (Bug::PastWindowsKept, 1, "memory"),
    (Bug::RepetitionIsACrime, 0, "accusation"),
    (Bug::CertificateTooSmall, 0, "client"),
    (Bug::PaceIgnored, 0, "pace"),
    (Bug::ErasedBeforeDisk, 0, "erasure"),
    (Bug::OldKeysTaken, 0, "accusation"),
    (Bug::EarlyRecoveryKept, 143, "liveness"),
];

/// A bug, a scene that shows it, and what the explorer says there.
const EXPLORED: [(Bug, fn() -> Scene, &str); 13] = [
    (Bug::QuorumOfAThird, windows::first, "after 2 prevotes"),
    (Bug::WalIgnored, windows::cut, "two things in one place"),
    (Bug::SendBeforeFsync, windows::cut, "two things in one place"),
    (Bug::PaceIgnored, windows::next, "before header 3"),
    (Bug::GateRemoved, gate::gate, "before its time"),
    (Bug::UndecidedOpened, gate::gate, "not of the decided set"),
    (Bug::ReadyRuleRemoved, readies::readies, "after the gates of"),
    (Bug::ThresholdOffByOne, readies::readies, "without the secret of"),
    (Bug::MixedWithoutTheMissing, readies::readies, "without the secret of"),
    (Bug::SeedNotKept, epochs::hand_over, "before its seed is on the disk"),
    (Bug::SendBeforeFsync, epochs::hand_over, "before its seed is on the disk"),
    (Bug::ErasedBeforeDisk, epochs::hand_over, "no header of a later one on disk"),
    (Bug::OldKeysTaken, epochs::hand_over, "takes a forged ready"),
];

/// The checkers that fire under a bug.
fn fires(bug: Bug, seed: u64) -> BTreeSet<&'static str> {
    plant(Some(bug));
    let outcome = simulate(seed, false);
    plant(None);
    outcome.violations.iter().map(|violation| violation.checker).collect()
}

/// The first seed on which the checker fires, or which checkers fire instead.
fn search(bug: Bug, checker: &str) -> Result<u64, String> {
    let mut others = BTreeMap::new();
    for seed in 0..WITHIN {
        let fired = fires(bug, seed);
        if fired.contains(checker) {
            return Ok(seed);
        }
        for other in fired {
            others.entry(other).or_insert(seed);
        }
    }
    Err(format!("{bug:?} passes {checker} on {WITHIN} seeds; others that fire: {others:?}"))
}

/// What is wrong with a line of the table: another seed, or none.
fn look_up((bug, pinned, checker): (Bug, u64, &str)) -> Result<(), String> {
    if !fires(bug, pinned).contains(checker) {
        let seed = search(bug, checker)?;
        println!("{bug:?}: {checker} fires on seed {seed} instead of {pinned}");
    }
    Ok(())
}

/// A change of the engine changes what its seeds bring about: then the bug is found on another one, which is told so
/// that it can be pinned.
#[test]
fn every_planted_bug_is_found_by_its_checker() {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(line) = PINNED.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(missed) = look_up(*line) {
                        failed.lock().unwrap().push(missed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_bug_is_pinned_or_explored_and_every_checker_fires() {
    let bugs: BTreeSet<Bug> = PINNED.iter().map(|(bug, ..)| *bug).collect();
    let explored: BTreeSet<Bug> = EXPLORED.iter().map(|(bug, ..)| *bug).collect();
    assert_eq!(bugs.union(&explored).copied().collect::<BTreeSet<Bug>>(), Bug::ALL.into_iter().collect());
    assert!(PINNED.iter().all(|(_, seed, _)| *seed < WITHIN));
    let checkers: BTreeSet<&str> = PINNED.iter().map(|(.., checker)| *checker).collect();
    assert_eq!(checkers, check::NAMES.into_iter().collect());
}

#[test]
fn every_planted_bug_is_found_by_its_scene() {
    let mut missed = Vec::new();
    for (bug, scene, told) in EXPLORED {
        let scene = scene();
        plant(Some(bug));
        let found = explore(&scene);
        plant(None);
        match found {
            Err(violation) if violation.what.contains(told) => println!("{bug:?}: {violation}"),
            Err(violation) => missed.push(format!("{bug:?}: {violation}, not {told:?}")),
            Ok(found) => missed.push(format!("{bug:?} passes {}: {found:?}", scene.name)),
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn without_a_planted_bug_the_same_seeds_pass() {
    let seeds: BTreeSet<u64> = PINNED.iter().map(|(_, seed, _)| *seed).collect();
    for seed in seeds {
        let violations = simulate(seed, false).violations;
        assert!(violations.is_empty(), "seed {seed}: {violations:?}");
    }
}

#[test]
fn a_program_with_planted_bugs_holds_the_marker() {
    let own = std::fs::read(std::env::current_exe().expect("a test has a path")).expect("it can be read");
    assert!(own.windows(MARKER.len()).any(|window| window == MARKER.as_bytes()));
}
