//! The rules of a draw: what they ask for, their one spelling, and what they draw.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::list::List;
use super::sample::Stream;
use crate::hash::Digest32;
use crate::reject::Reject;

/// The most that one draw gives: entries, dice, numbers or bytes.
pub const MAX_RESULTS: u64 = 1_000_000;

/// What to draw. `Display` gives the canonical text, which the draw hash covers; `FromStr` reads no other. [draw-5]
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

/// Why rules draw nothing, alone or from a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRules {
    /// Not the canonical text of any rules.
    Malformed,
    /// They draw from a list, and there is none.
    NoList,
    /// They draw from no list, and there is one.
    NeedlessList,
    /// More entries to pick than there are.
    TooFewEntries { count: u64, entries: u64 },
    /// A shuffle of a list with weights.
    WeightedShuffle,
    /// A range that ends before it begins.
    EmptyRange { low: i64, high: i64 },
    /// Dice without sides.
    NoSides,
    /// No result at all, or more than [`MAX_RESULTS`].
    BadCount { results: u64 },
}

impl BadRules {
    /// The stable reason.
    pub const fn reject(&self) -> Reject {
        match self {
            BadRules::Malformed => Reject::Malformed,
            BadRules::NoList | BadRules::NeedlessList | BadRules::TooFewEntries { .. } | BadRules::BadCount { .. } => {
                Reject::BadCount
            }
            BadRules::WeightedShuffle | BadRules::EmptyRange { .. } | BadRules::NoSides => Reject::BadParameter,
        }
    }
}

impl fmt::Display for BadRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRules::Malformed => write!(f, "no rules of a draw, such as \"pick 3\" or \"range 1..49 times 6\""),
            BadRules::NoList => write!(f, "a list with entries is needed"),
            BadRules::NeedlessList => write!(f, "these rules take no list"),
            BadRules::TooFewEntries { count, entries } => write!(f, "{count} of {entries} entries cannot be picked"),
            BadRules::WeightedShuffle => write!(f, "a shuffle takes no weights: pick all entries instead"),
            BadRules::EmptyRange { low, high } => write!(f, "the range {low}..{high} is empty"),
            BadRules::NoSides => write!(f, "dice have sides"),
            BadRules::BadCount { results } => {
                write!(f, "a draw gives between 1 and {MAX_RESULTS} results, not {results}")
            }
        }
    }
}

impl core::error::Error for BadRules {}

impl Rules {
    /// Reads `2d6`, two dice of six sides each.
    pub fn dice(text: &str) -> Option<Rules> {
        let (count, sides) = text.split_once('d')?;
        Some(Rules::Dice { count: count.parse().ok()?, sides: sides.parse().ok()? })
    }

    /// Reads `1..49`, a range whose ends are both included, for `count` numbers of it.
    pub fn range(text: &str, count: u64) -> Option<Rules> {
        let (low, high) = text.split_once("..")?;
        Some(Rules::Range { low: low.parse().ok()?, high: high.parse().ok()?, count })
    }

    /// Refuses rules that ask for nothing, for too much, or for more than the list has. [draw-6]
    pub fn check(&self, list: &List) -> Result<(), BadRules> {
        let entries = list.entries().len() as u64;
        let takes_list = matches!(self, Rules::Pick { .. } | Rules::Shuffle);
        let results = match *self {
            _ if takes_list && entries == 0 => return Err(BadRules::NoList),
            _ if !takes_list && entries > 0 => return Err(BadRules::NeedlessList),
            Rules::Pick { count } if count > entries => return Err(BadRules::TooFewEntries { count, entries }),
            Rules::Shuffle if list.weighted() => return Err(BadRules::WeightedShuffle),
            Rules::Range { low, high, .. } if low > high => return Err(BadRules::EmptyRange { low, high }),
            Rules::Dice { sides: 0, .. } => return Err(BadRules::NoSides),
            Rules::Shuffle => entries,
            Rules::Pick { count } | Rules::Dice { count, .. } | Rules::Range { count, .. } | Rules::Bytes { count } => {
                count
            }
        };
        match results {
            1..=MAX_RESULTS => Ok(()),
            results => Err(BadRules::BadCount { results }),
        }
    }

    /// What the output of the round draws under the draw hash: one text a result, bytes as one text. [draw-12]
    pub fn draw(&self, list: &List, output: &Digest32, draw: &Digest32) -> Result<Vec<String>, BadRules> {
        self.check(list)?;
        let mut stream = Stream::new(*output, *draw);
        Ok(match *self {
            Rules::Pick { count } => list.pick(count, &mut stream),
            Rules::Shuffle => list.pick(list.entries().len() as u64, &mut stream),
            Rules::Dice { count, sides } => (0..count).map(|_| (1 + stream.below(sides)).to_string()).collect(),
            Rules::Range { low, high, count } => {
                let width = high.abs_diff(low);
                (0..count).map(|_| low.wrapping_add_unsigned(stream.up_to(width)).to_string()).collect()
            }
            Rules::Bytes { count } => [hex::encode(stream.bytes(count))].into(),
        })
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rules::Pick { count } => write!(f, "pick {count}"),
            Rules::Shuffle => write!(f, "shuffle"),
            Rules::Dice { count, sides } => write!(f, "dice {count}d{sides}"),
            Rules::Range { low, high, count } => write!(f, "range {low}..{high} times {count}"),
            Rules::Bytes { count } => write!(f, "bytes {count}"),
        }
    }
}

impl FromStr for Rules {
    type Err = BadRules;

    fn from_str(text: &str) -> Result<Rules, BadRules> {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |text: &str| text.parse::<u64>().ok();
        let rules = match words.as_slice() {
            ["pick", count] => number(count).map(|count| Rules::Pick { count }),
            ["shuffle"] => Some(Rules::Shuffle),
            ["dice", dice] => Rules::dice(dice),
            ["range", range, "times", count] => number(count).and_then(|count| Rules::range(range, count)),
            ["bytes", count] => number(count).map(|count| Rules::Bytes { count }),
            _ => None,
        };
        // Numbers that are spelt otherwise, such as +3 or 03, come back as another text.
        rules.filter(|rules| rules.to_string() == text).ok_or(BadRules::Malformed)
    }
}
