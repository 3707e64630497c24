//! Subscriptions: every round once and in order, whatever servers do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use beacon_client::client::Clock;
use beacon_client::fabricate::{Chain, Plan};
use beacon_client::follow::{Arrival, Event, Subscription};
use beacon_client::{Client, Error};
use beacon_spec::hash::Digest32;

use super::server::{Reply, TestServer, honest};
use super::{builder, chain, client};

/// Waits until servers have a subscriber.
async fn connected(servers: &[&TestServer]) {
    while servers.iter().any(|server| server.hits("stream") == 0) {
        tokio::task::yield_now().await;
    }
}

/// The next beacon's round and how it came.
async fn beacon(subscription: &mut Subscription) -> (u64, Arrival) {
    loop {
        match subscription.event().await.expect("the subscription goes on").expect("nothing fatal") {
            Event::Beacon(verified, arrival) => return (verified.round(), arrival),
            Event::Late { .. } | Event::Trouble { .. } | Event::Banned(_) => {}
        }
    }
}

async fn expect(subscription: &mut Subscription, rounds: std::ops::RangeInclusive<u64>) {
    for round in rounds {
        assert_eq!(beacon(subscription).await.0, round);
    }
}

#[tokio::test]
async fn the_past_is_fetched_and_the_present_pushed() {
    let chain = Arc::new(Chain::build(Plan::new(4).epochs(2, 4), 60).expect("a plan"));
    let server = TestServer::honest(&chain).await;
    server.tip.send_replace(30);
    let client = client(&chain, &[&server]);
    let mut subscription = client.subscribe(Some(1)).await.expect("a subscription");
    expect(&mut subscription, 1..=30).await;
    for tip in 31..=60 {
        server.tip.send_replace(tip);
        expect(&mut subscription, tip..=tip).await;
    }
    assert_eq!(client.latest().await.expect("the head moved along").round(), 60);
}

#[tokio::test]
async fn from_the_newest_or_from_a_round_to_come() {
    let chain = chain(40);
    let server = TestServer::honest(&chain).await;
    server.tip.send_replace(30);
    let client = client(&chain, &[&server]);
    let mut newest = client.subscribe(None).await.expect("a subscription");
    let mut later = client.subscribe(Some(35)).await.expect("a subscription");
    expect(&mut newest, 30..=30).await;
    server.tip.send_replace(36);
    expect(&mut newest, 31..=36).await;
    expect(&mut later, 35..=36).await;
    server.tip.send_replace(37);
    assert_eq!(client.wait_for(37).await.expect("round 37").round(), 37);
    assert!(client.subscribe(Some(0)).await.is_err());
}

#[tokio::test]
async fn a_chain_without_rounds_is_waited_for() {
    let chain = chain(3);
    let server = TestServer::honest(&chain).await;
    server.tip.send_replace(0);
    let client = client(&chain, &[&server]);
    assert!(matches!(client.latest().await, Err(Error::NotYet { round: 1, .. })));
    let mut subscription = client.subscribe(None).await.expect("a subscription");
    // The subscriber connects first; then the rounds come.
    connected(&[&server]).await;
    server.tip.send_replace(3);
    expect(&mut subscription, 1..=3).await;
}

#[tokio::test]
async fn gaps_in_what_is_pushed_are_fetched() {
    let chain = chain(30);
    // Only every fifth round is pushed.
    let sparse = |path: &str, body: Option<Vec<u8>>| {
        let text = body.as_deref().unwrap_or_default();
        let skipped = path.contains("stream")
            && !text.starts_with(b"event: beacon\nid: 5\n")
            && !(text.get(15..18).is_some_and(|id| id[1..2].contains(&b'5') || id[1..2].contains(&b'0')));
        if skipped { Reply::Ok(Vec::new()) } else { honest(path, body) }
    };
    let server = TestServer::start(&chain, Arc::new(sparse)).await;
    server.tip.send_replace(1);
    let mut subscription = client(&chain, &[&server]).subscribe(Some(1)).await.expect("a subscription");
    expect(&mut subscription, 1..=1).await;
    connected(&[&server]).await;
    server.tip.send_replace(30);
    expect(&mut subscription, 2..=30).await;
}

#[tokio::test]
async fn without_any_push_rounds_are_fetched_when_due() {
    let chain = Arc::new(Chain::build(Plan::new(4).times(1_704_067_200_000, 40), 20).expect("a plan"));
    let deaf = |path: &str, body| if path.contains("stream") { Reply::Silence } else { honest(path, body) };
    let server = TestServer::start(&chain, Arc::new(deaf)).await;
    server.tip.send_replace(5);
    let mut subscription = client(&chain, &[&server]).subscribe(None).await.expect("a subscription");
    expect(&mut subscription, 5..=5).await;
    server.tip.send_replace(20);
    for round in 6..=20 {
        assert_eq!(beacon(&mut subscription).await, (round, Arrival::Fetch));
    }
}

#[tokio::test]
async fn signs_of_life_are_no_rounds() {
    // The stream says again and again that it lives, or repeats an old round; the rounds are fetched all the same.
    let chain = Arc::new(Chain::build(Plan::new(4).times(1_704_067_200_000, 40), 20).expect("a plan"));
    for text in [b": alive\n\n".repeat(100), super::server::event(&chain, 3).repeat(100)] {
        let busy =
            move |path: &str, body| if path.contains("stream") { Reply::Ok(text.clone()) } else { honest(path, body) };
        let server = TestServer::start(&chain, Arc::new(busy)).await;
        server.tip.send_replace(5);
        let mut subscription = client(&chain, &[&server]).subscribe(None).await.expect("a subscription");
        expect(&mut subscription, 5..=5).await;
        server.tip.send_replace(20);
        for round in 6..=20 {
            assert_eq!(beacon(&mut subscription).await, (round, Arrival::Fetch));
        }
    }
}

#[tokio::test]
async fn broken_streams_are_taken_up_again() {
    let chain = chain(12);
    // Each connection brings one round and breaks.
    let breaking = |path: &str, body: Option<Vec<u8>>| match honest(path, body) {
        Reply::Ok(text) if path.contains("stream") => {
            Reply::Raw([b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(), &text].concat())
        }
        other => other,
    };
    let server = TestServer::start(&chain, Arc::new(breaking)).await;
    server.tip.send_replace(10);
    let mut subscription = client(&chain, &[&server]).subscribe(Some(2)).await.expect("a subscription");
    expect(&mut subscription, 2..=10).await;
    server.tip.send_replace(12);
    expect(&mut subscription, 11..=12).await;
}

#[tokio::test]
async fn a_dead_server_is_survived_by_another() {
    let chain = chain(30);
    let (dying, good) = (TestServer::honest(&chain).await, TestServer::honest(&chain).await);
    dying.tip.send_replace(10);
    good.tip.send_replace(10);
    let mut subscription = client(&chain, &[&dying, &good]).subscribe(None).await.expect("a subscription");
    expect(&mut subscription, 10..=10).await;
    drop(dying);
    for tip in 11..=30 {
        good.tip.send_replace(tip);
        expect(&mut subscription, tip..=tip).await;
    }
}

/// Twists pushed events from round 11 on and sees that the server is banned while another goes on.
async fn banned(code: &str, twist: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) {
    let chain = chain(20);
    let lie = move |path: &str, body: Option<Vec<u8>>| match honest(path, body) {
        Reply::Ok(text) if path.contains("stream") => Reply::Ok(twist(text)),
        Reply::Ok(_) if path.contains("rounds?") => honest(path, None),
        other => other,
    };
    let (liar, good) = (TestServer::start(&chain, Arc::new(lie)).await, TestServer::honest(&chain).await);
    liar.tip.send_replace(10);
    good.tip.send_replace(10);
    let client = client(&chain, &[&liar, &good]);
    let mut subscription = client.subscribe(None).await.expect("a subscription");
    expect(&mut subscription, 10..=10).await;
    connected(&[&liar, &good]).await;
    liar.tip.send_replace(20);
    let refusal = loop {
        if let Event::Banned(refusal) = subscription.event().await.expect("an event").expect("nothing fatal") {
            break refusal;
        }
    };
    assert_eq!(refusal.code(), code);
    assert_eq!(refusal.from.as_deref(), Some(liar.url.as_str()));
    good.tip.send_replace(20);
    expect(&mut subscription, 11..=20).await;
    assert_eq!(client.bans().len(), 1);
}

#[tokio::test]
async fn pushed_nonsense_is_banned() {
    banned("bad-json", |_| b"event: beacon\ndata: {\"round\": 11}\n\n".to_vec()).await;
}

#[tokio::test]
async fn an_endless_line_is_banned() {
    banned("too-long", |_| [b"data: ".as_slice(), &[b'x'; 200_000]].concat()).await;
}

#[tokio::test]
async fn a_pushed_output_that_nobody_signed_is_banned() {
    banned("inconsistent", |text| {
        let text = String::from_utf8(text).expect("JSON");
        let at = text.find("\"output\":\"").expect("an output") + 10;
        [&text[..at], &Digest32::ZERO.to_string(), &text[at + 64..]].concat().into_bytes()
    })
    .await;
}

#[tokio::test]
async fn a_pushed_round_of_the_future_is_banned() {
    let far = super::server::event(&chain(400), 400);
    banned("future-round", move |_| far.clone()).await;
}

#[tokio::test]
async fn a_pushed_fork_is_fatal() {
    let chain = chain(20);
    let forked = Arc::new(Chain::build(Plan::new(4).fork(11), 20).expect("a plan"));
    let server = TestServer::honest(&chain).await;
    let liar = TestServer::honest(&forked).await;
    server.tip.send_replace(12);
    liar.tip.send_replace(12);
    let now = chain.beacons[11].header.due;
    let client = builder(&chain).servers([server.url.clone(), liar.url.clone()]).clock(Arc::new(move || now));
    let mut subscription = client.build().expect("a client").subscribe(None).await.expect("a subscription");
    expect(&mut subscription, 12..=12).await;
    liar.tip.send_replace(13);
    let conflict = loop {
        match subscription.event().await.expect("an event") {
            Err(Error::Conflict(conflict)) => break conflict,
            Err(error) => panic!("{error}"),
            Ok(_) => {}
        }
    };
    assert_eq!(conflict.trusted, chain.beacons[11].header);
    assert_eq!(conflict.offered, forked.beacons[12].header);
    assert!(subscription.event().await.is_none());
}

#[tokio::test]
async fn lateness_is_told_in_rounds() {
    let chain = chain(20);
    let server = TestServer::honest(&chain).await;
    server.tip.send_replace(10);
    let time = Arc::new(AtomicU64::new(chain.beacons[9].header.due));
    let read = Arc::clone(&time);
    let clock: Clock = Arc::new(move || read.load(Ordering::SeqCst));
    let client: Client = builder(&chain).server(server.url.clone()).clock(clock).build().expect("a client");
    // Three rounds later by the clock, and the server still stands where it did.
    time.store(chain.beacons[12].header.due + 2500, Ordering::SeqCst);
    let mut subscription = client.subscribe(None).await.expect("a subscription");
    let late = loop {
        match subscription.event().await.expect("an event").expect("nothing fatal") {
            Event::Late { have, expected } => break (have, expected),
            Event::Beacon(verified, _) => assert_eq!(verified.round(), 10),
            event => panic!("{event:?}"),
        }
    };
    assert_eq!(late, (10, 13));
    server.tip.send_replace(13);
    expect(&mut subscription, 11..=13).await;
}

/// The head moves to a fork by other means while a subscription is behind it: the fork is seen in the middle of the
/// range that is fetched.
#[tokio::test]
async fn a_head_that_is_not_on_the_range_fetched_is_a_conflict() {
    let chain = chain(25);
    let forked = Arc::new(Chain::build(Plan::new(4).fork(15), 20).expect("a plan"));
    let deceived = Arc::new(AtomicBool::new(false));
    let silent = Arc::clone(&deceived);
    let half = move |path: &str, body| match path {
        _ if path.contains("stream") => Reply::Silence,
        _ if silent.load(Ordering::SeqCst) && !path.contains("rounds?") => honest(path, None),
        _ => honest(path, body),
    };
    let server = TestServer::start(&chain, Arc::new(half)).await;
    let lie = |path: &str, body| match path {
        _ if path.contains("stream") => Reply::Silence,
        _ if path.contains("rounds?") => honest(path, None),
        _ => honest(path, body),
    };
    let liar = TestServer::start(&forked, Arc::new(lie)).await;
    server.tip.send_replace(10);
    let client = client(&chain, &[&server, &liar]);
    let mut subscription = client.subscribe(Some(1)).await.expect("a subscription");
    expect(&mut subscription, 1..=10).await;
    deceived.store(true, Ordering::SeqCst);
    assert_eq!(client.latest().await.expect("the fork extends round 10").hash(), forked.beacons[19].header.hash());
    server.tip.send_replace(25);
    let conflict = loop {
        match subscription.event().await.expect("an event") {
            Err(Error::Conflict(conflict)) => break conflict,
            Ok(Event::Beacon(verified, _)) => panic!("round {} excludes the head", verified.round()),
            Err(error) => panic!("{error}"),
            Ok(_) => {}
        }
    };
    assert_eq!(conflict.trusted, forked.beacons[19].header);
    assert_eq!(conflict.offered, chain.beacons[19].header);
}
