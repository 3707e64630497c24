//! Rules [hash-1] to [hash-3] of specs/encoding.md, against the frozen vectors.

use beacon_spec::hash::{Digest32, Hasher, WideHasher, hkdf, hkdf_expand, tag, tree_root};
use beacon_spec::reject::Reject;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    tagged: Vec<Tagged>,
    wide: Vec<Tagged>,
    trees: Vec<Tree>,
    hkdf: Vec<Hkdf>,
    expand: Vec<Expand>,
}

#[derive(Deserialize)]
struct Tagged {
    tag: String,
    parts: Vec<Part>,
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Fixed(String),
    Framed(String),
    U16(u16),
    U32(u32),
    U64(#[serde(with = "beacon_spec::codec::number")] u64),
}

#[derive(Deserialize)]
struct Tree {
    leaves: Vec<Digest32>,
    root: Digest32,
}

#[derive(Deserialize)]
struct Hkdf {
    salt: String,
    ikm: String,
    info: Vec<String>,
    length: usize,
    sha3_256_of_output: Option<String>,
    reject: Option<String>,
}

#[derive(Deserialize)]
struct Expand {
    key: Digest32,
    info: Vec<String>,
    length: usize,
    sha3_256_of_output: Option<String>,
    reject: Option<String>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/hash.json")).expect("the vector file")
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).expect("hexadecimal in the vector file")
}

/// Tags are constants of the program; those of the vector file live as long as the test.
fn constant(tag: &str) -> &'static str {
    String::from(tag).leak()
}

fn check_output(result: Result<(), Reject>, output: &[u8], expected: Option<&String>, reject: Option<&str>) {
    use sha3::Digest;
    assert_eq!(result.err().map(Reject::code), reject);
    if let Some(expected) = expected {
        assert_eq!(hex::encode(sha3::Sha3_256::digest(output)), *expected);
    }
}

#[test]
fn hash_1_tagged_vectors() {
    for case in vectors().tagged {
        let hasher = case.parts.iter().fold(Hasher::new(constant(&case.tag)), |hasher, part| match part {
            Part::Fixed(text) => hasher.fixed(&bytes(text)),
            Part::Framed(text) => hasher.framed(&bytes(text)),
            Part::U16(value) => hasher.u16(*value),
            Part::U32(value) => hasher.u32(*value),
            Part::U64(value) => hasher.u64(*value),
        });
        assert_eq!(hasher.finish().to_string(), case.digest);
    }
}

#[test]
fn hash_1_wide_vectors() {
    for case in vectors().wide {
        let hasher = case.parts.iter().fold(WideHasher::new(constant(&case.tag)), |hasher, part| match part {
            Part::Fixed(text) => hasher.fixed(&bytes(text)),
            Part::Framed(text) => hasher.framed(&bytes(text)),
            Part::U32(value) => hasher.u32(*value),
            Part::U16(_) | Part::U64(_) => panic!("wide hashes take no such field"),
        });
        assert_eq!(hex::encode(hasher.finish()), case.digest);
    }
}

#[test]
fn hash_1_frames_keep_fields_apart() {
    let two = |a: &[u8], b: &[u8]| Hasher::new(tag::VALUE).framed(a).framed(b).finish();
    assert_ne!(two(b"ab", b"c"), two(b"a", b"bc"));
    assert_ne!(two(b"", b"\0\0\0\0"), two(b"\0\0\0\0", b""));
    assert_ne!(Hasher::new(tag::VALUE).finish(), Hasher::new(tag::VOTE).finish());
}

#[test]
fn hash_2_tree_vectors() {
    for case in vectors().trees {
        assert_eq!(tree_root(case.leaves.clone()), case.root, "{} leaves", case.leaves.len());
    }
}

#[test]
fn hash_3_hkdf_vectors() {
    for case in vectors().hkdf {
        let info: Vec<Vec<u8>> = case.info.iter().map(|text| bytes(text)).collect();
        let info: Vec<&[u8]> = info.iter().map(Vec::as_slice).collect();
        let mut output = vec![0; case.length];
        let result = hkdf(&bytes(&case.salt), &bytes(&case.ikm), &info, &mut output);
        check_output(result, &output, case.sha3_256_of_output.as_ref(), case.reject.as_deref());
    }
    for case in vectors().expand {
        let info: Vec<Vec<u8>> = case.info.iter().map(|text| bytes(text)).collect();
        let info: Vec<&[u8]> = info.iter().map(Vec::as_slice).collect();
        let mut output = vec![0; case.length];
        let result = hkdf_expand(&case.key.0, &info, &mut output);
        check_output(result, &output, case.sha3_256_of_output.as_ref(), case.reject.as_deref());
    }
}
