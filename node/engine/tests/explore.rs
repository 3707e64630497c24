//! Every order of a short run, on the real engine, with four members.
//!
//! What a member does follows from what it was given and in which order, and messages stay in the network once they
//! are sent. So instead of all orders of the whole network, every state is visited that a member can be brought into by
//! any part of the messages that any member can be brought to send, in any order, its clock's hands moving at any point
//! between: a superset of every run of the network, with loss and partition. Each newly sent message is given to all
//! others again, until nothing new is sent and no new state is reached. States are told apart by all that the engine
//! prints of itself. What must hold is counted anew from the messages given, not asked of the engine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use beacon_engine::batch::{Recovered, Seq};
use beacon_engine::engine::{Config, Engine};
use beacon_engine::event::{Effect, Input, Message, Recipient, Step};
use beacon_spec::consensus::{ConsensusMessage, VoteKind};
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::schedule::Schedule;
use beacon_testnet::sim::ledger::Ledger;
use beacon_testnet::sim::post::describe;
use beacon_testnet::sim::{GENESIS_TIME, Net, Setup};
use zeroize::Zeroizing;

const MEMBERS: usize = 4;
/// Of four equal weights, more than two thirds.
const QUORUM: usize = 3;
const PERIOD: u64 = 1_000;
const LEAD: u64 = 500;

/// Something that can happen to a member.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Choice {
    /// A message of the pool arrives.
    Deliver(usize),
    /// The clock reaches this time.
    Clock(u64),
}

/// A message that somebody can be brought to send.
struct Pooled {
    from: usize,
    message: Message,
}

/// What is explored: where it begins, what the clock may show, and which messages are given.
struct Scene {
    configs: Vec<Config>,
    disks: Vec<Recovered>,
    schedule: Schedule,
    start: u64,
    times: Vec<u64>,
    given: fn(&Schedule, &Message) -> bool,
}

/// One member by itself. Disk and workers answer at once.
struct Local {
    engine: Engine,
    now: u64,
    durable: Seq,
    sent: Vec<Message>,
    inputs: VecDeque<Input>,
}

impl Local {
    fn start(scene: &Scene, member: usize, ledger: &mut Ledger) -> Local {
        let (config, disk) = (scene.configs[member].clone(), scene.disks[member].clone());
        let (engine, step) = Engine::recover(config, disk, scene.start);
        let mut local = Local { engine, now: scene.start, durable: 0, sent: Vec::new(), inputs: VecDeque::new() };
        local.execute(step, member, ledger);
        local.settle(member, ledger);
        local
    }

    fn feed(&mut self, input: Input, member: usize, ledger: &mut Ledger) {
        self.inputs.push_back(input);
        self.settle(member, ledger);
    }

    fn settle(&mut self, member: usize, ledger: &mut Ledger) {
        while let Some(input) = self.inputs.pop_front() {
            let step = self.engine.step(self.now, input);
            self.execute(step, member, ledger);
        }
    }

    fn execute(&mut self, step: Step, member: usize, ledger: &mut Ledger) {
        assert!(step.faults.is_empty(), "honest member {member} accuses: {:?}", step.faults);
        let mut held = Vec::new();
        for effect in step.effects {
            match effect {
                Effect::Send { to: Recipient::Gossip | Recipient::Members, message, after } => {
                    held.push((after, message))
                }
                Effect::Persist(batch) => {
                    self.durable = self.durable.max(batch.seq);
                    self.inputs.push_back(Input::Durable(batch.seq));
                }
                Effect::NeedEntropy { window } => {
                    let bytes = Zeroizing::new([member as u8; 32]);
                    self.inputs.push_back(Input::Entropy { window, bytes });
                }
                Effect::Run(job) => self.inputs.push_back(Input::Done(ledger.run(job, &[7; 32], false))),
                Effect::Halt(halt) => panic!("honest member {member} stops: {halt:?}"),
                _ => {}
            }
        }
        for (after, message) in held {
            assert!(after <= self.durable, "what a message depends on is written before it in the same step");
            self.sent.push(message);
        }
    }
}

/// All that an engine prints of itself, but for the numbers of its writes: all of them are on the disk at once.
fn state(engine: &Engine) -> String {
    ["seq: ", "durable: ", "after: "].iter().fold(format!("{engine:?}"), |text, name| {
        let mut pieces = text.split(name);
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |all, piece| all + piece.trim_start_matches(|c: char| c.is_ascii_digit()))
    })
}

fn id(message: &Message) -> Digest32 {
    Hasher::new(tag::STATUS).framed(&beacon_spec::codec::encode(message)).finish()
}

/// A visited state: how it was reached first, and how much of the pool has been tried there.
struct Visited {
    path: Vec<Choice>,
    now: u64,
    tried: usize,
    timed: bool,
}

struct Explorer<'a> {
    scene: &'a Scene,
    ledger: Ledger,
    pool: Vec<Pooled>,
    known: BTreeSet<Digest32>,
    states: Vec<BTreeMap<Digest32, Visited>>,
    steps: u64,
    check: fn(&Explorer, usize, &[Choice], &Local, &Message),
}

impl<'a> Explorer<'a> {
    fn new(scene: &'a Scene, check: fn(&Explorer, usize, &[Choice], &Local, &Message)) -> Self {
        let states = (0..MEMBERS).map(|_| BTreeMap::new()).collect();
        let (ledger, pool, known) = (Ledger::default(), Vec::new(), BTreeSet::new());
        Explorer { scene, ledger, pool, known, states, steps: 0, check }
    }

    /// Brings a member into the state at the end of a path; the messages of the last choice are looked at.
    fn play(&mut self, member: usize, path: &[Choice]) {
        let mut ledger = std::mem::take(&mut self.ledger);
        let mut local = Local::start(self.scene, member, &mut ledger);
        for choice in path {
            local.sent.clear();
            self.steps += 1;
            let input = match choice {
                Choice::Deliver(place) => {
                    let Pooled { from, message } = &self.pool[*place];
                    Input::Message { from: self.scene.configs[*from].identity, message: message.clone() }
                }
                Choice::Clock(time) => {
                    local.now = *time;
                    Input::Tick
                }
            };
            local.feed(input, member, &mut ledger);
        }
        self.ledger = ledger;
        for message in &local.sent {
            (self.check)(self, member, path, &local, message);
        }
        let key = Hasher::new(tag::STATUS).u64(local.now).framed(state(&local.engine).as_bytes()).finish();
        let now = local.now;
        self.states[member].entry(key).or_insert_with(|| Visited { path: path.to_vec(), now, tried: 0, timed: false });
        for message in local.sent {
            if (self.scene.given)(&self.scene.schedule, &message) && self.known.insert(id(&message)) {
                self.pool.push(Pooled { from: member, message });
            }
        }
    }

    /// What has not been tried in a state of the member, one state at a time.
    fn open(&mut self, member: usize) -> Option<(Vec<Choice>, Vec<Choice>)> {
        let pool = self.pool.len();
        let visited = self.states[member].values_mut().find(|visited| visited.tried < pool || !visited.timed)?;
        let mut choices: Vec<Choice> = (visited.tried..pool)
            .map(Choice::Deliver)
            .filter(|choice| !visited.path.contains(choice))
            .filter(|choice| !matches!(choice, Choice::Deliver(place) if self.pool[*place].from == member))
            .collect();
        if !visited.timed {
            let later = self.scene.times.iter().find(|time| **time > visited.now);
            choices.extend(later.map(|time| Choice::Clock(*time)));
        }
        visited.tried = pool;
        visited.timed = true;
        Some((visited.path.clone(), choices))
    }

    /// Visits everything; gives the number of states.
    fn explore(&mut self) -> usize {
        for member in 0..MEMBERS {
            self.play(member, &[]);
        }
        loop {
            let mut moved = false;
            for member in 0..MEMBERS {
                while let Some((path, choices)) = self.open(member) {
                    moved = true;
                    for choice in choices {
                        let next: Vec<Choice> = path.iter().copied().chain([choice]).collect();
                        self.play(member, &next);
                    }
                }
            }
            if !moved {
                return self.states.iter().map(BTreeMap::len).sum();
            }
        }
    }

    /// Messages given on a path.
    fn given<'b>(&'b self, path: &'b [Choice]) -> impl Iterator<Item = &'b Message> {
        path.iter().filter_map(|choice| match choice {
            Choice::Deliver(place) => Some(&self.pool[*place].message),
            Choice::Clock(_) => None,
        })
    }
}

fn setup(window: u64) -> Setup {
    Setup { weights: vec![1; MEMBERS], period: PERIOD, window, epoch_windows: 4, ..Setup::default() }
}

/// The gate, readies, shares and votes of a round: what a member may send after which messages.
fn rounds(explorer: &Explorer, member: usize, path: &[Choice], local: &Local, message: &Message) {
    let schedule = &explorer.scene.schedule;
    let opened = |round: u64| {
        let others = explorer.given(path).filter_map(|given| match given {
            Message::Opening(opening) if opening.round == round => Some(opening.member),
            Message::Ready(ready) if ready.round == round => Some(ready.member),
            _ => None,
        });
        others.chain([member as u16]).collect::<BTreeSet<u16>>().len()
    };
    let line = || format!("member {member} sends {} at {}", describe(message), local.now);
    match message {
        Message::Opening(beacon_spec::message::Opening { round, .. })
        | Message::Ready(beacon_spec::message::Ready { round, .. }) => {
            assert!(local.now >= schedule.time_of(*round).expect("a round has a time"), "{}", line());
            assert!(local.engine.head().0 + 1 >= *round, "{}", line());
        }
        Message::Shares(shares) => {
            assert!(opened(shares.round) >= QUORUM, "{} after {} gates", line(), opened(shares.round))
        }
        Message::Commitment(commitment) => {
            let body = &commitment.signed.body;
            let before = body.window.saturating_sub(2);
            assert!(before == 0 || local.engine.head().0 >= *schedule.rounds_of(before).end(), "{}", line());
            assert_eq!(body.epoch, schedule.epoch_of_window(body.window), "{}", line());
        }
        Message::HeaderVote(vote) => {
            let others = explorer.pool.iter().filter_map(|pooled| match &pooled.message {
                Message::HeaderVote(other) if other.round == vote.round => Some(other.header),
                _ => None,
            });
            assert!(others.into_iter().all(|header| header == vote.header), "{}: another header", line());
        }
        Message::Beacon(beacon) => {
            let round = beacon.header.round;
            let votes =
                explorer.given(path).filter(|given| matches!(given, Message::HeaderVote(vote) if vote.round == round));
            assert!(votes.count() + 1 >= QUORUM, "{}", line());
        }
        _ => {}
    }
}

/// Votes and windows: what a member may say in agreement after which messages.
fn windows(explorer: &Explorer, member: usize, path: &[Choice], local: &Local, message: &Message) {
    rounds(explorer, member, path, local, message);
    let votes = |kind: VoteKind| {
        let votes = explorer.given(path).filter(|given| match given {
            Message::Consensus(message) => {
                matches!(&**message, ConsensusMessage::Vote(signed) if signed.vote.kind == kind && signed.vote.height == 1)
            }
            _ => false,
        });
        votes.count() + 1
    };
    match message {
        Message::Consensus(message) => {
            assert!(message.height() <= 2, "agreement on window 3 waits for round 1");
            if let ConsensusMessage::Vote(signed) = &**message
                && signed.vote.kind == VoteKind::Precommit
                && signed.vote.height == 1
            {
                assert!(votes(VoteKind::Prevote) >= QUORUM, "member {member} precommits");
            }
        }
        Message::Commitment(commitment) if commitment.signed.body.window == 2 => {
            assert!(votes(VoteKind::Precommit) >= QUORUM, "member {member} deals for window 2");
        }
        Message::Opening(_) | Message::Ready(_) => panic!("the gate is open before the genesis time"),
        _ => {}
    }
}

/// Before the genesis time: every order of commitments, proposal and votes of the first window.
#[test]
fn agree_2_every_order_of_the_first_window() {
    let net = Net::new(&setup(1));
    let scene = Scene {
        configs: net.nodes.iter().map(|node| node.config.clone()).collect(),
        disks: (0..MEMBERS).map(|_| Recovered::default()).collect(),
        schedule: net.schedule,
        start: GENESIS_TIME - LEAD,
        times: Vec::new(),
        given: |_, message| match message {
            Message::Commitment(commitment) => commitment.signed.body.window == 1,
            Message::Consensus(message) => message.height() == 1,
            _ => false,
        },
    };
    let mut explorer = Explorer::new(&scene, windows);
    let states = explorer.explore();
    println!("windows: {states} states, {} messages, {} steps", explorer.pool.len(), explorer.steps);
    assert!(states > 500, "{states} states");
}
