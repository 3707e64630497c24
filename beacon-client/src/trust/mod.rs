//! The judge: it is given bytes and accepts or refuses them. No I/O, no clock, no randomness.
//!
//! Trust starts from the chain hash. The light genesis hashes to it and names the first committee; the last header of
//! an epoch names the next; a committee's certificate makes a head trusted; the MMR root in a trusted head proves every
//! earlier round, and so that the head extends the one trusted before. Only this module makes [`Verified`] values.

pub mod links;
#[cfg(test)]
mod vectors;
pub mod walk;

use core::fmt;
use std::sync::Arc;

use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{BEACON_LIMITS, Beacon, Header};
use beacon_spec::codec::{Limits, decode};
use beacon_spec::committee::{Committee, MEMBER_LIST_LIMITS, MemberList, SignerList, Signers};
use beacon_spec::genesis::{Draft, LightGenesis};
use beacon_spec::hash::Digest32;
use beacon_spec::mix;
use beacon_spec::mmr::{self, MmrProof};
use beacon_spec::reject::Reject;
use beacon_spec::schedule::Schedule;

use crate::refusal::{Reason, Refusal};

/// The largest light genesis: 512 members, each as drafted (40 bytes) and as a signer (72 bytes).
pub const GENESIS_LIMITS: Limits = Limits::bytes(64 << 10);
/// The largest signer list: 512 lines of 72 bytes.
pub const SIGNERS_LIMITS: Limits = Limits::bytes(40 << 10);

/// The largest proof: 62 siblings.
pub const PROOF_LIMITS: Limits = Limits::bytes(2 << 10);
/// A head may be due this far beyond the client's clock, in milliseconds: clocks differ.
pub const CLOCK_TOLERANCE: u64 = 15_000;

/// What made a beacon trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The certificate of the committee in force.
    Certificate,
    /// An MMR proof under the trusted head of this round, and its certificate besides.
    Proof { head: u64 },
}

impl How {
    pub const fn name(&self) -> &'static str {
        match self {
            How::Certificate => "certificate",
            How::Proof { .. } => "mmr-proof",
        }
    }
}

/// A beacon that was verified. There is no other way to make one than through [`Trust`] and its walks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    beacon: Beacon,
    hash: Digest32,
    how: How,
}

impl Verified {
    pub fn round(&self) -> u64 {
        self.beacon.header.round
    }

    pub fn output(&self) -> &Digest32 {
        &self.beacon.header.output
    }

    pub fn header(&self) -> &Header {
        &self.beacon.header
    }

    pub fn certificate(&self) -> &Certificate {
        &self.beacon.certificate
    }

    pub fn beacon(&self) -> &Beacon {
        &self.beacon
    }

    pub fn hash(&self) -> Digest32 {
        self.hash
    }

    pub fn how(&self) -> How {
        self.how
    }

    /// More bytes of the output under a label: HKDF-SHA3-256, at most 8160. Public bytes, never a key. [mix-3]
    pub fn expand(&self, label: &[u8], length: usize) -> Result<Vec<u8>, Reject> {
        mix::expand(self.output(), label, length)
    }

    /// The 512-bit value of the round: 64 expanded bytes under the label `512`.
    pub fn wide(&self) -> Result<Vec<u8>, Reject> {
        self.expand(b"512", 64)
    }
}

/// Two certified headers that cannot both be of one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub trusted: Header,
    pub offered: Header,
    pub from: Option<String>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.from.as_deref().unwrap_or("an unnamed source");
        writeln!(f, "CONFLICT: {from} offers a certified header that excludes the one this client trusts.")?;
        writeln!(f, "  chain   {}", self.trusted.chain)?;
        writeln!(f, "  trusted round {} header {}", self.trusted.round, self.trusted.hash())?;
        writeln!(f, "  offered round {} header {}", self.offered.round, self.offered.hash())?;
        write!(
            f,
            "Either a third of the committee's weight signed twice or old keys were stolen. Nothing was accepted; keep both headers and tell the operators."
        )
    }
}

/// What a client knows of a chain.
#[derive(Clone, Debug)]
pub struct Trust {
    chain: Digest32,
    genesis: Arc<LightGenesis>,
    /// The committee of the head's epoch; of epoch 1 without a head.
    signers: Arc<Signers>,
    head: Option<Verified>,
}

impl Trust {
    /// Starts from nothing but the chain hash: `genesis` is an encoded [`LightGenesis`].
    pub fn new(genesis: &[u8], chain: Digest32) -> Result<Trust, Refusal> {
        let refused = |reject| Refusal::new(reject, "light genesis");
        let light: LightGenesis = decode(genesis, &GENESIS_LIMITS).map_err(refused)?;
        let found = light.chain();
        if found != chain {
            return Err(refused(Reject::WrongChain).field("chain").mismatch(chain, found));
        }
        let (_, signers) = light.clone().check(&chain).map_err(|reject| Refusal { field: None, ..refused(reject) })?;
        Ok(Trust { chain, genesis: Arc::new(light), signers: Arc::new(signers), head: None })
    }

    /// Takes up again where an earlier run stopped. `signers` is the list of the head's epoch, which that run had
    /// verified; everything that can be judged again is.
    pub fn restore(genesis: &[u8], chain: Digest32, signers: SignerList, head: Beacon) -> Result<Trust, Refusal> {
        let mut trust = Trust::new(genesis, chain)?;
        let signers = Signers::new(signers).map_err(|reject| Refusal::new(reject, "stored signer list"))?;
        trust.signers = Arc::new(signers);
        trust.head = Some(trust.certified(head)?);
        Ok(trust)
    }

    pub fn chain(&self) -> &Digest32 {
        &self.chain
    }

    pub fn genesis(&self) -> &LightGenesis {
        &self.genesis
    }

    pub fn draft(&self) -> &Draft {
        &self.genesis.draft
    }

    pub fn schedule(&self) -> &Schedule {
        &self.genesis.draft.parameters.schedule
    }

    /// The committee of the head's epoch.
    pub fn signers(&self) -> &Arc<Signers> {
        &self.signers
    }

    /// Prepares the keys of the committee in force: for whoever judges hundreds of its rounds. Walks do so by themselves.
    #[must_use]
    pub fn prepared(self) -> Trust {
        Trust { signers: Arc::new(Signers::clone(&self.signers).prepared()), ..self }
    }

    /// The newest header trusted.
    pub fn head(&self) -> Option<&Verified> {
        self.head.as_ref()
    }

    /// The round of the head; 0, the genesis, without one.
    pub fn round(&self) -> u64 {
        self.head.as_ref().map_or(0, Verified::round)
    }

    /// Decodes a beacon and judges what its header says of itself. `asked` is the round that was asked for.
    pub fn read_beacon(&self, bytes: &[u8], asked: Option<u64>) -> Result<Beacon, Refusal> {
        let what = || asked.map_or_else(|| "newest beacon".to_owned(), |round| format!("beacon of round {round}"));
        let beacon: Beacon = decode(bytes, &BEACON_LIMITS).map_err(|reject| Refusal::new(reject, what()))?;
        if let Some(round) = asked.filter(|round| *round != beacon.header.round) {
            return Err(Refusal::new(Reject::WrongRound, what())
                .field("header.round")
                .mismatch(round, beacon.header.round));
        }
        self.check_header(&beacon.header)?;
        Ok(beacon)
    }

    /// Judges a header by chain, schedule and version, and names the field that is wrong.
    pub fn check_header(&self, header: &Header) -> Result<(), Refusal> {
        let schedule = self.schedule();
        let refused = |reject| Refusal::new(reject, format!("header of round {}", header.round));
        if header.round == 0 {
            return Err(refused(Reject::WrongRound).field("header.round"));
        }
        header.check(&self.chain, schedule).map_err(|reject| match reject {
            Reject::WrongChain => refused(reject).mismatch(self.chain, header.chain),
            Reject::UnknownVersion => refused(reject).mismatch(beacon_spec::VERSION, header.version),
            Reject::WrongDueTime => match schedule.time_of(header.round) {
                Ok(due) => refused(reject).mismatch(due, header.due),
                Err(reject) => refused(reject).field("header.round"),
            },
            Reject::WrongWindow => refused(reject).mismatch(schedule.window_of(header.round), header.window),
            Reject::WrongEpoch => refused(reject).mismatch(schedule.epoch_of(header.round), header.epoch),
            Reject::WrongCommittee => refused(reject).field("header.next_committee"),
            Reject::NoSuchTime => refused(reject).field("header.round"),
            other => refused(other),
        })
    }

    /// Judges a beacon of the head's epoch by its certificate.
    pub fn certified(&self, beacon: Beacon) -> Result<Verified, Refusal> {
        self.certified_by(beacon, &self.signers)
    }

    fn certified_by(&self, beacon: Beacon, signers: &Signers) -> Result<Verified, Refusal> {
        self.check_header(&beacon.header)?;
        check_committee(&beacon.header, signers)?;
        let hash = beacon.header.hash();
        beacon
            .certificate
            .verify(&beacon.header.chain, beacon.header.round, &hash, signers)
            .map_err(|reject| Refusal::new(reject, format!("certificate of round {}", beacon.header.round)))?;
        Ok(Verified { beacon, hash, how: How::Certificate })
    }

    /// Goes to the next epoch: `last` is the last beacon of this one, `signers` an encoded list of the next. [trust-3]
    ///
    /// The head is left where it was, so work on a clone until a head of the new epoch is accepted.
    pub fn hand_over(&mut self, last: Beacon, signers: &[u8]) -> Result<(), Refusal> {
        let header = &last.header;
        if !self.schedule().is_last_round_of_epoch(header.round) {
            return Err(Refusal::new(Reject::WrongRound, format!("hand-over at round {}", header.round)));
        }
        let next = (header.epoch + 1, header.next_committee);
        self.certified(last)?;
        self.signers = Arc::new(read_signers(signers, next.0, &next.1)?);
        Ok(())
    }

    /// The same chain with a committee that was verified already and no head: for going through epochs again.
    pub(crate) fn under(&self, signers: Signers) -> Trust {
        Trust { signers: Arc::new(signers), head: None, ..self.clone() }
    }

    /// Judges a beacon as a new head by its certificate; tells what is still to be shown of it.
    pub fn head_candidate(&self, beacon: Beacon) -> Result<Candidate, Refusal> {
        let verified = self.certified(beacon)?;
        let Some(head) = &self.head else {
            return Ok(Candidate::Extends(verified));
        };
        let (round, known) = (verified.round(), head.round());
        if round < known {
            return Ok(Candidate::Older(verified));
        }
        if round == known {
            return Ok(if verified.hash == head.hash { Candidate::Same } else { Candidate::Conflicts(verified) });
        }
        if round == known + 1 {
            let extends = verified.header().previous == head.hash;
            return Ok(if extends { Candidate::Extends(verified) } else { Candidate::Conflicts(verified) });
        }
        Ok(Candidate::NeedsProof(verified))
    }

    /// Makes a header the head that [`Trust::head_candidate`] or [`verify_proof`] found to extend the present one. It
    /// must be of the epoch whose committee is in force here.
    pub fn set_head(&mut self, head: Verified) {
        debug_assert!(head.header().committee == self.signers.hash() && head.round() >= self.round());
        self.head = Some(head);
    }

    /// Moves the head along a walk that passed through the present one and has just taken `last`.
    pub fn follow(&mut self, walk: &walk::Walk, last: &Verified) {
        let reached = walk.last() == Some((last.round(), last.hash));
        if reached && last.round() > self.round() && walk.signers().hash() == last.header().committee {
            self.signers = Arc::clone(walk.signers());
            self.head = Some(last.clone());
        }
    }

    /// Judges a header of round < head by its proof under the head, an encoded [`MmrProof`].
    ///
    /// What this leaves open is the certificate: [`Trust::past`] judges it under the committee of that epoch, whose
    /// hash the header, once proven, names.
    pub fn proven(&self, beacon: Beacon, proof: &[u8]) -> Result<Proven, Refusal> {
        self.check_header(&beacon.header)?;
        let round = beacon.header.round;
        let Some(head) = self.head.as_ref().filter(|head| round < head.round()) else {
            let what = format!("proof of round {round} under round {}", self.round());
            return Err(Refusal::new(Reject::WrongRound, what));
        };
        let hash = beacon.header.hash();
        verify_proof(head.header(), round, &hash, proof)?;
        Ok(Proven { beacon, hash, head: head.round() })
    }

    /// Judges the certificate of a proven header under the committee it names.
    pub fn past(&self, proven: Proven, signers: &Signers) -> Result<Verified, Refusal> {
        let verified = self.certified_by(proven.beacon, signers)?;
        Ok(Verified { how: How::Proof { head: proven.head }, ..verified })
    }

    /// Starts from a checkpoint: a header hash that the user vouches for stands in place of hand-overs since genesis.
    pub fn at_checkpoint(&self, beacon: Beacon, hash: &Digest32, signers: &[u8]) -> Result<(Trust, Verified), Refusal> {
        self.check_header(&beacon.header)?;
        let found = beacon.header.hash();
        if found != *hash {
            let what = format!("header of checkpoint round {}", beacon.header.round);
            return Err(Refusal { field: None, ..Refusal::new(Reject::Conflict, what).mismatch(hash, found) });
        }
        let signers = read_signers(signers, beacon.header.epoch, &beacon.header.committee)?;
        let mut trust = Trust { signers: Arc::new(signers), head: None, ..self.clone() };
        let point = trust.certified(beacon)?;
        trust.head = Some(point.clone());
        Ok((trust, point))
    }

    /// Refuses a round that the clock says cannot be certified yet. `now` in Unix milliseconds.
    pub fn check_not_future(&self, header: &Header, now: u64) -> Result<(), Refusal> {
        if header.due > now.saturating_add(CLOCK_TOLERANCE) {
            let what =
                format!("beacon of round {}, due {} from now", header.round, crate::time::span(header.due - now));
            return Err(Refusal::new(Reason::FutureRound, what).field("header.due"));
        }
        Ok(())
    }

    /// Rounds that are due at `now` beyond the head; 0 for chains without a period.
    pub fn behind(&self, now: u64) -> u64 {
        self.schedule().round_at(now).map_or(0, |expected| expected.saturating_sub(self.round()))
    }
}

/// A certified beacon, seen against the present head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// It is the first, or its link to the present head holds.
    Extends(Verified),
    /// The present head once more.
    Same,
    /// It is newer by more than one round: a proof must show the present head under it.
    NeedsProof(Verified),
    Older(Verified),
    Conflicts(Verified),
}

/// A beacon whose header is proven and whose certificate is not judged yet.
#[derive(Clone, Debug)]
pub struct Proven {
    beacon: Beacon,
    hash: Digest32,
    head: u64,
}

impl Proven {
    pub fn header(&self) -> &Header {
        &self.beacon.header
    }

    pub fn hash(&self) -> &Digest32 {
        &self.hash
    }
}

/// Decodes and judges the signer list of `epoch`, which must have the hash that a trusted header names.
pub fn read_signers(bytes: &[u8], epoch: u64, hash: &Digest32) -> Result<Signers, Refusal> {
    let refused = |reject| Refusal { field: None, ..Refusal::new(reject, format!("signer list of epoch {epoch}")) };
    let list: SignerList = decode(bytes, &SIGNERS_LIMITS).map_err(refused)?;
    let found = list.hash();
    if found != *hash {
        return Err(refused(Reject::WrongCommittee).field("hash").mismatch(hash, found));
    }
    if list.epoch != epoch {
        return Err(refused(Reject::WrongEpoch).field("epoch").mismatch(epoch, list.epoch));
    }
    Signers::new(list).map_err(refused)
}

/// Decodes and judges the member list of `epoch`, which must have the hash that a trusted header names; `exempt` is the
/// genesis' development exemption.
pub fn read_members(bytes: &[u8], epoch: u64, hash: &Digest32, exempt: bool) -> Result<Committee, Refusal> {
    let refused = |reject| Refusal { field: None, ..Refusal::new(reject, format!("member list of epoch {epoch}")) };
    let list: MemberList = decode(bytes, &MEMBER_LIST_LIMITS).map_err(refused)?;
    list.check(hash, exempt).map_err(refused)
}

/// Whether a header is of the epoch and committee of `signers`. [chain-4]
fn check_committee(header: &Header, signers: &Signers) -> Result<(), Refusal> {
    let refused = |reject| Refusal::new(reject, format!("header of round {}", header.round));
    if header.epoch != signers.epoch() {
        return Err(refused(Reject::WrongCommittee).field("header.epoch").mismatch(signers.epoch(), header.epoch));
    }
    if header.committee != signers.hash() {
        return Err(refused(Reject::WrongCommittee).mismatch(signers.hash(), header.committee));
    }
    Ok(())
}

/// Verifies that `hash` is the header of `round` under the MMR root that `head` carries over the rounds before it;
/// `proof` is an encoded [`MmrProof`].
pub fn verify_proof(head: &Header, round: u64, hash: &Digest32, proof: &[u8]) -> Result<(), Refusal> {
    let verdict = decode::<MmrProof>(proof, &PROOF_LIMITS)
        .and_then(|proof| mmr::verify(&head.mmr, head.round.saturating_sub(1), round, hash, &proof));
    verdict.map_err(|reject| Refusal::new(reject, format!("proof of round {round} under round {}", head.round)))
}
