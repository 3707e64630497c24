//! Beats between domains: by how much the time of one kind of work differs from the time
//! of another right after it.

use super::proc_open;
use super::timed::Spread;
use crate::clock;
use crate::source::{Category, Info, Samples, Source, SourceError};

const fn info(name: &'static str, description: &'static str) -> Info {
    Info {
        name,
        description,
        physics: "two parts of the machine whose delays have different causes",
        category: Category::CrossDomain,
        requirements: "",
        samples_per_second: 40_000,
        burst: 32,
        sample_bytes: 4,
    }
}

static CPU_IO: Info = info("cpu-io-beat", "a file read against a computation");
static CPU_MEMORY: Info = info("cpu-memory-beat", "spread memory reads against a computation");
static MULTI: Info = info("multi-domain-beat", "file read, memory reads and computation together");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Domains {
    CpuIo,
    CpuMemory,
    Multi,
}

/// 4 MiB, beyond the inner caches.
const WORDS: usize = 512 << 10;

/// One of the three beats.
#[derive(Debug)]
pub struct Beat {
    domains: Domains,
    words: Vec<u64>,
    spread: Spread,
}

impl Beat {
    fn new(domains: Domains) -> Beat {
        Beat { domains, words: Vec::new(), spread: Spread::new() }
    }

    #[must_use]
    pub fn cpu_io() -> Beat {
        Beat::new(Domains::CpuIo)
    }

    #[must_use]
    pub fn cpu_memory() -> Beat {
        Beat::new(Domains::CpuMemory)
    }

    #[must_use]
    pub fn multi() -> Beat {
        Beat::new(Domains::Multi)
    }

    fn io(&mut self) -> Result<u64, SourceError> {
        let start = clock::now();
        proc_open::read_once(&mut [0u8; 1024])?;
        Ok(clock::now().saturating_sub(start))
    }

    fn memory(&mut self) -> u64 {
        clock::time(|| {
            let read = |sum: u64, _| sum ^ self.words[self.spread.index(WORDS)];
            (0..8).fold(0u64, read)
        })
    }

    fn cpu(&mut self) -> u64 {
        clock::time(|| (0..64).fold(0u64, |sum, _| sum.wrapping_add(self.spread.next())))
    }
}

impl Source for Beat {
    fn info(&self) -> &'static Info {
        match self.domains {
            Domains::CpuIo => &CPU_IO,
            Domains::CpuMemory => &CPU_MEMORY,
            Domains::Multi => &MULTI,
        }
    }

    fn clock_step(&self) -> u64 {
        clock::step()
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        if self.words.is_empty() && self.domains != Domains::CpuIo {
            self.words = (0..WORDS).map(|_| self.spread.next()).collect();
        }
        for _ in 0..count {
            let sample = match self.domains {
                Domains::CpuIo => self.io()?.abs_diff(self.cpu()),
                Domains::CpuMemory => self.memory().abs_diff(self.cpu()),
                Domains::Multi => self.io()?.abs_diff(self.memory() + self.cpu()),
            };
            out.push(sample);
        }
        Ok(())
    }
}
