//! A node that begins at a round which it trusts.

use beacon_testnet::plan::Plan;
use beacon_testnet::{audit, http};

use crate::harness::{Net, json, node, refused};

/// In the third epoch an observer begins a few rounds before the newest: it follows, serves and proves from there on,
/// and says what it does not have.
#[tokio::test(flavor = "multi_thread")]
async fn an_observer_begins_at_a_checkpoint() {
    let plan = Plan::new(None, Some(vec![30, 30, 25, 15]), 250, 1, 7700).unwrap().with_epochs(Some(8));
    let mut net = Net::planned(plan).await;
    net.network.start().unwrap();
    let rounds = net.rounds_more(20).await;
    let headers = audit::headers(&net.url(0), net.chain(), rounds).await.unwrap();
    let at = rounds - 2;
    let hash = |round: u64| headers[usize::try_from(round).unwrap() - 1].to_string();

    let peer = net.network.nodes[1].endpoints.multiaddrs()[1].clone();
    let other = net.directory.path().join("other").display().to_string();
    let wrong = format!("{at}:{}", hash(at - 1));
    let words = ["init", "--home", &other, "--peer", &peer, "--chain", &net.network.chain, "--checkpoint", &wrong];
    refused(&node(&net.network.binaries, &words).await, &[&hash(at - 1), "conflict"]);

    let right = format!("{at}:{}", hash(at));
    let mut observer = net.observer(&["--checkpoint", &right]).await;
    observer.start(&net.network.binaries.node, false).unwrap();
    net.follows(&observer, rounds + 10).await;
    let address = observer.endpoints.http_address();
    let ask = async |path: String| http::get_json(address, &path).await.unwrap();
    for round in at..=rounds {
        assert_eq!(ask(format!("/beacon/rounds/{round}")).await["hash"], hash(round), "round {round}");
    }
    assert_eq!(ask(format!("/beacon/rounds/{}", at - 1)).await["code"], "before-checkpoint");
    assert_eq!(ask("/beacon/rounds?from=1&to=5".into()).await["code"], "before-checkpoint");
    assert!(ask(format!("/beacon/rounds/{at}/proof?head={rounds}")).await["siblings"].is_array());

    observer.stop().await.unwrap();
    let home = observer.home.display().to_string();
    let checked = json(&node(&net.network.binaries, &["db", "check", "--home", &home, "--json"]).await);
    assert_eq!(checked["first_round"], at, "{checked}");
    let words = ["init", "--home", &home, "--peer", &peer, "--chain", &net.network.chain, "--checkpoint", &right];
    refused(&node(&net.network.binaries, &words).await, &["holds rounds already"]);
    observer.start(&net.network.binaries.node, false).unwrap();
    let goal = net.rounds_more(3).await;
    net.follows(&observer, goal).await;
    observer.stop().await.unwrap();
    net.finish().await;
}
