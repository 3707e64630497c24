//! Crimes of members: what servers can prove, judged under the committee of the epoch.

use beacon_spec::codec::{Limits, decode};
use beacon_spec::committee::{Committee, MEMBER_LIST_LIMITS};
use beacon_spec::evidence::Evidence;
use beacon_spec::reject::Reject;

use super::Client;
use super::fetch::last_round;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::source::Request;
use crate::trust::{Verified, read_members};

/// One answer: proofs of a mebibyte and all that begin with the last member's.
const ANSWER_LIMITS: Limits = Limits::bytes(2 << 20);

impl Client {
    /// The committee of an epoch that has begun, with all keys, as a verified header names it.
    pub async fn committee(&self, epoch: u64) -> Result<Committee, Error> {
        let mut head = self.trust().await?;
        if head.head().is_none_or(|head| head.header().epoch < epoch) {
            self.latest().await?;
            head = self.trust().await?;
        }
        let first = last_round(&head, epoch.saturating_sub(1)).saturating_add(1);
        if epoch == 0 {
            return Err(Error::Usage("epochs are counted from 1".into()));
        }
        let round = last_round(&head, epoch).min(head.round());
        if round < first {
            return Err(Error::NotYet { round: first, due: head.schedule().time_of(first).ok() });
        }
        self.committee_at(&self.get(round).await?).await
    }

    /// The committee, with all keys, that a verified header names.
    pub(super) async fn committee_at(&self, beacon: &Verified) -> Result<Committee, Error> {
        let exempt = self.trust().await?.draft().parameters.development_exemption;
        self.any(|server| async move {
            let header = beacon.header();
            let bytes = self.ask(server, Request::Members { epoch: header.epoch }, &MEMBER_LIST_LIMITS).await?;
            Ok(read_members(&bytes, header.epoch, &header.committee, exempt)?)
        })
        .await
    }

    /// Judges evidence; gives the committee of whose member it proves a crime.
    pub async fn judge(&self, evidence: &Evidence) -> Result<Committee, Error> {
        let trust = self.trust().await?;
        let committee = self.committee(evidence.epoch(trust.schedule())).await?;
        check(evidence, &trust, &committee)?;
        Ok(committee)
    }

    /// The evidence that the first server to answer well has of an epoch, all of it judged.
    pub async fn evidence(&self, epoch: u64) -> Result<(Vec<Evidence>, Committee), Error> {
        let committee = self.committee(epoch).await?;
        let (trust, judge) = (self.trust().await?, &committee);
        let trust = &trust;
        let found = self.any(|server| async move {
            let mut found: Vec<Evidence> = Vec::new();
            loop {
                let from = found.last().map_or(Some(0), |last| last.member().checked_add(1));
                let Some(from) = from else { return Ok(found) };
                let bytes = self.ask(server, Request::Evidence { epoch, from }, &ANSWER_LIMITS).await?;
                let refused = |reject| Refusal::new(reject, format!("evidence of epoch {epoch}"));
                let some: Vec<Evidence> = decode(&bytes, &ANSWER_LIMITS).map_err(refused)?;
                if some.is_empty() {
                    return Ok(found);
                }
                for evidence in some {
                    if evidence.member() < from {
                        return Err(refused(Reject::NotSorted).into());
                    }
                    check(&evidence, trust, judge)?;
                    found.push(evidence);
                }
            }
        });
        Ok((found.await?, committee))
    }
}

fn check(evidence: &Evidence, trust: &crate::trust::Trust, committee: &Committee) -> Result<(), Refusal> {
    let verdict = evidence.verify(trust.chain(), trust.schedule(), committee);
    verdict.map_err(|reject| {
        let what = format!("evidence that member {} made {}", evidence.member(), evidence.crime().words());
        Refusal { field: None, ..Refusal::new(reject, what) }
    })
}
