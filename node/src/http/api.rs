//! What handlers ask, and how the shell announces rounds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::body::Bytes;
use prometheus_client::registry::Registry;
use tokio::sync::{Semaphore, mpsc, watch};

use beacon_engine::serve::Archive;
use beacon_spec::chain::{Beacon, Transcript};
use beacon_spec::codec::encode;
use beacon_spec::committee::{Committee, SignerList};
use beacon_spec::genesis::LightGenesis;
use beacon_spec::hash::Digest32;
use beacon_spec::schedule::Schedule;

use super::admin::Asked;
use super::answer::{Refusal, json};
use super::health::NodeStatus;
use super::recent::{Announced, Recent};
use super::view::CommitteeView;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};

/// Subscribers of the stream at one time.
const SUBSCRIBERS: usize = 1024;
/// Committees held in memory.
const COMMITTEES: usize = 4;
/// Readings of many rounds at one time.
const READERS: usize = 4;

/// What the listeners serve from.
pub struct ApiSetup {
    pub store: Arc<Store>,
    /// The genesis as clients get it; its hash is the chain hash.
    pub light: LightGenesis,
    /// The node's own report, kept up to date by the shell.
    pub status: watch::Receiver<NodeStatus>,
    pub metrics: Metrics,
    /// Everything that `/metrics` shows.
    pub registry: Arc<Registry>,
    /// Where the operator's orders go.
    pub orders: mpsc::Sender<Asked>,
    /// Unix time in milliseconds.
    pub clock: fn() -> u64,
}

/// The state of both listeners; cheap to clone.
#[derive(Clone)]
pub struct PublicApi(Arc<Inner>);

struct Inner {
    setup: ApiSetup,
    chain: Digest32,
    recent: RwLock<Recent>,
    committees: RwLock<BTreeMap<u64, Arc<Served>>>,
    live: watch::Sender<Live>,
    readers: Semaphore,
    subscribers: AtomicUsize,
}

/// What wakes subscribers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    /// The newest certified round.
    pub tip: u64,
    /// Whether the node goes on; when it stops, streams end.
    pub open: bool,
}

/// A committee with its answers.
pub(super) struct Served {
    pub list: SignerList,
    pub json: Bytes,
    /// The encoded member list.
    pub members: Bytes,
}

impl Served {
    fn of(committee: &Committee) -> Self {
        let members = encode(&committee.list()).into();
        Served { list: committee.signers().list().clone(), json: json(&CommitteeView::from(committee)), members }
    }
}

/// One subscriber's place.
pub(super) struct Seat(Arc<Inner>);

impl Drop for Seat {
    fn drop(&mut self) {
        let left = self.0.subscribers.fetch_sub(1, Ordering::AcqRel) - 1; // it counted itself when it sat down
        self.0.setup.metrics.subscribers(left);
    }
}

impl PublicApi {
    pub fn new(setup: ApiSetup) -> Self {
        let live = watch::Sender::new(Live { tip: setup.store.tip_round(), open: true });
        PublicApi(Arc::new(Inner {
            chain: setup.light.chain(),
            recent: RwLock::default(),
            committees: RwLock::default(),
            live,
            readers: Semaphore::new(READERS),
            subscribers: AtomicUsize::new(0),
            setup,
        }))
    }

    /// Serves `committee` from memory until newer ones take its place; the store has them all.
    pub fn add_committee(&self, committee: &Committee) {
        let mut committees = self.0.committees.write().unwrap_or_else(PoisonError::into_inner);
        committees.insert(committee.epoch(), Arc::new(Served::of(committee)));
        if committees.len() > COMMITTEES {
            // The first committee stays: it is in the genesis and not in the store.
            let oldest = committees.keys().nth(1).copied();
            oldest.and_then(|epoch| committees.remove(&epoch));
        }
    }

    /// Announces a certified round to everybody who asks or listens, whether or not it is on disk yet. Rounds come in
    /// order; a round may come again with its transcript.
    pub fn publish(&self, beacon: &Beacon, transcript: Option<Arc<Transcript>>) {
        let store = &self.0.setup.store;
        let round = beacon.header.round;
        let announced = Arc::new(Announced::new(beacon.clone()));
        {
            let mut recent = self.0.recent.write().unwrap_or_else(PoisonError::into_inner);
            recent.push(announced, store.tip_round());
            if let Some(transcript) = transcript {
                // An unreadable store is reported by whoever needs the answer; here the transcript is just held longer.
                recent.push_transcript(transcript, |round| store.transcript_settled(round).unwrap_or(false));
            }
        }
        self.0.live.send_if_modified(|live| {
            let newer = round > live.tip;
            live.tip = live.tip.max(round);
            newer
        });
    }

    /// Ends all streams, so that the listeners can stop.
    pub fn close(&self) {
        self.0.live.send_modify(|live| live.open = false);
    }

    pub(super) fn live(&self) -> watch::Receiver<Live> {
        self.0.live.subscribe()
    }

    /// The newest certified round, 0 before the first.
    pub(super) fn tip(&self) -> u64 {
        self.0.live.borrow().tip
    }

    pub(super) fn now(&self) -> u64 {
        (self.0.setup.clock)()
    }

    pub(super) fn chain(&self) -> Digest32 {
        self.0.chain
    }

    pub(super) fn light(&self) -> &LightGenesis {
        &self.0.setup.light
    }

    pub(super) fn schedule(&self) -> &Schedule {
        &self.0.setup.light.draft.parameters.schedule
    }

    pub(super) fn status(&self) -> NodeStatus {
        self.0.setup.status.borrow().clone()
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.setup.metrics
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.0.setup.registry
    }

    pub(super) fn orders(&self) -> &mpsc::Sender<Asked> {
        &self.0.setup.orders
    }

    /// The committee of an epoch: those around the epoch in force from memory, older ones from the store.
    pub(super) async fn committee(&self, epoch: u64) -> Result<Arc<Served>, Refusal> {
        if let Some(served) = self.0.committees.read().unwrap_or_else(PoisonError::into_inner).get(&epoch) {
            return Ok(served.clone());
        }
        let list = self.read(move |store| store.members(epoch)).await?.ok_or(Refusal::NoSuchEpoch(epoch))?;
        let exempt = self.light().draft.parameters.development_exemption;
        let committee = list.build(exempt).map_err(|_| Refusal::Lost)?;
        Ok(Arc::new(Served::of(&committee)))
    }

    /// A place on the stream, if one is free.
    pub(super) fn seat(&self) -> Result<Seat, Refusal> {
        let taken = self.0.subscribers.fetch_add(1, Ordering::AcqRel) + 1; // at most the number of connections
        let seat = Seat(Arc::clone(&self.0));
        self.0.setup.metrics.subscribers(taken);
        if taken > SUBSCRIBERS { Err(Refusal::Busy) } else { Ok(seat) }
    }

    #[cfg(test)]
    pub(super) fn seats(&self) -> usize {
        self.0.subscribers.load(Ordering::Acquire)
    }

    /// Reads from the store on a thread that may wait for the disk.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = Arc::clone(&self.0.setup.store);
        let done = tokio::task::spawn_blocking(move || read(&store)).await;
        Ok(done.map_err(|_| Refusal::Lost)??)
    }

    /// A certified round; refuses one that there is not, or not yet.
    pub(super) async fn round(&self, round: u64) -> Result<Arc<Announced>, Refusal> {
        self.certified(round)?;
        self.kept(round)?;
        if let Some(announced) = self.recent(|recent| recent.get(round)) {
            return Ok(announced);
        }
        let beacon = self.read(move |store| store.beacon(round)).await?;
        // Rounds leave the memory only once they are stored, so a hole here is older than this process.
        beacon.map(|beacon| Arc::new(Announced::new(beacon))).ok_or(Refusal::NoSuchRound)
    }

    /// Refuses round 0, rounds beyond time, and rounds that are not certified yet.
    pub(super) fn certified(&self, round: u64) -> Result<(), Refusal> {
        let due = self.schedule().time_of(round);
        let (Ok(due), true) = (due, round > 0) else { return Err(Refusal::NoSuchRound) };
        if round <= self.tip() {
            return Ok(());
        }
        let seconds = due.saturating_sub(self.now()).div_ceil(1000).max(1);
        Err(Refusal::NotYet { round, seconds })
    }

    /// The first round that this node holds.
    pub(super) fn first_round(&self) -> u64 {
        self.0.setup.store.first_round()
    }

    /// Refuses rounds before the checkpoint that this node began from.
    fn kept(&self, round: u64) -> Result<(), Refusal> {
        let first = self.first_round();
        if round >= first { Ok(()) } else { Err(Refusal::BeforeCheckpoint { round, first }) }
    }

    /// Consecutive certified rounds from `from` to at most `to`.
    pub(super) async fn rounds(&self, from: u64, to: u64) -> Result<Vec<Arc<Announced>>, Refusal> {
        let to = to.min(self.tip());
        if from > to {
            return Ok(Vec::new());
        }
        self.kept(from)?;
        let recent = self.recent(|recent| recent.range(from, to));
        let stored_to = recent.first().map_or(to, |first| first.round() - 1); // recent rounds are at least `from` ≥ 1
        let mut rounds = Vec::new();
        if from <= stored_to {
            let _turn = self.0.readers.acquire().await.map_err(|_| Refusal::Busy)?;
            rounds = self
                .read(move |store| {
                    let beacons = store.beacons(from, stored_to)?;
                    beacons.map(|beacon| Ok(Arc::new(Announced::new(beacon?)))).collect::<Result<Vec<_>, StoreError>>()
                })
                .await?;
        }
        rounds.extend(recent);
        let consecutive = rounds.iter().zip(from..).take_while(|(found, expected)| found.round() == *expected).count();
        rounds.truncate(consecutive);
        Ok(rounds)
    }

    /// The transcript of a certified round, if this node has it.
    pub(super) async fn transcript(&self, round: u64) -> Result<Option<Arc<Transcript>>, Refusal> {
        if let Some(transcript) = self.recent(|recent| recent.transcript(round)) {
            return Ok(Some(transcript));
        }
        Ok(self.read(move |store| store.transcript(round)).await?.map(Arc::new))
    }

    fn recent<T>(&self, look: impl FnOnce(&Recent) -> T) -> T {
        look(&self.0.recent.read().unwrap_or_else(PoisonError::into_inner))
    }
}
