//! Rules of specs/schedule.md, at every boundary and at the ends of u64.

use beacon_spec::reject::Reject;
use beacon_spec::schedule::Schedule;
use proptest::prelude::*;
use serde::Deserialize;

const START: u64 = 1_700_000_000_000;
const MAX: u64 = u64::MAX;

fn schedule(genesis_time: u64, period: u64, window: u64, epoch_windows: u64) -> Schedule {
    Schedule { genesis_time, period, window, epoch_windows }
}

#[derive(Deserialize)]
struct Vectors {
    rounds: Vec<RoundCase>,
    windows: Vec<WindowCase>,
    times: Vec<TimeCase>,
}

#[derive(Deserialize)]
struct Number(#[serde(with = "beacon_spec::codec::number")] u64);

/// A number, or the code of the reason why there is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Refused { reject: String },
    Given(Number),
}

impl Answer {
    fn check(&self, result: Result<u64, Reject>) {
        match self {
            Answer::Given(number) => assert_eq!(result, Ok(number.0)),
            Answer::Refused { reject } => assert_eq!(result.map_err(Reject::code), Err(reject.as_str())),
        }
    }
}

#[derive(Deserialize)]
struct RoundCase {
    schedule: Schedule,
    round: Number,
    time: Answer,
    window: Number,
    epoch: Number,
    last_of_epoch: bool,
}

#[derive(Deserialize)]
struct WindowCase {
    schedule: Schedule,
    window: Number,
    /// First and last round; nothing for a window without rounds.
    rounds: Option<(Number, Number)>,
    epoch: Number,
    last_window_of_epoch: Number,
}

#[derive(Deserialize)]
struct TimeCase {
    schedule: Schedule,
    time: Number,
    round: Answer,
}

#[test]
fn schedule_vectors() {
    let vectors: Vectors = serde_json::from_str(include_str!("../vectors/schedule.json")).expect("the vector file");
    for case in &vectors.rounds {
        case.time.check(case.schedule.time_of(case.round.0));
        assert_eq!(case.schedule.window_of(case.round.0), case.window.0);
        assert_eq!(case.schedule.epoch_of(case.round.0), case.epoch.0);
        assert_eq!(case.schedule.is_last_round_of_epoch(case.round.0), case.last_of_epoch);
    }
    for case in &vectors.windows {
        let rounds = case.schedule.rounds_of(case.window.0);
        match &case.rounds {
            Some((first, last)) => assert_eq!(rounds, first.0..=last.0),
            None => assert!(rounds.is_empty()),
        }
        assert_eq!(case.schedule.epoch_of_window(case.window.0), case.epoch.0);
        assert_eq!(case.schedule.last_window_of_epoch(case.epoch.0), case.last_window_of_epoch.0);
    }
    for case in &vectors.times {
        case.round.check(case.schedule.round_at(case.time.0));
    }
    assert!(vectors.rounds.len() >= 20 && vectors.windows.len() >= 10 && vectors.times.len() >= 10);
}

#[test]
fn schedule_2_due_times() {
    let every_second = schedule(START, 1000, 1, 4);
    let due = [(0, START), (1, START), (2, START + 1000), (1_000_001, START + 1_000_000_000)];
    for (round, time) in due {
        assert_eq!(every_second.time_of(round), Ok(time));
    }
    assert_eq!(every_second.time_of(MAX), Err(Reject::NoSuchTime));
    let last = (MAX - START) / 1000 + 1;
    assert_eq!(every_second.time_of(last), Ok(START + (last - 1) * 1000));
    assert_eq!(every_second.time_of(last + 1), Err(Reject::NoSuchTime));
    assert_eq!(schedule(START, 0, 1, 4).time_of(MAX), Ok(START));
    assert_eq!(schedule(MAX, MAX, 1, 4).time_of(1), Ok(MAX));
    assert_eq!(schedule(MAX, 1, 1, 4).time_of(2), Err(Reject::NoSuchTime));
    assert_eq!(schedule(0, 1, 1, 4).time_of(MAX), Ok(MAX - 1));
}

#[test]
fn schedule_3_rounds_at_a_time() {
    let every_second = schedule(START, 1000, 1, 4);
    assert_eq!(every_second.round_at(0), Err(Reject::NoSuchTime));
    assert_eq!(every_second.round_at(START - 1), Err(Reject::NoSuchTime));
    let due = [(START, 1), (START + 999, 1), (START + 1000, 2), (START + 1001, 2), (START + 2000, 3)];
    for (time, round) in due {
        assert_eq!(every_second.round_at(time), Ok(round));
    }
    assert_eq!(schedule(START, 0, 1, 4).round_at(START), Err(Reject::NoSuchTime));
    assert_eq!(schedule(START, 0, 1, 4).round_at(MAX), Err(Reject::NoSuchTime));
    assert_eq!(schedule(0, 1, 1, 4).round_at(MAX), Ok(MAX));
    assert_eq!(schedule(0, 1, 1, 4).round_at(MAX - 1), Ok(MAX));
    assert_eq!(schedule(MAX, MAX, 1, 4).round_at(MAX), Ok(1));
}

#[test]
fn schedule_4_windows() {
    let by_three = schedule(START, 1000, 3, 4);
    assert_eq!([0, 1, 2, 3, 4, 6, 7].map(|round| by_three.window_of(round)), [0, 1, 1, 1, 2, 2, 3]);
    assert_eq!(by_three.rounds_of(1), 1..=3);
    assert_eq!(by_three.rounds_of(2), 4..=6);
    assert!(by_three.rounds_of(0).is_empty());
    // 2^64 − 1 is divisible by three, so the last window is whole and nothing follows it.
    assert_eq!(by_three.rounds_of(MAX / 3), MAX - 2..=MAX);
    assert!(by_three.rounds_of(MAX / 3 + 1).is_empty());
    assert!(by_three.rounds_of(MAX).is_empty());
    // With K = 64 the last window lacks round 2^64.
    let widest = schedule(START, 1000, 64, 4);
    assert_eq!(widest.window_of(MAX), 1 << 58);
    assert_eq!(widest.rounds_of(1 << 58), MAX - 62..=MAX);
    assert!(widest.rounds_of((1 << 58) + 1).is_empty());
    assert_eq!(schedule(START, 0, 1, 4).rounds_of(MAX), MAX..=MAX);
}

#[test]
fn schedule_5_epochs() {
    let by_three = schedule(START, 1000, 3, 4);
    assert_eq!([0, 1, 4, 5, 8, 9].map(|window| by_three.epoch_of_window(window)), [0, 1, 1, 2, 2, 3]);
    assert_eq!([0, 1, 12, 13, 24, 25].map(|round| by_three.epoch_of(round)), [0, 1, 1, 2, 2, 3]);
    assert_eq!(schedule(START, 1000, 64, MAX).epoch_of(MAX), 1);
}

#[test]
fn schedule_6_ends_of_epochs() {
    let by_three = schedule(START, 1000, 3, 4);
    assert_eq!([0, 1, 2].map(|epoch| by_three.last_window_of_epoch(epoch)), [0, 4, 8]);
    assert_eq!(by_three.last_window_of_epoch(MAX), MAX);
    let last: Vec<u64> = (0..=36).filter(|round| by_three.is_last_round_of_epoch(*round)).collect();
    assert_eq!(last, [12, 24, 36]);
    assert!(!schedule(START, 1000, 64, MAX).is_last_round_of_epoch(MAX));
    assert!(schedule(START, 1000, 1, MAX).is_last_round_of_epoch(MAX));
}

#[test]
fn schedule_1_a_zero_reads_as_one() {
    let broken = schedule(START, 1000, 0, 0);
    assert_eq!((broken.window_of(7), broken.rounds_of(7), broken.epoch_of(7)), (7, 7..=7, 7));
    assert!(broken.is_last_round_of_epoch(7));
    assert_eq!(broken.last_window_of_epoch(7), 7);
}

/// Small numbers, and numbers near both ends of u64.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..200_u64, Just(START), MAX - 200..=MAX, any::<u64>()]
}

proptest! {
    #[test]
    fn schedule_3_round_at_inverts_time_of(genesis in number(), period in number(), time in number(), round in number()) {
        let plan = schedule(genesis, period, 1, 4);
        if let Ok(found) = plan.round_at(time) {
            prop_assert!(found >= 1 && plan.time_of(found).expect("it is due by then") <= time);
            if let Some(Ok(next)) = found.checked_add(1).map(|next| plan.time_of(next)) {
                prop_assert!(next > time);
            }
        } else {
            prop_assert!(period == 0 || time < genesis);
        }
        if let (Ok(due), 1..) = (plan.time_of(round), period) {
            prop_assert_eq!(plan.round_at(due), Ok(round.max(1)));
        }
    }

    #[test]
    fn schedule_4_rounds_of_inverts_window_of(k in 1..=64_u64, round in number(), window in number()) {
        let plan = schedule(START, 1000, k, 4);
        prop_assert_eq!(plan.rounds_of(plan.window_of(round)).contains(&round), round > 0);
        let rounds = plan.rounds_of(window);
        if !rounds.is_empty() {
            prop_assert_eq!((plan.window_of(*rounds.start()), plan.window_of(*rounds.end())), (window, window));
        }
    }

    #[test]
    fn schedule_6_last_rounds_end_epochs(k in 1..=64_u64, e in prop_oneof![4..40_u64, number()], round in number()) {
        let plan = schedule(START, 1000, k, e.max(4));
        let ends = round > 0 && round < MAX && plan.epoch_of(round) != plan.epoch_of(round.saturating_add(1));
        prop_assert!(round == MAX || plan.is_last_round_of_epoch(round) == ends);
        let window = plan.window_of(round);
        prop_assert!(window <= plan.last_window_of_epoch(plan.epoch_of(round)));
        if plan.is_last_round_of_epoch(round) {
            prop_assert_eq!(window, plan.last_window_of_epoch(plan.epoch_of(round)));
        }
    }
}
