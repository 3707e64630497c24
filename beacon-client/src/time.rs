//! Times as people write them: RFC 3339 and Unix seconds or milliseconds, to and from Unix milliseconds.
//!
//! The calendar is the proleptic Gregorian one of RFC 3339, years 1970 to 9999; leap seconds do not exist in Unix time
//! and `:60` is refused rather than guessed at.

use core::fmt::Write;

const DAY: u64 = 86_400_000;
/// From here on a bare number is read as milliseconds: as seconds it would be the year 5138.
const SECONDS_END: u64 = 100_000_000_000;
/// The first millisecond of the year 10000.
const END: u64 = 253_402_300_800_000;

/// Reads a time as Unix milliseconds: `2026-12-01T20:00:00Z`, `2026-12-01T21:00:00.250+01:00`, `1796155200` (seconds)
/// or `1796155200000` (milliseconds: from 10^11 on). `None` for anything else and for times before 1970.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: u64 = text.parse().ok()?;
        return if number < SECONDS_END { number.checked_mul(1000) } else { Some(number) };
    }
    parse_rfc3339(text.as_bytes())
}

/// Unix milliseconds as RFC 3339 in UTC, with milliseconds only where there are any; the bare number beyond year 9999.
pub fn format(time: u64) -> String {
    if time >= END {
        return time.to_string();
    }
    let (year, month, day) = date_of(time / DAY);
    let (second, milli) = (time / 1000 % 86_400, time % 1000);
    let mut text =
        format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    if milli > 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, ".{milli:03}");
    }
    text.push('Z');
    text
}

/// A duration for people: `2 d 3 h`, `4 min 5 s`, `6.7 s`, `80 ms`.
pub fn span(millis: u64) -> String {
    let second = millis / 1000;
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{second}.{} s", millis / 100 % 10),
        60_000..3_600_000 => format!("{} min {} s", second / 60, second % 60),
        3_600_000..DAY => format!("{} h {} min", second / 3600, second / 60 % 60),
        _ => format!("{} d {} h", second / 86_400, second / 3600 % 24),
    }
}

fn parse_rfc3339(text: &[u8]) -> Option<u64> {
    let date = text.get(..10)?;
    let year = digits(&date[..4])?;
    let month = digits(&date[5..7])?;
    let day = digits(&date[8..])?;
    let clock = text.get(10..19)?;
    let (hour, minute, second) = (digits(&clock[1..3])?, digits(&clock[4..6])?, digits(&clock[7..])?);
    let marks = date[4] == b'-' && date[7] == b'-' && clock[3] == b':' && clock[6] == b':';
    let good = marks
        && matches!(clock[0], b'T' | b't' | b' ')
        && (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !good {
        return None;
    }
    let (milli, zone) = fraction(&text[19..])?;
    let local = (days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * 1000 + milli;
    match zone {
        b"Z" | b"z" => Some(local),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = (hours * 60 + minutes) * 60_000;
            if *sign == b'+' { local.checked_sub(offset) } else { local.checked_add(offset) }
        }
        _ => None,
    }
}

/// Milliseconds of an optional fraction of a second, cut after the third digit, and what follows it.
fn fraction(rest: &[u8]) -> Option<(u64, &[u8])> {
    let Some((b'.', after)) = rest.split_first() else {
        return Some((0, rest));
    };
    let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let milli = (0..3).fold(0, |sum, place| {
        let digit = if place < length { u64::from(after[place] - b'0') } else { 0 };
        sum * 10 + digit
    });
    Some((milli, &after[length..]))
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date, by counting leap days before its year.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let leaps = |before: u64| before / 4 - before / 100 + before / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    years + (1..month).map(|earlier| days_in(year, earlier)).sum::<u64>() + day - 1
}

fn date_of(days: u64) -> (u64, u64, u64) {
    // The guess is never too early; at most one step back is needed.
    let mut year = 1970 + days / 365;
    while days_since_1970(year, 1, 1) > days {
        year -= 1;
    }
    let mut rest = days - days_since_1970(year, 1, 1);
    let mut month = 1;
    while rest >= days_in(year, month) {
        rest -= days_in(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_both_ways() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799_000),
            ("2026-12-01T20:00:00Z", 1_796_155_200_000),
            ("2100-03-01T00:00:00.007Z", 4_107_542_400_007),
            ("9999-12-31T23:59:59.999Z", END - 1),
        ] {
            assert_eq!(parse(text), Some(millis), "{text}");
            assert_eq!(format(millis), text);
        }
        assert_eq!(format(END), END.to_string());
    }

    #[test]
    fn every_day_of_four_centuries_reads_back() {
        for day in 0..146_097 {
            let time = day * DAY + day % DAY;
            assert_eq!(parse(&format(time)), Some(time));
        }
    }

    #[test]
    fn zones_fractions_and_bare_numbers() {
        assert_eq!(parse("2026-12-01T21:00:00.25+01:00"), Some(1_796_155_200_250));
        assert_eq!(parse("2026-12-01 14:30:00-05:30"), Some(1_796_155_200_000));
        assert_eq!(parse("2026-12-01T20:00:00.9999999Z"), Some(1_796_155_200_999));
        assert_eq!(parse("1796155200"), Some(1_796_155_200_000));
        assert_eq!(parse("1796155200123"), Some(1_796_155_200_123));
        assert_eq!(parse("99999999999"), Some(99_999_999_999_000));
        assert_eq!(parse("100000000000"), Some(100_000_000_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2026-12-01",
            "2026-12-01T20:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-12-01T24:00:00Z",
            "2026-12-01T20:00:60Z",
            "2026-12-01T20:00:00.Z",
            "2026-12-01T20:00:00+1:00",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "-1",
            "1e9",
            "2026-12-01T20:00:00Zx",
            "99999999999999999999",
            "2026/12/01T20:00:00Z",
            "２026-12-01T20:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
