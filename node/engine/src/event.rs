//! Inputs, effects, and the messages that travel.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use beacon_spec::bundle::KeyBundle;
use beacon_spec::chain::{Beacon, Transcript};
use beacon_spec::committee::MemberList;
use beacon_spec::consensus::ConsensusMessage;
use beacon_spec::evidence::Evidence;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{IdentityKey, VotingKey};
use beacon_spec::message::{Amendment, Commitment, HeaderVote, Opening, Ready, Registration, SetEntry, Shares};
use beacon_spec::registry::Registry;
use beacon_spec::reject::Reject;

use crate::batch::{Batch, Decision, Seq};
use crate::checkpoint::Checkpoint;
use crate::engine::BundleSecrets;
use crate::job::{Job, JobResult};
use crate::rollback::Recalled;

/// Unix time or a timer's deadline in milliseconds; the engine never reads a clock.
pub type Millis = u64;

/// Everything members send each other unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    Commitment(Box<Commitment>),
    Opening(Opening),
    Ready(Ready),
    Beacon(Box<Beacon>),
    Consensus(Box<ConsensusMessage>),
    Shares(Box<Shares>),
    HeaderVote(HeaderVote),
    Registration(Box<Registration>),
    Amendment(Box<Amendment>),
    Evidence(Box<Evidence>),
    /// "What have you seen of me?"; directly.
    Recall,
    /// The answer to a [`Message::Recall`]; directly.
    Recalled(Box<Recalled>),
}

/// What a node may ask another. Answered from the store by [`crate::serve::serve`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    Status,
    /// The sealed genesis.
    Genesis,
    /// Rounds `from..from + count`, cut to what is there and to the size of an answer.
    Rounds {
        from: u64,
        count: u16,
        transcripts: bool,
    },
    /// Decisions of windows `from..from + count`.
    Decisions {
        from: u64,
        count: u16,
    },
    /// Commitments of a window by member and hash.
    Commitments {
        window: u64,
        wanted: Vec<SetEntry>,
    },
    /// The registry after the value of a window, with the decision that carries its hash.
    Registry {
        window: u64,
    },
    /// The members of an epoch.
    Committee {
        epoch: u64,
    },
    /// What it takes to begin at a round.
    Checkpoint {
        round: u64,
    },
}

/// What a peer says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Newest certified round and its header hash (0 and the chain hash at the start).
    pub round: u64,
    pub header: Digest32,
    /// Highest decided window.
    pub decided: u64,
    /// The peer's clock, Unix milliseconds.
    pub clock: Millis,
}

/// A certified round as it is synced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundRecord {
    pub beacon: Beacon,
    pub transcript: Option<Transcript>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    Status(PeerStatus),
    Genesis(Vec<u8>),
    Rounds(Vec<RoundRecord>),
    Decisions(Vec<Decision>),
    Commitments(Vec<Commitment>),
    Registry(Option<Box<(Decision, Registry)>>),
    Committee(Option<Box<MemberList>>),
    Checkpoint(Option<Box<Checkpoint>>),
}

pub type RequestId = u64;

/// What happens to the engine.
#[derive(Debug)]
pub enum Input {
    /// Time has reached a deadline, or the shell just looks in.
    Tick,
    Message {
        from: IdentityKey,
        message: Message,
    },
    PeerUp(IdentityKey),
    PeerDown(IdentityKey),
    /// The answer to `Effect::NeedEntropy`: 32 mixed bytes of this node's workers.
    Entropy {
        window: u64,
        bytes: zeroize::Zeroizing<[u8; 32]>,
    },
    Done(JobResult),
    /// The answer to `Effect::NeedBundle`: the public bundle, and its secrets, which are on disk already.
    Bundle {
        bundle: Box<KeyBundle>,
        secrets: Arc<BundleSecrets>,
    },
    /// An amendment that the operator proposes or approves of, with the approval.
    Amendment(Box<Amendment>),
    /// Every batch up to and including this one is on disk.
    Durable(Seq),
    /// `None`: no answer (time-out, refusal, or bytes that do not decode).
    Response {
        id: RequestId,
        from: IdentityKey,
        response: Option<Box<Response>>,
    },
}

/// To whom a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Everybody, by gossip.
    Gossip,
    /// Every other weighted member, directly.
    Members,
    Peer(IdentityKey),
}

/// What the engine wants done, in order.
#[derive(Debug)]
pub enum Effect {
    /// Send once every batch up to `after` is durable.
    Send {
        to: Recipient,
        message: Message,
        after: Seq,
    },
    Persist(Batch),
    /// Ask the local workers for 32 bytes.
    NeedEntropy {
        window: u64,
    },
    /// Make the own bundle for `epoch` with so many ticket keys and keep its secrets, or find the one that was made
    /// before; then `Input::Bundle`.
    NeedBundle {
        epoch: u64,
        tickets: usize,
    },
    /// Erase the secrets of the bundles with these voting keys. A bundle under way to the engine is none of them.
    EraseBundles {
        erase: Vec<VotingKey>,
    },
    /// Run on a worker thread and feed the result back as `Input::Done`.
    Run(Job),
    /// A round is certified (or was learned by sync): serve and announce it.
    Publish {
        beacon: Arc<Beacon>,
        transcript: Option<Arc<Transcript>>,
    },
    Request {
        id: RequestId,
        to: IdentityKey,
        request: Request,
    },
    /// Only under `unsafe_withhold_openings`: the opening that this node keeps to itself.
    Withheld(Opening),
    /// The members to keep connections with (on start and at every change of epoch).
    Members(Vec<IdentityKey>),
    /// The engine cannot go on without risking safety. The process stops.
    Halt(Halt),
}

/// Why the engine stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The own header of a round differs from the certified one.
    ForkedHeader { round: u64, own: Digest32, certified: Digest32 },
    /// The agreement engine broke an invariant or its log does not replay.
    Agreement(String),
    /// Records that contradict each other or the chain.
    BadRecords(String),
}

/// An accusation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A peer sent something that no honest peer sends; not provable to others.
    Peer { peer: IdentityKey, reason: Reject },
    /// A member broke the protocol provably; the first proof of this crime of its in the epoch.
    Crime(Box<Evidence>),
}

/// What one step asks for.
#[derive(Debug, Default)]
#[must_use]
pub struct Step {
    pub effects: Vec<Effect>,
    pub faults: Vec<Fault>,
    /// Whether the gossip message of this step is valid and worth passing on.
    pub relay: bool,
}
