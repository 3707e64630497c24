//! How trust goes from one header to another: the rules of everyone who reads the chain.
//!
//! It starts at the chain hash. A light genesis that hashes to it gives the first committee; a committee's certificate
//! makes a header trusted; the last header of an epoch names the next committee; the MMR root in a trusted header
//! proves every header before it. Nothing here fetches, keeps or knows the time. [trust-1]

use serde::{Deserialize, Serialize};

use crate::chain::{Beacon, Header};
use crate::codec::number;
use crate::committee::{SignerList, Signers};
use crate::hash::Digest32;
use crate::mmr::{self, MmrProof};
use crate::reject::Reject;
use crate::schedule::Schedule;

/// What must be kept of a trusted header to judge the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    #[serde(with = "number")]
    pub round: u64,
    pub hash: Digest32,
    /// The committee that the next header must name.
    pub committee: Digest32,
}

impl Head {
    /// The genesis: header 0 counts as certified, its hash is the chain hash. [trust-1]
    pub fn genesis(chain: Digest32, committee: Digest32) -> Head {
        Head { round: 0, hash: chain, committee }
    }

    fn of(header: &Header, hash: Digest32) -> Head {
        Head { round: header.round, hash, committee: header.next_committee }
    }

    /// Goes on to the next round: the header in itself, its place, its link, its committee, then its certificate.
    /// [trust-2]
    pub fn follow(
        &self,
        beacon: &Beacon,
        chain: &Digest32,
        schedule: &Schedule,
        signers: &Signers,
    ) -> Result<Head, Reject> {
        let header = &beacon.header;
        header.check(chain, schedule)?;
        if self.round.checked_add(1) != Some(header.round) {
            return Err(Reject::WrongRound);
        }
        if header.previous != self.hash {
            return Err(Reject::BrokenLink);
        }
        if header.committee != self.committee {
            return Err(Reject::WrongCommittee);
        }
        let hash = beacon.verify(chain, schedule, signers)?;
        Ok(Head::of(header, hash))
    }

    /// Goes to any later round, certified by `signers`, that shows this head under its MMR root. The head itself
    /// once more is no step and no harm; another certified header of its round is a conflict. [trust-4]
    pub fn leap(
        &self,
        beacon: &Beacon,
        proof: &MmrProof,
        chain: &Digest32,
        schedule: &Schedule,
        signers: &Signers,
    ) -> Result<Head, Reject> {
        let header = &beacon.header;
        let hash = beacon.verify(chain, schedule, signers)?;
        if header.round < self.round {
            return Err(Reject::WrongRound);
        }
        if header.round == self.round {
            return if hash == self.hash { Ok(*self) } else { Err(Reject::Conflict) };
        }
        if self.round > 0 {
            mmr::verify(&header.mmr, header.round - 1, self.round, &self.hash, proof)?;
        }
        Ok(Head::of(header, hash))
    }
}

/// The committee of the next epoch: a list that hashes to what the last header of this one names. [trust-3]
pub fn hand_over(last: &Header, schedule: &Schedule, list: SignerList) -> Result<Signers, Reject> {
    if !schedule.is_last_round_of_epoch(last.round) {
        return Err(Reject::WrongRound);
    }
    if list.hash() != last.next_committee {
        return Err(Reject::WrongCommittee);
    }
    if last.epoch.checked_add(1) != Some(list.epoch) {
        return Err(Reject::WrongEpoch);
    }
    Signers::new(list)
}

/// Proves an earlier header under a trusted one and judges its certificate by the committee that it names. [trust-5]
pub fn past(
    head: &Header,
    beacon: &Beacon,
    proof: &MmrProof,
    chain: &Digest32,
    schedule: &Schedule,
    signers: &Signers,
) -> Result<Digest32, Reject> {
    let header = &beacon.header;
    header.check(chain, schedule)?;
    if header.round >= head.round {
        return Err(Reject::WrongRound);
    }
    mmr::verify(&head.mmr, head.round - 1, header.round, &header.hash(), proof)?;
    beacon.verify(chain, schedule, signers)
}
