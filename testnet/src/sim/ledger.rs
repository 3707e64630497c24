//! What the simulation knows of every dealing: more than any node, for the checkers to compare with.
//!
//! It is also where heavy work is shared: a commitment that one engine has verified is not verified again for the
//! next, since the same bytes get the same verdict from the same function. Whoever is metered works alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use beacon_engine::job::{Job, JobResult, RejectedCommitment, VerifiedCommitment, VerifyJob};
use beacon_spec::hash::{Digest32, Hasher, tag};
use zeroize::Zeroizing;

/// One dealing: its commitment's hash and its place in the window.
pub type DealingId = (Digest32, usize);

type Verdict = Result<Arc<VerifiedCommitment>, Vec<u16>>;

#[derive(Clone, Default)]
pub struct Ledger {
    /// Verdicts by a hash of everything that was judged.
    verdicts: BTreeMap<Digest32, Verdict>,
    /// Commitments that verify, by commitment hash.
    pub verified: BTreeMap<Digest32, Arc<VerifiedCommitment>>,
    /// One-time keys of dealings, by commitment hash, whoever dealt them.
    pub keys: BTreeMap<Digest32, Zeroizing<Vec<[u8; 32]>>>,
    /// Dealings that were made from another's, from whose shares those of the other follow.
    pub derived: BTreeMap<DealingId, DealingId>,
}

impl Ledger {
    /// Runs a job; verdicts are shared unless `alone`.
    pub fn run(&mut self, job: Job, coin: &[u8; 32], alone: bool) -> JobResult {
        match job {
            Job::Deal(job) => {
                let chain = job.chain;
                let result = Job::Deal(job).run(coin);
                if let JobResult::Dealt { commitment, openings, .. } = &result {
                    self.keys.insert(commitment.signed.body.hash(&chain), openings.clone());
                }
                result
            }
            Job::Verify(job) if alone => {
                let result = Job::Verify(job).run(coin);
                self.note(&result);
                result
            }
            Job::Verify(job) => self.verify(job, coin),
        }
    }

    fn note(&mut self, result: &JobResult) {
        let JobResult::Verified { results, .. } = result else { return };
        for verified in results.iter().flatten() {
            self.verified.insert(verified.hash(), verified.clone());
        }
    }

    fn verify(&mut self, job: VerifyJob, coin: &[u8; 32]) -> JobResult {
        let VerifyJob { chain, schedule, committee, window, items } = job;
        let mut results = Vec::new();
        for item in items {
            let judged = Hasher::new(tag::STATUS)
                .fixed(&committee.hash().0)
                .fixed(&item.commitment.signed.body.hash(&chain).0)
                .framed(&beacon_spec::codec::encode(&item.commitment))
                .finish();
            let (from, commitment) = (item.from, item.commitment.clone());
            let verdict = self.verdicts.entry(judged).or_insert_with(|| {
                let committee = committee.clone();
                let one = VerifyJob { chain, schedule, committee, window, items: vec![item] };
                match Job::Verify(one).run(coin) {
                    JobResult::Verified { results, .. } => match results.into_iter().next() {
                        Some(Ok(verified)) => Ok(verified),
                        Some(Err(rejected)) => Err(rejected.refused),
                        None => Err(Vec::new()),
                    },
                    JobResult::Dealt { .. } => Err(Vec::new()),
                }
            });
            results.push(match verdict {
                Ok(verified) => {
                    self.verified.insert(verified.hash(), verified.clone());
                    Ok(verified.clone())
                }
                Err(refused) => Err(Box::new(RejectedCommitment { from, commitment, refused: refused.clone() })),
            });
        }
        JobResult::Verified { window, results }
    }
}
