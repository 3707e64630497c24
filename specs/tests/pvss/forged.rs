//! Dealings that must be refused: replays, weak challenges, wrong degrees. Each names the mistake that would admit it.

use beacon_spec::pvss::{
    Dealing, DealingContext, VerifiedDealing, deal, open, recover, verify, verify_batch, verify_share,
};
use beacon_spec::reject::Reject;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;

use crate::reference::{
    Binding, Committee, EVERYTHING, Forge, bytes, combiners, committee, context, interpolate, other_contexts, point,
    random, scalar, scalar_bytes, seed, shares, verified,
};

/// Refused alone and in the company of an honest dealing, for the same reason.
fn refused(dealing: &Dealing, context: &DealingContext, committee: &Committee) -> Reject {
    let alone = verify(dealing, context, &committee.tickets).expect_err("a forged dealing passed alone");
    let (honest, _) = deal(&seed("company", 0), context, &committee.tickets);
    let verdicts = verify_batch(&[(&honest, context), (dealing, context)], &committee.tickets, &[1; 32]);
    assert!(verdicts[0].is_ok());
    assert_eq!(verdicts[1], Err(alone));
    alone
}

/// Mistake 2: one D for two dealings lets one opening open the other.
#[test]
fn mistake_2_one_seed_never_gives_one_d_to_two_dealings() {
    let committee = committee(4);
    let (dealing, key) = deal(&seed("deal", 0), &context(), &committee.tickets);
    for (name, other) in other_contexts() {
        let (next, _) = deal(&seed("deal", 0), &other, &committee.tickets);
        let next = verified(&next, &other, &committee);
        assert_ne!(next.dealing().d, dealing.d, "{name}");
        assert_eq!(open(&next, &key.reveal()), Err(Reject::BadOpening), "{name}");
    }
}

#[test]
fn mistake_3_a_dealing_is_bound_to_every_field_of_its_context() {
    let committee = committee(5);
    let (dealing, _) = deal(&seed("deal", 0), &context(), &committee.tickets);
    for (name, other) in other_contexts() {
        assert_eq!(refused(&dealing, &other, &committee), Reject::BadDealing, "{name}");
    }
}

/// Mistake 3: whoever gets D' = b·D of an honest dealing accepted and then withholds has the holders decrypt for it.
/// The proof of the honest dealing, scaled by b in every way there is, does not follow.
#[test]
fn mistake_3_an_honest_dealing_times_b_is_refused_under_another_dealer() {
    let committee = committee(5);
    let (honest, _) = deal(&seed("deal", 0), &context(), &committee.tickets);
    let thief = DealingContext { dealer: 6, ..context() };
    for b in [Scalar::ONE, -Scalar::ONE, Scalar::from(2u64), random("b", 0)] {
        let times = |bytes_of: &_| bytes(&(b * point(bytes_of)));
        let c: Vec<_> = honest.c.iter().map(times).collect();
        let d = times(&honest.d);
        for (r1, r2) in [(honest.r1, honest.r2), (times(&honest.r1), times(&honest.r2))] {
            for z in [honest.z, scalar_bytes(&(b * scalar(&honest.z)))] {
                let stolen = Dealing { d, c: c.clone(), r1, r2, z };
                assert_eq!(refused(&stolen, &thief, &committee), Reject::BadDealing);
            }
        }
    }
}

/// A challenge without `binding`'s missing part must not be what the verifier computes.
fn refuses_challenge(binding: Binding, name: &str) {
    for tickets in [1, 2, 3, 5, 11] {
        let committee = committee(tickets);
        let honest = Forge::honest(&committee, 0);
        verified(&honest.dealing(), &context(), &committee);
        let weak = Forge { binding, ..honest }.dealing();
        assert_eq!(refused(&weak, &context(), &committee), Reject::BadDealing, "{name}, T = {tickets}");
    }
}

#[test]
fn pvss_5_the_challenge_hashes_the_context() {
    refuses_challenge(Binding { context: false, ..EVERYTHING }, "context");
}

#[test]
fn pvss_5_the_challenge_hashes_every_key() {
    refuses_challenge(Binding { keys: false, ..EVERYTHING }, "keys");
}

#[test]
fn pvss_5_the_challenge_hashes_d() {
    refuses_challenge(Binding { d: false, ..EVERYTHING }, "D");
}

/// Mistake 4, carried out: z is fixed before C_j, and C_j solved for so that the check holds with shares on no
/// polynomial. Against a verifier that forgot C_j this passes, and two share sets give two secrets.
#[test]
fn mistake_4_a_dealing_forged_against_a_weak_challenge_is_refused() {
    let committee = committee(5);
    for left_out in 0..=5 {
        let mut forge = Forge::honest(&committee, 0);
        forge.binding.without_c = Some(left_out);
        forge.values = (0..=5).map(|j| random("off the polynomial", j)).collect();
        let z = Scalar::from_bytes_mod_order_wide(&forge.statement(&(forge.d * G), &forge.c()));
        let weights = combiners(5, &z);
        let others = (0..=5).filter(|&j| j != left_out).map(|j| weights[j] * forge.values[j]).sum::<Scalar>();
        forge.values[left_out] = -others * weights[left_out].invert();
        let check: Scalar = weights.iter().zip(&forge.values).map(|(weight, value)| weight * value).sum();
        assert_eq!(check, Scalar::ZERO, "the forgery is one");
        assert_ne!(interpolated(&forge.values, [1, 2, 3]), interpolated(&forge.values, [3, 4, 5]));
        assert_eq!(refused(&forge.dealing(), &context(), &committee), Reject::BadDealing, "without C_{left_out}");
    }
}

/// The value at 0 of the polynomial through three positions.
fn interpolated(values: &[Scalar], positions: [usize; 3]) -> Scalar {
    interpolate(&positions.map(|j| (Scalar::from(j as u64), values[j])), Scalar::ZERO)
}

/// Mistake 5: with U and V of the dealer's choice, any shares pass. Here the commitment is for U' = 0 and for U' = G.
#[test]
fn mistake_5_u_and_v_are_the_verifiers_own() {
    let committee = committee(5);
    let mut forge = Forge::honest(&committee, 0);
    forge.values[2] += Scalar::ONE;
    for u in [RistrettoPoint::identity(), G] {
        let dealing = forge.prove(forge.d * G, forge.c(), forge.nonce * G, forge.nonce * u);
        assert_eq!(refused(&dealing, &context(), &committee), Reject::BadDealing);
    }
}

#[test]
fn pvss_6_a_polynomial_of_too_high_a_degree_is_refused() {
    for tickets in 2usize..=12 {
        let committee = committee(tickets);
        let threshold = committee.tickets.threshold();
        for length in threshold..=tickets {
            let coefficients: Vec<_> = (0..length as u64).map(|k| random("coefficient", k)).collect();
            let dealing = Forge::new(&committee, &coefficients, 0).dealing();
            if length == threshold {
                verified(&dealing, &context(), &committee);
            } else {
                assert_eq!(refused(&dealing, &context(), &committee), Reject::BadDealing, "T = {tickets}, {length}");
            }
        }
    }
}

#[test]
fn pvss_6_one_share_off_the_polynomial_is_refused_at_every_position() {
    for tickets in [1, 2, 3, 8] {
        let committee = committee(tickets);
        for j in 0..=tickets {
            let mut forge = Forge::honest(&committee, 0);
            forge.values[j] += Scalar::ONE;
            assert_eq!(refused(&forge.dealing(), &context(), &committee), Reject::BadDealing, "{j} of {tickets}");
        }
    }
}

/// Mistake 6: d = 0 would verify, with every share in the clear.
#[test]
fn mistake_6_d_zero_is_refused() {
    let committee = committee(5);
    let dealing = Forge { d: Scalar::ZERO, ..Forge::honest(&committee, 0) }.dealing();
    assert_eq!(refused(&dealing, &context(), &committee), Reject::IdentityPoint);
}

/// Mistake 8: what comes out is p(0)·G, whichever way it comes, and d never shows in it.
#[test]
fn mistake_8_the_secret_is_p_of_0_times_g_by_opening_and_by_recovery() {
    let committee = committee(7);
    let forge = Forge::honest(&committee, 0);
    let dealing: VerifiedDealing = verified(&forge.dealing(), &context(), &committee);
    let secret = open(&dealing, &scalar_bytes(&forge.d)).expect("the opening");
    assert_eq!(secret.0, bytes(&(forge.values[0] * G)));
    assert_eq!(recover(&shares(&committee, &dealing), &committee.tickets), Ok(secret));
    let again = Forge { d: random("another d", 0), ..forge };
    let again_dealing = verified(&again.dealing(), &context(), &committee);
    assert_eq!(open(&again_dealing, &scalar_bytes(&again.d)), Ok(secret));
}

#[test]
fn pvss_10_only_the_key_of_d_opens() {
    let committee = committee(5);
    let forge = Forge::honest(&committee, 0);
    let dealing = verified(&forge.dealing(), &context(), &committee);
    for wrong in [Scalar::ZERO, Scalar::ONE, -forge.d, forge.d + Scalar::ONE] {
        assert_eq!(open(&dealing, &scalar_bytes(&wrong)), Err(Reject::BadOpening));
    }
    let (_, key) = deal(&seed("deal", 0), &context(), &committee.tickets);
    assert_eq!(format!("{key:?}"), "OpeningKey([REDACTED])");
}

#[test]
fn pvss_2_a_dealing_under_other_keys_is_refused() {
    let (ours, theirs) = (committee(5), committee(6));
    let (dealing, _) = deal(&seed("deal", 0), &context(), &ours.tickets);
    let checked = verified(&dealing, &context(), &ours);
    let mut keys = ours.keys.clone();
    keys.swap(0, 1);
    let swapped = beacon_spec::pvss::TicketSet::new(&keys).expect("the same keys in another order");
    assert_eq!(verify(&dealing, &context(), &swapped), Err(Reject::BadDealing));
    let share = shares(&ours, &checked)[0];
    for other in [&theirs.tickets, &swapped] {
        assert_eq!(verify_share(&share, &checked, other), Err(Reject::WrongCommittee));
        let made = beacon_spec::pvss::share(&ours.secrets[0], 1, &checked, other);
        assert_eq!(made, Err(Reject::WrongCommittee));
    }
}
