//! The network itself: one queue of events, and what each effect of an engine does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use beacon_engine::batch::Record;
use beacon_engine::engine::{BundleSecrets, Engine};
use beacon_engine::event::{Effect, Input, Message, Step};
use beacon_spec::bundle::KeyBundle;
use beacon_spec::chain::Beacon;
use beacon_spec::committee::Committee;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::SecretKey;
use beacon_spec::schedule::Schedule;
use zeroize::Zeroizing;

use super::adversary::Adversaries;
use super::chaos::{Chaos, Fault};
use super::check::{Checks, Facts, Seen};
use super::keys;
use super::ledger::Ledger;
use super::node::Node;
use super::operators::Operators;
use super::post::Letter;
use super::setup::{GENESIS_TIME, Setup, derive, observer};
use super::trace::Trace;

pub(super) const HOP: u64 = 1;

/// So many events of one millisecond are an engine that never comes to rest.
const STILL: u64 = 2_000_000;

pub(super) enum Event {
    Input(Input),
    Letter(Letter),
    Written,
    Wake,
    Operator,
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
    /// The committee of the first epoch.
    pub committee: Arc<Committee>,
    /// Every committee that an engine has come to know, by epoch.
    pub committees: BTreeMap<u64, Arc<Committee>>,
    pub(super) genesis: Vec<u8>,
    queue: BTreeMap<(u64, u64), (usize, u64, Event)>,
    pub(super) counter: u64,
    /// Everything that left a node, if `record` says so.
    pub sent: Vec<Sent>,
    pub record: bool,
    pub faults: Vec<(usize, beacon_engine::event::Fault)>,
    pub certified_at: BTreeMap<(usize, u64), u64>,
    /// Commitments of these pairs (from, to) never arrive by gossip.
    pub deaf: BTreeSet<(usize, usize)>,
    /// Nodes that say they have every decision and give none, with how often they were asked for one.
    pub boasters: BTreeMap<usize, u64>,
    /// Pairs (node, member): asking for it gives the node no commitment of the member.
    pub starved: BTreeSet<(usize, u16)>,
    /// Nodes that nobody gives a registry.
    pub unregistered: BTreeSet<usize>,
    /// Nodes whose answers take so many milliseconds longer.
    pub slow: BTreeMap<usize, u64>,
    /// Tells the processor time used so far, for benchmarks.
    pub meter: fn() -> Duration,
    /// The node whose work is measured: it shares none.
    pub metered: Option<usize>,
    pub chaos: Chaos,
    pub adversaries: Adversaries,
    pub operators: Operators,
    pub checks: Checks,
    pub ledger: Ledger,
    pub trace: Trace,
    /// Gossip that a node has had already.
    pub(super) heard: BTreeSet<(usize, Digest32)>,
    /// What was sent lately, for replays.
    pub(super) past: Vec<Letter>,
    pub(super) next_weather: u64,
    pub(super) next_look: u64,
    /// Events since the time last moved.
    still: u64,
}

impl Net {
    pub fn new(setup: &Setup) -> Net {
        let sealed = setup.seal();
        let chain = sealed.nodes.first().map_or(Digest32::ZERO, |(_, config)| config.chain);
        let members = sealed.nodes.len();
        Net {
            now: GENESIS_TIME - 1_000,
            nodes: sealed.nodes.into_iter().map(Node::new).collect(),
            schedule: sealed.schedule,
            committees: BTreeMap::from([(1, sealed.committee.clone())]),
            committee: sealed.committee,
            genesis: sealed.genesis,
            queue: BTreeMap::new(),
            counter: 0,
            sent: Vec::new(),
            record: true,
            faults: Vec::new(),
            certified_at: BTreeMap::new(),
            deaf: BTreeSet::new(),
            boasters: BTreeMap::new(),
            starved: BTreeSet::new(),
            unregistered: BTreeSet::new(),
            slow: BTreeMap::new(),
            meter: || Duration::ZERO,
            metered: None,
            chaos: Chaos::none(),
            adversaries: Adversaries::none(members),
            operators: Operators::none(),
            checks: Checks::new(chain, sealed.light),
            ledger: Ledger::default(),
            trace: Trace::default(),
            heard: BTreeSet::new(),
            past: Vec::new(),
            next_weather: 0,
            next_look: 0,
            still: 0,
        }
    }

    /// Adds a node that is no member.
    pub fn add_observer(&mut self) -> usize {
        let config = observer(&self.nodes[0].config, self.nodes.len() - self.committee.signers().len());
        self.nodes.push(Node::new(config));
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
        node.wake_at = None;
        let now = node.clock(self.now);
        self.trace.note(self.now, index, "start", &[], || format!("from round {}", node.head()));
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

    /// Power cut: what was not synced is gone, all of it or as the chaos has it.
    pub fn crash(&mut self, index: usize) {
        self.trace.note(self.now, index, "crash", &[], String::new);
        self.nodes[index].cut_power(&mut self.chaos);
        let me = self.nodes[index].config.identity;
        for other in 0..self.nodes.len() {
            if self.nodes[other].engine.is_some() {
                self.schedule_event(other, HOP, Event::Input(Input::PeerDown(me)));
            }
        }
    }

    pub fn restart_later(&mut self, index: usize, after: u64) {
        self.schedule_event(index, after, Event::Restart);
    }

    /// Sets a node's clock; what it waits for is looked at again.
    pub fn set_clock(&mut self, index: usize, skew: i64) {
        self.trace.note(self.now, index, "clock", &skew.to_be_bytes(), || format!("{skew:+} ms"));
        self.nodes[index].set_clock(self.now, skew);
        self.nodes[index].wake_at = Some(self.now);
        self.schedule_event(index, 0, Event::Wake);
    }

    pub(super) fn schedule_event(&mut self, node: usize, after: u64, event: Event) {
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

    /// Lets the next thing happen if it is due by `time`; otherwise it is that time.
    pub fn advance_before(&mut self, time: u64) -> bool {
        let due = self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= time);
        if !due {
            self.now = self.now.max(time);
        }
        due && self.advance()
    }

    /// Lets the next thing happen.
    pub fn advance(&mut self) -> bool {
        let Some((&(time, _), _)) = self.queue.first_key_value() else { return false };
        if time >= self.next_weather && self.chaos.relays {
            self.now = self.now.max(self.next_weather);
            self.weather();
            return true;
        }
        let Some((_, (index, life, event))) = self.queue.pop_first() else { return false };
        self.still = if time > self.now { 0 } else { self.still + 1 };
        self.now = self.now.max(time);
        assert!(self.still < STILL, "time stands still at {time}: node {index} wants to be woken without an end");
        if matches!(event, Event::Restart) {
            if self.nodes[index].engine.is_none() {
                self.start(index);
            }
        } else if life == self.nodes[index].life && self.nodes[index].engine.is_some() {
            match &mut self.nodes[index].frozen {
                Some(later) => later.push(event),
                None => self.happen(index, event),
            }
        }
        true
    }

    fn happen(&mut self, index: usize, event: Event) {
        match event {
            Event::Input(input) => drop(self.feed(index, input)),
            Event::Letter(letter) => self.arrive(index, letter),
            Event::Wake => {
                if self.nodes[index].wake_at.is_some_and(|at| at <= self.now) {
                    self.nodes[index].wake_at = None;
                    self.feed(index, Input::Tick);
                }
            }
            Event::Operator => self.operate(index),
            Event::Written => {
                if let Some(seq) = self.nodes[index].settle(self.now) {
                    self.release(index);
                    self.feed(index, Input::Durable(seq));
                }
            }
            Event::Restart => {}
        }
    }

    /// One step of an engine and its effects; whether it wants a message passed on.
    pub fn feed(&mut self, index: usize, input: Input) -> bool {
        let node = &mut self.nodes[index];
        let now = node.clock(self.now);
        let Some(engine) = &mut node.engine else { return false };
        let begun = (self.meter)();
        let step = engine.step(now, input);
        node.worked += (self.meter)().saturating_sub(begun);
        let relay = step.relay;
        self.execute(index, step);
        relay
    }

    /// Shows the checkers something; the adversary's own nodes are none of their business.
    pub(super) fn check(&mut self, seen: &Seen) {
        let facts = Facts {
            now: self.now,
            nodes: &self.nodes,
            schedule: &self.schedule,
            committees: &self.committees,
            adversaries: &self.adversaries,
            ledger: &self.ledger,
        };
        self.checks.see(seen, &facts);
    }

    fn release(&mut self, index: usize) {
        let durable = self.nodes[index].durable;
        let (ready, held): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.nodes[index].held).into_iter().partition(|held| held.0 <= durable);
        self.nodes[index].held = held;
        for (_, to, message) in ready {
            self.transmit(index, to, message);
        }
    }

    fn execute(&mut self, index: usize, step: Step) {
        let life = self.nodes[index].life;
        for fault in step.faults {
            self.check(&Seen::Accused { node: index, fault: &fault });
            self.faults.push((index, fault));
        }
        for effect in step.effects {
            self.nodes[index].effects += 1;
            if self.nodes[index].crash_at == Some(self.nodes[index].effects) {
                self.crash(index);
                self.restart_later(index, 200);
                return;
            }
            if self.chaos.strikes(Fault::Crash) {
                return self.fall(index);
            }
            self.effect(index, effect);
            if self.nodes[index].life != life {
                return;
            }
        }
        self.set_alarm(index);
    }

    fn set_alarm(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let Some(deadline) = node.engine.as_ref().and_then(Engine::deadline) else { return };
        let wait = deadline.saturating_sub(node.clock(self.now));
        let at = self.now.saturating_add(wait);
        if node.wake_at.is_none_or(|earlier| at < earlier) {
            node.wake_at = Some(at);
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
                for record in &batch.records {
                    self.check(&Seen::Wrote { node: index, record });
                    if let Record::Decision(decision) = record {
                        self.note_value(&decision.value);
                    }
                }
                let slower = if self.chaos.strikes(Fault::SlowDisk) { self.chaos.rng.below(400) } else { 0 };
                let at = self.nodes[index].write(self.now, batch, slower);
                self.schedule_event(index, at - self.now, Event::Written);
            }
            Effect::NeedEntropy { window } => {
                // Fresh bytes each time it is asked for, as the workers give.
                let (identity, count) = (self.nodes[index].config.identity, self.counter);
                let bytes = derive(&[b"entropy", &identity.0, &window.to_be_bytes(), &self.entropy_salt(index, count)]);
                let bytes = Zeroizing::new(bytes);
                self.schedule_event(index, 1, Event::Input(Input::Entropy { window, bytes }));
            }
            Effect::Run(job) => {
                let begun = (self.meter)();
                let coin = derive(&[b"coin", &self.counter.to_be_bytes()]);
                let result = self.ledger.run(job, &coin, self.metered == Some(index));
                self.nodes[index].worked += (self.meter)().saturating_sub(begun);
                let slower = if self.chaos.strikes(Fault::SlowWork) { self.chaos.rng.below(600) } else { 0 };
                self.schedule_event(index, 1 + slower, Event::Input(Input::Done(result)));
            }
            Effect::Publish { beacon, .. } => self.publish(index, &beacon),
            Effect::Request { id, to, request } => self.ask(index, id, to, request),
            Effect::Withheld(opening) => self.nodes[index].withheld.push(opening),
            Effect::Members(members) => self.nodes[index].members = members,
            Effect::NeedBundle { epoch, tickets } => {
                let (bundle, secrets) = self.make_bundle(index, epoch, tickets);
                self.schedule_event(index, 1, Event::Input(Input::Bundle { bundle: Box::new(bundle), secrets }));
            }
            Effect::EraseBundles { erase } => {
                self.check(&Seen::Erased { node: index, keys: &erase });
                self.nodes[index].config.bundles.retain(|bundle| !erase.contains(&bundle.voting.voting()));
            }
            Effect::Halt(halt) => {
                self.trace.note(self.now, index, "halt", &[], || format!("{halt:?}"));
                self.check(&Seen::Stopped { node: index, halt: &halt });
                self.nodes[index].halted = Some(halt);
                if self.adversaries.is_adversary(index) {
                    // What stops an honest node does not stop an adversary.
                    self.crash(index);
                    self.restart_later(index, 1_000);
                }
            }
        }
    }

    /// A member who exists only on paper, with a bundle for `epoch`.
    pub fn paper_member(&self, name: &[u8], epoch: u64, tickets: usize) -> (SecretKey, KeyBundle) {
        let key = keys::identity(name);
        let (bundle, _) = keys::bundle(&key, 0, &self.nodes[0].config.chain, epoch, tickets);
        (key, bundle)
    }

    /// Makes a bundle of the node's and keeps its secrets where crashes do not reach.
    pub fn make_bundle(&mut self, index: usize, epoch: u64, tickets: usize) -> (KeyBundle, Arc<BundleSecrets>) {
        let node = &mut self.nodes[index];
        let (bundle, secrets) = keys::bundle(&node.identity, node.store, &node.config.chain, epoch, tickets);
        let secrets = Arc::new(secrets);
        if node.config.bundles.iter().all(|other| other.voting.voting() != secrets.voting.voting()) {
            node.config.bundles.push(secrets.clone());
        }
        (bundle, secrets)
    }

    /// Calm networks get the same entropy whatever else happens, so that their outputs can be compared.
    fn entropy_salt(&self, index: usize, count: u64) -> [u8; 8] {
        if self.chaos.relays { count.to_be_bytes() } else { self.nodes[index].harvest.to_be_bytes() }
    }

    /// Takes note of the committees that a node knows.
    pub(super) fn learn_committees(&mut self, index: usize) {
        let Some(engine) = &self.nodes[index].engine else { return };
        let fresh: Vec<_> =
            engine.committees().filter(|known| !self.committees.contains_key(&known.epoch())).cloned().collect();
        for committee in fresh {
            self.note_committee(&committee);
            self.committees.insert(committee.epoch(), committee);
        }
    }

    fn publish(&mut self, index: usize, beacon: &Beacon) {
        let header = &beacon.header;
        self.trace.note(self.now, index, "certified", &header.hash().0, || format!("round {}", header.round));
        self.learn_committees(index);
        self.certified_at.insert((index, header.round), self.now);
        self.check(&Seen::Published { node: index, beacon });
        self.call_operator(index);
    }

    /// Shows the checkers what the engines hold.
    pub fn look(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].engine.is_some() {
                self.check(&Seen::Holds { node });
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
