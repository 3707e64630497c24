//! The accounting pool: raw material goes in with its credit, seeds come out.
//!
//! Material is framed into one running SHA3-256. A seed is extracted when enough noise is
//! credited, and never more often, so that an observer of the output cannot follow the
//! state through many small additions. Credit is kept per source: an alarm takes back what
//! a source had brought since the last extraction.

use crate::conditioning::output_entropy;
use crate::source::CreditClass;
use crate::worker::{Collection, Drawn, Material};
use hkdf::SimpleHkdf;
use sha3::{Digest, Sha3_256};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Credited noise that a seed needs: 256 bits and 64 more, so that the output of the vetted
/// conditioner has full entropy.
pub const SEED_BITS: f64 = 320.0;
/// Above this nothing more needs to be gathered.
pub const FULL_BITS: f64 = 640.0;

const SALT: &[u8] = b"beacon-entropy accumulator v1";

/// The pool's state. What it holds is secret; what it counts is not.
pub struct Accumulator {
    hash: Sha3_256,
    bits_in: u64,
    noise: BTreeMap<(u32, String), f64>,
    generator_bits: f64,
    taken_back: f64,
    extractions: u64,
}

/// What [`Accumulator::status`] tells.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AccumulatorStatus {
    /// Credited noise since the last extraction, in bits.
    pub noise_bits: f64,
    pub generator_bits: f64,
    /// Credit withdrawn because of alarms, in bits, since the start.
    pub taken_back_bits: f64,
    pub extractions: u64,
}

/// 32 bytes extracted from the pool.
pub struct Seed {
    pub bytes: Zeroizing<[u8; 32]>,
    /// Min-entropy by the vetted-conditioning formula, in bits.
    pub entropy_bits: f64,
}

impl Default for Accumulator {
    fn default() -> Accumulator {
        Accumulator {
            hash: Sha3_256::new_with_prefix(SALT),
            bits_in: 0,
            noise: BTreeMap::new(),
            generator_bits: 0.0,
            taken_back: 0.0,
            extractions: 0,
        }
    }
}

impl Accumulator {
    /// Takes in a whole collection: its alarms first, then its material.
    pub fn absorb(&mut self, collection: &Collection) {
        self.withdraw(collection);
        for material in &collection.materials {
            self.add(material);
        }
    }

    fn add(&mut self, material: &Material) {
        self.hash.update(material.worker.to_be_bytes());
        self.hash.update((material.bytes.len() as u64).to_be_bytes());
        self.hash.update(&*material.bytes);
        self.bits_in += 8 * (material.bytes.len() as u64 + 12);
        for drawn in &material.drawn {
            match drawn.credit.class {
                CreditClass::Noise => {
                    let key = (material.worker, drawn.source.clone());
                    *self.noise.entry(key).or_default() += drawn.credited_bits;
                }
                CreditClass::Generator => self.generator_bits += drawn.credited_bits,
                CreditClass::None => {}
            }
        }
    }

    /// Takes back the pending credit of every source that raised an alarm in `collection`.
    pub fn withdraw(&mut self, collection: &Collection) {
        let present = collection.materials.iter().map(|m| (m.worker, &m.drawn));
        let absent = collection.failed_draws.iter().map(|(worker, drawn)| (*worker, drawn));
        for (worker, drawn) in present.chain(absent) {
            for Drawn { source, .. } in drawn.iter().filter(|d| d.alarm.is_some()) {
                if let Some(bits) = self.noise.remove(&(worker, source.clone())) {
                    self.taken_back += bits;
                }
            }
        }
    }

    /// Credited noise waiting, in bits.
    #[must_use]
    pub fn noise_bits(&self) -> f64 {
        self.noise.values().sum()
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        self.noise_bits() >= FULL_BITS
    }

    /// A seed, once [`SEED_BITS`] of noise are credited.
    pub fn extract(&mut self) -> Option<Seed> {
        (self.noise_bits() >= SEED_BITS).then(|| self.extract_anyway())
    }

    /// A seed of whatever has come in, with the entropy it may claim.
    fn extract_anyway(&mut self) -> Seed {
        let n_in = u32::try_from(self.bits_in).unwrap_or(u32::MAX);
        let entropy_bits = output_entropy(n_in.max(1), 256, 256, self.noise_bits()).max(0.0);
        let digest: Zeroizing<[u8; 32]> = Zeroizing::new(std::mem::take(&mut self.hash).finalize().into());
        let keyed = SimpleHkdf::<Sha3_256>::new(Some(SALT), &*digest);
        let mut bytes = Zeroizing::new([0u8; 32]);
        let mut next = Zeroizing::new([0u8; 32]);
        // One block each; only more than 255 blocks can fail.
        keyed.expand(b"seed", &mut *bytes).expect("one block can always be expanded");
        keyed.expand(b"next", &mut *next).expect("one block can always be expanded");
        // The next state starts from this one, so uncredited material is never lost.
        self.hash = Sha3_256::new_with_prefix(SALT);
        self.hash.update(*next);
        self.bits_in = 256;
        self.noise.clear();
        self.generator_bits = 0.0;
        self.extractions += 1;
        Seed { bytes, entropy_bits }
    }

    #[must_use]
    pub fn status(&self) -> AccumulatorStatus {
        AccumulatorStatus {
            noise_bits: self.noise_bits(),
            generator_bits: self.generator_bits,
            taken_back_bits: self.taken_back,
            extractions: self.extractions,
        }
    }
}

impl std::fmt::Debug for Accumulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Accumulator({:.0} bits, [REDACTED])", self.noise_bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Alarm, Level, Test};
    use crate::source::Credit;

    fn collection(source: &str, bits: f64, fill: u8) -> Collection {
        let drawn = Drawn {
            source: source.to_owned(),
            samples: 64,
            bytes: 64,
            credited_bits: bits,
            credit: Credit::noise(1000),
            alarm: None,
            error: None,
        };
        let bytes = Zeroizing::new(vec![fill; 64]);
        let material = Material { worker: 0, bytes, drawn: vec![drawn] };
        Collection { materials: vec![material], ..Collection::default() }
    }

    #[test]
    fn a_seed_needs_its_credit_and_spends_it() {
        let mut pool = Accumulator::default();
        pool.absorb(&collection("a", 300.0, 1));
        assert!(pool.extract().is_none());
        pool.absorb(&collection("b", 20.0, 2));
        let first = pool.extract().expect("320 bits");
        assert!((255.9..=256.0).contains(&first.entropy_bits), "{}", first.entropy_bits);
        assert_eq!(pool.noise_bits(), 0.0);
        assert!(pool.extract().is_none());
        pool.absorb(&collection("a", 320.0, 1));
        assert_ne!(*pool.extract().expect("320 bits").bytes, *first.bytes);
    }

    #[test]
    fn every_byte_counts_and_the_same_history_gives_the_same_seed() {
        let seed = |fill| {
            let mut pool = Accumulator::default();
            pool.absorb(&collection("a", 320.0, fill));
            *pool.extract().expect("320 bits").bytes
        };
        assert_eq!(seed(1), seed(1));
        assert_ne!(seed(1), seed(2));
    }

    #[test]
    fn an_alarm_takes_back_what_the_source_had_brought() {
        let mut pool = Accumulator::default();
        pool.absorb(&collection("a", 300.0, 1));
        pool.absorb(&collection("b", 100.0, 1));
        let mut alarming = collection("a", 0.0, 1);
        alarming.materials[0].drawn[0].alarm = Some(Alarm { test: Test::RepetitionCount, level: Level::Intermittent });
        pool.absorb(&alarming);
        assert_eq!(pool.noise_bits(), 100.0);
        assert_eq!(pool.status().taken_back_bits, 300.0);
    }
}
