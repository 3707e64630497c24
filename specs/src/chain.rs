//! Headers, beacons and transcripts, and the rules by which one beacon follows another.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::codec::{Limits, encode};
use crate::committee::{Committee, Signers};
use crate::hash::{Digest32, Hasher, tag};
use crate::keys::ScalarBytes;
use crate::message::dealing_context;
use crate::mix;
use crate::pvss::{self, Dealing, Secret, Share};
use crate::reject::Reject;
use crate::schedule::Schedule;

/// Width of an encoded header in bytes.
pub const HEADER_BYTES: usize = 270;
/// The largest beacon: 512 signers.
pub const BEACON_LIMITS: Limits = Limits::bytes(40 << 10);
/// The largest transcript: 512 dealings at 683 tickets, all recovered.
pub const TRANSCRIPT_LIMITS: Limits = Limits::bytes(40 << 20);

/// What a quorum certifies for a round. Every field is determined by the chain and the round's secrets. [chain-1]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub version: u16,
    pub chain: Digest32,
    #[serde(with = "crate::codec::number")]
    pub round: u64,
    /// T(round) in Unix milliseconds: a schedule, not a time stamp.
    #[serde(with = "crate::codec::number")]
    pub due: u64,
    /// Hash of the header of `round − 1`; the chain hash for round 1.
    pub previous: Digest32,
    #[serde(with = "crate::codec::number")]
    pub epoch: u64,
    pub committee: Digest32,
    /// Equal to `committee`, but in the last header of an epoch.
    pub next_committee: Digest32,
    #[serde(with = "crate::codec::number")]
    pub window: u64,
    pub dealing_set: Digest32,
    /// Weight and number of the contributors.
    #[serde(with = "crate::codec::number")]
    pub weight: u64,
    pub contributors: u32,
    /// MMR root over the headers before this one.
    pub mmr: Digest32,
    pub output: Digest32,
}

impl Header {
    /// The header hash. [chain-2]
    pub fn hash(&self) -> Digest32 {
        hash_encoded(&encode(self))
    }

    /// Judges what the header says about chain, schedule and version. [chain-3]
    pub fn check(&self, chain: &Digest32, schedule: &Schedule) -> Result<(), Reject> {
        if self.version != crate::VERSION {
            return Err(Reject::UnknownVersion);
        }
        if self.chain != *chain {
            return Err(Reject::WrongChain);
        }
        if self.round == 0 {
            return Err(Reject::WrongRound); // the genesis has no header of this form
        }
        if schedule.time_of(self.round)? != self.due {
            return Err(Reject::WrongDueTime);
        }
        if self.window != schedule.window_of(self.round) {
            return Err(Reject::WrongWindow);
        }
        if self.epoch != schedule.epoch_of(self.round) {
            return Err(Reject::WrongEpoch);
        }
        if self.next_committee != self.committee && !schedule.is_last_round_of_epoch(self.round) {
            return Err(Reject::WrongCommittee);
        }
        Ok(())
    }
}

/// The header hash of an encoded header.
pub fn hash_encoded(bytes: &[u8]) -> Digest32 {
    Hasher::new(tag::HEADER).fixed(bytes).finish()
}

/// A header with its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beacon {
    pub header: Header,
    pub certificate: Certificate,
}

impl Beacon {
    /// Judges a beacon on its own under the committee of its epoch. [chain-4]
    pub fn verify(&self, chain: &Digest32, schedule: &Schedule, signers: &Signers) -> Result<Digest32, Reject> {
        self.header.check(chain, schedule)?;
        if self.header.epoch != signers.epoch() || self.header.committee != signers.hash() {
            return Err(Reject::WrongCommittee);
        }
        let hash = self.header.hash();
        self.certificate.verify(chain, self.header.round, &hash, signers)?;
        Ok(hash)
    }
}

/// How one dealing's secret became known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revealed {
    /// By the dealer's opening.
    Opened(ScalarBytes),
    /// By ⌈T/2⌉ shares.
    Recovered(Vec<Share>),
}

/// One contributor of a round: its dealing and what revealed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    pub member: u16,
    pub dealing: Dealing,
    pub revealed: Revealed,
}

/// Everything an output was mixed from. It differs from node to node in how secrets were revealed, never in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    #[serde(with = "crate::codec::number")]
    pub round: u64,
    /// By member, strictly increasing.
    pub contributions: Vec<Contribution>,
}

impl Transcript {
    /// Recomputes the output of `header` from the dealings, verifying every proof. [chain-5]
    pub fn audit(&self, header: &Header, committee: &Committee) -> Result<(), Reject> {
        if self.round != header.round {
            return Err(Reject::WrongRound);
        }
        if committee.hash() != header.committee {
            return Err(Reject::WrongCommittee);
        }
        if self.contributions.windows(2).any(|pair| pair[0].member >= pair[1].member) {
            return Err(Reject::NotSorted);
        }
        let mut hashes = Vec::with_capacity(self.contributions.len());
        let mut secrets = Vec::with_capacity(self.contributions.len());
        let mut weight = 0u64;
        for contribution in &self.contributions {
            committee.signers().verifier(contribution.member)?;
            weight += committee.signers().weight(contribution.member);
            let context = dealing_context(&header.chain, committee, self.round, contribution.member);
            let verified = pvss::verify(&contribution.dealing, &context, committee.ticket_set())?;
            hashes.push((contribution.member, verified.hash()));
            secrets.push((contribution.member, contribution.revealed.secret(&verified, committee)?));
        }
        let root = mix::dealing_set_root(self.round, &hashes);
        if root != header.dealing_set {
            return Err(Reject::WrongRoot);
        }
        if weight != header.weight || self.contributions.len() != header.contributors as usize {
            return Err(Reject::BadCount);
        }
        if mix::output(&header.chain, self.round, &header.previous, &root, &secrets) != header.output {
            return Err(Reject::WrongOutput);
        }
        Ok(())
    }
}

impl Revealed {
    /// The secret that this reveals of `dealing`, with its proofs checked.
    fn secret(&self, dealing: &pvss::VerifiedDealing, committee: &Committee) -> Result<Secret, Reject> {
        match self {
            Revealed::Opened(d) => pvss::open(dealing, d),
            Revealed::Recovered(shares) => {
                for share in shares {
                    pvss::verify_share(share, dealing, committee.ticket_set())?;
                }
                pvss::recover(shares, committee.ticket_set())
            }
        }
    }
}
