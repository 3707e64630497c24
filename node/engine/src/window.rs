//! What is known of one window: the own dealing, the commitments held, the decision.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use beacon_spec::hash::Digest32;
use beacon_spec::keys::ScalarBytes;
use beacon_spec::message::{Commitment, HeaderVote, SetEntry, SignedCommitment};
use beacon_spec::pvss::{Secret, VerifiedDealing};

use crate::batch::{DealingSeed, Decision, Seq};
use crate::event::Millis;
use crate::job::VerifiedCommitment;

/// How far the own commitment is. Its one-time keys are never printed.
#[derive(Default)]
pub(crate) enum OwnDealing {
    #[default]
    None,
    /// Entropy was asked for.
    Harvesting,
    /// The seed is kept by batch `seq`; the dealing is being computed.
    Dealing {
        seq: Seq,
    },
    Dealt {
        seq: Seq,
        commitment: Box<Commitment>,
        hash: Digest32,
        openings: Zeroizing<Vec<[u8; 32]>>,
    },
}

impl fmt::Debug for OwnDealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OwnDealing::None => f.write_str("None"),
            OwnDealing::Harvesting => f.write_str("Harvesting"),
            OwnDealing::Dealing { seq } => write!(f, "Dealing {{ seq: {seq} }}"),
            OwnDealing::Dealt { seq, hash, .. } => write!(f, "Dealt {{ seq: {seq}, hash: {hash} }}"),
        }
    }
}

/// A verified commitment and the batch that keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub verified: Arc<VerifiedCommitment>,
    pub seq: Seq,
}

#[derive(Debug, Default)]
pub(crate) struct Window {
    pub own: OwnDealing,
    pub seed: Option<DealingSeed>,
    pub held: BTreeMap<SetEntry, Held>,
    /// Being verified, or waiting for it.
    pub pending: BTreeSet<SetEntry>,
    /// Signed commitments whose dealings do not verify: no value may name them.
    pub rejected: BTreeSet<SetEntry>,
    /// Named by a live proposal or the decision, not yet held; when to ask next, and whom in turn.
    pub wanted: BTreeMap<SetEntry, Wanted>,
    /// First signed commitments of each member seen, for the flood cap and for evidence.
    pub seen: BTreeMap<u16, Vec<SignedCommitment>>,
    pub quorum_since: Option<Millis>,
    /// Valid readies by (round, member).
    pub readies: BTreeSet<(u64, u16)>,
    /// Header votes by (round, member), signatures checked; the first of each member.
    pub votes: BTreeMap<(u64, u16), HeaderVote>,
    pub decision: Option<Decided>,
}

#[derive(Debug)]
pub(crate) struct Wanted {
    pub next: Millis,
    pub turn: usize,
}

#[derive(Debug)]
pub(crate) struct Decided {
    pub decision: Decision,
    pub seq: Seq,
    /// Valid openings by (round, member), with the secrets they open.
    pub openings: BTreeMap<(u64, u16), (ScalarBytes, Secret)>,
}

impl Window {
    /// Whether the commitment is verified and on disk.
    pub fn has(&self, entry: &SetEntry, durable: Seq) -> bool {
        self.held.get(entry).is_some_and(|held| held.seq <= durable)
    }

    /// The dealing of `entry` that is the window's `index`-th, 0-based.
    pub fn dealing(&self, entry: &SetEntry, index: usize) -> Option<&VerifiedDealing> {
        self.held.get(entry)?.verified.dealings().get(index)
    }

    /// The decided set, once the decision is on disk.
    pub fn decided(&self, durable: Seq) -> Option<&Decided> {
        self.decision.as_ref().filter(|decided| decided.seq <= durable)
    }
}
