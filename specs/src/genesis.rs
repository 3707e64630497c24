//! The genesis: parameters that never change, the first committee, and the chain hash over both.
//!
//! Drawing it up takes three steps, so that nothing is circular: a draft names members and parameters; each member
//! makes its first bundle bound to the draft's ceremony id; the sealed genesis holds draft and bundles, and its hash
//! is the chain hash. [genesis-1]

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::bundle::KeyBundle;
use crate::codec::{Limits, decode, encode};
use crate::committee::{Committee, MAX_MEMBERS, MAX_WEIGHT, Member, SignerList, Signers};
use crate::hash::{Digest32, Hasher, tag};
use crate::keys::IdentityKey;
use crate::reject::Reject;
use crate::schedule::Schedule;

/// Rounds of a window at most.
pub const MAX_WINDOW: u64 = 64;
/// A sealed genesis of 512 members with 683 ticket keys each is the largest there is.
pub const GENESIS_LIMITS: Limits = Limits::bytes(40 << 20);

/// What is fixed for the life of a chain. All times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Due time of round 1, Unix milliseconds, and the distance between rounds (0: as fast as the network goes).
    pub schedule: Schedule,
    /// Overdue rounds open at least this far apart.
    #[serde(with = "crate::codec::number")]
    pub catch_up_interval: u64,
    /// How long before the genesis time members begin to deal.
    #[serde(with = "crate::codec::number")]
    pub lead: u64,
    /// δ: between seeing openings or readies of a quorum and releasing shares.
    #[serde(with = "crate::codec::number")]
    pub recovery_delay: u64,
    /// How long a proposer that has a quorum of commitments waits for the rest.
    #[serde(with = "crate::codec::number")]
    pub grace: u64,
    /// Registrations that one value may carry.
    pub registrations_per_value: u16,
    /// Allows members of a third of the weight and more: for development networks of one to three nodes.
    pub development_exemption: bool,
}

impl Parameters {
    /// Judges every range. [genesis-2]
    pub fn check(&self, members: usize) -> Result<(), Reject> {
        let s = &self.schedule;
        let per_epoch = s.epoch_windows.saturating_mul(u64::from(self.registrations_per_value));
        let good = (1..=MAX_WINDOW).contains(&s.window)
            && (4..=1 << 32).contains(&s.epoch_windows)
            && s.period <= 366 * 86_400_000
            && s.genesis_time <= 1 << 52
            && (s.period == 0 || self.catch_up_interval <= s.period / 2)
            && self.catch_up_interval <= 60_000
            && self.lead <= 3_600_000
            && self.recovery_delay <= 60_000
            && self.grace <= 60_000
            && per_epoch >= 4 * members as u64;
        if good { Ok(()) } else { Err(Reject::BadParameter) }
    }
}

/// A member as a draft names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftMember {
    pub identity: IdentityKey,
    #[serde(with = "crate::codec::number")]
    pub weight: u64,
}

/// The chain that this one continues, after a loss of a third of its weight or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predecessor {
    pub chain: Digest32,
    #[serde(with = "crate::codec::number")]
    pub round: u64,
    pub header_hash: Digest32,
}

/// A genesis before its bundles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    pub version: u16,
    pub name: String,
    pub parameters: Parameters,
    /// Sorted by identity.
    pub members: Vec<DraftMember>,
    pub predecessor: Option<Predecessor>,
}

impl Draft {
    /// The ceremony id, which the proofs of the first bundles bind. [genesis-3]
    pub fn ceremony(&self) -> Digest32 {
        Hasher::new(tag::CEREMONY).framed(&encode(self)).finish()
    }

    /// Judges everything but the bundles.
    pub fn check(&self) -> Result<(), Reject> {
        if self.version != crate::VERSION {
            return Err(Reject::UnknownVersion);
        }
        if self.name.is_empty() || self.name.len() > 64 || self.members.is_empty() || self.members.len() > MAX_MEMBERS {
            return Err(Reject::BadCount);
        }
        if self.members.windows(2).any(|pair| pair[0].identity >= pair[1].identity) {
            return Err(Reject::NotSorted);
        }
        if self.members.iter().any(|member| member.weight > MAX_WEIGHT) {
            return Err(Reject::BadWeight);
        }
        let total: u64 = self.members.iter().map(|member| member.weight).sum();
        if total == 0 {
            return Err(Reject::BadTotal);
        }
        let heavy = self.members.iter().any(|member| member.weight * 3 >= total);
        if heavy && !self.parameters.development_exemption {
            return Err(Reject::TooHeavy);
        }
        self.parameters.check(self.members.len())
    }
}

/// A sealed genesis: the draft and one bundle a member, in member order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    pub draft: Draft,
    pub bundles: Vec<KeyBundle>,
}

impl Genesis {
    /// Judges the whole genesis; gives the committee of epoch 1 and the chain hash. [genesis-4]
    pub fn check(&self) -> Result<(Committee, Digest32), Reject> {
        self.draft.check()?;
        if self.bundles.len() != self.draft.members.len() {
            return Err(Reject::BadCount);
        }
        let ceremony = self.draft.ceremony();
        let mut members = Vec::with_capacity(self.bundles.len());
        for (member, bundle) in self.draft.members.iter().zip(&self.bundles) {
            bundle.verify(&ceremony, &member.identity, 1)?;
            members.push(Member { identity: member.identity, weight: member.weight, bundle: bundle.clone() });
        }
        let committee = Committee::new(1, 0, members, self.draft.parameters.development_exemption)?;
        let chain = self.light(&committee).chain();
        Ok((committee, chain))
    }

    /// Decodes a sealed genesis and checks it against the chain hash that the reader trusts.
    pub fn open(bytes: &[u8], chain: &Digest32) -> Result<(Genesis, Committee), Reject> {
        let genesis: Genesis = decode(bytes, &GENESIS_LIMITS)?;
        let (committee, found) = genesis.check()?;
        if found == *chain { Ok((genesis, committee)) } else { Err(Reject::WrongChain) }
    }

    /// What a client needs of the genesis.
    pub fn light(&self, committee: &Committee) -> LightGenesis {
        LightGenesis {
            draft: self.draft.clone(),
            signers: committee.signers().list().clone(),
            bundles: Hasher::new(tag::BUNDLES).framed(&encode(&self.bundles)).finish(),
        }
    }
}

/// The genesis for clients: the bundles are left out but for their hash. [genesis-5]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LightGenesis {
    pub draft: Draft,
    pub signers: SignerList,
    pub bundles: Digest32,
}

impl LightGenesis {
    /// The chain hash, which is also the hash of header 0: H(ceremony id, committee hash of epoch 1, bundles).
    pub fn chain(&self) -> Digest32 {
        Hasher::new(tag::CHAIN)
            .fixed(&self.draft.ceremony().0)
            .fixed(&self.signers.hash().0)
            .fixed(&self.bundles.0)
            .finish()
    }

    /// Judges a light genesis under the chain hash that the reader trusts. Ticket keys and proofs of possession
    /// are the members' concern: they refuse a genesis that breaks those rules, and then no round is certified.
    pub fn check(self, chain: &Digest32) -> Result<(Draft, Signers), Reject> {
        if self.chain() != *chain {
            return Err(Reject::WrongChain);
        }
        self.draft.check()?;
        let same = self.signers.epoch == 1
            && self.signers.membership == 0
            && self.signers.signers.len() == self.draft.members.len()
            && self
                .signers
                .signers
                .iter()
                .zip(&self.draft.members)
                .all(|(signer, member)| signer.identity == member.identity && signer.weight == member.weight);
        if !same {
            return Err(Reject::WrongCommittee);
        }
        Ok((self.draft, Signers::new(self.signers)?))
    }
}
