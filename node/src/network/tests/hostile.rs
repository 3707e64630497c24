//! Strangers, offenders, floods, and owners that do not keep up.

use super::super::{Offence, Topic, Verdict};
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_on_another_chain_cannot_talk() {
    let mut here = Node::start(config(1, Carrier::Tcp.any_port(), &[], &[1, 2, 3])).await;
    let peers = [here.address.clone()];
    let mut elsewhere = config(2, Carrier::Tcp.any_port(), &peers, &[1, 2]);
    elsewhere.chain = [2; 32];
    let stranger = Node::start(elsewhere).await;
    // A node of the right chain comes later and is heard; by then the other one was refused.
    let mut friend = Node::start(config(3, Carrier::Tcp.any_port(), &peers, &[1, 3])).await;
    let foreign = stranger.key;
    let mut foreign_up = false;
    here.wait(|event| {
        foreign_up |= matches!(event, NetworkEvent::PeerUp(key) if key == foreign);
        matches!(event, NetworkEvent::PeerUp(key) if key == friend.key).then_some(())
    })
    .await;
    friend.up(here.key).await;
    stranger.network.publish(Topic::Openings, b"foreign".to_vec());
    stranger.network.direct(here.key, b"foreign".to_vec());
    friend.network.publish(Topic::Openings, b"ours".to_vec());
    here.wait(|event| match event {
        NetworkEvent::Gossip { data, .. } => {
            assert_eq!(data, b"ours");
            Some(())
        }
        NetworkEvent::Direct { .. } => panic!("a direct message from another chain"),
        NetworkEvent::PeerUp(key) => {
            foreign_up |= key == foreign;
            None
        }
        _ => None,
    })
    .await;
    assert!(!foreign_up);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banned_peer_is_disconnected_and_comes_back_when_the_ban_is_over() {
    let mut strict = config(1, Carrier::Quic.any_port(), &[], &[1, 2]);
    // A member's ban is a twentieth of this.
    strict.limits.ban = Duration::from_secs(10);
    let mut judge = Node::start(strict).await;
    let peers = [judge.address.clone()];
    let mut offender = Node::start(config(2, Carrier::Quic.any_port(), &peers, &[1, 2])).await;
    judge.up(offender.key).await;
    offender.up(judge.key).await;
    // Invalid gossip is held against whoever passed it on.
    for number in 0..5u8 {
        offender.network.publish(Topic::Evidence, vec![number]);
        let (_, _, token) = judge.gossip(Topic::Evidence).await;
        judge.network.validate(token, Verdict::Reject);
    }
    judge.down(offender.key).await;
    offender.down(judge.key).await;
    judge.up(offender.key).await;
    for _ in 0..2 {
        judge.network.report(offender.key, Offence::BrokenFraming);
    }
    judge.down(offender.key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_do_not_crowd_out_members() {
    let mut narrow = config(1, Carrier::Tcp.any_port(), &[], &[1, 2]);
    narrow.limits.strangers = 2;
    let mut member = Node::start(narrow).await;
    let peers = [member.address.clone()];
    let mut strangers = Vec::new();
    for seed in 10..16 {
        strangers.push(Node::start(config(seed, Carrier::Tcp.any_port(), &peers, &[1, 2])).await);
    }
    let mut admitted = 0;
    member
        .wait(|event| {
            admitted += usize::from(matches!(event, NetworkEvent::PeerUp(_)));
            (admitted == 2).then_some(())
        })
        .await;
    let mut other = Node::start(config(2, Carrier::Tcp.any_port(), &peers, &[1, 2])).await;
    let mut further = 0;
    member
        .wait(|event| match event {
            NetworkEvent::PeerUp(key) if key == other.key => Some(()),
            NetworkEvent::PeerUp(_) => {
                further += 1;
                None
            }
            _ => None,
        })
        .await;
    assert_eq!(further, 0, "a third stranger got in");
    other.up(member.key).await;
    assert_eq!(member.network.peers().len(), 3);
}

/// An owner that reads no events: senders are slowed down, then drop and count; nothing is lost of
/// what was taken, and all goes on when the owner reads again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_owner_slows_its_senders_and_recovers() {
    let mut narrow = config(1, Carrier::Tcp.any_port(), &[], &[1, 2]);
    narrow.limits.events = 4;
    let mut slow = Node::start(narrow).await;
    let peers = [slow.address.clone()];
    let mut fast = Node::start(config(2, Carrier::Tcp.any_port(), &peers, &[1, 2])).await;
    slow.up(fast.key).await;
    fast.up(slow.key).await;
    let mut sent = 0u32;
    while fast.dropped(DropReason::DirectQueueFull) == 0 {
        let mut message = sent.to_be_bytes().to_vec();
        message.resize(64 * 1024, 0);
        fast.network.direct(slow.key, message);
        sent += 1;
        tokio::task::yield_now().await;
    }
    for expected in 0..sent - 1 {
        let data = slow.direct(fast.key).await;
        assert_eq!(data[..4], expected.to_be_bytes());
    }
    fast.network.direct(slow.key, b"again".to_vec());
    assert_eq!(slow.direct(fast.key).await, b"again");
}

/// Gossip beyond what the queues hold is dropped and counted, and the connection stays usable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gossip_flood_is_dropped_and_counted() {
    let mut nodes = committee(2, Carrier::Tcp).await;
    let flood = 6000u32;
    for number in 0..flood {
        nodes[0].network.publish(Topic::Openings, number.to_be_bytes().to_vec());
    }
    let dropped = |node: &Node| node.dropped(DropReason::CommandQueueFull) + node.dropped(DropReason::GossipQueuesFull);
    assert!(dropped(&nodes[0]) > 0);
    let mut arrived = 0;
    let mut last = Vec::new();
    let sender = nodes[0].network.clone();
    let mut again = tokio::time::interval(Duration::from_millis(100));
    let calm = async {
        loop {
            tokio::select! {
                (_, data, _) = nodes[1].gossip(Topic::Openings) => {
                    arrived += 1;
                    last = data;
                    if last == b"calm" {
                        return;
                    }
                }
                _ = again.tick() => sender.publish(Topic::Openings, b"calm".to_vec()),
            }
        }
    };
    timeout(PATIENCE, calm).await.unwrap();
    assert!(arrived > 100, "only {arrived} of {flood} arrived");
}
