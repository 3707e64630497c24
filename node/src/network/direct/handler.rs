//! The part of the direct behaviour that lives in a connection's task.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use libp2p::StreamProtocol;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use super::super::{NetworkEvent, PeerKey, identity};
use super::Shared;
use super::queue::Queue;
use super::stream::{self, Ended};

/// Pause before a stream is opened again: the peer may be about to learn that we are a member.
const REOPEN_AFTER: Duration = Duration::from_millis(200);
const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Orders from the behaviour.
#[derive(Debug)]
pub(in super::super) enum Order {
    /// Carry this queue to the peer over this connection.
    Carry(Arc<Queue>),
    /// The peer is no partner any more: close both streams.
    Release,
}

/// The peer announced a frame beyond the limit.
#[derive(Debug)]
pub(in super::super) struct OversizeFrame;

pub(in super::super) struct Handler {
    peer: PeerKey,
    protocol: StreamProtocol,
    shared: Arc<Shared>,
    events: mpsc::Sender<NetworkEvent>,
    outbound: Outbound,
    inbound: Option<BoxFuture<'static, Result<Infallible, Ended>>>,
}

enum Outbound {
    None,
    Wanted(Arc<Queue>),
    Opening(Arc<Queue>),
    Pausing(Arc<Queue>, Pin<Box<Sleep>>),
    Open(Arc<Queue>, BoxFuture<'static, Result<Infallible, Ended>>),
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("direct::Handler")
    }
}

type Event = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), OversizeFrame>;

impl Handler {
    pub(super) fn new(
        peer: PeerKey,
        protocol: StreamProtocol,
        shared: Arc<Shared>,
        events: mpsc::Sender<NetworkEvent>,
    ) -> Self {
        Self { peer, protocol, shared, events, outbound: Outbound::None, inbound: None }
    }

    fn pause(&mut self) {
        self.outbound = match std::mem::replace(&mut self.outbound, Outbound::None) {
            Outbound::None => Outbound::None,
            Outbound::Wanted(queue)
            | Outbound::Opening(queue)
            | Outbound::Pausing(queue, _)
            | Outbound::Open(queue, _) => Outbound::Pausing(queue, Box::pin(sleep(REOPEN_AFTER))),
        };
    }

    /// Advances the sending side as far as it goes.
    fn poll_outbound(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            match std::mem::replace(&mut self.outbound, Outbound::None) {
                Outbound::Wanted(queue) => {
                    self.outbound = Outbound::Opening(queue);
                    let upgrade = ReadyUpgrade::new(self.protocol.clone());
                    return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                        protocol: SubstreamProtocol::new(upgrade, ()).with_timeout(NEGOTIATION_TIMEOUT),
                    });
                }
                Outbound::Open(queue, mut sending) => {
                    let ended = sending.poll_unpin(cx);
                    self.outbound = Outbound::Open(queue, sending);
                    let Poll::Ready(Err(end)) = ended else {
                        return Poll::Pending;
                    };
                    tracing::debug!(peer = identity::short(&self.peer), %end, "outbound direct stream ended");
                    self.pause();
                }
                Outbound::Pausing(queue, mut pause) => {
                    if pause.poll_unpin(cx).is_pending() {
                        self.outbound = Outbound::Pausing(queue, pause);
                        return Poll::Pending;
                    }
                    self.outbound = Outbound::Wanted(queue);
                }
                waiting @ (Outbound::None | Outbound::Opening(_)) => {
                    self.outbound = waiting;
                    return Poll::Pending;
                }
            }
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Order;
    type ToBehaviour = OversizeFrame;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ())
    }

    /// Who is admitted stays connected; how many are admitted is `admission`'s matter.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(receiving) = self.inbound.as_mut()
            && let Poll::Ready(end) = receiving.poll_unpin(cx)
        {
            self.inbound = None;
            let Err(end) = end;
            tracing::debug!(peer = identity::short(&self.peer), %end, "inbound direct stream ended");
            if matches!(end, Ended::Oversize) {
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(OversizeFrame));
            }
        }
        self.poll_outbound(cx)
    }

    fn on_behaviour_event(&mut self, order: Order) {
        match order {
            Order::Carry(queue) => self.outbound = Outbound::Wanted(queue),
            Order::Release => {
                self.outbound = Outbound::None;
                self.inbound = None;
            }
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>) {
        match event {
            // The newest stream replaces an older one: its opener has given that up.
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. })
                if self.shared.is_partner(&self.peer) =>
            {
                let events = self.events.clone();
                self.inbound = Some(stream::receive(stream, self.peer, events).boxed());
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, .. }) => {
                if let Outbound::Opening(queue) = &self.outbound {
                    let carried = queue.clone();
                    let sending = async move { stream::send(stream, &carried).await }.boxed();
                    self.outbound = Outbound::Open(queue.clone(), sending);
                }
            }
            ConnectionEvent::DialUpgradeError(_) => self.pause(),
            _ => {}
        }
    }
}
