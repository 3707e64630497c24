//! What an entropy source is: something that yields raw samples, says where they come
//! from, and is credited a fixed min-entropy per sample.
//!
//! A sample is one `u64`: a byte for generators and files, a time difference for timing
//! sources. Health tests and estimators look at its *symbol*, the low byte of the sample
//! divided by the clock step, because a clock that only counts in steps makes the raw
//! low byte look richer than it is.

use serde::Serialize;
use zeroize::Zeroizing;

/// Raw samples in the order they were taken; erased when dropped.
pub type Samples = Zeroizing<Vec<u64>>;

/// Where in the machine, or outside of it, the unpredictability is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    Timing,
    Scheduling,
    System,
    Network,
    Hardware,
    Silicon,
    CrossDomain,
    Io,
    Microarchitecture,
    Signal,
    External,
}

/// The fixed facts about a source.
#[derive(Debug, Serialize)]
pub struct Info {
    /// Unique, lower case, as it is typed on a command line.
    pub name: &'static str,
    pub description: &'static str,
    /// Why an outsider should not be able to predict the samples.
    pub physics: &'static str,
    pub category: Category,
    /// What the machine must have; empty when nothing special.
    pub requirements: &'static str,
    /// Order of magnitude on one shared core.
    pub samples_per_second: u32,
    /// Samples drawn for one contribution.
    pub burst: usize,
    /// How many low bytes of a sample are kept when it is framed (1 to 8).
    pub sample_bytes: usize,
}

/// Whether a source can be used on this machine, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub enum Availability {
    Available,
    /// The machine lacks it.
    Absent(String),
    /// It would work, but is used only when configured.
    Off(String),
}

impl Availability {
    #[must_use]
    pub fn is_available(&self) -> bool {
        *self == Availability::Available
    }
}

/// What the credit of a source rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CreditClass {
    /// Assessed from recordings of raw samples.
    Noise,
    /// Output of a generator: statistics say nothing about it, so the credit is policy and
    /// is always accounted apart from noise.
    Generator,
    /// Mixed, never counted.
    None,
}

/// Min-entropy credited per sample, in thousandths of a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Credit {
    pub millibits: u32,
    pub class: CreditClass,
}

impl Credit {
    pub const ZERO: Credit = Credit { millibits: 0, class: CreditClass::None };

    #[must_use]
    pub const fn noise(millibits: u32) -> Credit {
        Credit { millibits, class: CreditClass::Noise }
    }

    #[must_use]
    pub const fn generator(millibits: u32) -> Credit {
        Credit { millibits, class: CreditClass::Generator }
    }

    /// Bits per sample.
    #[must_use]
    pub fn bits(self) -> f64 {
        f64::from(self.millibits) / 1000.0
    }

    /// The same credit lowered to at most `millibits`; it is never raised.
    #[must_use]
    pub fn at_most(self, millibits: u32) -> Credit {
        match self.millibits.min(millibits) {
            0 => Credit::ZERO,
            millibits => Credit { millibits, class: self.class },
        }
    }
}

/// Why a source gave no samples this time.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("not available: {0}")]
    Absent(String),
    #[error("no data yet")]
    Dry,
    #[error("operating system: {0}")]
    Io(#[from] std::io::Error),
    #[error("operating system generator: {0}")]
    Os(String),
    #[error("hardware generator failed: {0}")]
    Hardware(&'static str),
    #[error("device: {0}")]
    Device(String),
}

/// A source of raw samples. One worker thread owns it, so it needs no locks.
pub trait Source: Send {
    fn info(&self) -> &'static Info;

    /// Probes the machine cheaply; takes no samples.
    fn availability(&self) -> Availability {
        Availability::Available
    }

    /// Min-entropy per sample. Built-in sources take it from [`crate::credits`].
    fn credit(&self) -> Credit {
        crate::credits::of(self.info().name)
    }

    /// The step in which this source's samples count; 1 for bytes.
    fn clock_step(&self) -> u64 {
        1
    }

    /// Whether the symbols are only 0 and 1; chooses the health tests' window.
    fn binary(&self) -> bool {
        false
    }

    /// Appends up to `count` samples. Fewer is allowed when the source runs dry; none at
    /// all is an error.
    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError>;
}

/// The byte that health tests and estimators see of a sample.
#[must_use]
pub fn symbol(sample: u64, clock_step: u64) -> u8 {
    // The low byte is meant: higher digits of a delta mostly tell the machine's load.
    (sample / clock_step.max(1)).to_le_bytes()[0]
}
