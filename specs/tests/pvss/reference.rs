//! Keys, contexts, and a prover written from the paper's equations alone: sums instead of closed forms, powers instead
//! of differences, one scalar multiplication a term. It shares the hash tags with the library and nothing else, and
//! each of its steps can be replaced by a dishonest one.

use beacon_spec::hash::{Digest32, Hasher, WideHasher, tag};
use beacon_spec::keys::{PointBytes, ScalarBytes};
use beacon_spec::pvss::{self, Dealing, DealingContext, Share, TicketSecret, TicketSet, VerifiedDealing};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;

/// A committee's ticket secrets and their prepared keys.
pub struct Committee {
    pub secrets: Vec<TicketSecret>,
    pub keys: Vec<PointBytes>,
    pub tickets: TicketSet,
}

pub fn committee(tickets: usize) -> Committee {
    let (secrets, keys): (Vec<_>, Vec<_>) =
        (0..tickets as u64).map(|i| TicketSecret::from_seed(&seed("ticket", i))).unzip();
    let tickets = TicketSet::new(&keys).expect("derived keys are distinct points");
    Committee { secrets, keys, tickets }
}

pub fn seed(label: &str, index: u64) -> [u8; 32] {
    Hasher::new("test").framed(label.as_bytes()).u64(index).finish().0
}

pub fn random(label: &str, index: u64) -> Scalar {
    Scalar::from_bytes_mod_order(seed(label, index))
}

pub fn context() -> DealingContext {
    DealingContext { chain: Digest32([1; 32]), epoch: 2, committee: Digest32([3; 32]), round: 4, dealer: 5 }
}

pub fn point(bytes: &PointBytes) -> RistrettoPoint {
    CompressedRistretto(bytes.0).decompress().expect("a test point")
}

pub fn bytes(point: &RistrettoPoint) -> PointBytes {
    PointBytes(point.compress().0)
}

pub fn scalar(bytes: &ScalarBytes) -> Scalar {
    Scalar::from_canonical_bytes(bytes.0).expect("a test scalar")
}

pub fn scalar_bytes(scalar: &Scalar) -> ScalarBytes {
    ScalarBytes(scalar.to_bytes())
}

fn wide(hasher: WideHasher) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&hasher.finish())
}

/// What the challenge binds; an honest prover leaves everything in.
#[derive(Clone, Copy)]
pub struct Binding {
    pub parameters: bool,
    pub context: bool,
    pub keys: bool,
    pub d: bool,
    /// The one C_j that the challenge leaves out.
    pub without_c: Option<usize>,
}

pub const EVERYTHING: Binding = Binding { parameters: true, context: true, keys: true, d: true, without_c: None };

/// A dealer that holds all its scalars in the open.
#[derive(Clone)]
pub struct Forge<'a> {
    pub committee: &'a Committee,
    pub context: DealingContext,
    pub d: Scalar,
    /// p(0)..=p(T); an honest dealer's lie on a polynomial of degree ≤ t.
    pub values: Vec<Scalar>,
    pub nonce: Scalar,
    pub binding: Binding,
}

impl<'a> Forge<'a> {
    /// An honest dealer with the polynomial of the given coefficients, constant term first.
    pub fn new(committee: &'a Committee, coefficients: &[Scalar], index: u64) -> Self {
        let positions = 0..=committee.keys.len() as u64;
        let values = positions.map(|j| evaluate(coefficients, Scalar::from(j))).collect();
        let (d, nonce) = (random("d", index), random("nonce", index));
        Forge { committee, context: context(), d, values, nonce, binding: EVERYTHING }
    }

    /// An honest dealer with a polynomial of full degree.
    pub fn honest(committee: &'a Committee, index: u64) -> Self {
        let coefficients: Vec<_> =
            (0..committee.tickets.threshold() as u64).map(|k| random("p", index << 16 | k)).collect();
        Self::new(committee, &coefficients, index)
    }

    /// The dealer that rule [pvss-4] derives from a seed, nonce included.
    pub fn from_seed(committee: &'a Committee, seed: &[u8; 32]) -> Self {
        let (tickets, threshold) = (committee.keys.len() as u32, committee.tickets.threshold() as u32);
        let mut forge = Self::new(committee, &[], 0);
        let keys = WideHasher::new(tag::PVSS_CHALLENGE).u32(tickets).u32(threshold - 1);
        let keys = forge.keys().iter().fold(keys, |hasher, e| hasher.fixed(&bytes(e).0)).finish();
        let secret = |label: &str| WideHasher::new(tag::PVSS_SECRET).framed(label.as_bytes());
        let root = secret("dealing").fixed(seed).fixed(&context_bytes(&forge.context)).fixed(&keys[..32]).finish();
        let scalar = |label, i| wide(secret(label).fixed(&root).u32(i));
        forge.d = scalar("d", 0);
        let known: Vec<_> = (0..threshold).map(|i| (Scalar::from(i), scalar("p", i))).collect();
        forge.values = (0..=tickets).map(|j| interpolate(&known, Scalar::from(j))).collect();
        let statement = forge.statement(&(forge.d * G), &forge.c());
        forge.nonce = wide(WideHasher::new(tag::PVSS_NONCE).framed(b"dealing").fixed(&root).fixed(&statement));
        forge
    }

    /// E_0..=E_T.
    pub fn keys(&self) -> Vec<RistrettoPoint> {
        let base = RistrettoPoint::from_uniform_bytes(&WideHasher::new(tag::PVSS_BASE).finish());
        std::iter::once(base).chain(self.committee.keys.iter().map(point)).collect()
    }

    /// C_0..=C_T.
    pub fn c(&self) -> Vec<RistrettoPoint> {
        self.keys().iter().zip(&self.values).map(|(e, p)| self.d * e + p * G).collect()
    }

    /// h, from the bytes of what `binding` names.
    pub fn statement(&self, d: &RistrettoPoint, c: &[RistrettoPoint]) -> [u8; 64] {
        let tickets = self.committee.keys.len() as u32;
        let mut hasher = WideHasher::new(tag::PVSS_CHALLENGE);
        if self.binding.parameters {
            hasher = hasher.u32(tickets).u32(tickets.div_ceil(2) - 1);
        }
        if self.binding.keys {
            hasher = self.keys().iter().fold(hasher, |hasher, e| hasher.fixed(&bytes(e).0));
        }
        if self.binding.context {
            hasher = hasher.fixed(&context_bytes(&self.context));
        }
        if self.binding.d {
            hasher = hasher.fixed(&bytes(d).0);
        }
        let bound = c.iter().enumerate().filter(|(j, _)| Some(*j) != self.binding.without_c);
        bound.fold(hasher, |hasher, (_, c)| hasher.fixed(&bytes(c).0)).finish()
    }

    /// The true commitments k·G and k·U.
    pub fn commitments(&self) -> [RistrettoPoint; 2] {
        let u = self.combine(&self.statement(&(self.d * G), &self.c()), &self.keys());
        [self.nonce * G, self.nonce * u]
    }

    pub fn dealing(&self) -> Dealing {
        let [r1, r2] = self.commitments();
        self.prove(self.d * G, self.c(), r1, r2)
    }

    /// The proof for any D, C and commitments; true ones make it an honest proof.
    pub fn prove(&self, d: RistrettoPoint, c: Vec<RistrettoPoint>, r1: RistrettoPoint, r2: RistrettoPoint) -> Dealing {
        let challenge = self.challenge(&self.statement(&d, &c), &r1, &r2);
        let z = self.nonce + challenge * self.d;
        self.finish(&d, &c, &r1, &r2, &z)
    }

    pub fn finish(
        &self,
        d: &RistrettoPoint,
        c: &[RistrettoPoint],
        r1: &RistrettoPoint,
        r2: &RistrettoPoint,
        z: &Scalar,
    ) -> Dealing {
        let c = c.iter().map(bytes).collect();
        Dealing { d: bytes(d), c, r1: bytes(r1), r2: bytes(r2), z: scalar_bytes(z) }
    }

    pub fn challenge(&self, statement: &[u8; 64], r1: &RistrettoPoint, r2: &RistrettoPoint) -> Scalar {
        wide(WideHasher::new(tag::PVSS_DLEQ).fixed(statement).fixed(&bytes(r1).0).fixed(&bytes(r2).0))
    }

    /// v_j m(j) for the z of a statement.
    pub fn combiners(&self, statement: &[u8; 64]) -> Vec<Scalar> {
        combiners(self.committee.keys.len() as u64, &Scalar::from_bytes_mod_order_wide(statement))
    }

    /// Σ_j v_j m(j) P_j.
    pub fn combine(&self, statement: &[u8; 64], points: &[RistrettoPoint]) -> RistrettoPoint {
        self.combiners(statement).iter().zip(points).map(|(combiner, point)| combiner * point).sum()
    }
}

fn context_bytes(context: &DealingContext) -> Vec<u8> {
    let DealingContext { chain, epoch, committee, round, dealer } = context;
    let numbers = [&epoch.to_be_bytes(), &round.to_be_bytes()];
    [&chain.0[..], numbers[0], &committee.0, numbers[1], &dealer.to_be_bytes()].concat()
}

/// The value at x of the polynomial of least degree through `known`.
pub fn interpolate(known: &[(Scalar, Scalar)], x: Scalar) -> Scalar {
    let lambda = |at: Scalar| -> Scalar {
        let others = || known.iter().map(|(other, _)| *other).filter(|other| *other != at);
        others().map(|other| x - other).product::<Scalar>()
            * others().map(|other| at - other).product::<Scalar>().invert()
    };
    known.iter().map(|(at, value)| lambda(*at) * value).sum()
}

/// p(x) from coefficients, constant term first.
pub fn evaluate(coefficients: &[Scalar], x: Scalar) -> Scalar {
    coefficients.iter().rev().fold(Scalar::ZERO, |sum, c| sum * x + c)
}

/// v_j m(j) for j in 0..=T, with v_j = Π_{i≠j} (j − i)^-1 and m(j) = Σ_{k<T−t} z^k j^k.
pub fn combiners(tickets: u64, z: &Scalar) -> Vec<Scalar> {
    let terms = tickets - (tickets.div_ceil(2) - 1);
    (0..=tickets)
        .map(|j| {
            let at = Scalar::from(j);
            let others = (0..=tickets).filter(|&i| i != j);
            let weight = others.map(|i| at - Scalar::from(i)).product::<Scalar>().invert();
            weight * evaluate(&vec![Scalar::ONE; terms as usize], z * at)
        })
        .collect()
}

/// A holder that can leave something out of its share's challenge.
pub struct ForgeShare<'a> {
    pub secret: &'a TicketSecret,
    pub position: u16,
    pub dealing: &'a VerifiedDealing,
    pub nonce: Scalar,
    pub binding: ShareBinding,
}

#[derive(Clone, Copy)]
pub struct ShareBinding {
    pub dealing: bool,
    pub position: bool,
    pub key: bool,
    pub a: bool,
}

pub const WHOLE_SHARE: ShareBinding = ShareBinding { dealing: true, position: true, key: true, a: true };

impl<'a> ForgeShare<'a> {
    pub fn new(secret: &'a TicketSecret, position: u16, dealing: &'a VerifiedDealing) -> Self {
        ForgeShare { secret, position, dealing, nonce: random("share nonce", 0), binding: WHOLE_SHARE }
    }

    /// The holder whose nonce is the one of rule [pvss-11].
    pub fn honest(secret: &'a TicketSecret, position: u16, dealing: &'a VerifiedDealing) -> Self {
        let hasher = WideHasher::new(tag::PVSS_NONCE).framed(b"share").fixed(&*secret.to_bytes());
        let nonce = wide(hasher.fixed(&dealing.hash().0).fixed(&position.to_be_bytes()));
        ForgeShare { nonce, ..Self::new(secret, position, dealing) }
    }

    pub fn e(&self) -> Scalar {
        Scalar::from_canonical_bytes(*self.secret.to_bytes()).expect("a ticket secret")
    }

    pub fn challenge(&self, a: &RistrettoPoint, r1: &RistrettoPoint, r2: &RistrettoPoint) -> Scalar {
        let mut hasher = WideHasher::new(tag::PVSS_SHARE);
        if self.binding.dealing {
            hasher = hasher.fixed(&self.dealing.hash().0);
        }
        if self.binding.position {
            hasher = hasher.fixed(&self.position.to_be_bytes());
        }
        if self.binding.key {
            hasher = hasher.fixed(&self.secret.public().0);
        }
        if self.binding.a {
            hasher = hasher.fixed(&bytes(a).0);
        }
        wide(hasher.fixed(&bytes(r1).0).fixed(&bytes(r2).0))
    }

    /// A_j = C_j − e_j·D, proved with this binding.
    pub fn share(&self) -> Share {
        let d = point(&self.dealing.dealing().d);
        let a = point(&self.dealing.dealing().c[usize::from(self.position)]) - self.e() * d;
        let challenge = self.challenge(&a, &(self.nonce * G), &(self.nonce * d));
        self.finish(&a, &challenge)
    }

    pub fn finish(&self, a: &RistrettoPoint, challenge: &Scalar) -> Share {
        let response = self.nonce + challenge * self.e();
        let (challenge, response) = (scalar_bytes(challenge), scalar_bytes(&response));
        Share { position: self.position, a: bytes(a), challenge, response }
    }
}

/// Every share of a dealing, as its holders make them.
pub fn shares(committee: &Committee, dealing: &VerifiedDealing) -> Vec<Share> {
    let tickets = (1..).zip(&committee.secrets);
    tickets.map(|(j, e)| pvss::share(e, j, dealing, &committee.tickets).expect("own position")).collect()
}

/// Each field of a context changed alone, with its name.
pub fn other_contexts() -> [(&'static str, DealingContext); 5] {
    [
        ("chain", DealingContext { chain: Digest32([9; 32]), ..context() }),
        ("epoch", DealingContext { epoch: 9, ..context() }),
        ("committee", DealingContext { committee: Digest32([9; 32]), ..context() }),
        ("round", DealingContext { round: 9, ..context() }),
        ("dealer", DealingContext { dealer: 9, ..context() }),
    ]
}

/// Verifies what an honest dealer made.
pub fn verified(dealing: &Dealing, context: &DealingContext, committee: &Committee) -> VerifiedDealing {
    pvss::verify(dealing, context, &committee.tickets).expect("an honest dealing")
}
