//! One simulated machine: an engine, its disk, its clock.

use std::collections::VecDeque;
use std::time::Duration;

use beacon_engine::batch::{Batch, Seq};
use beacon_engine::engine::{Config, Engine};
use beacon_engine::event::{Halt, Message, Recipient};
use beacon_spec::chain::{Beacon, Transcript};
use beacon_spec::keys::{IdentityKey, SecretKey};
use beacon_spec::message::Opening;

use super::chaos::{Chaos, Fault};
use super::disk::Disk;
use super::net::Event;

const FSYNC: u64 = 3;

pub struct Node {
    pub identity: SecretKey,
    /// Which key store its secrets come from: a lost one is followed by another.
    pub(super) store: u64,
    /// Whom the engine named as members.
    pub(super) members: Vec<IdentityKey>,
    pub config: Config,
    /// Changes what its workers bring, where chance does not.
    pub harvest: u64,
    pub engine: Option<Engine>,
    /// What a power cut leaves.
    pub disk: Disk,
    /// What reads see: written, synced or not.
    pub written: Disk,
    /// Written but not synced, in order.
    unsynced: Vec<Batch>,
    /// Handed to the disk and not written yet, with the time at which they will be.
    under_way: VecDeque<(u64, Batch)>,
    /// When the sync under way ends, and the one after it for what came meanwhile.
    syncs: [u64; 2],
    pub(super) durable: Seq,
    pub(super) held: Vec<(Seq, Recipient, Message)>,
    /// The clock less the true time, milliseconds.
    pub skew: i64,
    /// The furthest that the clock has been, but for the time since its last change.
    pub(super) furthest: u64,
    pub withheld: Vec<Opening>,
    pub halted: Option<Halt>,
    /// Increased by every start: events of an earlier life are dropped.
    pub(super) life: u64,
    /// When the engine wants to be woken; later wake-ups are void.
    pub(super) wake_at: Option<u64>,
    /// What waits for a node that stands still.
    pub(super) frozen: Option<Vec<Event>>,
    /// Crash at this effect, counted over all lives.
    pub crash_at: Option<u64>,
    pub effects: u64,
    /// Processor time of the engine and its jobs, as the network's meter tells it.
    pub worked: Duration,
}

impl Node {
    pub(super) fn new((identity, config): (SecretKey, Config)) -> Node {
        Node {
            identity,
            store: 0,
            members: Vec::new(),
            config,
            harvest: 0,
            engine: None,
            disk: Disk::default(),
            written: Disk::default(),
            unsynced: Vec::new(),
            under_way: VecDeque::new(),
            syncs: [0; 2],
            durable: 0,
            held: Vec::new(),
            skew: 0,
            furthest: 0,
            withheld: Vec::new(),
            halted: None,
            life: 0,
            wake_at: None,
            frozen: None,
            crash_at: None,
            effects: 0,
            worked: Duration::ZERO,
        }
    }

    /// What the clock shows at the true time `now`.
    pub fn clock(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.skew)
    }

    /// The furthest that the clock has been by `now`.
    pub fn reached(&self, now: u64) -> u64 {
        self.furthest.max(self.clock(now))
    }

    pub(super) fn set_clock(&mut self, now: u64, skew: i64) {
        self.furthest = self.reached(now);
        self.skew = skew;
    }

    /// Hands a batch to the disk; gives the time at which it is written, and synced if it asks for that. What comes
    /// during a sync is synced together with the next.
    pub(super) fn write(&mut self, now: u64, batch: Batch, slower: u64) -> u64 {
        let last = self.under_way.back().map_or(now, |(at, _)| *at).max(now);
        let at = if !batch.sync {
            last
        } else if self.syncs[0] <= now {
            self.syncs[0] = if self.syncs[1] > now { self.syncs[1] } else { now + FSYNC + slower };
            self.syncs[0]
        } else {
            if self.syncs[1] <= self.syncs[0] {
                self.syncs[1] = self.syncs[0] + FSYNC + slower;
            }
            self.syncs[1]
        };
        let at = at.max(last);
        self.under_way.push_back((at, batch));
        at
    }

    /// Everything due is on the disk; gives the last batch that is.
    pub(super) fn settle(&mut self, now: u64) -> Option<Seq> {
        let mut last = None;
        while self.under_way.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, batch)) = self.under_way.pop_front() else { break };
            let (seq, sync) = (batch.seq, batch.sync);
            batch.records.iter().for_each(|record| self.written.apply(record.clone()));
            self.unsynced.push(batch);
            if sync {
                self.sync();
            }
            last = Some(seq);
        }
        self.durable = self.durable.max(last.unwrap_or(0));
        last
    }

    fn sync(&mut self) {
        for record in self.unsynced.drain(..).flat_map(|batch| batch.records) {
            self.disk.apply(record);
        }
    }

    /// The power is cut. Without chaos nothing unsynced is left; with it, as much as the faults let be: whole batches,
    /// in order.
    pub(super) fn cut_power(&mut self, chaos: &mut Chaos) {
        let under_way = self.under_way.pop_front();
        if chaos.relays {
            let written = self.unsynced.len() as u64;
            if written > 0 && chaos.strikes(Fault::LostWrites) {
                let kept = chaos.rng.below(written) as usize;
                self.unsynced.truncate(kept);
            } else if let Some((_, batch)) = under_way
                && !chaos.strikes(Fault::TornWrite)
            {
                self.unsynced.push(batch);
            }
            self.sync();
        }
        self.written = self.disk.clone();
        self.unsynced.clear();
        self.under_way.clear();
        self.held.clear();
        self.engine = None;
        self.durable = 0;
        self.syncs = [0; 2];
        self.wake_at = None;
        self.frozen = None;
        self.life += 1;
    }

    /// A certified round, written, synced or not.
    pub fn find(&self, round: u64) -> Option<&Beacon> {
        self.written.rounds.get(&round)
    }

    pub fn beacon(&self, round: u64) -> &Beacon {
        self.find(round).unwrap_or_else(|| panic!("round {round} is not here"))
    }

    pub fn transcript(&self, round: u64) -> Option<&Transcript> {
        self.written.transcripts.get(&round)
    }

    /// Newest certified round of the running engine, or on the disk.
    pub fn head(&self) -> u64 {
        let stored = || self.disk.rounds.last_key_value().map_or(0, |(round, _)| *round);
        self.engine.as_ref().map_or_else(stored, |engine| engine.head().0)
    }
}
