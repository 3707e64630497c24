//! Everybody is honest and up.

use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::{Net, finished, success};

/// `./testnet/up --rounds 30 --period 1000 --json`, after building.
#[tokio::test(flavor = "multi_thread")]
async fn up_with_rounds_reports_agreement() {
    let turn = Net::made(&[1, 1, 1, 1], 1000, 1).await;
    let directory = TempDir::new().unwrap();
    let base = turn.network.plan.port_base.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_beacon-testnet"));
    command.args(["up", "--rounds", "30", "--period", "1000", "--json", "--port-base", &base]);
    command.arg("--home").arg(directory.path().join("net")).stdin(Stdio::null());
    let printed = success(&finished(command).await);
    let report: Value = serde_json::from_str(&printed).expect("standard output is one JSON line");
    assert_eq!(report["rounds"], 30);
    assert_eq!(report["nodes_agreeing"], 4);
    for field in ["rounds_per_second", "cpu_percent", "peak_rss_mb", "disk_bytes_per_round", "first_round_ms"] {
        assert!(report[field].is_number(), "{field} in {report}");
    }
    assert!(report["latency_ms"]["p50"].is_number() && report["latency_ms"]["p99"].is_number(), "{report}");
    assert!(!directory.path().join("net").exists(), "the network's files are removed");
}

/// A client verifies every node, the observer that joined included.
#[tokio::test(flavor = "multi_thread")]
async fn clients_verify_members_and_an_observer_that_joined() {
    let net = Net::played("happy-path").await;
    let rounds = net.view.common();
    for node in 0..net.network.nodes.len() {
        let output = net.beacon(&net.url(node), &["verify", "--all", "--json"]).await;
        let report: Value = serde_json::from_str(&success(&output)).expect("one JSON object");
        assert!(report["verified"].as_u64() >= Some(rounds), "{report}");
    }
    let audit = net.beacon(&net.url(0), &["audit", &rounds.to_string()]).await;
    success(&audit);
    // Over QUIC and over TCP, a peer alone is enough for everything.
    for address in net.network.nodes[1].endpoints.multiaddrs() {
        for words in [&["verify", "--all"][..], &["audit", "3"], &["watch", "--rounds", "2"]] {
            success(&net.asking(&["--peer", &address], words).await);
        }
    }
    net.finish().await;
}
