//! The committee of an epoch: members by identity key, weights, quorum, tickets, and what clients need of it.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::bundle::{KeyBundle, no_key_twice};
use crate::codec::Limits;
use crate::hash::{Digest32, Hasher, tag, tree_root};
use crate::keys::{IdentityKey, PointBytes, Verifier, VotingKey};
use crate::pvss::TicketSet;
use crate::reject::Reject;
use crate::sabotage::{Bug, planted};
use crate::tickets;

/// Members of one committee at most, weightless ones included.
pub const MAX_MEMBERS: usize = 512;
/// The greatest weight of one member.
pub const MAX_WEIGHT: u64 = 1_000_000;

/// One line of the signer list: what a client needs to check certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    pub identity: IdentityKey,
    #[serde(with = "crate::codec::number")]
    pub weight: u64,
    pub voting_key: VotingKey,
}

/// The signer list of an epoch as it travels, with the root of the ticket keys it leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignerList {
    #[serde(with = "crate::codec::number")]
    pub epoch: u64,
    /// How many amendments took effect before this epoch's committee.
    #[serde(with = "crate::codec::number")]
    pub membership: u64,
    pub signers: Vec<Signer>,
    pub ticket_root: Digest32,
}

impl SignerList {
    /// The committee hash: H(epoch, membership number, count, signer root, ticket-key root). [committee-1]
    pub fn hash(&self) -> Digest32 {
        let leaves = self.signers.iter().zip(0u16..).map(|(signer, index)| {
            Hasher::new(tag::SIGNER_LEAF)
                .u16(index)
                .fixed(&signer.identity.0)
                .u64(signer.weight)
                .fixed(&signer.voting_key.0)
                .finish()
        });
        let root = tree_root(leaves.collect());
        let count = u32::try_from(self.signers.len()).unwrap_or(u32::MAX);
        Hasher::new(tag::COMMITTEE)
            .u64(self.epoch)
            .u64(self.membership)
            .u32(count)
            .fixed(&root.0)
            .fixed(&self.ticket_root.0)
            .finish()
    }
}

/// A signer list that has been judged, its keys decompressed: what certificates are checked against.
#[derive(Clone, Debug)]
pub struct Signers {
    list: SignerList,
    hash: Digest32,
    total: u64,
    verifiers: Vec<Verifier>,
}

impl Signers {
    /// Judges order, weights and keys. [committee-2]
    pub fn new(list: SignerList) -> Result<Self, Reject> {
        if list.signers.is_empty() || list.signers.len() > MAX_MEMBERS {
            return Err(Reject::BadCount);
        }
        if list.signers.windows(2).any(|pair| pair[0].identity >= pair[1].identity) {
            return Err(Reject::NotSorted);
        }
        let mut total = 0u64;
        for signer in &list.signers {
            if signer.weight > MAX_WEIGHT {
                return Err(Reject::BadWeight);
            }
            total += signer.weight; // at most 512 · 10^6
        }
        if total == 0 {
            return Err(Reject::BadTotal);
        }
        let mut keys: Vec<VotingKey> = list.signers.iter().map(|signer| signer.voting_key).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Reject::DuplicateKey);
        }
        let keys: Vec<[u8; 32]> = list.signers.iter().map(|signer| signer.voting_key.0).collect();
        let verifiers = Verifier::all(&keys)?;
        Ok(Signers { hash: list.hash(), list, total, verifiers })
    }

    /// The same signers with prepared keys: for whoever verifies hundreds of signatures of each.
    #[must_use]
    pub fn prepared(self) -> Signers {
        Signers { verifiers: self.verifiers.into_iter().map(Verifier::prepared).collect(), ..self }
    }

    pub fn list(&self) -> &SignerList {
        &self.list
    }

    pub fn hash(&self) -> Digest32 {
        self.hash
    }

    pub fn epoch(&self) -> u64 {
        self.list.epoch
    }

    pub fn len(&self) -> usize {
        self.list.signers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.signers.is_empty()
    }

    pub fn total_weight(&self) -> u64 {
        self.total
    }

    /// The weight of member `index`; 0 for one that is not there.
    pub fn weight(&self, index: u16) -> u64 {
        self.list.signers.get(usize::from(index)).map_or(0, |signer| signer.weight)
    }

    /// The key of member `index` if it has weight.
    pub fn verifier(&self, index: u16) -> Result<&Verifier, Reject> {
        let verifier = self.verifiers.get(usize::from(index)).ok_or(Reject::UnknownMember)?;
        if self.weight(index) == 0 { Err(Reject::NoWeight) } else { Ok(verifier) }
    }

    /// Whether `weight` is strictly above two thirds of the total, in exact integers. [committee-3]
    pub fn is_quorum(&self, weight: u64) -> bool {
        let (weight, total) = (u128::from(weight), u128::from(self.total));
        3 * weight > 2 * total || planted(Bug::QuorumOffByOne) && 3 * weight == 2 * total
    }

    pub fn index_of(&self, identity: &IdentityKey) -> Option<u16> {
        let index = self.list.signers.binary_search_by(|signer| signer.identity.cmp(identity)).ok()?;
        u16::try_from(index).ok()
    }

    pub fn identity(&self, index: u16) -> Option<IdentityKey> {
        self.list.signers.get(usize::from(index)).map(|signer| signer.identity)
    }
}

/// One member of a committee: identity, weight, and the bundle whose keys are in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub identity: IdentityKey,
    #[serde(with = "crate::codec::number")]
    pub weight: u64,
    pub bundle: KeyBundle,
}

/// The members of an epoch with their bundles: what nodes keep, and what travels to whoever recomputes outputs and
/// takes nobody's word for ticket keys. [committee-6]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberList {
    #[serde(with = "crate::codec::number")]
    pub epoch: u64,
    #[serde(with = "crate::codec::number")]
    pub membership: u64,
    /// Sorted by identity.
    pub members: Vec<Member>,
}

/// Room for 512 members with 60 ticket keys each; below what one answer between nodes may hold.
pub const MEMBER_LIST_LIMITS: Limits = Limits::bytes(3 << 20);

impl MemberList {
    /// The committee of these members. Bundles are not judged here; its hash tells whether it is the right one.
    pub fn build(self, exempt: bool) -> Result<Committee, Reject> {
        Committee::new(self.epoch, self.membership, self.members, exempt)
    }

    /// The committee of these members, if it has the hash that a trusted header names.
    pub fn check(self, hash: &Digest32, exempt: bool) -> Result<Committee, Reject> {
        let committee = self.build(exempt)?;
        if committee.hash() == *hash { Ok(committee) } else { Err(Reject::WrongCommittee) }
    }
}

/// The committee of one epoch, complete: what nodes work with. [committee-4]
#[derive(Clone, Debug)]
pub struct Committee {
    members: Vec<Member>,
    signers: Signers,
    ticket_counts: Vec<u32>,
    /// Owner of position j at `owners[j − 1]`.
    owners: Vec<u16>,
    ticket_set: TicketSet,
}

impl Committee {
    /// Builds the committee of `epoch` from members sorted by identity whose bundles were judged at registration.
    ///
    /// The ticket root covers every ticket key of every bundle, spare ones included, and how many are in force, so
    /// that the committee hash fixes what later amendments may draw on. [committee-5]
    ///
    /// `exempt` is the genesis' development exemption: without it no member may have a third of the weight.
    pub fn new(epoch: u64, membership: u64, members: Vec<Member>, exempt: bool) -> Result<Self, Reject> {
        let weights: Vec<u64> = members.iter().map(|member| member.weight).collect();
        let total: u64 = weights.iter().fold(0u64, |sum, weight| sum.saturating_add(*weight));
        if !exempt && weights.iter().any(|weight| weight.saturating_mul(3) >= total) {
            return Err(Reject::TooHeavy);
        }
        if members.is_empty() || members.len() > MAX_MEMBERS {
            return Err(Reject::BadCount);
        }
        if weights.iter().any(|weight| *weight > MAX_WEIGHT) {
            return Err(Reject::BadWeight);
        }
        let ticket_counts = tickets::assign(&weights);
        let mut keys: Vec<PointBytes> = Vec::new();
        let mut owners = Vec::new();
        let mut leaves = Vec::new();
        for ((member, index), count) in members.iter().zip(0u16..).zip(&ticket_counts) {
            let bundle = &member.bundle;
            let keys_held = u32::try_from(bundle.ticket_keys.len()).map_err(|_| Reject::BadCount)?;
            let in_force = bundle.ticket_keys.get(..*count as usize).ok_or(Reject::TooFewTicketKeys)?;
            keys.extend(in_force.iter().map(|ticket| ticket.key));
            owners.extend(in_force.iter().map(|_| index));
            let leaf = Hasher::new(tag::TICKET_LEAF).u16(index).u32(*count).u64(bundle.epoch).u32(keys_held);
            let leaf = bundle.ticket_keys.iter().fold(leaf, |leaf, ticket| leaf.fixed(&ticket.key.0));
            leaves.push(leaf.finish());
        }
        no_key_twice(members.iter().flat_map(|member| member.bundle.ticket_keys.iter().map(|ticket| ticket.key)))?;
        let signers = members
            .iter()
            .map(|member| Signer {
                identity: member.identity,
                weight: member.weight,
                voting_key: member.bundle.voting_key,
            })
            .collect();
        let signers = Signers::new(SignerList { epoch, membership, signers, ticket_root: tree_root(leaves) })?;
        let ticket_set = TicketSet::new(&keys)?;
        Ok(Committee { members, signers, ticket_counts, owners, ticket_set })
    }

    /// The same committee with prepared keys, see [`Signers::prepared`].
    #[must_use]
    pub fn prepared(self) -> Committee {
        Committee { signers: self.signers.prepared(), ..self }
    }

    pub fn epoch(&self) -> u64 {
        self.signers.epoch()
    }

    /// How many amendments took effect before this committee.
    pub fn membership(&self) -> u64 {
        self.signers.list().membership
    }

    pub fn hash(&self) -> Digest32 {
        self.signers.hash()
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The committee as it travels.
    pub fn list(&self) -> MemberList {
        MemberList { epoch: self.epoch(), membership: self.membership(), members: self.members.clone() }
    }

    pub fn signers(&self) -> &Signers {
        &self.signers
    }

    pub fn ticket_set(&self) -> &TicketSet {
        &self.ticket_set
    }

    /// Tickets of each member, in member order.
    pub fn ticket_counts(&self) -> &[u32] {
        &self.ticket_counts
    }

    /// The member that holds position `position` (1..=T).
    pub fn owner(&self, position: u16) -> Option<u16> {
        self.owners.get(usize::from(position).checked_sub(1)?).copied()
    }

    /// The positions of member `index`, in the order of its ticket keys.
    pub fn positions(&self, index: u16) -> impl Iterator<Item = u16> + '_ {
        self.owners.iter().zip(1u16..).filter(move |(owner, _)| **owner == index).map(|(_, position)| position)
    }
}
