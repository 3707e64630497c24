//! Agreement on the dealing set of the next window: when a height starts, what is proposed, what is valid.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use beacon_spec::codec::{Limits, decode};
use beacon_spec::committee::{Committee, Signers};
use beacon_spec::consensus::{CommitCertificate, ConsensusMessage, ProposalHead, SignedVote};
use beacon_spec::evidence::{Crime, Evidence};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::IdentityKey;
use beacon_spec::message::{SetEntry, Value};
use beacon_spec::reject::Reject;
use beacon_spec::sabotage::{Bug, planted};

use crate::agree::{Agree, AgreeFault, Input, Output, Voter, WalEntry};
use crate::batch::{Decision, Record, Seq};
use crate::engine::Engine;
use crate::event::{Effect, Fault, Halt, Message, Millis, Recipient};
use crate::window::{Decided, OwnDealing};

/// The largest value: 512 entries and the registrations of one value.
pub const VALUE_LIMITS: Limits = Limits::bytes(512 << 10);

/// A proposal that waits until every commitment it names is here.
#[derive(Debug)]
struct Waiting {
    height: u64,
    round: u32,
    value_id: Digest32,
    value: Value,
    /// Whether the registry after the value has been judged. It waits for the registry before.
    registry: bool,
}

/// The agreement engine and what it has asked for.
#[derive(Debug)]
pub(crate) struct Agreement {
    agree: Agree,
    /// The newest decision's certificate.
    decided: Option<CommitCertificate>,
    /// The height being agreed on, and whether this node signs there.
    height: Option<u64>,
    signs: bool,
    asked: Option<(u64, u32)>,
    waiting: Vec<Waiting>,
    /// Whether the commitments held have been looked at since the last one came or became durable.
    pub considered: bool,
    /// Whether the waiting proposals have been judged since then.
    pub judged: bool,
    /// Entries of the write-ahead log that a restart brought back.
    pub recovered: BTreeMap<u64, Vec<WalEntry>>,
    wal_index: u64,
    /// Whether log entries were appended that no barrier covers yet.
    unsynced: bool,
    after: Seq,
    /// Outputs not yet acted on; in order, also when acting on one brings more.
    outputs: VecDeque<Output>,
    acting: bool,
}

impl Agreement {
    pub fn new(agree: Agree) -> Self {
        Agreement {
            agree,
            decided: None,
            height: None,
            signs: false,
            asked: None,
            waiting: Vec::new(),
            considered: false,
            judged: false,
            recovered: BTreeMap::new(),
            wal_index: 0,
            unsynced: false,
            after: 0,
            outputs: VecDeque::new(),
            acting: false,
        }
    }

    /// The height being agreed on.
    pub fn height(&self) -> Option<u64> {
        self.height
    }

    /// The commit certificate of the highest window known to be decided.
    pub fn newest_certificate(&self) -> Option<&CommitCertificate> {
        self.decided.as_ref()
    }

    pub fn note_decided(&mut self, certificate: &CommitCertificate) {
        if self.decided.as_ref().is_none_or(|newest| newest.height < certificate.height) {
            self.decided = Some(certificate.clone());
        }
    }

    /// A member's newest proposal and vote of the height.
    pub fn newest_of(&self, member: u16) -> (Option<ProposalHead>, Option<SignedVote>) {
        self.agree.newest_of(member)
    }

    /// What a restart brought back of a height's log.
    pub fn log_of(&self, height: u64) -> &[WalEntry] {
        self.recovered.get(&height).map_or(&[], Vec::as_slice)
    }
}

fn voters(signers: &Signers) -> Arc<[Voter]> {
    (0..signers.len() as u16)
        .filter_map(|member| {
            let key = signers.verifier(member).ok()?.clone();
            Some(Voter { member, weight: signers.weight(member), key })
        })
        .collect()
}

impl Engine {
    /// The lowest window, from the current one on, that is not decided.
    pub(crate) fn next_height(&self) -> u64 {
        let mut height = self.current_window();
        while self.windows.get(&height).is_some_and(|window| window.decision.is_some()) {
            height += 1;
        }
        height
    }

    /// Whether dealing for and agreeing on `height` may start: the last header of window height − 2 is certified,
    /// and the genesis is near. [agree-2]
    pub(crate) fn may_start(&self, height: u64) -> bool {
        let parameters = &self.config.parameters;
        if self.clock() < parameters.schedule.genesis_time.saturating_sub(parameters.lead) {
            return false;
        }
        height <= 2 || self.chain.round >= *self.schedule().rounds_of(height - 2).end() || planted(Bug::PaceIgnored)
    }

    pub(crate) fn try_heights(&mut self) -> bool {
        let height = self.next_height();
        if self.agreement.height == Some(height) || !self.may_start(height) || self.caution.is_asking() {
            return false;
        }
        let Some(committee) = self.committee_of_window(height) else { return false };
        let Some(own) = self.own(&committee) else { return false };
        let signs = self.may_sign(height);
        let entries = self.agreement.recovered.remove(&height).filter(|_| signs).unwrap_or_default();
        self.agreement.recovered.retain(|other, _| *other > height);
        self.agreement.height = Some(height);
        self.agreement.signs = signs;
        self.agreement.asked = None;
        self.agreement.waiting.clear();
        self.agreement.considered = false;
        self.agreement.wal_index = entries.len() as u64;
        self.window_mut(height);
        let keys = signs.then(|| (own.member, own.secrets.voting.clone()));
        let outputs = self.agreement.agree.start_height(self.now, height, voters(committee.signers()), keys, entries);
        self.agree_outputs(outputs);
        true
    }

    pub(crate) fn on_consensus(&mut self, from: IdentityKey, message: ConsensusMessage) {
        let current = self.agreement.height.unwrap_or_else(|| self.next_height());
        if message.height() < current {
            return;
        }
        // A message of a later height is kept for it, and that height may be of another committee.
        let Some(committee) = self.committee_of_window(message.height()) else { return };
        let Some(member) = committee.signers().index_of(&from) else {
            self.blame(from, Reject::UnknownMember);
            return;
        };
        let outputs = self.agreement.agree.handle(self.now, Input::Message { from: member, message });
        self.agree_outputs(outputs);
    }

    pub(crate) fn agreement_deadline(&self) -> Option<Millis> {
        let parameters = &self.config.parameters;
        let lead = self.at_clock(parameters.schedule.genesis_time.saturating_sub(parameters.lead));
        let start = (self.now < lead).then_some(lead);
        let grace = self.agreement.asked.and_then(|(height, _)| {
            let since = self.windows.get(&height)?.quorum_since?;
            Some(since.saturating_add(parameters.grace)).filter(|end| *end > self.now)
        });
        [start, grace, self.agreement.agree.deadline()].into_iter().flatten().min()
    }

    /// Lets time pass in the agreement engine, answers its requests for values and for verdicts.
    pub(crate) fn try_agree(&mut self) -> bool {
        let mut moved = false;
        if self.agreement.agree.deadline().is_some_and(|deadline| deadline <= self.now) {
            let outputs = self.agreement.agree.on_time(self.now);
            self.agree_outputs(outputs);
            moved = true;
        }
        moved | self.try_propose() | self.try_validate()
    }

    /// The first commitment of every member from whom a durable one is held and who is not known to have signed two
    /// in this epoch. [agree-3]
    fn candidates(&self, height: u64) -> Vec<SetEntry> {
        let Some(window) = self.windows.get(&height) else { return Vec::new() };
        let epoch = self.schedule().epoch_of_window(height);
        let mut entries: Vec<SetEntry> = window
            .held
            .iter()
            .filter(|(entry, held)| {
                held.seq <= self.durable && !self.proven.holds(epoch, entry.member, Crime::TwoCommitments)
            })
            .map(|(entry, _)| *entry)
            .collect();
        entries.dedup_by_key(|entry| entry.member);
        entries
    }

    /// Proposes a value once more than two thirds have committed and the grace for the rest is over. [agree-4]
    fn try_propose(&mut self) -> bool {
        let Some(height) = self.agreement.height else { return false };
        let timed = self.windows.get(&height).is_some_and(|window| window.quorum_since.is_some());
        if self.agreement.asked.is_none() && (timed || self.agreement.considered) {
            return false;
        }
        self.agreement.considered = true;
        let Some(committee) = self.committee_of_window(height) else { return false };
        let Some(before) = self.registry_before(height) else { return false };
        let set = self.candidates(height);
        let signers = committee.signers();
        let weight: u64 = set.iter().map(|entry| signers.weight(entry.member)).sum();
        if !signers.is_quorum(weight) {
            return false;
        }
        let now = self.now;
        let grace = self.config.parameters.grace;
        let Some(window) = self.windows.get_mut(&height) else { return false };
        let since = *window.quorum_since.get_or_insert(now);
        let Some((asked, round)) = self.agreement.asked else { return false };
        if asked != height || (weight < signers.total_weight() && now < since.saturating_add(grace)) {
            return false;
        }
        self.agreement.asked = None;
        let mut value = Value {
            window: height,
            epoch: committee.epoch(),
            set,
            registrations: Vec::new(),
            amendment: None,
            registry: before.hash,
        };
        self.fill_value(&mut value, &before, &committee);
        let outputs = self.agreement.agree.handle(now, Input::Propose { height, round, value: value.encode() });
        self.agree_outputs(outputs);
        true
    }

    /// Judges a value as far as it can be judged without the dealings and the registry. [agree-5]
    pub(crate) fn check_value(&self, bytes: &[u8], committee: &Committee, height: u64) -> Result<Value, Reject> {
        let value: Value = decode(bytes, &VALUE_LIMITS)?;
        value.check(committee, height)?;
        Ok(value)
    }

    /// A value is valid once every commitment it names is verified and on disk; incomplete is no verdict. [agree-6]
    fn try_validate(&mut self) -> bool {
        if self.agreement.judged {
            return false;
        }
        self.agreement.judged = true;
        let durable = self.durable;
        let mut moved = false;
        for mut waiting in std::mem::take(&mut self.agreement.waiting) {
            let registry = self.judge_registry(&mut waiting);
            let Some(window) = self.windows.get(&waiting.height) else { continue };
            let set = &waiting.value.set;
            let verdict = if registry == Some(false) || set.iter().any(|entry| window.rejected.contains(entry)) {
                Some(false)
            } else if registry == Some(true) && set.iter().all(|entry| window.has(entry, durable)) {
                Some(true)
            } else {
                None
            };
            match verdict {
                Some(valid) => {
                    moved = true;
                    self.give_verdict(waiting.height, waiting.round, waiting.value_id, valid);
                }
                None if planted(Bug::IncompleteIsInvalid) => {
                    self.give_verdict(waiting.height, waiting.round, waiting.value_id, false);
                }
                None => {
                    self.want(waiting.height, &waiting.value.set);
                    self.agreement.waiting.push(waiting);
                }
            }
        }
        moved
    }

    /// Whether the value's registrations, amendment and registry hash hold; `None` while the registry before is not
    /// known, which is no verdict.
    fn judge_registry(&self, waiting: &mut Waiting) -> Option<bool> {
        if waiting.registry {
            return Some(true);
        }
        let before = self.registry_before(waiting.height)?;
        let committee = self.committee_of_window(waiting.height)?;
        waiting.registry = self.registry_after(&before, &waiting.value, &committee).is_ok();
        Some(waiting.registry)
    }

    fn give_verdict(&mut self, height: u64, round: u32, value_id: Digest32, valid: bool) {
        let outputs = self.agreement.agree.handle(self.now, Input::Validity { height, round, value_id, valid });
        self.agree_outputs(outputs);
    }

    fn agree_outputs(&mut self, outputs: Vec<Output>) {
        self.agreement.outputs.extend(outputs);
        if std::mem::replace(&mut self.agreement.acting, true) {
            return;
        }
        while let Some(output) = self.agreement.outputs.pop_front() {
            self.act(output);
        }
        self.agreement.acting = false;
    }

    fn act(&mut self, output: Output) {
        match output {
            // The log is of what was signed: who only follows a height must not write over what it signed there before.
            Output::Wal(_) if !self.agreement.signs => {}
            Output::Wal(entry) => {
                let record = Record::Wal { height: entry.height, index: self.agreement.wal_index, entry: entry.bytes };
                self.agreement.wal_index += 1;
                self.agreement.unsynced = true;
                self.persist(record, false);
            }
            Output::Send { message } => {
                if std::mem::take(&mut self.agreement.unsynced) {
                    self.agreement.after = self.barrier();
                }
                let after = self.agreement.after;
                self.send(Recipient::Members, Message::Consensus(Box::new(message)), after);
            }
            Output::NeedValue { height, round } => self.agreement.asked = Some((height, round)),
            Output::Validate { height, round, value_id, value, .. } => {
                self.on_proposed(height, round, value_id, &value);
            }
            Output::Decide { height, value, certificate, .. } => self.on_decided(height, &value, certificate),
            Output::Fault(fault) => self.on_agree_fault(fault),
            Output::Halt(reason) => self.halt(Halt::Agreement(format!("{reason:?}"))),
        }
    }

    fn on_proposed(&mut self, height: u64, round: u32, value_id: Digest32, bytes: &[u8]) {
        let Some(committee) = self.committee_of_window(height) else { return };
        match self.check_value(bytes, &committee, height) {
            Err(_) => self.give_verdict(height, round, value_id, false),
            Ok(value) => {
                self.agreement.waiting.push(Waiting { height, round, value_id, value, registry: false });
                self.agreement.judged = false;
            }
        }
    }

    fn on_agree_fault(&mut self, fault: AgreeFault) {
        let fault = match fault {
            AgreeFault::TwoVotes { first, second } => return self.accuse(Evidence::TwoVotes { first, second }),
            AgreeFault::TwoProposals { first, second } => {
                return self.accuse(Evidence::TwoProposals { first, second });
            }
            AgreeFault::BadMessage { from, reason } => {
                let height = self.agreement.height.unwrap_or(1);
                let peer = self.committee_of_window(height).and_then(|c| c.signers().identity(from));
                let Some(peer) = peer else { return };
                Fault::Peer { peer, reason }
            }
            // The certificate was verified before the decision was handed over.
            AgreeFault::BadDecision { .. } => return,
        };
        self.out.faults.push(fault);
    }

    /// Keeps a decision, erases what it leaves out, and fetches what it names. [agree-7]
    pub(crate) fn on_decided(&mut self, height: u64, bytes: &[u8], certificate: CommitCertificate) {
        let Some(committee) = self.committee_of_window(height) else { return };
        let value = match self.check_value(bytes, &committee, height) {
            Ok(value) => value,
            Err(reason) => return self.halt(Halt::Agreement(format!("decided value of window {height}: {reason}"))),
        };
        let Some(window) = self.window_mut(height) else { return };
        if window.decision.is_some() {
            return;
        }
        let after = match self.registry_before(height).map(|before| self.registry_after(&before, &value, &committee)) {
            Some(Err(reason)) => {
                return self.halt(Halt::Agreement(format!("registry of decided window {height}: {reason}")));
            }
            after => after.and_then(Result::ok),
        };
        let set = value.set.clone();
        self.agreement.note_decided(&certificate);
        let Some(window) = self.window_mut(height) else { return };
        let decision = Decision { value, certificate };
        window.held.retain(|entry, _| set.binary_search(entry).is_ok());
        window.wanted.clear();
        let chosen = match &window.own {
            OwnDealing::Dealt { hash, .. } => set.iter().any(|entry| entry.commitment == *hash),
            _ => true,
        };
        if !chosen {
            window.own = OwnDealing::Dealing { seq: 0 }; // never opened: the one-time keys are erased here
            window.seed = None;
        }
        let seq = self.persist(Record::Decision(Box::new(decision.clone())), true);
        if let Some(window) = self.windows.get_mut(&height) {
            window.decision = Some(Decided { decision, seq, openings: BTreeMap::new() });
        }
        if let Some(after) = after {
            self.learn_registry(height, after);
        }
        self.want(height, &set);
    }

    /// A decision learned from a peer, its certificate verified: the agreement engine, if it is at that height,
    /// is told; otherwise the decision stands by itself. [agree-8]
    pub(crate) fn on_synced_decision(&mut self, decision: &Decision) {
        let height = decision.value.window;
        let certificate = decision.certificate.clone();
        if self.agreement.height == Some(height) {
            let input = Input::Decided { value: decision.value.encode(), certificate };
            let outputs = self.agreement.agree.handle(self.now, input);
            self.agree_outputs(outputs);
        } else {
            self.on_decided(height, &decision.value.encode(), certificate);
        }
    }

    /// Names the members of the committee in force and of the next, so that a change of epoch finds them connected.
    pub(crate) fn announce_members(&mut self) {
        let epoch = self.schedule().epoch_of(self.chain.round + 1);
        let members: BTreeSet<IdentityKey> = self
            .committees
            .range(epoch..)
            .flat_map(|(_, committee)| committee.members())
            .filter(|member| member.weight > 0)
            .map(|member| member.identity)
            .collect();
        self.out.effects.push(Effect::Members(members.into_iter().collect()));
    }
}
