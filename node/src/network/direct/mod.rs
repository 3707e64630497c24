//! Direct messages: between each two members one long-lived substream in each direction.
//!
//! The sender's frames leave in order and, while the connection lives, none is lost; when it breaks,
//! what was under way is lost and the queue goes on over the next one. The caller writes straight
//! into the member's queue and the connection's own task writes it to the wire, so a message
//! crosses no other task on its way.
//!
//! libp2p-stream offers something near, but it keeps an entry for each connection ever made, picks
//! any connection of a peer, and dials by itself; this behaviour does none of it.

mod behaviour;
mod handler;
mod queue;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

pub(super) use self::behaviour::{Direct, DirectEvent};
use self::queue::Queue;
use super::PeerKey;

/// What handle, behaviour and connections share.
pub(super) struct Shared {
    local: PeerKey,
    members: RwLock<BTreeSet<PeerKey>>,
    queues: RwLock<BTreeMap<PeerKey, Arc<Queue>>>,
}

/// Why a direct message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untaken {
    NotConnected,
    QueueFull,
}

impl Shared {
    pub(super) fn new(local: PeerKey) -> Arc<Self> {
        Arc::new(Self { local, members: RwLock::default(), queues: RwLock::default() })
    }

    /// Puts a message into a connected member's queue.
    pub(super) fn send(&self, to: &PeerKey, data: Vec<u8>) -> Result<(), Untaken> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.get(to).ok_or(Untaken::NotConnected)?;
        if queue.push(data) { Ok(()) } else { Err(Untaken::QueueFull) }
    }

    /// Direct streams exist only where both ends are members.
    fn is_partner(&self, peer: &PeerKey) -> bool {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        members.contains(&self.local) && members.contains(peer)
    }

    fn set_members(&self, members: BTreeSet<PeerKey>) {
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = members;
    }

    fn open(&self, peer: PeerKey) -> Arc<Queue> {
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        queues.entry(peer).or_default().clone()
    }

    fn close(&self, peer: &PeerKey) {
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        queues.remove(peer);
    }
}
