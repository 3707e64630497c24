//! Rules [codec-1] to [codec-3] of specs/encoding.md: every shape byte by byte, and every way to spoil it.

use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::Signature;
use beacon_spec::reject::Reject;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// One of each shape that messages are made of.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
struct Sample {
    small: u8,
    index: u16,
    count: u32,
    #[serde(with = "beacon_spec::codec::number")]
    round: u64,
    flag: bool,
    digest: Digest32,
    list: Vec<u16>,
    #[serde(with = "beacon_spec::codec::hex_vec")]
    body: Vec<u8>,
    name: String,
    maybe: Option<u16>,
    kind: Kind,
    pair: (u8, u16),
    signature: Signature,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
enum Kind {
    Nothing,
    One(u16),
    Named { value: u32 },
}

const LIMITS: Limits = Limits::bytes(1 << 16);

fn sample() -> Sample {
    Sample {
        small: 0x01,
        index: 0x0203,
        count: 0x0405_0607,
        round: 0x0809_0a0b_0c0d_0e0f,
        flag: true,
        digest: Digest32([0xd0; 32]),
        list: vec![0x1112, 0x1314],
        body: vec![0xaa, 0xbb, 0xcc],
        name: String::from("é"),
        maybe: Some(0x2122),
        kind: Kind::Named { value: 0x3132_3334 },
        pair: (0x41, 0x4243),
        signature: Signature([0x5e; 64]),
    }
}

/// The sample, field by field.
fn expected() -> String {
    [
        "01",
        "0203",
        "04050607",
        "08090a0b0c0d0e0f",
        "01",
        &"d0".repeat(32),
        "0000000000000002", /* two entries */
        "11121314",
        "0000000000000003", /* three bytes */
        "aabbcc",
        "0000000000000002", /* two bytes of UTF-8 */
        "c3a9",
        "01", /* there is one */
        "2122",
        "00000002", /* the third variant */
        "31323334",
        "41",
        "4243",
        &"5e".repeat(64),
    ]
    .concat()
}

#[test]
fn codec_1_every_shape_byte_by_byte() {
    assert_eq!(hex::encode(encode(&sample())), expected());
    assert_eq!(decode(&encode(&sample()), &LIMITS), Ok(sample()));
    assert_eq!(encode(&Kind::Nothing), [0; 4]);
    assert_eq!(encode(&Kind::One(9)), [0, 0, 0, 1, 0, 9]);
    assert_eq!(encode(&None::<u16>), [0]);
    assert!(encode(&()).is_empty());
}

#[test]
fn codec_2_limit_comes_first() {
    let bytes = encode(&sample());
    assert_eq!(decode::<Sample>(&bytes, &Limits::bytes(bytes.len() - 1)), Err(Reject::TooLong));
    assert_eq!(decode::<u8>(&bytes, &Limits::bytes(0)), Err(Reject::TooLong));
    assert_eq!(decode(&bytes, &Limits::bytes(bytes.len())), Ok(sample()));
}

#[test]
fn codec_2_every_truncation_and_extension_is_refused() {
    let bytes = encode(&sample());
    for length in 0..bytes.len() {
        assert_eq!(decode::<Sample>(&bytes[..length], &LIMITS), Err(Reject::Malformed), "{length} bytes");
    }
    for extra in [0, 1, 0xff] {
        let mut longer = bytes.clone();
        longer.push(extra);
        assert_eq!(decode::<Sample>(&longer, &LIMITS), Err(Reject::TrailingBytes));
    }
}

#[test]
fn codec_2_tags_are_checked() {
    for tag in 2..=0xff {
        assert_eq!(decode::<bool>(&[tag], &LIMITS), Err(Reject::Malformed));
        assert_eq!(decode::<Option<u8>>(&[tag, 0], &LIMITS), Err(Reject::Malformed));
    }
    assert_eq!(decode::<Kind>(&[0, 0, 0, 3], &LIMITS), Err(Reject::Malformed));
    assert_eq!(decode::<Kind>(&[0xff; 8], &LIMITS), Err(Reject::Malformed));
    assert_eq!(decode::<String>(&[0, 0, 0, 0, 0, 0, 0, 1, 0xff], &LIMITS), Err(Reject::Malformed));
}

#[test]
fn codec_2_claims_beyond_the_input_are_refused() {
    for claim in [1_u64, 1 << 20, 1 << 40, u64::MAX] {
        assert_eq!(decode::<Vec<u64>>(&claim.to_be_bytes(), &LIMITS), Err(Reject::Malformed));
        assert_eq!(decode::<Vec<Digest32>>(&claim.to_be_bytes(), &LIMITS), Err(Reject::Malformed));
        assert_eq!(decode::<String>(&claim.to_be_bytes(), &LIMITS), Err(Reject::Malformed));
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq)]
struct Number(#[serde(with = "beacon_spec::codec::number")] u64);

#[test]
fn codec_3_numbers_in_json() {
    let exact = 1_u64 << 53;
    let text = |value| serde_json::to_string(&Number(value)).expect("numbers have a text");
    assert_eq!(text(exact), "9007199254740992");
    assert_eq!(text(exact + 1), "\"9007199254740993\"");
    assert_eq!(text(u64::MAX), "\"18446744073709551615\"");
    let read = |text: &str| serde_json::from_str::<Number>(text).ok().map(|number| number.0);
    for (good, value) in [("0", 0), ("\"0\"", 0), ("\"10\"", 10), ("\"18446744073709551615\"", u64::MAX)] {
        assert_eq!(read(good), Some(value), "{good}");
    }
    for bad in ["-1", "1.0", "1e3", "null", "\"\"", "\"01\"", "\"+1\"", "\" 1\"", "\"-0\"", "\"18446744073709551616\""]
    {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn codec_3_bytes_in_json() {
    let json = serde_json::to_value(sample()).expect("the sample has a text");
    assert_eq!(json["digest"], "d0".repeat(32));
    assert_eq!(json["body"], "aabbcc");
    assert_eq!(serde_json::from_value::<Sample>(json).expect("what was written"), sample());
    for bad in ["\"d0\"", "\"\"", "1", "[1]"] {
        assert!(serde_json::from_str::<Digest32>(bad).is_err(), "{bad}");
    }
}

proptest! {
    /// Whatever decodes encodes to the same bytes: there is one encoding a value.
    #[test]
    fn codec_1_one_encoding_a_value(bytes in prop::collection::vec(prop_oneof![Just(0_u8), 0..4_u8, any::<u8>()], 0..200)) {
        if let Ok(value) = decode::<Sample>(&bytes, &LIMITS) {
            prop_assert_eq!(encode(&value), bytes.clone());
        }
        if let Ok(value) = decode::<(Kind, Option<u16>, Vec<bool>)>(&bytes, &LIMITS) {
            prop_assert_eq!(encode(&value), bytes);
        }
    }

    #[test]
    fn codec_1_spoilt_samples_stay_canonical(at in 0..200_usize, byte in any::<u8>()) {
        let mut bytes = encode(&sample());
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(value) = decode::<Sample>(&bytes, &LIMITS) {
            prop_assert_eq!(encode(&value), bytes);
        }
    }
}
