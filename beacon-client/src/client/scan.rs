//! Verification of ranges: every link, every certificate, every change of committee, from the chain hash to the head.

use std::sync::Arc;

use beacon_spec::chain::{Beacon, HEADER_BYTES};
use beacon_spec::codec::{Limits, decode};
use beacon_spec::committee::Signers;
use beacon_spec::reject::Reject;

use super::fetch::last_round;
use super::{Client, Miss, Server};
use crate::error::Error;
use crate::refusal::{Reason, Refusal};
use crate::source::{Fault, Request};
use crate::trust::walk::Walk;
use crate::trust::{Conflict, SIGNERS_LIMITS, Trust, Verified};

/// Rounds of one answer at most, by the protocol of the servers.
const MAX_RANGE: u64 = 1000;
/// Bytes of one answer at most: what keeps large committees within the memory of small machines, and within what peers
/// answer, 4 MiB with its head. [gossip-4]
const RANGE_BYTES: usize = (4 << 20) - 64;

/// What to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanOptions {
    pub from: u64,
    /// The newest round if not given.
    pub to: Option<u64>,
    /// Whether to verify every certificate or, besides the links, only those that change the committee and the last of
    /// each answer.
    pub certificates: bool,
}

/// What was verified.
#[derive(Clone, Debug)]
pub struct Scan {
    pub from: u64,
    pub rounds: u64,
    pub last: Verified,
    /// Whether every certificate was verified.
    pub certificates: bool,
}

impl Client {
    /// Verifies consecutive rounds and tells progress as (rounds verified, rounds in all).
    pub async fn scan(&self, options: ScanOptions, progress: impl Fn(u64, u64)) -> Result<Scan, Error> {
        self.scan_each(options, progress, |_| Ok(())).await
    }

    /// As [`Client::scan`]; each beacon is also given to `visit`, in order, once it is verified as far as the walk
    /// goes: what it sees counts only when the scan has returned.
    pub async fn scan_each(
        &self,
        options: ScanOptions,
        progress: impl Fn(u64, u64),
        mut visit: impl FnMut(&Beacon) -> Result<(), Error>,
    ) -> Result<Scan, Error> {
        let head = self.latest().await?;
        let trust = self.trust().await?;
        let (from, to) = (options.from, options.to.unwrap_or(head.round()));
        if from == 0 || from > to {
            return Err(Error::Usage(format!("no rounds from {from} to {to}: they count from 1")));
        }
        let last = self.get(to).await?;
        let (walk, first) = self.begin_walk(&trust, from).await?;
        let mut walk = walk.certificates(options.certificates);
        if let Some(first) = &first {
            visit(first.beacon())?;
        }
        let total = to - from + 1;
        while walk.steps() < total {
            let next = from + walk.steps();
            let (after, beacons) = self.any(|server| self.walk_on(server, &trust, &walk, (next, to), step)).await?;
            beacons.iter().try_for_each(&mut visit)?;
            walk = after;
            progress(walk.steps(), total);
        }
        if walk.last() != Some((to, last.hash())) {
            // The head is certified and extends all that was trusted, so it is the range that was made up.
            let refusal = Refusal::new(Reject::BrokenLink, format!("links from round {from} to round {to}"));
            return Err(refusal.mismatch(last.hash(), walk.last().map_or(*self.chain(), |last| last.1)).into());
        }
        Ok(Scan { from, rounds: total, last, certificates: options.certificates })
    }

    /// A walk about to take `from`, or, beyond round 1, one that has taken it because it was proven under the head.
    pub(crate) async fn begin_walk(&self, trust: &Trust, from: u64) -> Result<(Walk, Option<Verified>), Error> {
        if from == 1 {
            let signers = Signers::new(trust.genesis().signers.clone())?;
            return Ok((Walk::from_genesis(trust, Arc::new(signers), true), None));
        }
        let first = self.get(from).await?;
        let (epoch, hash) = (first.header().epoch, first.header().committee);
        let signers = self.any(|server| self.committee_of(server, trust, epoch, &hash)).await?;
        Ok((Walk::from_verified(trust, &first, signers)?, Some(first)))
    }

    /// Takes the rounds of `range` as far as one answer goes, each by `step`. The walk given stays as it is, for
    /// another server.
    pub(crate) async fn walk_on<T: Send + 'static>(
        &self,
        server: &Server,
        trust: &Trust,
        walk: &Walk,
        range: (u64, u64),
        step: fn(&mut Walk, Beacon) -> Result<T, Refusal>,
    ) -> Result<(Walk, Vec<T>), Miss> {
        let mut walk = self.give_committee(server, walk).await?;
        let epoch_end = last_round(trust, trust.schedule().epoch_of(range.0));
        let beacons = self.range(server, range.0, range.1.min(epoch_end), walk.signers().len()).await?;
        let server = server.name().to_owned();
        let verdict = tokio::task::spawn_blocking(move || {
            let mut taken = Vec::with_capacity(beacons.len());
            let last = beacons.last().cloned();
            for beacon in beacons {
                taken.push(take_or_fork(&mut walk, beacon, &server, step)?);
            }
            // Links alone would let a made-up end of this answer pass, and blame the next server for what follows it.
            if let (Some(last), Some((_, hash))) = (last, walk.last()) {
                walk.confirm(&last, &hash)?;
            }
            Ok((walk, taken))
        });
        match verdict.await {
            Ok(verdict) => verdict,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// A walk with the signer list that it waits for, if it waits for one.
    pub(crate) async fn give_committee(&self, server: &Server, walk: &Walk) -> Result<Walk, Miss> {
        let mut walk = walk.clone();
        if let Some((epoch, _)) = walk.wants() {
            walk.give(&self.ask(server, Request::Committee { epoch }, &SIGNERS_LIMITS).await?)?;
        }
        Ok(walk)
    }

    /// Beacons from `from` on, at most to `to`: as many as one answer holds, at least one.
    pub(crate) async fn range(&self, server: &Server, from: u64, to: u64, members: usize) -> Result<Vec<Beacon>, Miss> {
        let widest = widest_beacon(members);
        let most = (RANGE_BYTES / widest).clamp(1, MAX_RANGE as usize) as u64;
        let to = to.min(from.saturating_add(most - 1));
        let limits = Limits::bytes(8 + widest * most as usize);
        let bytes = self.ask(server, Request::Range { from, to }, &limits).await?;
        let what = || format!("rounds {from} to {to}");
        let beacons: Vec<Beacon> = decode(&bytes, &limits).map_err(|reject| Refusal::new(reject, what()))?;
        if beacons.is_empty() {
            return Err(Fault::NotYet.into());
        }
        let wrong = beacons.iter().zip(from..).find(|(beacon, round)| beacon.header.round != *round);
        if let Some((beacon, round)) = wrong {
            let refusal = Refusal::new(Reason::NotAsked, what()).field("header.round");
            return Err(refusal.mismatch(round, beacon.header.round).into());
        }
        Ok(beacons)
    }
}

/// Takes one beacon; one that the committee certified though it does not follow is a conflict, not a lie.
pub(crate) fn take_or_fork<T>(
    walk: &mut Walk,
    beacon: Beacon,
    server: &str,
    step: impl FnOnce(&mut Walk, Beacon) -> Result<T, Refusal>,
) -> Result<T, Miss> {
    let copy = beacon.clone();
    step(walk, beacon).map_err(|refusal| match walk.fork(&copy) {
        Some(conflict) => Miss::Final(Conflict { from: Some(server.to_owned()), ..conflict }.into()),
        None => refusal.into(),
    })
}

/// A step of a walk that verifies certificates as its options say.
fn step(walk: &mut Walk, beacon: Beacon) -> Result<Beacon, Refusal> {
    walk.step(&beacon)?;
    Ok(beacon)
}

/// The most bytes of a beacon of so many members: the header, two counts, a bit and a signature each.
fn widest_beacon(members: usize) -> usize {
    HEADER_BYTES + 16 + members.div_ceil(8) + 64 * members
}
