//! Suffix array and longest common prefixes, for the tuple estimators.

/// Positions of the suffixes of `text` in lexicographic order, by prefix doubling with
/// counting sorts: O(n log n) for every text, also a constant one.
#[must_use]
pub fn suffix_array(text: &[u8]) -> Vec<u32> {
    let n = text.len();
    let mut rank: Vec<u32> = text.iter().map(|b| u32::from(*b)).collect();
    let mut order: Vec<u32> = (0..n as u32).collect();
    let mut spare = vec![0u32; n];
    let mut counts = Vec::new();
    counting_sort(&mut order, &mut spare, &rank, 256, &mut counts);
    let mut classes = renumber(&order, &mut rank, |r, i| (r[i], 0));
    let mut length = 1;
    while classes < n {
        // Sorted by the second half: suffixes that have none come first, then the others
        // in the order of their second halves.
        let mut by_second: Vec<u32> = ((n - length) as u32..n as u32).collect();
        by_second.extend(order.iter().filter(|i| **i as usize >= length).map(|i| i - length as u32));
        order = by_second;
        counting_sort(&mut order, &mut spare, &rank, classes, &mut counts);
        let second = |r: &[u32], i: usize| r.get(i + length).map_or(0, |r| r + 1);
        classes = renumber(&order, &mut rank, |r, i| (r[i], second(r, i)));
        length *= 2;
        if length >= n {
            break;
        }
    }
    order
}

/// Stable sort of `order` by `rank` below `classes`.
fn counting_sort(order: &mut Vec<u32>, spare: &mut Vec<u32>, rank: &[u32], classes: usize, counts: &mut Vec<u32>) {
    counts.clear();
    counts.resize(classes + 1, 0);
    rank.iter().for_each(|r| counts[*r as usize + 1] += 1);
    for i in 1..counts.len() {
        counts[i] += counts[i - 1];
    }
    for position in order.iter() {
        let slot = &mut counts[rank[*position as usize] as usize];
        spare[*slot as usize] = *position;
        *slot += 1;
    }
    std::mem::swap(order, spare);
}

/// Gives equal ranks to equal keys in sorted order; returns the number of ranks.
fn renumber(order: &[u32], rank: &mut Vec<u32>, key: impl Fn(&[u32], usize) -> (u32, u32)) -> usize {
    let mut next = vec![0u32; rank.len()];
    let mut current = 0;
    for pair in order.windows(2) {
        let (a, b) = (pair[0] as usize, pair[1] as usize);
        current += u32::from(key(rank, a) != key(rank, b));
        next[b] = current;
    }
    *rank = next;
    current as usize + 1
}

/// For each place of `order` but the first, the length of the common prefix of that suffix
/// and the one before it (Kasai and others 2001).
#[must_use]
pub fn common_prefixes(text: &[u8], order: &[u32]) -> Vec<u32> {
    let n = text.len();
    let mut place = vec![0u32; n];
    order.iter().enumerate().for_each(|(i, p)| place[*p as usize] = i as u32);
    let mut prefixes = vec![0u32; n];
    let mut length = 0usize;
    for position in 0..n {
        let at = place[position] as usize;
        if at == 0 {
            length = 0;
            continue;
        }
        let other = order[at - 1] as usize;
        let same = text[position + length..].iter().zip(&text[other + length..]).take_while(|(a, b)| a == b).count();
        length += same;
        prefixes[at] = length as u32;
        length = length.saturating_sub(1);
    }
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_sorted_and_prefixes_are_common() {
        let constant = [7u8; 40];
        let texts: [&[u8]; 6] = [b"banana", b"mississippi", b"a", b"ab", &constant, b"abababab"];
        for text in texts {
            let order = suffix_array(text);
            let mut expected: Vec<u32> = (0..text.len() as u32).collect();
            expected.sort_by_key(|i| &text[*i as usize..]);
            assert_eq!(order, expected, "{text:?}");
            let prefixes = common_prefixes(text, &order);
            for i in 1..order.len() {
                let (a, b) = (&text[order[i - 1] as usize..], &text[order[i] as usize..]);
                let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
                assert_eq!(prefixes[i] as usize, common);
            }
        }
    }
}
