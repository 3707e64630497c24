//! What the swarm reports.

use std::time::Instant;

use beacon_spec::gossip::unframe;
use libp2p::PeerId;
use libp2p::gossipsub;
use libp2p::identify;
use libp2p::metrics::Recorder;
use libp2p::ping;
use libp2p::request_response::{Event as SyncEvent, Message};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};

use super::super::behaviour::{self, BehaviourEvent};
use super::super::dialer::Failed;
use super::super::direct::DirectEvent;
use super::super::metrics::DropReason;
use super::super::peers::Identified;
use super::super::sync::{self, Question};
use super::super::{NetworkEvent, Offence, RequestFailure, ResponseChannelId, ValidationToken, identity, listen};
use super::{Asked, Driver, jitter};

impl Driver {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        self.libp2p_metrics.record(&event);
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::NewListenAddr { address, .. } => {
                let local = *self.swarm.local_peer_id();
                let address = address.with(libp2p::core::multiaddr::Protocol::P2p(local));
                self.outbox.push_back(NetworkEvent::Listening(address.to_string()));
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.peers.established(peer_id, connection_id, &endpoint, Instant::now());
                self.dialer.connected(peer_id, connection_id);
                self.set_explicit(peer_id);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                tracing::debug!(%peer_id, ?cause, "connection closed");
                self.on_closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.on_dial_error(connection_id, &error)
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "inbound connection refused or broken");
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "listener reports an error");
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "listener closed")
            }
            _ => {}
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(event) => {
                self.libp2p_metrics.record(&event);
                self.on_identify(event);
            }
            BehaviourEvent::Ping(event) => {
                self.libp2p_metrics.record(&event);
                self.on_ping(&event);
            }
            BehaviourEvent::Gossip(event) => {
                self.libp2p_metrics.record(&event);
                self.on_gossip(event);
            }
            BehaviourEvent::Direct(DirectEvent { peer }) => {
                self.offend(peer, Offence::BrokenFraming);
            }
            BehaviourEvent::Sync(event) => self.on_sync(event),
        }
    }

    fn on_closed(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some((key, was_up)) = self.peers.closed(&peer, connection) else {
            return;
        };
        self.dialer.disconnected(&peer, Instant::now(), jitter());
        self.swarm.behaviour_mut().gossip.remove_explicit_peer(&peer);
        if was_up {
            self.outbox.push_back(NetworkEvent::PeerDown(key));
        }
    }

    fn on_dial_error(&mut self, connection: ConnectionId, error: &DialError) {
        tracing::debug!(%error, "dial failed");
        if matches!(error, DialError::LocalPeerId { .. }) {
            self.dialer.forget_own(connection);
        } else {
            let failed = Failed::Connection(connection);
            self.dialer.failed(failed, Instant::now(), jitter());
        }
    }

    fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { connection_id, peer_id, info } = event else {
            return;
        };
        if info.protocol_version != self.namespace {
            tracing::warn!(%peer_id, "peer is on another chain");
            self.dialer.shun(&peer_id);
            return self.disconnect(peer_id);
        }
        let incarnation = behaviour::incarnation(&info.agent_version);
        let listening = info.listen_addrs.into_iter().map(sync::without_peer).filter(listen::usable).collect();
        self.dialer.announce(peer_id, listening);
        let outcome = self.peers.identified(&peer_id, connection_id, incarnation);
        self.on_identified(peer_id, outcome);
    }

    fn on_identified(&mut self, peer: PeerId, outcome: Identified) {
        match outcome {
            Identified::Known => {}
            Identified::Up => {
                self.dialer.proved(&peer);
                if let Some(key) = identity::peer_key(&peer) {
                    self.outbox.push_back(NetworkEvent::PeerUp(key));
                }
                // Only peers this node chose are believed about whom it might dial.
                if self.dialer.wants(&peer) {
                    self.ask_addresses(peer);
                }
            }
            // gossipsub and the streams hang on the first connection, which leads to a process
            // that is gone: all are made anew (rust-libp2p issue 5097).
            Identified::Restarted => {
                tracing::debug!(%peer, "peer restarted; connecting anew");
                self.reset(peer);
            }
        }
    }

    fn on_ping(&mut self, event: &ping::Event) {
        match &event.result {
            Ok(rtt) => self.peers.measured(&event.peer, *rtt),
            Err(ping::Failure::Unsupported) => {}
            Err(failure) => {
                tracing::debug!(peer = %event.peer, %failure, "ping failed");
                self.swarm.close_connection(event.connection);
            }
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.on_gossip_message(propagation_source, message_id, message)
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                if let Some(topic) = self.topics.topic(&topic) {
                    let outcome = self.peers.subscribed(&peer_id, topic);
                    self.on_identified(peer_id, outcome);
                }
            }
            gossipsub::Event::Unsubscribed { peer_id, topic } => {
                if let Some(topic) = self.topics.topic(&topic) {
                    self.peers.unsubscribed(&peer_id, topic);
                }
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => self.on_slow_peer(peer_id),
            gossipsub::Event::GossipsubNotSupported { .. } => {}
        }
    }

    /// Messages wait in memory for a peer that does not take them. Members are worth it; a stranger
    /// that keeps falling behind is let go and can come back.
    fn on_slow_peer(&mut self, peer: PeerId) {
        let named = self.dialer.wants(&peer);
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        tracing::debug!(peer = identity::short(&entry.key), "peer takes gossip too slowly");
        if !named && !entry.stalls.take(Instant::now()) {
            self.disconnect(peer);
        }
    }

    fn on_gossip_message(&mut self, source: PeerId, id: gossipsub::MessageId, message: gossipsub::Message) {
        let (Some(from), Some(topic)) = (identity::peer_key(&source), self.topics.topic(&message.topic)) else {
            return;
        };
        let Some(data) = unframe(&message.data).map(<[u8]>::to_vec) else {
            return self.offend(from, Offence::BrokenFraming);
        };
        self.outbox.push_back(NetworkEvent::Gossip { from, topic, data, validation: ValidationToken { id, source } });
    }

    fn on_sync(&mut self, event: SyncEvent<Question, Vec<u8>>) {
        match event {
            SyncEvent::Message { peer, message: Message::Request { request_id, request, channel }, .. } => {
                match request {
                    Question::Addresses => {
                        let answer = self.known_addresses();
                        let sync = &mut self.swarm.behaviour_mut().sync;
                        // An error means that the asker is gone.
                        sync.send_response(channel, answer).ok();
                    }
                    Question::Presence => {
                        // As above.
                        self.swarm.behaviour_mut().sync.send_response(channel, Vec::new()).ok();
                    }
                    Question::Opaque(_) | Question::Draw | Question::Public(_) => {
                        let Some(from) = self.admit_request(peer) else {
                            return self.metrics.drop(DropReason::RequestRate);
                        };
                        self.channels.insert(request_id, channel);
                        let channel = ResponseChannelId(request_id);
                        self.outbox.push_back(match request {
                            Question::Opaque(data) => NetworkEvent::Request { from, channel, data },
                            Question::Public(path) => NetworkEvent::Public { channel, path },
                            _ => NetworkEvent::Draw { from, channel },
                        });
                    }
                }
            }
            SyncEvent::Message { peer, message: Message::Response { request_id, response }, .. } => {
                match self.asked.remove(&request_id) {
                    Some(Asked::Opaque(id)) => self.answer(peer, id, Ok(response)),
                    Some(Asked::Addresses) => self.on_addresses(peer, &response),
                    // An error means that the asker has stopped waiting.
                    Some(Asked::Directly(reply)) => drop(reply.send(Ok(response))),
                    None => {}
                }
            }
            SyncEvent::OutboundFailure { peer, request_id, error, .. } => {
                match self.asked.remove(&request_id) {
                    Some(Asked::Opaque(id)) => self.answer(peer, id, Err(sync::failure(&error))),
                    // As above.
                    Some(Asked::Directly(reply)) => drop(reply.send(Err(sync::failure(&error)))),
                    Some(Asked::Addresses) | None => {}
                }
            }
            SyncEvent::InboundFailure { request_id, .. } => {
                self.channels.remove(&request_id);
            }
            SyncEvent::ResponseSent { .. } => {}
        }
    }

    /// Who asks, if it may: strangers have a share.
    fn admit_request(&mut self, peer: PeerId) -> Option<super::PeerKey> {
        let key = identity::peer_key(&peer)?;
        let member = self.peers.is_member(&key);
        let entry = self.peers.get_mut(&peer)?;
        (member || entry.requests.take(Instant::now())).then_some(key)
    }

    fn answer(&mut self, peer: PeerId, id: super::RequestId, result: Result<Vec<u8>, RequestFailure>) {
        if let Some(from) = identity::peer_key(&peer) {
            self.outbox.push_back(NetworkEvent::Response { id, from, result });
        }
    }

    /// The members' addresses as this node knows them, and its own.
    fn known_addresses(&self) -> Vec<u8> {
        let own = *self.swarm.local_peer_id();
        let known =
            self.dialer.named().flat_map(|peer| self.dialer.addresses(peer).map(move |address| (peer, address)));
        sync::encode_addresses(self.swarm.listeners().map(|address| (&own, address)).chain(known))
    }

    fn on_addresses(&mut self, from: PeerId, answer: &[u8]) {
        let Some(addresses) = sync::decode_addresses(answer) else {
            if let Some(key) = identity::peer_key(&from) {
                self.offend(key, Offence::BadAnswer);
            }
            return;
        };
        let now = Instant::now();
        for (peer, address) in addresses {
            if listen::usable(&address) {
                self.dialer.learn(peer, address, now);
            }
        }
    }
}
