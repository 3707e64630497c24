//! The network's genesis: keys and parameters that follow from a few numbers.

use std::sync::Arc;

use beacon_engine::engine::Config;
use beacon_spec::codec::encode;
use beacon_spec::committee::Committee;
use beacon_spec::genesis::{Draft, DraftMember, Genesis, Parameters};
use beacon_spec::hash::{Hasher, tag};
use beacon_spec::keys::SecretKey;
use beacon_spec::schedule::Schedule;
use zeroize::Zeroizing;

use super::keys;

pub const GENESIS_TIME: u64 = 1_000_000_000;

/// What a network is made from.
#[derive(Clone, Debug)]
pub struct Setup {
    pub weights: Vec<u64>,
    pub period: u64,
    pub window: u64,
    pub epoch_windows: u64,
    /// Changes every key, and with them which weight stands at which index.
    pub keys: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Setup { weights: vec![30, 30, 25, 15], period: 1_000, window: 1, epoch_windows: 1_000, keys: 0 }
    }
}

/// A sealed genesis and its members' keys and configurations, in member order.
pub(super) struct Sealed {
    pub schedule: Schedule,
    pub committee: Arc<Committee>,
    pub genesis: Vec<u8>,
    /// The genesis for clients.
    pub light: Vec<u8>,
    pub nodes: Vec<(SecretKey, Config)>,
}

pub(super) fn derive(words: &[&[u8]]) -> [u8; 32] {
    words.iter().fold(Hasher::new(tag::STATUS), |hasher, word| hasher.framed(word)).finish().0
}

impl Setup {
    /// The identity of the member whose weight stands at `place`.
    pub fn identity(&self, place: u64) -> SecretKey {
        keys::identity(&[self.keys.to_be_bytes(), place.to_be_bytes()].concat())
    }

    fn parameters(&self) -> Parameters {
        let total: u64 = self.weights.iter().sum();
        Parameters {
            schedule: Schedule {
                genesis_time: GENESIS_TIME,
                period: self.period,
                window: self.window,
                epoch_windows: self.epoch_windows,
            },
            catch_up_interval: if self.period == 0 { 50 } else { self.period / 4 },
            lead: 500,
            recovery_delay: 50,
            grace: 30,
            registrations_per_value: 1_000,
            development_exemption: self.weights.iter().any(|weight| weight * 3 >= total),
        }
    }

    pub(super) fn seal(&self) -> Sealed {
        let parameters = self.parameters();
        let mut identities: Vec<(SecretKey, u64)> =
            (0u64..).zip(&self.weights).map(|(index, weight)| (self.identity(index), *weight)).collect();
        identities.sort_by_key(|(key, _)| key.identity());
        let members =
            identities.iter().map(|(key, weight)| DraftMember { identity: key.identity(), weight: *weight }).collect();
        let draft = Draft { version: 1, name: "simulated".into(), parameters, members, predecessor: None };
        let tickets = beacon_spec::tickets::assign(&identities.iter().map(|(_, weight)| *weight).collect::<Vec<_>>());
        let mut bundles = Vec::new();
        let mut secrets = Vec::new();
        for ((key, _), count) in identities.iter().zip(tickets) {
            let (bundle, secret) = keys::bundle(key, 0, &draft.ceremony(), 1, count as usize);
            bundles.push(bundle);
            secrets.push(secret);
        }
        let genesis = Genesis { draft, bundles };
        let (committee, chain) = genesis.check().expect("the simulator's genesis is sound");
        let committee = Arc::new(committee);
        let nodes = identities
            .iter()
            .zip(secrets)
            .map(|((key, _), bundle)| {
                let config = Config {
                    chain,
                    parameters: genesis.draft.parameters.clone(),
                    committee: committee.clone(),
                    identity: key.identity(),
                    long_lived: Zeroizing::new(derive(&[b"long-lived", &key.public()])),
                    bundles: vec![Arc::new(bundle)],
                    restored: false,
                    unsafe_release: false,
                    unsafe_withhold_openings: false,
                };
                (key.clone(), config)
            })
            .collect();
        Sealed {
            schedule: genesis.draft.parameters.schedule,
            light: encode(&genesis.light(&committee)),
            genesis: encode(&genesis),
            committee,
            nodes,
        }
    }
}

/// A node that is no member, of the same chain, after so many others.
pub(super) fn observer(member: &Config, earlier: usize) -> (SecretKey, Config) {
    let key = keys::identity(&[b"observer".to_vec(), vec![0; earlier]].concat());
    let config = Config { identity: key.identity(), bundles: Vec::new(), ..member.clone() };
    (key, config)
}
