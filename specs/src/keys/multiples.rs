//! Multiples of a key that were worked out before. [keys-3]
//!
//! R' = s·B − k·A otherwise takes some 250 doublings, along both scalars at once. Here s·B comes from dalek's table of
//! multiples of the base point and k·(−A) from one of the same kind for −A, so that hardly a doubling is left. The point is
//! the same whatever way leads there.
//!
//! A table has 30 KiB and takes as long as some hundred verifications, so it is for the keys of a committee in force.

use alloc::boxed::Box;
use core::fmt;

use curve25519_dalek::edwards::{EdwardsBasepointTable, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::BasepointTable;
use ed25519_dalek::VerifyingKey;

/// Multiples of −A.
pub(crate) struct Multiples(Box<EdwardsBasepointTable>);

impl Multiples {
    pub(crate) fn of(key: &VerifyingKey) -> Multiples {
        Multiples(Box::new(EdwardsBasepointTable::create(&-key.to_edwards())))
    }

    /// k·(−A)
    pub(crate) fn times(&self, k: &Scalar) -> EdwardsPoint {
        &*self.0 * k
    }
}

impl fmt::Debug for Multiples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Multiples")
    }
}
