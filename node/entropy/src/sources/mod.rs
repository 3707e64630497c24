//! Every built-in source, each in its own file, and the catalogue that names them.

mod beats;
mod cache;
mod clock_jitter;
mod compression;
mod contention;
mod counters;
mod denormal;
mod disk;
mod dram;
mod dynamic_loading;
mod file;
mod fsync;
mod hardware;
mod hashing;
#[cfg(feature = "jitterentropy")]
mod jitterentropy;
mod memory;
mod network;
mod os;
mod page_fault;
mod pipe;
mod proc_open;
mod sched_yield;
mod sleep;
mod speculation;
mod thread_life;
mod timed;
mod timer;
mod udp;
mod vm_page;

pub use file::{FileSource, REGULAR_BURST};
pub use network::Network;
pub use os::{Os, fill as os_fill};

use crate::atecc608a::{AteccSource, DEFAULT_BUS, Device};
use crate::source::Source;
use beats::Beat;
use counters::Counters;
use hardware::{Hwrng, Processor, Tpm};

/// Builds a fresh instance of a source.
pub type Maker = fn() -> Box<dyn Source>;

/// Every source that can be built by its name alone. `dns` and `tcp` are off until hosts are
/// given ([`Network`]); a file needs a path ([`FileSource`]); [`crate::equipment`] gives both.
pub const CATALOGUE: &[(&str, Maker)] = &[
    ("atecc608a", || Box::new(AteccSource::new(Device::open(DEFAULT_BUS)))),
    ("cache", cache::cache),
    ("cas-contention", || Box::new(contention::Contention)),
    ("clock", clock_jitter::clock),
    ("compression", compression::compression),
    ("cpu-io-beat", || Box::new(Beat::cpu_io())),
    ("cpu-memory-beat", || Box::new(Beat::cpu_memory())),
    ("denormal", denormal::denormal),
    ("disk", disk::disk),
    ("dns", || Box::new(Network::dns(Vec::new()))),
    ("dram", dram::dram),
    ("dynamic-loading", dynamic_loading::dynamic_loading),
    ("fsync", fsync::fsync),
    ("hash", hashing::hash),
    ("hwmon", || Box::new(Counters::hwmon())),
    ("hwrng", || Box::<Hwrng>::default()),
    #[cfg(feature = "jitterentropy")]
    ("jitterentropy", || Box::<jitterentropy::Jitterentropy>::default()),
    ("memory", memory::memory),
    ("multi-domain-beat", || Box::new(Beat::multi())),
    ("os", || Box::new(Os)),
    ("page-fault", || Box::new(page_fault::PageFault)),
    ("pipe", || Box::<pipe::Pipe>::default()),
    ("proc-counters", || Box::new(Counters::proc())),
    ("proc-open", proc_open::proc_open),
    ("process-table", || Box::new(Counters::processes())),
    ("rdrand", || Box::new(Processor::rdrand())),
    ("rdseed", || Box::new(Processor::rdseed())),
    ("sched-yield", sched_yield::sched_yield),
    ("sleep", || Box::new(sleep::Sleep)),
    ("speculation", speculation::speculation),
    ("tcp", || Box::new(Network::tcp(Vec::new()))),
    ("thread", thread_life::thread),
    ("timer", || Box::<timer::Timer>::default()),
    ("tpm", || Box::new(Tpm)),
    ("udp-loopback", udp::udp_loopback),
    ("vm-page", vm_page::vm_page),
    ("wifi", || Box::new(Counters::wifi())),
];

/// What other collections of sources have and this one leaves out, and why.
pub const OUT_OF_SCOPE: &[(&str, &str)] = &[
    ("audio", "a microphone is not to be opened for randomness"),
    ("camera", "a camera is not to be opened for randomness"),
    ("gpu", "needs a vendor's driver stack"),
    ("bluetooth", "needs a radio and its scanning"),
    ("macos", "sources that only exist on macOS: sysctl deltas, Mach ports, SMC, IORegistry"),
];

/// No source of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no source is called {asked:?}; the nearest name is {nearest:?}")]
pub struct UnknownSource {
    pub asked: String,
    pub nearest: &'static str,
}

/// Looks a source up by its exact name.
pub fn maker(name: &str) -> Result<Maker, UnknownSource> {
    match CATALOGUE.iter().find(|(known, _)| *known == name) {
        Some((_, maker)) => Ok(*maker),
        None => Err(UnknownSource { asked: name.to_owned(), nearest: nearest(name) }),
    }
}

fn nearest(name: &str) -> &'static str {
    CATALOGUE.iter().map(|(known, _)| *known).min_by_key(|known| distance(known, name)).unwrap_or("os")
}

/// Levenshtein distance over bytes, with the name cut at 64 bytes.
fn distance(a: &str, b: &str) -> usize {
    let b = &b.as_bytes()[..b.len().min(64)];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Samples, symbol};

    #[test]
    fn names_match_their_sources_and_a_typo_names_the_nearest() {
        assert!(CATALOGUE.windows(2).all(|w| w[0].0 < w[1].0));
        for (name, make) in CATALOGUE {
            assert_eq!(make().info().name, *name);
        }
        let error = maker("slep").map(|_| ()).expect_err("a typo is refused");
        assert_eq!(error.nearest, "sleep");
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn every_available_source_gives_samples_that_change() {
        for (name, make) in CATALOGUE {
            let mut source = make();
            // A bus may be there without a chip on it.
            if *name == "atecc608a" || !source.availability().is_available() {
                continue;
            }
            let mut out = Samples::default();
            source.collect(&mut out, 64).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!out.is_empty(), "{name}");
            let step = source.clock_step();
            let distinct: std::collections::BTreeSet<u8> = out.iter().map(|s| symbol(*s, step)).collect();
            assert!(distinct.len() > 1 || source.credit().millibits == 0, "{name}");
        }
    }
}
