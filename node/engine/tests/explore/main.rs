//! Windows, the gate, readies and epochs: every order of a short run, on the real engine, with four members.
//!
//! `cargo test -p beacon-engine --test explore -- --nocapture` prints how much was visited;
//! `BEACON_EXPLORE_CRASHES=2` cuts the power more often, for longer runs. What the rules make of planted bugs is in
//! `sabotage.rs`.

mod scenes;

use scenes::explorer::{Found, explore};
use scenes::{Scene, Writes, epochs, gate, readies, windows};

/// Visits a whole scene and tells how much that was.
fn explored(scene: &Scene, least: usize, kinds: &[&str]) -> Found {
    let found = explore(scene).unwrap_or_else(|violation| panic!("{violation}"));
    let Found { states, transitions, depth, pool, .. } = &found;
    println!("{}: {states} states, {transitions} transitions, {pool} messages, depth {depth}", scene.name);
    println!(
        "  left: {:?}; {} states after a power cut, {} without old keys, head {}",
        found.left, found.restarted, found.erased, found.head
    );
    assert!(*states >= least, "{} states are too few", states);
    assert!(found.restarted > 0 || scene.crashes == 0, "the power is never cut");
    for kind in kinds {
        assert!(found.left.contains_key(kind), "no {kind} ever leaves");
    }
    found
}

#[test]
fn agree_2_every_order_of_the_first_window() {
    explored(&windows::first(), 800, &["commitment", "agreement"]);
}

#[test]
fn agree_7_power_cuts_at_any_point_of_an_agreement() {
    explored(&windows::cut(), 500, &["agreement"]);
}

#[test]
fn agree_2_the_first_window_of_an_epoch_waits_for_its_header() {
    explored(&windows::next(), 90, &["commitment", "agreement", "opening"]);
}

#[test]
fn open_4_every_order_at_the_gate() {
    explored(&gate::gate(), 2_500, &["opening", "ready", "commitment"]);
}

/// The rules notice a disk that reports a decision which it has not written.
#[test]
fn open_4_a_disk_that_reports_too_early_is_noticed() {
    let scene = gate::gate();
    let writes = Writes { lie: true, ..scene.writes };
    let found = explore(&Scene { writes, ..scene });
    let violation = found.expect_err("openings leave before the decision is on the disk");
    println!("{violation}");
    assert!(violation.what.contains("with no decision on the disk"), "{violation}");
}

#[test]
fn recover_2_every_order_of_readies_and_shares() {
    explored(&readies::readies(), 900, &["opening", "ready", "shares", "header vote"]);
}

#[test]
fn epoch_9_every_order_of_a_hand_over() {
    let found = explored(&epochs::hand_over(), 1_000, &["opening", "commitment", "header vote"]);
    assert!(found.erased > 0, "no key is ever erased");
}
