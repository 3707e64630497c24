//! The beacon in drand's shape.

use std::sync::Arc;

use serde_json::json;

use super::fixture::{ask, now, start};
use crate::http::health::{NodeStatus, SyncState};
use crate::store::tests::fixture::transcript;

#[tokio::test]
async fn both_versions_have_the_same_rounds() {
    let server = start(12, 8, 12, 0, now).await;
    let chains = server.get("/drand/chains").await.json();
    let chain = chains[0].as_str().expect("a hash").to_owned();
    let header = &server.chain[4].beacon.header;
    let expected = json!({
        "round": 5, "randomness": header.output, "hash": header.hash(), "previous_hash": header.previous,
        "verify": "/beacon/rounds/5",
    });
    let paths = [
        "/drand/public/5".to_owned(),
        format!("/drand/{chain}/public/5"),
        format!("/drand/v2/chains/{chain}/rounds/5"),
    ];
    for path in paths {
        let answer = server.get(&path).await;
        assert_eq!((answer.status, answer.json()), (200, expected.clone()), "{path}");
        assert_eq!(answer.header("cache-control"), "public, max-age=604800, immutable");
    }
    let latest = server.get("/drand/public/latest").await;
    assert_eq!(latest.json()["round"], 12);
    assert_eq!(latest.header("cache-control"), "public, max-age=2", "2.5 s to the next round");
    let info = server.get(&format!("/drand/v2/chains/{chain}/info")).await;
    assert_eq!((&info.json()["period"], &info.json()["hash"]), (&json!(3), &json!(chain)));
    assert_eq!(info.json(), server.get("/drand/info").await.json());
    for path in ["/drand/info", "/drand/public/5"] {
        assert!(!String::from_utf8_lossy(&server.get(path).await.body).contains("signature"), "{path}");
    }
    assert_eq!(ask(server.local, "/drand/info", &[]).await.code(), "no-such-path", "the beacon is not private");
}

#[tokio::test]
async fn wrong_questions_have_drands_status_codes() {
    let server = start(12, 8, 12, 0, now).await;
    let other = "00".repeat(32);
    for (path, status, code) in [
        ("/drand/public/0", 400, "bad-number"),
        ("/drand/public/x", 400, "bad-number"),
        ("/drand/public/99", 425, "not-yet"),
        (&format!("/drand/{other}/info"), 404, "unknown-chain"),
        (&format!("/drand/v2/chains/{other}/rounds/1"), 404, "unknown-chain"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    }
    let early = server.get("/drand/public/99").await;
    assert!(early.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 200));
    server.status.send_replace(NodeStatus { sync: SyncState::Current, ..NodeStatus::default() });
    let health = server.get("/drand/health").await;
    assert_eq!((health.status, health.json()), (200, json!({ "current": 12, "expected": 12 })));
}

fn two_rounds_later() -> u64 {
    now() + 2 * 3000
}

#[tokio::test]
async fn a_late_node_is_not_healthy() {
    let server = start(12, 8, 12, 0, two_rounds_later).await;
    let health = server.get("/drand/health").await;
    assert_eq!((health.status, health.json()), (503, json!({ "current": 12, "expected": 14 })));
}

#[tokio::test]
async fn the_next_round_is_waited_for() {
    let server = start(13, 8, 12, 0, now).await;
    let address = server.public;
    let asked = ["/drand/public/13".to_owned(), format!("/drand/v2/chains/{}/rounds/next", server.api.chain())];
    let waiting = asked.map(|path| tokio::spawn(async move { ask(address, &path, &[]).await }));
    // Both have a seat before the round is announced.
    let mut live = server.api.live();
    while server.api.seats() < 2 {
        tokio::task::yield_now().await;
    }
    server.api.publish(&server.chain[12].beacon, Some(Arc::new(transcript(13))));
    live.wait_for(|live| live.tip == 13).await.expect("announced");
    for (answer, kept) in waiting.into_iter().zip(["public, max-age=604800, immutable", "no-store"]) {
        let answer = answer.await.expect("no panic");
        assert_eq!((answer.status, &answer.json()["round"]), (200, &json!(13)));
        assert_eq!(answer.header("cache-control"), kept, "the next round is soon another one");
    }
}
