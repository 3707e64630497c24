//! What scenario files say of nodes that withhold and of clocks, and what only processes show of it.

use std::fs;
use std::time::Duration;

use beacon_client::source::http::HttpSource;
use beacon_client::source::{Request, Source};
use beacon_spec::chain::{Beacon, Revealed, TRANSCRIPT_LIMITS, Transcript};
use beacon_spec::codec::decode;
use beacon_spec::message::Opening;
use beacon_testnet::http;
use tokio::time::{Instant, interval};

use crate::harness::{Net, PATIENCE};

/// A node that never opens: its secrets are recovered, and the outputs are those that its openings would have given.
#[tokio::test(flavor = "multi_thread")]
async fn withheld_openings_are_recovered_and_change_no_bit() {
    let net = Net::played("withheld-openings").await;
    let (_, committee) = net.genesis();
    let index =
        committee.members().iter().position(|member| member.identity.to_string() == net.network.nodes[1].identity);
    let index = u16::try_from(index.expect("node 1 is a member")).unwrap();
    let rounds = net.view.common();
    let source = HttpSource::new(&net.url(0), PATIENCE).unwrap();
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
    }
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

/// A clock far off its peers is told to the operator and to Prometheus, and makes no round early for anybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_far_ahead_is_noticed_and_does_no_harm() {
    const SKEW: f64 = 60.0;
    let net = Net::played("clock-skew").await;
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
    net.finish().await;
}
