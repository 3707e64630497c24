//! From the workers' files to the gossiped commitment: a known answer, and that every worker counts.
#![allow(clippy::unwrap_used, reason = "in a test, an unwrap that fails is the report")]

use std::sync::Arc;
use std::time::Duration;

use beacon_engine::batch::Recovered;
use beacon_engine::engine::{BundleSecrets, Config, Engine};
use beacon_engine::event::{Effect, Input, Message, Recipient, Step};
use beacon_entropy::pool::{EntropyPool, PoolConfig};
use beacon_spec::bundle::KeyBundle;
use beacon_spec::genesis::{Draft, DraftMember, Genesis, Parameters};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::SecretKey;
use beacon_spec::pvss::TicketSecret;
use beacon_spec::schedule::Schedule;
use zeroize::Zeroizing;

const MEMBERS: u8 = 4;
const GENESIS_TIME: u64 = 1_000_000;

fn voting(member: u8) -> SecretKey {
    SecretKey::from_seed(&[0x40 + member; 32])
}

/// The engine of the first of four equal members, all of whose secrets are known.
fn engine() -> (Engine, Step, Digest32) {
    let mut identities: Vec<SecretKey> = (1..=MEMBERS).map(|member| SecretKey::from_seed(&[member; 32])).collect();
    identities.sort_by_key(SecretKey::identity);
    let schedule = Schedule { genesis_time: GENESIS_TIME, period: 1_000, window: 2, epoch_windows: 1_000 };
    let parameters = Parameters {
        schedule,
        catch_up_interval: 250,
        lead: 500,
        recovery_delay: 50,
        grace: 30,
        registrations_per_value: 16,
        development_exemption: false,
    };
    let members = identities.iter().map(|key| DraftMember { identity: key.identity(), weight: 1 }).collect();
    let draft = Draft { version: 1, name: "known".into(), parameters: parameters.clone(), members, predecessor: None };
    let tickets = |member: u8| [TicketSecret::from_seed(&[0x80 + member; 32])];
    let bundles = (0u8..)
        .zip(&identities)
        .map(|(member, identity)| KeyBundle::make(&draft.ceremony(), identity, 1, &voting(member), &tickets(member)));
    let genesis = Genesis { bundles: bundles.collect(), draft };
    let (committee, chain) = genesis.check().unwrap();
    let secrets = tickets(0).into_iter().map(|(secret, _)| secret).collect();
    // When dealing begins, and nobody can have signed anything.
    let start = GENESIS_TIME - parameters.lead;
    let config = Config {
        chain,
        parameters,
        committee: Arc::new(committee),
        identity: identities[0].identity(),
        long_lived: Zeroizing::new([0xc0; 32]),
        bundles: vec![Arc::new(BundleSecrets { epoch: 1, voting: voting(0), tickets: secrets })],
        restored: false,
        unsafe_release: false,
        unsafe_withhold_openings: false,
    };
    let (engine, step) = Engine::recover(config, Recovered::default(), start);
    (engine, step, chain)
}

/// The hash of the commitment that a member gossips for window 1 when its workers read these files.
fn gossiped(files: &[Vec<u8>]) -> Digest32 {
    let directory = tempfile::tempdir().unwrap();
    let paths = (0..files.len()).map(|worker| directory.path().join(worker.to_string()));
    let paths: Vec<_> = paths.collect();
    for (path, bytes) in paths.iter().zip(files) {
        std::fs::write(path, bytes).unwrap();
    }
    let pool = EntropyPool::start(PoolConfig::files(paths)).unwrap();
    let bytes = pool.contribution(Duration::from_secs(10)).unwrap().bytes;

    let (mut engine, step, chain) = engine();
    assert!(step.effects.iter().any(|effect| matches!(effect, Effect::NeedEntropy { window: 1 })));
    let step = engine.step(GENESIS_TIME, Input::Entropy { window: 1, bytes });
    let job = step.effects.into_iter().find_map(|effect| match effect {
        Effect::Run(job) => Some(job),
        _ => None,
    });
    let step = engine.step(GENESIS_TIME, Input::Done(job.unwrap().run(&[0; 32])));
    let sent = step.effects.into_iter().find_map(|effect| match effect {
        Effect::Send { to: Recipient::Gossip, message: Message::Commitment(sent), after } => Some((sent, after)),
        _ => None,
    });
    let (sent, after) = sent.unwrap();
    assert!(after > 0, "the seed is on disk before the commitment leaves");
    sent.signed.body.hash(&chain)
}

fn files() -> Vec<Vec<u8>> {
    vec![(0..32).collect(), (100..150).collect(), vec![0xab; 64]]
}

#[test]
fn fixed_sources_and_known_secrets_give_the_known_commitment() {
    let known = "ccf69ff1eba931c14e4d824c0fa015bac03debcbb82b7cea5a362bb884befdf7";
    assert_eq!(gossiped(&files()).to_string(), known);
}

#[test]
fn one_changed_byte_of_any_worker_changes_the_commitment() {
    let base = gossiped(&files());
    for worker in 0..3 {
        let mut changed = files();
        changed[worker][17] ^= 1;
        assert_ne!(gossiped(&changed), base, "worker {worker}");
    }
}
