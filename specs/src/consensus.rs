//! Agreement on the wire: proposals, votes and the certificates made of them, with the preimages that are signed.
//!
//! Agreement is Tendermint (Buchman, Kwon, Milosevic, arXiv 1807.04938) with weights as voting power. A height is a
//! window. Every signature is over a tagged hash that binds the chain, the kind of message and all of its fields, so
//! that no signature means anything elsewhere. A quorum is strictly more than two thirds of the weight, in exact
//! integers. Certificates differ from node to node (any quorum will do): nothing may be derived from their bytes.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::hash::{Digest32, Hasher, tag};
use crate::keys::{SecretKey, Signature, Verifier};
use crate::reject::Reject;
use crate::sabotage::{Bug, planted};

/// The two votes of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum VoteKind {
    Prevote,
    Precommit,
}

/// A vote for a value, or for none (nil).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vote {
    #[serde(with = "codec::number")]
    pub height: u64,
    pub round: u32,
    pub kind: VoteKind,
    /// `None` is nil.
    pub value_id: Option<Digest32>,
    /// The voter's index in the committee of the height's epoch.
    pub member: u16,
}

/// A vote and its member's signature over [`Vote::digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SignedVote {
    pub vote: Vote,
    pub signature: Signature,
}

/// What a proposer signs: the value stands in it by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Proposal {
    #[serde(with = "codec::number")]
    pub height: u64,
    pub round: u32,
    /// The earlier round in which a quorum prevoted for the value (the paper's validRound), if there is one.
    pub pol_round: Option<u32>,
    pub value_id: Digest32,
    /// The proposer's index in the committee of the height's epoch.
    pub member: u16,
}

/// A proposal with the whole value: who has it can judge and, after a quorum, decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedProposal {
    pub proposal: Proposal,
    #[serde(with = "codec::hex_vec")]
    pub value: Vec<u8>,
    /// Over [`Proposal::digest`].
    pub signature: Signature,
}

/// A signed proposal without its value: what evidence keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProposalHead {
    pub proposal: Proposal,
    pub signature: Signature,
}

/// A quorum's precommits for one value: the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitCertificate {
    #[serde(with = "codec::number")]
    pub height: u64,
    pub round: u32,
    pub value_id: Digest32,
    /// (member, signature of its precommit), strictly increasing by member.
    pub signers: Vec<(u16, Signature)>,
}

/// A quorum's prevotes for one value: what justifies proposing it again in a later round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolkaCertificate {
    #[serde(with = "codec::number")]
    pub height: u64,
    pub round: u32,
    pub value_id: Digest32,
    /// (member, signature of its prevote), strictly increasing by member.
    pub signers: Vec<(u16, Signature)>,
}

/// Why a round may be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoundCertificateKind {
    /// Votes of more than a third of the weight in the certificate's round: that round may be entered.
    Skip,
    /// Precommits of more than two thirds of the weight, for whatever: the next round may be entered.
    Precommit,
}

/// One vote of a round certificate; the height and the round stand in the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundSignature {
    pub member: u16,
    pub kind: VoteKind,
    pub value_id: Option<Digest32>,
    pub signature: Signature,
}

/// The votes with which a node entered a round; it carries the others forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundCertificate {
    #[serde(with = "codec::number")]
    pub height: u64,
    pub round: u32,
    pub kind: RoundCertificateKind,
    /// Strictly increasing by member.
    pub votes: Vec<RoundSignature>,
}

/// All that members send each other to agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsensusMessage {
    Proposal(SignedProposal),
    Vote(SignedVote),
    PolkaCertificate(PolkaCertificate),
    RoundCertificate(RoundCertificate),
}

impl ConsensusMessage {
    pub fn height(&self) -> u64 {
        match self {
            ConsensusMessage::Proposal(signed) => signed.proposal.height,
            ConsensusMessage::Vote(signed) => signed.vote.height,
            ConsensusMessage::PolkaCertificate(certificate) => certificate.height,
            ConsensusMessage::RoundCertificate(certificate) => certificate.height,
        }
    }

    pub fn round(&self) -> u32 {
        match self {
            ConsensusMessage::Proposal(signed) => signed.proposal.round,
            ConsensusMessage::Vote(signed) => signed.vote.round,
            ConsensusMessage::PolkaCertificate(certificate) => certificate.round,
            ConsensusMessage::RoundCertificate(certificate) => certificate.round,
        }
    }
}

/// The id of a value: the hash of its framed bytes. [consensus-1]
pub fn value_id(value: &[u8]) -> Digest32 {
    Hasher::new(tag::VALUE).framed(value).finish()
}

impl Vote {
    /// The preimage's hash: chain, kind, height, round, nil or value, member; all of fixed width. [consensus-2]
    pub fn digest(&self, chain: &Digest32) -> Digest32 {
        let kind = match self.kind {
            VoteKind::Prevote => 1,
            VoteKind::Precommit => 2,
        };
        Hasher::new(tag::VOTE)
            .fixed(&chain.0)
            .fixed(&[kind])
            .u64(self.height)
            .u32(self.round)
            .fixed(&[u8::from(self.value_id.is_some())])
            .fixed(&self.value_id.unwrap_or(Digest32::ZERO).0)
            .u16(self.member)
            .finish()
    }

    pub fn sign(self, chain: &Digest32, key: &SecretKey) -> SignedVote {
        SignedVote { vote: self, signature: key.sign(&self.digest(chain)) }
    }

    /// Whether one member, having signed both, has voted twice in one step. [consensus-3]
    pub fn conflicts_with(&self, other: &Vote) -> bool {
        let same_step = self.height == other.height && self.round == other.round && self.kind == other.kind;
        same_step && self.member == other.member && self.value_id != other.value_id
    }
}

impl SignedVote {
    pub fn verify(&self, chain: &Digest32, key: &Verifier) -> Result<(), Reject> {
        key.verify(&self.vote.digest(chain), &self.signature)
    }
}

impl Proposal {
    /// The preimage's hash: chain, height, round, none or the earlier round, value, member; all of fixed width.
    /// [consensus-4]
    pub fn digest(&self, chain: &Digest32) -> Digest32 {
        Hasher::new(tag::PROPOSAL)
            .fixed(&chain.0)
            .u64(self.height)
            .u32(self.round)
            .fixed(&[u8::from(self.pol_round.is_some())])
            .u32(self.pol_round.unwrap_or(0))
            .fixed(&self.value_id.0)
            .u16(self.member)
            .finish()
    }

    /// Whether one member, having signed both, has proposed twice in one round. [consensus-3]
    pub fn conflicts_with(&self, other: &Proposal) -> bool {
        let same_round = self.height == other.height && self.round == other.round;
        same_round && self.member == other.member && self != other
    }
}

impl ProposalHead {
    pub fn verify(&self, chain: &Digest32, key: &Verifier) -> Result<(), Reject> {
        key.verify(&self.proposal.digest(chain), &self.signature)
    }
}

impl SignedProposal {
    /// Proposes `value`; its id is computed here.
    pub fn sign(
        (height, round, pol_round): (u64, u32, Option<u32>),
        value: Vec<u8>,
        chain: &Digest32,
        (member, key): (u16, &SecretKey),
    ) -> Self {
        let proposal = Proposal { height, round, pol_round, value_id: value_id(&value), member };
        SignedProposal { proposal, value, signature: key.sign(&proposal.digest(chain)) }
    }

    pub fn head(&self) -> ProposalHead {
        ProposalHead { proposal: self.proposal, signature: self.signature }
    }

    /// The value hashes to the signed id; [`Reject::Malformed`] otherwise, which accuses only who sent it.
    pub fn check_value(&self) -> Result<(), Reject> {
        if value_id(&self.value) == self.proposal.value_id { Ok(()) } else { Err(Reject::Malformed) }
    }

    /// The value fits and the signature is the proposer's.
    pub fn verify(&self, chain: &Digest32, key: &Verifier) -> Result<(), Reject> {
        self.check_value()?;
        self.head().verify(chain, key)
    }
}

/// Shares of the weight that must be exceeded, as numerator over 3.
const TWO_THIRDS: u128 = 2;
const ONE_THIRD: u128 = 1;

fn exceeds(weight: u128, numerator: u128, total: u64) -> bool {
    let total = u128::from(total);
    3 * weight > numerator * total || planted(Bug::QuorumOfAThird) && 3 * weight > total
}

/// Whether `weight` is a quorum of `total`: strictly more than two thirds. [consensus-5]
pub fn is_quorum(weight: u64, total: u64) -> bool {
    exceeds(u128::from(weight), TWO_THIRDS, total)
}

/// Adds up the weight of `members` in order, before any signature is looked at: unsorted, doubled, unknown and
/// weightless ones are refused, and so is a sum not above `numerator` thirds.
fn weigh<'a>(
    members: impl Iterator<Item = u16>,
    voters: &impl Fn(u16) -> Option<(u64, &'a Verifier)>,
    numerator: u128,
    total: u64,
) -> Result<(), Reject> {
    let mut last = None;
    let mut sum = 0u128;
    for member in members {
        if last.is_some_and(|last| last >= member) {
            return Err(Reject::NotSorted);
        }
        last = Some(member);
        match voters(member) {
            None => return Err(Reject::UnknownMember),
            Some((0, _)) => return Err(Reject::NoWeight),
            Some((weight, _)) => sum += u128::from(weight),
        }
    }
    if exceeds(sum, numerator, total) { Ok(()) } else { Err(Reject::NoQuorum) }
}

/// Verifies the votes' signatures, one by one.
fn verify_votes<'a>(
    votes: impl Iterator<Item = SignedVote>,
    chain: &Digest32,
    voters: &impl Fn(u16) -> Option<(u64, &'a Verifier)>,
) -> Result<(), Reject> {
    for signed in votes {
        let (_, key) = voters(signed.vote.member).ok_or(Reject::UnknownMember)?;
        signed.verify(chain, key)?;
    }
    Ok(())
}

impl CommitCertificate {
    /// The precommits that the certificate is made of.
    pub fn votes(&self) -> impl Iterator<Item = SignedVote> {
        signed_votes((self.height, self.round), VoteKind::Precommit, self.value_id, &self.signers)
    }

    /// Signers strictly increasing, all of them weighted members, together more than two thirds of `total`; no
    /// signature is looked at.
    pub fn check_quorum<'a>(
        &self,
        voters: &impl Fn(u16) -> Option<(u64, &'a Verifier)>,
        total: u64,
    ) -> Result<(), Reject> {
        weigh(self.signers.iter().map(|(member, _)| *member), voters, TWO_THIRDS, total)
    }

    /// [`Self::check_quorum`], then every signature, one by one. `voters` gives a member's weight and key. [consensus-6]
    pub fn verify<'a>(
        &self,
        chain: &Digest32,
        voters: impl Fn(u16) -> Option<(u64, &'a Verifier)>,
        total: u64,
    ) -> Result<(), Reject> {
        self.check_quorum(&voters, total)?;
        verify_votes(self.votes(), chain, &voters)
    }
}

impl PolkaCertificate {
    /// The prevotes that the certificate is made of.
    pub fn votes(&self) -> impl Iterator<Item = SignedVote> {
        signed_votes((self.height, self.round), VoteKind::Prevote, self.value_id, &self.signers)
    }

    /// As [`CommitCertificate::verify`], for prevotes. [consensus-7]
    pub fn verify<'a>(
        &self,
        chain: &Digest32,
        voters: impl Fn(u16) -> Option<(u64, &'a Verifier)>,
        total: u64,
    ) -> Result<(), Reject> {
        weigh(self.signers.iter().map(|(member, _)| *member), &voters, TWO_THIRDS, total)?;
        verify_votes(self.votes(), chain, &voters)
    }
}

impl RoundCertificate {
    /// The votes that the certificate is made of.
    pub fn votes(&self) -> impl Iterator<Item = SignedVote> {
        self.votes.iter().map(|entry| SignedVote {
            vote: Vote {
                height: self.height,
                round: self.round,
                kind: entry.kind,
                value_id: entry.value_id,
                member: entry.member,
            },
            signature: entry.signature,
        })
    }

    /// Members strictly increasing and weighted, more than a third of `total` (skip) or, all of them precommits, more
    /// than two thirds; then every signature, one by one. [consensus-8]
    pub fn verify<'a>(
        &self,
        chain: &Digest32,
        voters: impl Fn(u16) -> Option<(u64, &'a Verifier)>,
        total: u64,
    ) -> Result<(), Reject> {
        let numerator = match self.kind {
            RoundCertificateKind::Skip => ONE_THIRD,
            RoundCertificateKind::Precommit => TWO_THIRDS,
        };
        let precommits = self.votes.iter().all(|entry| entry.kind == VoteKind::Precommit);
        if self.kind == RoundCertificateKind::Precommit && !precommits {
            return Err(Reject::Malformed);
        }
        weigh(self.votes.iter().map(|entry| entry.member), &voters, numerator, total)?;
        verify_votes(self.votes(), chain, &voters)
    }
}

fn signed_votes(
    (height, round): (u64, u32),
    kind: VoteKind,
    value_id: Digest32,
    signers: &[(u16, Signature)],
) -> impl Iterator<Item = SignedVote> {
    signers.iter().map(move |(member, signature)| SignedVote {
        vote: Vote { height, round, kind, value_id: Some(value_id), member: *member },
        signature: *signature,
    })
}

/// The member that proposes in a round: a weighted rotation. [consensus-9]
///
/// The members' weights are laid end to end in member order on a circle of length W. Turn height + round falls on the
/// point (height + round)·G mod W, with G the first number from ⌊W/φ⌋ on (φ the golden ratio) that shares no factor
/// with W. So each W consecutive turns give every member exactly as many turns as it has weight, evenly spread, and a
/// failed proposer is followed by another. A weight of 0 is never chosen; without any weight, or with 2^62 of it, there is no proposer.
pub fn proposer(weights: impl Iterator<Item = (u16, u64)> + Clone, height: u64, round: u32) -> Option<u16> {
    let total: u128 = weights.clone().map(|(_, weight)| u128::from(weight)).sum();
    if total == 0 || total >= 1 << 62 {
        return None;
    }
    // 2^64/φ, rounded down.
    let mut stride = (total * 0x9E37_79B9_7F4A_7C15) >> 64;
    while gcd(stride, total) != 1 {
        stride += 1;
    }
    let turn = (u128::from(height) + u128::from(round)) % total;
    let mut point = turn * (stride % total) % total;
    for (member, weight) in weights {
        if point < u128::from(weight) {
            return Some(member);
        }
        point -= u128::from(weight);
    }
    None
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
