//! Epochs: registrations, amendments, the registry after each decided value, and the committees that follow from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use beacon_spec::bundle::KeyBundle;
use beacon_spec::codec::encode;
use beacon_spec::committee::{Committee, MemberList};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{IdentityKey, VotingKey};
use beacon_spec::message::{Amendment, Registration, Value};
use beacon_spec::registry::{MAX_CHANGES, Registry, Rules, check_approval};
use beacon_spec::reject::Reject;
use beacon_spec::sabotage::{Bug, planted};

use crate::agreement::VALUE_LIMITS;
use crate::batch::{Decision, Record, Seq};
use crate::engine::{BundleSecrets, Engine};
use crate::event::{Effect, Halt, Message, Millis, Recipient};
use crate::resend::Own as OwnMessage;

/// Epochs whose committees are held: the one in force, the next, and the one before for late answers.
const COMMITTEES: usize = 3;
/// Proposed amendments that one member can put here: a new one needs an approver with fewer.
const AMENDMENTS_OF_ONE: usize = 4;

/// A registry with its hash, so that the hash of a value that carries nothing costs nothing.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub registry: Registry,
    pub hash: Digest32,
}

impl Known {
    pub fn new(registry: Registry) -> Arc<Known> {
        Arc::new(Known { hash: registry.hash(), registry })
    }
}

/// The end of a bundle: what is in force by round `round` makes others useless once that round is on disk.
#[derive(Debug)]
struct Erasure {
    seq: Seq,
    erase: Vec<VotingKey>,
}

/// What is known of the epochs' making.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    /// Registries after decided windows: the one before the current window, and all later ones.
    registries: BTreeMap<u64, Arc<Known>>,
    /// Registrations heard for the next epoch, by member: the first that holds.
    registrations: BTreeMap<u16, Registration>,
    /// Amendments that members have approved, by digest. They wait for more approvals, or for a value.
    amendments: BTreeMap<Digest32, Amendment>,
    /// The epoch that registrations and amendments were heard for.
    heard_for: u64,
    /// The epoch for which the shell was asked for a bundle.
    asked_for: u64,
    /// The own bundles that came since the start, by epoch.
    bundles: BTreeMap<u64, KeyBundle>,
    /// The committee that a certified header names and that is not here.
    pub wanted: Option<(u64, Digest32)>,
    /// When the registry or a committee is asked for again.
    pub next_ask: Millis,
    erasure: Option<Erasure>,
}

impl Engine {
    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules {
            chain: &self.config.chain,
            schedule: &self.config.parameters.schedule,
            registrations_per_value: self.config.parameters.registrations_per_value,
            exempt: self.config.parameters.development_exemption,
        }
    }

    /// The registry before the value of `window`, if it is known: empty at the start of an epoch. [epoch-1]
    pub(crate) fn registry_before(&self, window: u64) -> Option<Arc<Known>> {
        let schedule = self.schedule();
        let epoch = schedule.epoch_of_window(window);
        if window <= 1 || schedule.epoch_of_window(window - 1) != epoch {
            return Some(Known::new(Registry::new(epoch)));
        }
        self.membership.registries.get(&(window - 1)).cloned()
    }

    /// The registry after `value`, judged against the one before it.
    pub(crate) fn registry_after(
        &self,
        before: &Arc<Known>,
        value: &Value,
        committee: &Committee,
    ) -> Result<Arc<Known>, Reject> {
        if value.registrations.is_empty() && value.amendment.is_none() {
            return if value.registry == before.hash { Ok(before.clone()) } else { Err(Reject::WrongRegistry) };
        }
        before.registry.after(value, committee, &self.rules()).map(Known::new)
    }

    /// What a value of `height` carries beside its set: as much as the registry admits. [epoch-4]
    pub(crate) fn fill_value(&self, value: &mut Value, before: &Known, committee: &Committee) {
        let rules = self.rules();
        let mut registry = before.registry.clone();
        if Registry::is_open(value.window, rules.schedule) && self.membership.heard_for == value.epoch {
            let admitted = self.membership.amendments.values().find_map(|amendment| {
                let next = registry.admits_amendment(amendment, value.window, committee, &rules).ok()?;
                Some((amendment.clone(), next))
            });
            if let Some((amendment, next)) = admitted {
                value.amendment = Some(amendment);
                registry = next;
            }
            for registration in self.membership.registrations.values() {
                if value.registrations.len() >= usize::from(rules.registrations_per_value) {
                    break;
                }
                if let Ok(next) = registry.admits(registration, committee, &rules) {
                    value.registrations.push(registration.clone());
                    registry = next;
                }
            }
        }
        value.registry =
            if value.registrations.is_empty() && value.amendment.is_none() { before.hash } else { registry.hash() };
    }

    /// Takes the registry after `window` as known: kept if it changed, and at the end of an epoch the source of the
    /// next committee.
    pub(crate) fn learn_registry(&mut self, window: u64, after: Arc<Known>) {
        let schedule = self.schedule();
        let changed = self.registry_before(window).is_none_or(|before| before.hash != after.hash);
        if changed {
            self.persist(Record::Registry { window, registry: after.registry.clone() }, false);
        }
        self.membership.registries.insert(window, after.clone());
        self.agreement.considered = false;
        self.agreement.judged = false;
        let next = window.saturating_add(1);
        if !Registry::is_open(next, &schedule) || schedule.epoch_of_window(next) != after.registry.epoch {
            self.derive_committee(&after.registry);
        }
        self.forget_heard(schedule.epoch_of_window(next));
        self.membership.registrations.retain(|member, _| after.registry.bundle_of(*member).is_none());
    }

    /// The next committee, once nothing can change it any more. [epoch-5]
    fn derive_committee(&mut self, registry: &Registry) {
        let epoch = registry.epoch + 1;
        if self.committees.contains_key(&epoch) {
            return;
        }
        let Some(committee) = self.committees.get(&registry.epoch) else { return };
        match registry.next_committee(committee, self.config.parameters.development_exemption) {
            Ok(next) => self.install(Arc::new(next)),
            Err(reason) => self.halt(Halt::Agreement(format!("committee of epoch {epoch}: {reason}"))),
        }
    }

    /// Puts a committee in its place, keeps it, and names its members to the shell.
    fn install(&mut self, committee: Arc<Committee>) {
        let epoch = committee.epoch();
        let first = self.schedule().last_window_of_epoch(epoch.saturating_sub(2)).saturating_add(1);
        self.persist(Record::Committee(Box::new(committee.list())), false);
        self.persist(Record::ForgetRegistries { below: first }, false);
        self.committees.insert(epoch, committee);
        while self.committees.len() > COMMITTEES {
            self.committees.pop_first();
        }
        self.drop_past_evidence();
        self.membership.wanted = self.membership.wanted.filter(|(wanted, _)| *wanted > epoch);
        self.look_again();
        self.announce_members();
    }

    /// A certified header hands over to a committee: known, or to be fetched. [epoch-6]
    pub(crate) fn note_hand_over(&mut self, round: u64, next: Digest32) {
        let epoch = self.schedule().epoch_of(round) + 1;
        if self.schedule().is_last_round_of_epoch(round) && !self.committees.contains_key(&epoch) {
            self.membership.wanted = Some((epoch, next));
            self.membership.next_ask = self.now;
        }
    }

    /// A peer's answer about a committee holds if it hashes to what the certified header names. One that comes when a later
    /// committee is wanted is of no use any more, and no lie.
    pub(crate) fn on_committee(&mut self, from: IdentityKey, asked: u64, list: MemberList) {
        let Some((_, hash)) = self.membership.wanted.filter(|(epoch, _)| *epoch == asked) else { return };
        match list.check(&hash, self.config.parameters.development_exemption) {
            Ok(committee) => self.install(Arc::new(committee)),
            Err(reason) => self.blame(from, reason),
        }
    }

    /// The window whose registry is needed and is not known: to judge the next value or, when an epoch is decided to its
    /// end, to know the committee that its last header names. Only members need it.
    pub(crate) fn missing_registry(&self) -> Option<u64> {
        let height = self.next_height();
        let decided = height.checked_sub(1)?;
        let schedule = self.schedule();
        let epoch = schedule.epoch_of_window(height);
        let ends = decided > 0 && schedule.epoch_of_window(decided) != epoch;
        let committee = self.committee_of_window(if ends { decided } else { height })?;
        self.own(&committee)?;
        let known = if ends { self.committees.contains_key(&epoch) } else { self.registry_before(height).is_some() };
        (!known).then_some(decided)
    }

    /// A peer's answer about a registry holds if a certified value of that window carries its hash. [epoch-7]
    pub(crate) fn on_registry(&mut self, from: IdentityKey, decision: &Decision, registry: Registry) {
        let window = decision.value.window;
        if self.missing_registry() != Some(window) {
            return;
        }
        let known = Known::new(registry);
        let holds = self.check_decision(decision).and_then(|()| {
            let fits = known.registry.epoch == decision.value.epoch && known.hash == decision.value.registry;
            if fits { Ok(()) } else { Err(Reject::WrongRegistry) }
        });
        match holds {
            Ok(()) => self.learn_registry(window, known),
            Err(reason) => self.blame(from, reason),
        }
    }

    /// Forgets what was heard for an epoch that has passed.
    fn forget_heard(&mut self, epoch: u64) {
        if self.membership.heard_for != epoch {
            self.membership.heard_for = epoch;
            self.membership.registrations.clear();
            self.membership.amendments.clear();
        }
    }

    /// The epoch that grows now, its committee, and the registry as far as it is known.
    fn growing(&mut self) -> Option<(Arc<Committee>, Arc<Known>)> {
        let height = self.next_height();
        let committee = self.committee_of_window(height)?;
        self.forget_heard(committee.epoch());
        if !Registry::is_open(height, &self.schedule()) {
            return None;
        }
        let known = self.registry_before(height).unwrap_or_else(|| Known::new(Registry::new(committee.epoch())));
        Some((committee, known))
    }

    /// A member's bundle for the next epoch, from the member or passed on. The first of each member that holds is
    /// kept. [epoch-2]
    pub(crate) fn on_registration(&mut self, from: IdentityKey, registration: Registration) {
        let Some((committee, known)) = self.growing() else { return };
        let heard = self.membership.registrations.contains_key(&registration.member)
            || known.registry.bundle_of(registration.member).is_some();
        if heard || registration.bundle.epoch != committee.epoch() + 1 {
            return;
        }
        match known.registry.admits(&registration, &committee, &self.rules()) {
            Ok(_) => {
                self.membership.registrations.insert(registration.member, registration);
                self.agreement.considered = false;
                self.out.relay = true;
            }
            // It may depend on what this node has not seen yet, or collide with what it has seen first.
            Err(Reject::DuplicateKey | Reject::TooFewTicketKeys | Reject::BadCount) => {}
            Err(reason) => self.blame(from, reason),
        }
    }

    /// An amendment with one approval or more: merged with what is known of it. [epoch-3]
    pub(crate) fn on_amendment(&mut self, from: IdentityKey, amendment: Amendment) {
        match self.take_amendment(amendment) {
            Ok(true) => self.out.relay = true,
            Ok(false) | Err(Reject::Expired | Reject::NotAllowedHere) => {}
            Err(reason) => self.blame(from, reason),
        }
    }

    /// The operator's own: judged like any other, then spread.
    pub(crate) fn on_own_amendment(&mut self, amendment: Amendment) {
        let digest = amendment.digest(&self.config.chain);
        if self.take_amendment(amendment).is_ok() {
            self.resend_later(OwnMessage::Amendment(digest));
            self.send_amendment(&digest);
        }
    }

    fn send_amendment(&mut self, digest: &Digest32) {
        if let Some(amendment) = self.membership.amendments.get(digest) {
            let message = Message::Amendment(Box::new(amendment.clone()));
            self.send(Recipient::Gossip, message, 0);
        }
    }

    /// Whether anything new was learned: an amendment, or an approval of one.
    fn take_amendment(&mut self, amendment: Amendment) -> Result<bool, Reject> {
        let Some((committee, known)) = self.growing() else { return Err(Reject::NotAllowedHere) };
        if amendment.follows != committee.membership() || amendment.expires < self.next_height() {
            return Err(Reject::Expired);
        }
        if known.registry.pending.is_some() {
            return Err(Reject::NotAllowedHere);
        }
        if amendment.changes.is_empty() || amendment.changes.len() > MAX_CHANGES || amendment.approvals.is_empty() {
            return Err(Reject::BadCount);
        }
        let digest = amendment.digest(&self.config.chain);
        let held = self.membership.amendments.get(&digest);
        let fresh: Vec<_> = amendment
            .approvals
            .iter()
            .filter(|(member, _)| held.is_none_or(|held| held.approvals.iter().all(|(other, _)| other != member)))
            .copied()
            .collect();
        for (member, signature) in &fresh {
            check_approval(&digest, *member, signature, &committee)?;
        }
        let new = held.is_none();
        if fresh.is_empty() || (new && !fresh.iter().any(|(member, _)| self.approved_by(*member) < AMENDMENTS_OF_ONE)) {
            return Ok(false);
        }
        // What is larger than a value can never be decided.
        if new && encode(&amendment.changes).len() > VALUE_LIMITS.max_bytes {
            return Err(Reject::TooLong);
        }
        let empty = Amendment { approvals: Vec::new(), ..amendment };
        let merged = self.membership.amendments.entry(digest).or_insert(empty);
        merged.approvals.extend(fresh);
        merged.approvals.sort_unstable_by_key(|(member, _)| *member);
        merged.approvals.dedup_by_key(|(member, _)| *member);
        self.agreement.considered = false;
        Ok(true)
    }

    /// How many of the amendments held `member` approves of.
    fn approved_by(&self, member: u16) -> usize {
        let approves = |amendment: &&Amendment| amendment.approvals.iter().any(|(other, _)| *other == member);
        self.membership.amendments.values().filter(approves).count()
    }

    /// The own bundle has come: kept for when it is in force, and registered. [epoch-8]
    pub(crate) fn on_bundle(&mut self, bundle: KeyBundle, secrets: Arc<BundleSecrets>) {
        let known = self.config.bundles.iter().any(|other| other.voting.voting() == secrets.voting.voting());
        if !known {
            self.config.bundles.push(secrets);
        }
        self.membership.bundles.insert(bundle.epoch, bundle);
    }

    /// Asks for the own bundle of the next epoch and registers it while the epoch is young.
    pub(crate) fn try_register(&mut self) {
        let Some((committee, known)) = self.growing() else { return };
        let next = committee.epoch() + 1;
        let Some(member) = committee.signers().index_of(&self.config.identity) else { return };
        if known.registry.bundle_of(member).is_some() || self.registry_before(self.next_height()).is_none() {
            return;
        }
        if let Some(bundle) = self.membership.bundles.get(&next) {
            let registration = Registration { member, bundle: bundle.clone() };
            if !self.membership.registrations.contains_key(&member) {
                let me = self.config.identity;
                self.on_registration(me, registration);
                self.out.relay = false;
                self.resend_later(OwnMessage::Registration(next));
                self.send_registration(next);
            }
        } else if self.membership.asked_for < next {
            self.membership.asked_for = next;
            let tickets = known.registry.keys_wanted(&committee, member);
            self.out.effects.push(Effect::NeedBundle { epoch: next, tickets });
        }
    }

    fn send_registration(&mut self, epoch: u64) {
        if let Some((message, _)) = self.own_registration(epoch) {
            self.send(Recipient::Gossip, message, 0);
        }
    }

    pub(crate) fn own_registration(&mut self, epoch: u64) -> Option<(Message, Seq)> {
        let (committee, _) = self.growing()?;
        if committee.epoch() + 1 != epoch {
            return None;
        }
        let member = committee.signers().index_of(&self.config.identity)?;
        let registration = self.membership.registrations.get(&member)?;
        Some((Message::Registration(Box::new(registration.clone())), 0))
    }

    pub(crate) fn own_amendment(&self, digest: &Digest32) -> Option<(Message, Seq)> {
        let amendment = self.membership.amendments.get(digest)?;
        Some((Message::Amendment(Box::new(amendment.clone())), 0))
    }

    /// Whether the registration for `epoch` needs no further sending: it is decided, or too late.
    pub(crate) fn is_registered(&mut self, epoch: u64) -> bool {
        self.own_registration(epoch).is_none()
    }

    /// The first round of an epoch is certified: once it is on disk, the secrets of bundles that are in force no more
    /// are erased. [epoch-9]
    pub(crate) fn plan_erasure(&mut self, round: u64) {
        let schedule = self.schedule();
        let epoch = schedule.epoch_of(round);
        if round <= 1 || schedule.epoch_of(round - 1) == epoch {
            return;
        }
        let Some(committee) = self.committees.get(&epoch) else { return };
        let mine = committee.members().iter().find(|member| member.identity == self.config.identity);
        let in_force = mine.map(|member| member.bundle.voting_key);
        let erase: Vec<VotingKey> = self
            .config
            .bundles
            .iter()
            .filter(|bundle| Some(bundle.voting.voting()) != in_force && bundle.epoch <= epoch)
            .map(|bundle| bundle.voting.voting())
            .collect();
        if !erase.is_empty() {
            let seq = self.barrier();
            self.membership.erasure = Some(Erasure { seq, erase });
        }
    }

    pub(crate) fn try_erase(&mut self) {
        let durable = if planted(Bug::ErasedBeforeDisk) { Seq::MAX } else { self.durable };
        let Some(erasure) = self.membership.erasure.take_if(|erasure| erasure.seq <= durable) else { return };
        self.config.bundles.retain(|bundle| !erasure.erase.contains(&bundle.voting.voting()));
        self.out.effects.push(Effect::EraseBundles { erase: erasure.erase });
    }

    /// Registries of windows before the one that precedes the current are of no more use.
    pub(crate) fn drop_past_registries(&mut self) {
        let from = self.current_window().saturating_sub(1);
        self.membership.registries = self.membership.registries.split_off(&from);
        self.membership.bundles = self.membership.bundles.split_off(&self.schedule().epoch_of(self.chain.round + 1));
    }

    /// Whether the amendment could be included as it stands, but for its approvals.
    pub fn judge_amendment(&self, amendment: &Amendment) -> Result<(), Reject> {
        let height = self.next_height();
        let committee = self.committee_of_window(height).ok_or(Reject::WrongCommittee)?;
        let before = self.registry_before(height).ok_or(Reject::WrongRegistry)?;
        if !Registry::is_open(height, &self.schedule()) {
            return Err(Reject::NotAllowedHere);
        }
        before.registry.admits_proposal(amendment, height, &committee, &self.rules())
    }

    /// Amendments that wait for approvals or for a value.
    pub fn amendments(&self) -> impl Iterator<Item = (&Digest32, &Amendment)> {
        self.membership.amendments.iter()
    }

    /// The registry as of the highest decided window, if it is known.
    pub fn registry(&self) -> Option<Registry> {
        self.registry_before(self.next_height()).map(|known| known.registry.clone())
    }

    /// The committee in force for the next undecided window.
    pub fn committee_in_force(&self) -> Option<Arc<Committee>> {
        let height = self.next_height();
        self.committee_of_window(height)
    }
}
