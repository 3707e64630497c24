//! Membership changes while the network runs.

use beacon_testnet::node::Node;
use beacon_testnet::plan::Plan;
use beacon_testnet::watch::{View, Watchers};
use serde_json::Value;
use tokio::time::timeout;

use crate::harness::{Net, PATIENCE, json, node, refused, success};

const EPOCH: u64 = 30;

/// A `committee` command of one node, by its local listener.
async fn committee(net: &Net, of: &Node, words: &[&str]) -> std::process::Output {
    let home = of.home.display().to_string();
    let words = [&["committee"], words, &["--home", &home, "--json"]].concat();
    node(&net.network.binaries, &words).await
}

async fn members(net: &Net, of: &Node) -> Value {
    json(&committee(net, of, &["list"]).await)
}

/// A newcomer joins by an amendment, a member is killed meanwhile, keys rotate, and a client with the chain hash alone
/// verifies it all.
#[tokio::test(flavor = "multi_thread")]
async fn an_observer_becomes_a_member_while_keys_rotate() {
    let plan = Plan::new(None, Some(vec![30, 30, 28, 26]), 250, 1, 7700).unwrap().with_epochs(Some(EPOCH));
    let mut net = Net::planned(plan).await;
    net.network.start().unwrap();
    net.rounds_more(2).await;
    let mut observer = net.join().await;
    let mut watchers = Watchers::start([observer.endpoints.url()]).unwrap();
    let mut seen = View::new(1, 250);
    while seen.common() < 2 {
        seen.note(timeout(PATIENCE, watchers.next()).await.unwrap_or_else(|_| panic!("{}", observer.tail())));
    }
    let file = net.directory.path().join("join.json").display().to_string();
    success(&committee(&net, &observer, &["register", "--out", &file]).await);
    let add = format!("{file}:20");

    let heavy = format!("{file}:900");
    let too_heavy = committee(&net, &net.network.nodes[0], &["propose", "--add", &heavy]).await;
    refused(&too_heavy, &["too-heavy"]);
    refused(&committee(&net, &observer, &["propose", "--add", &add]).await, &["no member"]);
    let proposed = json(&committee(&net, &net.network.nodes[0], &["propose", "--add", &add]).await);
    let digest = proposed["digest"].as_str().unwrap().to_owned();
    for approver in [1, 2] {
        // The proposal travels by gossip, so it may be a round on its way.
        net.rounds_more(1).await;
        success(&committee(&net, &net.network.nodes[approver], &["approve", &digest]).await);
    }
    net.network.nodes[3].kill().await.unwrap();
    net.until("the second epoch", |view| view.newest().is_some_and(|beacon| beacon.header.epoch >= 2)).await;
    let binary = net.network.binaries.node.clone();
    net.network.nodes[3].start(&binary, false).unwrap();
    let all = |view: &View| view.newest().is_some_and(|beacon| beacon.header.contributors == 5);
    net.until("all five contribute", all).await;
    let rounds = net.rounds_more(EPOCH + 4).await;

    let list = members(&net, &net.network.nodes[0]).await;
    let weights: Vec<u64> = list["members"].as_array().unwrap().iter().map(|m| m["weight"].as_u64().unwrap()).collect();
    assert_eq!(weights.iter().sum::<u64>(), 30 + 30 + 28 + 26 + 20);
    assert!(list["members"].as_array().unwrap().iter().all(|m| m["keys_of_epoch"] != 1), "keys have rotated: {list}");
    assert_eq!(list["membership"], 1);
    let url = observer.endpoints.url();
    net.assert_agreement(rounds, std::slice::from_ref(&url)).await;
    for at in [net.url(0), net.url(3), url] {
        success(&net.beacon(&at, &["verify", "--all"]).await);
        success(&net.beacon(&at, &["latest"]).await);
    }
    // The committee of the round is not the genesis' any more: keys have rotated, and there is a member more.
    let audited = json(&net.beacon(&net.url(1), &["audit", &rounds.to_string(), "--json"]).await);
    assert!(audited["epoch"].as_u64() > Some(1), "{audited}");
    assert_eq!((&audited["recomputed"], &audited["total_weight"]), (&true.into(), &134.into()), "{audited}");
    observer.stop().await.unwrap();
    net.finish().await;
}
