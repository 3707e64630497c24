//! What the wrapped core asks for, done: signing behind a guard, verifying, timers, and outputs in order.
//!
//! The core yields one [`Effect`] after the other and is resumed with an answer. Nothing here fails towards the core
//! (it would go on with a wrong answer): what cannot be is recorded as a halt, after which nothing leaves any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use arc_malachitebft_core_consensus::{ConsensusMsg, Effect, Input, Resumable, Resume};
use arc_malachitebft_core_types as bft;
use beacon_spec::consensus::{self as wire, ConsensusMessage, VoteKind};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{SecretKey, Signature, Verifier};
use beacon_spec::reject::Reject;
use bft::{CertificateError, SignedMessage};

use super::context::{Address, Beacon, Members, Value, Vote};
use super::convert::{self, SignedProposal};
use super::timers::Timers;
use super::wal;
use super::watch::Watch;
use super::{AgreeFault, AgreeHalt, Millis, Output};

/// What one member signs at most once in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Once {
    Proposal,
    Vote(VoteKind),
}

/// A value that a proposal of the height carries.
#[derive(Clone, Debug)]
pub struct Held {
    pub value: Value,
    pub round: u32,
    pub proposer: Address,
    /// Whether the engine has been asked.
    asked: bool,
    /// The engine's verdict, once there is one.
    pub judged: Option<bool>,
}

/// The executor of one height's effects.
pub struct Host {
    pub chain: Digest32,
    pub height: u64,
    pub members: Members,
    pub own: Option<(Address, SecretKey)>,
    pub now: Millis,
    pub outputs: Vec<Output>,
    pub timers: Timers,
    /// Who sent the message at hand; `None` for what cannot be blamed on anyone.
    pub from: Option<u16>,
    /// The round for which the core wants a value to propose.
    pub wanted: Option<u32>,
    pub decision: Option<wire::CommitCertificate>,
    pub values: BTreeMap<Digest32, Held>,
    /// The value that this member has settled on for a round in which it proposes.
    pub drafts: BTreeMap<u32, Value>,
    /// The first accepted proposal of each round.
    pub proposals: BTreeMap<u32, SignedProposal>,
    /// The signatures of accepted proposals, so that a copy costs nothing.
    pub accepted: BTreeSet<(u32, Signature)>,
    /// How often the own messages of the round have been sent again.
    pub resent: u32,
    pub replaying: bool,
    /// Whether own messages that the log does not hold bind nobody any more.
    pub released: bool,
    pub halt: Option<AgreeHalt>,
    watch: Watch,
    signed: BTreeMap<(Once, u32), (Digest32, Signature)>,
    /// Own messages signed during the replay, which the log does not hold yet.
    unlogged: BTreeSet<Digest32>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("height", &self.height)
            .field("timers", &self.timers)
            .field("wanted", &self.wanted)
            .field("values", &self.values)
            .field("drafts", &self.drafts)
            .field("proposals", &self.proposals.keys())
            .field("accepted", &self.accepted)
            .field("resent", &self.resent)
            .field("halt", &self.halt)
            .field("watch", &self.watch)
            .field("signed", &self.signed)
            .finish_non_exhaustive()
    }
}

impl Host {
    pub fn new(
        (chain, height, now): (Digest32, u64, Millis),
        members: Members,
        own: Option<(Address, SecretKey)>,
        timers: Timers,
    ) -> Self {
        Host {
            chain,
            height,
            members,
            own,
            now,
            timers,
            outputs: Vec::new(),
            from: None,
            wanted: None,
            decision: None,
            values: BTreeMap::new(),
            drafts: BTreeMap::new(),
            proposals: BTreeMap::new(),
            accepted: BTreeSet::new(),
            resent: 0,
            replaying: false,
            released: false,
            halt: None,
            watch: Watch::default(),
            signed: BTreeMap::new(),
            unlogged: BTreeSet::new(),
        }
    }

    /// Stops for ever; the first reason stays.
    pub fn stop(&mut self, reason: AgreeHalt) {
        self.halt.get_or_insert(reason);
    }

    pub fn address(&self) -> Address {
        self.own.as_ref().map_or(Address::OBSERVER, |(address, _)| *address)
    }

    pub fn has_proposed(&self, round: u32) -> bool {
        self.signed.contains_key(&(Once::Proposal, round))
    }

    pub fn send(&mut self, message: ConsensusMessage) {
        if self.halt.is_none() {
            self.outputs.push(Output::Send { message });
        }
    }

    fn accuse(&mut self, fault: Option<AgreeFault>) {
        self.outputs.extend(fault.map(Output::Fault));
    }

    /// Blames the sender of the message at hand.
    pub fn blame(&mut self, reason: Reject) {
        let fault = self.from.map(|from| AgreeFault::BadMessage { from, reason });
        self.accuse(fault);
    }

    /// Does what the core asks for.
    pub fn perform(&mut self, effect: Effect<Beacon>) -> Resume<Beacon> {
        match effect {
            Effect::CancelAllTimeouts(resume) => {
                self.timers.clear();
                resume.resume_with(())
            }
            Effect::CancelTimeout(timeout, resume) => {
                self.timers.cancel(timeout);
                resume.resume_with(())
            }
            Effect::ScheduleTimeout(timeout, resume) => {
                self.timers.set(self.now, timeout, self.resent);
                resume.resume_with(())
            }
            Effect::StartRound(_, round, _, _, resume) => {
                self.resent = 0;
                self.watch.enter_round(convert::round(round));
                resume.resume_with(())
            }
            Effect::GetValue(_, round, _, resume) => {
                self.wanted = round.as_u32();
                resume.resume_with(())
            }
            Effect::PublishConsensusMsg(message, resume) => {
                self.send(convert::message_out(&message));
                resume.resume_with(())
            }
            Effect::PublishLivenessMsg(message, resume) => {
                self.send(convert::liveness_out(&message));
                resume.resume_with(())
            }
            Effect::RepublishVote(vote, resume) => {
                self.send(ConsensusMessage::Vote(convert::signed_vote_out(&vote)));
                resume.resume_with(())
            }
            Effect::RepublishRoundCertificate(certificate, resume) => {
                let certificate = convert::round_certificate_out(&certificate);
                self.send(ConsensusMessage::RoundCertificate(certificate));
                resume.resume_with(())
            }
            // The proposal that is published next carries the whole value.
            Effect::RestreamProposal(.., resume) => resume.resume_with(()),
            Effect::WalAppend(_, input, resume) => {
                self.log(&input);
                resume.resume_with(())
            }
            Effect::Decide(certificate, _, resume) => {
                self.decision = Some(convert::commit_out(&certificate));
                resume.resume_with(())
            }
            // Heights have no target time, so nothing is collected between Decide and Finalize, and faults have been
            // reported when they were seen.
            Effect::Finalize(_, _, _, resume) => resume.resume_with(()),
            effect => self.answer(effect),
        }
    }

    /// The effects whose answer matters.
    fn answer(&mut self, effect: Effect<Beacon>) -> Resume<Beacon> {
        match effect {
            Effect::SignVote(vote, resume) => {
                let digest = convert::vote_out(&vote).digest(&self.chain);
                let key = (Once::Vote(convert::kind_out(vote.kind)), convert::round(vote.round));
                let signature = self.sign(key, digest);
                resume.resume_with(SignedMessage::new(vote, signature))
            }
            Effect::SignProposal(proposal, resume) => {
                let digest = convert::proposal_out(&proposal).digest(&self.chain);
                let signature = self.sign((Once::Proposal, convert::round(proposal.round)), digest);
                resume.resume_with(SignedMessage::new(proposal, signature))
            }
            Effect::VerifySignature(signed, key, resume) => {
                let valid = self.verify(&signed, &key);
                resume.resume_with(valid)
            }
            Effect::VerifyCommitCertificate(certificate, _, _, resume) => {
                // Each of these precommits was verified when it came in, so only their sum is checked again.
                let certificate = convert::commit_out(&certificate);
                let quorum = certificate.check_quorum(&|member| self.members.voter(member), self.members.total());
                resume.resume_with(quorum.map_err(refused))
            }
            Effect::VerifyPolkaCertificate(certificate, _, _, resume) => {
                let certificate = convert::polka_out(&certificate);
                let verdict =
                    certificate.verify(&self.chain, |member| self.members.voter(member), self.members.total());
                resume.resume_with(self.certified(verdict, certificate.votes()))
            }
            Effect::VerifyRoundCertificate(certificate, _, _, resume) => {
                let certificate = convert::round_certificate_out(&certificate);
                let verdict =
                    certificate.verify(&self.chain, |member| self.members.voter(member), self.members.total());
                resume.resume_with(self.certified(verdict, certificate.votes()))
            }
            effect => self.refuse(effect),
        }
    }

    /// Vote extensions are disabled and decided values of others never pass through the core, so none of these comes.
    fn refuse(&mut self, effect: Effect<Beacon>) -> Resume<Beacon> {
        self.stop(AgreeHalt::UnexpectedEffect);
        match effect {
            Effect::ExtendVote(.., resume) => resume.resume_with(None),
            Effect::VerifyVoteExtension(.., resume) => {
                resume.resume_with(Err(arc_malachitebft_core_consensus::VoteExtensionError::InvalidVoteExtension))
            }
            Effect::VerifyExtendedCommitCertificate(.., resume) => {
                resume.resume_with(Err(refused(Reject::NotAllowedHere)))
            }
            _ => Resume::Continue,
        }
    }

    /// Signs, unless another preimage has been signed for the same step: then it stops, and the zeros that the core
    /// gets never leave.
    fn sign(&mut self, key: (Once, u32), digest: Digest32) -> Signature {
        let Some((_, secret)) = &self.own else {
            self.stop(AgreeHalt::UnexpectedEffect);
            return Signature([0; 64]);
        };
        let fresh = secret.sign(&digest);
        match self.signed.get(&key) {
            Some((before, signature)) if *before == digest => *signature,
            Some(_) => {
                self.stop(AgreeHalt::WouldSignTwice);
                Signature([0; 64])
            }
            None => {
                self.signed.insert(key, (digest, fresh));
                if self.replaying {
                    self.unlogged.insert(digest);
                }
                fresh
            }
        }
    }

    /// Takes note of an own message that was signed before, be it read from the log or shown by a peer.
    fn remember(&mut self, key: (Once, u32), digest: Digest32, signature: Signature) {
        let (before, _) = self.signed.entry(key).or_insert((digest, signature));
        if *before != digest {
            self.stop(AgreeHalt::SignedTwice);
        }
    }

    /// Fills the guard from a log entry before the replay starts.
    pub fn remember_logged(&mut self, input: &Input<Beacon>) {
        match input {
            Input::Vote(signed) if signed.address == self.address() => {
                let vote = convert::vote_out(&signed.message);
                self.remember((Once::Vote(vote.kind), vote.round), vote.digest(&self.chain), signed.signature);
            }
            Input::Proposal(signed) if signed.address == self.address() => {
                let proposal = convert::proposal_out(&signed.message);
                let digest = proposal.digest(&self.chain);
                self.remember((Once::Proposal, proposal.round), digest, signed.signature);
            }
            _ => {}
        }
    }

    pub fn newest_of(&self, member: u16) -> (Option<wire::ProposalHead>, Option<wire::SignedVote>) {
        (self.watch.newest_proposal(member), self.watch.newest_vote(member))
    }

    fn verify(&mut self, signed: &SignedMessage<Beacon, ConsensusMsg<Beacon>>, key: &Verifier) -> bool {
        let (once, round, digest, address) = match &signed.message {
            ConsensusMsg::Vote(vote) => {
                let out = convert::vote_out(vote);
                (Once::Vote(out.kind), out.round, out.digest(&self.chain), vote.address)
            }
            ConsensusMsg::Proposal(proposal) => {
                let out = convert::proposal_out(proposal);
                (Once::Proposal, out.round, out.digest(&self.chain), proposal.address)
            }
        };
        // The core shows own messages right after it had them signed.
        let known = self.signed.get(&(once, round)) == Some(&(digest, signed.signature));
        let own = address == self.address();
        if !(own && known) {
            if let Err(reason) = key.verify(&digest, &signed.signature) {
                if self.replaying {
                    self.stop(AgreeHalt::WalMalformed);
                }
                self.blame(reason);
                return false;
            }
            if own && self.released && !self.replaying {
                return false;
            }
            if own {
                self.remember((once, round), digest, signed.signature);
            }
        }
        self.observe(&signed.message, signed.signature);
        true
    }

    /// Compares a verified message with what its signer signed before.
    fn observe(&mut self, message: &ConsensusMsg<Beacon>, signature: Signature) {
        let fault = match message {
            ConsensusMsg::Vote(vote) => self.watch.vote(wire::SignedVote { vote: convert::vote_out(vote), signature }),
            ConsensusMsg::Proposal(proposal) => {
                let proposal = convert::proposal_out(proposal);
                self.watch.proposal(wire::ProposalHead { proposal, signature })
            }
        };
        self.accuse(fault);
    }

    fn certified(
        &mut self,
        verdict: Result<(), Reject>,
        votes: impl Iterator<Item = wire::SignedVote>,
    ) -> Result<(), CertificateError<Beacon>> {
        if let Err(reason) = verdict {
            if self.replaying {
                self.stop(AgreeHalt::WalMalformed);
            }
            self.blame(reason);
            return Err(refused(reason));
        }
        for signed in votes {
            let vote: Vote = convert::vote_in(&signed).message;
            if vote.address == self.address() {
                let key = (Once::Vote(signed.vote.kind), signed.vote.round);
                self.remember(key, signed.vote.digest(&self.chain), signed.signature);
            }
            self.observe(&ConsensusMsg::Vote(vote), signed.signature);
        }
        Ok(())
    }

    /// Logs an input. During the replay the log holds it already, but for own messages that were signed just now.
    fn log(&mut self, input: &Input<Beacon>) {
        if let Input::Proposal(signed) = input {
            self.accept(signed);
        }
        if self.halt.is_some() || (self.replaying && !self.is_unlogged(input)) {
            return;
        }
        match wal::encode(self.height, input) {
            Some(entry) => self.outputs.push(Output::Wal(entry)),
            None => self.stop(AgreeHalt::UnexpectedEffect),
        }
        if let Input::Proposal(signed) = input {
            self.ask_validity(signed.message.value.id);
        }
    }

    fn is_unlogged(&mut self, input: &Input<Beacon>) -> bool {
        let digest = match input {
            Input::Vote(signed) => convert::vote_out(&signed.message).digest(&self.chain),
            Input::Proposal(signed) => convert::proposal_out(&signed.message).digest(&self.chain),
            _ => return false,
        };
        self.unlogged.remove(&digest)
    }

    /// The core has verified and stored a proposal.
    fn accept(&mut self, signed: &SignedProposal) {
        let proposal = &signed.message;
        let round = convert::round(proposal.round);
        self.accepted.insert((round, signed.signature));
        self.proposals.entry(round).or_insert_with(|| signed.clone());
        self.hold(&proposal.value, round, proposal.address);
    }

    pub fn hold(&mut self, value: &Value, round: u32, proposer: Address) -> &mut Held {
        let held = || Held { value: value.clone(), round, proposer, asked: false, judged: None };
        self.values.entry(value.id).or_insert_with(held)
    }

    /// Asks the engine for its verdict on a held value, once.
    pub fn ask_validity(&mut self, value_id: Digest32) {
        let open = self.values.get_mut(&value_id).filter(|held| !held.asked && held.judged.is_none());
        let Some(held) = open else { return };
        held.asked = true;
        let (height, round, proposer) = (self.height, held.round, held.proposer.member());
        let value = held.value.bytes.to_vec();
        self.outputs.push(Output::Validate { height, round, proposer, value_id, value });
    }
}

/// The core only asks whether a certificate holds; the reason why not goes to its sender's account.
fn refused(_: Reject) -> CertificateError<Beacon> {
    CertificateError::VerificationError(None)
}
