//! The list of a draw, in one canonical form whatever editor wrote it.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::sample::{Stream, Weights};
use crate::hash::{Digest32, Hasher, tag};
use crate::reject::Reject;

/// Entries of a list at most.
pub const MAX_ENTRIES: usize = 1_000_000;
/// Bytes of a list at most.
pub const MAX_LIST_BYTES: usize = 64 << 20;
const MAX_WEIGHT: u64 = 1_000_000;
/// What does not count around an entry, a name and a weight.
const BLANKS: [char; 2] = [' ', '\t'];

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// 1 to 1,000,000; 1 in a list without weights.
    pub weight: u64,
}

/// A list that [`List::parse`] has accepted; the default is the empty one of draws without a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    entries: Vec<Entry>,
    weighted: bool,
}

/// Why bytes are no list. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadList {
    /// More than [`MAX_LIST_BYTES`].
    TooLong,
    /// The first line that is not UTF-8.
    NotUtf8 { line: usize },
    /// What stands behind the only tab is no weight.
    BadWeight { line: usize },
    /// The first line that has a weight where those above have none, or the other way round.
    MixedWeights { line: usize },
    /// More than [`MAX_ENTRIES`].
    TooMany,
    /// A name that stands in line `first` already.
    Twice { name: String, line: usize, first: usize },
}

impl BadList {
    /// The stable reason.
    pub const fn reject(&self) -> Reject {
        match self {
            BadList::TooLong => Reject::TooLong,
            BadList::NotUtf8 { .. } => Reject::Malformed,
            BadList::BadWeight { .. } => Reject::BadWeight,
            BadList::MixedWeights { .. } => Reject::MixedWeights,
            BadList::TooMany => Reject::BadCount,
            BadList::Twice { .. } => Reject::DuplicateEntry,
        }
    }
}

impl fmt::Display for BadList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadList::TooLong => write!(f, "a list of more than {MAX_LIST_BYTES} bytes"),
            BadList::NotUtf8 { line } => write!(f, "line {line} is not UTF-8: save the list in that encoding"),
            BadList::BadWeight { line } => {
                write!(f, "line {line}: a weight is a whole number from 1 to {MAX_WEIGHT}, after the only tab")
            }
            BadList::MixedWeights { line } => write!(f, "line {line}: either all entries have a weight or none"),
            BadList::TooMany => write!(f, "a list of more than {MAX_ENTRIES} entries"),
            BadList::Twice { name, line, first } => write!(f, "line {line}: {name:?} stands in line {first} already"),
        }
    }
}

impl core::error::Error for BadList {}

impl List {
    /// Reads a list: UTF-8 with or without a byte order mark, whatever ends its lines. [draw-1]
    pub fn parse(bytes: &[u8]) -> Result<List, BadList> {
        if bytes.len() > MAX_LIST_BYTES {
            return Err(BadList::TooLong);
        }
        let text = match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let good = core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
                // A CR at the end of what is good has ended its line, for no LF follows.
                return Err(BadList::NotUtf8 { line: lines(good).count() + usize::from(good.ends_with('\r')) });
            }
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut entries = Vec::new();
        let mut weighted = None;
        for (line, number) in lines(text).map(|line| line.trim_matches(BLANKS)).zip(1..) {
            if line.is_empty() {
                continue;
            }
            let (entry, has_weight) = parse_line(line).ok_or(BadList::BadWeight { line: number })?;
            if *weighted.get_or_insert(has_weight) != has_weight {
                return Err(BadList::MixedWeights { line: number });
            }
            entries.push((entry, number));
        }
        if entries.len() > MAX_ENTRIES {
            return Err(BadList::TooMany);
        }
        no_entry_twice(&entries)?;
        let entries = entries.into_iter().map(|(entry, _)| entry).collect();
        Ok(List { entries, weighted: weighted.unwrap_or(false) })
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether the entries have weights of their own.
    pub fn weighted(&self) -> bool {
        self.weighted
    }

    /// The canonical text, which reads back as the same list. [draw-2]
    pub fn to_text(&self) -> String {
        let line = |entry: &Entry| match self.weighted {
            true => format!("{}\t{}\n", entry.name, entry.weight),
            false => format!("{}\n", entry.name),
        };
        self.entries.iter().map(line).collect()
    }

    /// The list hash. [draw-4]
    pub fn hash(&self) -> Digest32 {
        let hasher = Hasher::new(tag::DRAW_LIST).u64(self.entries.len() as u64);
        let entries = self.entries.iter();
        entries.fold(hasher, |hasher, entry| hasher.framed(entry.name.as_bytes()).u64(entry.weight)).finish()
    }

    /// Picks `count` entries, which the list has, without repetition and in the order drawn.
    pub(super) fn pick(&self, count: u64, stream: &mut Stream) -> Vec<String> {
        let name = |place: usize| self.entries[place].name.clone();
        if self.weighted {
            let mut left = Weights::new(self.entries.iter().map(|entry| entry.weight));
            let mut next = || left.take(stream.below(left.total()), |place| self.entries[place].weight);
            return (0..count).map(|_| name(next())).collect(); // [draw-11]
        }
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        let mut draw = |place: usize| {
            let other = place + stream.below((order.len() - place) as u64) as usize;
            order.swap(place, other);
            name(order[place])
        };
        (0..self.entries.len()).zip(0..count).map(|(place, _)| draw(place)).collect() // [draw-10]
    }
}

/// The lines of a text, without the LF, CR LF or CR that ends each.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split('\n');
    parts.flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// An entry, and whether it has a weight of its own; nothing if the weight is none. [draw-2]
fn parse_line(line: &str) -> Option<(Entry, bool)> {
    let Some((name, weight)) = line.split_once('\t') else {
        return Some((Entry { name: line.to_owned(), weight: 1 }, false));
    };
    let weight = weight.trim_matches(BLANKS);
    let digits = weight.bytes().all(|byte| byte.is_ascii_digit()) && !weight.starts_with('0');
    let weight = weight.parse().ok().filter(|weight| digits && *weight <= MAX_WEIGHT)?;
    Some((Entry { name: name.trim_matches(BLANKS).to_owned(), weight }, true))
}

/// Refuses the first line, in order of names, whose name another line above has. [draw-3]
fn no_entry_twice(entries: &[(Entry, usize)]) -> Result<(), BadList> {
    let mut sorted: Vec<&(Entry, usize)> = entries.iter().collect();
    sorted.sort_by(|one, other| one.0.name.cmp(&other.0.name).then(one.1.cmp(&other.1)));
    let twice = sorted.windows(2).find(|pair| pair[0].0.name == pair[1].0.name);
    match twice {
        Some([first, again]) => Err(BadList::Twice { name: again.0.name.clone(), line: again.1, first: first.1 }),
        _ => Ok(()),
    }
}
