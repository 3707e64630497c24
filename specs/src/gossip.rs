//! What nodes and clients share of the peer-to-peer network: the names that keep chains apart, and the frame of a
//! gossip message.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::chain::{BEACON_LIMITS, Beacon};
use crate::codec::decode;
use crate::hash::{Digest32, Hasher, tag};
use crate::reject::Reject;

/// Longest gossip message: the commitment of a window of 64 rounds, 64 dealings of about 4.5 KiB.
pub const GOSSIP_MAX: usize = 512 * 1024;
/// Bytes of the resend number before each message.
pub const FRAME_HEAD: usize = 4;
/// The topic of beacons, behind the namespace.
pub const BEACONS: &str = "beacons";
/// The number of the beacon among the messages that travel.
const BEACON_MESSAGE: [u8; 4] = 3u32.to_be_bytes();

/// The first byte of a question for what the public interface shows. [gossip-4]
pub const ASK_PUBLIC: u8 = 4;
/// The longest path that is asked for. [gossip-4]
pub const PATH_MAX: usize = 256;

/// What the names of all protocols and topics of a chain begin with. [gossip-1]
pub fn namespace(chain: &Digest32) -> String {
    format!("/beacon/{chain}")
}

/// The name of a topic. [gossip-1]
pub fn topic(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// What the names of the gossip protocol's versions begin with. [gossip-1]
pub fn protocol(namespace: &str) -> String {
    format!("{namespace}/gossip")
}

/// The protocol on which peers are asked. [gossip-4]
pub fn asking(namespace: &str) -> String {
    format!("{namespace}/sync/1")
}

/// A message with its resend number in front. [gossip-2]
pub fn frame(resend: u32, message: &[u8]) -> Vec<u8> {
    [&resend.to_be_bytes(), message].concat()
}

/// The message of a frame; nothing if the frame is too short or too long. [gossip-2]
pub fn unframe(frame: &[u8]) -> Option<&[u8]> {
    frame.get(FRAME_HEAD..).filter(|message| message.len() <= GOSSIP_MAX)
}

/// The identifier of a gossip message under its topic's name. [gossip-2]
pub fn message_id(topic: &str, frame: &[u8]) -> Digest32 {
    Hasher::new(tag::GOSSIP_ID).framed(topic.as_bytes()).fixed(frame).finish()
}

/// The beacon in a frame of the topic of beacons, not judged yet. [gossip-3]
pub fn read_beacon(frame: &[u8]) -> Result<Beacon, Reject> {
    let message = unframe(frame).ok_or(Reject::Malformed)?;
    decode(message.strip_prefix(&BEACON_MESSAGE).ok_or(Reject::Malformed)?, &BEACON_LIMITS)
}

/// What answers a question for the public interface: a status of HTTP and the body. [gossip-4]
pub fn shown(status: u16, body: &[u8]) -> Vec<u8> {
    [&status.to_be_bytes(), body].concat()
}

/// Status and body of such an answer. [gossip-4]
pub fn read_shown(answer: &[u8]) -> Result<(u16, &[u8]), Reject> {
    let (status, body) = answer.split_first_chunk().ok_or(Reject::Malformed)?;
    Ok((u16::from_be_bytes(*status), body))
}
