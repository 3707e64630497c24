use beacon_engine::batch::Record;
use beacon_spec::evidence::Evidence;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::SecretKey;
use beacon_spec::message::HeaderVote;

use super::fixture::{now, start};
use crate::store::tests::fixture::schedule;

/// What the store keeps is served so that a client can judge it, by epoch and from a member on.
#[tokio::test]
async fn evidence_is_served_by_epoch_and_member() {
    let mut server = start(2, 2, 2, 0, now).await;
    let chain = server.chain[0].beacon.header.chain;
    let proof = |member: u16| {
        let key = SecretKey::from_seed(&[101 + member as u8; 32]);
        let [first, second] = [1, 2].map(|fill| HeaderVote::make(&chain, 1, member, Digest32([fill; 32]), &key));
        Evidence::TwoHeaderVotes { first, second }
    };
    let records = [1, 3].map(|member| Record::Evidence { epoch: 1, evidence: Box::new(proof(member)) });
    server.writing.write(records.into());
    let json = server.get("/beacon/evidence").await.json();
    assert_eq!(json["evidence"].as_array().map(Vec::len), Some(2), "{json}");
    assert_eq!(json["evidence"][0]["member"], 1);
    assert_eq!(json["evidence"][0]["crime"], "two header votes for one round");
    assert_eq!(json["next"], serde_json::Value::Null);
    let shown: Evidence = serde_json::from_value(json["evidence"][1]["evidence"].clone()).expect("evidence");
    assert_eq!(shown, proof(3));
    assert_eq!(shown.verify(&chain, &schedule(), &server.committee), Ok(()));
    let later: Vec<Evidence> = server.binary("/beacon/evidence?epoch=1&from=2").await.decode();
    assert_eq!(later, [proof(3)]);
    let other: Vec<Evidence> = server.binary("/beacon/evidence?epoch=2").await.decode();
    assert_eq!(other, []);
    assert_eq!(server.get("/beacon/evidence?member=1").await.code(), "bad-query");
}
