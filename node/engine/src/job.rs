//! Heavy work: dealing and verifying dealings. Jobs are values; whoever holds one may run it on any thread.

use std::sync::Arc;

use zeroize::Zeroizing;

use beacon_spec::committee::Committee;
use beacon_spec::hash::{Digest32, Hasher, hkdf_expand, tag};
use beacon_spec::keys::{IdentityKey, SecretKey};
use beacon_spec::message::{Commitment, dealing_context};
use beacon_spec::pvss::{self, Dealing, DealingContext, VerifiedDealing};
use beacon_spec::schedule::Schedule;

/// Work to be done off the engine's thread.
#[derive(Debug)]
pub enum Job {
    Deal(Box<DealJob>),
    Verify(VerifyJob),
}

/// Deal for every round of a window from one seed.
#[derive(Debug)]
pub struct DealJob {
    pub chain: Digest32,
    pub schedule: Schedule,
    pub committee: Arc<Committee>,
    pub window: u64,
    pub member: u16,
    pub seed: Zeroizing<[u8; 32]>,
    pub key: SecretKey,
}

/// Judge commitments of one window, whose signatures and roots hold already.
#[derive(Debug)]
pub struct VerifyJob {
    pub chain: Digest32,
    pub schedule: Schedule,
    pub committee: Arc<Committee>,
    pub window: u64,
    pub items: Vec<VerifyItem>,
}

#[derive(Debug)]
pub struct VerifyItem {
    pub from: IdentityKey,
    pub commitment: Commitment,
}

/// A commitment all of whose dealings verify. Only a verification job makes one.
#[derive(Debug)]
pub struct VerifiedCommitment {
    commitment: Commitment,
    hash: Digest32,
    dealings: Vec<VerifiedDealing>,
}

impl VerifiedCommitment {
    pub fn commitment(&self) -> &Commitment {
        &self.commitment
    }

    /// The commitment hash, by which dealing sets name it.
    pub fn hash(&self) -> Digest32 {
        self.hash
    }

    pub fn member(&self) -> u16 {
        self.commitment.signed.body.member
    }

    pub fn window(&self) -> u64 {
        self.commitment.signed.body.window
    }

    /// The dealings in round order.
    pub fn dealings(&self) -> &[VerifiedDealing] {
        &self.dealings
    }
}

/// What a job gives back.
#[derive(Debug)]
pub enum JobResult {
    Dealt { window: u64, commitment: Box<Commitment>, openings: Zeroizing<Vec<[u8; 32]>> },
    Verified { window: u64, results: Vec<Result<Arc<VerifiedCommitment>, Box<RejectedCommitment>>> },
}

/// A commitment whose signature holds but whose dealings do not verify: a provable crime of its member.
#[derive(Debug)]
pub struct RejectedCommitment {
    pub from: IdentityKey,
    pub commitment: Commitment,
    /// The places of the dealings that do not verify.
    pub refused: Vec<u16>,
}

impl Job {
    /// Does the work. `coin` is fresh randomness of the verifier, for the coefficients of batch verification.
    pub fn run(self, coin: &[u8; 32]) -> JobResult {
        match self {
            Job::Deal(job) => job.run(),
            Job::Verify(job) => job.run(coin),
        }
    }
}

/// The seed of one round's dealing, from the window's seed.
fn round_seed(seed: &[u8; 32], round: u64) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    hkdf_expand(seed, &[tag::PVSS_SECRET.as_bytes(), &round.to_be_bytes()], &mut *out)
        .expect("32 bytes are below the limit of one expansion");
    out
}

/// The window's seed: a hedged PRF of fresh pool entropy, the member's long-lived secret and the context. [deal-2]
pub fn window_seed(
    entropy: &[u8; 32],
    long_lived: &[u8; 32],
    chain: &Digest32,
    epoch: u64,
    window: u64,
    member: u16,
) -> Zeroizing<[u8; 32]> {
    let digest = Hasher::new(tag::DEALING_SEED)
        .fixed(entropy)
        .fixed(long_lived)
        .fixed(&chain.0)
        .u64(epoch)
        .u64(window)
        .u16(member)
        .finish();
    Zeroizing::new(digest.0)
}

impl DealJob {
    fn run(self) -> JobResult {
        let mut openings = Zeroizing::new(Vec::new());
        let dealings: Vec<Dealing> = self
            .schedule
            .rounds_of(self.window)
            .map(|round| {
                let context = dealing_context(&self.chain, &self.committee, round, self.member);
                let (dealing, opening) =
                    pvss::deal(&round_seed(&self.seed, round), &context, self.committee.ticket_set());
                openings.push(opening.reveal().0);
                dealing
            })
            .collect();
        let commitment = Commitment::make(
            &self.chain,
            &self.committee,
            &self.schedule,
            self.window,
            self.member,
            dealings,
            &self.key,
        );
        JobResult::Dealt { window: self.window, commitment: Box::new(commitment), openings }
    }
}

impl VerifyJob {
    fn run(self, coin: &[u8; 32]) -> JobResult {
        let contexts: Vec<DealingContext> = self
            .items
            .iter()
            .flat_map(|item| {
                let member = item.commitment.signed.body.member;
                self.schedule
                    .rounds_of(self.window)
                    .map(move |round| (round, member))
                    .map(|(round, member)| dealing_context(&self.chain, &self.committee, round, member))
            })
            .collect();
        let dealings: Vec<(&Dealing, &DealingContext)> =
            self.items.iter().flat_map(|item| &item.commitment.dealings).zip(&contexts).collect();
        let mut verdicts = pvss::verify_batch(&dealings, self.committee.ticket_set(), coin).into_iter();
        let per_item = self.schedule.window as usize;
        let results = self
            .items
            .into_iter()
            .map(|item| {
                let (mut dealings, mut refused) = (Vec::new(), Vec::new());
                for (index, verdict) in (0u16..).zip(verdicts.by_ref().take(per_item)) {
                    match verdict {
                        Ok(dealing) => dealings.push(dealing),
                        Err(_) => refused.push(index),
                    }
                }
                let VerifyItem { from, commitment } = item;
                if !refused.is_empty() {
                    return Err(Box::new(RejectedCommitment { from, commitment, refused }));
                }
                let hash = commitment.signed.body.hash(&self.chain);
                Ok(Arc::new(VerifiedCommitment { commitment, hash, dealings }))
            })
            .collect();
        JobResult::Verified { window: self.window, results }
    }
}
