//! One member by itself: its engine, disk and key store, and what it has been given and has said in all its lives.
//!
//! Workers and entropy answer at once: an answer that comes later is a message, a write or a crash that comes earlier.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use beacon_engine::batch::{Batch, Record, Seq};
use beacon_engine::engine::{Config, Engine};
use beacon_engine::event::{Effect, Input, Message, Recipient, Step};
use beacon_engine::job::{Job, JobResult};
use beacon_spec::consensus::{ConsensusMessage, VoteKind};
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::keys::VotingKey;
use beacon_spec::message::Commitment;
use beacon_testnet::sim::ledger::Ledger;
use beacon_testnet::sim::{Disk, Net};
use zeroize::Zeroizing;

use super::Scene;

/// Where a member says one thing at most: who, what, which window, height or round, and which round of agreement.
pub type Place = (u16, &'static str, u64, u32);

/// The place of a message that must be alone there, and what tells it from another.
pub fn place(chain: &Digest32, message: &Message) -> Option<(Place, Digest32)> {
    Some(match message {
        Message::Commitment(commitment) => {
            let body = &commitment.signed.body;
            ((body.member, "commitment", body.window, 0), body.hash(chain))
        }
        Message::Opening(opening) => ((opening.member, "opening", opening.round, 0), Digest32(opening.d.0)),
        Message::Ready(ready) => ((ready.member, "ready", ready.round, 0), Digest32::ZERO),
        Message::HeaderVote(vote) => ((vote.member, "header vote", vote.round, 0), vote.header),
        Message::Consensus(message) => match &**message {
            ConsensusMessage::Vote(signed) => {
                let vote = &signed.vote;
                let kind = match vote.kind {
                    VoteKind::Prevote => "prevote",
                    VoteKind::Precommit => "precommit",
                };
                ((vote.member, kind, vote.height, vote.round), vote.digest(chain))
            }
            ConsensusMessage::Proposal(signed) => {
                let proposal = &signed.proposal;
                ((proposal.member, "proposal", proposal.height, proposal.round), proposal.digest(chain))
            }
            _ => return None,
        },
        _ => return None,
    })
}

/// A commitment with the one-time keys of its dealings.
type Dealt = (Commitment, Zeroizing<Vec<[u8; 32]>>);

/// Work that members have in common: the same job has the same result, so it is done once.
pub struct Works {
    pub ledger: Ledger,
    /// By member, window and seed.
    dealt: BTreeMap<(u16, u64, [u8; 32]), Dealt>,
    /// Makes the bundles that members ask for.
    net: Net,
}

impl Works {
    pub fn new(net: Net) -> Works {
        Works { ledger: Ledger::default(), dealt: BTreeMap::new(), net }
    }

    fn run(&mut self, job: Job) -> JobResult {
        let Job::Deal(deal) = job else { return self.ledger.run(job, &[7; 32], false) };
        let (window, key) = (deal.window, (deal.member, deal.window, *deal.seed));
        if let Some((commitment, openings)) = self.dealt.get(&key) {
            return JobResult::Dealt { window, commitment: Box::new(commitment.clone()), openings: openings.clone() };
        }
        let result = self.ledger.run(Job::Deal(deal), &[7; 32], false);
        if let JobResult::Dealt { commitment, openings, .. } = &result {
            self.dealt.insert(key, ((**commitment).clone(), openings.clone()));
        }
        result
    }
}

/// A message that left, and whether the member had said nothing in its place before.
pub struct Left {
    pub message: Message,
    pub fresh: bool,
}

pub struct Local {
    pub member: usize,
    pub engine: Engine,
    pub now: u64,
    /// The newest round that it has certified in this life.
    pub head: u64,
    /// Its bundles are the key store: what a start finds there.
    pub config: Config,
    /// What a power cut leaves for certain.
    pub disk: Disk,
    disk_print: Print,
    log_print: Print,
    /// Handed to the disk and not written, oldest first.
    pending: VecDeque<Batch>,
    /// Written and reported, but not synced: a power cut takes it or leaves it.
    unsynced: Vec<Batch>,
    /// The last batch that was reported.
    durable: Seq,
    /// Messages that wait for a batch.
    held: Vec<(Seq, Message)>,
    inputs: VecDeque<Input>,
    /// Messages of the pool that this life was given, and those of agreement that any life was given: the log keeps them.
    pub given: BTreeSet<usize>,
    pub ever: BTreeSet<usize>,
    /// What left since the last choice.
    pub left: Vec<Left>,
    /// Everything said, in all lives.
    pub said: BTreeMap<Place, Digest32>,
    /// Shares released, by round and dealer.
    pub shared: BTreeSet<(u64, u16)>,
    /// When the gates of a quorum had been seen, by round.
    pub quorum_at: BTreeMap<u64, u64>,
    /// Voting keys that were erased.
    pub erased: BTreeSet<VotingKey>,
    /// Power cuts that may still come.
    pub cuts: u32,
    harvests: BTreeMap<u64, u64>,
    /// Whether what is given was forged, so that who brings it may be blamed.
    pub may_accuse: bool,
    /// The first promise broken that can be seen from here.
    pub broken: Option<String>,
}

impl Local {
    pub fn start(scene: &Scene, member: usize, works: &mut Works) -> Local {
        let (config, disk) = (scene.configs[member].clone(), scene.disks[member].clone());
        let (engine, step) = Engine::recover(config.clone(), disk.recovered(&scene.schedule), scene.start);
        let chain = config.chain;
        let mut local = Local {
            member,
            engine,
            now: scene.start,
            head: 0,
            disk_print: 0,
            log_print: 0,
            config,
            disk,
            pending: VecDeque::new(),
            unsynced: Vec::new(),
            durable: 0,
            held: Vec::new(),
            inputs: VecDeque::new(),
            given: BTreeSet::new(),
            ever: BTreeSet::new(),
            left: Vec::new(),
            said: scene.said[member].iter().filter_map(|message| place(&chain, message)).collect(),
            shared: BTreeSet::new(),
            quorum_at: BTreeMap::new(),
            erased: BTreeSet::new(),
            cuts: scene.crashes,
            harvests: BTreeMap::new(),
            may_accuse: false,
            broken: None,
        };
        local.head = local.tip();
        local.look_at_disk(scene);
        local.execute(step, scene, works);
        local.settle(scene, works);
        local
    }

    pub fn feed(&mut self, input: Input, scene: &Scene, works: &mut Works) {
        self.inputs.push_back(input);
        self.settle(scene, works);
    }

    fn settle(&mut self, scene: &Scene, works: &mut Works) {
        while let Some(input) = self.inputs.pop_front() {
            let step = self.engine.step(self.now, input);
            self.execute(step, scene, works);
        }
    }

    fn execute(&mut self, step: Step, scene: &Scene, works: &mut Works) {
        if let Some(fault) = step.faults.first().filter(|_| !self.may_accuse) {
            self.break_promise(format!("accuses honest members: {fault:?}"));
        }
        for effect in step.effects {
            match effect {
                Effect::Send { to: Recipient::Gossip | Recipient::Members, message, after } => {
                    if after <= self.durable {
                        self.leave(message);
                    } else {
                        self.held.push((after, message));
                    }
                }
                Effect::Persist(batch) => {
                    let decides = batch.records.iter().any(|record| matches!(record, Record::Decision(_)));
                    if scene.writes.lie && decides {
                        self.report(batch.seq);
                    }
                    self.pending.push_back(batch);
                }
                Effect::NeedEntropy { window } => {
                    // Other bytes each time, as workers give them; the first are those of the calm network.
                    let count = self.harvests.entry(window).or_default();
                    let bytes = Hasher::new(tag::STATUS)
                        .framed(b"entropy")
                        .framed(&self.config.identity.0)
                        .framed(&window.to_be_bytes())
                        .framed(&count.to_be_bytes())
                        .finish();
                    *count += 1;
                    let bytes = Zeroizing::new(bytes.0);
                    self.inputs.push_back(Input::Entropy { window, bytes });
                }
                Effect::Run(job) => self.inputs.push_back(Input::Done(works.run(job))),
                Effect::NeedBundle { epoch, tickets } if scene.registers => {
                    let (bundle, secrets) = works.net.make_bundle(self.member, epoch, tickets);
                    let voting = secrets.voting.voting();
                    if self.config.bundles.iter().all(|other| other.voting.voting() != voting) {
                        self.config.bundles.push(secrets.clone());
                    }
                    self.inputs.push_back(Input::Bundle { bundle: Box::new(bundle), secrets });
                }
                Effect::Publish { beacon, .. } => self.head = beacon.header.round,
                Effect::EraseBundles { erase } => self.erase(&erase, scene),
                Effect::Halt(halt) => self.break_promise(format!("stops: {halt:?}")),
                _ => {}
            }
        }
        // What asks for no sync is written as it comes, unless something waits before it.
        while self.pending.front().is_some_and(|batch| scene.writes.depth == 0 || !batch.sync) {
            self.write(scene);
        }
    }

    /// The newest round on the disk.
    pub fn tip(&self) -> u64 {
        self.disk.rounds.keys().next_back().copied().unwrap_or(0)
    }

    fn break_promise(&mut self, what: String) {
        let member = self.member;
        self.broken.get_or_insert(format!("member {member} {what}"));
    }

    /// A message leaves: nothing else may have been said in its place in any life. Messages of others are only passed on.
    fn leave(&mut self, message: Message) {
        let own = place(&self.config.chain, &message).filter(|(place, _)| usize::from(place.0) == self.member);
        let before = own.and_then(|(place, _)| self.said.get(&place).copied());
        if let Some((place, digest)) = own {
            self.said.entry(place).or_insert(digest);
            if before.is_some_and(|before| before != digest) {
                let (_, what, number, round) = place;
                self.break_promise(format!("says two things in one place: {what} {number}/{round}"));
            }
        }
        if let Message::Shares(shares) = &message {
            self.shared.extend(shares.dealers.iter().map(|dealer| (shares.round, dealer.dealer)));
        }
        self.left.push(Left { message, fresh: before.is_none() });
    }

    /// The engine is told that a batch is durable, and what waited for it leaves.
    fn report(&mut self, seq: Seq) {
        self.durable = seq;
        let (ready, held) = std::mem::take(&mut self.held).into_iter().partition(|(after, _)| *after <= seq);
        self.held = held;
        let ready: Vec<(Seq, Message)> = ready;
        ready.into_iter().for_each(|(_, message)| self.leave(message));
        self.inputs.push_back(Input::Durable(seq));
    }

    /// The oldest batch that waits is written; one that asks for it is synced, with all before it.
    fn write(&mut self, scene: &Scene) {
        let Some(batch) = self.pending.pop_front() else { return };
        let (seq, sync) = (batch.seq, batch.sync);
        self.unsynced.push(batch);
        if sync {
            self.sync(scene);
        }
        if seq > self.durable {
            self.report(seq);
        }
    }

    /// What a start would find. Certificates of rounds are left out: nothing may be derived from their bytes.
    fn look_at_disk(&mut self, scene: &Scene) {
        let found = self.disk.recovered(&scene.schedule);
        let chain = &self.config.chain;
        let tip = found.tip.map_or(Digest32::ZERO, |(beacon, _)| beacon.header.hash());
        let seeds: Vec<(u64, [u8; 32])> = found.seeds.iter().map(|(window, seed)| (*window, *seed.0)).collect();
        let hashes: Vec<Digest32> =
            found.commitments.iter().map(|commitment| commitment.signed.body.hash(chain)).collect();
        let epochs: Vec<u64> = found.committees.iter().map(|list| list.epoch).collect();
        let registry = found.registry.map(|registry| registry.hash());
        let kept = format!("{tip}{:?}{registry:?}{seeds:?}{hashes:?}{epochs:?}", found.decisions);
        self.disk_print = fingerprint(&[&kept, &found.silent_through.to_string()]);
        self.log_print = fingerprint(&[&format!("{:?}", found.wal)]);
    }

    pub fn write_oldest(&mut self, scene: &Scene, works: &mut Works) {
        self.write(scene);
        while self.pending.front().is_some_and(|batch| !batch.sync) {
            self.write(scene);
        }
        self.settle(scene, works);
    }

    fn sync(&mut self, scene: &Scene) {
        for record in self.unsynced.drain(..).flat_map(|batch| batch.records) {
            self.disk.apply(record);
        }
        self.look_at_disk(scene);
    }

    /// Secrets are erased for good: a header of a later epoch must be on the disk. [epoch-9]
    fn erase(&mut self, erase: &[VotingKey], scene: &Scene) {
        let newest = scene.schedule.epoch_of(self.tip());
        let early =
            self.config.bundles.iter().find(|held| erase.contains(&held.voting.voting()) && held.epoch >= newest);
        if let Some(early) = early {
            let epoch = early.epoch;
            self.break_promise(format!("erases its keys of epoch {epoch} with no header of a later one on disk"));
        }
        self.config.bundles.retain(|bundle| !erase.contains(&bundle.voting.voting()));
        self.erased.extend(erase);
    }

    /// The power is cut: what was not synced is gone, or what of it was written is kept. Then the member starts again.
    pub fn crash(&mut self, kept: bool, scene: &Scene, works: &mut Works) {
        if kept {
            self.sync(scene);
        }
        self.unsynced.clear();
        self.pending.clear();
        self.held.clear();
        self.inputs.clear();
        self.given.clear();
        self.quorum_at.clear();
        self.durable = 0;
        self.cuts -= 1;
        self.head = self.tip();
        let recovered = self.disk.recovered(&scene.schedule);
        let (engine, step) = Engine::recover(self.config.clone(), recovered, self.now);
        self.engine = engine;
        self.execute(step, scene, works);
        self.settle(scene, works);
    }

    pub fn writes_wait(&self) -> usize {
        self.pending.len()
    }

    pub fn may_lose(&self) -> bool {
        !self.unsynced.is_empty()
    }

    /// All that the member's future follows from, but for what it was given: engine, disk, key store, what waits for the
    /// disk, and what must not be contradicted.
    pub fn core(&self) -> Print {
        let keys: Vec<VotingKey> = self.config.bundles.iter().map(|bundle| bundle.voting.voting()).collect();
        let held: Vec<(Seq, &Message)> =
            self.held.iter().map(|(after, message)| (after.saturating_sub(self.durable), message)).collect();
        // The log is read by a start, and holds in their order things whose order means nothing otherwise.
        let log = if self.cuts > 0 { Some((&self.unsynced, self.log_print)) } else { None };
        let waiting = (&self.pending, held, log);
        let past = (&self.said, &self.shared, &self.quorum_at, &self.erased, self.cuts, &self.harvests);
        let numbered = relative(&format!("{:?}{waiting:?}", self.engine), self.durable);
        fingerprint(&[&numbered, &format!("{}{}{keys:?}{past:?}", self.now, self.disk_print)])
    }
}

/// Tells states apart: 128 bits.
pub type Print = u128;

pub fn fingerprint(texts: &[&str]) -> Print {
    let hash = |first: u8| {
        let mut hasher = DefaultHasher::new();
        (first, texts).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    hash(0) << 64 | hash(1)
}

/// Numbers of batches count from the last one that was reported: an engine compares them with it and with nothing else.
fn relative(text: &str, durable: Seq) -> String {
    let mut all = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(colon) = rest.find(": ") {
        let (name, after) = rest.split_at(colon + 2);
        all.push_str(name);
        rest = after;
        if ["seq: ", "durable: ", "after: "].iter().any(|numbered| name.ends_with(numbered)) {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let number: Seq = after[..digits].parse().unwrap_or(0);
            all.push_str(&number.saturating_sub(durable).to_string());
            rest = &after[digits..];
        }
    }
    all + rest
}
