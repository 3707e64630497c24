//! Values the kernel counts or measures. They change slowly and anyone on the machine can
//! read them, so all are credited nothing; each sample is a fold of a whole file's text.

use crate::source::{Availability, Category, Info, Samples, Source, SourceError};
use std::path::{Path, PathBuf};

static PROC: Info = Info {
    name: "proc-counters",
    description: "/proc/stat, vmstat, interrupts, softirqs and net/dev",
    physics: "everything the machine has done since it started",
    category: Category::System,
    requirements: "/proc",
    samples_per_second: 2_000,
    burst: 1,
    sample_bytes: 8,
};

static PROCESSES: Info = Info {
    name: "process-table",
    description: "the numbers of all processes and their start",
    physics: "what runs on the machine",
    category: Category::System,
    requirements: "/proc",
    samples_per_second: 500,
    burst: 1,
    sample_bytes: 8,
};

static HWMON: Info = Info {
    name: "hwmon",
    description: "temperatures, voltages and fans",
    physics: "analogue sensors, quantised coarsely by their chips",
    category: Category::Signal,
    requirements: "/sys/class/hwmon",
    samples_per_second: 100,
    burst: 1,
    sample_bytes: 8,
};

static WIFI: Info = Info {
    name: "wifi",
    description: "signal and noise levels of wireless interfaces",
    physics: "radio propagation, quantised to whole decibels",
    category: Category::Signal,
    requirements: "/proc/net/wireless with an interface",
    samples_per_second: 10,
    burst: 1,
    sample_bytes: 8,
};

/// One of the four kinds.
#[derive(Debug)]
pub struct Counters {
    info: &'static Info,
    paths: fn() -> Vec<PathBuf>,
}

impl Counters {
    #[must_use]
    pub fn proc() -> Counters {
        let paths = || {
            let names = ["stat", "vmstat", "interrupts", "softirqs", "net/dev"];
            names.iter().map(|name| Path::new("/proc").join(name)).collect()
        };
        Counters { info: &PROC, paths }
    }

    #[must_use]
    pub fn processes() -> Counters {
        let paths = || {
            let number = |path: &PathBuf| {
                path.file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()))
            };
            let all = entries(Path::new("/proc")).into_iter().filter(number);
            all.map(|path| path.join("stat")).collect()
        };
        Counters { info: &PROCESSES, paths }
    }

    #[must_use]
    pub fn hwmon() -> Counters {
        let paths = || {
            let reading = |path: &PathBuf| path.to_string_lossy().ends_with("_input");
            let chips = entries(Path::new("/sys/class/hwmon"));
            chips.iter().flat_map(|chip| entries(chip)).filter(reading).collect()
        };
        Counters { info: &HWMON, paths }
    }

    #[must_use]
    pub fn wifi() -> Counters {
        let paths = || {
            let path = PathBuf::from("/proc/net/wireless");
            // Two lines are the heading; an interface adds one.
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if text.lines().count() > 2 { vec![path] } else { Vec::new() }
        };
        Counters { info: &WIFI, paths }
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(dir).into_iter().flatten();
    let mut paths: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// FNV-1a, 64 bits: a fold, not a hash of any strength.
fn fold(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Source for Counters {
    fn info(&self) -> &'static Info {
        self.info
    }

    fn availability(&self) -> Availability {
        if (self.paths)().is_empty() {
            Availability::Absent(format!("nothing to read ({})", self.info.requirements))
        } else {
            Availability::Available
        }
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        for _ in 0..count {
            let mut state = 0xcbf2_9ce4_8422_2325;
            let mut read = 0;
            for path in (self.paths)() {
                // Processes end while they are listed; what cannot be read is left out.
                if let Ok(bytes) = std::fs::read(path) {
                    state = fold(state, &bytes);
                    read += 1;
                }
            }
            if read == 0 {
                return Err(SourceError::Dry);
            }
            out.push(state);
        }
        Ok(())
    }
}
