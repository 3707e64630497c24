//! Ed25519 keys and signatures: one way to sign, one way to verify. [keys-1]
//!
//! What is signed is always the 32-byte tagged hash of the message's preimage. Verification is
//! `ed25519_dalek::VerifyingKey::verify_strict`, one signature at a time: cofactorless, canonical, no weak keys. Prepared
//! keys give its verdicts by another way (`multiples`).

mod multiples;

use alloc::sync::Arc;
use core::fmt;

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::hash::Digest32;
use crate::reject::Reject;
use multiples::Multiples;

/// A member's or node's long-lived Ed25519 public key; also its libp2p peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey(pub [u8; 32]);
crate::codec::byte_newtype!(IdentityKey, 32);

/// A member's Ed25519 public key for one epoch's commitments, consensus messages and header votes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VotingKey(pub [u8; 32]);
crate::codec::byte_newtype!(VotingKey, 32);

/// An Ed25519 signature, 64 bytes (R then s).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);
crate::codec::byte_newtype!(Signature, 64);

/// A public key decompressed once and known to be canonical, torsion-free and not weak.
#[derive(Clone, Debug)]
pub struct Verifier {
    key: VerifyingKey,
    multiples: Option<Arc<Multiples>>,
}

impl PartialEq for Verifier {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Verifier {}

impl Verifier {
    /// Judges a public key. [keys-2]
    pub fn new(bytes: &[u8; 32]) -> Result<Self, Reject> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| Reject::BadKey)?;
        if !is_reduced(bytes) || key.is_weak() || !is_torsion_free(&key.to_edwards()) {
            return Err(Reject::BadKey);
        }
        Ok(Verifier { key, multiples: None })
    }

    /// The same key, which verifies a third faster from here on. It pays for keys that verify hundreds of signatures.
    #[must_use]
    pub fn prepared(self) -> Verifier {
        let multiples = self.multiples.unwrap_or_else(|| Arc::new(Multiples::of(&self.key)));
        Verifier { multiples: Some(multiples), ..self }
    }

    /// Verifies `signature` over `digest`. [keys-3]
    pub fn verify(&self, digest: &Digest32, signature: &Signature) -> Result<(), Reject> {
        if let Some(multiples) = &self.multiples {
            return if multiples.verify(&self.key, digest, signature) { Ok(()) } else { Err(Reject::BadSignature) };
        }
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.key.verify_strict(&digest.0, &signature).map_err(|_| Reject::BadSignature)
    }

    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }
}

/// Whether ℓ·A is the identity, ℓ being the order of the base point: computed as (ℓ − 1)·A = −A, since scalars are
/// below ℓ. The key is public, so the time that this takes may depend on it.
fn is_torsion_free(point: &EdwardsPoint) -> bool {
    EdwardsPoint::vartime_double_scalar_mul_basepoint(&-Scalar::ONE, point, &Scalar::ZERO) == -point
}

/// Whether the y of a compressed point is below the field's p = 2^255 − 19. A point that decodes and is not weak is then
/// canonically encoded: the only other spelling, a sign for x = 0, is of the points with y = ±1, whose order is 1 or 2.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    *first < 0xed || last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// An Ed25519 secret key. It is erased when dropped and never printed.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        SecretKey(SigningKey::from_bytes(seed))
    }

    /// The 32-byte seed, for the key store only.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub fn identity(&self) -> IdentityKey {
        IdentityKey(self.public())
    }

    pub fn voting(&self) -> VotingKey {
        VotingKey(self.public())
    }

    pub fn sign(&self, digest: &Digest32) -> Signature {
        Signature(self.0.sign(&digest.0).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([REDACTED])")
    }
}

/// A compressed ristretto255 point as it travels; judged where it is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointBytes(pub [u8; 32]);
crate::codec::byte_newtype!(PointBytes, 32);

/// A scalar modulo the group order as it travels, little-endian; judged where it is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScalarBytes(pub [u8; 32]);
crate::codec::byte_newtype!(ScalarBytes, 32);
