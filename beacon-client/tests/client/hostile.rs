//! Servers with one bad habit each: none gets a wrong answer through, none holds the client beyond its time limit,
//! and an honest server beside them is enough.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beacon_client::fabricate::{Chain, Plan};
use beacon_client::{Beacon, Error};
use beacon_spec::codec::encode;
use beacon_spec::hash::Digest32;
use futures::future::join_all;

use super::server::{Reply, TestServer, honest};
use super::{builder, chain, client};

/// The time limit where it must run out; elsewhere it must not, however busy the machine is.
const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(10);

/// How a habit shows to a client that asks for the newest round.
pub enum Shows {
    Refused(&'static str),
    Fault(&'static str),
}
use Shows::{Fault, Refused};

/// One bad habit: the paths that it shows on, and what the server does there.
pub struct Habit {
    pub name: &'static str,
    part: &'static str,
    pub shows: Shows,
    twist: Box<dyn Fn(Option<Vec<u8>>) -> Reply + Send + Sync>,
}

impl Habit {
    pub async fn start(self, chain: &Arc<Chain>) -> TestServer {
        TestServer::twisted(chain, self.part, self.twist).await
    }
}

/// A habit on paths that contain `part`.
fn habit(
    name: &'static str,
    part: &'static str,
    shows: Shows,
    twist: impl Fn(Option<Vec<u8>>) -> Reply + Send + Sync + 'static,
) -> Habit {
    Habit { name, part, shows, twist: Box::new(twist) }
}

/// A habit of answering with these bytes.
fn bytes(name: &'static str, part: &'static str, code: &'static str, body: Vec<u8>) -> Habit {
    habit(name, part, Refused(code), move |_| Reply::Ok(body.clone()))
}

/// A habit of answering with these bytes, whatever HTTP says.
fn raw(name: &'static str, part: &'static str, fault: &'static str, answer: Vec<u8>) -> Habit {
    habit(name, part, Fault(fault), move |_| Reply::Raw(answer.clone()))
}

/// Every habit that shows at the newest round of `plan` after so many rounds.
pub fn habits(plan: &Plan, rounds: u64) -> Vec<Habit> {
    let mut all = connections();
    all.extend(statuses());
    all.extend(lies(plan, rounds));
    all
}

/// Servers that are slow, silent, broken off or without measure.
fn connections() -> Vec<Habit> {
    let closing = |body: Option<Vec<u8>>| {
        let body = body.unwrap_or_default();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        Reply::Raw([head.as_bytes(), &body[..body.len() / 2]].concat())
    };
    let halved = |body: Option<Vec<u8>>| {
        let mut body = body.unwrap_or_default();
        body.truncate(body.len() / 2);
        Reply::Ok(body)
    };
    let ok = |rest: &[u8]| [b"HTTP/1.1 200 OK\r\n", rest].concat();
    vec![
        habit("silent", "", Fault("in time"), |_| Reply::Silence),
        habit("silent later", "latest", Fault("in time"), |_| Reply::Silence),
        habit("one byte at a time", "latest", Fault("in time"), |body| Reply::Drip(body.unwrap_or_default())),
        habit("truncated", "latest", Refused("malformed"), halved),
        habit("closed in the middle", "latest", Fault("closed"), closing),
        raw("closed at once", "latest", "closed", Vec::new()),
        habit("a body without end", "latest", Fault("more than"), |_| Reply::Endless),
        habit("a large body", "latest", Fault("more than"), |_| Reply::Ok(vec![0; 1 << 20])),
        raw("a length that is a lie", "latest", "closed", ok(b"Content-Length: 99999999999\r\n\r\nabc")),
        raw("headers without end", "latest", "protocol", ok(&b"a: b\r\n".repeat(100_000))),
        raw("interim answers without end", "latest", "closed", b"HTTP/1.1 100 Continue\r\n\r\n".repeat(50_000)),
        raw("broken chunks", "latest", "", ok(b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n")),
        raw("not HTTP", "", "protocol", b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()),
    ]
}

/// Servers that answer with another status than they should.
fn statuses() -> Vec<Habit> {
    let status = |name, part, fault, status, headers, body: &'static [u8]| {
        habit(name, part, Fault(fault), move |_| Reply::Status(status, headers, body.to_vec()))
    };
    vec![
        status("redirecting", "latest", "redirect", 302, "Location: http://127.0.0.1:1/\r\n", b""),
        status("another protocol", "latest", "", 101, "Upgrade: websocket\r\n", b""),
        status("status 500", "latest", "500", 500, "", b"oh no"),
        status("status 503 with a code", "latest", "503 (stopped)", 503, "", br#"{"code":"stopped"}"#),
        status("status 404 for the chain", "info", "not there", 404, "", b"{"),
    ]
}

/// Servers that lie.
fn lies(plan: &Plan, rounds: u64) -> Vec<Habit> {
    let build = |plan: Plan, rounds| Chain::build(plan, rounds).expect("a plan");
    let chain = build(plan.clone(), rounds);
    let other = build(plan.clone().seed(plan.seed + 7), rounds);
    // The same seed with other weights shares names and times, not the committee.
    let heavier = build(Plan { weights: vec![2, 2, 2, 3], ..plan.clone() }, rounds);
    let newest = &chain.beacons[chain.beacons.len() - 1];
    let with = |change: &dyn Fn(&mut Beacon)| {
        let mut forged = newest.clone();
        change(&mut forged);
        encode(&forged)
    };
    let latest = |name, code, body| bytes(name, "latest", code, body);
    let few = with(&|beacon| {
        beacon.certificate.signatures.pop();
        let bits = &mut beacon.certificate.bitmap[0];
        *bits &= !(1 << bits.ilog2());
    });
    vec![
        latest("an empty body", "malformed", Vec::new()),
        bytes("an empty genesis", "info", "malformed", Vec::new()),
        latest("HTML", "malformed", b"<html>hello</html>".to_vec()),
        latest("more after the end", "trailing-bytes", [encode(newest), vec![0]].concat()),
        bytes("another chain's genesis", "info", "wrong-chain", encode(&other.genesis)),
        latest("another chain's beacon", "wrong-chain", encode(&other.beacons[other.beacons.len() - 1])),
        latest(
            "another committee",
            "wrong-committee",
            with(&|beacon| {
                beacon.header.committee = heavier.committees[0].hash();
                beacon.header.next_committee = beacon.header.committee;
            }),
        ),
        latest("a chosen output", "bad-signature", with(&|beacon| beacon.header.output = Digest32::ZERO)),
        latest("another due time", "wrong-due-time", with(&|beacon| beacon.header.due -= 1)),
        latest("a version to come", "unknown-version", with(&|beacon| beacon.header.version += 1)),
        latest("two signers of four", "no-quorum", few),
        latest(
            "the certificate of another round",
            "bad-signature",
            with(&|beacon| {
                beacon.certificate = chain.beacons[0].certificate.clone();
            }),
        ),
        latest("a round of the future", "future-round", {
            let later = build(plan.clone(), rounds + 90);
            encode(&later.beacons[later.beacons.len() - 1])
        }),
    ]
}

/// Asks a server with a habit alone, then with an honest one behind it.
async fn survive(habit: Habit, chain: &Arc<Chain>) {
    let (name, expected) = (
        habit.name,
        match &habit.shows {
            Refused(code) => (1, *code),
            Fault(part) => (3, *part),
        },
    );
    let limit = if expected.1 == "in time" { SHORT } else { LONG };
    let bad = habit.start(chain).await;
    let alone = builder(chain).server(bad.url.clone()).timeout(limit).build().expect("a client");
    let begun = Instant::now();
    let error = alone.latest().await.expect_err(name);
    assert!(begun.elapsed() < LONG, "{name}: {:?} is too long", begun.elapsed());
    match &error {
        Error::Refused(refusal) => {
            assert_eq!((error.exit_code(), refusal.code()), expected, "{name}: {refusal}");
            assert_eq!(refusal.from.as_deref(), Some(bad.url.as_str()), "{name}");
        }
        Error::Unreachable(faults) => {
            assert!(expected.0 == 3 && faults[0].1.to_string().contains(expected.1), "{name}: {}", faults[0].1);
        }
        _ => panic!("{name}: {error}"),
    }
    let good = TestServer::honest(chain).await;
    let both = builder(chain).servers([bad.url.clone(), good.url.clone()]).timeout(LONG).build().expect("a client");
    let newest = both.latest().await.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(newest.hash(), chain.beacons[chain.beacons.len() - 1].header.hash(), "{name}");
    assert_eq!(both.bans().len(), usize::from(expected.0 == 1), "{name}");
}

#[tokio::test]
async fn twenty_five_habits_and_more_are_survived() {
    let plan = Plan::new(4);
    let chain = Arc::new(Chain::build(plan.clone(), 5).expect("a plan"));
    let habits = habits(&plan, 5);
    let names: BTreeSet<&str> = habits.iter().map(|habit| habit.name).collect();
    assert!(names.len() == habits.len() && names.len() >= 25, "{} names", names.len());
    join_all(habits.into_iter().map(|habit| survive(habit, &chain))).await;
}

#[tokio::test]
async fn an_empty_range_is_no_answer() {
    let chain = chain(5);
    let empty = encode(&Vec::<Beacon>::new());
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
