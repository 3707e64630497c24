//! A deterministic network of agreement engines: virtual time, a seed, loss, delay, crashes at output boundaries.
//!
//! It plays the engine around [`Agree`]: answers requests for values and verdicts, keeps the log, serves decided heights
//! to who asks for old ones, and checks at every step what must never happen: two different signed messages of one
//! member and step on the wire, two decisions of one height, a certificate that does not verify.

use std::collections::BTreeMap;
use std::sync::Arc;

use beacon_engine::agree::{Agree, AgreeConfig, AgreeFault, AgreeHalt, Input, Output, Timeouts, Voter, WalEntry};
use beacon_spec::consensus::{CommitCertificate, ConsensusMessage, VoteKind};
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::keys::{SecretKey, Verifier};

pub const CHAIN: Digest32 = Digest32([7; 32]);
/// First byte of values that are valid and invalid for everyone.
pub const GOOD: u8 = 1;
pub const BAD: u8 = 0;

pub fn key(member: u16) -> SecretKey {
    let mut seed = [0x5a; 32];
    seed[..2].copy_from_slice(&member.to_be_bytes());
    SecretKey::from_seed(&seed)
}

pub fn voters(weights: &[u64]) -> Arc<[Voter]> {
    let voter = |(index, weight): (usize, &u64)| {
        let member = index as u16;
        let key = Verifier::new(&key(member).public()).expect("keys made from seeds are good");
        Voter { member, weight: *weight, key }
    };
    weights.iter().enumerate().map(voter).collect()
}

pub fn config() -> AgreeConfig {
    AgreeConfig { chain: CHAIN, timeouts: Timeouts { rebroadcast: 100, ..Timeouts::default() }, released: false }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// True with probability `permille` / 1000.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.next() % 1000 < permille
    }
}

/// Faults by name, and what the stand-in for the engine does.
pub struct Plan {
    pub weights: Vec<u64>,
    pub seed: u64,
    pub heights: u64,
    /// Per mille of messages lost.
    pub loss: u64,
    /// Milliseconds that a message takes: from, up to.
    pub delay: (u64, u64),
    /// Milliseconds until a verdict, by member.
    pub verdict_after: Vec<u64>,
    /// Members whose first value of each height is invalid for the others.
    pub proposes_bad: Vec<u16>,
    /// Members that never run.
    pub down: Vec<u16>,
    /// Member and the count of outputs after which it crashes.
    pub crash_at: Option<(u16, u64)>,
    /// Per mille of outputs before which a member crashes.
    pub crash_rate: u64,
    /// The planted bug: a restart does not get its log.
    pub forget_log: bool,
    /// The planted bug: so many entries that had to be durable are not when a crash comes.
    pub unflushed: usize,
    /// Whether decided heights are served to who is behind.
    pub sync: bool,
    /// Drops a message (from, to).
    pub drops: fn(u16, u16, &ConsensusMessage) -> bool,
}

impl Plan {
    pub fn new(weights: &[u64], heights: u64, seed: u64) -> Self {
        Plan {
            weights: weights.to_vec(),
            seed,
            heights,
            loss: 0,
            delay: (1, 20),
            verdict_after: vec![1; weights.len()],
            proposes_bad: Vec::new(),
            down: Vec::new(),
            crash_at: None,
            crash_rate: 0,
            forget_log: false,
            unflushed: 0,
            sync: true,
            drops: |_, _, _| false,
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Deliver { to: u16, life: Option<u32>, input: Input },
    Start { member: u16, life: u32 },
}

struct Node {
    agree: Option<Agree>,
    /// Counts restarts; answers of an earlier life do not arrive.
    life: u32,
    height: u64,
    log: Vec<WalEntry>,
    /// Entries of the log before the last message that left: these must be durable, later ones may be.
    synced: usize,
    outputs: u64,
}

/// What one member put on the wire for one step.
type Slot = (u16, u64, u32, u8);

pub struct Net {
    plan: Plan,
    voters: Arc<[Voter]>,
    rng: Rng,
    pub now: u64,
    serial: u64,
    queue: BTreeMap<(u64, u64), Event>,
    nodes: Vec<Node>,
    wire: BTreeMap<Slot, Digest32>,
    /// Steps for which a member sent two different signed messages.
    pub conflicts: Vec<Slot>,
    pub decisions: BTreeMap<u64, (Vec<u8>, CommitCertificate)>,
    /// (member, height) → when it decided.
    pub decided_at: BTreeMap<(u16, u64), u64>,
    pub sent: Vec<(u64, u16, ConsensusMessage)>,
    pub faults: Vec<(u16, AgreeFault)>,
    pub halts: Vec<(u16, AgreeHalt)>,
    pub crashes: u64,
    transcript: Hasher,
}

impl Net {
    pub fn new(plan: Plan) -> Self {
        let node = || Node { agree: None, life: 0, height: 1, log: Vec::new(), synced: 0, outputs: 0 };
        let nodes = plan.weights.iter().map(|_| node()).collect();
        let mut net = Net {
            voters: voters(&plan.weights),
            rng: Rng(plan.seed),
            plan,
            now: 0,
            serial: 0,
            queue: BTreeMap::new(),
            nodes,
            wire: BTreeMap::new(),
            conflicts: Vec::new(),
            decisions: BTreeMap::new(),
            decided_at: BTreeMap::new(),
            sent: Vec::new(),
            faults: Vec::new(),
            halts: Vec::new(),
            crashes: 0,
            transcript: Hasher::new(tag::STATUS),
        };
        for member in 0..net.nodes.len() as u16 {
            if !net.plan.down.contains(&member) {
                net.at(0, Event::Start { member, life: 0 });
            }
        }
        net
    }

    fn at(&mut self, after: u64, event: Event) {
        self.serial += 1;
        self.queue.insert((self.now + after, self.serial), event);
    }

    fn live(&self) -> impl Iterator<Item = u16> {
        (0..self.nodes.len() as u16).filter(|member| !self.plan.down.contains(member))
    }

    /// Whether every member that runs has decided every height.
    pub fn done(&self) -> bool {
        self.live().all(|member| self.decided_at.contains_key(&(member, self.plan.heights)))
    }

    /// Runs until all is decided or `limit` milliseconds have passed; gives the transcript's hash.
    pub fn run(&mut self, limit: u64) -> Digest32 {
        while !self.done() && self.now < limit && self.advance() {}
        self.transcript.clone().finish()
    }

    fn advance(&mut self) -> bool {
        let timer = |(member, node): (usize, &Node)| {
            let deadline = node.agree.as_ref().and_then(Agree::deadline)?;
            Some((deadline, member))
        };
        let timer = self.nodes.iter().enumerate().filter_map(timer).min();
        let event = self.queue.keys().next().copied();
        match (event, timer) {
            (None, None) => return false,
            (Some(key), timer) if timer.is_none_or(|(at, _)| key.0 <= at) => {
                self.now = key.0;
                let event = self.queue.remove(&key).expect("the key was just read");
                self.happen(event);
            }
            (_, Some((at, member))) => {
                self.now = self.now.max(at);
                let now = self.now;
                let agree = self.nodes[member].agree.as_mut().expect("only running engines have timers");
                let outputs = agree.on_time(now);
                self.outputs(member as u16, outputs);
            }
            (Some(_), None) => unreachable!("the second arm takes events when there is no timer"),
        }
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start { member, life } if life == self.nodes[member as usize].life => self.start(member),
            Event::Start { .. } => {}
            Event::Deliver { to, life, input } => {
                let node = &mut self.nodes[to as usize];
                if life.is_some_and(|life| life != node.life) {
                    return;
                }
                self.serve_old(to, &input);
                let now = self.now;
                if let Some(agree) = &mut self.nodes[to as usize].agree {
                    let outputs = agree.handle(now, input);
                    self.outputs(to, outputs);
                }
            }
        }
    }

    /// A message of a height that the receiver has decided: its sender is behind and gets the decision.
    fn serve_old(&mut self, to: u16, input: &Input) {
        let Input::Message { from, message } = input else { return };
        let height = message.height();
        if !self.plan.sync || !self.decided_at.contains_key(&(to, height)) {
            return;
        }
        let (value, certificate) = self.decisions[&height].clone();
        let input = Input::Decided { value, certificate };
        self.at(5, Event::Deliver { to: *from, life: None, input });
    }

    fn start(&mut self, member: u16) {
        let (now, voters) = (self.now, self.voters.clone());
        let node = &mut self.nodes[member as usize];
        let log = if self.plan.forget_log { Vec::new() } else { node.log.clone() };
        let agree = node.agree.get_or_insert_with(|| Agree::new(config()));
        let outputs = agree.start_height(now, node.height, voters, Some((member, key(member))), log);
        self.outputs(member, outputs);
    }

    fn crashes_now(&mut self, member: u16) -> bool {
        let count = self.nodes[member as usize].outputs;
        self.nodes[member as usize].outputs += 1;
        self.plan.crash_at == Some((member, count)) || self.rng.chance(self.plan.crash_rate)
    }

    fn crash(&mut self, member: u16) {
        self.crashes += 1;
        let luck = self.rng.next() as usize;
        let node = &mut self.nodes[member as usize];
        let durable = node.synced + luck % (node.log.len() - node.synced + 1);
        node.log.truncate(durable.saturating_sub(self.plan.unflushed));
        node.synced = node.log.len();
        node.agree = None;
        node.life += 1;
        let life = node.life;
        self.at(50, Event::Start { member, life });
    }

    fn outputs(&mut self, member: u16, outputs: Vec<Output>) {
        for output in outputs {
            if self.crashes_now(member) {
                return self.crash(member);
            }
            let line = format!("{} {member} {output:?}", self.now);
            self.transcript = self.transcript.clone().framed(line.as_bytes());
            self.output(member, output);
        }
    }

    fn output(&mut self, member: u16, output: Output) {
        let life = Some(self.nodes[member as usize].life);
        match output {
            Output::Wal(entry) => self.nodes[member as usize].log.push(entry),
            Output::Send { message } => self.send(member, message),
            Output::NeedValue { height, round } => {
                let good = round > 0 || !self.plan.proposes_bad.contains(&member);
                let mut value = vec![if good { GOOD } else { BAD }];
                value.extend(self.rng.next().to_be_bytes());
                self.at(1, Event::Deliver { to: member, life, input: Input::Propose { height, round, value } });
            }
            Output::Validate { height, round, value_id, value, .. } => {
                let valid = value.first() == Some(&GOOD);
                let input = Input::Validity { height, round, value_id, valid };
                self.at(self.plan.verdict_after[member as usize], Event::Deliver { to: member, life, input });
            }
            Output::Decide { height, value, certificate, .. } => self.decide(member, height, value, certificate),
            Output::Fault(fault) => self.faults.push((member, fault)),
            Output::Halt(reason) => self.halts.push((member, reason)),
        }
    }

    fn send(&mut self, from: u16, message: ConsensusMessage) {
        self.observe(from, &message);
        let node = &mut self.nodes[from as usize];
        node.synced = node.log.len();
        for to in 0..self.nodes.len() as u16 {
            let lost = self.rng.chance(self.plan.loss) || (self.plan.drops)(from, to, &message);
            if to == from || lost {
                continue;
            }
            let (least, most) = self.plan.delay;
            let after = least + self.rng.next() % (most - least + 1);
            let input = Input::Message { from, message: message.clone() };
            self.at(after, Event::Deliver { to, life: None, input });
        }
        self.sent.push((self.now, from, message));
    }

    /// The eye on the wire, which forgets nothing when a member does.
    fn observe(&mut self, from: u16, message: &ConsensusMessage) {
        let (member, kind, digest) = match message {
            ConsensusMessage::Vote(signed) => {
                let kind = if signed.vote.kind == VoteKind::Prevote { 1 } else { 2 };
                (signed.vote.member, kind, signed.vote.digest(&CHAIN))
            }
            ConsensusMessage::Proposal(signed) => (signed.proposal.member, 0, signed.proposal.digest(&CHAIN)),
            _ => return,
        };
        let slot = (member, message.height(), message.round(), kind);
        if member == from && *self.wire.entry(slot).or_insert(digest) != digest {
            self.conflicts.push(slot);
        }
    }

    fn decide(&mut self, member: u16, height: u64, value: Vec<u8>, certificate: CommitCertificate) {
        let voters = self.voters.clone();
        let total = voters.iter().map(|voter| voter.weight).sum();
        let voter = |index: u16| voters.get(index as usize).map(|voter| (voter.weight, &voter.key));
        certificate.verify(&CHAIN, voter, total).expect("a decision comes with a quorum's precommits");
        assert_eq!(beacon_spec::consensus::value_id(&value), certificate.value_id);
        let first = self.decisions.entry(height).or_insert((value.clone(), certificate));
        if !self.plan.forget_log && self.plan.unflushed == 0 {
            assert_eq!(first.0, value, "two decisions of height {height}");
        }
        self.decided_at.entry((member, height)).or_insert(self.now);
        let node = &mut self.nodes[member as usize];
        assert_eq!(node.height, height);
        if height < self.plan.heights {
            node.height += 1;
            node.log.clear();
            node.synced = 0;
            let life = node.life;
            self.at(10, Event::Start { member, life });
        }
    }
}
