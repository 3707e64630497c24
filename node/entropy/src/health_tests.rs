use super::*;
use sha3::{Digest, Sha3_256};

/// A deterministic stream of uniform bytes.
fn uniform(seed: u8, count: usize) -> Vec<u8> {
    let blocks = (0u64..)
        .flat_map(|counter| Sha3_256::new().chain_update([seed]).chain_update(counter.to_be_bytes()).finalize());
    blocks.take(count).collect()
}

#[test]
fn cutoffs_are_the_published_ones() {
    let apt = |window, h| apt_cutoff(window, h, 20);
    assert_eq!([0.5, 1.0, 2.0, 4.0, 8.0].map(|h| apt(512, h)), [410, 311, 177, 62, 13]);
    assert_eq!([0.2, 0.4, 0.6, 0.8, 1.0].map(|h| apt(1024, h)), [941, 840, 748, 664, 589]);
    assert_eq!([20, 30, 40, 60].map(|alpha| rct_cutoff(1.0, alpha)), [21, 31, 41, 61]);
    assert_eq!([20, 30, 40, 60].map(|alpha| apt_cutoff(512, 1.0, alpha)), [311, 325, 336, 355]);
}

#[test]
fn a_good_source_starts_after_1024_samples_and_stays() {
    let mut health = Health::new(7.0, false);
    let samples = uniform(1, 200_000);
    assert_eq!(health.feed_all(samples[..1023].iter().copied()), None);
    assert_eq!((health.state(), health.startup_left()), (State::StartUp, 1));
    assert_eq!(health.feed_all(samples[1023..].iter().copied()), None);
    assert_eq!((health.state(), health.startup_left()), (State::Healthy, 0));
}

fn started(h: f64) -> Health {
    let mut health = Health::new(h, false);
    assert_eq!(health.feed_all(uniform(2, 1024)), None);
    assert_eq!(health.state(), State::Healthy);
    health
}

#[test]
fn a_stuck_source_is_muted_at_the_first_cutoff_and_failed_at_the_second() {
    let mut health = started(1.0);
    let stuck = std::iter::repeat_n(77u8, 100);
    let alarms: Vec<(usize, Alarm)> =
        stuck.enumerate().filter_map(|(i, s)| health.feed(s).map(|a| (i + 1, a))).collect();
    let rct = |level| Alarm { test: Test::RepetitionCount, level };
    assert_eq!(alarms[0], (31, rct(Level::Intermittent)));
    assert_eq!(alarms[30], (61, rct(Level::Permanent)));
    assert_eq!(health.state(), State::Failed);
    // Good samples do not bring a failed source back; arming and a full start-up do.
    health.feed_all(uniform(3, 5000));
    assert_eq!(health.state(), State::Failed);
    health.arm();
    assert_eq!(health.feed_all(uniform(4, 1023)), None);
    assert_eq!(health.state(), State::StartUp);
    health.feed(9);
    assert_eq!(health.state(), State::Healthy);
}

#[test]
fn a_short_fault_recovers_only_through_the_start_up_test() {
    let mut health = started(2.0);
    let alarm = health.feed_all(std::iter::repeat_n(5u8, 20)).expect("20 repeats at H = 2");
    assert_eq!(alarm.level, Level::Intermittent);
    assert_eq!(health.state(), State::StartUp);
    health.feed_all(uniform(5, 1000));
    assert_eq!(health.state(), State::StartUp);
    health.feed_all(uniform(6, 600));
    assert_eq!(health.state(), State::Healthy);
}

/// `bias` of 256 symbols are replaced by zero.
fn biased(seed: u8, count: usize, bias: impl Fn(usize) -> u8) -> impl Iterator<Item = u8> {
    let values = uniform(seed, count);
    let coins = uniform(seed.wrapping_add(100), count);
    values.into_iter().zip(coins).enumerate().map(move |(i, (v, c))| if c < bias(i) { 0 } else { v })
}

#[test]
fn a_biased_source_is_caught_by_the_adaptive_proportion_test() {
    let mut health = started(4.0);
    let alarm = health.feed_all(biased(7, 20_000, |_| 160)).expect("5/8 zeros at H = 4");
    assert_eq!(alarm.test, Test::AdaptiveProportion);
    assert_ne!(health.state(), State::Healthy);
}

#[test]
fn a_slowly_degrading_source_is_caught_before_it_is_worthless() {
    let mut health = started(4.0);
    let total = 256 * 2000;
    let caught = biased(8, total, |i| u8::try_from(i / 2000).unwrap_or(255))
        .position(|symbol| health.feed(symbol).is_some())
        .expect("caught");
    // 2^-4 is 16 of 256; at 80 of 256 the true min-entropy has fallen below 1.7 bits.
    assert!(caught / 2000 < 80, "caught at bias {} of 256", caught / 2000);
}

#[test]
fn an_alternating_source_is_caught_by_the_adaptive_proportion_test() {
    let mut health = started(2.0);
    let alarm = health.feed_all((0..2048u32).map(|i| if i % 2 == 0 { 3 } else { 200 }));
    assert_eq!(alarm.map(|a| a.test), Some(Test::AdaptiveProportion));
    assert_ne!(health.state(), State::Healthy);
}

#[test]
fn start_up_tests_that_keep_failing_are_permanent() {
    let mut health = Health::new(2.0, false);
    let mut worst = None;
    for round in 0..STARTUP_TRIES as usize * 10 {
        worst = worse(worst, health.feed_all(uniform(9, 100)));
        worst = worse(worst, health.feed_all(std::iter::repeat_n(round as u8, 18)));
    }
    assert_eq!(worst, Some(Alarm { test: Test::StartUp, level: Level::Permanent }));
    assert_eq!(health.state(), State::Failed);
}
