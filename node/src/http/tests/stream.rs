use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use serde_json::Value;

use super::fixture::{Server, ask, now, open, records, start};

/// A subscription, read event by event.
struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    async fn subscribe(server: &Server, query: &str, headers: &[(&str, &str)]) -> Events {
        let response = open(server.public, Method::GET, &format!("/beacon/stream{query}"), headers).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { body: response.into_body(), text: String::new() }
    }

    /// The next block of lines, nothing at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return Some(std::mem::replace(&mut self.text, rest));
            }
            let frame = self.body.frame().await?.ok()?;
            let data = frame.into_data().ok()?;
            self.text += std::str::from_utf8(&data).expect("events are text");
        }
    }

    /// The round of the next event, whose parts must agree.
    async fn round(&mut self) -> Option<(u64, Value)> {
        let block = self.block().await?;
        let lines: Vec<&str> = block.trim_end().lines().collect();
        assert_eq!(lines.len(), 3, "{block}");
        assert_eq!(lines[0], "event: beacon");
        let id: u64 = lines[1].strip_prefix("id: ").and_then(|id| id.parse().ok()).expect("an id");
        let data: Value = serde_json::from_str(lines[2].strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(data["round"].as_u64(), Some(id));
        Some((id, data))
    }

    async fn rounds(&mut self, from: u64, to: u64) {
        for expected in from..=to {
            assert_eq!(self.round().await.map(|(round, _)| round), Some(expected));
        }
    }
}

#[tokio::test]
async fn without_a_start_only_what_is_new_comes() {
    let server = start(14, 8, 12, 0, now).await;
    let mut events = Events::subscribe(&server, "", &[]).await;
    server.api.publish(&server.chain[12].beacon, None);
    server.api.publish(&server.chain[13].beacon, None);
    let (round, data) = events.round().await.expect("an event");
    assert_eq!(round, 13);
    assert_eq!(data, server.get("/beacon/rounds/13").await.json());
    events.rounds(14, 14).await;
}

#[tokio::test]
async fn backfill_from_disk_and_memory_runs_into_what_is_live() {
    let server = start(40, 8, 12, 0, now).await;
    let mut events = Events::subscribe(&server, "?from=1", &[]).await;
    events.rounds(1, 12).await;
    for round in &server.chain[12..] {
        server.api.publish(&round.beacon, None);
    }
    events.rounds(13, 40).await;
}

#[tokio::test]
async fn the_last_event_counts_more_than_the_address() {
    let server = start(14, 8, 12, 0, now).await;
    let mut events = Events::subscribe(&server, "?from=1", &[("last-event-id", "10")]).await;
    events.rounds(11, 12).await;
    server.api.publish(&server.chain[12].beacon, None);
    events.rounds(13, 13).await;
}

#[tokio::test]
async fn a_start_in_the_future_waits_for_it() {
    let server = start(14, 8, 11, 0, now).await;
    let mut events = Events::subscribe(&server, "?from=13", &[]).await;
    for round in &server.chain[11..] {
        server.api.publish(&round.beacon, None);
    }
    events.rounds(13, 14).await;
}

#[tokio::test]
async fn bad_starts_are_refused() {
    let server = start(2, 1, 2, 0, now).await;
    let answer = server.get("/beacon/stream?from=soon").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "bad-number"));
    let answer = ask(server.public, "/beacon/stream", &[("last-event-id", "x")]).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "bad-number"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_seam_loses_or_doubles_a_round() {
    let count = 1500;
    let mut server = start(count, 100, 150, 0, now).await;
    let mut readers = Vec::new();
    for from in [1u64, 90, 101, 149, 151, 600] {
        let mut events = Events::subscribe(&server, &format!("?from={from}"), &[]).await;
        readers.push(tokio::spawn(async move { events.rounds(from, count).await }));
    }
    // What is certified reaches the disk behind the subscribers' backs, now sooner, now later.
    for (number, round) in (1u64..).zip(server.chain.clone()) {
        if number > 150 {
            server.api.publish(&round.beacon, None);
        }
        if number > 100 {
            server.writing.put(records(&round), false);
        }
        if number % 300 == 0 {
            server.writing.settle();
        }
        if number % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for reader in readers {
        reader.await.expect("the reader's assertions hold");
    }
}

#[tokio::test]
async fn a_slow_reader_lags_and_loses_nothing() {
    let count = 3000;
    let mut server = start(count, 1, 1, 0, now).await;
    let mut events = Events::subscribe(&server, "?from=1", &[]).await;
    events.rounds(1, 1).await;
    // Nobody reads meanwhile; far more than the sockets or the memory of recent rounds hold.
    for round in &server.chain[1..] {
        server.api.publish(&round.beacon, None);
        server.writing.put(records(round), false);
    }
    server.writing.settle();
    let mut other = Events::subscribe(&server, "?from=2990", &[]).await;
    other.rounds(2990, count).await;
    events.rounds(2, count).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_shows_that_it_lives() {
    let server = start(3, 1, 2, 0, now).await;
    let mut events = Events::subscribe(&server, "", &[]).await;
    for _ in 0..20 {
        assert_eq!(events.block().await.as_deref(), Some(":\n\n"));
    }
    server.api.publish(&server.chain[2].beacon, None);
    events.rounds(3, 3).await;
}

#[tokio::test]
async fn streams_end_when_the_node_stops() {
    let server = start(3, 1, 2, 0, now).await;
    let mut events = Events::subscribe(&server, "?from=1", &[]).await;
    events.rounds(1, 2).await;
    server.stop.send(()).expect("the server runs");
    assert!(events.block().await.is_none());
    server.served.await.expect("the server ends by itself");
}

#[tokio::test]
async fn a_subscriber_that_leaves_gives_its_place_back() {
    let server = start(3, 1, 2, 0, now).await;
    let subscribed = "beacon_http_subscribers 1";
    let gone = "beacon_http_subscribers 0";
    let mut events = Events::subscribe(&server, "?from=1", &[]).await;
    events.rounds(1, 2).await;
    assert!(String::from_utf8_lossy(&server.get("/metrics").await.body).contains(subscribed));
    drop(events);
    while !String::from_utf8_lossy(&server.get("/metrics").await.body).contains(gone) {
        tokio::task::yield_now().await;
    }
}
