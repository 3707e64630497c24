//! Mistake 9: a dealer may make any C_j, A_j, S, R1 or R2 the identity. Its decided round must still come out, whole.

use beacon_spec::keys::PointBytes;
use beacon_spec::pvss::{Secret, open, recover, verify, verify_batch, verify_share};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::scalar::Scalar;

use crate::reference::{Committee, Forge, committee, context, random, scalar_bytes, shares};

const IDENTITY: PointBytes = PointBytes([0; 32]);

/// Verified alone and in a batch, opened, shared by all, recovered from the first and from the last holders.
fn comes_out(forge: &Forge, committee: &Committee) -> Secret {
    let (dealing, context) = (forge.dealing(), context());
    let batch = verify_batch(&[(&dealing, &context), (&dealing, &context)], &committee.tickets, &[3; 32]);
    let checked = verify(&dealing, &context, &committee.tickets).expect("the identity is no reason to refuse");
    assert!(batch.into_iter().all(|verdict| verdict == Ok(checked.clone())));
    let secret = open(&checked, &scalar_bytes(&forge.d)).expect("the opening");
    let shares = shares(committee, &checked);
    for share in &shares {
        assert_eq!(verify_share(share, &checked, &committee.tickets), Ok(()), "position {}", share.position);
    }
    let last = &shares[committee.tickets.tickets() - committee.tickets.threshold()..];
    assert_eq!(recover(&shares, &committee.tickets), Ok(secret));
    assert_eq!(recover(last, &committee.tickets), Ok(secret));
    secret
}

#[test]
fn mistake_9_a_polynomial_of_zeros_comes_out_as_the_identity() {
    for tickets in [1, 2, 3, 4, 5, 11] {
        let committee = committee(tickets);
        let forge = Forge::new(&committee, &[Scalar::ZERO], 0);
        assert_eq!(comes_out(&forge, &committee), Secret(IDENTITY), "T = {tickets}");
    }
}

/// p with roots at `roots`, of degree ≤ t.
fn with_roots(committee: &Committee, roots: &[u64]) -> Vec<Scalar> {
    roots.iter().fold(vec![random("leading", 0)], |p, root| {
        let mut product = vec![Scalar::ZERO; p.len() + 1];
        for (k, coefficient) in p.iter().enumerate() {
            product[k + 1] += coefficient;
            product[k] -= coefficient * Scalar::from(*root);
        }
        assert!(product.len() <= committee.tickets.threshold());
        product
    })
}

/// A_j = 0 at t positions of the dealer's choice: with it, whoever refuses identity shares cannot recover.
#[test]
fn mistake_9_chosen_positions_of_zero_come_out() {
    let committee = committee(7);
    for roots in [&[1, 2, 3][..], &[5, 6, 7], &[1, 4, 7], &[2]] {
        let forge = Forge::new(&committee, &with_roots(&committee, roots), 0);
        for &root in roots {
            assert_eq!(forge.values[root as usize], Scalar::ZERO);
        }
        let secret = comes_out(&forge, &committee);
        assert_eq!(secret.0.0, (forge.values[0] * G).compress().0);
    }
}

#[test]
fn mistake_9_a_secret_of_zero_comes_out() {
    let committee = committee(7);
    let forge = Forge::new(&committee, &with_roots(&committee, &[0, 3]), 0);
    assert_eq!(comes_out(&forge, &committee), Secret(IDENTITY));
}

/// C_j = 0: p(j) = −d·e_j, which a dealer that holds ticket j can reach, together with S = 0 or alone.
#[test]
fn mistake_9_an_encrypted_share_of_zero_comes_out() {
    let committee = committee(3);
    let forge = Forge::honest(&committee, 0);
    for j in 1..=3u16 {
        let e =
            Scalar::from_canonical_bytes(*committee.secrets[usize::from(j) - 1].to_bytes()).expect("a ticket secret");
        let (at, target) = (Scalar::from(j), -forge.d * e);
        let constant = random("constant", 0);
        let forge = Forge::new(&committee, &[constant, (target - constant) * at.invert()], 0);
        assert_eq!(forge.dealing().c[usize::from(j)], IDENTITY);
        comes_out(&forge, &committee);
    }
}

/// A nonce of zero gives the dealer's d away, and is its own business.
#[test]
fn mistake_9_commitments_of_zero_come_out() {
    let committee = committee(5);
    let forge = Forge { nonce: Scalar::ZERO, ..Forge::honest(&committee, 0) };
    assert_eq!((forge.dealing().r1, forge.dealing().r2), (IDENTITY, IDENTITY));
    comes_out(&forge, &committee);
}
