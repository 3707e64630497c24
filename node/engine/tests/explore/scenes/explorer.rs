//! Every state of every member, breadth first.
//!
//! Two orders are taken for one when the engine, the disk, the key store, what waits, what was said and what was given
//! are the same after them: then what follows, and what the rules make of it, is the same too. A message that changed
//! nothing is not counted as given: the rules only become stricter by that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use beacon_engine::event::{Input, Message};
use beacon_spec::consensus::value_id;
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::sabotage::aside;
use beacon_testnet::sim::Net;
use beacon_testnet::sim::post::describe;

use super::local::{Local, Place, Print, Works, fingerprint, place};
use super::rules::{Sight, Verdict};
use super::{MEMBERS, Scene, setup};

/// Something that can happen to a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// A message of the pool arrives.
    Deliver(usize),
    /// The clock reaches this time.
    Clock(u64),
    /// The oldest batch that waits is written.
    Write,
    /// The power is cut, and what was written without being synced is kept or lost.
    Crash { kept: bool },
}

/// A message that somebody can be brought to send.
pub struct Pooled {
    pub from: usize,
    pub message: Message,
    forged: bool,
    place: Option<(Place, Digest32)>,
}

struct Visited {
    path: Vec<Choice>,
    core: Print,
    /// How much of the pool has been tried here, and whether everything else has.
    tried: usize,
    moved: bool,
    /// The member as it came here, if it was kept: it need not be brought here again.
    local: Option<Box<Local>>,
}

/// What was found, for reports and so that no scene becomes empty unnoticed.
#[derive(Debug, Default)]
pub struct Found {
    pub states: usize,
    pub transitions: u64,
    pub depth: usize,
    /// Messages that left in some state, by kind.
    pub left: BTreeMap<&'static str, u64>,
    /// Messages in the pool.
    pub pool: usize,
    /// States in which keys were erased, and states after a power cut.
    pub erased: usize,
    /// The newest round that was certified in any state.
    pub head: u64,
    pub restarted: usize,
}

/// A broken promise and the order of events that breaks it.
pub struct Violation {
    pub what: String,
    pub order: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after: {}", self.what, self.order.join("; "))
    }
}

/// Members that are kept where they came to; the others are brought there again, which takes the time of their paths.
const KEPT: usize = 300;

struct Explorer<'a> {
    scene: &'a Scene,
    works: Works,
    pool: Vec<Pooled>,
    known: BTreeSet<Digest32>,
    states: Vec<Vec<Visited>>,
    keys: Vec<BTreeSet<Print>>,
    /// What is certified and decided in any state: there is one of each.
    headers: BTreeMap<u64, Digest32>,
    values: BTreeMap<u64, Digest32>,
    found: Found,
    kept: usize,
}

/// Beacons of one header count as one, whatever their certificates: nothing may be derived from these.
fn id(message: &Message) -> Digest32 {
    let hasher = Hasher::new(tag::STATUS);
    match message {
        Message::Beacon(beacon) => hasher.fixed(&beacon.header.hash().0).finish(),
        other => hasher.framed(&beacon_spec::codec::encode(other)).finish(),
    }
}

fn kind(message: &Message) -> &'static str {
    match message {
        Message::Commitment(_) => "commitment",
        Message::Opening(_) => "opening",
        Message::Ready(_) => "ready",
        Message::Shares(_) => "shares",
        Message::HeaderVote(_) => "header vote",
        Message::Beacon(_) => "beacon",
        Message::Consensus(_) => "agreement",
        _ => "other",
    }
}

/// The header that a message stands for.
fn header(message: &Message) -> Option<(u64, Digest32)> {
    match message {
        Message::HeaderVote(vote) => Some((vote.round, vote.header)),
        Message::Beacon(beacon) => Some((beacon.header.round, beacon.header.hash())),
        _ => None,
    }
}

/// Visits everything, or says what is broken first.
pub fn explore(scene: &Scene) -> Result<Found, Violation> {
    let mut explorer = Explorer {
        scene,
        works: Works::new(Net::new(&setup(scene.schedule.epoch_windows))),
        pool: Vec::new(),
        known: BTreeSet::new(),
        states: (0..MEMBERS).map(|_| Vec::new()).collect(),
        keys: (0..MEMBERS).map(|_| BTreeSet::new()).collect(),
        headers: BTreeMap::new(),
        values: BTreeMap::new(),
        found: Found::default(),
        kept: 0,
    };
    for (from, message) in &scene.calm {
        explorer.learn(*from, message);
        explorer.headers.extend(header(message));
    }
    let forged = |(from, message): &(usize, Message)| Pooled {
        from: *from,
        message: message.clone(),
        forged: true,
        place: None,
    };
    explorer.pool.extend(scene.forged.iter().map(forged));
    for member in scene.members.clone() {
        let local = explorer.replay(member, &[]);
        explorer.arrive(local, &[])?;
    }
    // New messages open old states again, so this ends when a whole pass finds nothing to try.
    while explorer.pass()? {}
    explorer.found.states = explorer.states.iter().map(Vec::len).sum();
    explorer.found.pool = explorer.pool.len();
    Ok(explorer.found)
}

impl Explorer<'_> {
    fn pass(&mut self) -> Result<bool, Violation> {
        let mut moved = false;
        for member in self.scene.members.clone() {
            let mut number = 0;
            while number < self.states[member].len() {
                moved |= self.expand(member, number)?;
                number += 1;
            }
        }
        Ok(moved)
    }

    /// Tries in one state of a member what has not been tried there.
    fn expand(&mut self, member: usize, number: usize) -> Result<bool, Violation> {
        let pool = self.pool.len();
        let state = &mut self.states[member][number];
        let (path, core, tried, moved) = (state.path.clone(), state.core, state.tried, state.moved);
        if tried == pool && moved {
            return Ok(false);
        }
        (state.tried, state.moved) = (pool, true);
        let kept = self.states[member][number].local.take();
        self.kept -= usize::from(kept.is_some());
        let local = kept.map_or_else(|| self.replay(member, &path), |local| *local);
        let choices = self.choices(&local, tried..pool, !moved);
        let mut unchanged = Some(local);
        for choice in choices {
            let mut local = unchanged.take().unwrap_or_else(|| self.replay(member, &path));
            let (head, ever) = (local.head, local.ever.clone());
            self.apply(&mut local, choice);
            self.found.transitions += 1;
            let next: Vec<Choice> = path.iter().copied().chain([choice]).collect();
            if let Choice::Deliver(place) = choice
                && local.left.is_empty()
                && local.broken.is_none()
                && local.core() == core
            {
                local.given.remove(&place);
                local.ever = ever;
                unchanged = Some(local);
                continue;
            }
            if let Choice::Deliver(place) = choice {
                let verdict = self.may_change(&local, place, head);
                self.verdict(member, &next, verdict)?;
            }
            self.arrive(local, &next)?;
        }
        Ok(true)
    }

    fn may_change(&self, local: &Local, number: usize, head: u64) -> Verdict {
        let Pooled { message, forged, .. } = &self.pool[number];
        match forged {
            true => Err(format!("member {} takes a forged {}", local.member, describe(message))),
            false => self.sight(local).may_change(message, head),
        }
    }

    fn choices(&self, local: &Local, fresh: std::ops::Range<usize>, others: bool) -> Vec<Choice> {
        let mut choices = Vec::new();
        if local.writes_wait() < self.scene.writes.depth.max(1) {
            choices.extend(fresh.filter(|place| self.may_arrive(local, *place)).map(Choice::Deliver));
        }
        if others {
            let later = self.scene.times.iter().find(|time| **time > local.now);
            choices.extend(later.map(|time| Choice::Clock(*time)));
            choices.extend((local.writes_wait() > 0).then_some(Choice::Write));
            if local.cuts > 0 {
                choices.push(Choice::Crash { kept: false });
                choices.extend(local.may_lose().then_some(Choice::Crash { kept: true }));
            }
        }
        choices
    }

    /// A message of somebody else that this life was not given, and that contradicts nothing it was given: no member says
    /// two things in one place, so no run has both.
    fn may_arrive(&self, local: &Local, number: usize) -> bool {
        let pooled = &self.pool[number];
        let contradicts = |other: &usize| match (&pooled.place, &self.pool[*other].place) {
            (Some((place, one)), Some((same, other))) => place == same && one != other,
            _ => false,
        };
        // Others have the same beacon.
        let others = pooled.from != local.member || matches!(pooled.message, Message::Beacon(_));
        others && !local.given.contains(&number) && !local.given.iter().any(contradicts)
    }

    fn apply(&mut self, local: &mut Local, choice: Choice) {
        local.left.clear();
        local.may_accuse = false;
        match choice {
            Choice::Deliver(number) => {
                let Pooled { from, message, forged, .. } = &self.pool[number];
                local.given.insert(number);
                local.may_accuse = *forged;
                if matches!(message, Message::Consensus(_)) {
                    local.ever.insert(number);
                }
                let from = if *from == local.member { (from + 1) % MEMBERS } else { *from };
                let input = Input::Message { from: self.scene.configs[from].identity, message: message.clone() };
                local.feed(input, self.scene, &mut self.works);
            }
            Choice::Clock(time) => {
                local.now = time;
                local.feed(Input::Tick, self.scene, &mut self.works);
            }
            Choice::Write => local.write_oldest(self.scene, &mut self.works),
            Choice::Crash { kept } => local.crash(kept, self.scene, &mut self.works),
        }
        let quorums = Sight { scene: self.scene, pool: &self.pool, works: &self.works, local }.quorums();
        for round in quorums {
            local.quorum_at.entry(round).or_insert(local.now);
        }
    }

    /// Brings a member into the state at the end of a path.
    fn replay(&mut self, member: usize, path: &[Choice]) -> Local {
        let mut local = Local::start(self.scene, member, &mut self.works);
        for choice in path {
            self.apply(&mut local, *choice);
        }
        local
    }

    fn sight<'b>(&'b self, local: &'b Local) -> Sight<'b> {
        Sight { scene: self.scene, pool: &self.pool, works: &self.works, local }
    }

    /// A state is reached: what left on the way is judged and goes to the pool, and a new state is kept.
    fn arrive(&mut self, local: Local, path: &[Choice]) -> Result<(), Violation> {
        let verdict = aside(|| self.sight(&local).judge());
        self.verdict(local.member, path, verdict)?;
        let verdict = self.agree(&local);
        self.verdict(local.member, path, verdict)?;
        for left in &local.left {
            *self.found.left.entry(kind(&left.message)).or_default() += 1;
            self.learn(local.member, &left.message);
        }
        let core = local.core();
        let key = fingerprint(&[&format!("{core}"), &format!("{:?}", self.sight(&local).counted())]);
        if self.keys[local.member].insert(key) {
            self.found.depth = self.found.depth.max(path.len());
            self.found.head = self.found.head.max(local.head);
            self.found.erased += usize::from(!local.erased.is_empty());
            self.found.restarted += usize::from(local.cuts < self.scene.crashes);
            let member = local.member;
            let local = (self.kept < KEPT).then(|| Box::new(local));
            self.kept += usize::from(local.is_some());
            self.states[member].push(Visited { path: path.to_vec(), core, tried: 0, moved: false, local });
        }
        Ok(())
    }

    /// What all members have in common: one header a round, one decision a window.
    fn agree(&mut self, local: &Local) -> Verdict {
        let member = local.member;
        for (round, hash) in local.left.iter().filter_map(|left| header(&left.message)) {
            if *self.headers.entry(round).or_insert(hash) != hash {
                return Err(format!("member {member} has another header of round {round}"));
            }
        }
        for (window, decision) in &local.disk.decisions {
            let value = value_id(&decision.value.encode());
            if *self.values.entry(*window).or_insert(value) != value {
                return Err(format!("member {member} has another decision of window {window}"));
            }
        }
        Ok(())
    }

    fn learn(&mut self, from: usize, message: &Message) {
        let (scene, chain) = (self.scene, self.scene.configs[0].chain);
        if (scene.gives)(message) && self.known.insert(id(message)) {
            self.pool.push(Pooled { from, message: message.clone(), forged: false, place: place(&chain, message) });
        }
    }

    fn verdict(&self, member: usize, path: &[Choice], verdict: Verdict) -> Result<(), Violation> {
        let told = |choice: &Choice| match choice {
            Choice::Deliver(number) => describe(&self.pool[*number].message),
            Choice::Clock(time) => format!("the clock shows {time}"),
            Choice::Write => "a batch is written".to_owned(),
            Choice::Crash { kept } => format!("the power is cut{}", if *kept { " late" } else { "" }),
        };
        verdict.map_err(|what| Violation {
            what: format!("{}: {what}", self.scene.name),
            order: [format!("member {member} starts")].into_iter().chain(path.iter().map(told)).collect(),
        })
    }
}
