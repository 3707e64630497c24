//! Proof paths: certificates, MMR proofs, ranges, and committees that change.

use std::sync::Arc;

use beacon_client::client::ScanOptions;
use beacon_client::fabricate::{Chain, Plan};
use beacon_client::trust::How;
use beacon_client::{Error, Reject};
use beacon_spec::codec::encode;

use super::server::{Reply, TestServer};
use super::{chain, client};

/// Epochs of eight rounds: windows of two, four windows an epoch.
fn epochs(rounds: u64) -> Arc<Chain> {
    let plan = Plan { weights: vec![5, 1, 4, 4, 3], ..Plan::new(5) }.epochs(2, 4);
    Arc::new(Chain::build(plan, rounds).expect("the plan is good"))
}

#[tokio::test]
async fn newest_by_certificate_and_past_by_proof() {
    let chain = chain(33);
    let server = TestServer::honest(&chain).await;
    let client = client(&chain, &[&server]);
    let newest = client.latest().await.expect("the newest");
    assert_eq!((newest.round(), newest.how()), (33, How::Certificate));
    for round in 1..=33 {
        let verified = client.get(round).await.expect("every round");
        let expected = &chain.beacons[round as usize - 1];
        assert_eq!(verified.beacon(), expected);
        let how = if round == 33 { How::Certificate } else { How::Proof { head: 33 } };
        assert_eq!(verified.how(), how);
    }
    assert_eq!(server.hits("info"), 1);
    let error = client.get(34).await.expect_err("round 34 is due in three seconds");
    assert!(matches!(error, Error::NotYet { round: 34, due: Some(_) }), "{error}");
    assert!(matches!(client.get(0).await, Err(Error::Usage(_))));
}

#[tokio::test]
async fn committees_change_by_their_boundary_headers_only() {
    for rounds in [7, 8, 9, 16, 17, 41] {
        let chain = epochs(rounds);
        let server = TestServer::honest(&chain).await;
        let client = client(&chain, &[&server]);
        assert_eq!(client.latest().await.expect("the newest").round(), rounds);
        let changes = (rounds - 1) / 8;
        assert_eq!(server.hits("committee"), changes as usize, "{rounds} rounds");
        assert_eq!(server.hits("rounds/"), changes as usize + 1, "{rounds} rounds");
        for round in 1..=rounds {
            assert_eq!(client.get(round).await.expect("every round").beacon(), &chain.beacons[round as usize - 1]);
        }
    }
}

#[tokio::test]
async fn joining_takes_few_bytes_and_few_requests() {
    let plan = Plan::new(16).epochs(4, 25);
    let chain = Arc::new(Chain::build(plan, 1010).expect("a plan"));
    let server = TestServer::honest(&chain).await;
    let client = client(&chain, &[&server]);
    assert_eq!(client.latest().await.expect("the newest").round(), 1010);
    let asked = server.asked.lock().expect("the log").clone();
    let bytes: usize =
        asked.iter().filter_map(|path| super::server::answer(&chain, 1010, path)).map(|body| body.len()).sum();
    assert_eq!(asked.len(), 22);
    assert!(bytes < 30_000, "{bytes} bytes for ten committee changes");
}

#[tokio::test]
async fn a_wrong_signer_list_is_refused() {
    let chain = epochs(20);
    let other = encode(&chain.committees[0]);
    let bad = TestServer::twisted(&chain, "committee", move |_| Reply::Ok(other.clone())).await;
    let error = client(&chain, &[&bad]).latest().await.expect_err("the old committee again");
    assert!(matches!(&error, Error::Refused(refusal) if refusal.reason == Reject::WrongCommittee.into()), "{error}");
}

#[tokio::test]
async fn an_uncertified_hand_over_is_refused() {
    let chain = epochs(20);
    let mut forged = chain.beacons[7].clone();
    forged.certificate = chain.beacons[6].certificate.clone();
    let bad = TestServer::twisted(&chain, "rounds/8?", move |_| Reply::Ok(encode(&forged))).await;
    let error = client(&chain, &[&bad]).latest().await.expect_err("a hand-over nobody signed");
    assert!(matches!(&error, Error::Refused(refusal) if refusal.code() == "bad-signature"), "{error}");
}

#[tokio::test]
async fn ranges_are_verified_link_by_link() {
    let chain = epochs(41);
    let server = TestServer::honest(&chain).await;
    for (from, to) in [(1, 41), (1, 1), (8, 8), (8, 9), (9, 41), (3, 40), (41, 41)] {
        for certificates in [true, false] {
            let client = client(&chain, &[&server]);
            let options = ScanOptions { from, to: Some(to), certificates };
            let scan = client.scan(options, |_, _| {}).await.expect("an honest range");
            assert_eq!((scan.rounds, scan.last.round()), (to - from + 1, to));
        }
    }
    let all = ScanOptions { from: 1, to: None, certificates: true };
    let scan = client(&chain, &[&server]).scan(all, |_, _| {}).await.expect("everything");
    assert_eq!(scan.last.hash(), chain.beacons[40].header.hash());
}

#[tokio::test]
async fn every_flipped_bit_of_a_range_is_refused() {
    let chain = epochs(10);
    let honest = encode(&chain.beacons[..8].to_vec());
    for bit in (0..honest.len() * 8).step_by(97) {
        let mut changed = honest.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let bad = TestServer::twisted(&chain, "rounds?from=1&", move |_| Reply::Ok(changed.clone())).await;
        let all = ScanOptions { from: 1, to: None, certificates: true };
        let error = client(&chain, &[&bad]).scan(all, |_, _| {}).await.expect_err("a changed range");
        assert_eq!(error.exit_code(), 1, "bit {bit}: {error}");
    }
}

#[tokio::test]
async fn a_forged_mmr_root_under_a_true_certificate_is_found() {
    // A quorum that signs a header whose MMR root is not that of its past is seen by whoever verifies all.
    let mut chain = Chain::build(Plan::new(4), 6).expect("a plan");
    let forger = beacon_client::fabricate::Fabricator::new(Plan::new(4)).expect("the same keys");
    let beacon = &mut chain.beacons[5];
    beacon.header.mmr = beacon_client::Digest32::ZERO;
    beacon.certificate = forger.certify(&beacon.header);
    let chain = Arc::new(chain);
    let server = TestServer::honest(&chain).await;
    for certificates in [true, false] {
        let all = ScanOptions { from: 1, to: None, certificates };
        let error = client(&chain, &[&server]).scan(all, |_, _| {}).await.expect_err("a forged root");
        assert!(matches!(&error, Error::Refused(refusal) if refusal.code() == "bad-mmr"), "{error}");
    }
}

#[tokio::test]
async fn times_at_their_boundaries() {
    let chain = chain(20);
    let server = TestServer::honest(&chain).await;
    let client = client(&chain, &[&server]);
    let first = chain.beacons[0].header.due;
    for (time, round) in [(first, 1), (first + 2999, 1), (first + 3000, 2), (first + 57_000, 20)] {
        assert_eq!(client.at(time).await.expect("a past time").round(), round);
    }
    assert!(matches!(client.at(first - 1).await, Err(Error::Usage(_))));
    assert!(matches!(client.at(first + 60_000).await, Err(Error::NotYet { round: 21, .. })));
    let far = client.at(u64::MAX).await.expect_err("the end of time");
    assert!(matches!(far, Error::NotYet { .. }), "{far}");
}
