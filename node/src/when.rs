//! Times as RFC 3339 has them, in UTC.

/// Unix milliseconds as `2026-11-21T13:50:00Z`.
pub fn rfc3339(millis: u64) -> String {
    let (day, time) = parts(millis / 1000);
    format!("{day}T{time}Z")
}

/// The same to the millisecond: `2026-11-21T13:50:00.250Z`.
pub fn rfc3339_millis(millis: u64) -> String {
    let (day, time) = parts(millis / 1000);
    format!("{day}T{time}.{:03}Z", millis % 1000)
}

/// The day and the time of day of Unix seconds.
fn parts(seconds: u64) -> (String, String) {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil_from_days: years begin in March, eras have 400 years. The days of 2^64 ms fit i64.
    let shifted = i64::try_from(days).unwrap_or(0) + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    (format!("{year:04}-{month:02}-{day:02}"), format!("{hour:02}:{minute:02}:{second:02}"))
}

#[cfg(test)]
mod tests {
    use super::{rfc3339, rfc3339_millis};

    #[test]
    fn known_times() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_700_000_000_999, "2023-11-14T22:13:20Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(millis), text);
        }
        assert_eq!(rfc3339_millis(1_700_000_000_009), "2023-11-14T22:13:20.009Z");
    }
}
