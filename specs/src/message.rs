//! What travels between members: commitments, openings, readies, shares, header votes; and the value they agree on.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::bundle::KeyBundle;
use crate::codec::{Limits, encode};
use crate::committee::{Committee, Signers};
use crate::hash::{Digest32, Hasher, tag, tree_root};
use crate::keys::{IdentityKey, ScalarBytes, SecretKey, Signature};
use crate::pvss::{Dealing, DealingContext, Share};
use crate::reject::Reject;
use crate::schedule::Schedule;

/// A commitment of 64 dealings at 683 tickets takes 1.4 MB.
pub const COMMITMENT_LIMITS: Limits = Limits::bytes(2 << 20);
/// Every other message of a round.
pub const MESSAGE_LIMITS: Limits = Limits::bytes(1 << 20);

/// What a commitment signs: one member's dealings of one window, by their root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommitmentBody {
    #[serde(with = "crate::codec::number")]
    pub epoch: u64,
    #[serde(with = "crate::codec::number")]
    pub window: u64,
    pub member: u16,
    /// Tree root over the K dealing hashes, in round order.
    pub root: Digest32,
}

impl CommitmentBody {
    /// The commitment hash: of the signed preimage only. [commit-1]
    pub fn hash(&self, chain: &Digest32) -> Digest32 {
        Hasher::new(tag::COMMITMENT)
            .fixed(&chain.0)
            .u64(self.epoch)
            .u64(self.window)
            .u16(self.member)
            .fixed(&self.root.0)
            .finish()
    }
}

/// A commitment body with its signature: enough for evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedCommitment {
    pub body: CommitmentBody,
    pub signature: Signature,
}

impl SignedCommitment {
    pub fn verify(&self, chain: &Digest32, signers: &Signers) -> Result<(), Reject> {
        signers.verifier(self.body.member)?.verify(&self.body.hash(chain), &self.signature)
    }
}

/// A member's signed dealings for a window, one a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    pub signed: SignedCommitment,
    pub dealings: Vec<Dealing>,
}

/// The context that dealing proofs of `member` for `round` are bound to. [deal-1]
pub fn dealing_context(chain: &Digest32, committee: &Committee, round: u64, dealer: u16) -> DealingContext {
    DealingContext { chain: *chain, epoch: committee.epoch(), committee: committee.hash(), round, dealer }
}

/// The root that a commitment signs. [commit-2]
pub fn dealings_root(hashes: &[Digest32]) -> Digest32 {
    let count = u32::try_from(hashes.len()).unwrap_or(u32::MAX);
    Hasher::new(tag::DEALING_ROOT).u32(count).fixed(&tree_root(hashes.to_vec()).0).finish()
}

impl Commitment {
    /// Signs `dealings` (one for each round of `window`, with their contexts) as `member`.
    pub fn make(
        chain: &Digest32,
        committee: &Committee,
        schedule: &Schedule,
        window: u64,
        member: u16,
        dealings: Vec<Dealing>,
        key: &SecretKey,
    ) -> Commitment {
        let hashes: Vec<Digest32> = schedule
            .rounds_of(window)
            .zip(&dealings)
            .map(|(round, dealing)| dealing.hash(&dealing_context(chain, committee, round, member)))
            .collect();
        let body = CommitmentBody { epoch: committee.epoch(), window, member, root: dealings_root(&hashes) };
        let signature = key.sign(&body.hash(chain));
        Commitment { signed: SignedCommitment { body, signature }, dealings }
    }

    /// Judges all but the dealings' proofs: binding, signature, count, root. Gives the dealing hashes. [commit-3]
    ///
    /// A failure here is a bad answer of the peer that sent it, never a reason against a value.
    pub fn check(
        &self,
        chain: &Digest32,
        committee: &Committee,
        schedule: &Schedule,
        window: u64,
    ) -> Result<Vec<Digest32>, Reject> {
        let body = &self.signed.body;
        if body.window != window {
            return Err(Reject::WrongWindow);
        }
        if body.epoch != committee.epoch() {
            return Err(Reject::WrongEpoch);
        }
        if self.dealings.len() as u64 != schedule.window {
            return Err(Reject::BadCount);
        }
        self.signed.verify(chain, committee.signers())?;
        let hashes: Vec<Digest32> = schedule
            .rounds_of(window)
            .zip(&self.dealings)
            .map(|(round, dealing)| dealing.hash(&dealing_context(chain, committee, round, body.member)))
            .collect();
        if dealings_root(&hashes) != body.root {
            return Err(Reject::WrongRoot);
        }
        Ok(hashes)
    }
}

/// The reveal of one dealing: its one-time key d. It proves itself. [open-1]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    #[serde(with = "crate::codec::number")]
    pub round: u64,
    pub member: u16,
    pub d: ScalarBytes,
}

/// "My gate for this round is open and I have nothing to open." [open-2]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    #[serde(with = "crate::codec::number")]
    pub round: u64,
    pub member: u16,
    pub signature: Signature,
}

impl Ready {
    fn digest(chain: &Digest32, round: u64, member: u16) -> Digest32 {
        Hasher::new(tag::READY).fixed(&chain.0).u64(round).u16(member).finish()
    }

    pub fn make(chain: &Digest32, round: u64, member: u16, key: &SecretKey) -> Ready {
        Ready { round, member, signature: key.sign(&Self::digest(chain, round, member)) }
    }

    pub fn verify(&self, chain: &Digest32, signers: &Signers) -> Result<(), Reject> {
        signers.verifier(self.member)?.verify(&Self::digest(chain, self.round, self.member), &self.signature)
    }
}

/// One member's decrypted shares of one dealing, one for each of its tickets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DealerShares {
    pub dealer: u16,
    pub shares: Vec<Share>,
}

/// One member's shares for the dealings of a round that were not opened. Each share proves itself. [recover-1]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    #[serde(with = "crate::codec::number")]
    pub round: u64,
    pub member: u16,
    pub dealers: Vec<DealerShares>,
}

/// A member's vote for the header of a round. [certify-1]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderVote {
    #[serde(with = "crate::codec::number")]
    pub round: u64,
    pub member: u16,
    pub header: Digest32,
    pub signature: Signature,
}

impl HeaderVote {
    /// What a header vote signs. The chain and the round stand in it although the header binds them, so that two votes
    /// for one round prove themselves without the headers.
    pub fn digest(chain: &Digest32, round: u64, header: &Digest32) -> Digest32 {
        Hasher::new(tag::HEADER_VOTE).fixed(&chain.0).u64(round).fixed(&header.0).finish()
    }

    pub fn make(chain: &Digest32, round: u64, member: u16, header: Digest32, key: &SecretKey) -> HeaderVote {
        HeaderVote { round, member, header, signature: key.sign(&Self::digest(chain, round, &header)) }
    }

    pub fn verify(&self, chain: &Digest32, signers: &Signers) -> Result<(), Reject> {
        let digest = Self::digest(chain, self.round, &self.header);
        signers.verifier(self.member)?.verify(&digest, &self.signature)
    }
}

/// One entry of a dealing set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SetEntry {
    pub member: u16,
    pub commitment: Digest32,
}

/// A member's bundle for the next epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    pub member: u16,
    pub bundle: KeyBundle,
}

/// One change of membership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    Add { identity: IdentityKey, weight: u64, bundle: KeyBundle },
    Remove { identity: IdentityKey },
    Weight { identity: IdentityKey, weight: u64 },
}

/// A change of the committee with its approvals by identity keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    /// How many amendments took effect before this one.
    pub follows: u64,
    /// The last window whose value may carry it.
    pub expires: u64,
    pub changes: Vec<Change>,
    /// By member index, strictly increasing.
    pub approvals: Vec<(u16, Signature)>,
}

/// What consensus decides for a window: the dealing set, and changes of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    pub window: u64,
    pub epoch: u64,
    /// By member, strictly increasing.
    pub set: Vec<SetEntry>,
    pub registrations: Vec<Registration>,
    pub amendment: Option<Amendment>,
    /// The registry's hash after this value.
    pub registry: Digest32,
}

impl Value {
    /// Judges all that depends on the value and the chain alone: binding, order, weight. [agree-1]
    pub fn check(&self, committee: &Committee, window: u64) -> Result<(), Reject> {
        if self.window != window {
            return Err(Reject::WrongWindow);
        }
        if self.epoch != committee.epoch() {
            return Err(Reject::WrongEpoch);
        }
        if self.set.windows(2).any(|pair| pair[0].member >= pair[1].member) {
            return Err(Reject::NotSorted);
        }
        let signers = committee.signers();
        let mut weight = 0u64;
        for entry in &self.set {
            signers.verifier(entry.member)?;
            weight += signers.weight(entry.member); // distinct members: at most the total
        }
        if signers.is_quorum(weight) { Ok(()) } else { Err(Reject::NoQuorum) }
    }

    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}
