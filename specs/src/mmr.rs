//! The Merkle mountain range over all headers: one root proves any earlier round.
//!
//! Leaf i (from 0) is the header hash of round i + 1. Leaves are merged into perfect trees, the peaks, from the left;
//! the peaks are bagged from the right, so the whole is the tree of RFC 6962, section 2.1, with other hashes, and a
//! path is never longer than ⌈log2(count)⌉. The root binds the count. Nodes are numbered in the order in which they
//! come to be, never change, and so can be stored by that number for ever.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::hash::{Digest32, Hasher, tag};
use crate::reject::Reject;

/// Counts end here, so that node positions, at most twice the count, stay within u64. No chain gets that long.
pub const MAX_COUNT: u64 = 1 << 62;

/// The peaks of the range and the number of leaves below them: all that appending takes.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Mmr {
    #[serde(with = "codec::number")]
    count: u64,
    /// From the highest, at the left, to the lowest: one for every bit of the count.
    peaks: Vec<Digest32>,
}

/// An [`Mmr`] as read, before its shape is judged.
#[derive(Deserialize)]
struct Stored {
    #[serde(with = "codec::number")]
    count: u64,
    peaks: Vec<Digest32>,
}

impl TryFrom<Stored> for Mmr {
    type Error = Reject;

    fn try_from(stored: Stored) -> Result<Self, Reject> {
        let fits = stored.count < MAX_COUNT && stored.peaks.len() == stored.count.count_ones() as usize;
        if fits { Ok(Mmr { count: stored.count, peaks: stored.peaks }) } else { Err(Reject::BadMmr) }
    }
}

impl Mmr {
    pub fn new() -> Self {
        Mmr::default()
    }

    /// Appends the header hash of `round`, which is count + 1, and returns the nodes that came to be with their
    /// positions: the leaf, then each parent that it completed. A leaf of any other round is one that no proof
    /// opens. [mmr-3]
    pub fn append(&mut self, round: u64, hash: Digest32) -> Vec<(u64, Digest32)> {
        let nodes = Nodes::new();
        let mut position = leaf_position(self.count);
        let mut top = leaf(round, &hash);
        let mut made = Vec::from([(position, top)]);
        // Each trailing one bit of the old count is a peak as high as what has grown so far.
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                top = nodes.join(&left, &top);
                position += 1;
                made.push((position, top));
            }
        }
        self.peaks.push(top);
        self.count += 1;
        made
    }

    /// The root over all leaves so far; [`empty_root`] without any. [mmr-4]
    pub fn root(&self) -> Digest32 {
        match bag(&Nodes::new(), &self.peaks) {
            Some(top) => seal(self.count, &top),
            None => empty_root(),
        }
    }

    /// The number of leaves, which is the last round appended.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The peaks with their positions, from the left. Whoever keeps these and what is appended later can prove every
    /// later leaf. [mmr-2]
    pub fn peaks(&self) -> impl Iterator<Item = (u64, Digest32)> + '_ {
        peak_positions(self.count).zip(self.peaks.iter().copied())
    }
}

/// The range of the first `count` leaves, to be appended to, from stored nodes, which may be of a longer range. Nothing
/// if there are too many leaves or a node is not there. [mmr-2]
pub fn range(count: u64, node: impl Fn(u64) -> Option<Digest32>) -> Option<Mmr> {
    if count >= MAX_COUNT {
        return None;
    }
    Some(Mmr { count, peaks: peak_positions(count).map(node).collect::<Option<_>>()? })
}

/// The root before round 1: the hash of the count 0 alone. [mmr-4]
pub fn empty_root() -> Digest32 {
    Hasher::new(tag::MMR_BAG).u64(0).finish()
}

/// That a round's header hash is under a root: 32 bytes for each step from the leaf up, and nothing else, since the
/// sides follow from the round and the count. [mmr-5]
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct MmrProof {
    /// Inside the leaf's peak from below; then the bag of the peaks right of it, if there are any; then the peaks
    /// left of it, the nearest first.
    pub siblings: Vec<Digest32>,
}

/// The most siblings a proof under `count` leaves has: ⌈log2(count)⌉, 24 for ten million.
pub const fn max_proof_len(count: u64) -> usize {
    match count {
        0 | 1 => 0,
        more => (u64::BITS - (more - 1).leading_zeros()) as usize,
    }
}

/// Proves `round` under the root of the first `count` leaves from stored nodes, which may be of a longer range.
/// Nothing if the round is not in 1..=count or a node is not there. [mmr-5]
pub fn prove(round: u64, count: u64, node: impl Fn(u64) -> Option<Digest32>) -> Option<MmrProof> {
    let place = Place::of(round, count)?;
    let mut siblings = Vec::with_capacity(max_proof_len(count));
    for height in 0..place.height {
        let beside = (place.leaf >> height) ^ 1;
        siblings.push(node(subtree_position(beside << height, height))?);
    }
    let peaks = peak_positions(count).map(&node).collect::<Option<Vec<_>>>()?;
    siblings.extend(bag(&Nodes::new(), &peaks[place.lefts + 1..]));
    siblings.extend(peaks[..place.lefts].iter().rev());
    Some(MmrProof { siblings })
}

/// Verifies that `hash` is the header hash of `round` under the `root` of `count` leaves.
///
/// [`Reject::WrongRound`] if the round is not in 1..=count, [`Reject::BadMmr`] for too few or too many siblings, for
/// a root that does not come out, and for a count of [`MAX_COUNT`] or more. [mmr-6]
pub fn verify(root: &Digest32, count: u64, round: u64, hash: &Digest32, proof: &MmrProof) -> Result<(), Reject> {
    if count >= MAX_COUNT {
        return Err(Reject::BadMmr);
    }
    let place = Place::of(round, count).ok_or(Reject::WrongRound)?;
    if proof.siblings.len() != place.proof_len() {
        return Err(Reject::BadMmr);
    }
    let nodes = Nodes::new();
    let (inside, above) = proof.siblings.split_at(place.height as usize);
    let mut top = leaf(round, hash);
    for (height, sibling) in inside.iter().enumerate() {
        let is_right = (place.leaf >> height) & 1 == 1;
        top = if is_right { nodes.join(sibling, &top) } else { nodes.join(&top, sibling) };
    }
    let (right, lefts) = above.split_at(above.len() - place.lefts);
    for sibling in right {
        top = nodes.join(&top, sibling);
    }
    for sibling in lefts {
        top = nodes.join(sibling, &top);
    }
    if seal(count, &top) == *root { Ok(()) } else { Err(Reject::BadMmr) }
}

/// Where a leaf is among the peaks of a range.
struct Place {
    leaf: u64,
    /// Height of the leaf's peak.
    height: u32,
    /// Peaks left of it.
    lefts: usize,
    /// Whether there are peaks right of it.
    has_right: bool,
}

impl Place {
    /// The first peak, from the left, that ends beyond the leaf. [mmr-2]
    fn of(round: u64, count: u64) -> Option<Place> {
        let leaf = round.checked_sub(1).filter(|leaf| *leaf < count && count < MAX_COUNT)?;
        // The leaf is in the peak of the highest bit in which it and the count differ: above it they agree, and
        // there the count has the one.
        let height = (leaf ^ count).ilog2();
        let lefts = (count >> height).count_ones() as usize - 1;
        let has_right = count.trailing_zeros() < height;
        Some(Place { leaf, height, lefts, has_right })
    }

    fn proof_len(&self) -> usize {
        self.height as usize + usize::from(self.has_right) + self.lefts
    }
}

/// Position of leaf i: two for each leaf before it, less one for each peak that those form. [mmr-3]
fn leaf_position(leaf: u64) -> u64 {
    leaf * 2 - u64::from(leaf.count_ones())
}

/// Position of the root of the perfect tree of 2^height leaves from `first`: it came `height` after its last leaf.
fn subtree_position(first: u64, height: u32) -> u64 {
    leaf_position(first + ((1 << height) - 1)) + u64::from(height)
}

/// Positions of the peaks of a range, from the left. [mmr-2]
fn peak_positions(count: u64) -> impl Iterator<Item = u64> {
    let heights = (0..u64::BITS).rev().filter(move |height| (count >> height) & 1 == 1);
    heights.map(move |height| subtree_position(((count >> height) - 1) << height, height))
}

/// A leaf: H(mmr-leaf ‖ u64(round) ‖ header hash). [mmr-1]
fn leaf(round: u64, hash: &Digest32) -> Digest32 {
    Hasher::new(tag::MMR_LEAF).u64(round).fixed(&hash.0).finish()
}

/// The peaks joined from the right; nothing without peaks. [mmr-4]
fn bag(nodes: &Nodes, peaks: &[Digest32]) -> Option<Digest32> {
    peaks.iter().rev().copied().reduce(|right, left| nodes.join(&left, &right))
}

/// The root: H(mmr-bag ‖ u64(count) ‖ bagged peaks). [mmr-4]
fn seal(count: u64, top: &Digest32) -> Digest32 {
    Hasher::new(tag::MMR_BAG).u64(count).fixed(&top.0).finish()
}

/// The hasher of inner nodes with its tag absorbed, which halves the work of a path.
struct Nodes(Hasher);

impl Nodes {
    fn new() -> Self {
        Nodes(Hasher::new(tag::MMR_NODE))
    }

    /// An inner node: H(mmr-node ‖ left ‖ right). [mmr-1]
    fn join(&self, left: &Digest32, right: &Digest32) -> Digest32 {
        self.0.clone().fixed(&left.0).fixed(&right.0).finish()
    }
}
