use super::*;
use crate::drbg::Drbg;

fn random(seed: u32, count: usize) -> Vec<u8> {
    let mut out = vec![0; count];
    Drbg::new(&seed.to_be_bytes()).fill(&mut out);
    out
}

#[test]
fn a_megabit_of_good_bytes_passes_all_thirty_one() {
    // The seed is one whose random walk has enough cycles for the excursions.
    let report = run_all(&random(7, 125_000));
    assert_eq!((report.lines.len(), report.run), (31, 31));
    assert_eq!(report.failed, 0);
    assert!(report.quality > 0.95);
}

#[test]
fn each_test_is_right_about_as_often_as_it_says() {
    // 300 good streams. A test that is off by the usual mistakes (a factor of two in the
    // variance, a wrong number of degrees of freedom) leaves these bounds by far.
    const STREAMS: u32 = 300;
    let mut small = [0u32; TESTS.len()];
    let mut low_half = [0u32; TESTS.len()];
    let mut run = [0u32; TESTS.len()];
    for seed in 0..STREAMS {
        let bytes = random(1000 + seed, 8192);
        let data = Data::new(&bytes);
        for (i, (_, _, test)) in TESTS.iter().enumerate() {
            for p in test(&data).iter().flatten() {
                run[i] += 1;
                small[i] += u32::from(*p < 0.02);
                low_half[i] += u32::from(*p < 0.5);
            }
        }
    }
    for (i, (_, name, _)) in TESTS.iter().enumerate() {
        let share = |count: u32| f64::from(count) / f64::from(run[i]);
        if run[i] == 0 || ["Compression", "Kolmogorov Complexity"].contains(name) {
            // Codes only bound the probability; of good bytes they save nothing.
            assert_eq!(small[i], 0, "{name}");
            continue;
        }
        assert!(share(small[i]) < 0.05, "{name}: {} below 0.02", share(small[i]));
        let half = share(low_half[i]);
        // The largest count takes few values, so its p-values are coarse and err upwards.
        let least = if *name == "Min-Entropy" { 0.25 } else { 0.38 };
        assert!((least..0.62).contains(&half), "{name}: {half} below one half");
    }
}

#[test]
fn bad_streams_are_seen_by_many_tests() {
    let counter: Vec<u8> = (0..50_000u32).flat_map(|i| i.to_be_bytes()).collect();
    let text: Vec<u8> = b"the quick brown fox ".iter().copied().cycle().take(125_000).collect();
    let biased: Vec<u8> = random(2, 125_000).iter().zip(random(3, 125_000)).map(|(a, b)| a & b).collect();
    let repeated: Vec<u8> = random(4, 1000).into_iter().cycle().take(125_000).collect();
    for (name, bytes, least) in [
        ("zeros", vec![0; 125_000], 20),
        ("counter", counter, 20),
        ("text", text, 20),
        ("biased", biased, 18),
        ("repeated", repeated, 5),
    ] {
        let report = run_all(&bytes);
        assert!(report.failed >= least, "{name}: only {} fail", report.failed);
        assert!(report.quality < 0.9, "{name}: {}", report.quality);
    }
}

#[test]
fn short_input_is_skipped_and_reported() {
    for length in [0, 1, 100, 999, 2000] {
        let report = run_all(&random(5, length));
        assert_eq!(report.lines.len(), 31);
        assert!(report.lines.iter().all(|l| l.p.is_some() != l.outcome.skipped.is_some()));
    }
    let json = serde_json::to_value(run_all(&[])).expect("serializable");
    assert_eq!(json["lines"][0]["skipped"]["too_short"]["bits"], 100);
    assert_eq!(json["quality"], 0.0);
}
