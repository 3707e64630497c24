//! Gossip: topics, the frame around a message, message identifiers, and the mesh.
//!
//! Messages are anonymous to gossipsub, because each authenticates itself; a message's identifier is
//! a hash of its topic and frame, so nobody can make two messages share one. A frame is a 4-byte
//! resend number and the message: gossipsub suppresses what it has seen for a minute, and a member
//! that sends its own message again must be able to get through to whoever missed it.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use beacon_spec::gossip::{self, FRAME_HEAD, GOSSIP_MAX};
use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentTopic, Message, MessageAuthenticity, MessageId, MetricsConfig, TopicHash,
    ValidationMode, WhitelistSubscriptionFilter,
};
use prometheus_client::registry::Registry;

use super::{NetworkError, Topic};

/// gossipsub behaviour that refuses subscriptions to anything but our topics.
pub(super) type Gossip = Behaviour<libp2p::gossipsub::IdentityTransform, WhitelistSubscriptionFilter>;

/// Up to this many members all are explicit peers: each accepted message is forwarded to each of
/// them, whatever strangers do to the mesh. The cost grows with the square of the committee, so a
/// larger one relies on the first hop, which reaches every connected member anyway, and on the mesh
/// for those that are not connected.
pub(super) const EXPLICIT_MEMBERS: usize = 6;

/// Room for the protobuf envelope: topic and lengths.
const ENVELOPE: usize = 4096;
/// How long gossipsub remembers what it has seen.
const SEEN_FOR: Duration = Duration::from_secs(60);
/// Frames that may wait for one peer. A peer so far behind loses messages and catches up by request.
const QUEUE_FRAMES: usize = 256;

impl Topic {
    pub(super) const ALL: [Topic; 4] = [Topic::Commitments, Topic::Openings, Topic::Beacons, Topic::Evidence];

    fn name(self) -> &'static str {
        match self {
            Topic::Commitments => "commitments",
            Topic::Openings => "openings",
            Topic::Beacons => gossip::BEACONS,
            Topic::Evidence => "evidence",
        }
    }
}

/// The topics of one chain.
pub(super) struct Topics {
    by_hash: BTreeMap<TopicHash, Topic>,
    hashes: BTreeMap<Topic, TopicHash>,
}

impl Topics {
    pub(super) fn new(namespace: &str) -> Self {
        let hashes: BTreeMap<Topic, TopicHash> =
            Topic::ALL.into_iter().map(|topic| (topic, ident(namespace, topic).hash())).collect();
        let by_hash = hashes.iter().map(|(topic, hash)| (hash.clone(), *topic)).collect();
        Self { by_hash, hashes }
    }

    pub(super) fn topic(&self, hash: &TopicHash) -> Option<Topic> {
        self.by_hash.get(hash).copied()
    }

    pub(super) fn hash(&self, topic: Topic) -> TopicHash {
        self.hashes[&topic].clone()
    }
}

fn ident(namespace: &str, topic: Topic) -> IdentTopic {
    IdentTopic::new(gossip::topic(namespace, topic.name()))
}

/// Builds the gossip behaviour, subscribed to every topic of the chain.
pub(super) fn behaviour(namespace: &str, registry: &mut Registry) -> Result<Gossip, NetworkError> {
    let setup = |reason: String| NetworkError::Setup(reason);
    let config = ConfigBuilder::default()
        .protocol_id_prefix(gossip::protocol(namespace))
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message: &Message| message_id(&message.topic, &message.data))
        .max_transmit_size(GOSSIP_MAX + FRAME_HEAD + ENVELOPE)
        .heartbeat_initial_delay(Duration::from_millis(100))
        .heartbeat_interval(Duration::from_secs(1))
        .duplicate_cache_time(SEEN_FOR)
        .flood_publish(true)
        .mesh_outbound_min(2)
        .mesh_n_low(5)
        .mesh_n(8)
        .mesh_n_high(16)
        .connection_handler_queue_len(QUEUE_FRAMES)
        .build()
        .map_err(|error| setup(error.to_string()))?;
    let allowed: HashSet<TopicHash> = Topic::ALL.into_iter().map(|topic| ident(namespace, topic).hash()).collect();
    let mut gossip = Gossip::new_with_subscription_filter(
        MessageAuthenticity::Anonymous,
        config,
        WhitelistSubscriptionFilter(allowed),
    )
    .map_err(|error| setup(error.to_owned()))?
    .with_metrics(registry.sub_registry_with_prefix("gossipsub"), MetricsConfig::default());
    for topic in Topic::ALL {
        gossip.subscribe(&ident(namespace, topic)).map_err(|error| setup(error.to_string()))?;
    }
    Ok(gossip)
}

/// The identifier that gossipsub goes by.
pub(super) fn message_id(topic: &TopicHash, frame: &[u8]) -> MessageId {
    MessageId::new(&gossip::message_id(topic.as_str(), frame).0)
}

/// Whether a published message is sent, and under which resend number.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Send {
        resend: u32,
    },
    /// It came from a peer, was accepted and forwarded: every neighbour has it or is about to.
    Circulated,
}

/// What was published or forwarded lately, so that repeating oneself works and echoing others does not.
#[derive(Default)]
pub(super) struct Recent {
    entries: BTreeMap<MessageId, Entry>,
    swept: Option<Instant>,
}

struct Entry {
    /// How often this node published the message; 0 if it only forwarded it.
    published: u32,
    at: Instant,
}

impl Recent {
    /// Decides how to publish the message whose frame with resend number 0 has this identifier.
    pub(super) fn publish(&mut self, id: MessageId, now: Instant) -> Plan {
        self.sweep(now);
        match self.entries.get_mut(&id) {
            None => {
                self.entries.insert(id, Entry { published: 1, at: now });
                Plan::Send { resend: 0 }
            }
            Some(entry) if entry.published == 0 => Plan::Circulated,
            Some(entry) => {
                let resend = entry.published;
                entry.published = entry.published.saturating_add(1);
                entry.at = now;
                Plan::Send { resend }
            }
        }
    }

    /// Notes that a peer's message was accepted, and so forwarded.
    pub(super) fn forwarded(&mut self, id: MessageId, now: Instant) {
        self.sweep(now);
        self.entries.entry(id).or_insert(Entry { published: 0, at: now });
    }

    /// Forgets what gossipsub has forgotten too.
    fn sweep(&mut self, now: Instant) {
        let due = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SEEN_FOR / 4);
        if due {
            self.swept = Some(now);
            self.entries.retain(|_, entry| now.saturating_duration_since(entry.at) < 2 * SEEN_FOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use beacon_spec::gossip::frame;

    use super::*;

    #[test]
    fn identifiers_bind_topic_and_content() {
        let topics = Topics::new("/beacon/test");
        let opening = topics.hash(Topic::Openings);
        let beacon = topics.hash(Topic::Beacons);
        let id = message_id(&opening, &frame(0, b"message"));
        assert_ne!(id, message_id(&beacon, &frame(0, b"message")));
        assert_ne!(id, message_id(&opening, &frame(1, b"message")));
        assert_eq!(id, message_id(&opening, &frame(0, b"message")));
        assert_eq!(topics.topic(&opening), Some(Topic::Openings));
    }

    #[test]
    fn own_messages_are_sent_again_and_forwarded_ones_are_not() {
        let start = Instant::now();
        let mut recent = Recent::default();
        let own = MessageId::new(b"own");
        let other = MessageId::new(b"other");
        assert_eq!(recent.publish(own.clone(), start), Plan::Send { resend: 0 });
        recent.forwarded(own.clone(), start);
        assert_eq!(recent.publish(own.clone(), start), Plan::Send { resend: 1 });
        assert_eq!(recent.publish(own.clone(), start), Plan::Send { resend: 2 });
        recent.forwarded(other.clone(), start);
        assert_eq!(recent.publish(other.clone(), start), Plan::Circulated);
        let later = start + 3 * SEEN_FOR;
        assert_eq!(recent.publish(other, later), Plan::Send { resend: 0 });
        assert_eq!(recent.entries.len(), 1);
    }
}
