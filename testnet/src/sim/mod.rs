//! A network of engines in memory: virtual time, disks that lose what was not synced, real cryptography, no threads.
//!
//! The same set-up gives the same run, byte for byte. Messages travel as bytes, so whatever is sent is also encoded,
//! decoded and verified.

mod disk;
mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use beacon_engine::batch::{Batch, Record, Seq};
use beacon_engine::engine::{BundleSecrets, Config, Engine};
use beacon_engine::event::{Effect, Halt, Input, Message, Recipient, Request, Step};
use beacon_engine::serve::serve;
use beacon_spec::bundle::KeyBundle;
use beacon_spec::chain::{Beacon, Transcript};
use beacon_spec::committee::Committee;
use beacon_spec::genesis::{Draft, DraftMember, Genesis, Parameters};
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::keys::{IdentityKey, SecretKey};
use beacon_spec::message::Opening;
use beacon_spec::schedule::Schedule;
use zeroize::Zeroizing;

pub use disk::Disk;
use disk::Served;

pub const GENESIS_TIME: u64 = 1_000_000;
const HOP: u64 = 1;
const FSYNC: u64 = 3;

pub struct Node {
    pub identity: SecretKey,
    /// Whom the engine named as members.
    members: Vec<IdentityKey>,
    pub config: Config,
    pub engine: Option<Engine>,
    pub disk: Disk,
    /// Written but not synced.
    unsynced: Vec<Record>,
    disk_free_at: u64,
    durable: Seq,
    held: Vec<(Seq, Recipient, Message)>,
    pub skew: i64,
    pub withheld: Vec<Opening>,
    pub halted: Option<Halt>,
    /// Increased by every start: events of an earlier life are dropped.
    life: u64,
    /// Crash at this effect, counted over all lives.
    pub crash_at: Option<u64>,
    pub effects: u64,
    /// Processor time of the engine and its jobs, as the network's meter tells it.
    pub worked: Duration,
}

enum Event {
    Input(Input),
    Written(Batch),
    Wake,
    Restart,
}

/// One message that left a node.
pub struct Sent {
    pub at: u64,
    pub from: usize,
    pub message: Message,
}

pub struct Net {
    pub now: u64,
    pub nodes: Vec<Node>,
    pub schedule: Schedule,
    pub committee: Arc<Committee>,
    genesis: Vec<u8>,
    queue: BTreeMap<(u64, u64), (usize, u64, Event)>,
    counter: u64,
    pub sent: Vec<Sent>,
    pub faults: Vec<(usize, beacon_engine::event::Fault)>,
    pub certified_at: BTreeMap<(usize, u64), u64>,
    /// Commitments of these pairs (from, to) never arrive by gossip.
    pub deaf: BTreeSet<(usize, usize)>,
    /// Tells the processor time used so far, for benchmarks.
    pub meter: fn() -> Duration,
}

pub struct Setup {
    pub weights: Vec<u64>,
    pub period: u64,
    pub window: u64,
    pub epoch_windows: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Setup { weights: vec![30, 30, 25, 15], period: 1_000, window: 1, epoch_windows: 1_000 }
    }
}

fn seed(words: &[&[u8]]) -> [u8; 32] {
    words.iter().fold(Hasher::new(tag::STATUS), |hasher, word| hasher.framed(word)).finish().0
}

impl Net {
    pub fn new(setup: &Setup) -> Net {
        let schedule = Schedule {
            genesis_time: GENESIS_TIME,
            period: setup.period,
            window: setup.window,
            epoch_windows: setup.epoch_windows,
        };
        let parameters = Parameters {
            schedule,
            catch_up_interval: setup.period / 4,
            lead: 500,
            recovery_delay: 50,
            grace: 30,
            registrations_per_value: 1_000,
            development_exemption: setup.weights.len() < 4,
        };
        let mut identities: Vec<(SecretKey, u64)> =
            setup.weights.iter().enumerate().map(|(index, weight)| (keys::identity(&[index as u8]), *weight)).collect();
        identities.sort_by_key(|(key, _)| key.identity());
        let members =
            identities.iter().map(|(key, weight)| DraftMember { identity: key.identity(), weight: *weight }).collect();
        let draft = Draft { version: 1, name: "driver".into(), parameters, members, predecessor: None };
        let tickets = beacon_spec::tickets::assign(&identities.iter().map(|(_, weight)| *weight).collect::<Vec<_>>());
        let mut bundles = Vec::new();
        let mut secrets = Vec::new();
        for ((key, _), count) in identities.iter().zip(tickets) {
            let (bundle, secret) = keys::bundle(key, &draft.ceremony(), 1, count as usize);
            bundles.push(bundle);
            secrets.push(secret);
        }
        let genesis = Genesis { draft, bundles };
        let (committee, chain) = genesis.check().expect("the driver's genesis is sound");
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
                    long_lived: Zeroizing::new(seed(&[b"long-lived", &key.public()])),
                    bundles: vec![Arc::new(bundle)],
                    unsafe_withhold_openings: false,
                };
                Node::new(key.clone(), config)
            })
            .collect();
        Net {
            now: GENESIS_TIME - 1_000,
            nodes,
            schedule,
            committee,
            genesis: beacon_spec::codec::encode(&genesis),
            queue: BTreeMap::new(),
            counter: 0,
            sent: Vec::new(),
            faults: Vec::new(),
            certified_at: BTreeMap::new(),
            deaf: BTreeSet::new(),
            meter: || Duration::ZERO,
        }
    }

    /// Adds a node that is no member.
    pub fn add_observer(&mut self) -> usize {
        let mut config = self.nodes[0].config.clone();
        let key = keys::identity(b"observer");
        config.identity = key.identity();
        config.bundles.clear();
        self.nodes.push(Node::new(key, config));
        self.nodes.len() - 1
    }

    pub fn start_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.start(node);
        }
    }

    /// Starts or restarts a node from its disk.
    pub fn start(&mut self, index: usize) {
        let recovered = self.nodes[index].disk.recovered(&self.schedule);
        let node = &mut self.nodes[index];
        node.life += 1;
        node.durable = 0;
        node.held.clear();
        node.disk_free_at = self.now;
        let now = self.now.saturating_add_signed(node.skew);
        let (engine, step) = Engine::recover(node.config.clone(), recovered, now);
        node.engine = Some(engine);
        self.execute(index, step);
        let me = self.nodes[index].config.identity;
        for other in 0..self.nodes.len() {
            if other != index && self.nodes[other].engine.is_some() {
                let key = self.nodes[other].config.identity;
                self.schedule_event(index, HOP, Event::Input(Input::PeerUp(key)));
                self.schedule_event(other, HOP, Event::Input(Input::PeerUp(me)));
            }
        }
    }

    /// Power cut: what was not synced is gone.
    pub fn crash(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.engine = None;
        node.unsynced.clear();
        node.life += 1;
        let me = node.config.identity;
        for other in 0..self.nodes.len() {
            if self.nodes[other].engine.is_some() {
                self.schedule_event(other, HOP, Event::Input(Input::PeerDown(me)));
            }
        }
    }

    pub fn restart_later(&mut self, index: usize, after: u64) {
        self.schedule_event(index, after, Event::Restart);
    }

    fn schedule_event(&mut self, node: usize, after: u64, event: Event) {
        self.counter += 1;
        let life = self.nodes[node].life;
        self.queue.insert((self.now + after, self.counter), (node, life, event));
    }

    /// Runs until every live node has certified `round` or the deadline has passed; says which.
    pub fn run_to(&mut self, round: u64, deadline: u64) -> bool {
        let done =
            |net: &Net| net.nodes.iter().filter(|node| node.engine.is_some()).all(|node| node.find(round).is_some());
        while !done(self) {
            if self.now > deadline || !self.advance() {
                return false;
            }
        }
        true
    }

    pub fn run_until(&mut self, time: u64) {
        while self.now < time && self.advance() {}
    }

    fn advance(&mut self) -> bool {
        let Some(((time, _), (index, life, event))) = self.queue.pop_first() else { return false };
        self.now = self.now.max(time);
        if matches!(event, Event::Restart) {
            self.start(index);
            return true;
        }
        if life != self.nodes[index].life || self.nodes[index].engine.is_none() {
            return true;
        }
        let input = match event {
            Event::Input(input) => input,
            Event::Wake | Event::Restart => Input::Tick,
            Event::Written(batch) => {
                let node = &mut self.nodes[index];
                node.unsynced.extend(batch.records);
                if batch.sync {
                    for record in std::mem::take(&mut node.unsynced) {
                        node.disk.apply(record);
                    }
                }
                node.durable = batch.seq;
                self.release(index);
                Input::Durable(batch.seq)
            }
        };
        let node = &mut self.nodes[index];
        let now = self.now.saturating_add_signed(node.skew);
        if let Some(engine) = &mut node.engine {
            let begun = (self.meter)();
            let step = engine.step(now, input);
            node.worked += (self.meter)().saturating_sub(begun);
            self.execute(index, step);
        }
        true
    }

    fn release(&mut self, index: usize) {
        let durable = self.nodes[index].durable;
        let (ready, held) = std::mem::take(&mut self.nodes[index].held).into_iter().partition(|held| held.0 <= durable);
        self.nodes[index].held = held;
        let ready: Vec<(Seq, Recipient, Message)> = ready;
        for (_, to, message) in ready {
            self.transmit(index, to, message);
        }
    }

    fn execute(&mut self, index: usize, step: Step) {
        let life = self.nodes[index].life;
        self.faults.extend(step.faults.into_iter().map(|fault| (index, fault)));
        for effect in step.effects {
            self.nodes[index].effects += 1;
            if self.nodes[index].crash_at == Some(self.nodes[index].effects) {
                self.crash(index);
                self.restart_later(index, 200);
                return;
            }
            self.effect(index, effect);
            if self.nodes[index].life != life {
                return;
            }
        }
        let node = &self.nodes[index];
        if let Some(deadline) = node.engine.as_ref().and_then(Engine::deadline) {
            let wait = deadline.saturating_sub(self.now.saturating_add_signed(node.skew));
            self.schedule_event(index, wait, Event::Wake);
        }
    }

    fn effect(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Send { to, message, after } if after <= self.nodes[index].durable => {
                self.transmit(index, to, message);
            }
            Effect::Send { to, message, after } => self.nodes[index].held.push((after, to, message)),
            Effect::Persist(batch) => {
                let node = &mut self.nodes[index];
                node.disk_free_at = node.disk_free_at.max(self.now) + if batch.sync { FSYNC } else { 0 };
                let wait = node.disk_free_at - self.now;
                self.schedule_event(index, wait, Event::Written(batch));
            }
            Effect::NeedEntropy { window } => {
                let bytes = seed(&[b"entropy", &self.nodes[index].config.identity.0, &window.to_be_bytes()]);
                let bytes = Zeroizing::new(bytes);
                self.schedule_event(index, 1, Event::Input(Input::Entropy { window, bytes }));
            }
            Effect::Run(job) => {
                let begun = (self.meter)();
                let result = job.run(&seed(&[b"coin", &self.counter.to_be_bytes()]));
                self.nodes[index].worked += (self.meter)().saturating_sub(begun);
                self.schedule_event(index, 1, Event::Input(Input::Done(result)));
            }
            Effect::Publish { beacon, .. } => {
                self.certified_at.insert((index, beacon.header.round), self.now);
            }
            Effect::Request { id, to, request } => self.answer(index, id, to, &request),
            Effect::Withheld(opening) => self.nodes[index].withheld.push(opening),
            Effect::Members(members) => self.nodes[index].members = members,
            Effect::NeedBundle { epoch, tickets } => {
                let (bundle, secrets) = self.make_bundle(index, epoch, tickets);
                self.schedule_event(index, 1, Event::Input(Input::Bundle { bundle: Box::new(bundle), secrets }));
            }
            Effect::EraseBundles { keep } => {
                self.nodes[index].config.bundles.retain(|bundle| keep.contains(&bundle.voting.voting()));
            }
            Effect::Halt(halt) => self.nodes[index].halted = Some(halt),
        }
    }

    /// Hands an input to a node, as its operator would.
    pub fn feed(&mut self, index: usize, input: Input) {
        self.schedule_event(index, 1, Event::Input(input));
    }

    /// A member who exists only on paper, with a bundle for `epoch`.
    pub fn paper_member(&self, name: &[u8], epoch: u64, tickets: usize) -> (SecretKey, KeyBundle) {
        let key = keys::identity(name);
        let (bundle, _) = keys::bundle(&key, &self.nodes[0].config.chain, epoch, tickets);
        (key, bundle)
    }

    /// Makes a bundle of the node's and keeps its secrets where crashes do not reach.
    pub fn make_bundle(&mut self, index: usize, epoch: u64, tickets: usize) -> (KeyBundle, Arc<BundleSecrets>) {
        let node = &mut self.nodes[index];
        let (bundle, secrets) = keys::bundle(&node.identity, &node.config.chain, epoch, tickets);
        let secrets = Arc::new(secrets);
        if node.config.bundles.iter().all(|other| other.voting.voting() != secrets.voting.voting()) {
            node.config.bundles.push(secrets.clone());
        }
        (bundle, secrets)
    }

    fn answer(&mut self, index: usize, id: u64, to: IdentityKey, request: &Request) {
        let other = self.nodes.iter().find(|node| node.config.identity == to && node.engine.is_some());
        let response = other.map(|node| {
            let now = self.now.saturating_add_signed(node.skew);
            let Ok(response) = serve(&Served(&node.disk, &self.genesis), &node.config.chain, now, request);
            Box::new(response)
        });
        self.schedule_event(index, 2 * HOP, Event::Input(Input::Response { id, from: to, response }));
    }

    fn transmit(&mut self, from: usize, to: Recipient, message: Message) {
        self.sent.push(Sent { at: self.now, from, message: message.clone() });
        let sender = self.nodes[from].config.identity;
        for other in 0..self.nodes.len() {
            let addressed = match to {
                Recipient::Gossip => true,
                Recipient::Members => self.nodes[from].members.contains(&self.nodes[other].config.identity),
                Recipient::Peer(key) => self.nodes[other].config.identity == key,
            };
            let deaf = matches!(message, Message::Commitment(_)) && self.deaf.contains(&(from, other));
            if other != from && addressed && !deaf && self.nodes[other].engine.is_some() {
                // What travels is bytes: encode and decode on the way.
                let bytes = beacon_spec::codec::encode(&message);
                let limits = beacon_spec::message::COMMITMENT_LIMITS;
                let message = beacon_spec::codec::decode(&bytes, &limits).expect("own messages decode");
                self.schedule_event(other, HOP, Event::Input(Input::Message { from: sender, message }));
            }
        }
    }

    /// The outputs of all rounds up to `round`, after checking that every live node has the same headers.
    pub fn agreed_outputs(&self, round: u64) -> Vec<Digest32> {
        let live: Vec<&Node> = self.nodes.iter().filter(|node| node.engine.is_some()).collect();
        (1..=round)
            .map(|number| {
                let headers: Vec<_> = live.iter().map(|node| &node.beacon(number).header).collect();
                assert!(headers.windows(2).all(|pair| pair[0] == pair[1]), "round {number} differs between nodes");
                headers[0].output
            })
            .collect()
    }
}

impl Node {
    fn new(identity: SecretKey, config: Config) -> Node {
        Node {
            identity,
            members: Vec::new(),
            config,
            engine: None,
            disk: Disk::default(),
            unsynced: Vec::new(),
            disk_free_at: 0,
            durable: 0,
            held: Vec::new(),
            skew: 0,
            withheld: Vec::new(),
            halted: None,
            life: 0,
            crash_at: None,
            effects: 0,
            worked: Duration::ZERO,
        }
    }

    /// A certified round, written, synced or not.
    pub fn find(&self, round: u64) -> Option<&Beacon> {
        let unsynced = self.unsynced.iter().find_map(|record| match record {
            Record::Round { beacon, .. } if beacon.header.round == round => Some(&**beacon),
            _ => None,
        });
        self.disk.rounds.get(&round).or(unsynced)
    }

    pub fn beacon(&self, round: u64) -> &Beacon {
        self.find(round).unwrap_or_else(|| panic!("round {round} is not here"))
    }

    pub fn transcript(&self, round: u64) -> Option<&Transcript> {
        let unsynced = self.unsynced.iter().find_map(|record| match record {
            Record::Transcript(transcript) if transcript.round == round => Some(&**transcript),
            _ => None,
        });
        self.disk.transcripts.get(&round).or(unsynced)
    }
}
