//! How the node is: for probes, for the operator, for Prometheus.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use beacon_entropy::pool::PoolStatus;
use beacon_entropy::worker::{SourceState, SourceStatus};
use serde::{Deserialize, Serialize};

use beacon_spec::hash::Digest32;
use beacon_spec::keys::IdentityKey;

use super::answer::{Refusal, fresh};
use super::api::PublicApi;
use crate::quality::Quality;
use crate::services::ClusterPeer;

/// A node this many rounds behind its schedule, and this many milliseconds, is late.
const LATE_ROUNDS: u64 = 2;
const LATE_MILLIS: u64 = 5000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Member,
    #[default]
    Observer,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Observer => "observer",
        }
    }
}

/// Whether the node is catching up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    #[default]
    Starting,
    CatchingUp,
    Current,
}

/// The node's report on itself. The shell fills it in; `round`, `due`, `expected` and `behind` are brought up to the
/// moment when it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    pub chain: Digest32,
    pub name: String,
    pub software: String,
    pub identity: Option<IdentityKey>,
    pub role: Role,
    /// The own index in the committee.
    pub member: Option<u16>,
    /// Newest certified round.
    pub round: u64,
    /// Its due time, Unix milliseconds.
    pub due: u64,
    /// The round that the schedule has reached; with period 0, the newest one.
    pub expected: u64,
    pub behind: u64,
    pub epoch: u64,
    pub decided_window: u64,
    pub sync: SyncState,
    pub peers: Vec<PeerView>,
    /// How far the own clock is ahead of the median of the peers' clocks.
    pub clock_offset_ms: Option<i64>,
    pub entropy: EntropyView,
    /// The shell fills in all but the lateness.
    pub quality: Quality,
    /// The peers that this node exchanges private random bytes with.
    pub cluster: Vec<ClusterPeer>,
    pub participation: Vec<Participation>,
    /// Why the node stopped, if it did.
    pub halted: Option<String>,
}

/// The local pool, in short; `/pool/status` on the local listener has everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EntropyView {
    pub workers: usize,
    pub workers_running: usize,
    /// Sources that count for something, and how many of them do.
    pub sources_credited: usize,
    pub sources_healthy: usize,
    pub sources_muted: usize,
    /// Min-entropy counted since the start, from noise and, apart, from generators.
    pub noise_bits: f64,
    pub generator_bits: f64,
    pub alarms: u64,
    pub contributions: u64,
    pub warnings: Vec<String>,
    pub sources: Vec<SourceView>,
}

/// One source of one worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceView {
    pub worker: u32,
    pub source: String,
    pub state: String,
    /// Bits a sample.
    pub credit: f64,
    pub credited_bits: f64,
    pub samples: u64,
    pub alarms: u64,
    pub failures: u64,
    pub last_alarm: Option<String>,
}

/// The states of sources as they are named here.
const STATES: [(SourceState, &str); 7] = [
    (SourceState::New, "new"),
    (SourceState::StartUp, "start_up"),
    (SourceState::Healthy, "healthy"),
    (SourceState::Uncredited, "uncredited"),
    (SourceState::Muted, "muted"),
    (SourceState::Resting, "resting"),
    (SourceState::Absent, "absent"),
];

fn source_view(worker: u32, status: &SourceStatus) -> SourceView {
    let name = STATES.iter().find(|(state, _)| *state == status.state);
    SourceView {
        worker,
        source: status.name.clone(),
        state: name.map_or("", |(_, name)| name).to_owned(),
        credit: status.credit.bits(),
        credited_bits: status.credited_bits,
        samples: status.samples,
        alarms: status.alarms,
        failures: status.failures,
        last_alarm: status.last_alarm.map(|alarm| format!("{:?}, {:?}", alarm.test, alarm.level)),
    }
}

impl From<&PoolStatus> for EntropyView {
    fn from(pool: &PoolStatus) -> Self {
        let sources: Vec<SourceView> = pool
            .workers
            .iter()
            .flat_map(|worker| worker.sources.iter().map(|source| source_view(worker.index, source)))
            .collect();
        EntropyView {
            workers: pool.workers.len(),
            workers_running: pool.workers_running,
            sources_credited: sources.iter().filter(|source| source.credit > 0.0).count(),
            sources_healthy: pool.sources_healthy,
            sources_muted: pool.sources_muted,
            noise_bits: pool.noise_bits,
            generator_bits: pool.generator_bits,
            alarms: sources.iter().map(|source| source.alarms).sum(),
            contributions: pool.contributions,
            warnings: pool.warnings.clone(),
            sources,
        }
    }
}

impl EntropyView {
    /// How many sources are in each state.
    pub fn source_states(&self) -> impl Iterator<Item = (&'static str, usize)> + '_ {
        STATES.iter().map(|(_, name)| (*name, self.sources.iter().filter(|source| source.state == *name).count()))
    }
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerView {
    pub identity: IdentityKey,
    pub address: String,
    pub inbound: bool,
    pub member: bool,
    pub up: bool,
    pub rtt_ms: Option<f64>,
    /// Newest certified round that the peer has told of.
    pub round: Option<u64>,
}

/// What one member did since this process started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participation {
    pub member: u16,
    pub weight: u64,
    /// Rounds whose set holds its dealing, and how that came to light.
    pub opened: u64,
    pub recovered: u64,
    /// Rounds whose set does not hold its dealing.
    pub absent: u64,
}

#[derive(Serialize)]
struct HealthView {
    status: &'static str,
    current: u64,
    expected: u64,
    behind: u64,
    peers: usize,
    clock_offset_ms: Option<i64>,
    quality: Quality,
    entropy: EntropyView,
}

/// Brings the shell's report up to now.
pub(super) fn report(api: &PublicApi) -> NodeStatus {
    let mut status = api.status();
    status.round = api.tip();
    status.due = api.schedule().time_of(status.round).unwrap_or(0);
    // Before the genesis time, and without a period, the schedule expects nothing.
    let reached = api.schedule().round_at(api.now());
    status.expected = reached.unwrap_or(if api.schedule().period == 0 { status.round } else { 0 });
    status.behind = status.expected.saturating_sub(status.round);
    status.epoch = api.schedule().epoch_of(status.round.max(1));
    status.quality = status.quality.at(status.behind);
    status
}

pub(super) async fn health(State(api): State<PublicApi>) -> Response {
    let report = report(&api);
    let lag = report.behind.saturating_mul(api.schedule().period);
    let late = report.behind > LATE_ROUNDS && lag > LATE_MILLIS;
    let status = match (&report.halted, report.sync) {
        (Some(_), _) => "stopped",
        (None, SyncState::CatchingUp) if late => "catching_up",
        (None, _) if late => "late",
        _ => "ok",
    };
    let view = HealthView {
        status,
        current: report.round,
        expected: report.expected,
        behind: report.behind,
        peers: report.peers.len(),
        clock_offset_ms: report.clock_offset_ms,
        quality: report.quality,
        entropy: report.entropy,
    };
    fresh(if status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &view)
}

pub(super) async fn status(State(api): State<PublicApi>) -> Response {
    fresh(StatusCode::OK, &report(&api))
}

pub(super) async fn metrics(State(api): State<PublicApi>) -> Result<Response, Refusal> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, api.registry()).map_err(|_| Refusal::Lost)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text).into_response())
}
