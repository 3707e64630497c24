//! The dealer: one dealing from one seed, in constant time where scalars are secret.

use core::fmt;

use alloc::vec::Vec;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::MultiscalarMul;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::dealing::{Dealing, DealingContext, proof_challenge, statement};
use super::group::{hash_to_scalar, multiply, point_bytes, scalar_bytes};
use super::polynomial::{extend, secret_vec};
use super::ticket::TicketSet;
use crate::hash::{WideHasher, tag};
use crate::keys::{PointBytes, ScalarBytes};

/// The one-time key d of a dealing: whoever has it has the secret. Erased when dropped, never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct OpeningKey([u8; 32]);

impl OpeningKey {
    /// The opening, to be published once the round's gate is open.
    pub fn reveal(&self) -> ScalarBytes {
        ScalarBytes(self.0)
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpeningKey([REDACTED])")
    }
}

/// Everything secret in one dealing, from its seed. [pvss-4]
///
/// The root binds context and keys as well, so that one seed used twice by mistake still gives independent dealings.
struct Secrets {
    root: Zeroizing<[u8; 64]>,
}

impl Secrets {
    fn new(seed: &[u8; 32], context: &DealingContext, tickets: &TicketSet) -> Self {
        let hasher = WideHasher::new(tag::PVSS_SECRET).framed(b"dealing").fixed(seed);
        let hasher = hasher.fixed(&context.bytes()).fixed(&tickets.digest().0);
        Secrets { root: Zeroizing::new(hasher.finish()) }
    }

    fn scalar(&self, label: &'static [u8], index: u32) -> Scalar {
        hash_to_scalar(WideHasher::new(tag::PVSS_SECRET).framed(label).fixed(&*self.root).u32(index))
    }

    fn opening(&self) -> Zeroizing<Scalar> {
        Zeroizing::new(self.scalar(b"d", 0))
    }

    /// p(0)..=p(T): uniform on 0..=t, extended.
    fn polynomial(&self, tickets: &TicketSet) -> Zeroizing<Vec<Scalar>> {
        let mut values = secret_vec(tickets.tickets() + 1);
        values.extend((0..tickets.threshold() as u32).map(|i| self.scalar(b"p", i)));
        extend(&mut values, tickets.tickets());
        values
    }

    /// Bound to the statement, so that no two challenges ever meet one nonce.
    fn nonce(&self, statement: &[u8; 64]) -> Zeroizing<Scalar> {
        let hasher = WideHasher::new(tag::PVSS_NONCE).framed(b"dealing").fixed(&*self.root);
        Zeroizing::new(hash_to_scalar(hasher.fixed(statement)))
    }
}

/// The key that opens the dealing [`deal`] makes of the same arguments, without making it again.
pub fn opening_key(seed: &[u8; 32], context: &DealingContext, tickets: &TicketSet) -> OpeningKey {
    OpeningKey(Secrets::new(seed, context, tickets).opening().to_bytes())
}

/// Makes the dealing of a seed: 32 uniform secret bytes, persisted, and used for one context only.
pub fn deal(seed: &[u8; 32], context: &DealingContext, tickets: &TicketSet) -> (Dealing, OpeningKey) {
    let secrets = Secrets::new(seed, context, tickets);
    let opening = secrets.opening();
    let (d, c) = encrypt(&opening, &secrets.polynomial(tickets), tickets);
    let statement = statement(tickets, context, &d, &c);
    let nonce = secrets.nonce(&statement);
    let combiners = tickets.dual().combiners(&[Scalar::from_bytes_mod_order_wide(&statement)]);
    let u = multiply(combiners, tickets.points().iter().collect());
    let r1 = point_bytes(&RistrettoPoint::mul_base(&nonce));
    let r2 = point_bytes(&(*nonce * u));
    let z = *nonce + proof_challenge(&statement, &r1, &r2) * *opening;
    (Dealing { d, c, r1, r2, z: scalar_bytes(&z) }, OpeningKey(opening.to_bytes()))
}

/// D and C_0..=C_T. Scalars are halved first, for the batch compression doubles.
fn encrypt(d: &Scalar, values: &[Scalar], tickets: &TicketSet) -> (PointBytes, Vec<PointBytes>) {
    let half = Zeroizing::new(d.div_by_2());
    let mut points = Vec::with_capacity(values.len() + 1);
    points.push(RistrettoPoint::mul_base(&half));
    for (value, key) in values.iter().zip(tickets.points()) {
        let masked = Zeroizing::new(value.div_by_2());
        points.push(RistrettoPoint::multiscalar_mul([&*half, &*masked], [key, &G]));
    }
    let mut bytes = RistrettoPoint::double_and_compress_batch(&points).into_iter().map(|c| PointBytes(c.to_bytes()));
    let d = bytes.next().expect("the batch starts with D");
    (d, bytes.collect())
}
