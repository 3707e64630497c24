//! Reading everything that is stored and judging it: checksums, links, certificates, mountain range, indices.
//!
//! Nothing is repaired. Each part stops at the first thing that does not hold and names it; the other parts go on.

use serde::Serialize;

use beacon_engine::batch::Decision;
use beacon_engine::serve::Archive;
use beacon_spec::chain::{BEACON_LIMITS, Beacon, TRANSCRIPT_LIMITS, Transcript};
use beacon_spec::codec::{decode, number as as_number};
use beacon_spec::committee::Committee;
use beacon_spec::consensus::value_id;
use beacon_spec::hash::Digest32;
use beacon_spec::mmr::Mmr;
use beacon_spec::registry::Registry;
use beacon_spec::reject::Reject;
use beacon_spec::schedule::Schedule;

use super::error::StoreError;
use super::schema::{DECISION_LIMITS, Family, REGISTRY_LIMITS, TIP_LIMITS, Tip, meta, number, number_key};
use super::{Entry, Store};

/// Entries between two words about progress.
const SPEAK_EVERY: u64 = 1024;

/// The chain that the database is to hold.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    pub chain: Digest32,
    pub schedule: Schedule,
    /// The committee of the first epoch.
    pub committee: &'a Committee,
    /// The genesis' development exemption.
    pub exempt: bool,
}

/// How much of the expensive work is done.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// The certificates of every so many rounds and windows are verified: 1 for all, 0 for only the newest round's and
    /// those by which one committee hands over to the next.
    pub certificates: u64,
    /// The outputs of every so many rounds are recomputed from their transcripts; 0 for none.
    pub audits: u64,
}

/// What was read, and what does not hold.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    #[serde(with = "as_number")]
    pub first_round: u64,
    #[serde(with = "as_number")]
    pub newest_round: u64,
    /// Rounds whose headers were read and hold.
    #[serde(with = "as_number")]
    pub rounds: u64,
    #[serde(with = "as_number")]
    pub certificates: u64,
    #[serde(with = "as_number")]
    pub decisions: u64,
    #[serde(with = "as_number")]
    pub transcripts: u64,
    /// Rounds whose output was recomputed.
    #[serde(with = "as_number")]
    pub audited: u64,
    pub findings: Vec<Finding>,
}

/// Something that does not hold.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The column family.
    pub family: &'static str,
    /// The first round, or for decisions and registries the first window, that it concerns.
    pub number: Option<u64>,
    pub what: String,
}

impl Finding {
    fn new(family: Family, number: u64, what: impl ToString) -> Finding {
        Finding { family: family.name(), number: Some(number), what: what.to_string() }
    }

    fn refused(family: Family, number: u64) -> impl FnOnce(Reject) -> Finding {
        move |reason| Finding::new(family, number, format!("{reason} ({})", reason.code()))
    }
}

impl From<StoreError> for Finding {
    fn from(error: StoreError) -> Finding {
        let family = match error {
            StoreError::Damaged { family, .. } => family,
            _ => Family::Meta.name(),
        };
        Finding { family, number: None, what: error.to_string() }
    }
}

/// Tells the part at work, how far it is, and how far it has to go.
pub type Progress<'a> = dyn FnMut(&'static str, u64, u64) + 'a;

impl Store {
    /// Reads everything and judges it. Takes as long as reading the whole database, and about a tenth of a millisecond
    /// for each certificate of four members.
    pub fn check(&self, rules: Rules<'_>, extent: Extent, progress: &mut Progress<'_>) -> Checked {
        let known = self.known();
        let (base, tip) = (known.base, self.tip_round());
        let checked = Checked { first_round: base, newest_round: tip, ..Checked::default() };
        let mut check = Check { store: self, rules, extent, progress, checked, committee: None, base, tip };
        let parts = [check.beacons(), check.transcripts(), check.decisions(), check.registries(), check.restart()];
        check.checked.findings.extend(parts.into_iter().filter_map(Result::err));
        check.checked
    }
}

struct Check<'a, 'p> {
    store: &'a Store,
    rules: Rules<'a>,
    extent: Extent,
    progress: &'p mut Progress<'p>,
    checked: Checked,
    /// The committee read last; neighbouring rounds and windows share it.
    committee: Option<Committee>,
    base: u64,
    tip: u64,
}

impl<'a> Check<'a, '_> {
    fn speak(&mut self, part: &'static str, at: u64, of: u64) {
        if at.is_multiple_of(SPEAK_EVERY) {
            (self.progress)(part, at, of);
        }
    }

    /// Every entry of a family under consecutive or growing numbers. A read error concerns the number after the last.
    fn entries(
        &self,
        family: Family,
        from: u64,
    ) -> Result<impl Iterator<Item = Result<(u64, Entry), Finding>> + use<'a>, Finding> {
        let mut last = from.saturating_sub(1);
        let entries = self.store.scan(family, &number_key(from), None)?;
        Ok(entries.map(move |entry| {
            let next = last.saturating_add(1);
            let entry = entry.map_err(|error| Finding::new(family, next, error))?;
            let key = number(&entry.0);
            last = key.ok_or_else(|| Finding::new(family, next, format!("a key of {} bytes", entry.0.len())))?;
            Ok((last, entry))
        }))
    }

    /// The committee of an epoch, from the genesis or the store; `named` is the hash that a header names.
    fn committee(&mut self, epoch: u64, named: Option<Digest32>) -> Result<&Committee, Finding> {
        if self.committee.as_ref().is_none_or(|known| known.epoch() != epoch) {
            let committee = if epoch == 1 {
                self.rules.committee.clone()
            } else {
                let list = self.store.members(epoch)?;
                let list = list.ok_or_else(|| Finding::new(Family::Committees, epoch, "the committee is missing"))?;
                list.build(self.rules.exempt).map_err(Finding::refused(Family::Committees, epoch))?
            };
            self.committee = Some(committee);
        }
        let committee = self.committee.as_ref().expect("it was put there above");
        match named.filter(|named| committee.hash() != *named) {
            None => Ok(committee),
            Some(named) => {
                Err(Finding::new(Family::Committees, epoch, format!("it is not the committee {named} of the headers")))
            }
        }
    }

    /// Headers, links, certificates, the mountain range and the tip.
    fn beacons(&mut self) -> Result<(), Finding> {
        let family = Family::Beacons;
        let mut range = self.range_before_base()?;
        let mut nodes = self.entries(Family::Mmr, 0)?.skip_while({
            let first = Mmr::clone(&range).append(self.base, Digest32::ZERO)[0].0;
            move |node| node.as_ref().is_ok_and(|(position, _)| *position < first)
        });
        let mut next = self.base;
        let mut previous = (self.base == 1).then_some(self.rules.chain);
        for entry in self.entries(family, 0)? {
            let (round, (_, bytes)) = entry?;
            if round != next {
                return Err(Finding::new(family, next.min(round), "the round is missing, or not to be here"));
            }
            let beacon: Beacon = decode(&bytes, &BEACON_LIMITS).map_err(Finding::refused(family, round))?;
            let hash = self.beacon(round, &beacon, previous, &range)?;
            for made in range.append(round, hash) {
                let found = nodes.next().transpose()?;
                let same = found.is_some_and(|(position, (_, node))| position == made.0 && *node == made.1.0);
                if !same {
                    let what = format!("the node at position {} is not that of the headers", made.0);
                    return Err(Finding::new(Family::Mmr, round, what));
                }
            }
            previous = Some(hash);
            next += 1;
            self.checked.rounds += 1;
            self.speak("beacons", round, self.tip);
        }
        self.newest(next - 1, previous, &range)?;
        match nodes.next().transpose()? {
            Some((position, _)) => Err(Finding::new(Family::Mmr, next, format!("a node beyond the tip at {position}"))),
            None => Ok(()),
        }
    }

    /// The range that the first stored header has a root of.
    fn range_before_base(&self) -> Result<Mmr, Finding> {
        let missing = || Finding::new(Family::Mmr, self.base, "a peak before the checkpoint is missing");
        self.store.range(self.base - 1)?.ok_or_else(missing)
    }

    fn beacon(
        &mut self,
        round: u64,
        beacon: &Beacon,
        previous: Option<Digest32>,
        range: &Mmr,
    ) -> Result<Digest32, Finding> {
        let refused = |reason| Finding::refused(Family::Beacons, round)(reason);
        let header = &beacon.header;
        if header.round != round {
            return Err(refused(Reject::WrongRound));
        }
        header.check(&self.rules.chain, &self.rules.schedule).map_err(refused)?;
        if previous.is_some_and(|previous| previous != header.previous) {
            return Err(refused(Reject::BrokenLink));
        }
        if header.mmr != range.root() {
            return Err(refused(Reject::BadMmr));
        }
        let hash = header.hash();
        let every = self.extent.certificates;
        let hands_over = self.rules.schedule.is_last_round_of_epoch(round);
        let judged = hands_over || round == self.tip || (every > 0 && round.is_multiple_of(every));
        let committee = self.committee(header.epoch, Some(header.committee))?;
        if judged {
            let verdict = beacon.certificate.verify(&header.chain, round, &hash, committee.signers());
            verdict.map_err(refused)?;
            self.checked.certificates += 1;
        }
        if hands_over && self.store.members(header.epoch + 1)?.is_some() {
            self.committee(header.epoch + 1, Some(header.next_committee))?;
        }
        Ok(hash)
    }

    /// The tip is the last beacon, and its peaks are those of the headers.
    fn newest(&self, last: u64, hash: Option<Digest32>, range: &Mmr) -> Result<(), Finding> {
        let tip: Option<Tip> = self.store.get(Family::Meta, meta::TIP, &TIP_LIMITS)?;
        let stated = tip.as_ref().map_or(0, |tip| tip.round);
        if stated > last {
            return Err(Finding::new(
                Family::Beacons,
                last + 1,
                format!("rounds {} to {stated} are missing", last + 1),
            ));
        }
        match tip {
            None if last < self.base => Ok(()),
            Some(tip) if tip.round == last && Some(tip.header) == hash && tip.mmr == *range => Ok(()),
            _ => Err(Finding::new(Family::Meta, last, "the tip is not the newest beacon with the peaks after it")),
        }
    }

    /// Every round has its transcript or is noted as being without, and outputs follow from transcripts.
    fn transcripts(&mut self) -> Result<(), Finding> {
        let family = Family::Transcripts;
        let mut next = self.store.known().floor.max(self.base);
        let mut missing = self.entries(Family::Missing, 0)?.peekable();
        let (tip, every) = (self.tip, self.extent.audits);
        let mut without = |next: &mut u64, below: u64| -> Result<(), Finding> {
            while *next < below {
                match missing.next().transpose()? {
                    Some((round, _)) if round == *next => *next += 1,
                    Some((round, _)) if round < *next => {
                        return Err(Finding::new(Family::Missing, round, "noted as without a transcript, and has one"));
                    }
                    _ => return Err(Finding::new(family, *next, "no transcript, and not noted as being without")),
                }
            }
            Ok(())
        };
        for entry in self.entries(family, 0)? {
            let (round, (_, bytes)) = entry?;
            let transcript: Transcript = decode(&bytes, &TRANSCRIPT_LIMITS).map_err(Finding::refused(family, round))?;
            if transcript.round != round || round > tip {
                return Err(Finding::refused(family, round)(Reject::WrongRound));
            }
            if round >= next {
                without(&mut next, round)?;
                next += 1;
            }
            if every > 0 && round.is_multiple_of(every) {
                self.audit(&transcript)?;
            }
            self.checked.transcripts += 1;
            self.speak("transcripts", round, tip);
        }
        without(&mut next, tip + 1)?;
        match missing.next().transpose()? {
            Some((round, _)) => Err(Finding::new(Family::Missing, round, "noted, though it is not stored")),
            None => Ok(()),
        }
    }

    fn audit(&mut self, transcript: &Transcript) -> Result<(), Finding> {
        let round = transcript.round;
        // A beacon that cannot be read is a finding of its own.
        let Ok(Some(beacon)) = self.store.beacon(round) else { return Ok(()) };
        let committee = self.committee(beacon.header.epoch, Some(beacon.header.committee))?;
        transcript.audit(&beacon.header, committee).map_err(Finding::refused(Family::Transcripts, round))?;
        self.checked.audited += 1;
        Ok(())
    }

    /// Decided sets with their certificates, and that the headers of their windows have as many contributors.
    fn decisions(&mut self) -> Result<(), Finding> {
        let family = Family::Decisions;
        let of = self.store.known().decided;
        for entry in self.entries(family, 0)? {
            let (window, (_, bytes)) = entry?;
            let refused = |reason| Finding::refused(family, window)(reason);
            let decision: Decision = decode(&bytes, &DECISION_LIMITS).map_err(refused)?;
            self.decision(window, &decision).map_err(refused)?;
            let first = *self.rules.schedule.rounds_of(window).start();
            if let Ok(Some(beacon)) = self.store.beacon(first)
                && beacon.header.contributors as usize != decision.value.set.len()
            {
                return Err(refused(Reject::BadCount));
            }
            let every = self.extent.certificates;
            if every > 0 && window.is_multiple_of(every) {
                let chain = self.rules.chain;
                let epoch = self.rules.schedule.epoch_of_window(window);
                let committee = self.committee(epoch, None)?;
                decision.value.check(committee, window).map_err(refused)?;
                let signers = committee.signers();
                let voter = |member| Some((signers.weight(member), signers.verifier(member).ok()?));
                decision.certificate.verify(&chain, voter, signers.total_weight()).map_err(refused)?;
            }
            self.checked.decisions += 1;
            self.speak("decisions", window, of);
        }
        Ok(())
    }

    fn decision(&self, window: u64, decision: &Decision) -> Result<(), Reject> {
        if decision.value.window != window || decision.certificate.height != window {
            return Err(Reject::WrongWindow);
        }
        let same = decision.certificate.value_id == value_id(&decision.value.encode());
        if same { Ok(()) } else { Err(Reject::WrongRoot) }
    }

    fn registries(&mut self) -> Result<(), Finding> {
        let family = Family::Registries;
        for entry in self.entries(family, 0)? {
            let (window, (_, bytes)) = entry?;
            let refused = |reason| Finding::refused(family, window)(reason);
            let registry: Registry = decode(&bytes, &REGISTRY_LIMITS).map_err(refused)?;
            if registry.epoch != self.rules.schedule.epoch_of_window(window) {
                return Err(refused(Reject::WrongEpoch));
            }
        }
        Ok(())
    }

    /// Everything that a start reads: commitments, seeds and the agreement log among it.
    fn restart(&mut self) -> Result<(), Finding> {
        (self.progress)("records", 0, 0);
        self.store.recover().map(drop).map_err(Finding::from)
    }
}
