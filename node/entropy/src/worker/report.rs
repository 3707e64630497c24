//! What workers say about themselves and about each draw.

use crate::health::{Alarm, State as HealthState};
use crate::source::{Category, Credit};
use serde::Serialize;
use zeroize::Zeroizing;

/// Raw bytes of one worker for one collection: for each source that gave samples,
/// `u16(position in the worker) ‖ u32(length) ‖ bytes`, integers big-endian.
#[derive(Clone)]
pub struct Material {
    pub worker: u32,
    pub bytes: Zeroizing<Vec<u8>>,
    pub drawn: Vec<Drawn>,
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Material { worker, drawn, .. } = self;
        f.debug_struct("Material").field("worker", worker).field("drawn", drawn).finish()
    }
}

/// One source's part of a draw.
#[derive(Clone, Debug, Serialize)]
pub struct Drawn {
    pub source: String,
    pub samples: usize,
    /// Bytes that went into the contribution; zero for a muted or failing source.
    pub bytes: usize,
    /// Min-entropy counted for this draw, in bits; zero unless healthy.
    pub credited_bits: f64,
    pub credit: Credit,
    pub alarm: Option<Alarm>,
    pub error: Option<String>,
}

/// Why a worker is missing from a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// Did not answer by the deadline.
    Late,
    /// Its queue is full of unanswered requests.
    Busy,
    /// Died while the call waited.
    Died,
    /// Between two lives.
    Restarting,
    /// Given up by the supervisor.
    Failed,
    /// Answered, but its sources gave fewer than 32 bytes.
    TooLittle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    Running,
    Restarting,
    Failed,
}

#[derive(Clone, Debug, Serialize)]
pub struct WorkerStatus {
    pub index: u32,
    pub state: WorkerState,
    /// Collections answered with enough bytes, and in vain.
    pub answered: u64,
    pub unanswered: u64,
    pub bytes: u64,
    pub restarts: u64,
    /// Hung threads that have not come back.
    pub abandoned: u32,
    pub last_error: Option<String>,
    pub sources: Vec<SourceStatus>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Not tried yet by the present thread.
    #[default]
    New,
    /// Muted: within its start-up test.
    StartUp,
    Healthy,
    /// Credited nothing, hence not tested; mixed all the same.
    Uncredited,
    /// Muted by a permanent alarm until armed again.
    Muted,
    /// Resting after an error, a panic or a hang.
    Resting,
    Absent,
}

impl From<HealthState> for SourceState {
    fn from(state: HealthState) -> SourceState {
        match state {
            HealthState::StartUp => SourceState::StartUp,
            HealthState::Healthy => SourceState::Healthy,
            HealthState::Failed => SourceState::Muted,
        }
    }
}

/// Statistics of one source of one worker, over the life of the worker's slot.
#[derive(Clone, Debug, Serialize)]
pub struct SourceStatus {
    pub name: String,
    pub category: Option<Category>,
    pub state: SourceState,
    pub credit: Credit,
    pub samples: u64,
    pub bytes: u64,
    pub credited_bits: f64,
    pub failures: u64,
    pub panics: u64,
    pub hangs: u64,
    pub alarms: u64,
    pub last_alarm: Option<Alarm>,
    pub last_error: Option<String>,
    /// Seconds since the last draw that gave samples.
    pub last_seen_seconds: Option<f64>,
    /// Of the symbols' frequencies; both say how uniform, not how unpredictable.
    pub shannon_bits: f64,
    pub most_common_value_bits: f64,
}
