use serde_json::json;

use beacon_engine::batch::Record;
use beacon_spec::chain::{Beacon, Transcript};
use beacon_spec::mmr::{self, MmrProof};

use super::fixture::{Server, now, start};
use crate::http::Beacons;
use crate::store::tests::fixture::transcript;

/// Rounds 1 to 8 on disk, 9 to 12 in memory alone.
async fn half_stored() -> Server {
    start(14, 8, 12, 0, now).await
}

#[tokio::test]
async fn a_round_is_the_same_from_disk_and_from_memory() {
    let server = half_stored().await;
    for number in [1u64, 8, 9, 12] {
        let expected = &server.chain[number as usize - 1].beacon;
        let answer = server.get(&format!("/beacon/rounds/{number}")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(answer.header("cache-control").contains("immutable"));
        let json = answer.json();
        assert_eq!(json["round"], json!(number));
        assert_eq!(json["hash"], json!(expected.header.hash().to_string()));
        assert_eq!(json["due"], json!(expected.header.due));
        assert_eq!(json["output"], json!(expected.header.output.to_string()));
        let header = serde_json::from_value(json["header"].clone()).expect("a header");
        let certificate = serde_json::from_value(json["certificate"].clone()).expect("a certificate");
        assert_eq!(Beacon { header, certificate }, **expected);
        let binary: Beacon = server.binary(&format!("/beacon/rounds/{number}")).await.decode();
        assert_eq!(binary, **expected);
    }
}

#[tokio::test]
async fn the_newest_round_may_be_kept_until_the_next_is_due() {
    let server = half_stored().await;
    let answer = server.get("/beacon/rounds/latest").await;
    assert_eq!(answer.json()["round"], json!(12));
    // Round 13 is due 2.5 s after the test's time.
    assert_eq!(answer.header("cache-control"), "public, max-age=2");
    let binary: Beacon = server.binary("/beacon/rounds/latest").await.decode();
    assert_eq!(binary.header.round, 12);
}

/// Peers that ask without HTTP have the same answers.
#[tokio::test]
async fn gossip_4_peers_are_shown_what_the_public_listener_shows() {
    let server = half_stored().await;
    let beacons = Beacons::new(server.api.clone());
    let ask = |path: &'static str, limit| beacons.clone().ask(path, limit);
    for path in [
        "info?format=binary",
        "rounds/latest?format=binary",
        "rounds/3",
        "rounds/14",
        "rounds/0",
        "rounds?from=2&to=9&format=binary",
        "rounds/3/proof?head=6&format=binary",
        "rounds/4/transcript?format=binary",
        "committee?epoch=1&full=1&format=binary",
        "evidence?epoch=1&from=0&format=binary",
        "rounds/2?what=1",
        "nothing",
    ] {
        let answer = server.get(&format!("/beacon/{path}")).await;
        assert_eq!(ask(path, 1 << 20).await, (answer.status, answer.body.to_vec()), "{path}");
    }
    assert_eq!(ask("stream?from=1", 1 << 20).await.0, 404, "what never ends is gossiped");
    assert_eq!(ask("../health", 1 << 20).await.0, 404);
    assert_eq!(ask("a b", 1 << 20).await, (400, Vec::new()));
    assert_eq!(ask("info", 10).await, (413, Vec::new()));
}

#[tokio::test]
async fn before_the_first_round_the_newest_is_too_early() {
    let server = start(1, 0, 0, 0, now).await;
    let answer = server.get("/beacon/rounds/latest").await;
    assert_eq!((answer.status, answer.code().as_str()), (425, "not-yet"));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(server.get("/beacon/info").await.json()["round"], json!(0));
}

#[tokio::test]
async fn rounds_to_come_say_when_to_ask_again() {
    let server = half_stored().await;
    let answer = server.get("/beacon/rounds/14").await;
    assert_eq!((answer.status, answer.code().as_str()), (425, "not-yet"));
    // Due in 5.5 s.
    assert_eq!(answer.header("retry-after"), "6");
    assert_eq!(answer.header("cache-control"), "no-store");
    let overdue = start(14, 8, 8, 0, now).await;
    assert_eq!(overdue.get("/beacon/rounds/9").await.header("retry-after"), "1");
}

#[tokio::test]
async fn refusals_have_their_codes() {
    let server = half_stored().await;
    for (path, status, code) in [
        ("/beacon/rounds/0", 404, "no-such-round"),
        ("/beacon/rounds/18446744073709551615", 404, "no-such-round"),
        ("/beacon/rounds/18446744073709551616", 400, "bad-number"),
        ("/beacon/rounds/-1", 400, "bad-number"),
        ("/beacon/rounds/1e3", 400, "bad-number"),
        ("/beacon/rounds/%20", 400, "bad-number"),
        ("/beacon/rounds/%ff", 400, "bad-path"),
        ("/beacon/rounds/1?format=xml", 400, "bad-format"),
        ("/beacon/rounds", 400, "bad-range"),
        ("/beacon/rounds?to=5", 400, "bad-range"),
        ("/beacon/rounds?from=5&to=4", 400, "bad-range"),
        ("/beacon/rounds?from=0&to=4", 404, "no-such-round"),
        ("/beacon/rounds?from=x", 400, "bad-number"),
        ("/beacon/rounds?from=%ff", 400, "bad-number"),
        ("/beacon/rounds/3/proof", 400, "bad-head"),
        ("/beacon/rounds/3/proof?head=3", 400, "bad-head"),
        ("/beacon/rounds/3/proof?head=2", 400, "bad-head"),
        ("/beacon/rounds/3/proof?head=13", 425, "not-yet"),
        ("/beacon/rounds/0/proof?head=3", 404, "no-such-round"),
        ("/beacon/rounds/0/transcript", 404, "no-such-round"),
        ("/beacon/rounds/13/transcript", 425, "not-yet"),
        ("/beacon/rounds/3/transcript", 404, "pruned"),
        ("/beacon/rounds/3/nothing", 404, "no-such-path"),
        ("/", 404, "no-such-path"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    }
}

#[tokio::test]
async fn ranges_cross_from_disk_to_memory_and_end_at_the_tip() {
    let server = half_stored().await;
    let cases = [("from=1", 1, 12), ("from=6&to=10", 6, 10), ("from=12&to=12", 12, 12), ("from=9&to=5000", 9, 12)];
    for (query, first, last) in cases {
        let path = format!("/beacon/rounds?{query}");
        let answer = server.get(&path).await;
        let rounds: Vec<u64> =
            answer.json().as_array().expect("an array").iter().filter_map(|beacon| beacon["round"].as_u64()).collect();
        assert_eq!(rounds, (first..=last).collect::<Vec<_>>(), "{query}");
        let binary: Vec<Beacon> = server.binary(&path).await.decode();
        let expected = &server.chain[first as usize - 1..last as usize];
        assert!(binary.iter().zip(expected).all(|(found, round)| *found == *round.beacon));
        assert_eq!(binary.len(), expected.len());
    }
    let beyond = server.get("/beacon/rounds?from=13").await;
    assert_eq!((beyond.status, beyond.json()), (200, json!([])));
    assert!(server.get("/beacon/rounds?from=1&to=12").await.header("cache-control").contains("immutable"));
    assert_eq!(server.get("/beacon/rounds?from=1&to=13").await.header("cache-control"), "public, max-age=0");
}

#[tokio::test]
async fn a_range_has_at_most_a_thousand_rounds() {
    let server = start(1300, 1300, 1300, 0, now).await;
    let rounds: Vec<Beacon> = server.binary("/beacon/rounds?from=101&to=1300").await.decode();
    assert_eq!(rounds.len(), 1000);
    assert_eq!(rounds[999].header.round, 1100);
    let newest: Beacon = server.binary("/beacon/rounds/1300").await.decode();
    assert_eq!(newest.header.round, 1300);
}

#[tokio::test]
async fn proofs_verify_under_the_root_of_their_head() {
    let server = half_stored().await;
    for head in 2..=9u64 {
        let root = server.chain[head as usize - 1].beacon.header.mmr;
        for round in 1..head {
            let path = format!("/beacon/rounds/{round}/proof?head={head}");
            let proof: MmrProof = server.binary(&path).await.decode();
            let hash = server.chain[round as usize - 1].beacon.header.hash();
            assert_eq!(mmr::verify(&root, head - 1, round, &hash, &proof), Ok(()));
            let json = server.get(&path).await.json();
            assert_eq!(json["head"], json!(head));
            assert_eq!(json["count"], json!(head - 1));
            assert_eq!(json["header_hash"], json!(hash.to_string()));
            assert_eq!(json["siblings"].as_array().map(Vec::len), Some(proof.siblings.len()));
        }
    }
    // The nodes under header 10 include round 9's, which is not on disk yet.
    let answer = server.get("/beacon/rounds/3/proof?head=10").await;
    assert_eq!((answer.status, answer.code().as_str()), (425, "not-yet"));
}

#[tokio::test]
async fn transcripts_name_members_and_how_secrets_came_to_light() {
    let server = half_stored().await;
    for round in [2u64, 10, 12] {
        let path = format!("/beacon/rounds/{round}/transcript");
        let json = server.get(&path).await.json();
        assert_eq!(json["round"], json!(round));
        let contributions = json["contributions"].as_array().expect("an array");
        assert_eq!(contributions[0]["member"], json!(0));
        let identity = server.committee.members()[1].identity.to_string();
        assert_eq!(contributions[1]["identity"], json!(identity));
        assert_eq!(contributions[0]["revealed"], json!({ "opened": "09".repeat(32) }));
        assert_eq!(contributions[1]["revealed"]["recovered"][0]["position"], json!(1));
        for part in ["d", "c", "r1", "r2", "z"] {
            assert!(!contributions[0]["dealing"][part].is_null(), "{part}");
        }
        let binary: Transcript = server.binary(&path).await.decode();
        assert_eq!(binary, transcript(round));
    }
}

#[tokio::test]
async fn a_transcript_that_comes_late_is_served_then() {
    let server = half_stored().await;
    assert_eq!(server.get("/beacon/rounds/11/transcript").await.code(), "pruned");
    server.api.publish(&server.chain[10].beacon, Some(std::sync::Arc::new(transcript(11))));
    let late: Transcript = server.binary("/beacon/rounds/11/transcript").await.decode();
    assert_eq!(late, transcript(11));
}

#[tokio::test]
async fn pruned_transcripts_are_named_so() {
    let mut server = start(200, 200, 200, 20, now).await;
    assert_eq!(server.get("/beacon/rounds/2/transcript").await.code(), "pruned");
    assert_eq!(server.get("/beacon/rounds/200/transcript").await.status, 200);
    server.writing.write(vec![Record::Transcript(Box::new(transcript(199)))]);
    assert_eq!(server.get("/beacon/rounds/199/transcript").await.status, 200);
}
