//! What a dealing is: its context, its bytes, its hash, its challenges, and the proof that it was verified.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use curve25519_dalek::ristretto::{RistrettoBasepointTable, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use serde::{Deserialize, Serialize};

use super::group::{hash_to_scalar, point, proper_point};
use super::ticket::TicketSet;
use crate::hash::{Digest32, Hasher, WideHasher, tag};
use crate::keys::{PointBytes, ScalarBytes};
use crate::reject::Reject;
use crate::sabotage::{Bug, planted};

/// What a dealing is for. Every hash of a dealing binds all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DealingContext {
    pub chain: Digest32,
    pub epoch: u64,
    pub committee: Digest32,
    pub round: u64,
    /// The dealer's member index.
    pub dealer: u16,
}

impl DealingContext {
    /// 82 bytes: chain, epoch, committee, round, dealer; integers big-endian.
    pub(super) fn bytes(&self) -> [u8; 82] {
        let mut bytes = [0; 82];
        bytes[..32].copy_from_slice(&self.chain.0);
        bytes[32..40].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[40..72].copy_from_slice(&self.committee.0);
        bytes[72..80].copy_from_slice(&self.round.to_be_bytes());
        bytes[80..].copy_from_slice(&self.dealer.to_be_bytes());
        bytes
    }
}

/// One dealing as it travels, 32·(T + 5) bytes and a count. [pvss-4] [pvss-5]
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Dealing {
    /// D = d·G.
    pub d: PointBytes,
    /// C_j = d·E_j + p(j)·G for j = 0..=T.
    pub c: Vec<PointBytes>,
    /// The proof that log_G D = log_U V: commitments k·G and k·U, response k + challenge·d.
    pub r1: PointBytes,
    pub r2: PointBytes,
    pub z: ScalarBytes,
}

impl Dealing {
    /// The dealing's hash: its context and every byte, proof included. [pvss-8]
    pub fn hash(&self, context: &DealingContext) -> Digest32 {
        let count = u32::try_from(self.c.len()).unwrap_or(u32::MAX);
        let hasher = Hasher::new(tag::DEALING).fixed(&context.bytes()).fixed(&self.d.0).u32(count);
        let hasher = self.c.iter().fold(hasher, |hasher, c| hasher.fixed(&c.0));
        hasher.fixed(&self.r1.0).fixed(&self.r2.0).fixed(&self.z.0).finish()
    }
}

/// The digest h that fixes z and the DLEQ challenge: T, t, all keys, the context, D, all C. [pvss-5]
pub(super) fn statement(tickets: &TicketSet, context: &DealingContext, d: &PointBytes, c: &[PointBytes]) -> [u8; 64] {
    let hasher = if planted(Bug::UnboundContext) {
        tickets.transcript().fixed(&d.0)
    } else {
        tickets.transcript().fixed(&context.bytes()).fixed(&d.0)
    };
    let bound = if planted(Bug::WeakFiatShamir) { &c[..c.len() - 1] } else { c };
    bound.iter().fold(hasher, |hasher, c| hasher.fixed(&c.0)).finish()
}

/// The DLEQ challenge from h and the commitments; U and V follow from h. [pvss-6]
pub(super) fn proof_challenge(statement: &[u8; 64], r1: &PointBytes, r2: &PointBytes) -> Scalar {
    hash_to_scalar(WideHasher::new(tag::PVSS_DLEQ).fixed(statement).fixed(&r1.0).fixed(&r2.0))
}

/// A dealing whose proof holds under its context and ticket keys. Only the verifier makes one.
#[derive(Clone)]
pub struct VerifiedDealing {
    dealing: Dealing,
    context: DealingContext,
    hash: Digest32,
    tickets: Digest32,
    /// E_0, so that an opening needs no ticket keys.
    secret_base: Arc<RistrettoBasepointTable>,
    d: RistrettoPoint,
    c: Vec<RistrettoPoint>,
}

impl VerifiedDealing {
    /// For the verifier alone: states that the proof has been checked.
    pub(super) fn assume(
        dealing: &Dealing,
        context: &DealingContext,
        hash: Digest32,
        tickets: &TicketSet,
        points: Points,
    ) -> Self {
        let Points { d, c } = points;
        VerifiedDealing {
            dealing: dealing.clone(),
            context: context.clone(),
            hash,
            tickets: tickets.digest(),
            secret_base: tickets.secret_base_multiples(),
            d,
            c,
        }
    }

    /// Takes a dealing back from this node's own records without checking its proof again.
    ///
    /// Sound only where `hash` is one that this node stored after it had verified that very dealing under these ticket
    /// keys: the hash covers every byte and the context, so nothing else passes.
    pub fn reload(
        dealing: &Dealing,
        context: &DealingContext,
        tickets: &TicketSet,
        hash: &Digest32,
    ) -> Result<Self, Reject> {
        if dealing.hash(context) != *hash {
            return Err(Reject::WrongRoot);
        }
        Ok(Self::assume(dealing, context, *hash, tickets, Points::decode(dealing, tickets)?))
    }

    pub fn dealing(&self) -> &Dealing {
        &self.dealing
    }

    pub fn context(&self) -> &DealingContext {
        &self.context
    }

    pub fn hash(&self) -> Digest32 {
        self.hash
    }

    /// Refuses ticket keys other than those it was verified under.
    pub(super) fn under(&self, tickets: &TicketSet) -> Result<(), Reject> {
        if self.tickets == tickets.digest() { Ok(()) } else { Err(Reject::WrongCommittee) }
    }

    /// E_0.
    pub(super) fn secret_base(&self) -> &RistrettoBasepointTable {
        &self.secret_base
    }

    pub(super) fn d(&self) -> &RistrettoPoint {
        &self.d
    }

    /// C_0..=C_T.
    pub(super) fn c(&self) -> &[RistrettoPoint] {
        &self.c
    }
}

impl PartialEq for VerifiedDealing {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.tickets == other.tickets
    }
}

impl Eq for VerifiedDealing {}

impl fmt::Debug for VerifiedDealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedDealing({}, {:?})", self.hash, self.context)
    }
}

/// D and C_0..=C_T, decompressed.
pub(super) struct Points {
    pub(super) d: RistrettoPoint,
    pub(super) c: Vec<RistrettoPoint>,
}

impl Points {
    /// Refuses a wrong count, undecodable points and D = identity; every C_j may be the identity. [pvss-7]
    pub(super) fn decode(dealing: &Dealing, tickets: &TicketSet) -> Result<Self, Reject> {
        if dealing.c.len() != tickets.tickets() + 1 {
            return Err(Reject::BadCount);
        }
        let d = proper_point(&dealing.d)?;
        let c = dealing.c.iter().map(point).collect::<Result<_, _>>()?;
        Ok(Points { d, c })
    }
}

/// The secret S = p(0)·G of a dealing, compressed; the identity is a valid one. [pvss-13]
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(pub PointBytes);
