//! Commitments of others: cheap checks first, then the proofs in batches on a worker thread, then the disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use beacon_spec::evidence::{BadDealing, Crime, Evidence};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::IdentityKey;
use beacon_spec::message::{Commitment, SetEntry};
use beacon_spec::reject::Reject;

use crate::batch::Record;
use crate::engine::Engine;
use crate::event::Effect;
use crate::job::{Job, RejectedCommitment, VerifiedCommitment, VerifyItem, VerifyJob};
use crate::window::{Held, Wanted, Window};

/// Unsolicited commitments looked at, per member and window. [inbox-1]
const FLOOD_CAP: usize = 2;
/// Windows ahead of the current one for which commitments are kept.
const WINDOWS_AHEAD: u64 = 3;
/// Dealings of one verification job: enough for the batch to pay, few enough to keep a worker short.
const BATCH_DEALINGS: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: Vec<(u64, VerifyItem)>,
    busy: bool,
    /// Commitments that came from the own disk and need not be written again.
    pub stored: BTreeSet<Digest32>,
}

impl Engine {
    /// The state of window `number`, if it is near enough to be looked at.
    pub(crate) fn window_mut(&mut self, number: u64) -> Option<&mut Window> {
        let current = self.current_window();
        if number < current || number > current.saturating_add(WINDOWS_AHEAD) {
            return None;
        }
        Some(self.windows.entry(number).or_default())
    }

    /// Takes a commitment in: window and membership, cap, signature and root; the proofs wait for a batch. [inbox-2]
    pub(crate) fn on_commitment(&mut self, from: IdentityKey, commitment: Commitment, asked: bool) {
        let chain = self.config.chain;
        let schedule = self.schedule();
        let body = commitment.signed.body;
        let entry = SetEntry { member: body.member, commitment: body.hash(&chain) };
        let Some(committee) = self.committee_of_window(body.window) else { return };
        if committee.signers().identity(body.member).is_none() {
            return self.blame(from, Reject::UnknownMember); // nothing is kept under a number that nobody has
        }
        let Some(window) = self.window_mut(body.window) else { return };
        if window.held.contains_key(&entry) || window.pending.contains(&entry) || window.rejected.contains(&entry) {
            return;
        }
        let asked = asked || window.wanted.contains_key(&entry);
        let seen = window.seen.entry(body.member).or_default();
        if !asked && (window.decision.is_some() || seen.len() >= FLOOD_CAP) {
            return;
        }
        if let Err(reason) = commitment.check(&chain, &committee, &schedule, body.window) {
            self.blame(from, reason);
            return;
        }
        if seen.iter().all(|other| other.body != body) && seen.len() < FLOOD_CAP {
            seen.push(commitment.signed);
            if let [first, second] = seen[..] {
                self.accuse(Evidence::TwoCommitments { first, second });
            }
        }
        if let Some(window) = self.window_mut(body.window) {
            window.pending.insert(entry);
        }
        self.inbox.queue.push((body.window, VerifyItem { from, commitment }));
        self.out.relay = true;
    }

    /// Hands the oldest waiting window's commitments to a worker, one job at a time.
    pub(crate) fn try_verify(&mut self) -> bool {
        if self.inbox.busy {
            return false;
        }
        let Some(number) = self.inbox.queue.iter().map(|(window, _)| *window).min() else { return false };
        let Some(committee) = self.committee_of_window(number) else {
            self.inbox.queue.retain(|(window, _)| *window != number);
            return true;
        };
        let most = (BATCH_DEALINGS / self.schedule().window as usize).max(1);
        let mut items = Vec::new();
        let mut rest = Vec::new();
        for (window, item) in std::mem::take(&mut self.inbox.queue) {
            if window == number && items.len() < most {
                items.push(item);
            } else {
                rest.push((window, item));
            }
        }
        self.inbox.queue = rest;
        self.inbox.busy = true;
        let job = VerifyJob { chain: self.config.chain, schedule: self.schedule(), committee, window: number, items };
        self.out.effects.push(Effect::Run(Job::Verify(job)));
        true
    }

    /// Keeps what verified (on disk before it counts for anything) and remembers what did not. [inbox-3]
    pub(crate) fn on_verified(
        &mut self,
        number: u64,
        results: Vec<Result<Arc<VerifiedCommitment>, Box<RejectedCommitment>>>,
    ) {
        self.inbox.busy = false;
        self.look_again();
        for result in results {
            match result {
                Ok(verified) => self.keep(number, verified),
                Err(rejected) => self.reject(number, &rejected),
            }
        }
    }

    fn keep(&mut self, number: u64, verified: Arc<VerifiedCommitment>) {
        let entry = SetEntry { member: verified.member(), commitment: verified.hash() };
        if !self.windows.contains_key(&number) {
            return; // the window was certified by others meanwhile
        }
        let seq = if self.inbox.stored.remove(&entry.commitment) {
            0
        } else {
            let record = Record::Commitment {
                window: number,
                member: entry.member,
                hash: entry.commitment,
                commitment: Box::new(verified.commitment().clone()),
            };
            self.persist(record, true)
        };
        if let Some(window) = self.windows.get_mut(&number) {
            window.pending.remove(&entry);
            window.wanted.remove(&entry);
            window.held.insert(entry, Held { verified, seq });
        }
    }

    fn reject(&mut self, number: u64, rejected: &RejectedCommitment) {
        let body = rejected.commitment.signed.body;
        let entry = SetEntry { member: body.member, commitment: body.hash(&self.config.chain) };
        if let Some(bad) = self.bad_dealing(number, rejected) {
            self.accuse(Evidence::BadDealing(Box::new(bad)));
        }
        if let Some(window) = self.windows.get_mut(&number) {
            window.pending.remove(&entry);
            window.wanted.remove(&entry);
            window.rejected.insert(entry);
        }
    }

    /// The proof that a signed commitment does not verify, if the crime is not proven yet.
    fn bad_dealing(&self, number: u64, rejected: &RejectedCommitment) -> Option<BadDealing> {
        let commitment = &rejected.commitment;
        if !self.is_news(number, commitment.signed.body.member, Crime::BadDealing) {
            return None;
        }
        let (chain, schedule) = (self.config.chain, self.schedule());
        let committee = self.committee_of_window(number)?;
        let hashes = commitment.check(&chain, &committee, &schedule, number).ok()?;
        BadDealing::find(commitment, hashes, &rejected.refused)
    }

    /// Notes that `entries` are needed; the sync asks for those that are not here.
    pub(crate) fn want(&mut self, number: u64, entries: &[SetEntry]) {
        let now = self.now;
        let Some(window) = self.windows.get_mut(&number) else { return };
        for entry in entries {
            let here =
                window.held.contains_key(entry) || window.pending.contains(entry) || window.rejected.contains(entry);
            if !here {
                window.wanted.entry(*entry).or_insert(Wanted { next: now, turn: 0 });
            }
        }
    }
}
