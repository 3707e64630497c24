//! How a dealing's secret comes out: by its opening, or by ⌈T/2⌉ decrypted shares. Both give the same S.

use alloc::vec::Vec;

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::dealing::{Secret, VerifiedDealing};
use super::group::{hash_to_scalar, point, point_bytes, proper_point, scalar, scalar_bytes};
use super::polynomial::lagrange_at_zero;
use super::ticket::{TicketSecret, TicketSet};
use crate::hash::{WideHasher, tag};
use crate::keys::{PointBytes, ScalarBytes};
use crate::reject::Reject;
use crate::sabotage::{Bug, planted};

/// Opens a dealing with its one-time key: d·G = D, S = C_0 − d·E_0. [pvss-10]
pub fn open(dealing: &VerifiedDealing, d: &ScalarBytes) -> Result<Secret, Reject> {
    let d = scalar(d)?;
    if RistrettoPoint::mul_base(&d) != *dealing.d() {
        return Err(Reject::BadOpening);
    }
    Ok(Secret(point_bytes(&(dealing.c()[0] - &d * dealing.secret_base()))))
}

/// The decrypted share of one ticket, A_j = C_j − e_j·D, with the proof that it is. [pvss-11]
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    /// j in 1..=T.
    pub position: u16,
    pub a: PointBytes,
    pub challenge: ScalarBytes,
    pub response: ScalarBytes,
}

/// Decrypts the share of the ticket at `position` and proves it. Refuses a position whose key is not `secret`'s.
pub fn share(
    secret: &TicketSecret,
    position: u16,
    dealing: &VerifiedDealing,
    tickets: &TicketSet,
) -> Result<Share, Reject> {
    dealing.under(tickets)?;
    if *tickets.key(position)? != secret.public() {
        return Err(Reject::BadPosition);
    }
    let a = point_bytes(&(dealing.c()[usize::from(position)] - secret.scalar() * dealing.d()));
    let nonce = WideHasher::new(tag::PVSS_NONCE).framed(b"share").fixed(secret.scalar().as_bytes());
    let nonce = Zeroizing::new(hash_to_scalar(nonce.fixed(&dealing.hash().0).fixed(&position.to_be_bytes())));
    let commitments = [RistrettoPoint::mul_base(&nonce), *nonce * dealing.d()];
    let challenge = share_challenge(dealing, position, &secret.public(), &a, &commitments);
    let response = *nonce + challenge * secret.scalar();
    Ok(Share { position, a, challenge: scalar_bytes(&challenge), response: scalar_bytes(&response) })
}

/// Verifies that `share` is what its ticket decrypts: log_G E_j = log_D (C_j − A_j). [pvss-11]
pub fn verify_share(share: &Share, dealing: &VerifiedDealing, tickets: &TicketSet) -> Result<(), Reject> {
    dealing.under(tickets)?;
    let j = tickets.index(share.position)?;
    let a = if planted(Bug::IdentityRefused) { proper_point(&share.a)? } else { point(&share.a)? };
    let (challenge, response) = (scalar(&share.challenge)?, scalar(&share.response)?);
    let minus = -challenge;
    let mask = dealing.c()[j] - a;
    let commitments = [
        RistrettoPoint::vartime_double_scalar_mul_basepoint(&minus, &tickets.points()[j], &response),
        RistrettoPoint::vartime_multiscalar_mul([response, minus], [dealing.d(), &mask]),
    ];
    if share_challenge(dealing, share.position, tickets.key(share.position)?, &share.a, &commitments) == challenge {
        Ok(())
    } else {
        Err(Reject::BadShare)
    }
}

/// Bound to the dealing's hash, and through it to D, to every C and to the context. [pvss-11]
fn share_challenge(
    dealing: &VerifiedDealing,
    position: u16,
    key: &PointBytes,
    a: &PointBytes,
    commitments: &[RistrettoPoint; 2],
) -> Scalar {
    let hasher = WideHasher::new(tag::PVSS_SHARE).fixed(&dealing.hash().0).fixed(&position.to_be_bytes());
    let hasher = hasher.fixed(&key.0).fixed(&a.0);
    hash_to_scalar(commitments.iter().fold(hasher, |hasher, point| hasher.fixed(&point_bytes(point).0)))
}

/// Recovers S from the first ⌈T/2⌉ of `shares`, each verified for one dealing, by interpolation at 0. [pvss-12]
///
/// Refuses too few shares, and among those used a position out of range or twice. Shares that were not verified give
/// a wrong secret without an error.
pub fn recover(shares: &[Share], tickets: &TicketSet) -> Result<Secret, Reject> {
    let needed = tickets.threshold() - usize::from(planted(Bug::ThresholdOffByOne) && tickets.threshold() > 1);
    let used = shares.get(..needed).ok_or(Reject::TooFewShares)?;
    let positions: Vec<_> = used.iter().map(|share| share.position).collect();
    let mut sorted = positions.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Reject::BadPosition);
    }
    positions.iter().try_for_each(|&position| tickets.index(position).map(|_| ()))?;
    let points = used.iter().map(|share| point(&share.a)).collect::<Result<Vec<_>, _>>()?;
    Ok(Secret(point_bytes(&RistrettoPoint::vartime_multiscalar_mul(lagrange_at_zero(&positions), points))))
}
