//! What a simulated node keeps, and how it answers others from it.

use std::collections::BTreeMap;

use beacon_engine::batch::{DealingSeed, Decision, Record, Recovered};
use beacon_engine::serve::Archive;
use beacon_spec::chain::{Beacon, Transcript};
use beacon_spec::committee::MemberList;
use beacon_spec::evidence::Evidence;
use beacon_spec::hash::Digest32;
use beacon_spec::message::Commitment;
use beacon_spec::mmr::Mmr;
use beacon_spec::registry::Registry;
use beacon_spec::schedule::Schedule;

/// What a node keeps, and what of it would survive a power cut.
#[derive(Clone, Default)]
pub struct Disk {
    pub rounds: BTreeMap<u64, Beacon>,
    pub transcripts: BTreeMap<u64, Transcript>,
    mmr: Option<Mmr>,
    pub decisions: BTreeMap<u64, Decision>,
    commitments: BTreeMap<(u64, u16, Digest32), Commitment>,
    seeds: BTreeMap<u64, DealingSeed>,
    wal: BTreeMap<(u64, u64), Vec<u8>>,
    registries: BTreeMap<u64, Registry>,
    members: BTreeMap<u64, MemberList>,
    evidence: Vec<Evidence>,
    silent_through: u64,
}

impl Disk {
    /// Keeps a record as a node's store does.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Seed { window, seed } => drop(self.seeds.insert(window, seed)),
            Record::Commitment { window, member, hash, commitment } => {
                self.commitments.insert((window, member, hash), *commitment);
            }
            Record::Wal { height, index, entry } => drop(self.wal.insert((height, index), entry)),
            Record::Decision(decision) => {
                let height = decision.value.window;
                self.decisions.insert(height, *decision);
                self.wal.retain(|(other, _), _| *other != height);
            }
            Record::Round { beacon, mmr, .. } => {
                self.rounds.insert(beacon.header.round, *beacon);
                self.mmr = Some(mmr);
            }
            Record::Transcript(transcript) => drop(self.transcripts.insert(transcript.round, *transcript)),
            Record::Registry { window, registry } => drop(self.registries.insert(window, registry)),
            Record::ForgetRegistries { below } => self.registries = self.registries.split_off(&below),
            Record::Committee(list) => drop(self.members.insert(list.epoch, *list)),
            Record::Evidence { evidence, .. } => self.evidence.push(*evidence),
            Record::Silent { through } => self.silent_through = through,
            Record::Forget { window } => {
                self.seeds.retain(|other, _| *other > window);
                self.commitments.retain(|(other, _, _), _| *other > window);
            }
        }
    }

    /// Whether no other dealings for `window` can be made after a power cut: their seed survives, or a round that is not
    /// before it.
    pub fn is_bound(&self, window: u64, schedule: &Schedule) -> bool {
        let over = self.rounds.last_key_value().is_some_and(|(round, _)| schedule.window_of(*round) >= window);
        over || self.seeds.contains_key(&window)
    }

    pub fn recovered(&self, schedule: &Schedule) -> Recovered {
        let tip = self.rounds.last_key_value().map(|(_, beacon)| beacon.clone()).zip(self.mmr.clone());
        let window = schedule.window_of(tip.as_ref().map_or(1, |(beacon, _)| beacon.header.round));
        let epoch = schedule.epoch_of_window(window);
        Recovered {
            tip,
            decisions: self.decisions.range(window - 1..).map(|(_, decision)| decision.clone()).collect(),
            registry: self.registries.range(..window).next_back().map(|(_, registry)| registry.clone()),
            committees: self.members.range(epoch.saturating_sub(1)..).map(|(_, list)| list.clone()).collect(),
            commitments: self.commitments.values().cloned().collect(),
            seeds: self.seeds.iter().map(|(window, seed)| (*window, seed.clone())).collect(),
            wal: self.wal.iter().map(|((height, index), entry)| (*height, *index, entry.clone())).collect(),
            evidence: self.evidence.clone(),
            silent_through: self.silent_through,
            missing_transcripts: Vec::new(),
        }
    }
}

/// A disk with the genesis, as peers see it.
pub struct Served<'a>(pub &'a Disk, pub &'a [u8]);

impl Archive for Served<'_> {
    type Error = std::convert::Infallible;
    fn tip(&self) -> Result<Option<(u64, Digest32)>, Self::Error> {
        Ok(self.0.rounds.last_key_value().map(|(round, beacon)| (*round, beacon.header.hash())))
    }
    fn decided(&self) -> Result<u64, Self::Error> {
        Ok(self.0.decisions.last_key_value().map_or(0, |(window, _)| *window))
    }
    fn genesis(&self) -> Result<Vec<u8>, Self::Error> {
        Ok(self.1.to_vec())
    }
    fn beacon(&self, round: u64) -> Result<Option<Beacon>, Self::Error> {
        Ok(self.0.rounds.get(&round).cloned())
    }
    fn transcript(&self, round: u64) -> Result<Option<Transcript>, Self::Error> {
        Ok(self.0.transcripts.get(&round).cloned())
    }
    fn decision(&self, window: u64) -> Result<Option<Decision>, Self::Error> {
        Ok(self.0.decisions.get(&window).cloned())
    }
    fn commitment(&self, window: u64, member: u16, hash: &Digest32) -> Result<Option<Commitment>, Self::Error> {
        Ok(self.0.commitments.get(&(window, member, *hash)).cloned())
    }
    fn registry(&self, window: u64) -> Result<Option<Registry>, Self::Error> {
        Ok(self.0.registries.range(..=window).next_back().map(|(_, registry)| registry.clone()))
    }
    fn range(&self, count: u64) -> Result<Option<Mmr>, Self::Error> {
        let mut range = Mmr::new();
        for (round, beacon) in self.0.rounds.range(..=count) {
            range.append(*round, beacon.header.hash());
        }
        Ok((range.count() == count).then_some(range))
    }
    fn members(&self, epoch: u64) -> Result<Option<MemberList>, Self::Error> {
        Ok(self.0.members.get(&epoch).cloned())
    }
}
