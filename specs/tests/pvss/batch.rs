//! Batches: the verdicts of a batch are those of its members alone.

use beacon_spec::pvss::{Dealing, DealingContext, deal, verify, verify_batch};
use beacon_spec::reject::Reject;
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;

use crate::malformed::plus_order;
use crate::reference::{Committee, Forge, bytes, committee, context, point, scalar, scalar_bytes, seed};

fn contexts(count: u16) -> Vec<DealingContext> {
    (0..count).map(|dealer| DealingContext { dealer, ..context() }).collect()
}

fn dealings(committee: &Committee, contexts: &[DealingContext]) -> Vec<Dealing> {
    contexts.iter().map(|context| deal(&seed("deal", 0), context, &committee.tickets).0).collect()
}

/// One way each of spoiling a dealing, with the reason it is refused for.
type Spoiler = (fn(&mut Dealing), Reject);

const SPOILERS: [Spoiler; 7] = [
    (|dealing| dealing.z = scalar_bytes(&(scalar(&dealing.z) + Scalar::ONE)), Reject::BadDealing),
    (|dealing| dealing.r1 = bytes(&(point(&dealing.r1) + point(&dealing.d))), Reject::BadDealing),
    (|dealing| dealing.r2 = dealing.r1, Reject::BadDealing),
    (|dealing| dealing.c.swap(0, 1), Reject::BadDealing),
    (|dealing| dealing.d.0 = [0; 32], Reject::IdentityPoint),
    (|dealing| dealing.z = plus_order(&dealing.z), Reject::BadScalar),
    (|dealing| dealing.c.truncate(1), Reject::BadCount),
];

#[test]
fn pvss_9_empty_single_and_repeated_items() {
    let committee = committee(3);
    let contexts = contexts(1);
    let dealing = &dealings(&committee, &contexts)[0];
    assert!(verify_batch(&[], &committee.tickets, &[0; 32]).is_empty());
    let expected = verify(dealing, &contexts[0], &committee.tickets);
    for count in [1, 2, 3] {
        let items = vec![(dealing, &contexts[0]); count];
        assert_eq!(verify_batch(&items, &committee.tickets, &[0; 32]), vec![expected.clone(); count]);
    }
}

#[test]
fn pvss_9_batches_of_every_shape_pass() {
    for (tickets, count) in [(1, 4), (2, 3), (3, 4), (5, 7), (11, 16), (43, 3), (85, 2)] {
        let committee = committee(tickets);
        let contexts = contexts(count);
        let dealings = dealings(&committee, &contexts);
        let items: Vec<_> = dealings.iter().zip(&contexts).collect();
        let verdicts = verify_batch(&items, &committee.tickets, &[1; 32]);
        assert_eq!(verdicts.len(), items.len());
        for (verdict, (dealing, context)) in verdicts.into_iter().zip(items) {
            let verdict = verdict.expect("an honest dealing");
            assert_eq!((verdict.dealing(), verdict.context()), (dealing, context));
            assert_eq!(verdict.hash(), dealing.hash(context));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pvss_9_a_batch_names_its_culprits(
        tickets in 1usize..12,
        spoiled in prop::collection::vec(prop::option::of(0..SPOILERS.len()), 1..10),
        coin in any::<[u8; 32]>(),
    ) {
        let committee = committee(tickets);
        let contexts = contexts(spoiled.len() as u16);
        let mut dealings = dealings(&committee, &contexts);
        for (dealing, spoiler) in dealings.iter_mut().zip(&spoiled) {
            spoiler.iter().for_each(|&i| SPOILERS[i].0(dealing));
        }
        let items: Vec<_> = dealings.iter().zip(&contexts).collect();
        let verdicts = verify_batch(&items, &committee.tickets, &coin);
        for ((verdict, (dealing, context)), spoiler) in verdicts.iter().zip(items).zip(&spoiled) {
            prop_assert_eq!(verdict.as_ref().err().copied(), spoiler.map(|i| SPOILERS[i].1));
            prop_assert_eq!(verdict, &verify(dealing, context, &committee.tickets));
        }
    }
}

#[test]
fn pvss_9_a_batch_takes_dealings_of_several_rounds_and_refuses_swapped_contexts() {
    let committee = committee(5);
    let contexts: Vec<_> = (1..=4).map(|round| DealingContext { round, ..context() }).collect();
    let dealings = dealings(&committee, &contexts);
    let mut items: Vec<_> = dealings.iter().zip(&contexts).collect();
    assert!(verify_batch(&items, &committee.tickets, &[2; 32]).iter().all(Result::is_ok));
    (items[0].1, items[1].1) = (items[1].1, items[0].1);
    let verdicts: Vec<_> = verify_batch(&items, &committee.tickets, &[2; 32]).into_iter().map(Result::err).collect();
    assert_eq!(verdicts, [Some(Reject::BadDealing), Some(Reject::BadDealing), None, None]);
    let paper = Forge::honest(&committee, 3).dealing();
    let (first, context) = (&dealings[0], context());
    let mixed = verify_batch(&[(&paper, &context), (first, &contexts[0])], &committee.tickets, &[2; 32]);
    assert!(mixed.iter().all(Result::is_ok));
}
