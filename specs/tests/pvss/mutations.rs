//! Mistake 7: five mutations of the checks that a weaker suite let live. Each test is the attack that one of them admits.

use beacon_spec::pvss::{Dealing, DealingContext, Share, share, verify, verify_batch, verify_share};
use beacon_spec::reject::Reject;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;

use crate::reference::{
    Binding, Committee, EVERYTHING, Forge, ForgeShare, ShareBinding, WHOLE_SHARE, bytes, committee, context, point,
    random, verified,
};

fn batch(dealings: &[Dealing], committee: &Committee) -> Vec<Option<Reject>> {
    let context = context();
    let items: Vec<(&Dealing, &DealingContext)> = dealings.iter().map(|dealing| (dealing, &context)).collect();
    verify_batch(&items, &committee.tickets, &[5; 32]).into_iter().map(Result::err).collect()
}

#[test]
fn mistake_7_parameters_not_hashed() {
    for tickets in [1, 2, 3, 5, 11] {
        let committee = committee(tickets);
        let honest = Forge::honest(&committee, 0);
        verified(&honest.dealing(), &context(), &committee);
        let silent = Forge { binding: Binding { parameters: false, ..EVERYTHING }, ..honest }.dealing();
        assert_eq!(verify(&silent, &context(), &committee.tickets), Err(Reject::BadDealing), "T = {tickets}");
    }
}

/// Without response·G = R1 + challenge·D, the published D has nothing to do with the d that masks the shares: holders
/// decrypt with D to something else than the opening gives.
#[test]
fn mistake_7_r1_equation_dropped() {
    let committee = committee(5);
    let forge = Forge::honest(&committee, 0);
    let other = random("another d", 0) * G;
    let u = forge.combine(&forge.statement(&other, &forge.c()), &forge.keys());
    let dealing = forge.prove(other, forge.c(), forge.nonce * G, forge.nonce * u);
    assert_eq!(verify(&dealing, &context(), &committee.tickets), Err(Reject::BadDealing));
    let honest = Forge::honest(&committee, 1).dealing();
    assert_eq!(batch(&[honest, dealing], &committee), [None, Some(Reject::BadDealing)]);
}

/// Two dealers, or one in two equations, err by X and by −X: under equal coefficients the errors cancel.
#[test]
fn mistake_7_constant_batch_coefficients() {
    let committee = committee(5);
    let x = random("error", 0) * G;
    let [one, two] = [0, 1].map(|index| Forge::honest(&committee, index));
    let erring = |forge: &Forge, first, second| {
        let [r1, r2] = forge.commitments();
        forge.prove(forge.d * G, forge.c(), r1 + first, r2 + second)
    };
    let zero = x - x;
    let pairs = [
        ("R2 against R2", erring(&one, zero, x), erring(&two, zero, -x)),
        ("R1 against R1", erring(&one, x, zero), erring(&two, -x, zero)),
        ("R1 against R2", erring(&one, x, zero), erring(&two, zero, -x)),
        ("both in each", erring(&one, x, -x), erring(&two, -x, x)),
        ("within each", erring(&one, x, -x), erring(&two, x, -x)),
    ];
    for (name, first, second) in pairs {
        let verdicts = batch(&[first, second], &committee);
        assert_eq!(verdicts, [Some(Reject::BadDealing); 2], "{name}");
    }
    let within = erring(&one, x, -x);
    assert_eq!(batch(&[within, two.dealing()], &committee), [Some(Reject::BadDealing), None]);
}

/// One dealer's D and C under two contexts (a seed gone wrong): the share for the one must not prove for the other.
#[test]
fn mistake_7_share_proof_not_bound_to_the_dealing() {
    let committee = committee(5);
    let forge = Forge::honest(&committee, 0);
    let next_context = DealingContext { round: context().round + 1, ..context() };
    let next = Forge { context: next_context.clone(), ..forge.clone() };
    let one = verified(&forge.dealing(), &context(), &committee);
    let two = verified(&next.dealing(), &next_context, &committee);
    assert_eq!((one.dealing().d, &one.dealing().c), (two.dealing().d, &two.dealing().c));
    let given = share(&committee.secrets[0], 1, &one, &committee.tickets).expect("own position");
    assert_eq!(verify_share(&given, &one, &committee.tickets), Ok(()));
    assert_eq!(verify_share(&given, &two, &committee.tickets), Err(Reject::BadShare));
    let mut unbound = ForgeShare::new(&committee.secrets[0], 1, &one);
    assert_eq!(verify_share(&unbound.share(), &one, &committee.tickets), Ok(()));
    unbound.binding = ShareBinding { dealing: false, ..WHOLE_SHARE };
    assert_eq!(verify_share(&unbound.share(), &one, &committee.tickets), Err(Reject::BadShare));
}

/// One holder's shares for two dealings err by X and by −X, with the commitments that one combined proof under
/// combiner 1 would take. A proof answers for one dealing, so each is refused.
#[test]
fn mistake_7_multi_share_combiner_one() {
    let committee = committee(5);
    let dealings = [0, 1].map(|index| verified(&Forge::honest(&committee, index).dealing(), &context(), &committee));
    let x = random("error", 0) * G;
    let erring: Vec<Share> = dealings
        .iter()
        .zip([x, -x])
        .map(|(dealing, error)| {
            let forge = ForgeShare::new(&committee.secrets[0], 1, dealing);
            let d = point(&dealing.dealing().d);
            let a = point(&forge.share().a) + error;
            forge.finish(&a, &forge.challenge(&a, &(forge.nonce * G), &(forge.nonce * d)))
        })
        .collect();
    let honest = dealings.each_ref().map(|dealing| ForgeShare::new(&committee.secrets[0], 1, dealing).share());
    let sum = |shares: &[Share]| bytes(&shares.iter().map(|share| point(&share.a)).sum());
    assert_eq!(sum(&erring), sum(&honest), "the errors cancel");
    for (share, dealing) in erring.iter().zip(&dealings) {
        assert_eq!(verify_share(share, dealing, &committee.tickets), Err(Reject::BadShare));
    }
}
