//! Words and numbers of the command line: formats, methods, profiles, amounts.

use beacon_entropy::conditioning::Method;
use beacon_entropy::encoding::Format;
use beacon_entropy::probe::{Profile, RankBy};
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// One word of a fixed list; any other is refused, with the list and the nearest one.
fn word<T: Copy + Send + Sync + 'static>(
    names: impl Iterator<Item = &'static str>,
    by_name: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    let names: Vec<&str> = names.collect();
    let unlisted = || std::io::Error::other("the list of words is incomplete");
    PossibleValuesParser::new(names).try_map(move |name| by_name(&name).ok_or_else(unlisted))
}

pub(super) fn format() -> impl TypedValueParser<Value = Format> {
    word(Format::NAMES.iter().map(|(name, _)| *name), Format::by_name)
}

pub(super) fn method() -> impl TypedValueParser<Value = Method> {
    word(Method::NAMES.iter().map(|(name, _)| *name), Method::by_name)
}

pub(super) fn profile() -> impl TypedValueParser<Value = Profile> {
    word(Profile::NAMES.iter().map(|(name, _)| *name), Profile::by_name)
}

pub(super) fn rank() -> impl TypedValueParser<Value = RankBy> {
    word(RankBy::NAMES.iter().map(|(name, _)| *name), RankBy::by_name)
}

/// A whole number above 0, with k, M or G for thousands, Ki, Mi or Gi for 1024s.
pub(super) fn amount(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 6] =
        [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)];
    let unit = UNITS.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    let (digits, factor) = unit.unwrap_or((text, 1));
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<u64> = if plain { digits.parse().ok() } else { None };
    let amount = number.and_then(|number| number.checked_mul(factor)).filter(|amount| *amount > 0);
    amount.ok_or_else(|| format!("{text:?} is no amount above 0; write 4096, 10k, 1M or 64Ki"))
}

/// Bytes for people.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(size, _)| count >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", count as f64 / *size as f64),
        None => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        assert_eq!(amount("4096"), Ok(4096));
        assert_eq!((amount("10k"), amount("64Ki"), amount("2G")), (Ok(10_000), Ok(65_536), Ok(2_000_000_000)));
        for wrong in ["", "0", "-1", "1.5", "k", "1 k", "99999999999999999999", "20000000000G", "+5"] {
            assert!(amount(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!((bytes(999), bytes(1500), bytes(2_500_000)), ("999 B".into(), "1.5 kB".into(), "2.5 MB".into()));
    }
}
