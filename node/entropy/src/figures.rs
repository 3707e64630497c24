//! What the library costs and gives on this machine, each figure beside its target.

use crate::equipment::Equipment;
use crate::pool::{EntropyPool, PoolConfig, PoolError};
use crate::probe::scan;
use crate::random::{NoSeed, Random};
use crate::source::{CreditClass, Info, Samples, Source, SourceError};
use crate::sources::{Os, UnknownSource};
use crate::worker::{Limits, SourceSpec, SourceState, WorkerSpec, WorkerStatus, Workers};
use serde::Serialize;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// One measured row.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub name: &'static str,
    pub value: f64,
    pub unit: &'static str,
    pub target: Target,
    pub holds: bool,
}

impl Figure {
    #[must_use]
    pub fn new(name: &'static str, value: f64, unit: &'static str, target: Target) -> Figure {
        let holds = match target {
            Target::AtLeast(least) => value >= least,
            Target::AtMost(most) => value <= most,
        };
        Figure { name, value, unit, target, holds }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Unseeded(#[from] NoSeed),
    #[error(transparent)]
    Unknown(#[from] UnknownSource),
    #[error("a process: {0}")]
    Process(#[from] std::io::Error),
    #[error("{0} gave fewer bytes than asked for")]
    Short(String),
    #[error("a collection by the deadline brought {0} of the three good workers")]
    Missing(usize),
}

/// CPU seconds of this process so far, all threads.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |i: usize| after_name.split_whitespace().nth(i).and_then(|t| t.parse::<f64>().ok());
    // Fields 14 and 15 of the file, in hundredths of a second.
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}

fn seconds<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64())
}

/// Megabytes per second that a command writes to a pipe, of `bytes` in all.
pub fn pipe_throughput(command: &mut Command, bytes: u64) -> Result<f64, FigureError> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let name = command.get_program().to_string_lossy().into_owned();
    let Some(mut pipe) = child.stdout.take() else { return Err(FigureError::Short(name)) };
    let mut buffer = vec![0u8; 256 * 1024];
    let mut taken = 0u64;
    // From the first byte on: starting a process is another figure.
    let mut begun = None;
    while let count @ 1.. = pipe.read(&mut buffer)? {
        begun.get_or_insert_with(Instant::now);
        taken += count as u64;
    }
    let elapsed = begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
    child.wait()?;
    if taken < bytes {
        return Err(FigureError::Short(name));
    }
    Ok(taken as f64 / elapsed.max(1e-9) / 1e6)
}

/// 32-byte calls of the generator in process.
pub fn calls(random: &Random) -> Result<Figure, FigureError> {
    const CALLS: u32 = 2_000_000;
    let mut out = [0u8; 32];
    let (done, wall) = seconds(|| (0..CALLS).try_for_each(|_| random.fill(std::hint::black_box(&mut out))));
    done?;
    let rate = f64::from(CALLS) / wall;
    Ok(Figure::new("32-byte calls in process", rate, "calls/s", Target::AtLeast(2e6)))
}

/// The timing sources of the harvest figure, one worker each.
pub const TIMING: [&str; 3] = ["memory", "sleep", "dram"];

/// Claimed min-entropy from timing sources alone, by the workers' whole path, health tests
/// included, per second of CPU.
pub fn harvest(patience: Duration) -> Result<Figure, FigureError> {
    let specs: Result<Vec<_>, _> = TIMING.iter().map(|name| WorkerSpec::named(&[name])).collect();
    let workers = Workers::start(specs?, Limits::default())?;
    workers.wait_started(patience);
    let (before, start) = (cpu(), Instant::now());
    let mut bits = 0.0;
    while start.elapsed() < patience {
        let collection = workers.collect_noise(Duration::from_millis(200));
        let drawn = collection.materials.iter().flat_map(|material| &material.drawn);
        bits += drawn.filter(|drawn| drawn.credit.class == CreditClass::Noise).map(|d| d.credited_bits).sum::<f64>();
    }
    // The kernel counts in hundredths.
    let rate = bits / 8.0 / (cpu() - before).max(0.01);
    Ok(Figure::new("credited harvest, timing sources alone", rate, "B/CPU-s", Target::AtLeast(10_000.0)))
}

/// One scan of everything.
#[must_use]
pub fn scanning(equipment: &Equipment) -> Figure {
    let (_, wall) = seconds(|| scan(equipment));
    Figure::new("scan", wall * 1e3, "ms", Target::AtMost(100.0))
}

/// From nothing to the first 32 bytes of a seeded generator, start-up tests included.
pub fn first_output(config: PoolConfig) -> Result<(Figure, EntropyPool), FigureError> {
    let (started, wall) = seconds(|| {
        let pool = EntropyPool::start(config)?;
        pool.random().fill(&mut [0u8; 32])?;
        Ok::<_, FigureError>(pool)
    });
    Ok((Figure::new("start to first seeded output", wall * 1e3, "ms", Target::AtMost(500.0)), started?))
}

/// A source that panics, or does not return until the gate opens.
struct Faulty {
    gate: Option<Arc<Mutex<()>>>,
}

impl Source for Faulty {
    fn info(&self) -> &'static Info {
        Os.info()
    }

    fn collect(&mut self, _: &mut Samples, _: usize) -> Result<(), SourceError> {
        match &self.gate {
            Some(gate) => {
                drop(gate.lock().unwrap_or_else(PoisonError::into_inner));
                Err(SourceError::Dry)
            }
            // Unwinds as a panic does, without a message on the terminal.
            None => std::panic::resume_unwind(Box::new("scripted")),
        }
    }
}

/// How long past its deadline a collection returns when one of five workers hangs and one
/// panics, at worst of several; the other three must be in it.
pub fn deadline_overrun() -> Result<Figure, FigureError> {
    const DEADLINE: Duration = Duration::from_millis(100);
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    let good = || SourceSpec::named("os").map(|spec| WorkerSpec::new([spec]));
    let faulty = |gate: Option<Arc<Mutex<()>>>| {
        WorkerSpec::new([SourceSpec::custom("faulty", move || Box::new(Faulty { gate: gate.clone() }))])
    };
    let specs = vec![good()?, faulty(Some(Arc::clone(&gate))), good()?, faulty(None), good()?];
    let workers = Workers::start(specs, Limits::default())?;
    let ready = |status: &WorkerStatus| status.sources.iter().all(|source| source.state == SourceState::Healthy);
    workers.wait_until(Duration::from_secs(2), |all| [0, 2, 4].iter().all(|i| ready(&all[*i])));
    let mut worst = 0.0f64;
    for _ in 0..10 {
        let (collection, wall) = seconds(|| workers.collect(DEADLINE));
        let brought = collection.materials.len();
        if brought < 3 {
            return Err(FigureError::Missing(brought));
        }
        worst = worst.max(wall - DEADLINE.as_secs_f64());
    }
    drop(closed);
    Ok(Figure::new(
        "one hung, one panicking worker of five: past the deadline",
        worst.max(0.0) * 1e3,
        "ms",
        Target::AtMost(10.0),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_holds_or_not() {
        assert!(Figure::new("x", 2.0, "s", Target::AtLeast(2.0)).holds);
        assert!(!Figure::new("x", 1.9, "s", Target::AtLeast(2.0)).holds);
        assert!(Figure::new("x", 2.0, "s", Target::AtMost(2.0)).holds);
        assert!(!Figure::new("x", f64::NAN, "s", Target::AtMost(2.0)).holds);
    }

    #[test]
    fn a_command_is_measured_by_what_it_wrote() {
        let rate = pipe_throughput(Command::new("head").args(["-c", "100000", "/dev/zero"]), 100_000);
        assert!(rate.expect("measured") > 0.0);
        let short = pipe_throughput(Command::new("head").args(["-c", "10", "/dev/zero"]), 11);
        assert!(matches!(short, Err(FigureError::Short(_))));
        assert!(matches!(pipe_throughput(&mut Command::new("/no such program"), 1), Err(FigureError::Process(_))));
    }

    #[test]
    fn the_other_three_answer_when_one_hangs_and_one_panics() {
        deadline_overrun().expect("three of five in every collection");
    }
}
