//! Who is in a new committee: from flags or from a committee file.

use std::path::Path;

use beacon_spec::committee::{MAX_MEMBERS, MAX_WEIGHT};
use beacon_spec::genesis::DraftMember;
use beacon_spec::keys::{IdentityKey, Verifier};
use serde::Deserialize;
use toml::Spanned;

use super::documents;
use super::failure::Failure;

/// A member as an operator names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub member: DraftMember,
    /// From the committee file, for people; it is not in the genesis.
    pub name: Option<String>,
}

/// Decimals of a trust level: 1.0 is a weight of 1,000,000.
const DECIMALS: usize = 6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommitteeFile {
    #[serde(default)]
    member: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    identity: String,
    name: Option<String>,
    weight: Option<i64>,
    /// Kept with its place in the file, because it is read as the decimal that stands there and not as a float.
    trust: Option<Spanned<toml::Value>>,
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

/// Reads `IDENTITY` or `IDENTITY:WEIGHT`.
pub(super) fn from_flag(text: &str) -> Result<Named, Failure> {
    let (identity, weight) = text.split_once(':').unwrap_or((text, "1"));
    let weight: i64 = weight.parse().map_err(|_| {
        let what = format!("--member {text}: the weight {weight:?} is no whole number");
        Failure::usage(
            what,
            format!("write IDENTITY:WEIGHT with 0 to {MAX_WEIGHT}; trust levels go in a --committee file"),
        )
    })?;
    Ok(Named { member: member(identity, judge_weight(weight, identity)?)?, name: None })
}

/// Reads a committee file.
pub(super) fn from_file(path: &Path) -> Result<Vec<Named>, Failure> {
    parse(&documents::read_text(path)?).map_err(|failure| failure.inside(path))
}

fn parse(text: &str) -> Result<Vec<Named>, Failure> {
    let file: CommitteeFile = toml::from_str(text).map_err(|error| {
        Failure::new(
            error.to_string().trim_end().to_owned(),
            "write [[member]] tables with identity, weight or trust, and if you like name and active",
        )
    })?;
    let weights = file.member.iter().filter(|entry| entry.weight.is_some()).count();
    let trusts = file.member.iter().filter(|entry| entry.trust.is_some()).count();
    if weights > 0 && trusts > 0 {
        let what = format!("{weights} members have a weight and {trusts} a trust level");
        return Err(Failure::new(what, "write weight for all of them, or trust for all of them; they do not compare"));
    }
    file.member.iter().map(|entry| named(entry, text)).collect()
}

fn named(entry: &Entry, text: &str) -> Result<Named, Failure> {
    let weight = match (&entry.weight, &entry.trust) {
        (Some(weight), _) => judge_weight(*weight, &entry.identity)?,
        (None, Some(trust)) => {
            let written = text.get(trust.span()).unwrap_or_default().trim_matches(['"', '\'']);
            judge_trust(written, &entry.identity)?
        }
        (None, None) => {
            let what = format!("member {} has neither weight nor trust", entry.identity);
            return Err(Failure::new(what, "add weight = 1, or trust = 0.5"));
        }
    };
    let weight = if entry.active { weight } else { 0 };
    Ok(Named { member: member(&entry.identity, weight)?, name: entry.name.clone() })
}

fn member(identity: &str, weight: u64) -> Result<DraftMember, Failure> {
    let bad = |reason: &str| {
        let what = format!("the identity {identity:?} {reason}");
        Failure::new(what, "write the 64 hexadecimal digits that `beacon-node keygen` printed")
    };
    let identity = IdentityKey::from_hex(identity).map_err(|_| bad("is not 64 hexadecimal digits"))?;
    Verifier::new(&identity.0).map_err(|_| bad("is no usable Ed25519 public key"))?;
    Ok(DraftMember { identity, weight })
}

fn judge_weight(weight: i64, identity: &str) -> Result<u64, Failure> {
    u64::try_from(weight).ok().filter(|weight| *weight <= MAX_WEIGHT).ok_or_else(|| {
        let what = format!("member {identity} has the weight {weight}");
        Failure::new(what, format!("write a whole number from 0 to {MAX_WEIGHT}"))
    })
}

/// Scales a trust level exactly: 0.0 to 1.0 in at most six decimals becomes 0 to 1,000,000.
fn judge_trust(written: &str, identity: &str) -> Result<u64, Failure> {
    let bad = |reason: &str| {
        let what = format!("member {identity} has the trust level {written}, which {reason}");
        Failure::new(what, "write a decimal from 0.0 to 1.0, such as 0.75; a whole number above 1 is a weight")
    };
    let (whole, decimals) = written.split_once('.').unwrap_or((written, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) {
        return Err(bad("is no plain decimal from 0.0 to 1.0"));
    }
    let decimals = decimals.trim_end_matches('0');
    if decimals.len() > DECIMALS {
        return Err(bad("has more than six decimals"));
    }
    let scaled = format!("{whole}{decimals:0<DECIMALS$}").parse().ok();
    scaled.filter(|weight| *weight <= MAX_WEIGHT).ok_or_else(|| bad("is above 1.0"))
}

/// Sorts by identity, as a draft has it, and refuses an identity that stands twice.
pub(super) fn sorted(mut members: Vec<Named>) -> Result<Vec<Named>, Failure> {
    if members.is_empty() || members.len() > MAX_MEMBERS {
        let what = format!("the committee has {} members", members.len());
        return Err(Failure::usage(what, format!("name 1 to {MAX_MEMBERS} with --member or --committee")));
    }
    members.sort_by_key(|named| named.member.identity);
    if let Some(pair) = members.windows(2).find(|pair| pair[0].member.identity == pair[1].member.identity) {
        let what = format!("member {} stands in the committee twice", pair[0].member.identity);
        return Err(Failure::new(what, "keep one of the two"));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use beacon_spec::keys::SecretKey;

    fn identity(seed: u8) -> String {
        SecretKey::from_seed(&[seed; 32]).identity().to_string()
    }

    fn refused(result: Result<impl std::fmt::Debug, Failure>, parts: &[&str]) {
        let said = result.unwrap_err().to_string();
        for part in parts {
            assert!(said.contains(part), "{said:?} lacks {part:?}");
        }
    }

    #[test]
    fn trust_levels_scale_exactly_as_decimals() {
        let cases = [("0.1", 100_000), ("0.3", 300_000), ("1.0", 1_000_000), ("1", 1_000_000), ("0", 0)];
        for (written, weight) in cases.into_iter().chain([("0.000001", 1), ("0.9999990", 999_999)]) {
            assert_eq!(judge_trust(written, "x").unwrap(), weight, "{written}");
        }
        for bad in [
            "1.1",
            "2",
            "-0.5",
            "1e-3",
            "inf",
            "nan",
            "",
            ".5",
            "0.0000001",
            "1.0000001",
            "0.1_0",
            "9".repeat(40).as_str(),
        ] {
            refused(judge_trust(bad, "m"), &["member m", "trust level", "0.0 to 1.0"]);
        }
    }

    #[test]
    fn a_committee_file_gives_members() {
        let (a, b, c) = (identity(1), identity(2), identity(3));
        let text = format!(
            "[[member]]\nidentity = '{a}'\nname = 'Berlin'\ntrust = 0.7\n[[member]]\nidentity = '{b}'\ntrust = '0.25'\n\
             [[member]]\nidentity = '{c}'\ntrust = 1\nactive = false"
        );
        let members = parse(&text).unwrap();
        let weights: Vec<u64> = members.iter().map(|named| named.member.weight).collect();
        assert_eq!(weights, [700_000, 250_000, 0]);
        assert_eq!(members[0].name.as_deref(), Some("Berlin"));
    }

    #[test]
    fn committee_files_that_break_a_rule_are_refused() {
        let (a, b) = (identity(1), identity(2));
        let one = |line: &str| format!("[[member]]\nidentity = '{a}'\n{line}");
        refused(parse(&one("")), &[&a, "neither weight nor trust"]);
        refused(parse(&one("trust = 1.5")), &[&a, "1.5", "above 1.0"]);
        refused(parse(&one("weight = -1")), &[&a, "-1", "0 to 1000000"]);
        refused(parse(&one("weight = 1000001")), &[&a, "1000001"]);
        refused(parse(&one("wieght = 1")), &["wieght", "weight"]);
        refused(parse("[[member]]\nidentity = 'abc'\nweight = 1"), &["abc", "64 hexadecimal digits"]);
        let weak = format!("[[member]]\nidentity = '01{}'\nweight = 1", "00".repeat(31));
        refused(parse(&weak), &["no usable Ed25519"]);
        let mixed = format!("{}\n[[member]]\nidentity = '{b}'\ntrust = 0.5", one("weight = 1"));
        refused(parse(&mixed), &["1 members have a weight and 1 a trust level"]);
    }

    #[test]
    fn flags_give_members() {
        let a = identity(1);
        assert_eq!(from_flag(&a).unwrap().member.weight, 1);
        assert_eq!(from_flag(&format!("{a}:30")).unwrap().member.weight, 30);
        refused(from_flag(&format!("{a}:0.5")), &["0.5", "whole number", "--committee"]);
        refused(from_flag("zz:1"), &["zz"]);
        let twice = vec![from_flag(&a).unwrap(), from_flag(&a).unwrap()];
        refused(sorted(twice), &[&a, "twice"]);
        refused(sorted(Vec::new()), &["0 members"]);
    }
}
