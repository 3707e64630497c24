//! What the network counts for itself; libp2p's own metrics are registered beside it.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Why a message was dropped instead of sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DropReason {
    /// The command queue of the network task is full.
    CommandQueueFull,
    /// The message is longer than its way allows.
    TooLarge,
    /// No connected peer subscribes to the topic.
    GossipNoPeers,
    /// The send queue of every subscribed peer is full.
    GossipQueuesFull,
    /// The message was accepted from a peer and forwarded already; publishing it again is needless.
    GossipCirculated,
    /// The gossip layer refused the message for another reason.
    GossipRefused,
    /// The member is not connected.
    DirectNotConnected,
    /// The member's queue is full: it, or the way to it, is too slow.
    DirectQueueFull,
    /// The asker is gone, or waited too long.
    ResponseLate,
    /// A stranger asks faster than its share.
    RequestRate,
}

impl DropReason {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::CommandQueueFull => "command_queue_full",
            Self::TooLarge => "too_large",
            Self::GossipNoPeers => "gossip_no_peers",
            Self::GossipQueuesFull => "gossip_queues_full",
            Self::GossipCirculated => "gossip_circulated",
            Self::GossipRefused => "gossip_refused",
            Self::DirectNotConnected => "direct_not_connected",
            Self::DirectQueueFull => "direct_queue_full",
            Self::ResponseLate => "response_late",
            Self::RequestRate => "request_rate",
        }
    }
}

/// Counters shared by the handle and the network task.
#[derive(Clone, Default)]
pub(super) struct NetworkMetrics {
    drops: Family<[(&'static str, &'static str); 1], Counter>,
    bans: Counter,
    resets: Counter,
}

impl NetworkMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("network_drops", "Messages dropped instead of sent, by reason", metrics.drops.clone());
        registry.register("network_bans", "Peers banned for their conduct", metrics.bans.clone());
        registry.register(
            "network_resets",
            "Peers disconnected because a connection was stale or silent",
            metrics.resets.clone(),
        );
        metrics
    }

    pub(super) fn drop(&self, reason: DropReason) {
        self.drops.get_or_create(&[("reason", reason.label())]).inc();
    }

    pub(super) fn ban(&self) {
        self.bans.inc();
    }

    pub(super) fn reset(&self) {
        self.resets.inc();
    }
}
