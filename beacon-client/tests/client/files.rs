//! Chain files and bundles: what they prove, and that no changed byte passes.

use std::sync::Arc;

use beacon_client::chainfile::{self, FileError, Summary};
use beacon_client::client::ScanOptions;
use beacon_client::fabricate::{self, Chain, Plan};
use beacon_client::{Digest32, Refusal};
use futures::StreamExt;

use super::server::TestServer;
use super::{builder, client};

fn verify(bytes: &[u8], chain: &Digest32) -> Result<Summary, Refusal> {
    chainfile::verify(bytes, chain, |_| {}).map_err(|error| match error {
        FileError::Refused(refusal) => *refusal,
        FileError::Io(error) => panic!("memory has no I/O errors: {error}"),
    })
}

fn plan() -> Plan {
    Plan::new(4).epochs(2, 4)
}

#[test]
fn fabricated_chains_verify() {
    for (rounds, every) in [(1, 0), (7, 0), (8, 0), (9, 0), (100, 0), (100, 7), (5000, 0)] {
        let (chain, bytes) = fabricate::write(plan(), rounds, every, Vec::new()).expect("memory");
        let summary = verify(&bytes, &chain).expect("a valid chain");
        assert_eq!((summary.first, summary.head.round(), summary.headers), (1, rounds, rounds));
    }
    let heavy = Plan { weights: vec![30, 30, 25, 15], ..Plan::new(4) };
    let (chain, bytes) = fabricate::write(heavy, 20, 1, Vec::new()).expect("memory");
    let summary = verify(&bytes, &chain).expect("a valid chain");
    assert_eq!(summary.certificates, 20);
    assert_eq!(summary.head.certificate().signatures.len(), 3);
}

#[test]
fn changed_bytes_and_cuts_are_refused() {
    let (chain, bytes) = fabricate::write(plan(), 10, 0, Vec::new()).expect("memory");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        verify(&changed, &chain).expect_err("a flipped bit");
    }
    for length in (0..bytes.len()).step_by(5) {
        verify(&bytes[..length], &chain).expect_err("a cut");
    }
    let refusal = verify(&[bytes.as_slice(), b"x"].concat(), &chain).expect_err("a byte more");
    assert_eq!(refusal.code(), "trailing-bytes");
    assert_eq!(verify(b"PK\x03\x04 something", &chain).expect_err("no chain file").code(), "not-a-chain-file");
    assert_eq!(verify(b"", &chain).expect_err("nothing").code(), "not-a-chain-file");
    assert_eq!(verify(&bytes, &Digest32::ZERO).expect_err("another chain").code(), "wrong-chain");
}

#[test]
fn links_without_certificates_prove_nothing() {
    let chain = Chain::build(plan(), 12).expect("a plan");
    let file = |certified: &[u64], handed: bool| {
        let mut writer = chainfile::Writer::new(Vec::new(), &chain.genesis).expect("memory");
        for beacon in &chain.beacons {
            writer.header(&beacon.header).expect("memory");
            if certified.contains(&beacon.header.round) {
                writer.certificate(&beacon.certificate).expect("memory");
            }
            if handed && beacon.header.round == 8 {
                writer.signers(&chain.committees[1]).expect("memory");
            }
        }
        writer.finish().expect("memory")
    };
    verify(&file(&[8, 12], true), &chain.chain).expect("both certificates that are needed");
    for (certified, handed, code) in [
        (&[8][..], true, "bad-chain-file"),
        (&[12][..], true, "bad-chain-file"),
        (&[8, 12][..], false, "wrong-committee"),
        (&[12][..], false, "wrong-committee"),
        (&[][..], true, "bad-chain-file"),
    ] {
        assert_eq!(verify(&file(certified, handed), &chain.chain).expect_err("a missing part").code(), code);
    }
}

#[test]
fn a_file_that_contradicts_what_is_trusted_is_refused() {
    let chain = Chain::build(plan(), 20).expect("a plan");
    let (hash, bytes) = fabricate::write(plan().fork(12), 20, 0, Vec::new()).expect("memory");
    assert_eq!(hash, chain.chain);
    for (round, fits) in [(11, true), (12, false), (16, false), (20, false), (21, true)] {
        let trusted = chain.beacon(round).map_or(Digest32::ZERO, |beacon| beacon.header.hash());
        let verdict = chainfile::verify_with(&bytes[..], &hash, &[(round, trusted)], |_| {});
        match verdict {
            Ok(_) => assert!(fits, "round {round}"),
            Err(FileError::Refused(refusal)) => {
                assert!(!fits && refusal.code() == "conflict", "round {round}: {refusal}")
            }
            Err(FileError::Io(error)) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn exports_verify_without_a_network() {
    let chain = Arc::new(Chain::build(plan(), 41).expect("a plan"));
    let server = TestServer::honest(&chain).await;
    for (from, to) in [(1, None), (1, Some(1)), (41, Some(41)), (5, Some(20)), (8, Some(9)), (9, Some(9)), (17, None)] {
        let client = client(&chain, &[&server]);
        let mut bytes = Vec::new();
        let (first, last) = client.export(from, to, false, &mut bytes).await.expect("an export");
        let summary = verify(&bytes, &chain.chain).expect("what was exported verifies");
        assert_eq!((summary.first, summary.head.round()), (first, last.round()));
        assert_eq!((first, last.round()), (from, to.unwrap_or(41)));
        assert_eq!(summary.head.hash(), chain.beacons[last.round() as usize - 1].header.hash());
    }
}

#[tokio::test]
async fn a_file_with_all_certificates_stands_for_a_server() {
    let chain = Arc::new(Chain::build(plan(), 41).expect("a plan"));
    let server = TestServer::honest(&chain).await;
    let home = super::state::Home::new("file-source");
    let path = home.path().join("all.chain");
    let mut bytes = Vec::new();
    client(&chain, &[&server]).export(1, None, true, &mut bytes).await.expect("an export");
    assert_eq!(verify(&bytes, &chain.chain).expect("it verifies").certificates, 41);
    std::fs::write(&path, &bytes).expect("a writable file");
    let offline = || builder(&chain).server(format!("file:{}", path.display())).build();
    let file = offline().expect("a client");
    assert_eq!(file.latest().await.expect("the last round").round(), 41);
    for round in 1..=41 {
        assert_eq!(file.get(round).await.expect("every round").beacon(), &chain.beacons[round as usize - 1]);
    }
    assert_eq!(file.get(42).await.expect_err("not in the file").exit_code(), 4);
    let all = ScanOptions { from: 1, to: None, certificates: true };
    assert_eq!(file.scan(all, |_, _| {}).await.expect("everything").rounds, 41);
    let mut subscription = file.subscribe(Some(30)).await.expect("a subscription");
    for round in 30..=41 {
        assert_eq!(subscription.next().await.expect("a round").expect("verified").round(), round);
    }
    // A changed file is refused like a lying server: wherever the change is, no wrong round comes out.
    for at in (8..bytes.len()).step_by(131) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).expect("a writable file");
        let Ok(file) = offline() else { continue };
        for round in [1, 20, 41] {
            if let Ok(verified) = file.get(round).await {
                assert_eq!(verified.beacon(), &chain.beacons[round as usize - 1], "byte {at}");
            }
        }
    }
}
