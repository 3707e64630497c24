//! The simulator itself: the same seed gives the same trace, however many threads; what it checks holds on some seeds.
//! Many more seeds are a stage of their own in `testnet/test`.

use beacon_testnet::sim::command::simulate_all;
use beacon_testnet::sim::run::simulate;

#[test]
fn the_same_seed_gives_the_same_trace() {
    let (first, second) = (simulate(7, false), simulate(7, true));
    assert_eq!(first.trace, second.trace);
    assert!(first.rounds >= 20);
    assert!(second.lines.lines().count() > 100, "a trace can be read");
    assert_ne!(first.trace, simulate(8, false).trace);
}

#[test]
fn no_promise_is_broken_whatever_the_number_of_threads() {
    let (one, two) = (simulate_all(&(0..8), 1, false), simulate_all(&(0..8), 2, false));
    assert_eq!(one.trace, two.trace);
    assert_eq!(one.violations, Vec::new());
    assert!(one.rounds >= 160);
}
