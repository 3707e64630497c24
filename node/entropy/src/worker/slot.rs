//! The supervisor's book-keeping: one slot per worker, and what a collection brought.

use super::WorkerSpec;
use super::monitored::Cell;
use super::report::{Absence, Drawn, Material, WorkerState, WorkerStatus};
use super::thread::{Answer, Request, Shared};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What a collection brought.
#[derive(Debug, Default)]
pub struct Collection {
    /// In increasing worker index.
    pub materials: Vec<Material>,
    /// Workers without material, and why.
    pub absent: BTreeMap<u32, Absence>,
    /// What the sources of absent workers reported, where they did.
    pub failed_draws: BTreeMap<u32, Vec<Drawn>>,
}

/// One place in the list of workers, through all the lives of its thread.
pub(super) struct Slot {
    pub(super) spec: WorkerSpec,
    pub(super) shared: Arc<Shared>,
    pub(super) state: WorkerState,
    pub(super) requests: Option<SyncSender<Request>>,
    pub(super) recent_restarts: VecDeque<Instant>,
    pub(super) restart_at: Option<Instant>,
    pub(super) restarts: u64,
    pub(super) abandoned: u32,
    pub(super) answered: u64,
    pub(super) unanswered: u64,
    pub(super) bytes: u64,
    pub(super) last_error: Option<String>,
}

impl Collection {
    pub(super) fn take(&mut self, answer: Answer) {
        match answer.material {
            Ok(material) => {
                self.absent.remove(&answer.worker);
                self.materials.push(material);
            }
            Err(drawn) => {
                self.absent.insert(answer.worker, Absence::TooLittle);
                self.failed_draws.insert(answer.worker, drawn);
            }
        }
    }

    pub(super) fn rest_died(&mut self) {
        for absence in self.absent.values_mut() {
            if *absence == Absence::Late {
                *absence = Absence::Died;
            }
        }
    }
}

impl Slot {
    pub(super) fn new(spec: WorkerSpec) -> Slot {
        let cells = spec.sources.iter().map(|source| Cell::new(source.name())).collect();
        let shared = Shared {
            generation: AtomicU64::new(0),
            beat: Mutex::new(None),
            starting: AtomicUsize::new(spec.sources.len()),
            cells,
        };
        Slot {
            spec,
            shared: Arc::new(shared),
            state: WorkerState::Restarting,
            requests: None,
            recent_restarts: VecDeque::new(),
            restart_at: None,
            restarts: 0,
            abandoned: 0,
            answered: 0,
            unanswered: 0,
            bytes: 0,
            last_error: None,
        }
    }

    pub(super) fn ask(&self, request: Request) -> Result<(), Absence> {
        match (self.state, &self.requests) {
            (WorkerState::Running, Some(requests)) => requests.try_send(request).map_err(|error| match error {
                TrySendError::Full(_) => Absence::Busy,
                TrySendError::Disconnected(_) => Absence::Died,
            }),
            (WorkerState::Failed, _) => Err(Absence::Failed),
            _ => Err(Absence::Restarting),
        }
    }

    pub(super) fn status(&self, index: u32) -> WorkerStatus {
        WorkerStatus {
            index,
            state: self.state,
            answered: self.answered,
            unanswered: self.unanswered,
            bytes: self.bytes,
            restarts: self.restarts,
            abandoned: self.abandoned,
            last_error: self.last_error.clone(),
            sources: self.shared.cells.iter().map(|cell| cell.status()).collect(),
        }
    }
}
