//! What the operators of members do: they agree on amendments of the committee, rightly or by mistake.
//!
//! Whatever comes to force, the adversaries have less than a third of its weight, and the core more than two thirds: who
//! is needed for that joins the core when the amendment is drafted. Who leaves the committee follows on.

use std::collections::{BTreeMap, BTreeSet};

use beacon_engine::event::Input;
use beacon_spec::committee::{Committee, Member};
use beacon_spec::keys::{IdentityKey, VotingKey};
use beacon_spec::message::{Amendment, Change, Value};

use super::check::AGREEMENT;
use super::net::{Event, Net};
use super::rng::Rng;

/// What comes of amendments, by name: they took effect, members came and went with them, they were decided and void.
pub const NAMES: [&str; 4] = ["amended", "joined", "left", "voided"];

/// How probable it is, in millionths, that operators amend anything in an epoch of a seed, that they mistype it, and that
/// one who has not approved yet does so when it looks.
const AMENDING: u32 = 850_000;
const MISTYPED: u32 = 150_000;
const APPROVING: u32 = 500_000;
/// Drafts that are thrown away before an epoch goes without.
const DRAFTS: usize = 20;
/// Ticket keys of a newcomer: enough for any committee here.
const TICKETS: usize = 10;

/// Weights by identity, the weightless among them.
type Weights = BTreeMap<IdentityKey, u64>;

/// An amendment for the end of an epoch.
struct Plan {
    epoch: u64,
    /// With the approvals so far.
    amendment: Amendment,
    /// What it makes of the committee; none if it must be void.
    result: Option<Weights>,
}

/// What the values of an epoch have decided so far.
#[derive(Default)]
struct Decided {
    windows: BTreeSet<u64>,
    amended: bool,
    registered: BTreeMap<IdentityKey, VotingKey>,
}

impl Decided {
    /// Whether an amendment with this result takes effect: members who registered make more than two thirds of it.
    fn carries(&self, result: &Weights) -> bool {
        let total: u64 = result.values().sum();
        let registered = result.iter().filter(|(member, _)| self.registered.contains_key(*member));
        self.amended && 3 * registered.map(|(_, weight)| weight).sum::<u64>() > 2 * total
    }
}

/// The operators of one simulation.
pub struct Operators {
    rng: Rng,
    /// Whether they look after anything.
    pub on: bool,
    plan: Option<Plan>,
    /// The newest epoch that they have thought about.
    thought_of: u64,
    /// By epoch.
    decided: BTreeMap<u64, Decided>,
    pub counts: BTreeMap<&'static str, u64>,
}

impl Operators {
    /// They never do anything.
    pub fn none() -> Operators {
        Operators::new(0, false)
    }

    /// In a quarter of the seeds they do nothing.
    pub fn draw(seed: u64) -> Operators {
        let on = Rng::new(seed, "operating").below(4) > 0;
        Operators::new(seed, on)
    }

    fn new(seed: u64, on: bool) -> Operators {
        let rng = Rng::new(seed, "operators");
        Operators { rng, on, plan: None, thought_of: 0, decided: BTreeMap::new(), counts: BTreeMap::new() }
    }

    fn count(&mut self, name: &'static str, times: usize) {
        *self.counts.entry(name).or_default() += times as u64;
    }

    /// New weights of some members, and of some who are none; `None` removes.
    fn wishes(&mut self, weights: &Weights, outsiders: &[IdentityKey]) -> BTreeMap<IdentityKey, Option<u64>> {
        let identities: Vec<IdentityKey> = weights.keys().copied().collect();
        let average = weights.values().sum::<u64>() / weights.len().max(1) as u64;
        let mut wishes = BTreeMap::new();
        for _ in 0..self.rng.between(1, 3) {
            let Some(member) = self.rng.pick(&identities).copied() else { continue };
            let weight = weights.get(&member).copied().unwrap_or(0);
            match (self.rng.below(6), self.rng.pick(outsiders)) {
                (0 | 1, Some(outsider)) => wishes.insert(*outsider, Some(average)),
                (2, _) => wishes.insert(member, None),
                (3, _) if weight > 0 => wishes.insert(member, Some(0)),
                _ => wishes.insert(member, Some(self.rng.between(average / 2, average * 3 / 2))),
            };
        }
        wishes
    }
}

/// Who is in a committee and with what weight.
fn weights_of(committee: &Committee) -> Weights {
    committee.members().iter().map(|member| (member.identity, member.weight)).collect()
}

impl Net {
    /// A value was decided: it may carry an amendment and registrations.
    pub(super) fn note_value(&mut self, value: &Value) {
        let Some(committee) = self.committees.get(&value.epoch) else { return };
        let decided = self.operators.decided.entry(value.epoch).or_default();
        decided.windows.insert(value.window);
        decided.amended |= value.amendment.is_some();
        for registration in &value.registrations {
            if let Some(identity) = committee.signers().identity(registration.member) {
                decided.registered.insert(identity, registration.bundle.voting_key);
            }
        }
    }

    /// A committee is known that follows another: by the amendment of that epoch, or unchanged but for new keys.
    pub(super) fn note_committee(&mut self, committee: &Committee) {
        let epoch = committee.epoch();
        let Some(before) = epoch.checked_sub(1).and_then(|before| self.committees.get(&before).cloned()) else {
            return;
        };
        let decided = self.operators.decided.remove(&before.epoch()).unwrap_or_default();
        let (old, new) = (weights_of(&before), weights_of(committee));
        let amended = committee.membership() > before.membership();
        let planned = self.operators.plan.as_ref().filter(|plan| plan.epoch == before.epoch());
        let planned = planned.and_then(|plan| plan.result.clone());
        // The last value may be decided in the very step that makes the committee, and be seen only then.
        let whole = decided.windows.len() as u64 >= self.schedule.epoch_windows - 2;
        let effective = if whole { planned.as_ref().is_some_and(|result| decided.carries(result)) } else { amended };
        let due = if effective { planned } else { Some(old.clone()) };
        let keys = |member: &Member| {
            decided.registered.get(&member.identity).is_none_or(|key| *key == member.bundle.voting_key)
        };
        if self.checks.on && (due.as_ref() != Some(&new) || amended != effective) {
            let what = format!("the committee of epoch {epoch} is {new:?} and should be {due:?}");
            self.checks.broken(self.now, AGREEMENT, what);
        }
        if self.checks.on && !committee.members().iter().all(keys) {
            self.checks.broken(self.now, AGREEMENT, format!("keys registered for epoch {epoch} are not in force"));
        }
        if amended {
            self.operators.count("amended", 1);
            self.operators.count("joined", new.keys().filter(|member| !old.contains_key(member)).count());
            self.operators.count("left", old.keys().filter(|member| !new.contains_key(member)).count());
        } else if decided.amended {
            self.operators.count("voided", 1);
        }
    }

    /// The operator of a node will look after it in a moment.
    pub(super) fn call_operator(&mut self, index: usize) {
        if self.operators.on {
            let after = self.operators.rng.below(40);
            self.schedule_event(index, after, Event::Operator);
        }
    }

    /// The operator of a node approves what is planned, if it is a member and has not yet.
    pub(super) fn operate(&mut self, index: usize) {
        if !self.operators.on {
            return;
        }
        self.think();
        let (node, operators) = (&self.nodes[index], &mut self.operators);
        let (Some(engine), Some(plan)) = (&node.engine, &mut operators.plan) else { return };
        let Some(committee) = engine.committee_in_force().filter(|committee| committee.epoch() == plan.epoch) else {
            return;
        };
        let Some(member) = committee.signers().index_of(&node.config.identity) else { return };
        let digest = plan.amendment.digest(&node.config.chain);
        let own = |(approver, _): &(u16, _)| *approver == member;
        let approved =
            engine.amendments().any(|(held, amendment)| *held == digest && amendment.approvals.iter().any(own));
        if approved || !operators.rng.chance(APPROVING) {
            return;
        }
        plan.amendment.approve(&node.config.chain, member, &node.identity);
        let amendment = plan.amendment.clone();
        self.trace.note(self.now, index, "approves", &digest.0, || format!("epoch {}", committee.epoch()));
        self.feed(index, Input::Amendment(Box::new(amendment)));
    }

    /// Once in an epoch the operators agree on an amendment of its committee, or on none.
    fn think(&mut self) {
        let Some((&epoch, committee)) = self.committees.last_key_value() else { return };
        if epoch <= self.operators.thought_of {
            return;
        }
        self.operators.thought_of = epoch;
        let committee = committee.clone();
        if !self.operators.rng.chance(AMENDING) {
            return;
        }
        let drafted = if self.operators.rng.chance(MISTYPED) {
            Some((self.ghosts(&committee), None))
        } else {
            (0..DRAFTS).find_map(|_| self.draft(&committee)).map(|(changes, result)| (changes, Some(result)))
        };
        let Some((changes, result)) = drafted else { return };
        let last = self.schedule.last_window_of_epoch(epoch);
        let amendment =
            Amendment { follows: committee.membership(), expires: last - 2, changes, approvals: Vec::new() };
        self.trace.note(self.now, 0, "plan", &epoch.to_be_bytes(), || format!("for epoch {}: {result:?}", epoch + 1));
        self.operators.plan = Some(Plan { epoch, amendment, result });
    }

    /// Two members who exist only on paper, with half of all weight.
    fn ghosts(&self, committee: &Committee) -> Vec<Change> {
        let (next, weight) = (committee.epoch() + 1, committee.signers().total_weight() / 2);
        let ghost = |name: u8| {
            let (key, bundle) = self.paper_member(&[b'g', name], next, TICKETS);
            Change::Add { identity: key.identity(), weight, bundle }
        };
        vec![ghost(0), ghost(1)]
    }

    /// Changes by chance, and what they make of the committee; nothing if the promises would not hold under it.
    fn draft(&mut self, committee: &Committee) -> Option<(Vec<Change>, Weights)> {
        let mut weights = weights_of(committee);
        let outsiders: Vec<usize> =
            (0..self.nodes.len()).filter(|node| !weights.contains_key(&self.nodes[*node].config.identity)).collect();
        let outsiders = outsiders.into_iter().filter(|node| !self.adversaries.lost.contains(node));
        let outsiders: Vec<IdentityKey> = outsiders.map(|node| self.nodes[node].config.identity).collect();
        let wishes = self.operators.wishes(&weights, &outsiders);
        for (identity, wish) in &wishes {
            match wish {
                Some(weight) => weights.insert(*identity, *weight),
                None => weights.remove(identity),
            };
        }
        self.adversaries.protect(self.core_of(&weights)?);
        let changes = wishes.into_iter().map(|(identity, wish)| match wish {
            None => Change::Remove { identity },
            Some(weight) if outsiders.contains(&identity) => self.joiner(identity, weight, committee.epoch() + 1),
            Some(weight) => Change::Weight { identity, weight },
        });
        Some((changes.collect(), weights))
    }

    fn joiner(&mut self, identity: IdentityKey, weight: u64, epoch: u64) -> Change {
        let index = self.nodes.iter().position(|node| node.config.identity == identity).unwrap_or_default();
        let (bundle, secrets) = self.make_bundle(index, epoch, TICKETS);
        self.schedule_event(index, 1, Event::Input(Input::Bundle { bundle: Box::new(bundle.clone()), secrets }));
        Change::Add { identity, weight, bundle }
    }

    /// The core that a committee of these weights needs: the one that is, and others until they have more than two
    /// thirds. Nothing if there are too few, if the adversaries have a third, or if a single member does.
    fn core_of(&self, weights: &Weights) -> Option<BTreeSet<usize>> {
        let total: u64 = weights.values().sum();
        let weight = |node: &usize| weights.get(&self.nodes[*node].config.identity).copied().unwrap_or(0);
        let bad: u64 = self.adversaries.members().iter().map(weight).sum();
        if 3 * bad >= total || weights.values().any(|weight| 3 * weight >= total) {
            return None;
        }
        let mut core = self.adversaries.core().clone();
        let mut held: u64 = core.iter().map(weight).sum();
        for node in 0..self.nodes.len() {
            let sound = !self.adversaries.is_adversary(node) && !self.adversaries.lost.contains(&node);
            if 3 * held <= 2 * total && sound && weight(&node) > 0 && core.insert(node) {
                held += weight(&node);
            }
        }
        (3 * held > 2 * total).then_some(core)
    }
}
