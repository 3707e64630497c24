//! What honest parties make is accepted, and everybody gets the same secret.

use beacon_spec::pvss::{TicketSet, deal, open, opening_key, recover, verify, verify_share};
use proptest::prelude::*;

use crate::reference::{
    Forge, ForgeShare, bytes, committee, context, other_contexts, scalar_bytes, seed, shares, verified,
};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;

/// The smallest networks, odd and even counts, and those where a power or a batch takes another path.
const COUNTS: [usize; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 21, 43, 64, 67, 96, 128];

#[test]
fn pvss_4_dealings_of_every_size_verify_open_and_recover() {
    for tickets in COUNTS {
        let committee = committee(tickets);
        assert_eq!(committee.tickets.tickets(), tickets);
        assert_eq!(committee.tickets.threshold(), tickets.div_ceil(2));
        let (dealing, key) = deal(&seed("deal", 0), &context(), &committee.tickets);
        let dealing = verify(&dealing, &context(), &committee.tickets).expect("an honest dealing");
        let secret = open(&dealing, &key.reveal()).expect("an honest opening");
        let shares = shares(&committee, &dealing);
        for share in &shares {
            assert_eq!(verify_share(share, &dealing, &committee.tickets), Ok(()), "T = {tickets}");
        }
        assert_eq!(recover(&shares, &committee.tickets), Ok(secret));
        let last = &shares[tickets - committee.tickets.threshold()..];
        assert_eq!(recover(last, &committee.tickets), Ok(secret), "T = {tickets}");
    }
}

#[test]
fn pvss_4_a_dealing_follows_from_its_seed_and_nothing_of_it_is_shared_between_contexts() {
    let committee = committee(5);
    let (dealing, key) = deal(&seed("deal", 0), &context(), &committee.tickets);
    assert_eq!(deal(&seed("deal", 0), &context(), &committee.tickets), (dealing.clone(), key.clone()));
    assert_eq!(opening_key(&seed("deal", 0), &context(), &committee.tickets), key);
    for (name, other) in other_contexts() {
        let (next, next_key) = deal(&seed("deal", 0), &other, &committee.tickets);
        assert!(next.d != dealing.d && next_key != key, "D serves two contexts that differ in {name}");
    }
    let fewer = TicketSet::new(&committee.keys[..4]).expect("distinct keys");
    for (seed, tickets) in [(seed("deal", 1), &committee.tickets), (seed("deal", 0), &fewer)] {
        let (next, next_key) = deal(&seed, &context(), tickets);
        assert!(next.d != dealing.d && next_key != key);
    }
}

/// The second prover follows the rules by the letter and by other arithmetic; the bytes must be the same.
#[test]
fn pvss_5_the_paper_and_the_library_agree_on_every_byte() {
    for tickets in COUNTS {
        let committee = committee(tickets);
        let (dealing, key) = deal(&seed("deal", 1), &context(), &committee.tickets);
        let forge = Forge::from_seed(&committee, &seed("deal", 1));
        assert_eq!((&forge.dealing(), scalar_bytes(&forge.d)), (&dealing, key.reveal()), "T = {tickets}");
        let dealing = verified(&dealing, &context(), &committee);
        let secret = open(&dealing, &key.reveal()).expect("its own key");
        assert_eq!(secret.0, bytes(&(forge.values[0] * G)), "T = {tickets}");
        for ((position, secret), share) in (1..).zip(&committee.secrets).zip(shares(&committee, &dealing)) {
            assert_eq!(ForgeShare::honest(secret, position, &dealing).share(), share, "{position} of {tickets}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pvss_12_any_half_of_the_shares_agrees_with_the_opening(
        tickets in 1usize..40,
        index in any::<u64>(),
        order in any::<prop::sample::Index>(),
        draws in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let committee = committee(tickets);
        let (dealing, key) = deal(&seed("deal", index), &context(), &committee.tickets);
        let dealing = verified(&dealing, &context(), &committee);
        let secret = open(&dealing, &key.reveal()).expect("the opening");
        let mut all = shares(&committee, &dealing);
        all.rotate_left(order.index(tickets));
        let mut chosen = Vec::new();
        for draw in draws.iter().take(committee.tickets.threshold()) {
            chosen.push(all.swap_remove(draw.index(all.len())));
        }
        prop_assert_eq!(recover(&chosen, &committee.tickets), Ok(secret));
    }
}
