//! Members find each other through one of them.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_know_one_address_find_each_other() {
    let members = [1, 2, 3];
    let hub = Node::start(config(1, Carrier::Tcp.any_port(), &[], &members)).await;
    let peers = [hub.address.clone()];
    let mut left = Node::start(config(2, Carrier::Tcp.any_port(), &peers, &members)).await;
    left.up(hub.key).await;
    let mut right = Node::start(config(3, Carrier::Quic.any_port(), &peers, &members)).await;
    let (two, three) = (left.key, right.key);
    tokio::join!(left.up(three), right.up(two));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_without_a_name_is_enough() {
    let mut first = Node::start(config(1, Carrier::Quic.any_port(), &[], &[1, 2])).await;
    let bare = first.address.split("/p2p/").next().unwrap().to_owned();
    let mut second = Node::start(config(2, Carrier::Quic.any_port(), &[bare], &[1, 2])).await;
    let (one, two) = (first.key, second.key);
    tokio::join!(first.up(two), second.up(one));
}
