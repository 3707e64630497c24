//! Between bytes and ristretto255: every decoding judges, every hash to a scalar erases its wide digest.

use alloc::vec::Vec;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use zeroize::Zeroizing;

use crate::hash::WideHasher;
use crate::keys::{PointBytes, ScalarBytes};
use crate::reject::Reject;

/// Decodes a point; the identity is one. [pvss-7]
pub(super) fn point(bytes: &PointBytes) -> Result<RistrettoPoint, Reject> {
    CompressedRistretto(bytes.0).decompress().ok_or(Reject::BadPoint)
}

/// Decodes a point that must not be the identity. [pvss-7]
pub(super) fn proper_point(bytes: &PointBytes) -> Result<RistrettoPoint, Reject> {
    let point = point(bytes)?;
    if point.is_identity() { Err(Reject::IdentityPoint) } else { Ok(point) }
}

/// Decodes a scalar below the group order. [pvss-7]
pub(super) fn scalar(bytes: &ScalarBytes) -> Result<Scalar, Reject> {
    Option::from(Scalar::from_canonical_bytes(bytes.0)).ok_or(Reject::BadScalar)
}

pub(super) fn point_bytes(point: &RistrettoPoint) -> PointBytes {
    PointBytes(point.compress().to_bytes())
}

pub(super) fn scalar_bytes(scalar: &Scalar) -> ScalarBytes {
    ScalarBytes(scalar.to_bytes())
}

/// Reduces a 64-byte hash to a scalar; its distance from uniform is below 2^-259.
pub(super) fn hash_to_scalar(hasher: WideHasher) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&Zeroizing::new(hasher.finish()))
}

/// From 190 terms on curve25519-dalek takes Pippenger's algorithm, which on vector back ends pays from about 96.
const PIPPENGER: core::ops::Range<usize> = 96..190;

/// Σ scalar·point over public values, as many of the one as of the other; zeros fill up to the faster algorithm.
pub(super) fn multiply(mut scalars: Vec<Scalar>, mut points: Vec<&RistrettoPoint>) -> RistrettoPoint {
    if PIPPENGER.contains(&points.len()) {
        scalars.resize(PIPPENGER.end, Scalar::ZERO);
        points.resize(PIPPENGER.end, &RISTRETTO_BASEPOINT_POINT);
    }
    RistrettoPoint::vartime_multiscalar_mul(scalars, points)
}
