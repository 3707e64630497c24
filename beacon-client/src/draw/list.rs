//! The list of a draw, in one canonical form whatever editor wrote it.
//!
//! UTF-8, with or without a byte order mark; lines end with LF, CR LF or CR; blanks and tabs around an entry do not
//! count, nor do empty lines; an entry stands once. A tab within a line parts the entry from its weight, 1 to
//! 1,000,000; either all lines have one or none. The order counts. Characters that look alike are different entries:
//! nothing is normalized beyond this. [draw-list-1]

use beacon_spec::hash::{Digest32, Hasher};

use super::sample::{Stream, Weights};

/// Entries of a list at most.
pub const MAX_ENTRIES: usize = 1_000_000;
/// Bytes of a list at most.
pub const MAX_BYTES: usize = 64 << 20;
const MAX_WEIGHT: u64 = 1_000_000;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub weight: u64,
}

/// A list in canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    entries: Vec<Entry>,
    weighted: bool,
}

impl List {
    /// Reads a list; the error names the line.
    pub fn parse(bytes: &[u8]) -> Result<List, String> {
        if bytes.len() > MAX_BYTES {
            return Err(format!("a list of more than {MAX_BYTES} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("line {line} is not UTF-8")
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
        let mut entries = Vec::new();
        let mut weighted = None;
        for (line, number) in text.split(['\n', '\r']).map(|line| line.trim_matches([' ', '\t'])).zip(1u64..) {
            if line.is_empty() {
                continue;
            }
            let (entry, has_weight) = parse_line(line).map_err(|why| format!("line {number}: {why}"))?;
            if *weighted.get_or_insert(has_weight) != has_weight {
                return Err(format!("line {number}: either all entries have a weight or none"));
            }
            entries.push((entry, number));
        }
        if entries.len() > MAX_ENTRIES {
            return Err(format!("a list of more than {MAX_ENTRIES} entries"));
        }
        let mut sorted: Vec<&(Entry, u64)> = entries.iter().collect();
        sorted.sort_by(|one, other| one.0.name.cmp(&other.0.name).then(one.1.cmp(&other.1)));
        let twice = sorted.windows(2).find(|pair| pair[0].0.name == pair[1].0.name);
        if let Some([first, again]) = twice {
            return Err(format!("line {}: {:?} stands in line {} already", again.1, again.0.name, first.1));
        }
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

    /// The canonical text, which reads back as the same list.
    pub fn to_text(&self) -> String {
        let line = |entry: &Entry| match self.weighted {
            true => format!("{}\t{}\n", entry.name, entry.weight),
            false => format!("{}\n", entry.name),
        };
        self.entries.iter().map(line).collect()
    }

    /// The list hash. A list without weights is one in which all weigh 1. [draw-list-2]
    pub fn hash(&self) -> Digest32 {
        let hasher = Hasher::new("beacon/1/draw-list").u64(self.entries.len() as u64);
        let entries = self.entries.iter();
        entries.fold(hasher, |hasher, entry| hasher.framed(entry.name.as_bytes()).u64(entry.weight)).finish()
    }

    /// Picks without repetition, in the order drawn.
    ///
    /// Without weights: the first places of a Fisher-Yates shuffle, place i being swapped with i + a number below the
    /// entries left. By weight: each time a number below the weight left, and the first entry left with which the sum
    /// of the weights exceeds it. [draw-4]
    pub(super) fn pick(&self, count: u64, stream: &mut Stream) -> Vec<String> {
        let name = |place: usize| self.entries[place].name.clone();
        if self.weighted {
            let mut left = Weights::new(self.entries.iter().map(|entry| entry.weight));
            return (0..count)
                .map(|_| name(left.take(stream.below(left.total()), |place| self.entries[place].weight)))
                .collect();
        }
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        (0..order.len())
            .zip(0..count)
            .map(|(place, _)| {
                let other = place + stream.below((order.len() - place) as u64) as usize;
                order.swap(place, other);
                name(order[place])
            })
            .collect()
    }
}

fn parse_line(line: &str) -> Result<(Entry, bool), String> {
    let Some((name, weight)) = line.split_once('\t') else {
        return Ok((Entry { name: line.to_owned(), weight: 1 }, false));
    };
    let bad = || format!("a weight is a whole number from 1 to {MAX_WEIGHT}, after the only tab");
    let weight = weight.trim_matches([' ', '\t']);
    let digits = weight.bytes().all(|byte| byte.is_ascii_digit()) && !weight.starts_with('0');
    let weight: u64 = weight.parse().ok().filter(|weight| digits && *weight <= MAX_WEIGHT).ok_or_else(bad)?;
    Ok((Entry { name: name.trim_matches([' ', '\t']).to_owned(), weight }, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(bytes: &[u8]) -> Vec<String> {
        List::parse(bytes).expect("a list").entries.into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn one_list_whatever_editor_wrote_it() {
        let plain = List::parse("Ada\nBengt Ö\n李\n".as_bytes()).expect("a list");
        for other in [
            "Ada\nBengt Ö\n李",
            "\u{feff}Ada\r\nBengt Ö\r\n李\r\n",
            "Ada\rBengt Ö\r李\r",
            "\n\n  Ada \t\n\tBengt Ö\n\n李\n \n",
        ] {
            let list = List::parse(other.as_bytes()).expect("a list");
            assert_eq!((&list, list.hash()), (&plain, plain.hash()), "{other:?}");
        }
        assert_eq!(List::parse(plain.to_text().as_bytes()).expect("a list"), plain);
        assert_ne!(List::parse("Bengt Ö\nAda\n李".as_bytes()).expect("a list").hash(), plain.hash(), "order counts");
    }

    #[test]
    fn weights_stand_behind_a_tab() {
        let list = List::parse(b"a b\t5\nc \t 12\n").expect("a list");
        assert_eq!(list.entries, [("a b", 5), ("c", 12)].map(|(name, weight)| Entry { name: name.into(), weight }));
        assert_eq!(List::parse(list.to_text().as_bytes()).expect("a list"), list);
        let one = List::parse(b"a\t1\nb\t1").expect("a list");
        assert!(one.weighted() && one.hash() == List::parse(b"a\nb").expect("a list").hash());
    }

    #[test]
    fn what_is_no_list_is_refused_by_line() {
        for (text, part) in [
            (&b"a\nb\na\n"[..], "line 3: \"a\" stands in line 1"),
            (b"a\n\xff\n", "line 2 is not UTF-8"),
            (b"a\t1\nb\n", "line 2: either all"),
            (b"a\nb\t1\n", "line 2: either all"),
            (b"a\t0\n", "line 1: a weight"),
            (b"a\t01\n", "line 1: a weight"),
            (b"a\t1000001\n", "line 1: a weight"),
            (b"a\t+5\n", "line 1: a weight"),
            (b"a\tb\t5\n", "line 1: a weight"),
        ] {
            let why = List::parse(text).expect_err("no list");
            assert!(why.contains(part), "{why}");
        }
        assert!(names(b"").is_empty());
    }
}
