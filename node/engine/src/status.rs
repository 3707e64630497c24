//! What the node shows of the engine: positions, clock, participation.

use std::collections::BTreeMap;

use serde::Serialize;

use beacon_spec::chain::{Beacon, Revealed, Transcript};
use beacon_spec::keys::IdentityKey;

use crate::engine::Engine;
use crate::event::Millis;

/// How one member took part since this process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemberCount {
    pub weight: u64,
    pub contributed: u64,
    /// Secrets that others had to recover.
    pub recovered: u64,
    pub signed: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Participation {
    rounds: u64,
    members: BTreeMap<u16, MemberCount>,
}

/// A snapshot for status pages and metrics.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    pub round: u64,
    pub header: String,
    /// Due time of the next round, Unix milliseconds.
    pub next_due: Millis,
    /// The round that the schedule asks for now.
    pub expected: u64,
    pub decided: u64,
    pub epoch: u64,
    /// Whether this node has weight in the committee in force and holds its keys.
    pub member: Option<u16>,
    pub clock_offset_ms: Option<i64>,
    pub best_peer_round: u64,
    pub peers: Vec<(IdentityKey, Option<u64>)>,
    /// Rounds learned without what they were mixed from.
    pub missing_transcripts: usize,
    /// Rounds certified or learned with their transcripts since this process started.
    pub rounds_seen: u64,
    pub participation: Vec<(u16, MemberCount)>,
    /// Whether this member still asks the others what they have seen of it, and signs nothing until they have answered.
    pub asking: bool,
    /// This member deals, proposes and votes above this window only, 0 mostly.
    pub silent_through: u64,
}

impl Engine {
    pub(crate) fn count_participation(&mut self, beacon: &Beacon, transcript: Option<&Transcript>) {
        let Some(committee) = self.committees.get(&beacon.header.epoch) else { return };
        let counts = &mut self.participation.members;
        self.participation.rounds += u64::from(transcript.is_some());
        for contribution in transcript.iter().flat_map(|transcript| &transcript.contributions) {
            let count = counts.entry(contribution.member).or_default();
            count.weight = committee.signers().weight(contribution.member);
            count.contributed += 1;
            count.recovered += u64::from(matches!(contribution.revealed, Revealed::Recovered(_)));
        }
        for member in beacon.certificate.members(committee.signers()).unwrap_or_default() {
            counts.entry(member).or_default().signed += 1;
        }
    }

    pub fn status(&mut self) -> Status {
        let schedule = self.schedule();
        let next = self.chain.round + 1;
        let expected = match schedule.period {
            0 => self.sync.best_round().max(self.chain.round),
            _ => schedule.round_at(self.clock()).unwrap_or(0),
        };
        let epoch = schedule.epoch_of(next);
        let committee = self.committee(epoch);
        Status {
            round: self.chain.round,
            header: self.chain.hash.to_string(),
            next_due: schedule.time_of(next).unwrap_or(Millis::MAX),
            expected,
            decided: self.next_height() - 1,
            epoch,
            member: committee.and_then(|committee| Some(self.own(&committee)?.member)),
            clock_offset_ms: self.sync.clock_offset(),
            best_peer_round: self.sync.best_round(),
            peers: self.sync.peers().map(|(key, round)| (*key, round)).collect(),
            missing_transcripts: self.sync.missing_transcripts(),
            rounds_seen: self.participation.rounds,
            participation: self.participation.members.iter().map(|(member, count)| (*member, *count)).collect(),
            asking: self.caution.is_asking(),
            silent_through: self.caution.silent_through(),
        }
    }
}
