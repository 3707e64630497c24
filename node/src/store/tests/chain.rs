//! A fabricated chain that holds in everything but its dealings: real genesis, committees, signatures and peaks.

use std::path::Path;
use std::sync::Arc;

use beacon_engine::batch::{Decision, Record};
use beacon_spec::VERSION;
use beacon_spec::bundle::KeyBundle;
use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{Beacon, Header};
use beacon_spec::codec::encode;
use beacon_spec::committee::{Committee, Member};
use beacon_spec::consensus::{CommitCertificate, Vote, VoteKind, value_id};
use beacon_spec::genesis::{Draft, DraftMember, Genesis, Parameters};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{SecretKey, Signature};
use beacon_spec::message::{HeaderVote, SetEntry, Value};
use beacon_spec::mmr::Mmr;
use beacon_spec::pvss::TicketSecret;
use beacon_spec::registry::Registry;
use beacon_spec::schedule::Schedule;

use super::fixture::Writing;
use crate::store::{Extent, Rules, Store};

const MEMBERS: u8 = 4;
/// Who signs: a quorum.
const SIGNERS: std::ops::Range<u16> = 0..3;

pub struct Chain {
    pub genesis: Genesis,
    pub bytes: Vec<u8>,
    pub hash: Digest32,
    pub first: Committee,
    committee: Committee,
    mmr: Mmr,
    previous: Digest32,
    next: u64,
}

impl Chain {
    /// Due long ago; epochs of so many rounds.
    pub fn new(epoch: u64) -> Chain {
        let schedule = Schedule { genesis_time: 1_700_000_000_000, period: 3000, window: 1, epoch_windows: epoch };
        let parameters = Parameters {
            schedule,
            catch_up_interval: 100,
            lead: 0,
            recovery_delay: 50,
            grace: 20,
            registrations_per_value: 16,
            development_exemption: false,
        };
        let members = identities().map(|key| DraftMember { identity: key.identity(), weight: 1 }).collect();
        let draft = Draft { version: VERSION, name: "fabricated".into(), parameters, members, predecessor: None };
        let bundles = bundles(&draft.ceremony(), 1);
        let genesis = Genesis { draft, bundles };
        let (committee, hash) = genesis.check().expect("the genesis is sound");
        let first = committee.clone();
        let bytes = encode(&genesis);
        Chain { genesis, bytes, hash, first, committee, mmr: Mmr::new(), previous: hash, next: 1 }
    }

    fn schedule(&self) -> Schedule {
        self.genesis.draft.parameters.schedule
    }

    /// What a node writes for the next round: the decision, the beacon, and at the end of an epoch the next committee.
    pub fn round(&mut self) -> Vec<Record> {
        let (round, schedule) = (self.next, self.schedule());
        let mut records = vec![Record::Decision(Box::new(self.decision(schedule.window_of(round))))];
        let hands_over = schedule.is_last_round_of_epoch(round);
        let successor = hands_over.then(|| self.successor());
        let committee = self.committee.hash();
        let header = Header {
            version: VERSION,
            chain: self.hash,
            round,
            due: schedule.time_of(round).expect("the test's rounds are few"),
            previous: self.previous,
            epoch: schedule.epoch_of(round),
            committee,
            next_committee: successor.as_ref().map_or(committee, Committee::hash),
            window: schedule.window_of(round),
            dealing_set: Digest32([round as u8; 32]),
            weight: 3,
            contributors: 3,
            mmr: self.mmr.root(),
            output: Digest32([!(round as u8); 32]),
        };
        let hash = header.hash();
        let digest = HeaderVote::digest(&self.hash, round, &hash);
        let epoch = header.epoch;
        let votes: Vec<(u16, Signature)> =
            SIGNERS.map(|member| (member, voting(member, epoch).sign(&digest))).collect();
        let certificate = Certificate::assemble(&votes, self.committee.signers()).expect("the signers are a quorum");
        let nodes = self.mmr.append(round, hash);
        let beacon = Box::new(Beacon { header, certificate });
        records.push(Record::Round { beacon, nodes, mmr: self.mmr.clone() });
        if let Some(successor) = successor {
            records.push(Record::Committee(Box::new(successor.list())));
            self.committee = successor;
        }
        self.previous = hash;
        self.next += 1;
        records
    }

    fn successor(&self) -> Committee {
        let epoch = self.committee.epoch() + 1;
        let members = identities().zip(bundles(&self.hash, epoch));
        let members = members.map(|(key, bundle)| Member { identity: key.identity(), weight: 1, bundle });
        Committee::new(epoch, 0, members.collect(), false).expect("it is as sound as the first")
    }

    fn decision(&self, window: u64) -> Decision {
        let epoch = self.committee.epoch();
        let set = SIGNERS.map(|member| SetEntry { member, commitment: Digest32([window as u8; 32]) }).collect();
        let registry = Registry::new(epoch).hash();
        let value = Value { window, epoch, set, registrations: Vec::new(), amendment: None, registry };
        let value_id = value_id(&value.encode());
        let vote =
            |member| Vote { height: window, round: 0, kind: VoteKind::Precommit, value_id: Some(value_id), member };
        let signed = |member| (member, vote(member).sign(&self.hash, &voting(member, epoch)).signature);
        let certificate =
            CommitCertificate { height: window, round: 0, value_id, signers: SIGNERS.map(signed).collect() };
        Decision { value, certificate }
    }

    /// A database of the next `count` rounds, and its writer.
    pub fn store(&mut self, path: &Path, count: u64) -> (Arc<Store>, Writing) {
        let store = Arc::new(Store::open(path, self.hash, &self.bytes).expect("the directory is new or this test's"));
        let mut writing = Writing::start(&store, 0);
        for _ in 0..count {
            writing.put(self.round(), false);
        }
        writing.write(Vec::new());
        (store, writing)
    }

    /// What a check is told, with everything verified.
    pub fn rules(&self) -> (Rules<'_>, Extent) {
        let rules = Rules { chain: self.hash, schedule: self.schedule(), committee: &self.first, exempt: false };
        (rules, Extent { certificates: 1, audits: 0 })
    }
}

/// In the order of their keys, which is that of members.
fn identities() -> impl Iterator<Item = SecretKey> {
    let mut keys: Vec<SecretKey> = (1..=MEMBERS).map(|seed| SecretKey::from_seed(&[seed; 32])).collect();
    keys.sort_by_key(SecretKey::identity);
    keys.into_iter()
}

fn voting(member: u16, epoch: u64) -> SecretKey {
    let mut seed = [0x40 + member as u8; 32];
    seed[..8].copy_from_slice(&epoch.to_be_bytes());
    SecretKey::from_seed(&seed)
}

fn bundles(scope: &Digest32, epoch: u64) -> Vec<KeyBundle> {
    let bundle = |(identity, member): (SecretKey, u16)| {
        let mut seed = [member as u8; 32];
        seed[..8].copy_from_slice(&epoch.to_be_bytes());
        let tickets: Vec<_> = (0..4u8)
            .map(|k| {
                seed[8] = k;
                TicketSecret::from_seed(&seed)
            })
            .collect();
        KeyBundle::make(scope, &identity, epoch, &voting(member, epoch), &tickets)
    };
    identities().zip(0u16..).map(bundle).collect()
}
