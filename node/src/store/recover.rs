//! What the engine gets back at a start.

use zeroize::Zeroizing;

use beacon_engine::batch::{DealingSeed, Decision, Recovered};
use beacon_engine::serve::Archive;
use beacon_spec::chain::Beacon;
use beacon_spec::codec::decode;
use beacon_spec::committee::{MEMBER_LIST_LIMITS, MemberList};
use beacon_spec::evidence::{EVIDENCE_LIMITS, Evidence};
use beacon_spec::message::{COMMITMENT_LIMITS, Commitment};
use beacon_spec::mmr::Mmr;

use super::error::{Damage, StoreError};
use super::schema::{DECISION_LIMITS, Family, TIP_LIMITS, Tip, evidence_key, meta, number, number_key};
use super::{Entry, Store};

/// Rounds without a transcript that are named at a start.
const MISSING: usize = 4096;

impl Store {
    /// Reads everything that the engine needs to go on where it stopped.
    pub fn recover(&self) -> Result<Recovered, StoreError> {
        let tip = self.tip()?;
        let header = tip.as_ref().map(|(beacon, _)| &beacon.header);
        let before = header.map_or(0, |header| header.window.saturating_sub(1));
        let epoch = header.map_or(1, |header| header.epoch);
        Ok(Recovered {
            decisions: self.decisions_from(before)?,
            registry: self.registry(before)?,
            committees: self.committees_from(epoch.saturating_sub(1))?,
            commitments: self.all(Family::Commitments, commitment)?,
            seeds: self.all(Family::Seeds, seed)?,
            wal: self.all(Family::Wal, wal)?,
            missing_transcripts: self
                .scan(Family::Missing, b"", None)?
                .take(MISSING)
                .map(|entry| numbered(Family::Missing, &entry?.0))
                .collect::<Result<_, _>>()?,
            evidence: self.evidence_from(epoch.saturating_sub(1))?,
            silent_through: self.silent_through()?,
            tip,
        })
    }

    /// The newest round with the peaks after it.
    fn tip(&self) -> Result<Option<(Beacon, Mmr)>, StoreError> {
        let Some(tip) = self.get::<Tip>(Family::Meta, meta::TIP, &TIP_LIMITS)? else { return Ok(None) };
        let key = number_key(tip.round);
        let beacon =
            self.beacon(tip.round)?.ok_or_else(|| StoreError::damaged(Family::Beacons, &key, Damage::Missing))?;
        if beacon.header.hash() != tip.header || tip.mmr.count() != tip.round {
            return Err(StoreError::damaged(Family::Meta, meta::TIP, Damage::OtherKey));
        }
        Ok(Some((beacon, tip.mmr)))
    }

    fn decisions_from(&self, window: u64) -> Result<Vec<Decision>, StoreError> {
        let entries = self.scan(Family::Decisions, &number_key(window), None)?;
        entries.map(|entry| decision(&entry?)).collect()
    }

    fn committees_from(&self, epoch: u64) -> Result<Vec<MemberList>, StoreError> {
        let entries = self.scan(Family::Committees, &number_key(epoch), None)?;
        entries.map(|entry| members(&entry?)).collect()
    }

    fn evidence_from(&self, epoch: u64) -> Result<Vec<Evidence>, StoreError> {
        self.scan(Family::Evidence, &number_key(epoch), None)?.map(|entry| evidence(&entry?)).collect()
    }

    /// Proofs of crimes of `epoch` by members from index `from` on, in order, until they take `bytes`; and the member
    /// to go on with, if there are more.
    pub fn evidence(&self, epoch: u64, from: u16, bytes: usize) -> Result<(Vec<Evidence>, Option<u16>), StoreError> {
        let end = epoch.checked_add(1).map(|next| evidence_key(next, 0, 0));
        let start = evidence_key(epoch, from, 0);
        let (mut found, mut size) = (Vec::new(), 0);
        for entry in self.scan(Family::Evidence, &start, end.as_ref().map(<[u8; 11]>::as_slice))? {
            let entry = entry?;
            let proof = evidence(&entry)?;
            // All proofs against one member stand in one answer, so that the next one begins with another.
            let begun = found.last().is_some_and(|last: &Evidence| last.member() == proof.member());
            if size + entry.1.len() > bytes && !found.is_empty() && !begun {
                return Ok((found, Some(proof.member())));
            }
            size += entry.1.len();
            found.push(proof);
        }
        Ok((found, None))
    }

    fn silent_through(&self) -> Result<u64, StoreError> {
        let Some(bytes) = self.raw(Family::Meta, meta::SILENT)? else { return Ok(0) };
        number(&bytes).ok_or_else(|| StoreError::damaged(Family::Meta, meta::SILENT, Damage::Length(bytes.len())))
    }

    fn all<T>(&self, family: Family, read: fn(&Entry) -> Result<T, StoreError>) -> Result<Vec<T>, StoreError> {
        self.scan(family, b"", None)?.map(|entry| read(&entry?)).collect()
    }
}

fn numbered(family: Family, key: &[u8]) -> Result<u64, StoreError> {
    number(key).ok_or_else(|| StoreError::damaged(family, key, Damage::KeyLength(key.len())))
}

fn decision((key, bytes): &Entry) -> Result<Decision, StoreError> {
    let damaged = |damage| StoreError::damaged(Family::Decisions, key, damage);
    let decision: Decision = decode(bytes, &DECISION_LIMITS).map_err(|reason| damaged(Damage::Undecodable(reason)))?;
    match decision.value.window == numbered(Family::Decisions, key)? {
        true => Ok(decision),
        false => Err(damaged(Damage::OtherKey)),
    }
}

fn evidence((key, bytes): &Entry) -> Result<Evidence, StoreError> {
    let damaged = |damage| StoreError::damaged(Family::Evidence, key, damage);
    let evidence: Evidence = decode(bytes, &EVIDENCE_LIMITS).map_err(|reason| damaged(Damage::Undecodable(reason)))?;
    let named = [&evidence.member().to_be_bytes()[..], &[evidence.crime() as u8]].concat();
    if key.len() == 11 && key.ends_with(&named) { Ok(evidence) } else { Err(damaged(Damage::OtherKey)) }
}

fn members((key, bytes): &Entry) -> Result<MemberList, StoreError> {
    let damaged = |damage| StoreError::damaged(Family::Committees, key, damage);
    let list: MemberList = decode(bytes, &MEMBER_LIST_LIMITS).map_err(|reason| damaged(Damage::Undecodable(reason)))?;
    match list.epoch == numbered(Family::Committees, key)? {
        true => Ok(list),
        false => Err(damaged(Damage::OtherKey)),
    }
}

fn commitment((key, bytes): &Entry) -> Result<Commitment, StoreError> {
    let damaged = |damage| StoreError::damaged(Family::Commitments, key, damage);
    let commitment: Commitment =
        decode(bytes, &COMMITMENT_LIMITS).map_err(|reason| damaged(Damage::Undecodable(reason)))?;
    let body = &commitment.signed.body;
    let start = [&body.window.to_be_bytes()[..], &body.member.to_be_bytes()[..]].concat();
    if key.len() == 42 && key.starts_with(&start) { Ok(commitment) } else { Err(damaged(Damage::OtherKey)) }
}

fn seed((key, bytes): &Entry) -> Result<(u64, DealingSeed), StoreError> {
    let window = numbered(Family::Seeds, key)?;
    let mut seed = Zeroizing::new([0; 32]);
    if bytes.len() != seed.len() {
        return Err(StoreError::damaged(Family::Seeds, key, Damage::Length(bytes.len())));
    }
    seed.copy_from_slice(bytes);
    Ok((window, DealingSeed(seed)))
}

fn wal((key, bytes): &Entry) -> Result<(u64, u64, Vec<u8>), StoreError> {
    let parts = key.split_at_checked(8).and_then(|(height, index)| Some((number(height)?, number(index)?)));
    let (height, index) = parts.ok_or_else(|| StoreError::damaged(Family::Wal, key, Damage::KeyLength(key.len())))?;
    Ok((height, index, bytes.to_vec()))
}
