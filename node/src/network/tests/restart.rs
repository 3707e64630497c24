//! Nodes that go and come back.

use tokio::sync::oneshot;

use super::super::{Topic, Verdict};
use super::*;

/// Both sides deliver in both ways, whatever went before.
async fn talk(one: &mut Node, two: &mut Node) {
    exchange(one, two).await;
    exchange(two, one).await;
}

async fn exchange(from: &mut Node, to: &mut Node) {
    // Gossip remembers for a minute what it has seen, so each message is a new one.
    let message = [&from.key[..], &getrandom::u64().unwrap().to_be_bytes()].concat();
    from.network.publish(Topic::Openings, message.clone());
    let (_, data, token) = to.gossip(Topic::Openings).await;
    assert_eq!(data, message);
    to.network.validate(token, Verdict::Accept);
    from.network.direct(to.key, b"direct".to_vec());
    assert_eq!(to.direct(from.key).await, b"direct");
}

/// A listen address without the peer's name.
fn bare(node: &Node) -> String {
    node.address.split("/p2p/").next().unwrap().to_owned()
}

async fn a_restarted_node_delivers_again(carrier: Carrier) {
    let mut nodes = committee(2, carrier).await;
    let mut second = nodes.pop().unwrap();
    let mut first = nodes.pop().unwrap();
    talk(&mut first, &mut second).await;

    // A socket may outlive its node by a moment, and its port be another's by then, unless the process ends.
    let listen = carrier.any_port();
    let peers = [first.address.clone()];
    second.network.clone().shutdown().await;
    first.down(second.key).await;
    let mut second = Node::start(config(2, listen, &peers, &[1, 2])).await;
    let (one, two) = (first.key, second.key);
    tokio::join!(first.up(two), second.up(one));
    talk(&mut first, &mut second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_node_delivers_again_over_tcp() {
    a_restarted_node_delivers_again(Carrier::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_node_delivers_again_over_quic() {
    a_restarted_node_delivers_again(Carrier::Quic).await;
}

/// A node on a runtime of its own. While nobody runs that, the node is a machine that hangs or has
/// lost its power: its connections stand and nothing answers.
struct Frozen {
    runtime: tokio::runtime::Runtime,
    node: Node,
}

impl Frozen {
    /// Starts node 2, waits until it and `first` are up at each other, and freezes it. That it sees `first` does not
    /// mean that `first` sees it already, and frozen it could not tell any more.
    async fn start(config: NetworkConfig, first: &mut Node) -> Self {
        let peer = first.key;
        let (seen, both_up) = oneshot::channel::<()>();
        let start = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let node = runtime.block_on(async {
                let mut node = Node::start(config).await;
                node.up(peer).await;
                both_up.await.unwrap();
                node
            });
            Frozen { runtime, node }
        };
        let running = tokio::task::spawn_blocking(start);
        first.up(key(2)).await;
        seen.send(()).unwrap();
        running.await.unwrap()
    }

    /// Lets the node run until `peer` was lost and is up again.
    async fn thaw_until_up(mut self, peer: PeerKey) -> Self {
        let run = move || {
            self.runtime.block_on(async {
                self.node.down(peer).await;
                self.node.up(peer).await;
            });
            self
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// A runtime must not be dropped where others run.
    async fn bury(self) {
        tokio::task::spawn_blocking(move || std::mem::drop(self)).await.unwrap();
    }
}

/// rust-libp2p issue 5097: the first process says no farewell, its connection still stands at the
/// other node, and the second process comes with the same identity.
async fn a_crashed_node_delivers_again(carrier: Carrier) {
    let mut first = Node::start(config(1, carrier.any_port(), &[], &[1, 2])).await;
    let peers = [first.address.clone()];
    let crashed = Frozen::start(config(2, carrier.any_port(), &peers, &[1, 2]), &mut first).await;

    let mut second = Node::start(config(2, carrier.any_port(), &peers, &[1, 2])).await;
    first.down(key(2)).await;
    let (one, two) = (first.key, second.key);
    tokio::join!(first.up(two), second.up(one));
    talk(&mut first, &mut second).await;
    crashed.bury().await;
}

/// Silence is noticed, and who was silent for a while comes back by itself.
async fn a_hanging_node_is_noticed_and_comes_back(carrier: Carrier) {
    let mut first = Node::start(config(1, carrier.any_port(), &[], &[1, 2])).await;
    let peers = [first.address.clone()];
    let hanging = Frozen::start(config(2, carrier.any_port(), &peers, &[1, 2]), &mut first).await;
    first.down(key(2)).await;
    let thawed = hanging.thaw_until_up(first.key).await;
    first.up(key(2)).await;
    thawed.bury().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_node_is_noticed_and_comes_back_over_tcp() {
    a_hanging_node_is_noticed_and_comes_back(Carrier::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_node_is_noticed_and_comes_back_over_quic() {
    a_hanging_node_is_noticed_and_comes_back(Carrier::Quic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crashed_node_delivers_again_over_quic() {
    a_crashed_node_delivers_again(Carrier::Quic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crashed_node_delivers_again_over_tcp() {
    a_crashed_node_delivers_again(Carrier::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_starts_late_is_found() {
    let mut early = Node::start(config(1, Carrier::Tcp.any_port(), &[], &[1, 2])).await;
    let listen = bare(&early);
    let address = early.address.clone();
    early.network.clone().shutdown().await;
    std::mem::drop(early);
    let mut waiting = Node::start(config(2, Carrier::Tcp.any_port(), &[address], &[1, 2])).await;
    early = Node::start(config(1, listen, &[], &[1, 2])).await;
    let one = early.key;
    let two = waiting.key;
    tokio::join!(waiting.up(one), early.up(two));
    talk(&mut early, &mut waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_becomes_a_member_may_send_directly() {
    let mut member = Node::start(config(1, Carrier::Tcp.any_port(), &[], &[1])).await;
    let peers = [member.address.clone()];
    let mut other = Node::start(config(2, Carrier::Tcp.any_port(), &peers, &[1])).await;
    let (one, two) = (member.key, other.key);
    tokio::join!(member.up(two), other.up(one));
    other.network.set_members(vec![one, two]);
    member.network.set_members(vec![one, two]);
    // Each network task applies it in its own time, so the first messages may find no queue.
    let mut again = tokio::time::interval(std::time::Duration::from_millis(20));
    let wait = async {
        loop {
            tokio::select! {
                data = other.direct(one) => return data,
                _ = again.tick() => member.network.direct(two, b"direct".to_vec()),
            }
        }
    };
    assert_eq!(timeout(PATIENCE, wait).await.unwrap(), b"direct");
}
