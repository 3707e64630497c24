//! Verification by multiples of the key that were worked out before: what `verify_strict` says, sooner. [keys-3]
//!
//! `ed25519_dalek` computes R' = s·B − k·A by doubling and adding along both scalars, and decodes R first. Here s·B comes
//! from dalek's table of multiples of the base point and k·(−A) from one of the same kind for −A, so that hardly a
//! doubling is left. The points are the same whatever way leads there, a point has one canonical encoding, and so the
//! comparison with the bytes of R is the same too. It implies what `verify_strict` asks of R besides: bytes that
//! equal an encoding decode to the point encoded, which is R', so R is of small order if and only if R' is. That
//! A is canonical and of large order was judged when the key was.
//!
//! A table has 30 KiB and takes as long as some hundred verifications, so it is for the keys of a committee in force.

use alloc::boxed::Box;
use core::fmt;

use curve25519_dalek::edwards::{EdwardsBasepointTable, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::BasepointTable;
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha512};

use super::Signature;
use crate::hash::Digest32;

/// Multiples of −A.
pub(crate) struct Multiples(Box<EdwardsBasepointTable>);

impl Multiples {
    pub(crate) fn of(key: &VerifyingKey) -> Multiples {
        Multiples(Box::new(EdwardsBasepointTable::create(&-key.to_edwards())))
    }

    /// Whether `signature` is one of `key`, whose multiples these are, over `digest`.
    pub(crate) fn verify(&self, key: &VerifyingKey, digest: &Digest32, signature: &Signature) -> bool {
        let Some((r, s)) = signature.0.split_first_chunk::<32>() else { return false };
        let s = s.try_into().ok().and_then(|s| Option::<Scalar>::from(Scalar::from_canonical_bytes(s)));
        let Some(s) = s else { return false };
        let hash = Sha512::new().chain_update(r).chain_update(key.as_bytes()).chain_update(digest.0).finalize();
        let k = Scalar::from_bytes_mod_order_wide(&hash.into());
        let point = EdwardsPoint::mul_base(&s) + &*self.0 * &k;
        point.compress().0 == *r && !point.is_small_order()
    }
}

impl fmt::Debug for Multiples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Multiples")
    }
}
