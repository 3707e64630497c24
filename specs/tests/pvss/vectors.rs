//! The frozen known answers, `vectors/pvss.json`.

use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{PointBytes, ScalarBytes};
use beacon_spec::pvss::{
    Dealing, DealingContext, Secret, Share, TicketProof, TicketSecret, TicketSet, deal, open, recover, share, verify,
    verify_batch, verify_possession, verify_share,
};
use beacon_spec::reject::Reject;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    secret_base: PointBytes,
    honest: Vec<Honest>,
    five_keys: Vec<PointBytes>,
    five_ticket_seeds: Vec<Digest32>,
    five_context: Context,
    odd_but_valid: Vec<Odd>,
    refused_dealings: Vec<RefusedDealing>,
    refused_shares: Refused<RefusedShare>,
    refused_openings: Refused<RefusedOpening>,
    possession: Vec<Possession>,
    key_sets: Vec<KeySet>,
}

#[derive(Deserialize)]
struct Context {
    chain: Digest32,
    epoch: u64,
    committee: Digest32,
    round: u64,
    dealer: u16,
}

impl Context {
    fn get(&self) -> DealingContext {
        let &Context { chain, epoch, committee, round, dealer } = self;
        DealingContext { chain, epoch, committee, round, dealer }
    }
}

#[derive(Deserialize)]
struct Honest {
    ticket_seeds: Vec<Digest32>,
    keys: Vec<PointBytes>,
    threshold: usize,
    seed: Digest32,
    context: Context,
    dealing: String,
    hash: Digest32,
    opening: ScalarBytes,
    secret: Secret,
    shares: Vec<Share>,
}

#[derive(Deserialize)]
struct Odd {
    name: String,
    dealing: String,
    opening: ScalarBytes,
    secret: Secret,
    shares: Vec<Share>,
}

#[derive(Deserialize)]
struct RefusedDealing {
    name: String,
    context: Context,
    dealing: String,
    verdict: String,
}

#[derive(Deserialize)]
struct Refused<T> {
    dealing: String,
    cases: Vec<T>,
}

#[derive(Deserialize)]
struct RefusedShare {
    name: String,
    share: Share,
    verdict: String,
}

#[derive(Deserialize)]
struct RefusedOpening {
    name: String,
    opening: ScalarBytes,
    verdict: String,
}

#[derive(Deserialize)]
struct Possession {
    name: String,
    key: PointBytes,
    context: Digest32,
    k: u16,
    proof: TicketProof,
    verdict: String,
}

#[derive(Deserialize)]
struct KeySet {
    name: String,
    keys: Vec<PointBytes>,
    verdict: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../vectors/pvss.json")).expect("the vector file")
}

fn dealing(text: &str) -> Dealing {
    let bytes = hex::decode(text).expect("hexadecimal");
    let dealing = decode(&bytes, &Limits::bytes(bytes.len())).expect("a dealing's encoding");
    assert_eq!(encode(&dealing), bytes);
    dealing
}

fn code<T>(result: Result<T, Reject>) -> &'static str {
    result.err().map_or("ok", Reject::code)
}

#[test]
fn pvss_4_vectors_of_honest_dealings() {
    for vector in vectors().honest {
        let (secrets, keys): (Vec<_>, Vec<_>) =
            vector.ticket_seeds.iter().map(|seed| TicketSecret::from_seed(&seed.0)).unzip();
        assert_eq!(keys, vector.keys);
        let tickets = TicketSet::new(&keys).expect("distinct keys");
        assert_eq!(tickets.threshold(), vector.threshold);
        let (made, key) = deal(&vector.seed.0, &vector.context.get(), &tickets);
        assert_eq!((&made, key.reveal()), (&dealing(&vector.dealing), vector.opening));
        let checked = verify(&made, &vector.context.get(), &tickets).expect("an honest dealing");
        assert_eq!(checked.hash(), vector.hash);
        assert_eq!(open(&checked, &vector.opening), Ok(vector.secret));
        assert_eq!(recover(&vector.shares, &tickets), Ok(vector.secret));
        for (position, (secret, expected)) in (1..).zip(secrets.iter().zip(&vector.shares)) {
            assert_eq!(share(secret, position, &checked, &tickets), Ok(*expected));
            assert_eq!(verify_share(expected, &checked, &tickets), Ok(()));
        }
    }
}

#[test]
fn pvss_7_vectors_of_odd_but_valid_dealings() {
    let vectors = vectors();
    let tickets = TicketSet::new(&vectors.five_keys).expect("distinct keys");
    assert_eq!(tickets.secret_base(), vectors.secret_base);
    for vector in vectors.odd_but_valid {
        let checked = verify(&dealing(&vector.dealing), &vectors.five_context.get(), &tickets);
        let checked = checked.unwrap_or_else(|reason| panic!("{}: {reason}", vector.name));
        assert_eq!(open(&checked, &vector.opening), Ok(vector.secret), "{}", vector.name);
        assert_eq!(recover(&vector.shares[2..], &tickets), Ok(vector.secret), "{}", vector.name);
        for ((position, seed), expected) in (1..).zip(&vectors.five_ticket_seeds).zip(&vector.shares) {
            let (secret, _) = TicketSecret::from_seed(&seed.0);
            assert_eq!(share(&secret, position, &checked, &tickets), Ok(*expected), "{}", vector.name);
        }
    }
}

#[test]
fn pvss_6_vectors_of_refused_dealings_alone_and_together() {
    let vectors = vectors();
    let tickets = TicketSet::new(&vectors.five_keys).expect("distinct keys");
    let refused = vectors.refused_dealings;
    let decoded: Vec<_> = refused.iter().map(|vector| (dealing(&vector.dealing), vector.context.get())).collect();
    let items: Vec<_> = decoded.iter().map(|(dealing, context)| (dealing, context)).collect();
    let together = verify_batch(&items, &tickets, &[6; 32]);
    for ((vector, (dealing, context)), verdict) in refused.iter().zip(items).zip(together) {
        assert_eq!(code(verify(dealing, context, &tickets)), vector.verdict, "{}", vector.name);
        assert_eq!(code(verdict), vector.verdict, "{}", vector.name);
    }
}

#[test]
fn pvss_11_vectors_of_refused_shares_and_openings() {
    let vectors = vectors();
    let tickets = TicketSet::new(&vectors.five_keys).expect("distinct keys");
    let checked = |text: &str| verify(&dealing(text), &vectors.five_context.get(), &tickets).expect("a valid dealing");
    let shared = checked(&vectors.refused_shares.dealing);
    for vector in &vectors.refused_shares.cases {
        assert_eq!(code(verify_share(&vector.share, &shared, &tickets)), vector.verdict, "{}", vector.name);
    }
    let opened = checked(&vectors.refused_openings.dealing);
    for vector in &vectors.refused_openings.cases {
        assert_eq!(code(open(&opened, &vector.opening)), vector.verdict, "{}", vector.name);
    }
}

#[test]
fn pvss_3_vectors_of_possession_and_key_sets() {
    let vectors = vectors();
    for vector in vectors.possession {
        let verdict = verify_possession(&vector.key, &vector.context, vector.k, &vector.proof);
        assert_eq!(code(verdict), vector.verdict, "{}", vector.name);
    }
    for vector in vectors.key_sets {
        assert_eq!(code(TicketSet::new(&vector.keys)), vector.verdict, "{}", vector.name);
    }
}
