//! Hash links over encoded headers: the fast path of long chains.
//!
//! A header is 270 bytes of fixed layout, so fields are read at their places and the bytes are hashed as they are;
//! a test holds the places against the codec.

use beacon_spec::chain::{HEADER_BYTES, Header};
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::reject::Reject;
use beacon_spec::schedule::Schedule;

use crate::refusal::Refusal;

/// One encoded header.
pub type RawHeader = [u8; HEADER_BYTES];

/// Splits off the first `N` bytes of a slice that is long enough by the header's width.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (first, after) = rest.split_first_chunk().expect("the fields add up to the width of a header");
    *rest = after;
    *first
}

/// Reads the fields of an encoded header. Every 270 bytes are one.
pub fn read(raw: &RawHeader) -> Header {
    let rest = &mut raw.as_slice();
    Header {
        version: u16::from_be_bytes(take(rest)),
        chain: Digest32(take(rest)),
        round: u64::from_be_bytes(take(rest)),
        due: u64::from_be_bytes(take(rest)),
        previous: Digest32(take(rest)),
        epoch: u64::from_be_bytes(take(rest)),
        committee: Digest32(take(rest)),
        next_committee: Digest32(take(rest)),
        window: u64::from_be_bytes(take(rest)),
        dealing_set: Digest32(take(rest)),
        weight: u64::from_be_bytes(take(rest)),
        contributors: u32::from_be_bytes(take(rest)),
        mmr: Digest32(take(rest)),
        output: Digest32(take(rest)),
    }
}

/// Verifies that encoded headers follow one another: chain, round, schedule, committee, hash link.
///
/// Links alone prove nothing until a header they lead up to is trusted.
#[derive(Clone)]
pub struct Links {
    chain: Digest32,
    schedule: Schedule,
    /// The header hasher with its tag absorbed: a third of the work of a header.
    tagged: Hasher,
    last: Option<Last>,
}

#[derive(Clone)]
struct Last {
    round: u64,
    hash: Digest32,
    /// The committee that the next header must name.
    next_committee: Digest32,
}

impl Links {
    pub fn new(chain: Digest32, schedule: Schedule) -> Self {
        Links { chain, schedule, tagged: Hasher::new(tag::HEADER), last: None }
    }

    /// Links that start at the genesis: the first header is of round 1 and of `committee`.
    pub fn from_genesis(chain: Digest32, schedule: Schedule, committee: Digest32) -> Self {
        let last = Last { round: 0, hash: chain, next_committee: committee };
        Links { last: Some(last), ..Links::new(chain, schedule) }
    }

    /// The hash of an encoded header, as [`beacon_spec::chain::hash_encoded`] gives it.
    pub fn hash(&self, raw: &RawHeader) -> Digest32 {
        self.tagged.clone().fixed(raw).finish()
    }

    /// Round and hash of the last header taken.
    pub fn last(&self) -> Option<(u64, Digest32)> {
        self.last.as_ref().map(|last| (last.round, last.hash))
    }

    /// Takes the next header.
    pub fn push(&mut self, raw: &RawHeader) -> Result<(Header, Digest32), Refusal> {
        let header = read(raw);
        header.check(&self.chain, &self.schedule).map_err(|reject| refused(reject, &header))?;
        if let Some(last) = &self.last {
            if header.round != last.round + 1 {
                return Err(refused(Reject::WrongRound, &header).mismatch(last.round + 1, header.round));
            }
            if header.previous != last.hash {
                return Err(refused(Reject::BrokenLink, &header).mismatch(last.hash, header.previous));
            }
            if header.committee != last.next_committee {
                return Err(refused(Reject::WrongCommittee, &header).mismatch(last.next_committee, header.committee));
            }
        }
        let hash = self.hash(raw);
        self.last = Some(Last { round: header.round, hash, next_committee: header.next_committee });
        Ok((header, hash))
    }
}

fn refused(reject: Reject, header: &Header) -> Refusal {
    Refusal::new(reject, format!("header of round {}", header.round))
}

#[cfg(test)]
mod tests {
    use super::*;
    use beacon_spec::chain::hash_encoded;
    use beacon_spec::codec::{Limits, decode};

    #[test]
    fn places_and_hash_are_those_of_the_codec() {
        let raw: RawHeader = std::array::from_fn(|place| (place * 7 + place / 256) as u8);
        let header: Header = decode(&raw, &Limits::bytes(HEADER_BYTES)).expect("every 270 bytes are a header");
        assert_eq!(read(&raw), header);
        let schedule = Schedule { genesis_time: 0, period: 1, window: 1, epoch_windows: 4 };
        assert_eq!(Links::new(Digest32::ZERO, schedule).hash(&raw), hash_encoded(&raw));
        assert_eq!(header.hash(), hash_encoded(&raw));
    }
}
