//! Ticket keys: secrets, proofs of possession, and the keys of one epoch made ready for use.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use curve25519_dalek::ristretto::{RistrettoBasepointTable, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::group::{hash_to_scalar, point_bytes, proper_point, scalar, scalar_bytes};
use super::polynomial::Dual;
use crate::hash::{Digest32, WideHasher, tag};
use crate::keys::{PointBytes, ScalarBytes};
use crate::reject::Reject;

/// Tickets of the largest committee: ⌈4n/3⌉ for n = 512.
pub const MAX_TICKETS: usize = 683;

/// E_0, the base of the secret: hashed to the group, so nobody knows its discrete logarithm. [pvss-1]
fn secret_base() -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&WideHasher::new(tag::PVSS_BASE).finish())
}

/// The ticket keys of one epoch: judged, decompressed and prepared once, used for every dealing. [pvss-2]
#[derive(Clone)]
pub struct TicketSet {
    threshold: usize,
    /// E_0..=E_T, as they are hashed and as they compute.
    keys: Vec<PointBytes>,
    points: Vec<RistrettoPoint>,
    /// Multiples of E_0, for openings: they are on the path of every round.
    secret_base_multiples: Arc<RistrettoBasepointTable>,
    dual: Dual,
    /// The challenge's hash after T, t and every key: the part that all dealings share.
    transcript: WideHasher,
    digest: Digest32,
}

impl TicketSet {
    /// From E_1..=E_T. Refuses none or more than [`MAX_TICKETS`], an undecodable key, the identity, and one key twice.
    pub fn new(keys: &[PointBytes]) -> Result<Self, Reject> {
        if keys.is_empty() || keys.len() > MAX_TICKETS {
            return Err(Reject::BadCount);
        }
        let mut sorted = keys.to_vec();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Reject::DuplicateKey);
        }
        let mut points = Vec::with_capacity(keys.len() + 1);
        points.push(secret_base());
        for key in keys {
            points.push(proper_point(key)?);
        }
        let keys: Vec<_> = core::iter::once(point_bytes(&points[0])).chain(keys.iter().copied()).collect();
        let tickets = keys.len() - 1;
        let threshold = tickets.div_ceil(2);
        let degree = threshold - 1;
        let mut transcript = WideHasher::new(tag::PVSS_CHALLENGE).u32(tickets as u32).u32(degree as u32);
        for key in &keys {
            transcript = transcript.fixed(&key.0);
        }
        let mut digest = Digest32::ZERO;
        digest.0.copy_from_slice(&transcript.clone().finish()[..32]);
        let secret_base_multiples = Arc::new(RistrettoBasepointTable::create(&points[0]));
        let dual = Dual::new(tickets, tickets - degree);
        Ok(TicketSet { threshold, keys, points, secret_base_multiples, dual, transcript, digest })
    }

    /// T.
    pub fn tickets(&self) -> usize {
        self.keys.len() - 1
    }

    /// ⌈T/2⌉, the shares that recovery takes; one more than the polynomial's degree t.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// E_j for j in 1..=T.
    pub fn key(&self, position: u16) -> Result<&PointBytes, Reject> {
        self.index(position).map(|j| &self.keys[j])
    }

    /// E_0, the same for every set.
    pub fn secret_base(&self) -> PointBytes {
        self.keys[0]
    }

    /// A digest of T, t and every key, in order.
    pub(super) fn digest(&self) -> Digest32 {
        self.digest
    }

    pub(super) fn index(&self, position: u16) -> Result<usize, Reject> {
        let j = usize::from(position);
        if (1..=self.tickets()).contains(&j) { Ok(j) } else { Err(Reject::BadPosition) }
    }

    /// E_0..=E_T.
    pub(super) fn points(&self) -> &[RistrettoPoint] {
        &self.points
    }

    pub(super) fn secret_base_multiples(&self) -> Arc<RistrettoBasepointTable> {
        Arc::clone(&self.secret_base_multiples)
    }

    pub(super) fn dual(&self) -> &Dual {
        &self.dual
    }

    pub(super) fn transcript(&self) -> WideHasher {
        self.transcript.clone()
    }
}

impl fmt::Debug for TicketSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketSet({} of {}, {})", self.threshold, self.tickets(), self.digest)
    }
}

/// The secret scalar e of one ticket key E = e·G. It is erased when dropped and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TicketSecret {
    scalar: Scalar,
    #[zeroize(skip)]
    public: PointBytes,
}

impl TicketSecret {
    /// Derives a key from 32 uniform secret bytes that serve no other key.
    pub fn from_seed(seed: &[u8; 32]) -> (Self, PointBytes) {
        let secret = Self::new(hash_to_scalar(WideHasher::new(tag::PVSS_SECRET).framed(b"ticket key").fixed(seed)));
        let public = secret.public;
        (secret, public)
    }

    fn new(scalar: Scalar) -> Self {
        TicketSecret { scalar, public: point_bytes(&RistrettoPoint::mul_base(&scalar)) }
    }

    /// The scalar's 32 bytes, for the sealed key store only.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.scalar.to_bytes())
    }

    /// Reads [`TicketSecret::to_bytes`] back. Refuses zero and what is not canonical.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Reject> {
        let scalar = scalar(&ScalarBytes(*bytes))?;
        if scalar == Scalar::ZERO { Err(Reject::BadScalar) } else { Ok(Self::new(scalar)) }
    }

    /// E = e·G.
    pub fn public(&self) -> PointBytes {
        self.public
    }

    pub(super) fn scalar(&self) -> &Scalar {
        &self.scalar
    }
}

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret([REDACTED])")
    }
}

/// A Schnorr proof of possession of a ticket key, 64 bytes. [pvss-3]
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketProof {
    pub challenge: ScalarBytes,
    pub response: ScalarBytes,
}

/// Proves possession of the `k`-th key of a bundle. `context` is the digest of (chain or ceremony, identity, epoch).
pub fn prove_possession(secret: &TicketSecret, context: &Digest32, k: u16) -> TicketProof {
    let nonce = WideHasher::new(tag::PVSS_NONCE).framed(b"possession").fixed(secret.scalar.as_bytes());
    let nonce = Zeroizing::new(hash_to_scalar(nonce.fixed(&context.0).fixed(&k.to_be_bytes())));
    let commitment = point_bytes(&RistrettoPoint::mul_base(&nonce));
    let challenge = possession_challenge(&secret.public, context, k, &commitment);
    let response = *nonce + challenge * secret.scalar;
    TicketProof { challenge: scalar_bytes(&challenge), response: scalar_bytes(&response) }
}

/// Judges a ticket key at its registration: canonical, not the identity, and its owner knows e. [pvss-3]
pub fn verify_possession(key: &PointBytes, context: &Digest32, k: u16, proof: &TicketProof) -> Result<(), Reject> {
    let point = proper_point(key)?;
    let (challenge, response) = (scalar(&proof.challenge)?, scalar(&proof.response)?);
    let commitment = RistrettoPoint::vartime_double_scalar_mul_basepoint(&-challenge, &point, &response);
    if possession_challenge(key, context, k, &point_bytes(&commitment)) == challenge {
        Ok(())
    } else {
        Err(Reject::BadPossession)
    }
}

fn possession_challenge(key: &PointBytes, context: &Digest32, k: u16, commitment: &PointBytes) -> Scalar {
    let hasher = WideHasher::new(tag::TICKET_PROOF).fixed(&context.0).fixed(&k.to_be_bytes());
    hash_to_scalar(hasher.fixed(&key.0).fixed(&commitment.0))
}
