//! A small fabricated chain: headers that link, ranges that prove, certificates that sign nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use beacon_engine::batch::{Batch, DealingSeed, Decision, Record, Seq};
use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{Beacon, Contribution, Header, Revealed, Transcript};
use beacon_spec::consensus::CommitCertificate;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{PointBytes, ScalarBytes, Signature};
use beacon_spec::message::{Commitment, CommitmentBody, SetEntry, SignedCommitment, Value};
use beacon_spec::mmr::Mmr;
use beacon_spec::pvss::{Dealing, Share};
use beacon_spec::registry::Registry;
use beacon_spec::schedule::Schedule;
use zeroize::Zeroizing;

use crate::store::{Report, Store, Writer};

pub const CHAIN: Digest32 = Digest32([0xc4; 32]);
pub const GENESIS: &[u8] = b"a sealed genesis";

pub fn schedule() -> Schedule {
    Schedule { genesis_time: 1_700_000_000_000, period: 3000, window: 1, epoch_windows: 28_800 }
}

/// One round as the engine hands it over.
#[derive(Clone)]
pub struct Round {
    pub beacon: Arc<Beacon>,
    pub nodes: Vec<(u64, Digest32)>,
    pub mmr: Mmr,
}

impl Round {
    pub fn record(&self) -> Record {
        Record::Round {
            beacon: Box::new(Beacon::clone(&self.beacon)),
            nodes: self.nodes.clone(),
            mmr: self.mmr.clone(),
        }
    }
}

/// The first `count` rounds of a chain under `committee`.
pub fn rounds(count: u64, chain: Digest32, committee: Digest32) -> Vec<Round> {
    let mut mmr = Mmr::new();
    let mut previous = chain;
    let numbers = 1..=count;
    numbers
        .map(|round| {
            let header = Header {
                version: beacon_spec::VERSION,
                chain,
                round,
                due: schedule().time_of(round).expect("the test's rounds are few"),
                previous,
                epoch: schedule().epoch_of(round),
                committee,
                next_committee: committee,
                window: schedule().window_of(round),
                dealing_set: Digest32([round as u8; 32]),
                weight: 4,
                contributors: 4,
                mmr: mmr.root(),
                output: Digest32([!(round as u8); 32]),
            };
            previous = header.hash();
            let nodes = mmr.append(round, previous);
            let certificate = Certificate { bitmap: vec![0b111], signatures: vec![Signature([round as u8; 64]); 3] };
            Round { beacon: Arc::new(Beacon { header, certificate }), nodes, mmr: mmr.clone() }
        })
        .collect()
}

pub fn dealing(seed: u8) -> Dealing {
    Dealing {
        d: PointBytes([seed; 32]),
        c: vec![PointBytes([1; 32]), PointBytes([2; 32])],
        r1: PointBytes([3; 32]),
        r2: PointBytes([4; 32]),
        z: ScalarBytes([5; 32]),
    }
}

/// Member 0 opened, member 1 was recovered.
pub fn transcript(round: u64) -> Transcript {
    let share =
        Share { position: 1, a: PointBytes([6; 32]), challenge: ScalarBytes([7; 32]), response: ScalarBytes([8; 32]) };
    let revealed = [Revealed::Opened(ScalarBytes([9; 32])), Revealed::Recovered(vec![share])];
    let contributions =
        (0..).zip(revealed).map(|(member, revealed)| Contribution { member, dealing: dealing(round as u8), revealed });
    Transcript { round, contributions: contributions.collect() }
}

pub fn commitment(window: u64, member: u16) -> (Digest32, Commitment) {
    let body = CommitmentBody { epoch: 1, window, member, root: Digest32([member as u8; 32]) };
    let signed = SignedCommitment { body, signature: Signature([1; 64]) };
    (body.hash(&CHAIN), Commitment { signed, dealings: vec![dealing(member as u8)] })
}

pub fn commitment_record(window: u64, member: u16) -> Record {
    let (hash, commitment) = commitment(window, member);
    Record::Commitment { window, member, hash, commitment: Box::new(commitment) }
}

pub fn decision(window: u64) -> Decision {
    let set = vec![SetEntry { member: 0, commitment: commitment(window, 0).0 }];
    let registry = Registry::new(1).hash();
    Decision {
        value: Value { window, epoch: 1, set, registrations: Vec::new(), amendment: None, registry },
        certificate: CommitCertificate {
            height: window,
            round: 0,
            value_id: Digest32([7; 32]),
            signers: vec![(0, Signature([2; 64]))],
        },
    }
}

pub fn seed_record(window: u64) -> Record {
    Record::Seed { window, seed: DealingSeed(Zeroizing::new([window as u8; 32])) }
}

pub fn wal_record(height: u64, index: u64) -> Record {
    Record::Wal { height, index, entry: vec![height as u8, index as u8] }
}

pub fn open(path: &Path) -> Arc<Store> {
    Arc::new(Store::open(path, CHAIN, GENESIS).expect("the directory is new or this test's own"))
}

/// A writer whose reports can be waited for.
pub struct Writing {
    pub writer: Writer,
    pub reports: Receiver<Report>,
    seq: Seq,
    durable: Seq,
}

impl Writing {
    pub fn start(store: &Arc<Store>, keep: u64) -> Writing {
        let (sender, reports) = channel();
        // A test that ended early no longer listens.
        let writer = store.writer(keep, move |report| drop(sender.send(report))).expect("the store's first writer");
        Writing { writer, reports, seq: 0, durable: 0 }
    }

    /// Hands over `records` without waiting; gives their sequence number.
    pub fn put(&mut self, records: Vec<Record>, sync: bool) -> Seq {
        self.seq += 1;
        self.writer.write(Batch { seq: self.seq, sync, records }).expect("the writer runs");
        self.seq
    }

    /// Waits until everything handed over is reported as durable.
    pub fn settle(&mut self) {
        while self.durable < self.seq {
            match self.reports.recv().expect("the writer reports before it ends") {
                Report::Durable { seq, .. } => self.durable = seq,
                Report::Failed(error) => panic!("{error}"),
            }
        }
    }

    /// Writes `records` and waits for the disk.
    pub fn write(&mut self, records: Vec<Record>) {
        self.put(records, true);
        self.settle();
    }
}
