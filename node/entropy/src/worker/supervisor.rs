//! The supervisor: keeps the list of workers live, and collects from all of them at once.

use super::monitored::{Crash, backoff};
use super::report::{Absence, WorkerState, WorkerStatus};
use super::slot::{Collection, Slot};
use super::thread::{Ending, Exit, Request, Thread};
use super::{Limits, WorkerSpec};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Unanswered requests a worker may have.
const QUEUE: usize = 16;
/// How often the supervisor looks for hung workers.
const PATROL: Duration = Duration::from_millis(250);

struct Core {
    slots: Mutex<BTreeMap<u32, Slot>>,
    /// Signalled whenever a worker's state changes.
    changed: Condvar,
    limits: Limits,
    exits: Sender<Notice>,
}

enum Notice {
    Exit(Exit),
    Wake,
    Stop,
}

/// A running, supervised pool of workers. Dropping it ends the threads that still answer.
pub struct Workers {
    core: Arc<Core>,
    supervisor: Option<std::thread::JoinHandle<()>>,
}

impl Workers {
    /// Starts one worker for each of `specs`, indexed from 0.
    pub fn start(specs: Vec<WorkerSpec>, limits: Limits) -> std::io::Result<Workers> {
        let (exits, notices) = mpsc::channel();
        let core = Arc::new(Core { slots: Mutex::new(BTreeMap::new()), changed: Condvar::new(), limits, exits });
        let watched = Arc::clone(&core);
        let supervisor =
            std::thread::Builder::new().name("entropy-supervisor".into()).spawn(move || watched.supervise(&notices))?;
        let workers = Workers { core, supervisor: Some(supervisor) };
        for spec in specs {
            workers.add(spec);
        }
        Ok(workers)
    }

    /// Adds one worker while running and returns its index.
    pub fn add(&self, spec: WorkerSpec) -> u32 {
        let mut slots = self.core.lock();
        let index = slots.keys().next_back().map_or(0, |last| last.saturating_add(1));
        let mut slot = Slot::new(spec);
        self.core.spawn(index, &mut slot);
        slots.insert(index, slot);
        index
    }

    /// Removes a worker; false when there is none of that index.
    pub fn remove(&self, index: u32) -> bool {
        match self.core.lock().remove(&index) {
            Some(slot) => {
                // A generation no thread has: a thread inside a source ends on return.
                slot.shared.generation.store(u64::MAX, Ordering::Release);
                true
            }
            None => false,
        }
    }

    /// Ends a worker's thread as a crash would; the supervisor replaces it.
    pub fn kill(&self, index: u32) -> bool {
        let slots = self.core.lock();
        let requests = slots.get(&index).and_then(|slot| slot.requests.as_ref());
        requests.is_some_and(|requests| requests.try_send(Request::Die).is_ok())
    }

    /// Gives a failed worker, and every muted source of it, a new chance.
    pub fn revive(&self, index: u32) -> bool {
        let mut slots = self.core.lock();
        let Some(slot) = slots.get_mut(&index) else { return false };
        slot.shared.cells.iter().for_each(|cell| cell.arm());
        if slot.state == WorkerState::Failed {
            slot.recent_restarts.clear();
            slot.abandoned = 0;
            self.core.spawn(index, slot);
        }
        true
    }

    /// Asks all live workers at once and returns what has come when all have answered or
    /// at the deadline, whichever is first.
    #[must_use]
    pub fn collect(&self, deadline: Duration) -> Collection {
        self.gather(deadline, false)
    }

    /// As [`Self::collect`], but only from sources credited as noise, however little they
    /// give. Files and generators are not touched.
    #[must_use]
    pub fn collect_noise(&self, deadline: Duration) -> Collection {
        self.gather(deadline, true)
    }

    fn gather(&self, deadline: Duration, noise_only: bool) -> Collection {
        let start = Instant::now();
        let until = start + deadline;
        let begin_before = start + deadline * 3 / 4;
        let (reply, answers) = mpsc::channel();
        let mut collection = Collection::default();
        let mut waiting = 0;
        for (index, slot) in self.core.lock().iter() {
            let request = Request::Contribute { begin_before, until, noise_only, reply: reply.clone() };
            let absence = match slot.ask(request) {
                Ok(()) => {
                    waiting += 1;
                    // Holds until the answer arrives.
                    Absence::Late
                }
                Err(absence) => absence,
            };
            collection.absent.insert(*index, absence);
        }
        drop(reply);
        while waiting > 0 {
            match answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(answer) => {
                    waiting -= 1;
                    collection.take(answer);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    collection.rest_died();
                    break;
                }
            }
        }
        collection.materials.sort_by_key(|material| material.worker);
        if !noise_only {
            self.core.count(&collection);
        }
        collection
    }

    /// Raw symbols of one worker's sources in their order, not mixed; fewer than `count`
    /// when they run dry or the deadline comes. `None` when the worker does not answer.
    #[must_use]
    pub fn read(&self, index: u32, count: usize, deadline: Duration) -> Option<Zeroizing<Vec<u8>>> {
        let until = Instant::now() + deadline;
        let (reply, answer) = mpsc::channel();
        self.core.lock().get(&index)?.ask(Request::Read { count, until, reply }).ok()?;
        // The worker stops by itself at `until`; the grace lets its answer arrive.
        answer.recv_timeout(deadline + Duration::from_millis(5)).ok()
    }

    #[must_use]
    pub fn status(&self) -> Vec<WorkerStatus> {
        self.core.lock().iter().map(|(index, slot)| slot.status(*index)).collect()
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.core.lock().len()
    }

    /// Waits until `done` holds for the workers' status, at most `patience`.
    pub fn wait_until(&self, patience: Duration, mut done: impl FnMut(&[WorkerStatus]) -> bool) -> bool {
        let until = Instant::now() + patience;
        let mut slots = self.core.lock();
        loop {
            let status: Vec<_> = slots.iter().map(|(i, slot)| slot.status(*i)).collect();
            if done(&status) {
                return true;
            }
            let now = Instant::now();
            if now >= until {
                return false;
            }
            // Sources change state without a signal, so the wait is also a slow poll.
            let nap = (until - now).min(Duration::from_millis(5));
            slots = match self.core.changed.wait_timeout(slots, nap) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Waits until no source is within its first start-up test, at most `patience`.
    pub fn wait_started(&self, patience: Duration) -> bool {
        let shared: Vec<_> = self.core.lock().values().map(|slot| Arc::clone(&slot.shared)).collect();
        self.wait_until(patience, |_| shared.iter().all(|s| s.starting.load(Ordering::Acquire) == 0))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let indices: Vec<u32> = self.core.lock().keys().copied().collect();
        for index in indices {
            self.remove(index);
        }
        // The supervisor only ends by this message, so both can fail only when it is gone.
        let _ = self.core.exits.send(Notice::Stop);
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join();
        }
    }
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Workers({})", self.count())
    }
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Slot>> {
        // Nothing in a critical section panics; if it did, the list is still well-formed.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, collection: &Collection) {
        let mut slots = self.lock();
        for material in &collection.materials {
            if let Some(slot) = slots.get_mut(&material.worker) {
                slot.answered += 1;
                slot.bytes += material.bytes.len() as u64;
            }
        }
        for index in collection.absent.keys() {
            if let Some(slot) = slots.get_mut(index) {
                slot.unanswered += 1;
            }
        }
    }

    /// Starts the next thread of a slot.
    fn spawn(&self, index: u32, slot: &mut Slot) {
        let generation = slot.shared.generation.fetch_add(1, Ordering::AcqRel) + 1;
        *slot.shared.beat.lock().unwrap_or_else(PoisonError::into_inner) = None;
        slot.shared.starting.store(slot.spec.sources.len(), Ordering::Release);
        let (requests, inbox) = mpsc::sync_channel(QUEUE);
        let thread = Thread {
            worker: index,
            generation,
            spec: slot.spec.clone(),
            limits: self.limits,
            shared: Arc::clone(&slot.shared),
            requests: inbox,
        };
        let exits = self.exits.clone();
        let spawned = std::thread::Builder::new().name(format!("entropy-{index}")).spawn(move || {
            // The supervisor outlives its workers but for the end of the process.
            let _ = exits.send(Notice::Exit(thread.run()));
        });
        slot.restart_at = None;
        match spawned {
            Ok(_) => {
                slot.requests = Some(requests);
                slot.state = WorkerState::Running;
            }
            Err(error) => self.restart_later(slot, error.to_string()),
        }
        self.changed.notify_all();
    }

    /// Schedules a replacement, or gives the worker up.
    fn restart_later(&self, slot: &mut Slot, reason: String) {
        let now = Instant::now();
        let window = self.limits.restart_window;
        slot.requests = None;
        slot.recent_restarts.retain(|at| now.duration_since(*at) < window);
        slot.last_error = Some(reason);
        let too_often = slot.recent_restarts.len() >= self.limits.restarts;
        if too_often || slot.abandoned > self.limits.abandoned {
            slot.state = WorkerState::Failed;
            slot.shared.starting.store(0, Ordering::Release);
        } else {
            slot.restart_at = Some(now + backoff(&self.limits, slot.recent_restarts.len()));
            slot.recent_restarts.push_back(now);
            slot.restarts += 1;
            slot.state = WorkerState::Restarting;
        }
        self.changed.notify_all();
        // The supervisor may be waiting for something later than this restart.
        let _ = self.exits.send(Notice::Wake);
    }

    fn supervise(&self, notices: &Receiver<Notice>) {
        loop {
            let nap = self.patrol();
            match notices.recv_timeout(nap) {
                Ok(Notice::Exit(exit)) => self.ended(exit),
                Ok(Notice::Wake) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Notice::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Restarts what is due, abandons what hangs; returns how long nothing is due.
    fn patrol(&self) -> Duration {
        let now = Instant::now();
        let mut nap = PATROL.min(self.limits.hang_after / 2).max(Duration::from_millis(1));
        let mut slots = self.lock();
        for (index, slot) in slots.iter_mut() {
            if let Some(at) = slot.restart_at {
                if at <= now {
                    self.spawn(*index, slot);
                } else {
                    nap = nap.min(at - now);
                }
            }
            let hung = slot.shared.beat().filter(|(_, since)| {
                slot.state == WorkerState::Running && now.saturating_duration_since(*since) >= self.limits.hang_after
            });
            if let Some((position, _)) = hung {
                self.abandon(slot, position);
            }
        }
        nap
    }

    fn abandon(&self, slot: &mut Slot, position: usize) {
        slot.shared.generation.fetch_add(1, Ordering::AcqRel);
        slot.abandoned += 1;
        self.crashed(slot, position, Crash::Hang);
        let name = slot.spec.sources.get(position).map_or("source", |source| source.name());
        let reason = format!("{name} hung");
        self.restart_later(slot, reason);
    }

    /// A source that took its thread down rests, so that the others of the worker go on; a
    /// worker's only source is tried at each restart until the worker is given up.
    fn crashed(&self, slot: &Slot, position: usize, crash: Crash) {
        if let Some(cell) = slot.shared.cells.get(position) {
            cell.crashed(crash, slot.spec.sources.len() > 1, &self.limits);
        }
    }

    fn ended(&self, exit: Exit) {
        let mut slots = self.lock();
        let Some(slot) = slots.get_mut(&exit.worker) else { return };
        let current = slot.shared.generation.load(Ordering::Acquire) == exit.generation;
        if !current {
            slot.abandoned = slot.abandoned.saturating_sub(1);
            return;
        }
        let reason = match exit.ending {
            Ending::Stopped => "stopped".to_owned(),
            Ending::Killed => "killed".to_owned(),
            Ending::Panicked { message, source } => {
                if let Some(position) = source {
                    self.crashed(slot, position, Crash::Panic);
                }
                message
            }
        };
        self.restart_later(slot, reason);
    }
}
