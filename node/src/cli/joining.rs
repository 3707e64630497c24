//! New observers join nodes that hold many rounds: from the genesis, or by a checkpoint. Real databases, listeners and
//! loops, in one process.
//!
//! `BEACON_JOIN_ROUNDS=1000000 cargo test -p beacon-node a_new_observer_joins -- --nocapture` takes a million rounds,
//! and shows how long each way took.
#![allow(clippy::unwrap_used, reason = "in a test, an unwrap that fails is the report")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::{TempDir, tempdir};
use tokio::time::interval;

use super::documents::Sealed;
use super::fetch;
use super::run::Prepared;
use crate::config::{Config, EntropyConfig, Listener};
use crate::keystore::KeyStore;
use crate::shell;
use crate::store::tests::chain::Chain;
use crate::store::{Extent, Store};

/// More than two epochs, with hand-overs inside answers.
const ROUNDS: u64 = 1_500;
const EPOCH: u64 = 700;
/// For each round; a quiet machine takes about a thousandth of it.
const PATIENCE: Duration = Duration::from_millis(100);

fn rounds() -> u64 {
    std::env::var("BEACON_JOIN_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

fn address(port: u16) -> String {
    format!("/ip4/127.0.0.1/tcp/{port}")
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn sealed(chain: &Chain) -> Sealed {
    Sealed {
        bytes: chain.bytes.clone(),
        genesis: chain.genesis.clone(),
        committee: chain.first.clone(),
        chain: chain.hash,
    }
}

/// A node that is no member, as `run` prepares it.
fn observer(home: &Path, chain: &Chain, port: u16, peers: &[String]) -> Prepared {
    let keys = home.join("keys");
    let keys = if KeyStore::exists(&keys) { KeyStore::open(&keys) } else { KeyStore::create(&keys) }.unwrap();
    let config = Config {
        listen: vec![address(port)],
        peers: peers.to_vec(),
        http: Listener(None),
        local_http: Listener(None),
        data_dir: home.join("data"),
        ..Config::default()
    };
    let config = Config { entropy: EntropyConfig { workers: vec![vec!["os".into()]], ..config.entropy }, ..config };
    Prepared {
        identity: keys.identity(),
        config,
        keys,
        sealed: sealed(chain),
        member: false,
        restored: false,
        unsafe_release: false,
        withhold_openings: false,
        emulate_chip: false,
        home: home.to_owned(),
        token: None,
        withheld_file: home.join("withheld.jsonl"),
    }
}

fn inspect(home: &Path, chain: &Chain) -> Option<Store> {
    Store::inspect(&home.join("data"), chain.hash, &chain.bytes).ok()
}

/// Waits until a database has all rounds.
async fn holds(home: &Path, chain: &Chain, rounds: u64) {
    let begun = Instant::now();
    let mut look = interval(Duration::from_millis(100));
    loop {
        look.tick().await;
        let tip = inspect(home, chain).map_or(0, |store| store.tip_round());
        if tip >= rounds {
            return;
        }
        assert!(begun.elapsed() < PATIENCE * u32::try_from(rounds).unwrap(), "at round {tip} of {rounds}");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Two nodes that hold `count` rounds, and their addresses.
fn serve(chain: &mut Chain, count: u64) -> (Vec<TempDir>, Vec<String>) {
    let homes = vec![tempdir().unwrap(), tempdir().unwrap()];
    let begun = Instant::now();
    drop(chain.store(&homes[0].path().join("data"), count));
    eprintln!("{count} rounds made in {:.1?}", begun.elapsed());
    copy(&homes[0].path().join("data"), &homes[1].path().join("data"));
    let addresses = homes.iter().map(|home| {
        let port = free_port();
        tokio::spawn(shell::serve(observer(home.path(), chain, port, &[])));
        address(port)
    });
    let addresses = addresses.collect();
    (homes, addresses)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_observer_joins_from_the_genesis_and_another_by_a_checkpoint() {
    let count = rounds();
    let mut chain = Chain::new(if count == ROUNDS { EPOCH } else { 28_800 });
    let (homes, peers) = serve(&mut chain, count);

    let begun = Instant::now();
    let by_checkpoint = tempdir().unwrap();
    let at = count - 20;
    let hash = inspect(homes[0].path(), &chain).unwrap().beacon(at).unwrap().unwrap().header.hash();
    let keys = KeyStore::create(&by_checkpoint.path().join("keys")).unwrap();
    let (asked, sealed) = (peers.clone(), sealed(&chain));
    let start = tokio::task::spawn_blocking(move || fetch::checkpoint(&keys, &asked, &sealed, (at, hash)));
    let start = start.await.unwrap().unwrap_or_else(|failure| panic!("{failure}"));
    let data = by_checkpoint.path().join("data");
    Store::open(&data, chain.hash, &chain.bytes).unwrap().begin(&data, &start).unwrap();
    tokio::spawn(shell::serve(observer(by_checkpoint.path(), &chain, free_port(), &peers)));
    holds(by_checkpoint.path(), &chain, count).await;
    eprintln!("joined by a checkpoint in {:.1?}", begun.elapsed());

    let begun = Instant::now();
    let from_genesis = tempdir().unwrap();
    tokio::spawn(shell::serve(observer(from_genesis.path(), &chain, free_port(), &peers)));
    holds(from_genesis.path(), &chain, count).await;
    eprintln!("joined from the genesis in {:.1?}", begun.elapsed());

    let (rules, _) = chain.rules();
    let extent = Extent { certificates: 100, audits: 0 };
    for (home, first) in [(&by_checkpoint, at), (&from_genesis, 1)] {
        let begun = Instant::now();
        let checked = inspect(home.path(), &chain).unwrap().check(rules, extent, &mut |_, _, _| {});
        eprintln!("{} rounds checked in {:.1?}", checked.rounds, begun.elapsed());
        assert!(checked.findings.is_empty(), "{:?}", checked.findings);
        assert_eq!((checked.first_round, checked.newest_round), (first, count));
    }
}
