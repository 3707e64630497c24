use serde_json::json;

use beacon_spec::committee::{MemberList, SignerList};
use beacon_spec::genesis::{Genesis, LightGenesis};

use super::fixture::{now, start};
use crate::http::health::{NodeStatus, Role};

#[tokio::test]
async fn info_says_what_the_chain_is() {
    let server = start(12, 4, 12, 0, now).await;
    server.status.send_replace(NodeStatus { role: Role::Member, ..NodeStatus::default() });
    let light = server.genesis.light(&server.committee);
    let json = server.get("/beacon/info").await.json();
    for (name, expected) in [
        ("chain", json!(light.chain().to_string())),
        ("name", json!("a chain of tests")),
        ("round", json!(12)),
        ("genesis_time", json!(1_700_000_000_000u64)),
        ("period", json!(3000)),
        ("window", json!(1)),
        ("epoch_windows", json!(28_800)),
        ("catch_up_interval", json!(100)),
        ("version", json!(beacon_spec::VERSION)),
        ("members", json!(4)),
        ("total_weight", json!(40)),
        ("role", json!("member")),
    ] {
        assert_eq!(json[name], expected, "{name}");
    }
    assert!(json["software"].as_str().is_some_and(|name| name.starts_with("beacon-node/")));
    let shown: LightGenesis = serde_json::from_value(json["light_genesis"].clone()).expect("a light genesis");
    assert_eq!(shown, light);
    let binary: LightGenesis = server.binary("/beacon/info").await.decode();
    assert_eq!(binary, light);
}

#[tokio::test]
async fn the_genesis_is_served_whole() {
    let server = start(1, 1, 1, 0, now).await;
    let binary: Genesis = server.binary("/beacon/genesis").await.decode();
    assert_eq!(binary, server.genesis);
    let json: Genesis = serde_json::from_slice(&server.get("/beacon/genesis").await.body).expect("a genesis");
    assert_eq!(json, server.genesis);
}

#[tokio::test]
async fn the_committee_is_served_by_epoch() {
    let server = start(2, 1, 2, 0, now).await;
    let json = server.get("/beacon/committee").await.json();
    assert_eq!(json["epoch"], json!(1));
    assert_eq!(json["hash"], json!(server.committee.hash().to_string()));
    assert_eq!(json["total_weight"], json!(40));
    assert_eq!(json["membership"], json!(0));
    assert_eq!(json["quorum_weight"], json!(27));
    assert_eq!(json["tickets"], json!(3));
    assert_eq!(json["threshold"], json!(2));
    let members = json["members"].as_array().expect("an array");
    assert_eq!(members.len(), 4);
    for (index, (shown, member)) in members.iter().zip(server.committee.members()).enumerate() {
        assert_eq!(shown["index"], json!(index));
        assert_eq!(shown["identity"], json!(member.identity.to_string()));
        assert_eq!(shown["weight"], json!(10));
        assert_eq!(shown["tickets"], json!(server.committee.ticket_counts()[index]));
        assert_eq!(shown["voting_key"], json!(member.bundle.voting_key.to_string()));
    }
    assert_eq!(json["ticket_root"], json!(server.committee.signers().list().ticket_root.to_string()));
    let binary: SignerList = server.binary("/beacon/committee?epoch=1").await.decode();
    assert_eq!(binary.hash(), server.committee.hash());
    let unknown = server.get("/beacon/committee?epoch=2").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "no-such-epoch"));
    assert_eq!(server.get("/beacon/committee?epoch=one").await.code(), "bad-number");
}

#[tokio::test]
async fn an_auditor_gets_all_members_with_their_keys() {
    let server = start(2, 1, 2, 0, now).await;
    let binary: MemberList = server.binary("/beacon/committee?epoch=1&full=1").await.decode();
    assert_eq!(binary, server.committee.list());
    let exempt = server.genesis.draft.parameters.development_exemption;
    binary.check(&server.committee.hash(), exempt).expect("the committee that headers name");
    let body = server.get("/beacon/committee?full=1").await.body;
    let json: MemberList = serde_json::from_slice(&body).expect("a member list");
    assert_eq!(json, server.committee.list());
    let short: SignerList = server.binary("/beacon/committee?epoch=1&full=0").await.decode();
    assert_eq!(short.hash(), server.committee.hash());
    assert_eq!(server.get("/beacon/committee?full=2").await.code(), "bad-flag");
    assert_eq!(server.get("/beacon/committee?epoch=2&full=1").await.code(), "no-such-epoch");
}
