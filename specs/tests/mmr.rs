//! Rules of specs/mmr.md: against a recursive tree, the frozen vectors, and every small mutation of a proof.

use std::collections::BTreeMap;

use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::mmr::{MAX_COUNT, Mmr, MmrProof, empty_root, max_proof_len, prove, verify};
use beacon_spec::reject::Reject;
use serde::Deserialize;

fn header(round: u64) -> Digest32 {
    Hasher::new(tag::HEADER).u64(round).finish()
}

/// A range over the headers of rounds 1..=count, with all nodes by position and the roots after 0..=count rounds.
struct Chain {
    mmr: Mmr,
    nodes: BTreeMap<u64, Digest32>,
    roots: Vec<Digest32>,
}

impl Chain {
    fn of(count: u64) -> Chain {
        let mut chain = Chain { mmr: Mmr::new(), nodes: BTreeMap::new(), roots: vec![Mmr::new().root()] };
        for round in 1..=count {
            let made = chain.mmr.append(round, header(round));
            let fresh = made.iter().all(|(position, digest)| chain.nodes.insert(*position, *digest).is_none());
            assert!(fresh, "a position came twice");
            chain.roots.push(chain.mmr.root());
        }
        chain
    }

    fn prove(&self, round: u64, count: u64) -> Option<MmrProof> {
        prove(round, count, |position| self.nodes.get(&position).copied())
    }
}

/// The tree of RFC 6962, section 2.1, by its recursive definition: split at the largest power of two below n.
fn naive_tree(first: u64, count: u64) -> Digest32 {
    if count == 1 {
        return Hasher::new(tag::MMR_LEAF).u64(first).fixed(&header(first).0).finish();
    }
    let split = 1 << (u64::BITS - 1 - (count - 1).leading_zeros());
    let (left, right) = (naive_tree(first, split), naive_tree(first + split, count - split));
    Hasher::new(tag::MMR_NODE).fixed(&left.0).fixed(&right.0).finish()
}

fn naive_root(count: u64) -> Digest32 {
    Hasher::new(tag::MMR_BAG).u64(count).fixed(&naive_tree(1, count).0).finish()
}

#[derive(Deserialize)]
struct Vectors {
    empty_root: Digest32,
    ranges: Vec<Range>,
}

#[derive(Deserialize)]
struct Range {
    headers: Vec<Digest32>,
    nodes: Vec<(u64, Digest32)>,
    roots: Vec<Digest32>,
    proofs: Vec<ProofCase>,
}

#[derive(Deserialize)]
struct ProofCase {
    round: u64,
    count: u64,
    header: Digest32,
    root: Digest32,
    siblings: Vec<Digest32>,
    /// The reason to refuse; nothing for a proof that holds.
    reject: Option<String>,
}

#[test]
fn mmr_vectors() {
    let vectors: Vectors = serde_json::from_str(include_str!("../vectors/mmr.json")).expect("the vector file");
    assert_eq!(vectors.empty_root, empty_root());
    for range in vectors.ranges {
        let mut mmr = Mmr::new();
        let mut nodes = BTreeMap::new();
        for (round, hash) in (1..).zip(&range.headers) {
            nodes.extend(mmr.append(round, *hash));
            assert_eq!(mmr.root(), range.roots[round as usize - 1], "root after round {round}");
        }
        assert_eq!(nodes.clone().into_iter().collect::<Vec<_>>(), range.nodes);
        for case in range.proofs {
            let proof = MmrProof { siblings: case.siblings };
            let verdict = verify(&case.root, case.count, case.round, &case.header, &proof);
            assert_eq!(verdict.err().map(Reject::code), case.reject.as_deref(), "{} of {}", case.round, case.count);
            if verdict.is_ok() {
                assert_eq!(prove(case.round, case.count, |position| nodes.get(&position).copied()), Some(proof));
            }
        }
    }
}

#[test]
fn mmr_3_positions_have_no_gap() {
    let chain = Chain::of(200);
    assert!(chain.nodes.keys().copied().eq(0..200 * 2 - u64::from(200_u64.count_ones())));
}

#[test]
fn mmr_4_root_before_round_1() {
    assert_eq!(Mmr::new().root(), empty_root());
    assert_eq!(Mmr::new().count(), 0);
    assert_eq!(empty_root(), Hasher::new(tag::MMR_BAG).fixed(&[0; 8]).finish());
}

#[test]
fn mmr_4_root_equals_recursive_tree() {
    let chain = Chain::of(300);
    for count in 1..=300 {
        assert_eq!(chain.roots[count as usize], naive_root(count), "count {count}");
    }
}

#[test]
fn mmr_5_every_round_of_every_count_is_proven() {
    let chain = Chain::of(200);
    for count in 1..=200 {
        let mut longest = 0;
        for round in 1..=count {
            let proof = chain.prove(round, count).expect("every node is there");
            longest = longest.max(proof.siblings.len());
            verify(&chain.roots[count as usize], count, round, &header(round), &proof).expect("a true proof");
        }
        assert_eq!(longest, max_proof_len(count), "count {count}");
    }
}

#[test]
fn mmr_5_no_proof_without_its_nodes() {
    let chain = Chain::of(70);
    assert_eq!(chain.prove(0, 70), None);
    assert_eq!(chain.prove(71, 70), None);
    assert_eq!(chain.prove(1, 71), None);
    assert_eq!(chain.prove(1, MAX_COUNT), None);
    assert_eq!(chain.prove(1, u64::MAX), None);
    assert_eq!(prove(1, 1, |_| None), None);
}

#[test]
fn mmr_6_every_flipped_bit_is_refused() {
    let chain = Chain::of(45);
    for round in 1..=45 {
        let good = chain.prove(round, 45).expect("every node is there");
        for bit in 0..good.siblings.len() * 256 {
            let mut bad = good.clone();
            bad.siblings[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
            assert_eq!(verify(&chain.roots[45], 45, round, &header(round), &bad), Err(Reject::BadMmr));
        }
        for bit in 0..256 {
            let flip = |digest: Digest32| {
                let mut flipped = digest;
                flipped.0[bit / 8] ^= 1 << (bit % 8);
                flipped
            };
            assert_eq!(verify(&flip(chain.roots[45]), 45, round, &header(round), &good), Err(Reject::BadMmr));
            assert_eq!(verify(&chain.roots[45], 45, round, &flip(header(round)), &good), Err(Reject::BadMmr));
        }
    }
}

#[test]
fn mmr_6_wrong_lengths_and_orders_are_refused() {
    let chain = Chain::of(77);
    for count in 1..=77 {
        for round in 1..=count {
            let (root, hash) = (&chain.roots[count as usize], header(round));
            let good = chain.prove(round, count).expect("every node is there");
            for length in 0..good.siblings.len() {
                let bad = MmrProof { siblings: good.siblings[..length].to_vec() };
                assert_eq!(verify(root, count, round, &hash, &bad), Err(Reject::BadMmr));
            }
            for extra in [Digest32::ZERO, *root, hash] {
                let mut bad = good.clone();
                bad.siblings.push(extra);
                assert_eq!(verify(root, count, round, &hash, &bad), Err(Reject::BadMmr));
            }
            for at in 1..good.siblings.len() {
                let mut bad = good.clone();
                bad.siblings.swap(at - 1, at);
                assert_eq!(verify(root, count, round, &hash, &bad), Err(Reject::BadMmr));
            }
        }
    }
}

#[test]
fn mmr_6_wrong_round_or_count_is_refused() {
    let chain = Chain::of(66);
    for count in 1..=66 {
        for round in 1..=count {
            let (root, hash) = (&chain.roots[count as usize], header(round));
            let proof = chain.prove(round, count).expect("every node is there");
            for other in (1..=count).filter(|other| *other != round) {
                assert_eq!(verify(root, count, other, &hash, &proof), Err(Reject::BadMmr));
                assert_eq!(verify(root, count, other, &header(other), &proof), Err(Reject::BadMmr));
            }
            for other in (round..=200).filter(|other| *other != count) {
                assert_eq!(verify(root, other, round, &hash, &proof), Err(Reject::BadMmr));
            }
            for outside in [0, count + 1, u64::MAX] {
                assert_eq!(verify(root, count, outside, &hash, &proof), Err(Reject::WrongRound));
            }
        }
    }
}

#[test]
fn mmr_6_extreme_counts_are_refused_without_overflow() {
    let nothing = MmrProof { siblings: Vec::new() };
    for count in [MAX_COUNT - 1, MAX_COUNT, MAX_COUNT + 1, u64::MAX] {
        for round in [1, 2, MAX_COUNT - 1, MAX_COUNT] {
            assert!(verify(&Digest32::ZERO, count, round, &Digest32::ZERO, &nothing).is_err());
            assert_eq!(prove(round, count, |_| None), None);
        }
    }
    assert_eq!(verify(&empty_root(), 0, 1, &header(1), &nothing), Err(Reject::WrongRound));
    // With every node there, a proof in the longest range has the length that its verifier expects.
    let proof = prove(MAX_COUNT - 1, MAX_COUNT - 1, |_| Some(Digest32::ZERO)).expect("every node is there");
    assert!(proof.siblings.len() <= max_proof_len(MAX_COUNT - 1));
}

#[test]
fn mmr_1_the_leaf_binds_the_round() {
    let mut right = Mmr::new();
    let mut wrong = Mmr::new();
    right.append(1, header(1));
    wrong.append(2, header(1));
    assert_ne!(right.root(), wrong.root());
    let nothing = MmrProof { siblings: Vec::new() };
    assert_eq!(verify(&right.root(), 1, 1, &header(1), &nothing), Ok(()));
    assert_eq!(verify(&wrong.root(), 1, 1, &header(1), &nothing), Err(Reject::BadMmr));
}

#[test]
fn mmr_5_ten_million_leaves_fit_a_kilobyte() {
    for count in [10_000_000, (1 << 23) - 1, 1 << 23, (1 << 23) + 1] {
        assert!(32 * max_proof_len(count) + 8 <= 1000, "count {count}");
        for round in [1, 2, count / 2, count - 1, count] {
            let proof = prove(round, count, |_| Some(Digest32::ZERO)).expect("every node is there");
            assert!(proof.siblings.len() <= max_proof_len(count));
            assert_eq!(encode(&proof).len(), 8 + 32 * proof.siblings.len());
        }
    }
    assert_eq!([0, 1, 2, 3, 4, 5, u64::MAX].map(max_proof_len), [0, 0, 1, 2, 2, 3, 64]);
}

#[test]
fn mmr_2_a_stored_range_is_judged() {
    let chain = Chain::of(11);
    let bytes = encode(&chain.mmr);
    let limits = Limits::bytes(1 << 10);
    let mut read: Mmr = decode(&bytes, &limits).expect("what was written");
    assert_eq!(read, chain.mmr);
    read.append(12, header(12));
    assert_eq!(read.root(), naive_root(12));
    // Eleven leaves have three peaks, not as many as twelve or fifteen; and no range is longer than the longest.
    for count in [10, 15, MAX_COUNT, MAX_COUNT | 3, u64::MAX] {
        let mut bad = bytes.clone();
        bad[..8].copy_from_slice(&count.to_be_bytes());
        assert_eq!(decode::<Mmr>(&bad, &limits), Err(Reject::Malformed));
    }
}
