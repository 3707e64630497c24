//! One hop on the loopback, printed and not judged: `cargo test -p beacon-node hop -- --nocapture`.

use std::time::Instant;

use super::super::{Topic, Verdict};
use super::*;

const ROUNDS: usize = 200;

async fn one_hop(carrier: Carrier) {
    let start = Instant::now();
    let mut nodes = committee(4, carrier).await;
    println!("{carrier:?}: four nodes connected after {:?}", start.elapsed());
    let (first, second) = (nodes[0].key, nodes[1].key);
    for size in [150, 1024, 10 * 1024] {
        let mut gossip = Vec::new();
        let mut direct = Vec::new();
        for round in 0..ROUNDS {
            let mut message = vec![0; size];
            message[..8].copy_from_slice(&round.to_be_bytes());
            let start = Instant::now();
            nodes[0].network.publish(Topic::Openings, message.clone());
            let (_, data, token) = nodes[1].gossip(Topic::Openings).await;
            gossip.push(start.elapsed());
            assert_eq!(data, message);
            nodes[1].network.validate(token, Verdict::Accept);
            for node in &mut nodes[2..] {
                let (_, _, token) = node.gossip(Topic::Openings).await;
                node.network.validate(token, Verdict::Accept);
            }
            let start = Instant::now();
            nodes[0].network.direct(second, message.clone());
            assert_eq!(nodes[1].direct(first).await, message);
            direct.push(start.elapsed());
        }
        for (way, times) in [("gossip", &mut gossip), ("direct", &mut direct)] {
            times.sort();
            println!(
                "{carrier:?} {way} {size:>5} bytes: p50 {:?}, p99 {:?}",
                times[ROUNDS / 2],
                times[ROUNDS * 99 / 100]
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hop_over_tcp() {
    one_hop(Carrier::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hop_over_quic() {
    one_hop(Carrier::Quic).await;
}
