//! Gossip, direct messages and requests between honest nodes.

use super::super::{NetworkError, NetworkEvent, RequestFailure, Topic, Verdict};
use super::*;

async fn everything_round_trips(carrier: Carrier) {
    let mut nodes = committee(4, carrier).await;
    let keys: Vec<PeerKey> = nodes.iter().map(|node| node.key).collect();

    for topic in Topic::ALL {
        let message = format!("{topic:?} from node 0").into_bytes();
        nodes[0].network.publish(topic, message.clone());
        for node in &mut nodes[1..] {
            let (_, data, token) = node.gossip(topic).await;
            assert_eq!(data, message);
            node.network.validate(token, Verdict::Accept);
        }
    }

    for (sender, from) in keys.iter().enumerate() {
        for (receiver, to) in keys.iter().enumerate() {
            if sender == receiver {
                continue;
            }
            for number in 0..3u8 {
                nodes[sender].network.direct(*to, vec![number; 1000]);
            }
            for number in 0..3u8 {
                assert_eq!(nodes[receiver].direct(*from).await, vec![number; 1000]);
            }
        }
    }

    let asked = nodes[2].network.request(keys[3], b"question".to_vec());
    let channel = nodes[3]
        .wait(|event| match event {
            NetworkEvent::Request { from, channel, data } => {
                assert_eq!((from, data), (keys[2], b"question".to_vec()));
                Some(channel)
            }
            _ => None,
        })
        .await;
    nodes[3].network.respond(channel, vec![7; super::super::RESPONSE_MAX]);
    nodes[2]
        .wait(|event| match event {
            NetworkEvent::Response { id, from, result } => {
                assert_eq!((id, from), (asked, keys[3]));
                assert_eq!(result.unwrap().len(), super::super::RESPONSE_MAX);
                Some(())
            }
            _ => None,
        })
        .await;

    let status = nodes[0].network.peers();
    assert_eq!(status.len(), 3);
    assert!(status.iter().all(|peer| peer.member && peer.up));
    for node in nodes {
        node.network.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_round_trips_over_tcp() {
    everything_round_trips(Carrier::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_round_trips_over_quic() {
    everything_round_trips(Carrier::Quic).await;
}

/// Beyond the size up to which all members are explicit peers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_larger_committee_hears_everybody() {
    let mut nodes = committee(9, Carrier::Tcp).await;
    for sender in 0..nodes.len() {
        let message = vec![sender as u8; 5000];
        nodes[sender].network.publish(Topic::Commitments, message.clone());
        for (index, node) in nodes.iter_mut().enumerate() {
            if index == sender {
                continue;
            }
            let (_, data, token) = node.gossip(Topic::Commitments).await;
            assert_eq!(data, message);
            node.network.validate(token, Verdict::Accept);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_published_again_arrives_again_and_an_echo_does_not() {
    let mut nodes = committee(2, Carrier::Tcp).await;
    for _ in 0..3 {
        nodes[0].network.publish(Topic::Openings, b"mine".to_vec());
        let (_, data, token) = nodes[1].gossip(Topic::Openings).await;
        assert_eq!(data, b"mine");
        nodes[1].network.validate(token, Verdict::Accept);
    }
    nodes[1].network.publish(Topic::Openings, b"mine".to_vec());
    nodes[1].network.publish(Topic::Openings, b"other".to_vec());
    assert_eq!(nodes[0].gossip(Topic::Openings).await.1, b"other");
    assert_eq!(nodes[1].dropped(DropReason::GossipCirculated), 1);
}

/// The middle of a line forwards what it accepts, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_accepted_messages_are_forwarded() {
    let mut middle = Node::start(config(1, Carrier::Tcp.any_port(), &[], &[1])).await;
    let peers = [middle.address.clone()];
    let mut left = Node::start(config(2, Carrier::Tcp.any_port(), &peers, &[1])).await;
    let mut right = Node::start(config(3, Carrier::Tcp.any_port(), &peers, &[1])).await;
    left.up(middle.key).await;
    right.up(middle.key).await;
    for (verdict, message) in
        [(Verdict::Ignore, b"ignored"), (Verdict::Reject, b"refused"), (Verdict::Accept, b"welcome")]
    {
        left.network.publish(Topic::Beacons, message.to_vec());
        let (from, data, token) = middle.gossip(Topic::Beacons).await;
        assert_eq!((from, &data[..]), (left.key, &message[..]));
        middle.network.validate(token, verdict);
    }
    let (from, data, _) = right.gossip(Topic::Beacons).await;
    assert_eq!((from, &data[..]), (middle.key, &b"welcome"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_asks_and_is_asked_but_sends_nothing_directly() {
    let mut member = Node::start(config(1, Carrier::Quic.any_port(), &[], &[1, 9])).await;
    let peers = [member.address.clone()];
    let mut observer = Node::start(config(2, Carrier::Quic.any_port(), &peers, &[1, 9])).await;
    observer.up(member.key).await;
    let id = observer.network.request(member.key, b"range".to_vec());
    let channel = member
        .wait(|event| match event {
            NetworkEvent::Request { channel, .. } => Some(channel),
            _ => None,
        })
        .await;
    member.network.respond(channel, Vec::new());
    let answered = observer
        .wait(|event| match event {
            NetworkEvent::Response { id, result, .. } => Some((id, result)),
            _ => None,
        })
        .await;
    assert_eq!(answered, (id, Ok(Vec::new())));
    observer.network.direct(member.key, b"psst".to_vec());
    assert_eq!(observer.dropped(DropReason::DirectNotConnected), 1);
    member.network.direct(observer.key, b"psst".to_vec());
    assert_eq!(member.dropped(DropReason::DirectNotConnected), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversize_messages_are_refused_where_they_are_made() {
    let mut node = Node::start(config(1, Carrier::Tcp.any_port(), &[], &[1])).await;
    node.network.publish(Topic::Beacons, vec![0; beacon_spec::gossip::GOSSIP_MAX + 1]);
    node.network.direct(key(2), vec![0; super::super::DIRECT_MAX + 1]);
    assert_eq!(node.dropped(DropReason::TooLarge), 2);
    let id = node.network.request(key(2), vec![0; super::super::REQUEST_MAX + 1]);
    let unconnected = node.network.request(key(2), Vec::new());
    let mut answers = std::collections::BTreeMap::new();
    node.wait(|event| {
        if let NetworkEvent::Response { id, result, .. } = event {
            answers.insert(id, result);
        }
        (answers.len() == 2).then_some(())
    })
    .await;
    assert_eq!(answers[&id], Err(RequestFailure::TooLarge));
    assert_eq!(answers[&unconnected], Err(RequestFailure::NotConnected));
}

/// The largest messages that are allowed do arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_messages_arrive() {
    let mut nodes = committee(2, Carrier::Quic).await;
    let first = nodes[0].key;
    let second = nodes[1].key;
    nodes[0].network.publish(Topic::Commitments, vec![5; beacon_spec::gossip::GOSSIP_MAX]);
    assert_eq!(nodes[1].gossip(Topic::Commitments).await.1.len(), beacon_spec::gossip::GOSSIP_MAX);
    nodes[0].network.direct(second, vec![5; super::super::DIRECT_MAX]);
    assert_eq!(nodes[1].direct(first).await.len(), super::super::DIRECT_MAX);
    nodes[0].network.request(second, vec![5; super::super::REQUEST_MAX]);
    let asked = nodes[1]
        .wait(|event| match event {
            NetworkEvent::Request { data, .. } => Some(data.len()),
            _ => None,
        })
        .await;
    assert_eq!(asked, super::super::REQUEST_MAX);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named() {
    for carrier in [Carrier::Tcp, Carrier::Quic] {
        let holder = Node::start(config(1, carrier.any_port(), &[], &[1])).await;
        let taken = holder.address.split("/p2p/").next().unwrap().to_owned();
        let second = config(2, taken.clone(), &[], &[1]);
        let Err(error) = Network::start(second, &mut Registry::default()).await else {
            panic!("two nodes share {taken}");
        };
        assert!(matches!(&error, NetworkError::PortInUse { address } if *address == taken), "{error}");
        let text = error.to_string();
        assert!(text.contains(&taken) && text.contains("in use") && text.contains("ss -lntup"), "{text}");
    }
}

#[tokio::test]
async fn malformed_addresses_are_named() {
    for bad in ["localhost:9000", "", "/ip4/1.2.3/tcp/1", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/1"] {
        let listen = Network::start(config(1, bad.to_owned(), &[], &[]), &mut Registry::default()).await;
        assert!(matches!(listen, Err(NetworkError::Address { address, .. }) if address == bad));
        let peers = config(1, Carrier::Tcp.any_port(), &[bad.to_owned()], &[]);
        let peers = Network::start(peers, &mut Registry::default()).await;
        assert!(matches!(peers, Err(NetworkError::Address { address, .. }) if address == bad));
    }
}

#[tokio::test]
async fn the_configuration_keeps_its_secret() {
    let config = config(7, Carrier::Tcp.any_port(), &[], &[]);
    let text = format!("{config:?}");
    assert!(text.contains("[REDACTED]") && !text.contains("7, 7"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_present_and_gives_or_refuses_what_is_drawn() {
    for carrier in [Carrier::Tcp, Carrier::Quic] {
        let mut giver = Node::start(config(1, carrier.any_port(), &[], &[1, 2])).await;
        let peers = [giver.address.clone()];
        let mut asker = Node::start(config(2, carrier.any_port(), &peers, &[1, 2])).await;
        asker.up(giver.key).await;
        assert_eq!(asker.network.presence(giver.key).await, Ok(()));
        assert_eq!(asker.network.presence(key(9)).await, Err(RequestFailure::NotConnected));
        for answer in [vec![7; 32], Vec::new()] {
            let (network, from) = (asker.network.clone(), giver.key);
            let drawing = tokio::spawn(async move { network.draw(from).await });
            let drawn = |event| match event {
                NetworkEvent::Draw { from, channel } => Some((from, channel)),
                _ => None,
            };
            let (from, channel) = giver.wait(drawn).await;
            assert_eq!(from, asker.key);
            giver.network.respond(channel, answer.clone());
            assert_eq!(drawing.await.unwrap(), Ok(Zeroizing::new(answer)));
        }
        let (asked, gone) = (asker.network.clone(), giver.key);
        giver.network.clone().shutdown().await;
        asker.down(gone).await;
        assert!(asked.presence(gone).await.is_err());
    }
}
