//! The beacon in NIST's shape.

use serde_json::json;

use beacon_spec::mix::expand;

use super::fixture::{Server, now, start};
use crate::store::tests::fixture::schedule;

/// Rounds 1 to 12 of a chain of 3 s; the test's time is half a second after round 12.
async fn server() -> Server {
    start(12, 8, 12, 0, now).await
}

fn due(round: u64) -> u64 {
    schedule().time_of(round).expect("early rounds have a time")
}

#[tokio::test]
async fn a_pulse_is_a_round_with_512_bits_of_its_output() {
    let server = server().await;
    let header = &server.chain[4].beacon.header;
    let value = |round: usize| {
        let output = &server.chain[round - 1].beacon.header.output;
        hex::encode(expand(output, b"512", 64).expect("short enough"))
    };
    let answer = server.get("/beacon/2.0/chain/1/pulse/5").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert!(answer.header("cache-control").contains("immutable"));
    let expected = json!({ "pulse": {
        "uri": "/beacon/2.0/chain/1/pulse/5", "version": "beacon/1", "period": 3000, "chainIndex": 1,
        "chainHash": server.api.chain(), "pulseIndex": 5, "timeStamp": "2023-11-14T22:13:32.000Z",
        "dealingSet": header.dealing_set, "statusCode": 0, "outputValue": value(5), "output": header.output,
        "listValues": [{ "uri": "/beacon/2.0/chain/1/pulse/4", "type": "previous", "value": value(4) }],
        "headerHash": header.hash(), "previousHeaderHash": header.previous, "verify": "/beacon/rounds/5",
        "committee": format!("/beacon/committee?epoch={}", header.epoch),
    }});
    assert_eq!(answer.json(), expected);
    assert_eq!(value(5).len(), 128);
    let first = server.get("/beacon/2.0/chain/1/pulse/first").await;
    assert_eq!((&first.json()["pulse"]["statusCode"], &first.json()["pulse"]["listValues"]), (&json!(1), &json!([])));
    let last = server.get("/beacon/2.0/pulse/last").await;
    assert_eq!((&last.json()["pulse"]["pulseIndex"], last.header("cache-control")), (&json!(12), "public, max-age=2"));
    let by_hash = format!("/beacon/2.0/chain/{}/pulse/last", server.api.chain());
    assert_eq!(server.get(&by_hash).await.json(), last.json());
    assert_eq!(server.get("/beacon/2.0/chain/last/pulse/last").await.json(), last.json());
}

#[tokio::test]
async fn times_lead_to_the_pulse_before_at_and_after() {
    let server = server().await;
    for (path, time, round) in [
        ("time", due(5), 5),
        ("time", due(5) + 1, 6),
        ("time", due(5) - 1, 5),
        ("time", 0, 1),
        ("time/next", due(5), 6),
        ("time/next", due(5) - 1, 5),
        ("time/next", 0, 1),
        ("time/previous", due(5), 4),
        ("time/previous", due(5) + 1, 5),
        ("time/previous", due(12), 11),
    ] {
        let answer = server.get(&format!("/beacon/2.0/pulse/{path}/{time}")).await;
        assert_eq!((answer.status, &answer.json()["pulse"]["pulseIndex"]), (200, &json!(round)), "{path} {time}");
        assert!(answer.header("cache-control").contains("immutable"), "an answer to a time never changes");
    }
}

#[tokio::test]
async fn a_pulse_that_is_not_there_is_never_replaced_by_an_older_one() {
    let server = server().await;
    for (path, status, code) in [
        (format!("pulse/time/{}", due(13)), 425, "not-yet"),
        (format!("pulse/time/{}", due(12) + 1), 425, "not-yet"),
        (format!("pulse/time/next/{}", due(12)), 425, "not-yet"),
        (format!("pulse/time/previous/{}", due(14)), 425, "not-yet"),
        (format!("pulse/time/previous/{}", due(1)), 404, "no-such-time"),
        ("pulse/time/previous/0".into(), 404, "no-such-time"),
        (format!("pulse/time/next/{}", u64::MAX), 404, "no-such-time"),
        ("pulse/time/x".into(), 400, "bad-number"),
        ("pulse/time/%ff".into(), 400, "bad-path"),
        ("chain/1/pulse/x".into(), 400, "bad-number"),
        ("chain/1/pulse/0".into(), 404, "no-such-round"),
        ("chain/1/pulse/13".into(), 425, "not-yet"),
        ("chain/2/pulse/1".into(), 404, "unknown-chain"),
        ("chain/%ff/pulse/1".into(), 400, "bad-path"),
    ] {
        let answer = server.get(&format!("/beacon/2.0/{path}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    }
    let early = server.get(&format!("/beacon/2.0/pulse/time/{}", due(13))).await;
    assert_eq!(early.header("retry-after"), "3");
}

#[tokio::test]
async fn nothing_is_called_a_signature_that_is_none() {
    let server = server().await;
    let text = server.get("/beacon/2.0/pulse/last").await.body;
    let text = String::from_utf8_lossy(&text).to_lowercase();
    for word in ["signature", "ciphersuite", "precommitment", "localrandomvalue", "external", "certificateid"] {
        assert!(!text.contains(word), "{word}");
    }
}
