//! The trusted head between runs: resumed, never moved back, never contradicted, never believed when damaged.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use beacon_client::client::ScanOptions;
use beacon_client::fabricate::{Chain, Plan};
use beacon_client::state::StateDir;
use beacon_client::{Builder, Client, Error};
use beacon_spec::hash::Digest32;

use super::server::TestServer;
use super::{builder, chain, client};

/// A directory of this test process alone, removed at the end.
pub struct Home(PathBuf);

impl Home {
    pub fn new(name: &str) -> Home {
        let path = std::env::temp_dir().join(format!("beacon-client-{}-{name}", std::process::id()));
        // It may be there from a process of the same number that was killed.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Home(path)
    }

    pub fn state(&self) -> StateDir {
        StateDir::new(&self.0)
    }

    pub fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn stored(chain: &Chain, home: &Home, server: &TestServer) -> Builder {
    builder(chain).state(home.state()).server(server.url.clone())
}

fn build(builder: Builder) -> Client {
    builder.build().expect("a client")
}

#[tokio::test]
async fn a_second_run_starts_from_the_head() {
    let home = Home::new("resume");
    let chain = Arc::new(Chain::build(Plan::new(4).epochs(1, 4), 30).expect("a plan"));
    let server = TestServer::honest(&chain).await;
    server.tip.send_replace(10);
    assert_eq!(build(stored(&chain, &home, &server)).latest().await.expect("the first run").round(), 10);
    server.tip.send_replace(30);
    server.asked.lock().expect("the log").clear();
    assert_eq!(build(stored(&chain, &home, &server)).latest().await.expect("the second run").round(), 30);
    assert_eq!(server.hits("info"), 0, "the genesis is known");
    assert_eq!(server.hits("rounds/10/proof"), 1, "the new head is shown to extend the old one");
    assert_eq!(server.hits("committee"), 5, "epochs 4 to 8");
    assert_eq!(home.state().chains_of(&server.url).expect("a readable directory"), [chain.chain]);
    assert_eq!(home.state().chains_of("http://127.0.0.1:1").expect("a readable directory"), []);
}

#[tokio::test]
async fn forks_are_refused_and_shown() {
    // The fork begins before the head, at it, after it; and is seen right behind it, and far beyond.
    for (fork, head, tip) in [(5, 10, 10), (10, 10, 10), (10, 10, 11), (5, 10, 25), (10, 10, 25)] {
        let home = Home::new(&format!("fork-{fork}-{tip}"));
        let chain = chain(tip);
        let server = TestServer::honest(&chain).await;
        server.tip.send_replace(head);
        build(stored(&chain, &home, &server)).latest().await.expect("the true chain");
        let forked = Arc::new(Chain::build(Plan::new(4).fork(fork), tip).expect("a plan"));
        assert_eq!(forked.chain, chain.chain);
        let liar = TestServer::honest(&forked).await;
        let error = build(stored(&chain, &home, &liar)).latest().await.expect_err("a fork");
        let Error::Conflict(conflict) = &error else { panic!("fork {fork} tip {tip}: {error}") };
        assert_eq!(conflict.trusted, chain.beacons[9].header);
        assert_ne!(conflict.trusted.hash(), conflict.offered.hash());
        assert!(error.to_string().contains(&conflict.offered.hash().to_string()));
        assert_eq!((error.exit_code(), error.code()), (1, "conflict"));
        let after = build(stored(&chain, &home, &server)).latest().await.expect("the state is what it was");
        assert_eq!(after.hash(), chain.beacons[head as usize - 1].header.hash());
    }
}

#[tokio::test]
async fn a_damaged_state_is_refused() {
    let home = Home::new("damage");
    let chain = chain(5);
    let server = TestServer::honest(&chain).await;
    build(stored(&chain, &home, &server)).latest().await.expect("the newest");
    let path = home.state().path(&chain.chain);
    let whole = std::fs::read(&path).expect("the state");
    for (length, bit) in
        (0..whole.len()).step_by(61).map(|at| (whole.len(), at * 8)).chain([(whole.len() / 2, 0), (0, 0)])
    {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1;
        damaged.truncate(length);
        std::fs::write(&path, damaged).expect("a writable file");
        let error = build(stored(&chain, &home, &server)).latest().await.expect_err("a damaged state");
        assert!(matches!(&error, Error::Refused(refusal) if refusal.code() == "corrupt-state"), "{error}");
    }
    // Nothing but the whole file and its directory entry is left behind.
    assert_eq!(std::fs::read_dir(home.path()).expect("the directory").count(), 1);
}

#[tokio::test]
async fn trust_ages_and_a_recent_checkpoint_renews_it() {
    const DAY: u64 = 86_400_000;
    let plan = Plan::new(4).epochs(1, 4).times(1_704_067_200_000, 3 * DAY);
    let chain = Arc::new(Chain::build(plan, 40).expect("a plan"));
    let server = TestServer::honest(&chain).await;
    let hash = |round: u64| chain.beacons[round as usize - 1].header.hash();
    let code = |error: Error| {
        assert_eq!(error.exit_code(), 1, "{error}");
        error.code()
    };
    let home = Home::new("age");
    let error = build(stored(&chain, &home, &server)).latest().await.expect_err("the genesis is 117 days old");
    assert!(error.to_string().contains("checkpoint"));
    assert_eq!(code(error), "stale");
    let old = stored(&chain, &home, &server).checkpoint(8, hash(8));
    assert_eq!(code(build(old).latest().await.expect_err("round 8 was 96 days ago")), "stale");
    let recent = stored(&chain, &home, &server).checkpoint(30, hash(30));
    assert_eq!(build(recent).latest().await.expect("30 days ago").round(), 40);
    assert_eq!(build(stored(&chain, &home, &server)).latest().await.expect("trust was renewed").round(), 40);
    for round in [30, 39, 40] {
        let wrong = stored(&chain, &home, &server).checkpoint(round, hash(29));
        assert_eq!(code(build(wrong).latest().await.expect_err("another header")), "conflict");
        let right = stored(&chain, &home, &server).checkpoint(round, hash(round));
        build(right).latest().await.expect("a checkpoint on the chain");
    }
    let later = chain.beacons[39].header.due + 61 * DAY;
    let away = stored(&chain, &home, &server).clock(Arc::new(move || later));
    assert_eq!(code(build(away).latest().await.expect_err("nobody was there for 61 days")), "stale");
    let patient = stored(&chain, &home, &server).clock(Arc::new(move || later));
    build(patient.trusting_period(Duration::from_secs(62 * 86_400))).latest().await.expect("within the period");
}

#[tokio::test]
async fn a_checkpoint_on_a_fork_is_refused() {
    let home = Home::new("fork-checkpoint");
    let chain = chain(40);
    let server = TestServer::honest(&chain).await;
    server.tip.send_replace(20);
    build(stored(&chain, &home, &server)).latest().await.expect("round 20");
    let forked = Arc::new(Chain::build(Plan::new(4).fork(10), 40).expect("a plan"));
    let liar = TestServer::honest(&forked).await;
    for round in [15, 20, 30] {
        let point = forked.beacons[round as usize - 1].header.hash();
        let error = build(stored(&chain, &home, &liar).checkpoint(round, point)).latest().await.expect_err("a fork");
        assert_eq!(error.exit_code(), 1, "{error}");
    }
}

#[tokio::test]
async fn without_certificates_a_made_up_header_is_the_liars_and_no_fork() {
    for at in [7, 20] {
        let chain = Arc::new(Chain::build(Plan::new(4), 20).expect("a plan"));
        let mut invented = Chain::build(Plan::new(4), 20).expect("a plan");
        invented.beacons[at - 1].header.output = Digest32([9; 32]);
        let invented = Arc::new(invented);
        let (liar, honest) = (TestServer::honest(&invented).await, TestServer::honest(&chain).await);
        let client = client(&chain, &[&honest, &liar]);
        let options = ScanOptions { from: 1, to: Some(20), certificates: false };
        let scan = client.scan(options, |_, _| ()).await.expect("the honest server's rounds");
        assert_eq!(scan.last.hash(), chain.beacons[19].header.hash(), "made up at {at}");
    }
}

/// Two processes with one file: the second began before the first stored a head.
#[tokio::test]
async fn what_another_process_stored_is_compared_and_never_moved_back() {
    let home = Home::new("two");
    let chain = chain(40);
    let server = TestServer::honest(&chain).await;
    let (first, second) = (build(stored(&chain, &home, &server)), build(stored(&chain, &home, &server)));
    let on_disk = || {
        let stored = home.state().load(&chain.chain).expect("a good state").expect("a state");
        stored.trust.round()
    };
    second.trust().await.expect("nothing is stored yet");
    for (client, tip, kept) in
        [(&first, 10, 10), (&second, 5, 10), (&second, 25, 25), (&first, 20, 25), (&first, 40, 40)]
    {
        server.tip.send_replace(tip);
        assert_eq!(client.latest().await.expect("one chain").round(), tip);
        assert_eq!(on_disk(), kept, "after round {tip}");
        server.tip.send_replace(40);
    }
}

#[tokio::test]
async fn a_fork_that_another_process_did_not_see_is_a_conflict() {
    for tip in [10, 25] {
        let home = Home::new(&format!("two-forks-{tip}"));
        let chain = chain(25);
        let forked = Arc::new(Chain::build(Plan::new(4).fork(5), tip).expect("a plan"));
        let (server, liar) = (TestServer::honest(&chain).await, TestServer::honest(&forked).await);
        server.tip.send_replace(10);
        let deceived = build(stored(&chain, &home, &liar));
        deceived.trust().await.expect("nothing is stored yet");
        build(stored(&chain, &home, &server)).latest().await.expect("the true chain");
        let error = deceived.latest().await.expect_err("a fork");
        let Error::Conflict(conflict) = &error else { panic!("tip {tip}: {error}") };
        assert_eq!(conflict.trusted, chain.beacons[9].header);
        assert_ne!(conflict.trusted.hash(), conflict.offered.hash());
        let kept = home.state().load(&chain.chain).expect("a good state").expect("a state");
        assert_eq!(kept.trust.head().map(|head| head.hash()), Some(chain.beacons[9].header.hash()));
    }
}
