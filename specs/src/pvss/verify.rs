//! Verification of dealings, one by one or many in one multi-scalar multiplication.

use alloc::vec::Vec;
use core::iter;

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;

use super::dealing::{Dealing, DealingContext, Points, VerifiedDealing, proof_challenge, statement};
use super::group::{multiply, point, scalar};
use super::ticket::TicketSet;
use crate::hash::{Digest32, Hasher, WideHasher, tag};
use crate::reject::Reject;

/// A decoded dealing with all that its two equations take.
struct Claim {
    hash: Digest32,
    points: Points,
    r1: RistrettoPoint,
    r2: RistrettoPoint,
    response: Scalar,
    challenge: Scalar,
    /// Where m is combined: U = Σ v_j m(j) E_j, V = Σ v_j m(j) C_j, never taken from the dealer. [pvss-6]
    combiner: Scalar,
}

impl Claim {
    fn decode(dealing: &Dealing, context: &DealingContext, tickets: &TicketSet) -> Result<Self, Reject> {
        let points = Points::decode(dealing, tickets)?;
        let statement = statement(tickets, context, &dealing.d, &dealing.c);
        Ok(Claim {
            hash: dealing.hash(context),
            points,
            r1: point(&dealing.r1)?,
            r2: point(&dealing.r2)?,
            response: scalar(&dealing.z)?,
            challenge: proof_challenge(&statement, &dealing.r1, &dealing.r2),
            combiner: Scalar::from_bytes_mod_order_wide(&statement),
        })
    }

    /// response·G = R1 + challenge·D and response·U = R2 + challenge·V. [pvss-6]
    fn holds(&self, tickets: &TicketSet) -> bool {
        let minus = -self.challenge;
        let r1 = RistrettoPoint::vartime_double_scalar_mul_basepoint(&minus, &self.points.d, &self.response);
        if r1 != self.r1 {
            return false;
        }
        let combiners = tickets.dual().combiners(&[self.combiner]);
        let for_keys = combiners.iter().map(|combiner| combiner * self.response);
        let for_c = combiners.iter().map(|combiner| combiner * minus);
        let points = tickets.points().iter().chain(&self.points.c).collect();
        multiply(for_keys.chain(for_c).collect(), points) == self.r2
    }

    fn verified(self, dealing: &Dealing, context: &DealingContext, tickets: &TicketSet) -> VerifiedDealing {
        VerifiedDealing::assume(dealing, context, self.hash, tickets, self.points)
    }
}

/// Verifies one dealing. Deterministic.
pub fn verify(dealing: &Dealing, context: &DealingContext, tickets: &TicketSet) -> Result<VerifiedDealing, Reject> {
    let claim = Claim::decode(dealing, context, tickets)?;
    if claim.holds(tickets) { Ok(claim.verified(dealing, context, tickets)) } else { Err(Reject::BadDealing) }
}

/// Verifies many dealings of one epoch; the verdicts stand in the order of `items`. [pvss-9]
///
/// `coin` is fresh randomness of this verifier that no dealer could know. Where the one equation over all fails, each
/// dealing is checked alone, so that a verdict never depends on the company; a wrong dealing passes with probability
/// 2^-127 at most.
pub fn verify_batch(
    items: &[(&Dealing, &DealingContext)],
    tickets: &TicketSet,
    coin: &[u8; 32],
) -> Vec<Result<VerifiedDealing, Reject>> {
    let claims: Vec<_> = items.iter().map(|(dealing, context)| Claim::decode(dealing, context, tickets)).collect();
    let sound: Vec<_> = claims.iter().flatten().collect();
    let together = sound.len() > 1 && hold_together(&sound, tickets, coin);
    iter::zip(items, claims)
        .map(|((dealing, context), claim)| {
            let claim = claim?;
            if together || claim.holds(tickets) {
                Ok(claim.verified(dealing, context, tickets))
            } else {
                Err(Reject::BadDealing)
            }
        })
        .collect()
}

/// Σ_i ρ_i (R1 + challenge·D − response·G) + σ_i (R2 + challenge·V − response·U) = 0, the E_j terms merged.
fn hold_together(claims: &[&Claim], tickets: &TicketSet, coin: &[u8; 32]) -> bool {
    let width = tickets.points().len();
    let mut for_base = Scalar::ZERO;
    let mut for_keys = alloc::vec![Scalar::ZERO; width];
    let capacity = 1 + width + claims.len() * (width + 3);
    let (mut scalars, mut points) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
    let combiners = tickets.dual().combiners(&claims.iter().map(|claim| claim.combiner).collect::<Vec<_>>());
    for ((claim, combiners), (rho, sigma)) in
        iter::zip(iter::zip(claims, combiners.chunks_exact(width)), coefficients(claims, coin))
    {
        for_base -= rho * claim.response;
        let (to_key, to_c) = (sigma * claim.response, sigma * claim.challenge);
        for (for_key, combiner) in iter::zip(&mut for_keys, combiners) {
            *for_key -= to_key * combiner;
        }
        scalars.extend([rho, sigma, rho * claim.challenge]);
        scalars.extend(combiners.iter().map(|combiner| to_c * combiner));
        points.extend([&claim.r1, &claim.r2, &claim.points.d]);
        points.extend(&claim.points.c);
    }
    scalars.push(for_base);
    scalars.append(&mut for_keys);
    points.push(&G);
    points.extend(tickets.points());
    multiply(scalars, points).is_identity()
}

/// ρ and σ of each dealing, 128 bits each, from the coin and from all that is checked. [pvss-9]
fn coefficients(claims: &[&Claim], coin: &[u8; 32]) -> Vec<(Scalar, Scalar)> {
    let hasher = Hasher::new(tag::PVSS_BATCH).fixed(coin).u32(claims.len() as u32);
    let seed = claims.iter().fold(hasher, |hasher, claim| hasher.fixed(&claim.hash.0)).finish();
    let stream = WideHasher::new(tag::PVSS_BATCH).fixed(&seed.0);
    (0..claims.len() as u32)
        .map(|i| {
            let bytes = stream.clone().u32(i).finish();
            let half =
                |from: usize| bytes[from..from + 16].iter().fold(0u128, |sum, &byte| sum << 8 | u128::from(byte));
            (Scalar::from(half(0)), Scalar::from(half(16)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pvss::{TicketSecret, deal};

    /// A dealer that could guess a coefficient could make two errors cancel.
    #[test]
    fn pvss_9_coefficients_are_distinct_and_follow_coin_and_every_dealing() {
        let keys: Vec<_> = (1..=3).map(|i| TicketSecret::from_seed(&[i; 32]).1).collect();
        let tickets = TicketSet::new(&keys).expect("distinct keys");
        let context =
            |dealer| DealingContext { chain: Digest32::ZERO, epoch: 1, committee: Digest32::ZERO, round: 1, dealer };
        let claim = |dealer: u8| {
            let (dealing, _) = deal(&[dealer; 32], &context(dealer.into()), &tickets);
            Claim::decode(&dealing, &context(dealer.into()), &tickets).expect("an honest dealing")
        };
        let claims = [claim(1), claim(2), claim(3)];
        let of = |claims: &[&Claim], coin| coefficients(claims, &[coin; 32]);
        let base = of(&[&claims[0], &claims[1]], 0);
        let mut all: Vec<_> = base.iter().flat_map(|(rho, sigma)| [*rho, *sigma]).collect();
        for other in
            [of(&[&claims[0], &claims[1]], 1), of(&[&claims[0], &claims[2]], 0), of(&[&claims[1], &claims[0]], 0)]
        {
            all.extend(other.iter().flat_map(|(rho, sigma)| [*rho, *sigma]));
        }
        let mut bytes: Vec<_> = all.iter().map(Scalar::to_bytes).collect();
        assert!(bytes.iter().all(|bytes| bytes[12..16] != [0; 4] && bytes[16..] == [0; 16]), "128 bits each");
        bytes.sort_unstable();
        bytes.dedup();
        assert_eq!(bytes.len(), 16);
    }
}
