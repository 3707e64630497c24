//! One height: the wrapped core, fed one input after the other.
//!
//! Every height has a core of its own, so nothing of one height (timers, votes, keys) can reach into the next.

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arc_malachitebft_core_consensus::{
    Error, Input, LocallyProposedValue, MAX_FUTURE_ROUND_LOOKAHEAD, Params, ProposedValue, State, process,
};
use arc_malachitebft_core_types as bft;
use beacon_spec::consensus::{CommitCertificate, ConsensusMessage, ProposalHead, SignedProposal, SignedVote, value_id};
use beacon_spec::hash::Digest32;
use beacon_spec::sabotage::{Bug, planted};
use bft::{Round, TimeoutKind, Validity, ValueOrigin, ValuePayload, VoteExtensionPolicy};

use super::context::{Address, Beacon, Height, Members, Value};
use super::host::Host;
use super::wal::{self, WalEntry};
use super::{AgreeFault, AgreeHalt, Millis, Output, convert};

/// From this re-send in one round on, everyone who holds a valid proposal passes it on, not its proposer alone.
const RELAY_FROM: u32 = 2;
/// How often own votes are sent again after the decision; later ones are told by sync.
const RESENDS_AFTER_DECISION: u32 = 4;

fn thresholds() -> bft::ThresholdParams {
    let thresholds = bft::ThresholdParams::default();
    if planted(Bug::QuorumOfAThird) {
        return bft::ThresholdParams { quorum: thresholds.honest, ..thresholds };
    }
    thresholds
}

/// The core of one height and the host of its effects.
pub struct Instance {
    state: State<Beacon>,
    host: Host,
    /// The round for which the engine has been asked for a value.
    asked: Option<u32>,
    decided: bool,
}

/// The votes that the core has counted stand in the host's watch, in order of their voters.
impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("asked", &self.asked)
            .field("decided", &self.decided)
            .field("round", self.state.driver.round_state())
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Instance {
    /// Starts a height: first the core's own start, then the log, then what the start asked for.
    pub fn start(host: Host, log: &[WalEntry]) -> Self {
        let params = Params {
            address: host.address(),
            threshold_params: thresholds(),
            // The value arrives with the proposal, its verdict apart from it.
            value_payload: ValuePayload::ProposalAndParts,
            enabled: host.own.is_some(),
        };
        let (height, members) = (Height(host.height), host.members.clone());
        // Messages of other heights never reach the core, so its own queue stays empty.
        let state = State::new(Beacon, height, members.clone(), params, 1, 1);
        let mut instance = Instance { state, host, asked: None, decided: false };
        instance.feed(Input::StartHeight(height, members, !log.is_empty(), None, VoteExtensionPolicy::Disabled));
        if !log.is_empty() {
            instance.replay(log);
        }
        instance
    }

    fn replay(&mut self, log: &[WalEntry]) {
        let inputs: Option<Vec<_>> = log.iter().map(|entry| wal::decode(self.host.height, entry)).collect();
        let Some(inputs) = inputs else { return self.host.stop(AgreeHalt::WalMalformed) };
        inputs.iter().for_each(|input| self.host.remember_logged(input));
        self.state.index_wal_entries(&inputs);
        self.host.replaying = true;
        for input in inputs {
            if let Input::ProposedValue(proposed, _) = &input {
                let (round, valid) = (convert::round(proposed.round), proposed.validity.is_valid());
                let held = self.host.hold(&proposed.value, round, proposed.proposer);
                held.judged = Some(valid || held.judged == Some(true));
                if proposed.proposer == self.host.address() {
                    self.host.drafts.insert(round, proposed.value.clone());
                }
            }
            self.feed(input);
        }
        self.host.replaying = false;
        self.state.reset_entries_index();
        // Verdicts that the log does not hold are asked for again, and an own proposal may not have left.
        let open: Vec<_> = self.host.values.keys().copied().collect();
        open.into_iter().for_each(|id| self.host.ask_validity(id));
        self.resend_proposal();
        self.propose_draft();
    }

    /// Goes on with a value that was logged before a crash and not yet signed. A second value of one round, and after
    /// another crash a third, would be more than the core keeps of a round, and its replay would lose the own votes.
    fn propose_draft(&mut self) {
        let Some(round) = self.host.wanted.filter(|round| *round == self.round()) else { return };
        let Some(value) = self.host.drafts.get(&round) else { return };
        let bytes = value.bytes.to_vec();
        self.host.wanted = None;
        self.asked = Some(round);
        self.propose(round, bytes);
    }

    /// Runs the core on one input. An error or a panic of the core is a broken invariant: the node must not sign again.
    fn feed(&mut self, input: Input<Beacon>) {
        if self.host.halt.is_some() {
            return;
        }
        let (state, host) = (&mut self.state, &mut self.host);
        let run = || {
            let result: Result<(), Error<Beacon>> = process!(
                input: input, state: state, metrics: &(),
                with: effect => Ok::<_, Infallible>(host.perform(effect))
            );
            result.map_err(|error| match error {
                Error::ReplayDivergence(..) => AgreeHalt::ReplayDiverged,
                _ => AgreeHalt::CoreFailed,
            })
        };
        let verdict = catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(AgreeHalt::CorePanicked));
        if let Err(reason) = verdict {
            self.host.stop(reason);
        }
    }

    pub fn height(&self) -> u64 {
        self.host.height
    }

    pub fn round(&self) -> u32 {
        convert::round(self.state.round())
    }

    pub fn newest_of(&self, member: u16) -> (Option<ProposalHead>, Option<SignedVote>) {
        self.host.newest_of(member)
    }

    pub fn deadline(&self) -> Option<Millis> {
        self.host.timers.next()
    }

    pub fn set_now(&mut self, now: Millis) {
        self.host.now = now;
    }

    /// A message of this height. `from` is `None` when nobody can be blamed for it.
    pub fn message(&mut self, from: Option<u16>, message: ConsensusMessage) {
        let stranger = from.is_some_and(|from| self.host.members.get(Address::of(from)).is_none());
        if self.decided || stranger {
            return;
        }
        self.host.from = from;
        match message {
            ConsensusMessage::Proposal(signed) => self.proposal(signed),
            ConsensusMessage::Vote(signed) => self.feed(Input::Vote(convert::vote_in(&signed))),
            ConsensusMessage::PolkaCertificate(certificate) => {
                self.feed(Input::PolkaCertificate(convert::polka_in(&certificate)));
            }
            ConsensusMessage::RoundCertificate(certificate) => {
                self.feed(Input::RoundCertificate(convert::round_certificate_in(&certificate)));
            }
        }
        self.host.from = None;
    }

    /// Cheap checks first; the signature is the core's, last.
    fn proposal(&mut self, signed: SignedProposal) {
        let proposal = signed.proposal;
        let known = self.host.accepted.contains(&(proposal.round, signed.signature));
        let near = proposal.round <= self.round().saturating_add(MAX_FUTURE_ROUND_LOOKAHEAD);
        let entitled = self.host.members.proposer(proposal.height, proposal.round).address;
        if known || !near || entitled != Address::of(proposal.member) {
            return;
        }
        let (height, round) = (Height(proposal.height), Round::new(proposal.round));
        if self.state.exceeds_per_round_cap(height, round, &proposal.value_id) {
            return;
        }
        match signed.check_value() {
            Ok(()) => self.feed(Input::Proposal(convert::proposal_in(signed))),
            Err(reason) => self.host.blame(reason),
        }
    }

    /// The engine's value for a round in which it was asked for one; too late or twice changes nothing.
    pub fn propose(&mut self, round: u32, value: Vec<u8>) {
        let current = self.asked == Some(round) && round == self.round() && self.state.driver.step_is_propose();
        if self.decided || !current || self.host.has_proposed(round) {
            return;
        }
        let (value, address) = (Value::new(value), self.host.address());
        self.host.hold(&value, round, address).judged = Some(true);
        self.host.drafts.insert(round, value.clone());
        let proposed = LocallyProposedValue::new(Height(self.host.height), Round::new(round), value);
        self.feed(Input::Propose(proposed));
    }

    /// The engine's verdict on a value that it was shown. Valid is final.
    pub fn validity(&mut self, value_id: Digest32, valid: bool) {
        let height = Height(self.host.height);
        let Some(held) = self.host.values.get_mut(&value_id) else { return };
        if self.decided || held.judged == Some(true) || held.judged == Some(valid) {
            return;
        }
        held.judged = Some(valid);
        let proposed = ProposedValue {
            height,
            round: Round::new(held.round),
            valid_round: Round::Nil,
            proposer: held.proposer,
            value: held.value.clone(),
            validity: Validity::from_bool(valid),
        };
        self.feed(Input::ProposedValue(proposed, ValueOrigin::Consensus));
    }

    /// A decision learnt elsewhere. It does not pass through the core: a quorum has spoken, whatever happened here.
    pub fn adopt(&mut self, value: Vec<u8>, certificate: CommitCertificate) {
        if self.decided {
            return;
        }
        let verdict = if certificate.value_id == value_id(&value) {
            let members: &Members = &self.host.members;
            certificate.verify(&self.host.chain, |member| members.voter(member), members.total())
        } else {
            Err(beacon_spec::reject::Reject::Malformed)
        };
        match verdict {
            Ok(()) => {
                self.host.timers.clear();
                self.decide(value, certificate);
            }
            Err(reason) => self.host.outputs.push(Output::Fault(AgreeFault::BadDecision { reason })),
        }
    }

    fn decide(&mut self, value: Vec<u8>, certificate: CommitCertificate) {
        self.decided = true;
        let CommitCertificate { height, round, value_id, .. } = certificate;
        self.host.outputs.push(Output::Decide { height, round, value_id, value, certificate });
    }

    /// Fires what is due.
    pub fn on_time(&mut self) {
        while let Some(timeout) = self.host.timers.pop(self.host.now) {
            if timeout.kind != TimeoutKind::Rebroadcast {
                self.feed(Input::TimeoutElapsed(timeout));
                continue;
            }
            self.host.resent = self.host.resent.saturating_add(1);
            if self.decided && self.host.resent > RESENDS_AFTER_DECISION {
                continue;
            }
            self.feed(Input::TimeoutElapsed(timeout));
            self.resend_proposal();
        }
    }

    /// Sends the round's proposal again, with what justifies it. Votes are the core's to re-send.
    fn resend_proposal(&mut self) {
        let Some(signed) = self.host.proposals.get(&self.round()).cloned() else { return };
        let proposal = &signed.message;
        let own = proposal.address == self.host.address();
        let judged = self.host.values.get(&proposal.value.id).and_then(|held| held.judged);
        let relay = self.host.own.is_some() && self.host.resent >= RELAY_FROM && judged == Some(true);
        if !own && !relay {
            return;
        }
        let polka = self.state.polka_certificate(proposal.pol_round, &proposal.value.id).map(convert::polka_out);
        if let Some(polka) = polka {
            self.host.send(ConsensusMessage::PolkaCertificate(polka));
        }
        self.host.send(ConsensusMessage::Proposal(convert::signed_proposal_out(&signed)));
    }

    /// What has come of the inputs since the last call, in order; decision and halt last.
    pub fn finish(&mut self) -> Vec<Output> {
        if let Some(reason) = self.host.halt {
            self.host.timers.clear();
            self.host.outputs.push(Output::Halt(reason));
        } else if let Some(certificate) = self.host.decision.take() {
            match self.state.decided_value() {
                Some((_, value)) if !self.decided => {
                    self.host.timers.keep_rebroadcast();
                    self.host.resent = 0;
                    self.decide(value.bytes.to_vec(), certificate);
                }
                _ => {}
            }
        } else if let Some(round) = self.host.wanted.take() {
            let current = round == self.round() && self.state.driver.step_is_propose();
            if current && !self.decided && !self.host.has_proposed(round) {
                self.asked = Some(round);
                self.host.outputs.push(Output::NeedValue { height: self.host.height, round });
            }
        }
        std::mem::take(&mut self.host.outputs)
    }

    pub fn halted(&self) -> bool {
        self.host.halt.is_some()
    }
}

#[cfg(test)]
mod tests {
    use beacon_spec::keys::{SecretKey, Verifier};
    use bft::Timeout;
    use std::time::Duration;

    use super::super::timers::{Timeouts, Timers};
    use super::super::{AgreeHalt, Voter};
    use super::*;

    /// The core asserts that it never sees a finalization timeout outside a finalization period; ours has none.
    #[test]
    fn a_panic_of_the_core_halts_and_goes_no_further() {
        let key = SecretKey::from_seed(&[3; 32]);
        let verifier = Verifier::new(&key.public()).expect("keys made from seeds are good");
        let members = Members::new(&[Voter { member: 0, weight: 1, key: verifier }]).expect("one voter");
        let timers = Timers::new(Timeouts::default());
        let host = Host::new((Digest32::ZERO, 1, 0), members, Some((Address::of(0), key)), timers);
        let mut instance = Instance::start(host, &[]);
        assert_eq!(instance.finish(), [Output::NeedValue { height: 1, round: 0 }]);
        instance.propose(0, vec![1]);
        assert!(matches!(instance.finish().last(), Some(Output::Decide { .. })));
        instance.feed(Input::TimeoutElapsed(Timeout::finalize_height(Round::ZERO, Duration::ZERO)));
        assert_eq!(instance.finish(), [Output::Halt(AgreeHalt::CorePanicked)]);
        assert!(instance.halted());
    }
}
