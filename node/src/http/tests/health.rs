use serde_json::json;

use beacon_spec::keys::IdentityKey;

use super::fixture::{ask, now, start};
use crate::http::health::{EntropyView, NodeStatus, Participation, PeerView, Role, SyncState};
use crate::quality::Quality;

fn three_rounds_later() -> u64 {
    now() + 3 * 3000
}

fn before_the_genesis() -> u64 {
    1_600_000_000_000
}

fn report() -> NodeStatus {
    let peer = PeerView {
        identity: IdentityKey([7; 32]),
        address: "/ip4/127.0.0.1/tcp/9000".into(),
        inbound: true,
        member: true,
        up: true,
        rtt_ms: Some(0.5),
        round: Some(11),
    };
    NodeStatus {
        role: Role::Member,
        sync: SyncState::Current,
        peers: vec![peer],
        clock_offset_ms: Some(-3),
        entropy: EntropyView { workers: 3, sources_healthy: 5, alarms: 1, ..EntropyView::default() },
        quality: Quality { sources_healthy: Some(0.75), ..Quality::default() },
        participation: vec![Participation { member: 0, weight: 10, opened: 5, recovered: 1, absent: 0 }],
        decided_window: 13,
        ..NodeStatus::default()
    }
}

#[tokio::test]
async fn a_node_on_schedule_is_well() {
    let server = start(12, 8, 12, 0, now).await;
    server.status.send_replace(report());
    let answer = server.get("/health").await;
    assert_eq!(answer.status, 200);
    let shown = answer.json();
    let expected = json!({
        "status": "ok", "current": 12, "expected": 12, "behind": 0, "peers": 1, "clock_offset_ms": -3,
        "quality": shown["quality"], "entropy": report().entropy,
    });
    assert_eq!(shown, expected);
    assert_eq!((&shown["quality"]["quality"], &shown["quality"]["timeliness"]), (&json!(0.75), &json!(1.0)));
    assert_eq!(ask(server.local, "/health", &[]).await.json(), expected);
}

#[tokio::test]
async fn a_node_behind_its_schedule_is_late() {
    let server = start(12, 8, 12, 0, three_rounds_later).await;
    let answer = server.get("/health").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["status"], json!("late"));
    assert_eq!(answer.json()["behind"], json!(3));
    assert_eq!(answer.json()["quality"]["quality"], json!(0.25));
    server.status.send_replace(NodeStatus { sync: SyncState::CatchingUp, ..NodeStatus::default() });
    assert_eq!(server.get("/health").await.json()["status"], json!("catching_up"));
}

#[tokio::test]
async fn a_stopped_node_says_so() {
    let server = start(12, 8, 12, 0, now).await;
    server.status.send_replace(NodeStatus { halted: Some("forked header".into()), ..report() });
    let answer = server.get("/health").await;
    assert_eq!((answer.status, answer.json()["status"].clone()), (503, json!("stopped")));
}

#[tokio::test]
async fn before_the_genesis_nothing_is_expected() {
    let server = start(1, 0, 0, 0, before_the_genesis).await;
    let answer = server.get("/health").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["expected"], json!(0));
}

#[tokio::test]
async fn the_status_is_for_the_operator_alone() {
    let server = start(12, 8, 12, 0, three_rounds_later).await;
    server.status.send_replace(report());
    let answer = ask(server.local, "/admin/status", &[]).await;
    let status: NodeStatus = serde_json::from_slice(&answer.body).expect("a status");
    assert_eq!((status.round, status.expected, status.behind), (12, 15, 3));
    assert_eq!(status.due, 1_700_000_000_000 + 11 * 3000);
    assert_eq!(status.peers, report().peers);
    assert_eq!(status.participation, report().participation);
    assert_eq!(server.get("/admin/status").await.code(), "no-such-path");
    assert_eq!(ask(server.local, "/beacon/info", &[]).await.code(), "no-such-path");
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let server = start(12, 8, 12, 0, now).await;
    server.get("/beacon/rounds/1").await;
    server.get("/beacon/rounds/2").await;
    server.get("/beacon/rounds/99").await;
    server.get("/beacon/wrong").await;
    let answer = server.get("/metrics").await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    for line in [
        "beacon_http_requests_total{route=\"/beacon/rounds/{round}\",status=\"200\"} 2",
        "beacon_http_requests_total{route=\"/beacon/rounds/{round}\",status=\"425\"} 1",
        "beacon_http_requests_total{route=\"other\",status=\"404\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}
