//! Dealings that no honest code makes, computed from the equations of `specs/pvss.md` with every scalar in the open.

use beacon_spec::hash::{WideHasher, tag};
use beacon_spec::keys::{PointBytes, ScalarBytes};
use beacon_spec::pvss::{Dealing, DealingContext, TicketSet};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;

use crate::sim::rng::Rng;

/// A dealer of one dealing.
pub struct Forge<'a> {
    tickets: &'a TicketSet,
    context: DealingContext,
    /// E_0..=E_T.
    keys: Vec<RistrettoPoint>,
    d: Scalar,
    nonce: Scalar,
    rng: &'a mut Rng,
}

fn bytes(point: &RistrettoPoint) -> PointBytes {
    PointBytes(point.compress().to_bytes())
}

fn point(bytes: &PointBytes) -> RistrettoPoint {
    CompressedRistretto(bytes.0).decompress().unwrap_or(G)
}

fn random(rng: &mut Rng) -> Scalar {
    Scalar::from_bytes_mod_order(rng.bytes())
}

/// A dealing times a number: D, all C and the proof's points, whose challenge then fits no more.
pub fn scaled(dealing: &Dealing, rng: &mut Rng) -> Dealing {
    let factor = random(rng);
    let times = |from: &PointBytes| bytes(&(factor * point(from)));
    Dealing {
        d: times(&dealing.d),
        c: dealing.c.iter().map(times).collect(),
        r1: times(&dealing.r1),
        r2: times(&dealing.r2),
        z: dealing.z,
    }
}

impl<'a> Forge<'a> {
    pub fn new(tickets: &'a TicketSet, context: DealingContext, rng: &'a mut Rng) -> Forge<'a> {
        let positions = 1..=tickets.tickets() as u16;
        let others = positions.filter_map(|position| tickets.key(position).ok().map(point));
        let keys = std::iter::once(point(&tickets.secret_base())).chain(others).collect();
        let (d, nonce) = (random(rng), random(rng));
        Forge { tickets, context, keys, d, nonce, rng }
    }

    /// A sound dealing: the zero polynomial, one that is zero at as many positions as its degree, or one whose secret
    /// is zero. With its one-time key.
    pub fn with_zeros(self, kind: u64) -> (Dealing, [u8; 32]) {
        let degree = self.tickets.threshold() as u64 - 1;
        let roots: Vec<u64> = match kind {
            0 => Vec::new(),
            1 => (1..=degree).collect(),
            _ => (0..degree.min(1)).collect(),
        };
        let lead = if kind == 0 { Scalar::ZERO } else { random(self.rng) };
        let value = |j: u64| -> Scalar {
            lead * roots.iter().map(|root| Scalar::from(j) - Scalar::from(*root)).product::<Scalar>()
        };
        let values: Vec<Scalar> = (0..=self.tickets.tickets() as u64).map(value).collect();
        self.deal(&values, true)
    }

    /// Values on no polynomial of the degree, with a proof that holds where the challenge leaves the last C out.
    pub fn against_a_weak_challenge(self) -> (Dealing, [u8; 32]) {
        let mut values: Vec<Scalar> = self.keys.iter().map(|_| random(self.rng)).collect();
        let combiners = self.combiners(&self.statement(&self.c(&values), false));
        let last = self.tickets.tickets();
        let others: Scalar = combiners.iter().zip(&values).take(last).map(|(factor, value)| factor * value).sum();
        values[last] = -others * combiners[last].invert();
        self.deal(&values, false)
    }

    /// C_j = d·E_j + p(j)·G.
    fn c(&self, values: &[Scalar]) -> Vec<RistrettoPoint> {
        self.keys.iter().zip(values).map(|(key, value)| self.d * key + value * G).collect()
    }

    fn deal(&self, values: &[Scalar], bind_last: bool) -> (Dealing, [u8; 32]) {
        let c = self.c(values);
        let statement = self.statement(&c, bind_last);
        let u: RistrettoPoint = self.combiners(&statement).iter().zip(&self.keys).map(|(f, key)| f * key).sum();
        let (r1, r2) = (bytes(&(self.nonce * G)), bytes(&(self.nonce * u)));
        let challenge = WideHasher::new(tag::PVSS_DLEQ).fixed(&statement).fixed(&r1.0).fixed(&r2.0).finish();
        let response = self.nonce + Scalar::from_bytes_mod_order_wide(&challenge) * self.d;
        let z = ScalarBytes(response.to_bytes());
        (Dealing { d: bytes(&(self.d * G)), c: c.iter().map(bytes).collect(), r1, r2, z }, self.d.to_bytes())
    }

    /// The digest that everything else follows from: T, t, the keys, the context, D, the C.
    fn statement(&self, c: &[RistrettoPoint], bind_last: bool) -> [u8; 64] {
        let DealingContext { chain, epoch, committee, round, dealer } = &self.context;
        let (total, degree) = (self.tickets.tickets() as u32, self.tickets.threshold() as u32 - 1);
        let hasher = WideHasher::new(tag::PVSS_CHALLENGE).u32(total).u32(degree);
        let hasher = self.keys.iter().fold(hasher, |hasher, key| hasher.fixed(&bytes(key).0));
        let hasher = hasher.fixed(&chain.0).fixed(&epoch.to_be_bytes()).fixed(&committee.0);
        let hasher = hasher.fixed(&round.to_be_bytes()).fixed(&dealer.to_be_bytes());
        let hasher = hasher.fixed(&bytes(&(self.d * G)).0);
        let bound = if bind_last { c.len() } else { c.len() - 1 };
        c[..bound].iter().fold(hasher, |hasher, c| hasher.fixed(&bytes(c).0)).finish()
    }

    /// v_j·m(j), with v_j the inverse of Π (j − i) and m(j) = Σ (z·j)^k for k < T − t.
    fn combiners(&self, statement: &[u8; 64]) -> Vec<Scalar> {
        let z = Scalar::from_bytes_mod_order_wide(statement);
        let total = self.tickets.tickets() as u64;
        let terms = total + 1 - self.tickets.threshold() as u64;
        (0..=total)
            .map(|j| {
                let at = Scalar::from(j);
                let others = (0..=total).filter(|i| *i != j).map(|i| at - Scalar::from(i));
                let mut power = Scalar::ONE;
                let mut sum = Scalar::ZERO;
                for _ in 0..terms {
                    sum += power;
                    power *= z * at;
                }
                others.product::<Scalar>().invert() * sum
            })
            .collect()
    }
}
