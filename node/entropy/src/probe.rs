//! Looking at sources outside a pool: which exist here, and what one of them gives.

use crate::equipment::Equipment;
use crate::health::{Alarm, Health};
use crate::source::{Availability, Credit, Info, Samples, Source, SourceError, symbol};
use crate::sources::{CATALOGUE, OUT_OF_SCOPE};
use serde::Serialize;
use std::time::{Duration, Instant};

/// One line of a scan.
#[derive(Clone, Debug, Serialize)]
pub struct Scanned {
    #[serde(flatten)]
    pub info: &'static Info,
    pub availability: Availability,
    pub credit: Credit,
}

/// Every source of the catalogue, and what is left out and why.
#[derive(Clone, Debug, Serialize)]
pub struct Scan {
    pub sources: Vec<Scanned>,
    pub out_of_scope: &'static [(&'static str, &'static str)],
}

/// Probes every source of the catalogue for availability; takes no samples.
#[must_use]
pub fn scan(equipment: &Equipment) -> Scan {
    let look = |(name, _): &(&str, crate::sources::Maker)| {
        let source = equipment.spec(name).ok()?.build();
        let availability = equipment.availability(name).ok()?;
        Some(Scanned { info: source.info(), availability, credit: source.credit() })
    };
    // The catalogue's own names are known, so nothing is left out.
    Scan { sources: CATALOGUE.iter().filter_map(look).collect(), out_of_scope: OUT_OF_SCOPE }
}

/// What a probe found.
#[derive(Clone, Debug, Serialize)]
pub struct Probe {
    pub name: &'static str,
    pub samples: usize,
    pub seconds: f64,
    pub samples_per_second: f64,
    pub clock_step: u64,
    pub credit: Credit,
    /// Of the symbols, bits per sample.
    pub shannon: f64,
    /// Most common value with its 99 % bound (SP 800-90B 6.3.1), bits per sample.
    pub most_common_value: f64,
    /// Share of symbols equal to their predecessor.
    pub repeats: f64,
    /// The first alarm of the health tests; `None` also for sources credited nothing.
    pub alarm: Option<Alarm>,
    /// The first samples.
    pub head: Vec<u64>,
}

/// How thorough a probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Profile {
    pub samples: usize,
    /// A slow source is looked at with what it gave in this time.
    pub patience: Duration,
}

impl Profile {
    /// Every profile with the name it is chosen by.
    pub const NAMES: [(&'static str, Profile); 3] = [
        ("quick", Profile { samples: 2_000, patience: Duration::from_millis(100) }),
        ("standard", Profile { samples: 20_000, patience: Duration::from_millis(500) }),
        ("deep", Profile { samples: 200_000, patience: Duration::from_secs(5) }),
    ];

    #[must_use]
    pub fn by_name(name: &str) -> Option<Profile> {
        Profile::NAMES.iter().find(|(known, _)| *known == name).map(|(_, profile)| *profile)
    }
}

/// Draws from one source alone; gives the samples and the seconds they took.
fn draw(source: &mut dyn Source, profile: Profile) -> Result<(Samples, f64), SourceError> {
    let count = profile.samples.max(1);
    let mut samples = Samples::default();
    let start = Instant::now();
    while samples.len() < count && (samples.is_empty() || start.elapsed() < profile.patience) {
        let left = count - samples.len();
        source.collect(&mut samples, left.min(source.info().burst.max(64)))?;
    }
    Ok((samples, start.elapsed().as_secs_f64()))
}

/// Draws from one source alone; gives the symbols and the seconds they took.
pub fn symbols(source: &mut dyn Source, profile: Profile) -> Result<(Vec<u8>, f64), SourceError> {
    let (samples, seconds) = draw(source, profile)?;
    let step = source.clock_step();
    Ok((samples.iter().map(|sample| symbol(*sample, step)).collect(), seconds))
}

/// Draws samples and looks at them.
pub fn probe(source: &mut dyn Source, profile: Profile) -> Result<Probe, SourceError> {
    let (samples, seconds) = draw(source, profile)?;
    let step = source.clock_step();
    let symbols: Vec<u8> = samples.iter().map(|s| symbol(*s, step)).collect();
    let credit = source.credit();
    let alarm = (credit.millibits > 0)
        .then(|| {
            let mut health = Health::new(credit.bits(), source.binary());
            symbols.iter().find_map(|symbol| health.feed(*symbol))
        })
        .flatten();
    let pairs = symbols.len().saturating_sub(1).max(1);
    Ok(Probe {
        name: source.info().name,
        samples: samples.len(),
        seconds,
        samples_per_second: samples.len() as f64 / seconds.max(1e-9),
        clock_step: step,
        credit,
        shannon: shannon(&symbols),
        most_common_value: crate::assess::most_common_value(&symbols).min_entropy,
        repeats: symbols.windows(2).filter(|w| w[0] == w[1]).count() as f64 / pairs as f64,
        alarm,
        head: samples.iter().take(16).copied().collect(),
    })
}

/// Samples of a source that are dropped at each of its turns: the first ones after the others
/// have run tell of the change, alike in all of them.
const SETTLE: usize = 3;

/// Draws symbols of several sources in turn, one of each, so that those of one are taken beside
/// those of the others: up to `profile.samples` of each, as far as they come in its patience
/// times the number of sources. A source that fails has its error.
pub fn side_by_side(sources: &mut [Box<dyn Source>], profile: Profile) -> Vec<Result<Vec<u8>, SourceError>> {
    let patience = profile.patience.saturating_mul(u32::try_from(sources.len()).unwrap_or(u32::MAX));
    let start = Instant::now();
    let mut drawn: Vec<Result<Vec<u8>, SourceError>> = sources.iter().map(|_| Ok(Vec::new())).collect();
    for turn in 0..profile.samples {
        if turn > 0 && start.elapsed() >= patience {
            break;
        }
        for (source, symbols) in sources.iter_mut().zip(&mut drawn) {
            let Ok(so_far) = symbols else { continue };
            let mut samples = Samples::default();
            match source.collect(&mut samples, SETTLE + 1) {
                Ok(()) => so_far.extend(samples.last().map(|last| symbol(*last, source.clock_step()))),
                Err(error) => *symbols = Err(error),
            }
        }
    }
    drawn
}

/// Shannon entropy of the byte frequencies, bits per byte.
#[must_use]
pub fn shannon(symbols: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    symbols.iter().for_each(|s| counts[usize::from(*s)] += 1);
    let total = symbols.len().max(1) as f64;
    let shares = counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / total);
    shares.map(|p| -p * p.log2()).sum::<f64>().max(0.0)
}

/// What probes are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RankBy {
    /// Min-entropy bits per second.
    Balanced,
    MinEntropy,
    Throughput,
}

impl RankBy {
    /// Every order with the name it is chosen by.
    pub const NAMES: [(&'static str, RankBy); 3] =
        [("balanced", RankBy::Balanced), ("min-entropy", RankBy::MinEntropy), ("throughput", RankBy::Throughput)];

    #[must_use]
    pub fn by_name(name: &str) -> Option<RankBy> {
        RankBy::NAMES.iter().find(|(known, _)| *known == name).map(|(_, rank)| *rank)
    }

    fn score(self, probe: &Probe) -> f64 {
        match self {
            RankBy::Balanced => probe.most_common_value * probe.samples_per_second,
            RankBy::MinEntropy => probe.most_common_value,
            RankBy::Throughput => probe.samples_per_second,
        }
    }
}

/// Best first.
pub fn rank(probes: &mut [Probe], by: RankBy) {
    probes.sort_by(|a, b| by.score(b).total_cmp(&by.score(a)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::maker;

    #[test]
    fn a_scan_names_every_source_and_what_is_out_of_scope() {
        let scan = scan(&Equipment::default());
        assert_eq!(scan.sources.len(), CATALOGUE.len());
        let state = |name: &str| {
            let found = scan.sources.iter().find(|s| s.info.name == name);
            found.map(|s| s.availability.clone()).expect("listed")
        };
        assert_eq!(state("os"), Availability::Available);
        assert!(matches!(state("dns"), Availability::Off(_)));
        assert!(scan.out_of_scope.iter().any(|(name, _)| *name == "audio"));
        let json = serde_json::to_value(&scan).expect("serializable");
        assert_eq!(json["sources"][0]["name"], "atecc608a");
    }

    #[test]
    fn a_probe_measures_and_probes_are_ranked() {
        let probe_of = |name| {
            let mut source = maker(name).expect("known")();
            probe(&mut *source, Profile { samples: 4000, patience: Duration::MAX }).expect("samples")
        };
        let os = probe_of("os");
        assert!(os.shannon > 7.9 && os.most_common_value > 6.0 && os.alarm.is_none());
        assert_eq!(os.head.len(), 16);
        let mut probes = vec![probe_of("clock"), os];
        rank(&mut probes, RankBy::MinEntropy);
        assert_eq!(probes[0].name, "os");
        let profile = Profile { samples: 100, patience: Duration::MAX };
        let mut sources = ["os", "clock", "tcp"].map(|name| maker(name).expect("known")());
        let drawn = side_by_side(&mut sources, profile);
        assert!(matches!(&drawn[..], [Ok(os), Ok(clock), Err(_)] if os.len() == 100 && clock.len() == 100));
        let mut os = maker("os").expect("known")();
        let hasty = Profile { samples: usize::MAX, patience: Duration::ZERO };
        let burst = probe(&mut *os, hasty).expect("one draw").samples;
        assert!(burst > 0, "at least one draw, however hasty");
    }
}
