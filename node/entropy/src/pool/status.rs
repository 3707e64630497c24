//! What the pool says about itself and about each contribution.

use super::Core;
use crate::accumulator::AccumulatorStatus;
use crate::random::RandomStatus;
use crate::source::CreditClass;
use crate::worker::{Absence, Collection, Drawn, SourceState, WorkerState, WorkerStatus};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use zeroize::Zeroizing;

/// 32 secret bytes and how they came about.
pub struct Contribution {
    pub bytes: Zeroizing<[u8; 32]>,
    pub report: ContributionReport,
}

impl std::fmt::Debug for Contribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contribution").field("bytes", &"[REDACTED]").field("report", &self.report).finish()
    }
}

/// Where a contribution came from.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ContributionReport {
    pub workers: Vec<WorkerPart>,
    pub absent: BTreeMap<u32, Absence>,
    /// Min-entropy counted from noise sources, in bits.
    pub noise_bits: f64,
    /// Counted by policy from generators, apart from the above, in bits.
    pub generator_bits: f64,
    /// Sources that raised an alarm within this draw.
    pub alarms: u32,
    /// Injected bytes that were mixed in, counted as nothing.
    pub injected: u64,
    /// No worker answered and the operating system's generator stood in.
    pub os_only: bool,
}

/// One worker's part of a contribution.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerPart {
    pub index: u32,
    pub bytes: usize,
    pub sources: Vec<Drawn>,
}

/// A snapshot of the pool.
#[derive(Clone, Debug, Serialize)]
pub struct PoolStatus {
    pub workers: Vec<WorkerStatus>,
    pub workers_running: usize,
    pub sources_healthy: usize,
    pub sources_muted: usize,
    pub sources_total: usize,
    pub contributions: u64,
    pub refused: u64,
    /// Contributions for which the operating system's generator stood in.
    pub os_only: u64,
    pub noise_bits: f64,
    pub generator_bits: f64,
    pub accumulator: AccumulatorStatus,
    pub random: RandomStatus,
    /// What an operator should know, in words; empty when all is well.
    pub warnings: Vec<String>,
}

impl Core {
    pub(super) fn status(&self) -> PoolStatus {
        let workers = self.workers.status();
        let sources: Vec<_> = workers.iter().flat_map(|worker| &worker.sources).collect();
        let sum = |class| {
            let of = sources.iter().filter(|source| source.credit.class == class);
            of.map(|source| source.credited_bits).sum()
        };
        let in_state = |states: &[SourceState]| sources.iter().filter(|source| states.contains(&source.state)).count();
        PoolStatus {
            workers_running: running(&workers),
            sources_healthy: in_state(&[SourceState::Healthy]),
            sources_muted: in_state(&[SourceState::Muted, SourceState::StartUp]),
            sources_total: sources.len(),
            contributions: self.contributions.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            os_only: self.os_only.load(Ordering::Relaxed),
            noise_bits: sum(CreditClass::Noise),
            generator_bits: sum(CreditClass::Generator),
            accumulator: self.lock_accumulator().status(),
            random: self.random.status(),
            warnings: warnings(&workers),
            workers,
        }
    }
}

fn running(workers: &[WorkerStatus]) -> usize {
    workers.iter().filter(|worker| worker.state == WorkerState::Running).count()
}

fn warnings(workers: &[WorkerStatus]) -> Vec<String> {
    let mut warnings = Vec::new();
    if running(workers) == 0 {
        warnings.push("no worker runs: only the operating system's generator is left".into());
    }
    let noise = workers
        .iter()
        .flat_map(|worker| &worker.sources)
        .any(|source| source.credit.class == CreditClass::Noise && source.state == SourceState::Healthy);
    if !noise {
        warnings.push("no noise source is healthy: randomness comes from generators only".into());
    }
    for worker in workers {
        if worker.state == WorkerState::Failed {
            let why = worker.last_error.as_deref().unwrap_or("unknown");
            warnings.push(format!("worker {} failed: {why}", worker.index));
        }
        for source in &worker.sources {
            if let (SourceState::Muted | SourceState::StartUp, Some(alarm)) = (source.state, source.last_alarm) {
                let (name, index, test) = (&source.name, worker.index, alarm.test);
                warnings.push(format!("{name} of worker {index} is muted: {test:?}"));
            }
        }
    }
    warnings
}

pub(super) fn report(collection: &Collection) -> ContributionReport {
    let mut report = ContributionReport { absent: collection.absent.clone(), ..ContributionReport::default() };
    for material in &collection.materials {
        for drawn in &material.drawn {
            match drawn.credit.class {
                CreditClass::Noise => report.noise_bits += drawn.credited_bits,
                CreditClass::Generator => report.generator_bits += drawn.credited_bits,
                CreditClass::None => {}
            }
        }
        report.workers.push(WorkerPart {
            index: material.worker,
            bytes: material.bytes.len(),
            sources: material.drawn.clone(),
        });
    }
    let all = collection.materials.iter().map(|m| &m.drawn).chain(collection.failed_draws.values());
    let alarms = all.flatten().filter(|drawn| drawn.alarm.is_some()).count();
    report.alarms = u32::try_from(alarms).unwrap_or(u32::MAX);
    report
}
