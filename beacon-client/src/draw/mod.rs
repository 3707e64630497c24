//! Draws that others can check: a commitment before the round is known, a result after it, and all of it again.
//!
//! What is drawn follows from the chain, the round's output, the rules and the list alone, so a draw committed to
//! before the round is due leaves nothing to choose. The commitment must be published before then: that it was is for
//! its readers to know, not for this code.
//!
//! ```text
//! list hash = H("beacon/1/draw-list" ‖ u64 count ‖ for each entry: u32-framed name ‖ u64 weight)
//! draw hash = H("beacon/1/draw" ‖ chain ‖ u64 round ‖ u32-framed rules ‖ list hash)           [draw-1]
//! ```

pub mod list;
pub mod page;
pub mod sample;

use beacon_spec::hash::{Digest32, Hasher};
use beacon_spec::reject::Reject;
use serde::{Deserialize, Serialize};

pub use list::{Entry, List};

use crate::chainfile;
use crate::error::Error;
use crate::refusal::{Reason, Refusal};
use crate::trust::Verified;
use sample::Stream;

/// The most that one draw gives: entries, dice, numbers or bytes.
pub const MAX_RESULTS: u64 = 1_000_000;
const FORMAT: &str = "beacon-draw/1";

/// What to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// `count` entries of the list without repetition, in the order drawn; by weight if they have any.
    Pick { count: u64 },
    /// All entries in a random order.
    Shuffle,
    /// `count` dice of so many sides.
    Dice { count: u64, sides: u64 },
    /// `count` numbers from `low` to `high`, both included.
    Range { low: i64, high: i64, count: u64 },
    /// So many bytes.
    Bytes { count: u64 },
}

impl Rules {
    /// Whether entries are drawn from a list.
    pub fn takes_list(&self) -> bool {
        matches!(self, Rules::Pick { .. } | Rules::Shuffle)
    }

    /// Refuses rules that ask for nothing, for too much, or for more than the list has.
    pub fn check(&self, list: &List) -> Result<(), String> {
        let entries = list.entries().len() as u64;
        if self.takes_list() != (entries > 0) {
            return Err(if self.takes_list() { "a list is needed" } else { "these rules take no list" }.into());
        }
        let results = match self {
            Rules::Pick { count } if *count > entries => {
                return Err(format!("{count} of {entries} entries cannot be picked"));
            }
            Rules::Shuffle if list.weighted() => return Err("a shuffle takes no weights".into()),
            Rules::Range { low, high, .. } if low > high => return Err(format!("{low}..{high} is empty")),
            Rules::Dice { sides: 0, .. } => return Err("dice have sides".into()),
            Rules::Shuffle => entries,
            Rules::Pick { count } | Rules::Dice { count, .. } | Rules::Range { count, .. } | Rules::Bytes { count } => {
                *count
            }
        };
        match results {
            1..=MAX_RESULTS => Ok(()),
            _ => Err(format!("between 1 and {MAX_RESULTS} results can be drawn")),
        }
    }

    /// Draws by these rules, which [`Rules::check`] has accepted for this list.
    pub fn draw(&self, list: &List, stream: &mut Stream) -> Vec<String> {
        let text = |number: u64| number.to_string();
        match *self {
            Rules::Pick { count } => list.pick(count, stream),
            Rules::Shuffle => list.pick(list.entries().len() as u64, stream),
            Rules::Dice { count, sides } => (0..count).map(|_| text(1 + stream.below(sides))).collect(),
            Rules::Range { low, high, count } => {
                let width = high.abs_diff(low);
                (0..count).map(|_| low.wrapping_add_unsigned(stream.up_to(width)).to_string()).collect()
            }
            Rules::Bytes { count } => vec![hex::encode(stream.bytes(count))],
        }
    }
}

/// The canonical text of rules, which the draw hash covers.
impl core::fmt::Display for Rules {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Rules::Pick { count } => write!(f, "pick {count}"),
            Rules::Shuffle => write!(f, "shuffle"),
            Rules::Dice { count, sides } => write!(f, "dice {count}d{sides}"),
            Rules::Range { low, high, count } => write!(f, "range {low}..{high} times {count}"),
            Rules::Bytes { count } => write!(f, "bytes {count}"),
        }
    }
}

impl std::str::FromStr for Rules {
    type Err = String;

    /// Reads the canonical text and no other spelling.
    fn from_str(text: &str) -> Result<Rules, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |text: &str| text.parse::<u64>().ok();
        let rules = match words.as_slice() {
            ["pick", count] => number(count).map(|count| Rules::Pick { count }),
            ["shuffle"] => Some(Rules::Shuffle),
            ["dice", dice] => parse_dice(dice),
            ["range", range, "times", count] => {
                parse_range(range).zip(number(count)).map(|((low, high), count)| Rules::Range { low, high, count })
            }
            ["bytes", count] => number(count).map(|count| Rules::Bytes { count }),
            _ => None,
        };
        rules.filter(|rules| rules.to_string() == text).ok_or_else(|| format!("no rules: {text}"))
    }
}

/// Reads `2d6`.
pub fn parse_dice(text: &str) -> Option<Rules> {
    let (count, sides) = text.split_once('d')?;
    Some(Rules::Dice { count: count.parse().ok()?, sides: sides.parse().ok()? })
}

/// Reads `1..49`; both ends are included.
pub fn parse_range(text: &str) -> Option<(i64, i64)> {
    let (low, high) = text.split_once("..")?;
    Some((low.parse().ok()?, high.parse().ok()?))
}

/// A draw before its round: what is published, so that nothing can be chosen afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    pub format: String,
    pub chain: Digest32,
    #[serde(with = "beacon_spec::codec::number")]
    pub round: u64,
    /// When the round is due, Unix milliseconds.
    #[serde(with = "beacon_spec::codec::number")]
    pub due: u64,
    pub rules: String,
    #[serde(with = "beacon_spec::codec::number")]
    pub entries: u64,
    pub list: Digest32,
    /// The draw hash over all of the above but the due time, which follows from chain and round.
    pub draw: Digest32,
}

impl Commitment {
    pub fn new(chain: Digest32, round: u64, due: u64, rules: &Rules, list: &List) -> Result<Commitment, Error> {
        rules.check(list).map_err(Error::Usage)?;
        let mut commitment = Commitment {
            format: FORMAT.into(),
            chain,
            round,
            due,
            rules: rules.to_string(),
            entries: list.entries().len() as u64,
            list: list.hash(),
            draw: Digest32::ZERO,
        };
        commitment.draw = commitment.hash();
        Ok(commitment)
    }

    /// The draw hash. [draw-1]
    fn hash(&self) -> Digest32 {
        Hasher::new("beacon/1/draw")
            .fixed(&self.chain.0)
            .u64(self.round)
            .framed(self.rules.as_bytes())
            .fixed(&self.list.0)
            .finish()
    }

    /// Judges a commitment that was read: format, draw hash, rules, and the list it names.
    pub fn check(&self, list: &List) -> Result<Rules, Refusal> {
        let refused = |reason: Reason, field| Refusal::new(reason, "draw commitment").field(field);
        if self.format != FORMAT {
            return Err(refused(Reject::UnknownVersion.into(), "format").mismatch(FORMAT, &self.format));
        }
        if self.list != list.hash() || self.entries != list.entries().len() as u64 {
            return Err(refused(Reason::Inconsistent, "list").mismatch(self.list, list.hash()));
        }
        if self.draw != self.hash() {
            return Err(refused(Reason::Inconsistent, "draw").mismatch(self.hash(), self.draw));
        }
        let rules: Rules = self.rules.parse().map_err(|_| refused(Reject::BadParameter.into(), "rules"))?;
        rules.check(list).map_err(|_| refused(Reject::BadParameter.into(), "rules"))?;
        Ok(rules)
    }

    /// What the round's output draws. The beacon must be of the round and chain committed to.
    pub fn draw(&self, list: &List, beacon: &Verified) -> Result<Vec<String>, Refusal> {
        let rules = self.check(list)?;
        let refused = |reject, field| Refusal::new(reject, "draw commitment").field(field);
        if beacon.header().chain != self.chain {
            return Err(refused(Reject::WrongChain, "chain").mismatch(beacon.header().chain, self.chain));
        }
        if beacon.round() != self.round {
            return Err(refused(Reject::WrongRound, "round").mismatch(beacon.round(), self.round));
        }
        if beacon.header().due != self.due {
            return Err(refused(Reject::WrongDueTime, "due").mismatch(beacon.header().due, self.due));
        }
        Ok(rules.draw(list, &mut Stream::new(*beacon.output(), self.draw)))
    }
}

/// A draw after its round, with everything that checks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub commitment: Commitment,
    /// The list as it was committed to, one entry a line.
    pub list: String,
    pub output: Digest32,
    pub results: Vec<String>,
    /// A bundle, see [`chainfile`], that proves the round from the chain hash.
    #[serde(with = "beacon_spec::codec::hex_vec")]
    pub proof: Vec<u8>,
}

impl Outcome {
    /// Draws, and keeps the proof.
    pub fn new(commitment: Commitment, list: &List, beacon: &Verified, proof: Vec<u8>) -> Result<Outcome, Refusal> {
        let results = commitment.draw(list, beacon)?;
        Ok(Outcome { commitment, list: list.to_text(), output: *beacon.output(), results, proof })
    }

    /// Verifies everything again from the chain hash, which the reader has from elsewhere: the bundle, the commitment,
    /// the list, and every result.
    pub fn check(&self, chain: &Digest32) -> Result<Verified, Error> {
        let refused = |reason: Reason, field| Refusal::new(reason, "draw").field(field);
        let summary = chainfile::verify(self.proof.as_slice(), chain, |_| {}).map_err(|error| match error {
            chainfile::FileError::Refused(refusal) => Error::from(refusal.by("the draw's proof")),
            // Reading from memory fails in no other way.
            chainfile::FileError::Io(_) => Error::from(refused(Reason::BadChainFile, "proof")),
        })?;
        let list = List::parse(self.list.as_bytes()).map_err(|_| refused(Reason::Inconsistent, "list"))?;
        if list.to_text() != self.list {
            return Err(refused(Reason::Inconsistent, "list").into());
        }
        let results = self.commitment.draw(&list, &summary.head)?;
        if self.output != *summary.head.output() {
            return Err(refused(Reject::WrongOutput.into(), "output")
                .mismatch(summary.head.output(), self.output)
                .into());
        }
        if self.results != results {
            return Err(refused(Reason::Inconsistent, "results").into());
        }
        Ok(summary.head)
    }
}
