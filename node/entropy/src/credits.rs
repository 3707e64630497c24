//! The credits table: how much min-entropy one sample of each source counts for.
//!
//! Every value of class `Noise` lies below the lowest SP 800-90B assessment at hand, most of
//! them below half of it. Three kinds of recording are named: 10^6 samples assessed by NIST's
//! tool, as the low byte of the raw delta and of the delta divided by the clock step (10 ns);
//! 10^6 samples recorded by `beacon-node entropy record` and assessed by NIST's tool v1.1.8 on
//! 2026-11-21, where the clock step is 1 ns and both readings are the same; and 3·10^5 samples
//! assessed by [`crate::assess`], there too. All were taken on virtual machines with two shared,
//! loaded cores; an idle machine gives less, hence the distance. Where a source feeds its
//! operation from a fixed sequence, part of what an estimator sees is that sequence, and the
//! credit is lower still.
//!
//! Generators are credited by policy, because the statistics of a generator's output say
//! nothing about its seed. A source that is not listed counts nothing, and is mixed.

use crate::source::Credit;
use serde::Serialize;

/// One row: the credit and the recording it rests on.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Row {
    pub name: &'static str,
    pub credit: Credit,
    /// Recording, date and the assessed values (raw, ticks), in bits per sample.
    pub basis: &'static str,
}

const fn row(name: &'static str, credit: Credit, basis: &'static str) -> Row {
    Row { name, credit, basis }
}

/// The table, by name.
pub const TABLE: &[Row] = &[
    row("atecc608a", Credit::generator(4000), "policy"),
    row("cache", Credit::noise(500), "1e6 samples, NIST tool, raw 1.65; 3e5 2026-11-20: 4.73"),
    row("cas-contention", Credit::noise(300), "3e5 samples 2026-11-20, 8 bits: 1.23"),
    row("clock", Credit::noise(30), "1e6 samples, NIST tool, raw 0.16, ticks 0.08; 3e5 2026-11-20: 0.20"),
    row("compression", Credit::noise(200), "3e5 samples 2026-11-20, 8 bits: 6.80, inputs follow a sequence"),
    row("cpu-io-beat", Credit::noise(600), "3e5 samples 2026-11-20, 8 bits: 3.93"),
    row("cpu-memory-beat", Credit::noise(500), "3e5 samples 2026-11-20, 8 bits: 2.77"),
    row("denormal", Credit::noise(100), "3e5 samples 2026-11-20, 8 bits: 1.95"),
    row(
        "disk",
        Credit::noise(2000),
        "1e6 samples, NIST tool, raw 6.64, ticks 5.90; 1e6 2026-11-21, NIST tool: 7.23; 3e5 2026-11-20: 6.50",
    ),
    row("dram", Credit::noise(1000), "1e6 2026-11-21, NIST tool: 5.76; 3e5 samples 2026-11-20, 8 bits: 5.68"),
    row("dynamic-loading", Credit::noise(100), "3e5 samples 2026-11-20, 8 bits: 1.06"),
    row("file", Credit::ZERO, "unknown content"),
    row("hash", Credit::noise(30), "1e6 samples, NIST tool, raw 0.65, ticks 0.10; 3e5 2026-11-20: 1.25"),
    row("hwrng", Credit::generator(4000), "policy; 1e6 bytes, NIST tool, 7.24"),
    row("jitterentropy", Credit::generator(2000), "policy: 1/3 bit per delta, as its library claims"),
    row(
        "memory",
        Credit::noise(1500),
        "1e6 samples, NIST tool, raw 4.72, ticks 4.26; 1e6 2026-11-21, NIST tool: 7.20; 3e5 2026-11-20: 6.42",
    ),
    row(
        "multi-domain-beat",
        Credit::noise(1000),
        "1e6 2026-11-21, NIST tool: 6.14; 3e5 samples 2026-11-20, 8 bits: 5.91",
    ),
    row("os", Credit::generator(7000), "policy; 1e6 bytes, NIST tool, 7.10"),
    row("page-fault", Credit::noise(500), "1e6 samples, NIST tool, raw 1.36, ticks 1.33; 3e5 2026-11-20: 2.78"),
    row(
        "pipe",
        Credit::noise(1000),
        "1e6 samples, NIST tool, raw 3.78, ticks 2.93; 1e6 2026-11-21, NIST tool: 4.72; 3e5 2026-11-20: 4.66",
    ),
    row("proc-open", Credit::noise(600), "1e6 samples, NIST tool, raw 3.30, ticks 1.97; 3e5 2026-11-20: 4.01"),
    row("rdrand", Credit::generator(4000), "policy; 1e6 bytes, NIST tool, 7.12"),
    row("rdseed", Credit::generator(4000), "policy"),
    row("sched-yield", Credit::noise(100), "1e6 samples, NIST tool, raw 0.39, ticks 0.29; 3e5 2026-11-20: 1.21"),
    row(
        "sleep",
        Credit::noise(2000),
        "1e6 samples, NIST tool, raw 6.64, ticks 5.23; 1e6 2026-11-21, NIST tool: 6.63; 3e5 2026-11-20: 6.20",
    ),
    row("speculation", Credit::noise(100), "3e5 samples 2026-11-20, 8 bits: 4.27, inputs follow a sequence"),
    row("thread", Credit::noise(1000), "1e6 2026-11-21, NIST tool: 7.36; 3e5 samples 2026-11-20, 8 bits: 6.72"),
    row("timer", Credit::noise(1500), "1e6 2026-11-21, NIST tool: 7.33; 3e5 samples 2026-11-20, 8 bits: 6.75"),
    row("tpm", Credit::generator(4000), "policy"),
    row("udp-loopback", Credit::noise(600), "1e6 samples, NIST tool, raw 2.80, ticks 1.97; 3e5 2026-11-20: 3.46"),
    row("vm-page", Credit::noise(500), "3e5 samples 2026-11-20, 8 bits: 6.32"),
];

/// The credit of a source by name; zero for names the table does not know.
#[must_use]
pub fn of(name: &str) -> Credit {
    TABLE.iter().find(|row| row.name == name).map_or(Credit::ZERO, |row| row.credit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::CreditClass;

    #[test]
    fn the_table_is_sorted_and_unknown_sources_count_nothing() {
        assert!(TABLE.windows(2).all(|w| w[0].name < w[1].name));
        assert_eq!(of("no such source"), Credit::ZERO);
        assert!(TABLE.iter().all(|row| row.credit.millibits <= 8000));
    }

    #[test]
    fn each_noise_credit_is_below_every_value_beside_it() {
        for row in TABLE.iter().filter(|row| row.credit.class == CreditClass::Noise) {
            let words = row.basis.split([' ', ';', ',']);
            let assessed: Vec<f64> =
                words.filter(|word| word.contains('.')).filter_map(|word| word.parse().ok()).collect();
            assert!(!assessed.is_empty(), "{}: no assessment is named", row.name);
            assert!(row.basis.contains("2026-"), "{}: no recording has a date", row.name);
            assert!(assessed.iter().all(|value| row.credit.bits() < *value), "{}: {assessed:?}", row.name);
        }
    }

    #[test]
    fn credit_is_lowered_and_never_raised() {
        assert_eq!(of("sleep").at_most(100), Credit::noise(100));
        assert_eq!(of("sleep").at_most(9000), of("sleep"));
        assert_eq!(of("sleep").at_most(0), Credit::ZERO);
    }
}
