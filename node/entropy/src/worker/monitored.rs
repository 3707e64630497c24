//! One source inside a worker: drawn, health-tested, counted.

use super::report::{Drawn, SourceState, SourceStatus};
use super::{Limits, SourceSpec};
use crate::health::{Alarm, Health, State};
use crate::source::{Availability, Category, Credit, CreditClass, Samples, Source, SourceError, symbol};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Samples of one slice of a start-up test, so that requests are not kept waiting.
const STARTUP_SLICE: usize = 64;
/// When the histogram holds this many symbols it is halved, so that it follows the source.
const HISTOGRAM_LIMIT: u64 = 1 << 20;

/// What outlives the thread: statistics, and the rest a failing source must take.
#[derive(Debug)]
pub(super) struct Cell {
    inner: Mutex<Counters>,
}

#[derive(Debug)]
struct Counters {
    name: String,
    category: Option<Category>,
    state: SourceState,
    credit: Credit,
    samples: u64,
    bytes: u64,
    credited_bits: f64,
    failures: u64,
    panics: u64,
    hangs: u64,
    alarms: u64,
    last_alarm: Option<Alarm>,
    last_error: Option<String>,
    last_seen: Option<Instant>,
    histogram: Box<[u64; 256]>,
    resting_until: Option<Instant>,
    failures_in_row: u32,
    arm: bool,
}

/// How a source failed its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    Panic,
    Hang,
}

impl Cell {
    pub(super) fn new(name: &str) -> Arc<Cell> {
        let inner = Counters {
            name: name.to_owned(),
            category: None,
            state: SourceState::New,
            credit: Credit::ZERO,
            samples: 0,
            bytes: 0,
            credited_bits: 0.0,
            failures: 0,
            panics: 0,
            hangs: 0,
            alarms: 0,
            last_alarm: None,
            last_error: None,
            last_seen: None,
            histogram: Box::new([0; 256]),
            resting_until: None,
            failures_in_row: 0,
            arm: false,
        };
        Arc::new(Cell { inner: Mutex::new(inner) })
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        // The counters are plain numbers; a panic elsewhere cannot leave them half-written.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a crash; `rest` says whether the source must rest before it is tried again.
    pub(super) fn crashed(&self, crash: Crash, rest: bool, limits: &Limits) {
        let mut c = self.lock();
        match crash {
            Crash::Panic => c.panics += 1,
            Crash::Hang => c.hangs += 1,
        }
        c.last_error = Some(format!("{crash:?}"));
        if rest {
            c.rest(limits);
        }
    }

    /// Asks the owning thread to arm the health test again.
    pub(super) fn arm(&self) {
        let mut c = self.lock();
        c.arm = true;
        c.resting_until = None;
        c.failures_in_row = 0;
    }

    pub(super) fn status(&self) -> SourceStatus {
        let c = self.lock();
        let (shannon, most_common) = frequencies(&c.histogram);
        SourceStatus {
            name: c.name.clone(),
            category: c.category,
            state: c.state,
            credit: c.credit,
            samples: c.samples,
            bytes: c.bytes,
            credited_bits: c.credited_bits,
            failures: c.failures,
            panics: c.panics,
            hangs: c.hangs,
            alarms: c.alarms,
            last_alarm: c.last_alarm,
            last_error: c.last_error.clone(),
            last_seen_seconds: c.last_seen.map(|at| at.elapsed().as_secs_f64()),
            shannon_bits: shannon,
            most_common_value_bits: most_common,
        }
    }
}

impl Counters {
    fn rest(&mut self, limits: &Limits) {
        let doubled = limits.source_rest * 2u32.saturating_pow(self.failures_in_row.min(16));
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        self.resting_until = Some(Instant::now() + doubled.min(limits.source_rest_max));
        self.state = SourceState::Resting;
    }

    fn count_symbols(&mut self, symbols: &[u8]) {
        for symbol in symbols {
            self.histogram[usize::from(*symbol)] += 1;
        }
        if self.histogram.iter().sum::<u64>() > HISTOGRAM_LIMIT {
            self.histogram.iter_mut().for_each(|n| *n /= 2);
        }
    }
}

/// Shannon and most-common-value entropy, in bits per symbol.
fn frequencies(histogram: &[u64; 256]) -> (f64, f64) {
    let total = histogram.iter().sum::<u64>() as f64;
    if total == 0.0 {
        return (0.0, 0.0);
    }
    let shares = histogram.iter().filter(|n| **n > 0).map(|n| *n as f64 / total);
    let shannon = shares.clone().map(|p| -p * p.log2()).sum::<f64>();
    let top = shares.fold(0.0, f64::max);
    (shannon.max(0.0), (-top.log2()).max(0.0))
}

/// A source with its tests, owned by the worker's thread.
pub(super) struct Monitored {
    source: Box<dyn Source>,
    credit: Credit,
    health: Option<Health>,
    cell: Arc<Cell>,
    limits: Limits,
    available: bool,
}

impl Monitored {
    pub(super) fn new(spec: &SourceSpec, cell: Arc<Cell>, limits: Limits) -> Monitored {
        let source = (spec.make)();
        let credit = source.credit().at_most(spec.credit_limit);
        let availability = source.availability();
        // What is credited nothing has no min-entropy to test against.
        let health = (credit.millibits > 0).then(|| Health::new(credit.bits(), source.binary()));
        let available = availability.is_available();
        {
            let mut c = cell.lock();
            // The tests begin anew with the thread, so there is nothing left to arm.
            c.arm = false;
            c.last_alarm = None;
            c.credit = credit;
            c.category = Some(source.info().category);
            if c.resting_until.is_none() {
                c.state = match (&health, available) {
                    (_, false) => SourceState::Absent,
                    (None, true) => SourceState::Uncredited,
                    (Some(_), true) => SourceState::StartUp,
                };
            }
            if let Availability::Absent(reason) | Availability::Off(reason) = availability {
                c.last_error = Some(reason);
            }
        }
        Monitored { source, credit, health, cell, limits, available }
    }

    /// Whether an idle thread should go on with the start-up test. A source that has
    /// already raised an alarm is only tested with requests, so a dead one costs little.
    pub(super) fn wants_startup(&self) -> bool {
        let c = self.cell.lock();
        self.available
            && c.resting_until.is_none()
            && c.last_alarm.is_none()
            && self.health.as_ref().is_some_and(|h| h.startup_left() > 0)
    }

    pub(super) fn is_noise(&self) -> bool {
        self.credit.class == CreditClass::Noise
    }

    pub(super) fn startup_slice(&mut self) {
        self.draw(STARTUP_SLICE);
    }

    /// One draw for a contribution: the report, and the bytes unless muted or failing.
    pub(super) fn contribute(&mut self) -> Option<(Drawn, Zeroizing<Vec<u8>>)> {
        if !self.available || self.resting() {
            return None;
        }
        if self.health.as_ref().is_some_and(|h| h.state() != State::Healthy) {
            let slice = self.health.as_ref().map_or(0, Health::startup_left) as usize;
            let (drawn, _) = self.draw(slice.clamp(1, 2 * STARTUP_SLICE));
            return Some((Drawn { bytes: 0, credited_bits: 0.0, ..drawn }, Zeroizing::default()));
        }
        let (mut drawn, samples) = self.draw(self.source.info().burst);
        let muted = drawn.alarm.is_some();
        let bytes = if muted { Zeroizing::default() } else { self.encode(&samples) };
        drawn.bytes = bytes.len();
        drawn.credited_bits = if muted { 0.0 } else { self.credit.bits() * samples.len() as f64 };
        let mut c = self.cell.lock();
        c.bytes += bytes.len() as u64;
        c.credited_bits += drawn.credited_bits;
        drop(c);
        Some((drawn, bytes))
    }

    /// Raw symbols or bytes, unmixed, for a direct read.
    pub(super) fn read(&mut self, count: usize) -> Option<Zeroizing<Vec<u8>>> {
        let muted = self.health.as_ref().is_some_and(|h| h.state() != State::Healthy);
        if !self.available || muted || self.resting() {
            return None;
        }
        let (drawn, samples) = self.draw(count);
        if drawn.alarm.is_some() || samples.is_empty() {
            return None;
        }
        let step = self.source.clock_step();
        Some(Zeroizing::new(samples.iter().map(|s| symbol(*s, step)).collect()))
    }

    fn resting(&mut self) -> bool {
        let mut c = self.cell.lock();
        if std::mem::take(&mut c.arm) {
            if let Some(health) = self.health.as_mut() {
                health.arm();
            }
            c.last_alarm = None;
        }
        match c.resting_until {
            Some(until) if until > Instant::now() => true,
            _ => {
                c.resting_until = None;
                false
            }
        }
    }

    fn draw(&mut self, count: usize) -> (Drawn, Samples) {
        let mut samples = Samples::default();
        let result = self.source.collect(&mut samples, count);
        let step = self.source.clock_step();
        let symbols: Zeroizing<Vec<u8>> = Zeroizing::new(samples.iter().map(|s| symbol(*s, step)).collect());
        let alarm = self.health.as_mut().and_then(|health| health.feed_all(symbols.iter().copied()));
        let state = self.health.as_ref().map_or(SourceState::Uncredited, |h| h.state().into());
        let mut c = self.cell.lock();
        c.state = state;
        c.samples += samples.len() as u64;
        c.count_symbols(&symbols);
        if !samples.is_empty() {
            c.last_seen = Some(Instant::now());
        }
        if let Some(alarm) = alarm {
            c.alarms += 1;
            c.last_alarm = Some(alarm);
        } else if state == SourceState::Healthy {
            c.last_alarm = None;
        }
        match &result {
            Ok(()) => c.failures_in_row = 0,
            // A source without data just now is asked again next time.
            Err(SourceError::Dry) => {}
            Err(error) => {
                c.failures += 1;
                c.last_error = Some(error.to_string());
                c.rest(&self.limits);
            }
        }
        let drawn = Drawn {
            source: c.name.clone(),
            samples: samples.len(),
            bytes: 0,
            credited_bits: 0.0,
            credit: self.credit,
            alarm,
            error: result.err().map(|error| error.to_string()),
        };
        (drawn, samples)
    }

    fn encode(&self, samples: &Samples) -> Zeroizing<Vec<u8>> {
        let width = self.source.info().sample_bytes.clamp(1, 8);
        let mut bytes = Zeroizing::new(Vec::with_capacity(samples.len() * width));
        for sample in samples.iter() {
            bytes.extend_from_slice(&sample.to_le_bytes()[..width]);
        }
        bytes
    }
}

/// The delay before replacement number `n` in a row.
pub(super) fn backoff(limits: &Limits, n: usize) -> Duration {
    let doublings = u32::try_from(n).unwrap_or(u32::MAX).min(16);
    (limits.backoff * 2u32.saturating_pow(doublings)).min(limits.backoff_max)
}
