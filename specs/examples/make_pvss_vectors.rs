//! Writes the dealing's known answers to standard output; `vectors/pvss.json` is its frozen output, and
//! `tests/pvss/vectors.rs` checks that file. The dishonest cases come from the tests' second prover.

#[path = "../tests/pvss/reference.rs"]
#[allow(dead_code, reason = "the prover serves the tests, which use all of it")]
mod reference;

use beacon_spec::codec::encode;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{PointBytes, ScalarBytes};
use beacon_spec::pvss::{
    Dealing, DealingContext, Secret, Share, TicketSet, deal, open, prove_possession, recover, verify,
    verify_possession, verify_share,
};
use beacon_spec::reject::Reject;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use curve25519_dalek::scalar::Scalar;
use serde_json::{Value, json};

use reference::{
    Binding, Committee, EVERYTHING, Forge, ForgeShare, ShareBinding, WHOLE_SHARE, bytes, committee, context,
    other_contexts, point, random, scalar, scalar_bytes, seed, shares, verified,
};

fn verdict<T>(result: Result<T, Reject>) -> &'static str {
    result.err().map_or("ok", Reject::code)
}

fn context_json(context: &DealingContext) -> Value {
    let DealingContext { chain, epoch, committee, round, dealer } = context;
    json!({ "chain": chain, "epoch": epoch, "committee": committee, "round": round, "dealer": dealer })
}

/// Honest dealings from seeds, with all that follows from them.
fn honest(tickets: usize) -> Value {
    let committee = committee(tickets);
    let (dealing, key) = deal(&seed("vector", 0), &context(), &committee.tickets);
    let checked = verified(&dealing, &context(), &committee);
    let shares = shares(&committee, &checked);
    let secret = open(&checked, &key.reveal()).expect("its own key");
    assert_eq!(recover(&shares, &committee.tickets), Ok(secret));
    json!({
        "ticket_seeds": (0..tickets as u64).map(|i| Digest32(seed("ticket", i))).collect::<Vec<_>>(),
        "keys": committee.keys,
        "threshold": committee.tickets.threshold(),
        "seed": Digest32(seed("vector", 0)),
        "context": context_json(&context()),
        "dealing": hex::encode(encode(&dealing)),
        "hash": checked.hash(),
        "opening": key.reveal(),
        "secret": secret,
        "shares": shares,
    })
}

/// Dealings of the second prover that must be accepted, identities among them, and what comes out of them.
fn odd_but_valid(committee: &Committee) -> Vec<Value> {
    let zeros_at = |roots: [u64; 2]| {
        let [a, b] = roots.map(Scalar::from);
        vec![a * b, -(a + b), Scalar::ONE]
    };
    let cases = [
        ("p is zero everywhere", Forge::new(committee, &[Scalar::ZERO], 0)),
        ("p is constant", Forge::new(committee, &[Scalar::from(7u64)], 0)),
        ("shares 2 and 5 are zero", Forge::new(committee, &zeros_at([2, 5]), 0)),
        ("the secret and share 3 are zero", Forge::new(committee, &zeros_at([0, 3]), 0)),
        ("both commitments are zero", Forge { nonce: Scalar::ZERO, ..Forge::honest(committee, 0) }),
        ("d is one", Forge { d: Scalar::ONE, ..Forge::honest(committee, 0) }),
    ];
    let case = |(name, forge): (&str, Forge)| {
        let dealing = verified(&forge.dealing(), &context(), committee);
        let opening = scalar_bytes(&forge.d);
        let secret: Secret = open(&dealing, &opening).expect("its own key");
        let shares = shares(committee, &dealing);
        assert_eq!(recover(&shares, &committee.tickets), Ok(secret));
        json!({ "name": name, "dealing": hex::encode(encode(dealing.dealing())), "opening": opening, "secret": secret,
            "shares": shares })
    };
    cases.into_iter().map(case).collect()
}

fn refused_dealings(committee: &Committee) -> Vec<Value> {
    let honest = Forge::honest(committee, 0);
    let good = honest.dealing();
    let (d, c, [r1, r2]) = (honest.d * G, honest.c(), honest.commitments());
    let mut off = honest.clone();
    off.values[2] += Scalar::ONE;
    let weak = |binding| Forge { binding, ..honest.clone() }.dealing();
    let order_minus_one = Scalar::ZERO - Scalar::ONE;
    let mut cases: Vec<(String, Dealing, DealingContext)> = [
        ("one share off the polynomial", off.dealing()),
        ("degree one too high", Forge::new(committee, &[Scalar::ONE; 4], 0).dealing()),
        ("U of the dealer's choice", off.prove(d, off.c(), r1, off.nonce * G)),
        ("challenge without T and t", weak(Binding { parameters: false, ..EVERYTHING })),
        ("challenge without the context", weak(Binding { context: false, ..EVERYTHING })),
        ("challenge without the keys", weak(Binding { keys: false, ..EVERYTHING })),
        ("challenge without D", weak(Binding { d: false, ..EVERYTHING })),
        ("challenge without C_5", weak(Binding { without_c: Some(5), ..EVERYTHING })),
        ("R1 errs by G", honest.prove(d, c.clone(), r1 + G, r2)),
        ("R2 errs by G", honest.prove(d, c.clone(), r1, r2 + G)),
        ("R2 errs by minus G", honest.prove(d, c.clone(), r1, r2 - G)),
        ("R1 errs by G, R2 by minus G", honest.prove(d, c.clone(), r1 + G, r2 - G)),
        ("d is zero", Forge { d: Scalar::ZERO, ..honest.clone() }.dealing()),
        ("z is the group order and more", Dealing { z: ScalarBytes([0xff; 32]), ..good.clone() }),
        ("z is minus one", Dealing { z: scalar_bytes(&order_minus_one), ..good.clone() }),
        ("R1 is no point", Dealing { r1: PointBytes([0xff; 32]), ..good.clone() }),
        ("C_T is missing", Dealing { c: good.c[..5].to_vec(), ..good.clone() }),
        ("C_0 and C_1 are swapped", Dealing { c: [1, 0, 2, 3, 4, 5].map(|j| good.c[j]).to_vec(), ..good.clone() }),
    ]
    .map(|(name, dealing)| (name.into(), dealing, context()))
    .into();
    cases.extend(other_contexts().map(|(name, other)| (format!("another {name}"), good.clone(), other)));
    let case = |(name, dealing, context): (String, Dealing, DealingContext)| {
        let verdict = verdict(verify(&dealing, &context, &committee.tickets));
        assert_ne!(verdict, "ok");
        json!({ "name": name, "context": context_json(&context), "dealing": hex::encode(encode(&dealing)), "verdict": verdict })
    };
    cases.into_iter().map(case).collect()
}

fn refused_shares(committee: &Committee) -> Value {
    let dealing = verified(&Forge::honest(committee, 0).dealing(), &context(), committee);
    let good = shares(committee, &dealing)[1];
    let forged = |binding| ForgeShare { binding, ..ForgeShare::new(&committee.secrets[1], 2, &dealing) }.share();
    let response = scalar_bytes(&(scalar(&good.response) + Scalar::ONE));
    let cases = [
        ("position 0", Share { position: 0, ..good }),
        ("position T + 1", Share { position: 6, ..good }),
        ("another position", Share { position: 3, ..good }),
        ("A errs by G", Share { a: bytes(&(point(&good.a) + G)), ..good }),
        ("A is no point", Share { a: PointBytes([0xff; 32]), ..good }),
        ("A is the identity", Share { a: PointBytes([0; 32]), ..good }),
        ("response errs by one", Share { response, ..good }),
        ("challenge is not canonical", Share { challenge: ScalarBytes([0xff; 32]), ..good }),
        ("challenge without the dealing", forged(ShareBinding { dealing: false, ..WHOLE_SHARE })),
        ("challenge without the position", forged(ShareBinding { position: false, ..WHOLE_SHARE })),
        ("challenge without the key", forged(ShareBinding { key: false, ..WHOLE_SHARE })),
        ("challenge without A", forged(ShareBinding { a: false, ..WHOLE_SHARE })),
    ];
    let case = |(name, share)| {
        let verdict = verdict(verify_share(&share, &dealing, &committee.tickets));
        assert_ne!(verdict, "ok");
        json!({ "name": name, "share": share, "verdict": verdict })
    };
    let cases: Vec<_> = cases.into_iter().map(case).collect();
    json!({ "dealing": hex::encode(encode(dealing.dealing())), "cases": cases })
}

fn refused_openings(committee: &Committee) -> Value {
    let forge = Forge::honest(committee, 0);
    let dealing = verified(&forge.dealing(), &context(), committee);
    let wrong = [
        ("zero", scalar_bytes(&Scalar::ZERO)),
        ("minus d", scalar_bytes(&-forge.d)),
        ("not canonical", ScalarBytes([0xff; 32])),
    ];
    let case = |(name, opening)| {
        let verdict = verdict(open(&dealing, &opening));
        assert_ne!(verdict, "ok");
        json!({ "name": name, "opening": opening, "verdict": verdict })
    };
    let cases: Vec<_> = wrong.into_iter().map(case).collect();
    json!({ "dealing": hex::encode(encode(dealing.dealing())), "cases": cases })
}

fn possession(committee: &Committee) -> Vec<Value> {
    let (secret, key, digest) = (&committee.secrets[0], committee.keys[0], Digest32([7; 32]));
    let proof = prove_possession(secret, &digest, 3);
    let x = random("shift", 0);
    let mut shifted = proof;
    shifted.response = scalar_bytes(&(scalar(&proof.response) + scalar(&proof.challenge) * x));
    let related = bytes(&(point(&key) + x * G));
    let cases = [
        ("honest", key, digest, 3, proof),
        ("another place", key, digest, 4, proof),
        ("another context", key, Digest32([8; 32]), 3, proof),
        ("another key", committee.keys[1], digest, 3, proof),
        ("a related key", related, digest, 3, shifted),
        ("the identity", PointBytes([0; 32]), digest, 3, proof),
        ("no point", PointBytes([0xff; 32]), digest, 3, proof),
    ];
    let case = |(name, key, context, k, proof)| {
        let verdict = verdict(verify_possession(&key, &context, k, &proof));
        json!({ "name": name, "key": key, "context": context, "k": k, "proof": proof, "verdict": verdict })
    };
    cases.into_iter().map(case).collect()
}

fn key_sets(committee: &Committee) -> Vec<Value> {
    let keys = &committee.keys;
    let cases = [
        ("no key", vec![]),
        ("one key", vec![keys[0]]),
        ("one key twice", vec![keys[0], keys[1], keys[0]]),
        ("the identity", vec![keys[0], PointBytes([0; 32])]),
        ("no point", vec![keys[0], PointBytes([0xff; 32])]),
    ];
    let case = |(name, keys): (&str, Vec<PointBytes>)| {
        let verdict = verdict(TicketSet::new(&keys));
        json!({ "name": name, "keys": keys, "verdict": verdict })
    };
    cases.into_iter().map(case).collect()
}

fn main() {
    let five = committee(5);
    let honest_cases = [1, 2, 3, 5, 11].map(honest);
    let vectors = json!({
        "secret_base": bytes(&Forge::honest(&five, 0).keys()[0]),
        "honest": honest_cases,
        "five_keys": five.keys,
        "five_ticket_seeds": (0..5).map(|i| Digest32(seed("ticket", i))).collect::<Vec<_>>(),
        "five_context": context_json(&context()),
        "odd_but_valid": odd_but_valid(&five),
        "refused_dealings": refused_dealings(&five),
        "refused_shares": refused_shares(&five),
        "refused_openings": refused_openings(&five),
        "possession": possession(&five),
        "key_sets": key_sets(&five),
    });
    println!("{}", serde_json::to_string_pretty(&vectors).expect("values of JSON"));
}
