//! What the engine asks the disk to keep, and what it wants back after a restart.
//!
//! The store maps records to bytes and knows nothing else: which records belong to one atomic batch, and which
//! batches must be on disk before something leaves, is decided here.

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use beacon_spec::chain::{Beacon, Transcript};
use beacon_spec::committee::MemberList;
use beacon_spec::consensus::CommitCertificate;
use beacon_spec::evidence::Evidence;
use beacon_spec::hash::Digest32;
use beacon_spec::message::{Commitment, Value};
use beacon_spec::mmr::Mmr;
use beacon_spec::registry::Registry;

/// Number of a batch; a message that names one leaves only after it is durable. 0: nothing to wait for.
pub type Seq = u64;

/// A decided window with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub value: Value,
    pub certificate: CommitCertificate,
}

/// The seed of one own commitment. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DealingSeed(pub Zeroizing<[u8; 32]>);

impl fmt::Debug for DealingSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DealingSeed([REDACTED])")
    }
}

/// One record. Every variant replaces what was kept under the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Key: window. The seed from which the own commitment of a window is dealt.
    Seed { window: u64, seed: DealingSeed },
    /// Key: (window, member, commitment hash). A verified commitment.
    Commitment { window: u64, member: u16, hash: Digest32, commitment: Box<Commitment> },
    /// Key: (height, index). An entry of the agreement engine's write-ahead log.
    Wal { height: u64, index: u64, entry: Vec<u8> },
    /// Key: window. Also forgets the write-ahead log of the height.
    Decision(Box<Decision>),
    /// Key: round. A certified round, the tip: header and certificate, MMR nodes by position, MMR peaks after it.
    Round { beacon: Box<Beacon>, nodes: Vec<(u64, Digest32)>, mmr: Mmr },
    /// Key: round. What its output was mixed from.
    Transcript(Box<Transcript>),
    /// Deletes seeds and commitments of windows up to and including this one.
    Forget { window: u64 },
    /// Key: window. The registry after the window's value, where it differs from the one before or that is not known.
    Registry { window: u64, registry: Registry },
    /// Deletes registries of windows below this one.
    ForgetRegistries { below: u64 },
    /// Key: epoch. The members of an epoch.
    Committee(Box<MemberList>),
    /// Key: (epoch, member, crime). A proof of a crime.
    Evidence { epoch: u64, evidence: Box<Evidence> },
    /// The height up to which nothing may be dealt, proposed or voted for, since the store is older than the own messages.
    Silent { through: u64 },
}

/// Records written together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub seq: Seq,
    /// Whether `Durable` may be reported only after the disk has confirmed. Otherwise a later synced batch carries
    /// this one with it.
    pub sync: bool,
    pub records: Vec<Record>,
}

/// What the store gives back at a start.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// The newest certified round and the MMR peaks after it.
    pub tip: Option<(Beacon, Mmr)>,
    /// Decisions of the window before the tip's and later.
    pub decisions: Vec<Decision>,
    /// The newest registry of a window before the tip's.
    pub registry: Option<Registry>,
    /// The members of the tip's epoch and of its neighbours, without the first epoch.
    pub committees: Vec<MemberList>,
    pub commitments: Vec<Commitment>,
    pub seeds: Vec<(u64, DealingSeed)>,
    /// Write-ahead log entries by (height, index).
    pub wal: Vec<(u64, u64, Vec<u8>)>,
    /// Proofs of crimes of the tip's epoch and of its neighbours.
    pub evidence: Vec<Evidence>,
    /// See [`Record::Silent`]; 0 without one.
    pub silent_through: u64,
    /// Rounds at or below the tip without a transcript, oldest first, at most 4096.
    pub missing_transcripts: Vec<u64>,
}
