//! Continuous health tests on raw samples: SP 800-90B section 4.4, with two alarm levels.
//!
//! Both tests look at the symbols (see [`crate::source::symbol`]) before any conditioning.
//! An alarm at α = 2⁻³⁰ is *intermittent*: the source is muted and comes back only through a
//! start-up test of [`STARTUP`] samples without an alarm. An alarm at α = 2⁻⁶⁰ is
//! *permanent*: it also needs an operator to arm the source again. A muted source is still
//! observed by the same counters, so a persisting fault reaches the second level.

use serde::Serialize;

/// Samples of the start-up test.
pub const STARTUP: u32 = 1024;
/// Window of the adaptive proportion test for more than two symbols.
pub const WINDOW: u32 = 512;
/// Window for binary sources.
pub const WINDOW_BINARY: u32 = 1024;
/// −log2 of the false alarm rate of the intermittent level.
pub const INTERMITTENT: u32 = 30;
/// −log2 of the false alarm rate of the permanent level.
pub const PERMANENT: u32 = 60;
/// So many start-up tests failed in a row are a permanent fault as well.
pub const STARTUP_TRIES: u32 = 16;

/// Which test fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    RepetitionCount,
    AdaptiveProportion,
    StartUp,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Intermittent,
    Permanent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    pub test: Test,
    pub level: Level,
}

/// What a source is allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Within the start-up test, at the beginning or after an alarm: muted.
    StartUp,
    Healthy,
    /// Muted until armed again.
    Failed,
}

/// C = 1 + ⌈−log2 α / H⌉ (SP 800-90B 4.4.1), for α = 2^−`alpha` and `h` bits per sample.
#[must_use]
pub fn rct_cutoff(h: f64, alpha: u32) -> u32 {
    let runs = (f64::from(alpha) / h).ceil();
    // A vanishing credit would ask for endless runs; the cast saturates, which is meant.
    1u32.saturating_add(runs as u32)
}

/// C = 1 + critbinom(W, 2^−H, 1 − α) (SP 800-90B 4.4.2), for α = 2^−`alpha`.
#[must_use]
pub fn apt_cutoff(window: u32, h: f64, alpha: u32) -> u32 {
    let p = (-h).exp2();
    let limit = (-f64::from(alpha)).exp2();
    // critbinom(W, p, 1 − α) is the least k with P(X > k) ≤ α. The tail is summed from the
    // top because 1 − 2^−60 is not a double.
    let mut tail = 0.0;
    let mut k = window;
    let mut ln_choose = 0.0;
    loop {
        let x = f64::from(k);
        let ln_rest = if k == window { 0.0 } else { (f64::from(window) - x) * (-p).ln_1p() };
        let probability = (ln_choose + x * p.ln() + ln_rest).exp();
        if tail + probability > limit {
            return 1 + k;
        }
        tail += probability;
        if k == 0 {
            return 1;
        }
        ln_choose += (x / f64::from(window - k + 1)).ln();
        k -= 1;
    }
}

#[derive(Clone, Copy, Debug)]
struct Cutoffs {
    rct: u32,
    apt: u32,
}

/// The tests of one source. Deterministic: its only input is the sequence of symbols.
#[derive(Clone, Debug)]
pub struct Health {
    intermittent: Cutoffs,
    permanent: Cutoffs,
    window: u32,
    last: Option<u8>,
    repeats: u32,
    reference: u8,
    position: u32,
    matches: u32,
    state: State,
    /// Samples in a row without an alarm, and samples since a failure was last counted.
    good: u32,
    tried: u32,
    failed_starts: u32,
}

impl Health {
    /// Tests for a source credited `h` bits per sample (above 0, at most 8). `binary` is for
    /// sources with two symbols.
    #[must_use]
    pub fn new(h: f64, binary: bool) -> Health {
        let h = h.clamp(0.001, 8.0);
        let window = if binary { WINDOW_BINARY } else { WINDOW };
        let cutoffs = |alpha| Cutoffs { rct: rct_cutoff(h, alpha), apt: apt_cutoff(window, h, alpha) };
        Health {
            intermittent: cutoffs(INTERMITTENT),
            permanent: cutoffs(PERMANENT),
            window,
            last: None,
            repeats: 0,
            reference: 0,
            position: 0,
            matches: 0,
            state: State::StartUp,
            good: 0,
            tried: 0,
            failed_starts: 0,
        }
    }

    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Samples the start-up test still needs; zero once it is over.
    #[must_use]
    pub fn startup_left(&self) -> u32 {
        if self.state == State::StartUp { STARTUP - self.good } else { 0 }
    }

    /// Takes one symbol; an alarm mutes the source.
    pub fn feed(&mut self, symbol: u8) -> Option<Alarm> {
        self.tried = self.tried.saturating_add(1);
        let alarm = worse(self.repetition(symbol), self.proportion(symbol));
        match alarm {
            Some(alarm) => Some(self.mute(alarm)),
            None => {
                self.pass();
                None
            }
        }
    }

    /// Feeds a whole draw and returns the worst alarm in it.
    pub fn feed_all(&mut self, symbols: impl IntoIterator<Item = u8>) -> Option<Alarm> {
        symbols.into_iter().fold(None, |worst, symbol| worse(worst, self.feed(symbol)))
    }

    /// Lets a failed source try the start-up test again, with fresh counters.
    pub fn arm(&mut self) {
        self.last = None;
        self.repeats = 0;
        self.position = 0;
        self.matches = 0;
        self.state = State::StartUp;
        self.good = 0;
        self.tried = 0;
        self.failed_starts = 0;
    }

    fn repetition(&mut self, symbol: u8) -> Option<Alarm> {
        if self.last == Some(symbol) {
            self.repeats = self.repeats.saturating_add(1);
        } else {
            self.last = Some(symbol);
            self.repeats = 1;
        }
        self.judge(Test::RepetitionCount, self.repeats, |c| c.rct)
    }

    fn proportion(&mut self, symbol: u8) -> Option<Alarm> {
        if self.position == 0 {
            self.reference = symbol;
            self.matches = 0;
        }
        let mut alarm = None;
        if symbol == self.reference {
            self.matches += 1;
            alarm = self.judge(Test::AdaptiveProportion, self.matches, |c| c.apt);
        }
        self.position = (self.position + 1) % self.window;
        alarm
    }

    fn judge(&self, test: Test, count: u32, cutoff: fn(&Cutoffs) -> u32) -> Option<Alarm> {
        if count >= cutoff(&self.permanent) {
            Some(Alarm { test, level: Level::Permanent })
        } else if count >= cutoff(&self.intermittent) {
            Some(Alarm { test, level: Level::Intermittent })
        } else {
            None
        }
    }

    fn mute(&mut self, alarm: Alarm) -> Alarm {
        let mut alarm = alarm;
        // A start-up test counts as failed at most once per 1024 samples seen.
        if self.state == State::StartUp && self.tried >= STARTUP {
            self.tried = 0;
            self.failed_starts += 1;
            if self.failed_starts >= STARTUP_TRIES {
                alarm = Alarm { test: Test::StartUp, level: Level::Permanent };
            }
        }
        self.good = 0;
        if self.state == State::Healthy {
            self.tried = 0;
        }
        if self.state != State::Failed {
            self.state = match alarm.level {
                Level::Intermittent => State::StartUp,
                Level::Permanent => State::Failed,
            };
        }
        alarm
    }

    fn pass(&mut self) {
        if self.state == State::StartUp {
            self.good += 1;
            if self.good >= STARTUP {
                self.state = State::Healthy;
                self.good = 0;
                self.failed_starts = 0;
            }
        }
    }
}

fn worse(a: Option<Alarm>, b: Option<Alarm>) -> Option<Alarm> {
    match (a, b) {
        (Some(a), Some(b)) if b.level > a.level => Some(b),
        (Some(a), _) => Some(a),
        (None, b) => b,
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
