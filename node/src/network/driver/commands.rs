//! What the owner of the node orders.

use std::time::Instant;

use beacon_spec::gossip::frame;
use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, PublishError};

use super::super::gossip::{self, Plan};
use super::super::handle::{Command, Reply};
use super::super::metrics::DropReason;
use super::super::sync::Question;
use super::super::{
    NetworkEvent, Offence, PeerKey, RequestFailure, RequestId, ResponseChannelId, Topic, ValidationToken, Verdict,
    identity,
};
use super::{Asked, Driver};

impl Driver {
    pub(super) fn execute(&mut self, command: Command) {
        match command {
            Command::Publish { topic, data } => self.publish(topic, &data),
            Command::Request { id, to, data } => self.request(id, to, data),
            Command::Ask { to, question, reply } => self.ask(to, question, reply),
            Command::Respond { channel, data } => self.respond(channel, data),
            Command::Validate { token, verdict } => self.validate(token, verdict),
            Command::Report { peer, offence } => self.offend(peer, offence),
            // The loop handles it, because it ends the loop.
            Command::Shutdown(_) => {}
        }
    }

    fn publish(&mut self, topic: Topic, data: &[u8]) {
        let hash = self.topics.hash(topic);
        let first = frame(0, data);
        let id = gossip::message_id(&hash, &first);
        let framed = match self.recent.publish(id, Instant::now()) {
            Plan::Circulated => return self.metrics.drop(DropReason::GossipCirculated),
            Plan::Send { resend: 0 } => first,
            Plan::Send { resend } => frame(resend, data),
        };
        let reason = match self.swarm.behaviour_mut().gossip.publish(hash, framed) {
            Ok(_) => return,
            Err(PublishError::NoPeersSubscribedToTopic) => DropReason::GossipNoPeers,
            Err(PublishError::AllQueuesFull(_)) => DropReason::GossipQueuesFull,
            // A peer sent the same frame and it was not accepted, or its verdict is still due.
            Err(PublishError::Duplicate) => DropReason::GossipCirculated,
            Err(error) => {
                tracing::warn!(?topic, %error, "gossip refuses a message");
                DropReason::GossipRefused
            }
        };
        self.metrics.drop(reason);
    }

    fn request(&mut self, id: RequestId, to: PeerKey, data: Vec<u8>) {
        let peer = identity::peer_id(&to).filter(|peer| self.swarm.is_connected(peer));
        let Some(peer) = peer else {
            return self.outbox.push_back(NetworkEvent::Response {
                id,
                from: to,
                result: Err(RequestFailure::NotConnected),
            });
        };
        let question = Question::Opaque(data);
        let asked = self.swarm.behaviour_mut().sync.send_request(&peer, question);
        self.asked.insert(asked, Asked::Opaque(id));
    }

    fn ask(&mut self, to: PeerKey, question: Question, reply: Reply) {
        let peer = identity::peer_id(&to).filter(|peer| self.swarm.is_connected(peer));
        let Some(peer) = peer else {
            // An error means that the asker has stopped waiting; so below.
            reply.send(Err(RequestFailure::NotConnected)).ok();
            return;
        };
        let asked = self.swarm.behaviour_mut().sync.send_request(&peer, question);
        self.asked.insert(asked, Asked::Directly(reply));
    }

    /// Asks a peer for the members' addresses.
    pub(super) fn ask_addresses(&mut self, peer: PeerId) {
        let sync = &mut self.swarm.behaviour_mut().sync;
        let asked = sync.send_request(&peer, Question::Addresses);
        self.asked.insert(asked, Asked::Addresses);
    }

    fn respond(&mut self, channel: ResponseChannelId, data: Vec<u8>) {
        let sent = self.channels.remove(&channel.0).is_some_and(|channel| {
            let sync = &mut self.swarm.behaviour_mut().sync;
            sync.send_response(channel, data).is_ok()
        });
        if !sent {
            self.metrics.drop(DropReason::ResponseLate);
        }
    }

    fn validate(&mut self, token: ValidationToken, verdict: Verdict) {
        let ValidationToken { id, source } = token;
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Reject => MessageAcceptance::Reject,
            Verdict::Ignore => MessageAcceptance::Ignore,
        };
        let known = self.swarm.behaviour_mut().gossip.report_message_validation_result(&id, &source, acceptance);
        let Some(key) = identity::peer_key(&source) else {
            return;
        };
        match verdict {
            Verdict::Accept if known => self.recent.forwarded(id, Instant::now()),
            Verdict::Reject => self.offend(key, Offence::InvalidMessage),
            Verdict::Ignore if !self.peers.is_member(&key) => self.count_echo(source, key),
            _ => {}
        }
    }

    /// Members repeat themselves by design; a stranger that passes on much that is known already
    /// makes the node work for nothing.
    fn count_echo(&mut self, source: PeerId, key: PeerKey) {
        let within = self.peers.get_mut(&source).is_none_or(|peer| peer.echoes.take(Instant::now()));
        if !within {
            self.offend(key, Offence::Flood);
        }
    }
}
