//! Rules of specs/messages.md for what travels by gossip.

use beacon_spec::chain::Beacon;
use beacon_spec::codec::encode;
use beacon_spec::gossip::{
    BEACONS, FRAME_HEAD, GOSSIP_MAX, asking, frame, message_id, namespace, protocol, read_beacon, read_shown, shown,
    topic, unframe,
};
use beacon_spec::hash::Digest32;
use beacon_spec::reject::Reject;
use serde_json::Value;

/// The beacon of the format vectors.
fn beacon() -> Beacon {
    let file: Value = serde_json::from_str(include_str!("../vectors/formats.json")).expect("a vector file");
    let cases = file["cases"].as_array().expect("cases");
    let case = cases.iter().find(|case| case["kind"] == "Beacon").expect("a beacon");
    serde_json::from_value(case["out"]["json"].clone()).expect("a beacon")
}

#[test]
fn gossip_1_names_begin_with_the_chain() {
    let chain = namespace(&Digest32([0xab; 32]));
    assert_eq!(chain, format!("/beacon/{}", "ab".repeat(32)));
    assert_eq!(topic(&chain, BEACONS), format!("{chain}/beacons"));
    assert_eq!(protocol(&chain), format!("{chain}/gossip"));
}

#[test]
fn gossip_2_frames_and_identifiers() {
    assert_eq!(frame(3, b"abc"), b"\0\0\0\x03abc");
    assert_eq!(unframe(b"\0\0\0\x03abc"), Some(&b"abc"[..]));
    assert_eq!(unframe(&[0; FRAME_HEAD]), Some(&[][..]));
    assert_eq!(unframe(&[0; FRAME_HEAD - 1]), None);
    assert_eq!(unframe(&vec![0; FRAME_HEAD + GOSSIP_MAX]).map(<[u8]>::len), Some(GOSSIP_MAX));
    assert_eq!(unframe(&vec![0; FRAME_HEAD + GOSSIP_MAX + 1]), None);
    let id = message_id("a", b"message");
    assert_ne!(id, message_id("b", b"message"));
    assert_ne!(id, message_id("a", b"massage"));
    assert_ne!(id, message_id("am", b"essage"));
}

#[test]
fn gossip_3_beacons_are_read_from_their_frames_only() {
    let beacon = beacon();
    let message = [&[0, 0, 0, 3], encode(&beacon).as_slice()].concat();
    assert_eq!(read_beacon(&frame(0, &message)), Ok(beacon));
    for length in 0..message.len() {
        assert_eq!(read_beacon(&frame(0, &message[..length])), Err(Reject::Malformed), "{length} bytes");
    }
    assert_eq!(read_beacon(&frame(0, &[message.as_slice(), &[0]].concat())), Err(Reject::TrailingBytes));
    assert_eq!(read_beacon(&frame(0, &[&[0, 0, 0, 2], &message[4..]].concat())), Err(Reject::Malformed));
    assert_eq!(read_beacon(b"\0\0\0"), Err(Reject::Malformed));
}

#[test]
fn gossip_4_an_answer_has_a_status_and_a_body() {
    assert_eq!(asking(&namespace(&Digest32([0xab; 32]))), format!("/beacon/{}/sync/1", "ab".repeat(32)));
    assert_eq!(shown(425, b"abc"), b"\x01\xa9abc");
    assert_eq!(read_shown(&shown(200, b"")), Ok((200, &[][..])));
    assert_eq!(read_shown(b"\x01\xa9abc"), Ok((425, &b"abc"[..])));
    assert_eq!(read_shown(b"\x01"), Err(Reject::Malformed));
}
