//! Ed25519 keys and signatures: one way to sign, one way to verify. [keys-1]
//!
//! What is signed is always the 32-byte tagged hash of the message's preimage. Verification says what
//! `ed25519_dalek::VerifyingKey::verify_strict` says, of one signature at a time: cofactorless, canonical, no weak keys. It
//! is had sooner in three ways, each of which changes no verdict: R is computed and compared as bytes instead of being
//! decoded, multiples of keys in force are worked out before (`multiples`), and keys are judged side by side (`subgroup`).

mod multiples;
mod subgroup;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::hash::Digest32;
use crate::reject::Reject;
use multiples::Multiples;
use subgroup::all_torsion_free;

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
        let key = Verifier::without_torsion_check(bytes)?;
        if all_torsion_free(core::slice::from_ref(bytes)) { Ok(key) } else { Err(Reject::BadKey) }
    }

    /// Judges several public keys, all of which must be good, in less time than one after the other. [keys-2]
    pub fn all(keys: &[[u8; 32]]) -> Result<Vec<Self>, Reject> {
        let verifiers = keys.iter().map(Verifier::without_torsion_check).collect::<Result<_, _>>()?;
        if all_torsion_free(keys) { Ok(verifiers) } else { Err(Reject::BadKey) }
    }

    /// Judges all but whether the key is torsion-free, which can only be asked of what this accepts.
    fn without_torsion_check(bytes: &[u8; 32]) -> Result<Self, Reject> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| Reject::BadKey)?;
        if !is_reduced(bytes) || key.is_weak() {
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
        Verifier::verify_each(&[(self, signature)], digest)
    }

    /// Verifies signatures over one digest, each by its own equation and its own comparison. [keys-3]
    ///
    /// R' = s·B − k·A is encoded and compared with the bytes of R. An encoding decodes to the point that it is of, so equal
    /// bytes are canonical, and R is of small order if and only if R' is. Encoding takes an inversion in the field, which
    /// all of them share.
    pub fn verify_each(signed: &[(&Verifier, &Signature)], digest: &Digest32) -> Result<(), Reject> {
        let computed = |(key, signature): &(&Verifier, &Signature)| key.computed(digest, signature);
        let points = signed.iter().map(computed).collect::<Option<Vec<_>>>().ok_or(Reject::BadSignature)?;
        let encodings = EdwardsPoint::compress_batch_alloc(&points);
        let mut compared = signed.iter().zip(&points).zip(&encodings);
        let good = compared.all(|(((_, signature), point), encoding)| {
            signature.0.starts_with(encoding.as_bytes()) && !point.is_small_order()
        });
        if good { Ok(()) } else { Err(Reject::BadSignature) }
    }

    /// What R must be; nothing if s is not reduced.
    fn computed(&self, digest: &Digest32, signature: &Signature) -> Option<EdwardsPoint> {
        let (r, s) = signature.0.split_first_chunk::<32>()?;
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
        let hash = Sha512::new().chain_update(r).chain_update(self.key.as_bytes()).chain_update(digest.0).finalize();
        let k = Scalar::from_bytes_mod_order_wide(&hash.into());
        Some(match &self.multiples {
            Some(multiples) => EdwardsPoint::mul_base(&s) + multiples.times(&k),
            None => EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-self.key.to_edwards(), &s),
        })
    }

    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }
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
