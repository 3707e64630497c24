//! Servers with one bad habit each: none gets a wrong answer through, none holds the client beyond its time limit,
//! and an honest server beside them is enough.

use std::sync::Arc;
use std::time::{Duration, Instant};

use beacon_client::fabricate::{Chain, Plan};
use beacon_client::{Error, Refusal};
use beacon_spec::codec::encode;
use beacon_spec::hash::Digest32;

use super::server::{Reply, TestServer, honest};
use super::{builder, chain, client};

/// The time limit where it must run out; elsewhere it must not, however busy the machine is.
const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(10);

/// How a habit shows.
enum Shows {
    Refused(&'static str),
    Fault(&'static str),
}
use Shows::{Fault, Refused};

/// Asks a server with a habit alone, then with an honest one behind it.
async fn survive(name: &str, chain: &Arc<Chain>, bad: &TestServer, shows: Shows) {
    let limit = if matches!(shows, Fault("in time")) { SHORT } else { LONG };
    let alone = builder(chain).server(bad.url.clone()).timeout(limit).build().expect("a client");
    let begun = Instant::now();
    let error = alone.latest().await.expect_err(name);
    assert!(begun.elapsed() < LONG, "{name}: {:?} is too long", begun.elapsed());
    match (&shows, &error) {
        (Refused(code), Error::Refused(refusal)) => {
            assert_eq!(refusal.code(), *code, "{name}: {refusal}");
            assert_eq!(refusal.from.as_deref(), Some(bad.url.as_str()), "{name}");
            assert_eq!(error.exit_code(), 1);
        }
        (Fault(part), Error::Unreachable(faults)) => {
            assert!(faults[0].1.to_string().contains(part), "{name}: {}", faults[0].1);
            assert_eq!(error.exit_code(), 3);
        }
        _ => panic!("{name}: {error}"),
    }
    let good = TestServer::honest(chain).await;
    let both = builder(chain).servers([bad.url.clone(), good.url.clone()]).timeout(LONG).build().expect("a client");
    let newest = both.latest().await.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(newest.hash(), chain.beacons[chain.beacons.len() - 1].header.hash(), "{name}");
    let banned: Vec<Refusal> = both.bans();
    assert_eq!(banned.len(), usize::from(matches!(shows, Refused(_))), "{name}");
}

async fn twist(
    name: &str,
    part: &'static str,
    shows: Shows,
    twist: impl Fn(Option<Vec<u8>>) -> Reply + Send + Sync + 'static,
) {
    let chain = chain(5);
    let bad = TestServer::twisted(&chain, part, twist).await;
    survive(name, &chain, &bad, shows).await;
}

#[tokio::test]
async fn silent() {
    twist("silent", "", Fault("in time"), |_| Reply::Silence).await;
    twist("silent later", "latest", Fault("in time"), |_| Reply::Silence).await;
}

#[tokio::test]
async fn slow() {
    twist("slow", "latest", Fault("in time"), |body| Reply::Drip(body.unwrap_or_default())).await;
}

#[tokio::test]
async fn truncated() {
    let cut = |body: Option<Vec<u8>>| {
        let mut body = body.unwrap_or_default();
        body.truncate(body.len() / 2);
        Reply::Ok(body)
    };
    twist("truncated", "latest", Refused("malformed"), cut).await;
}

#[tokio::test]
async fn closed_in_the_middle() {
    let cut = |body: Option<Vec<u8>>| {
        let body = body.unwrap_or_default();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        Reply::Raw([head.as_bytes(), &body[..body.len() / 2]].concat())
    };
    twist("closed in the middle", "latest", Fault("closed"), cut).await;
    twist("closed at once", "latest", Fault("closed"), |_| Reply::Raw(Vec::new())).await;
}

#[tokio::test]
async fn oversize() {
    twist("endless body", "latest", Fault("more than"), |_| Reply::Endless).await;
    twist("large body", "latest", Fault("more than"), |_| Reply::Ok(vec![0; 1 << 20])).await;
    let lies = |_| Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nabc".to_vec());
    twist("a length that is a lie", "latest", Fault("closed"), lies).await;
    let headers = |_| Reply::Raw([b"HTTP/1.1 200 OK\r\n".as_slice(), &b"a: b\r\n".repeat(100_000)].concat());
    twist("endless headers", "latest", Fault("protocol"), headers).await;
}

#[tokio::test]
async fn redirect() {
    let away = |_| Reply::Status(302, "Location: http://127.0.0.1:1/\r\n", Vec::new());
    twist("redirect", "latest", Fault("redirect"), away).await;
}

#[tokio::test]
async fn not_http() {
    twist("not HTTP", "", Fault("protocol"), |_| Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())).await;
}

#[tokio::test]
async fn errors() {
    twist("500", "latest", Fault("500"), |_| Reply::Status(500, "", b"oh no".to_vec())).await;
    let coded = |_| Reply::Status(503, "", br#"{"code":"stopped"}"#.to_vec());
    twist("503 with a code", "latest", Fault("503 (stopped)"), coded).await;
    twist("404", "info", Fault("not there"), |_| Reply::Status(404, "", b"{".to_vec())).await;
}

#[tokio::test]
async fn http_that_goes_nowhere() {
    let informed = |_| Reply::Raw(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(50_000));
    twist("interim answers without end", "latest", Fault("closed"), informed).await;
    let chunks = |_| Reply::Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n".to_vec());
    twist("broken chunks", "latest", Fault(""), chunks).await;
    let upgrade = |_| Reply::Status(101, "Upgrade: websocket\r\n", Vec::new());
    twist("another protocol", "latest", Fault(""), upgrade).await;
}

#[tokio::test]
async fn nothing_where_something_belongs() {
    twist("empty body", "latest", Refused("malformed"), |_| Reply::Ok(Vec::new())).await;
    twist("empty genesis", "info", Refused("malformed"), |_| Reply::Ok(Vec::new())).await;
    let chain = chain(5);
    let empty = encode(&Vec::<beacon_client::Beacon>::new());
    let bad = TestServer::twisted(&chain, "rounds?", move |_| Reply::Ok(empty.clone())).await;
    let all = beacon_client::client::ScanOptions { from: 1, to: None, certificates: true };
    let error = client(&chain, &[&bad]).scan(all, |_, _| {}).await.expect_err("an empty range");
    assert_eq!(error.exit_code(), 3, "{error}");
}

#[tokio::test]
async fn a_silent_server_does_not_hold_up_another() {
    let chain = chain(5);
    let silent = TestServer::twisted(&chain, "", |_| Reply::Silence).await;
    let good = TestServer::honest(&chain).await;
    let hour = Duration::from_secs(3600);
    let both = builder(&chain).servers([silent.url.clone(), good.url.clone()]).timeout(hour).build().expect("a client");
    assert_eq!(both.latest().await.expect("the second server").round(), 5);
    assert_eq!(both.get(2).await.expect("the second server").round(), 2);
}

#[tokio::test]
async fn text_where_bytes_belong() {
    twist("HTML", "latest", Refused("malformed"), |_| Reply::Ok(b"<html>hello</html>".to_vec())).await;
}

#[tokio::test]
async fn wrong_chain() {
    let chain = chain(5);
    let other = Arc::new(Chain::build(Plan::new(4).seed(7), 5).expect("a plan"));
    let bad = TestServer::honest(&other).await;
    survive("another chain's server", &chain, &bad, Refused("wrong-chain")).await;
    let beacon = encode(&other.beacons[4]);
    let bad = TestServer::twisted(&chain, "latest", move |_| Reply::Ok(beacon.clone())).await;
    survive("another chain's beacon", &chain, &bad, Refused("wrong-chain")).await;
}

#[tokio::test]
async fn wrong_committee() {
    // The same seed with other weights shares names and times, not the committee.
    let chain = chain(5);
    let other = Chain::build(Plan { weights: vec![2, 2, 2, 3], ..Plan::new(4) }, 5).expect("a plan");
    let mut forged = chain.beacons[4].clone();
    forged.header.committee = other.committees[0].hash();
    forged.header.next_committee = forged.header.committee;
    let bad = TestServer::twisted(&chain, "latest", move |_| Reply::Ok(encode(&forged))).await;
    survive("another committee", &chain, &bad, Refused("wrong-committee")).await;
}

#[tokio::test]
async fn uncertified_output() {
    let chain = chain(5);
    let mut forged = chain.beacons[4].clone();
    forged.header.output = Digest32::ZERO;
    let bad = TestServer::twisted(&chain, "latest", move |_| Reply::Ok(encode(&forged))).await;
    survive("a chosen output", &chain, &bad, Refused("bad-signature")).await;
}

#[tokio::test]
async fn too_few_signers() {
    let chain = chain(5);
    let mut forged = chain.beacons[4].clone();
    forged.certificate.signatures.pop();
    let bit = (0..8).rev().find(|bit| forged.certificate.bitmap[0] >> bit & 1 == 1).expect("somebody signed");
    forged.certificate.bitmap[0] &= !(1 << bit);
    let bad = TestServer::twisted(&chain, "latest", move |_| Reply::Ok(encode(&forged))).await;
    survive("two signers of four", &chain, &bad, Refused("no-quorum")).await;
}

#[tokio::test]
async fn future_round() {
    let long = chain(100);
    let short = chain(5);
    assert_eq!(short.chain, long.chain);
    let bad = TestServer::honest(&long).await;
    survive("a round of the future", &short, &bad, Refused("future-round")).await;
}

#[tokio::test]
async fn another_round_than_asked() {
    let chain = chain(9);
    let other = encode(&chain.beacons[2]);
    let bad = TestServer::twisted(&chain, "rounds/4?", move |_| Reply::Ok(other.clone())).await;
    let error = client(&chain, &[&bad]).get(4).await.expect_err("round 3 for round 4");
    assert!(matches!(&error, Error::Refused(refusal) if refusal.code() == "wrong-round"), "{error}");
    let good = TestServer::honest(&chain).await;
    let verified = client(&chain, &[&bad, &good]).get(4).await.expect("the other server has it");
    assert_eq!(verified.hash(), chain.beacons[3].header.hash());
}

#[tokio::test]
async fn old_head() {
    let chain = chain(40);
    let server = TestServer::honest(&chain).await;
    let client = client(&chain, &[&server]);
    client.latest().await.expect("round 40");
    server.tip.send_replace(20);
    let error = client.latest().await.expect_err("round 20 after round 40");
    assert!(matches!(&error, Error::Refused(refusal) if refusal.code() == "old-head"), "{error}");
    // Two rounds are no more than one server being slower than another: the answer is what is known already.
    server.tip.send_replace(38);
    assert_eq!(client.latest().await.expect("the trusted head").round(), 40);
}

#[tokio::test]
async fn late_server_is_outdone_by_another() {
    let chain = chain(40);
    let (slow, good) = (TestServer::honest(&chain).await, TestServer::honest(&chain).await);
    slow.tip.send_replace(20);
    assert_eq!(client(&chain, &[&slow, &good]).latest().await.expect("both answer").round(), 40);
    assert_eq!(client(&chain, &[&slow]).latest().await.expect("an old answer is better than none").round(), 20);
}

#[tokio::test]
async fn proof_of_another_round() {
    let chain = chain(9);
    let other = encode(&chain.proof(5, 9).expect("a proof"));
    let bad = TestServer::twisted(&chain, "/proof", move |_| Reply::Ok(other.clone())).await;
    let error = client(&chain, &[&bad]).get(4).await.expect_err("a proof of round 5 for round 4");
    assert!(matches!(&error, Error::Refused(refusal) if refusal.code() == "bad-mmr"), "{error}");
}

#[tokio::test]
async fn connection_closed_between_requests() {
    let chain = chain(3);
    let close = |path: &str, body: Option<Vec<u8>>| match honest(path, body) {
        Reply::Ok(body) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            Reply::Raw([head.as_bytes(), &body].concat())
        }
        other => other,
    };
    let server = TestServer::start(&chain, Arc::new(close)).await;
    assert_eq!(client(&chain, &[&server]).get(2).await.expect("each request gets a new connection").round(), 2);
}

#[tokio::test]
async fn nobody_there() {
    let chain = chain(1);
    let url = {
        let server = TestServer::honest(&chain).await;
        server.url.clone()
    };
    let client = builder(&chain).server(url).build().expect("a client");
    let error = client.latest().await.expect_err("nobody listens");
    assert_eq!(error.exit_code(), 3, "{error}");
}
