//! Nodes that die, withhold, or are too few.

use std::fs;
use std::time::Duration;

use beacon_client::source::http::HttpSource;
use beacon_client::source::{Request, Source};
use beacon_spec::chain::{Beacon, Revealed, TRANSCRIPT_LIMITS, Transcript};
use beacon_spec::codec::decode;
use beacon_spec::message::Opening;
use beacon_testnet::{health, http};
use tokio::time::{Instant, interval};

use crate::harness::{Net, PATIENCE, preloaded};

/// SIGKILL of one node: rounds go on; back again it serves every round.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_is_not_missed_and_catches_up() {
    let mut net = Net::start(&[30, 30, 25, 15], 300, 1).await;
    net.rounds_more(5).await;
    net.network.kill(0).await.unwrap();
    let goal = net.newest() + 10;
    net.until("three nodes go on", |view| view.nodes[1..].iter().all(|seen| seen.round() >= goal)).await;
    assert!(net.view.nodes[0].round() < goal, "a killed node shows nothing");
    net.network.restart(0, false).await.unwrap();
    let rounds = net.rounds_more(5).await;
    net.assert_agreement(rounds, &[]).await;
    net.finish().await;
}

/// A node that never opens: its secrets are recovered, and the outputs are those that its openings would have given.
#[tokio::test(flavor = "multi_thread")]
async fn withheld_openings_are_recovered_and_change_no_bit() {
    let mut net = Net::start(&[30, 30, 25, 15], 400, 1).await;
    net.rounds_more(2).await;
    net.network.restart(1, true).await.unwrap();
    let (_, committee) = net.genesis();
    let index =
        committee.members().iter().position(|member| member.identity.to_string() == net.network.nodes[1].identity);
    let index = u16::try_from(index.expect("node 1 is a member")).unwrap();
    // A round whose set was agreed after the restart, with time for a few of them.
    let rounds = net.rounds_more(8).await;
    let source = HttpSource::new(&net.url(0), PATIENCE).unwrap();
    let mut recovered = 0;
    for round in 1..=rounds {
        let bytes = source.fetch(Request::Transcript(round), TRANSCRIPT_LIMITS.max_bytes).await.unwrap();
        let mut transcript: Transcript = decode(&bytes, &TRANSCRIPT_LIMITS).unwrap();
        let beacon = fetch(&source, round).await;
        transcript.audit(&beacon.header, &committee).expect("the transcript gives the output");
        let Some(contribution) = transcript.contributions.iter_mut().find(|found| found.member == index) else {
            continue;
        };
        if !matches!(contribution.revealed, Revealed::Recovered(_)) {
            continue;
        }
        contribution.revealed = Revealed::Opened(withheld(&net, round, index));
        transcript.audit(&beacon.header, &committee).expect("the withheld secret gives the same output");
        recovered += 1;
    }
    assert!(recovered >= 3, "{recovered} of {rounds} rounds were completed by recovery");
    net.assert_agreement(rounds, &[]).await;
    net.finish().await;
}

async fn fetch(source: &HttpSource, round: u64) -> Beacon {
    let limits = beacon_spec::chain::BEACON_LIMITS;
    decode(&source.fetch(Request::Round(round), limits.max_bytes).await.unwrap(), &limits).unwrap()
}

/// The secret that the withholding node kept for itself.
fn withheld(net: &Net, round: u64, member: u16) -> beacon_spec::keys::ScalarBytes {
    let text = fs::read_to_string(net.network.nodes[1].home.join("withheld.jsonl")).unwrap();
    let mut openings = text.lines().map(|line| serde_json::from_str::<Opening>(line).unwrap());
    let found = openings.find(|opening| opening.round == round && opening.member == member);
    found.unwrap_or_else(|| panic!("the node noted no opening for round {round}")).d
}

/// Two of four down: rounds stop. Both back: they go on where they stopped, and none is skipped.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_rounds_wait_and_then_go_on() {
    let mut net = Net::start(&[1, 1, 1, 1], 200, 1).await;
    net.rounds_more(5).await;
    net.network.kill(2).await.unwrap();
    net.network.kill(3).await.unwrap();
    // What was on its way when they died may still arrive; after so many overdue rounds nothing is.
    let before = overdue(&net, 10).await;
    let after = overdue(&net, 25).await;
    assert_eq!(before, after, "no round is certified without a quorum");
    net.network.restart(2, false).await.unwrap();
    net.network.restart(3, false).await.unwrap();
    net.until("the rounds go on", |view| view.common() >= after + 10).await;
    // The comparison walks every link from the genesis on, so a skipped round would break it.
    net.assert_agreement(after + 10, &[]).await;
    net.finish().await;
}

/// A clock far off its peers is told to the operator and to Prometheus, and makes no round early for anybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_far_ahead_is_noticed_and_does_no_harm() {
    const SKEW: f64 = 60.0;
    let mut net = Net::made(&[30, 30, 25, 15], 400, 1).await;
    let library = preloaded(&net, "skewed_clock").await;
    let environment = [("LD_PRELOAD".into(), library.into()), ("SKEW_SECONDS".into(), SKEW.to_string().into())];
    net.network.nodes[3].environment.extend(environment);
    net.network.start().unwrap();
    let rounds = net.rounds_more(8).await;
    let fast = net.network.nodes[3].endpoints.http_address();
    let deadline = Instant::now() + PATIENCE;
    let mut ask = interval(Duration::from_millis(100));
    loop {
        ask.tick().await;
        let metrics = http::get(fast, "/metrics").await.expect("the node answers").body;
        let metrics = String::from_utf8(metrics).unwrap();
        let offset = metrics.lines().find_map(|line| line.strip_prefix("beacon_clock_offset_seconds "));
        let offset: f64 = offset.expect("the metric is there").parse().unwrap();
        let log = fs::read_to_string(&net.network.nodes[3].log).unwrap();
        if (offset - SKEW).abs() < 2.0 && log.contains("this clock is far from the median of the peers' clocks") {
            break;
        }
        assert!(Instant::now() < deadline, "the offset is {offset} s; {}", net.network.nodes[3].tail());
    }
    let early = net.view.latencies.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(early >= 0.0, "a round was certified {early} ms before it was due");
    net.assert_agreement(rounds, &[]).await;
    net.finish().await;
}

/// Waits until node 0 says that it is so many rounds behind its schedule; gives the newest round it has.
async fn overdue(net: &Net, rounds: u64) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    let mut ask = interval(Duration::from_millis(50));
    loop {
        ask.tick().await;
        let health = health::of(net.network.nodes[0].endpoints.http_address()).await.expect("node 0 answers");
        if health.behind >= Some(rounds) {
            return health.current.expect("a node tells its round");
        }
        assert!(Instant::now() < deadline, "node 0 never fell {rounds} rounds behind: {health:?}");
    }
}
