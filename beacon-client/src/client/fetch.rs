//! What is fetched and how it becomes trusted, one server at a time.

use std::sync::Arc;

use beacon_spec::chain::{BEACON_LIMITS, Beacon, Header, TRANSCRIPT_LIMITS, Transcript};
use beacon_spec::codec::decode;
use beacon_spec::committee::{Committee, Signers};
use beacon_spec::hash::Digest32;

use super::{Client, Miss, Server, conflict, known_committee};
use crate::error::Error;
use crate::refusal::Refusal;
use crate::source::{Fault, Request};
use crate::trust::{
    Candidate, Conflict, GENESIS_LIMITS, PROOF_LIMITS, SIGNERS_LIMITS, Trust, Verified, read_signers, verify_proof,
};

/// A server this close behind the trusted head is merely slower than another; the head itself is the answer.
const LAG: u64 = 2;

/// An output that was recomputed from its transcript.
#[derive(Clone, Debug)]
pub struct Audited {
    pub beacon: Verified,
    pub transcript: Transcript,
    pub committee: Committee,
}

impl Client {
    pub(super) async fn fetch_genesis(&self, server: &Server) -> Result<Trust, Miss> {
        let bytes = self.ask(server, Request::LightGenesis, &GENESIS_LIMITS).await?;
        Ok(Trust::new(&bytes, *self.chain())?)
    }

    /// Holds the trust against a checkpoint: beyond the head it becomes the head, before it it must be under it.
    /// Gives the checkpoint's beacon besides.
    pub(super) async fn apply_checkpoint(
        &self,
        server: &Server,
        trust: &Trust,
        round: u64,
        hash: Digest32,
    ) -> Result<(Trust, Verified), Miss> {
        let bytes = self.ask(server, Request::Round(round), &BEACON_LIMITS).await?;
        let beacon = trust.read_beacon(&bytes, Some(round))?;
        let epoch = Request::Committee { epoch: beacon.header.epoch };
        let signers = self.ask(server, epoch, &SIGNERS_LIMITS).await?;
        let (checked, point) = trust.at_checkpoint(beacon, &hash, &signers)?;
        let Some(head) = trust.head() else {
            return Ok((checked, point));
        };
        if head.round() == round {
            return if head.hash() == hash {
                Ok((trust.clone(), point))
            } else {
                Err(conflict(trust, &point, server).into())
            };
        }
        let beyond = round > head.round();
        let (below, above) = if beyond { (head, &point) } else { (&point, head) };
        let proof = Request::Proof { round: below.round(), head: above.round() };
        let proof = self.ask(server, proof, &PROOF_LIMITS).await?;
        verify_proof(above.header(), below.round(), &below.hash(), &proof)?;
        Ok((if beyond { checked } else { trust.clone() }, point))
    }

    /// Asks servers for the newest round. If the clock says that the answer is late, the others are asked too and
    /// the newest answer counts.
    pub(super) async fn newest(&self, trust: &mut Trust) -> Result<Verified, Error> {
        let mut best = None;
        let mut asked = 0;
        loop {
            let known = &*trust;
            let found = self.any_from(asked, |server| async move {
                let mut next = known.clone();
                let verified = self.head_from(server, &mut next).await?;
                Ok((next, verified, self.position(server)))
            });
            let (next, verified, position) = match (found.await, best) {
                (Ok(found), _) => found,
                (Err(Error::Unreachable(faults)), None) if trust.round() == 0 && none_yet(&faults) => {
                    return Err(Error::NotYet { round: 1, due: trust.schedule().time_of(1).ok() });
                }
                (Err(error @ Error::Conflict(_)), _) | (Err(error), None) => return Err(error),
                (Err(_), Some(best)) => return Ok(best),
            };
            *trust = next;
            asked = position + 1;
            if trust.behind(self.now()) <= 1 || asked >= self.servers().len() {
                return Ok(verified);
            }
            best = Some(verified);
        }
    }

    pub(crate) fn position(&self, server: &Server) -> usize {
        self.servers().iter().position(|other| std::ptr::eq(other, server)).unwrap_or(0)
    }

    /// The newest round of one server; `trust` moves there.
    pub(crate) async fn head_from(&self, server: &Server, trust: &mut Trust) -> Result<Verified, Miss> {
        let bytes = self.ask(server, Request::Latest, &BEACON_LIMITS).await?;
        let beacon = trust.read_beacon(&bytes, None)?;
        self.adopt(server, trust, beacon).await
    }

    /// Makes a beacon the head of `trust` if it is newer, going through every change of committee on the way.
    pub(crate) async fn adopt(&self, server: &Server, trust: &mut Trust, beacon: Beacon) -> Result<Verified, Miss> {
        trust.check_not_future(&beacon.header, self.now())?;
        let (theirs, ours) = (beacon.header.round, trust.round());
        if let Some(head) = trust.head().filter(|_| theirs < ours) {
            let slower = theirs + LAG >= ours;
            return if slower { Ok(head.clone()) } else { Err(Fault::Behind { theirs, ours }.into()) };
        }
        let mut next = trust.clone();
        self.reach_epoch(server, &mut next, beacon.header.epoch).await?;
        let head = match next.head_candidate(beacon)? {
            Candidate::Same => return Ok(trust.head().cloned().ok_or(Fault::Behind { theirs, ours })?),
            Candidate::Extends(verified) => verified,
            Candidate::NeedsProof(verified) => {
                let mut above = next.clone();
                above.set_head(verified.clone());
                if let Some(head) = next.head() {
                    self.show_under(server, &above, head.header(), &head.hash()).await?;
                }
                verified
            }
            Candidate::Conflicts(verified) => return Err(conflict(trust, &verified, server).into()),
            Candidate::Older(_) => return Err(Fault::Behind { theirs, ours }.into()),
        };
        next.set_head(head.clone());
        self.keep(&next, server).await?;
        *trust = next;
        Ok(head)
    }

    /// Fetches the proof that a trusted header is under the head of `above`. A server that cannot show it is asked
    /// which header of that round it has instead: if it can prove that one, the chain is in conflict.
    async fn show_under(&self, server: &Server, above: &Trust, header: &Header, hash: &Digest32) -> Result<(), Miss> {
        let round = header.round;
        let proof = self.ask(server, Request::Proof { round, head: above.round() }, &PROOF_LIMITS).await?;
        let shown = above.head().map(|head| verify_proof(head.header(), round, hash, &proof));
        let Some(Err(refusal)) = shown else {
            return Ok(());
        };
        let bytes = self.ask(server, Request::Round(round), &BEACON_LIMITS).await?;
        let theirs = above.read_beacon(&bytes, Some(round))?;
        match above.proven(theirs, &proof) {
            Ok(proven) if proven.hash() != hash => {
                let (trusted, offered) = (header.clone(), proven.header().clone());
                Err(Miss::Final(Conflict { trusted, offered, from: Some(server.name().to_owned()) }.into()))
            }
            _ => Err(refusal.into()),
        }
    }

    /// Holds the head against another that this machine trusts, stored by another process: one must be under the other.
    pub(super) async fn compare_stored(&self, server: &Server, trust: &Trust, stored: &Beacon) -> Result<(), Miss> {
        let (theirs, ours) = (stored.header.round, trust.round());
        if theirs < ours {
            return self.show_under(server, trust, &stored.header, &stored.header.hash()).await;
        }
        let Some(head) = trust.head().filter(|head| theirs > head.round()) else {
            let offered = trust.head().map_or(&stored.header, Verified::header).clone();
            let from = Some(server.name().to_owned());
            return Err(Miss::Final(Conflict { trusted: stored.header.clone(), offered, from }.into()));
        };
        let proof = self.ask(server, Request::Proof { round: ours, head: theirs }, &PROOF_LIMITS).await?;
        Ok(verify_proof(&stored.header, ours, &head.hash(), &proof)?)
    }

    /// Hands over from committee to committee up to `epoch`: two small answers for each.
    pub(crate) async fn reach_epoch(&self, server: &Server, trust: &mut Trust, epoch: u64) -> Result<(), Miss> {
        while trust.signers().epoch() < epoch {
            let current = trust.signers().epoch();
            let last = last_round(trust, current);
            let bytes = self.ask(server, Request::Round(last), &BEACON_LIMITS).await?;
            let beacon = trust.read_beacon(&bytes, Some(last))?;
            let list = self.ask(server, Request::Committee { epoch: current + 1 }, &SIGNERS_LIMITS).await?;
            trust.hand_over(beacon, &list)?;
        }
        Ok(())
    }

    pub(super) async fn round(&self, trust: &mut Trust, round: u64) -> Result<Verified, Error> {
        if round > trust.round() {
            self.check_due(trust, round)?;
            self.newest(trust).await?;
        }
        if round > trust.round() {
            return Err(Error::NotYet { round, due: trust.schedule().time_of(round).ok() });
        }
        if let Some(head) = trust.head().filter(|head| head.round() == round) {
            return Ok(head.clone());
        }
        self.any(|server| self.past_from(server, trust, round)).await
    }

    /// Tells at once that a round is not due yet, as far as the clock can tell.
    pub(crate) fn check_due(&self, trust: &Trust, round: u64) -> Result<(), Error> {
        match trust.schedule().time_of(round) {
            Ok(due) if due > self.now().saturating_add(crate::trust::CLOCK_TOLERANCE) => {
                Err(Error::NotYet { round, due: Some(due) })
            }
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Usage(format!("round {round} is due beyond the end of time"))),
        }
    }

    /// A round before the head, by proof and certificate.
    async fn past_from(&self, server: &Server, trust: &Trust, round: u64) -> Result<Verified, Miss> {
        let bytes = self.ask(server, Request::Round(round), &BEACON_LIMITS).await?;
        let beacon = trust.read_beacon(&bytes, Some(round))?;
        let proof = self.ask(server, Request::Proof { round, head: trust.round() }, &PROOF_LIMITS).await?;
        let proven = trust.proven(beacon, &proof)?;
        let signers = self.committee_of(server, trust, proven.header().epoch, &proven.header().committee).await?;
        Ok(trust.past(proven, &signers)?)
    }

    /// The committee that a trusted header names by epoch and hash.
    pub(crate) async fn committee_of(
        &self,
        server: &Server,
        trust: &Trust,
        epoch: u64,
        hash: &Digest32,
    ) -> Result<Arc<Signers>, Miss> {
        if let Some(signers) = known_committee(trust, hash) {
            return Ok(Arc::clone(signers));
        }
        let list = self.ask(server, Request::Committee { epoch }, &SIGNERS_LIMITS).await?;
        Ok(Arc::new(read_signers(&list, epoch, hash)?))
    }

    /// Recomputes an output from its transcript instead of trusting the quorum: every dealing verified, every opening
    /// or share checked, the mixing redone.
    ///
    /// It takes the ticket keys of the round's committee, which the committee hash in its header binds.
    pub async fn audit(&self, round: u64) -> Result<Audited, Error> {
        let beacon = self.get(round).await?;
        let committee = self.committee_at(&beacon).await?;
        let (header, judge) = (beacon.header(), &committee);
        let transcript = self.any(|server| async move {
            let bytes = self.ask(server, Request::Transcript(round), &TRANSCRIPT_LIMITS).await?;
            let refused =
                |reject| Refusal { field: None, ..Refusal::new(reject, format!("transcript of round {round}")) };
            let transcript: Transcript = decode(&bytes, &TRANSCRIPT_LIMITS).map_err(refused)?;
            transcript.audit(header, judge).map_err(refused)?;
            Ok(transcript)
        });
        let transcript = transcript.await?;
        Ok(Audited { beacon, transcript, committee })
    }
}

/// The last round of an epoch.
pub(crate) fn last_round(trust: &Trust, epoch: u64) -> u64 {
    let schedule = trust.schedule();
    *schedule.rounds_of(schedule.last_window_of_epoch(epoch)).end()
}

/// Whether all that servers say is that they have no round yet.
fn none_yet(faults: &[(String, Fault)]) -> bool {
    !faults.is_empty() && faults.iter().all(|(_, fault)| matches!(fault, Fault::NotYet | Fault::Missing(_)))
}
