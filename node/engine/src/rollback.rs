//! What a store that may be older than the own messages keeps a member from signing.
//!
//! A member that signs twice is a criminal, whatever the reason. So at every start it asks the others for its own
//! newest messages, and signs nothing that it could have signed before if its store does not know one of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use beacon_spec::committee::Committee;
use beacon_spec::consensus::{CommitCertificate, ProposalHead, SignedVote};
use beacon_spec::keys::IdentityKey;
use beacon_spec::message::SignedCommitment;
use beacon_spec::reject::Reject;

use crate::agree;
use crate::batch::{Record, Recovered};
use crate::engine::Engine;
use crate::event::{Message, Millis, Recipient};
use crate::resend::Own as OwnMessage;
use crate::window::OwnDealing;

/// How long the others are waited for, and how often they are asked.
const PATIENCE: Millis = 10_000;
const ASK_EVERY: Millis = 1_000;
/// A member is not answered more often than this.
const ANSWER_EVERY: Millis = 250;
/// Windows of which a member may have dealt or voted beyond the highest decided one.
const AHEAD: u64 = 2;
/// Votes of one answer that are looked at.
const MOST_VOTES: usize = 8;

/// What a node has seen of the member that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recalled {
    /// The commit certificate of the highest window that the node knows to be decided.
    pub decided: Option<CommitCertificate>,
    /// The member's newest commitment.
    pub commitment: Option<SignedCommitment>,
    /// The member's newest proposal of the height that is being agreed on.
    pub proposal: Option<ProposalHead>,
    /// The member's newest vote of that height, and its precommits in the certificates of windows that are open.
    pub votes: Vec<SignedVote>,
}

#[derive(Clone, Copy, Debug)]
struct Asking {
    until: Millis,
    next: Millis,
}

#[derive(Debug, Default)]
pub(crate) struct Caution {
    asking: Option<Asking>,
    /// Whether the store is known to be older than the own messages.
    older: bool,
    /// The highest decided height of each member that has answered, certified; `None` if its committee is not known here
    /// yet.
    tips: BTreeMap<IdentityKey, Option<u64>>,
    /// Who has answered since the last time that everybody was asked: one answer of each is looked at.
    heard: BTreeSet<IdentityKey>,
    /// When members that asked were last answered.
    answers: BTreeMap<IdentityKey, Millis>,
    /// Nothing is dealt, proposed or voted for at this height and below.
    silent_through: u64,
}

impl Caution {
    pub fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    pub fn silent_through(&self) -> u64 {
        self.silent_through
    }
}

impl Engine {
    /// Decides at a start whether the others must be asked first. [rollback-1]
    pub(crate) fn be_cautious(&mut self, recovered: &Recovered) {
        if self.config.unsafe_release {
            if recovered.silent_through > 0 {
                self.persist(Record::Silent { through: 0 }, true);
            }
            return;
        }
        self.caution.silent_through = recovered.silent_through;
        self.caution.older = self.config.restored;
        let parameters = &self.config.parameters;
        let too_early = self.clock() <= parameters.schedule.genesis_time.saturating_sub(parameters.lead);
        let unused = recovered.tip.is_none()
            && recovered.decisions.is_empty()
            && recovered.commitments.is_empty()
            && recovered.seeds.is_empty()
            && recovered.wal.is_empty();
        let nothing_signed = unused && too_early && !self.caution.older;
        if !nothing_signed && !self.config.bundles.is_empty() {
            let until = self.now.saturating_add(PATIENCE);
            self.caution.asking = Some(Asking { until, next: self.now });
        }
    }

    /// Whether this member may deal, propose and vote at `height`. [rollback-3]
    pub(crate) fn may_sign(&self, height: u64) -> bool {
        self.caution.asking.is_none() && height > self.caution.silent_through
    }

    pub(crate) fn rollback_deadline(&self) -> Option<Millis> {
        self.caution.asking.map(|asking| match self.caution.older {
            false if asking.until > self.now => asking.next.min(asking.until),
            _ => asking.next,
        })
    }

    /// Asks, and stops asking once enough is known. [rollback-2]
    pub(crate) fn try_recall(&mut self) -> bool {
        let Some(mut asking) = self.caution.asking else { return false };
        let behind = self.is_outrun();
        if behind {
            asking.until = self.now.saturating_add(PATIENCE); // there is nothing that it could usefully sign
        }
        if self.now >= asking.next {
            asking.next = self.now.saturating_add(ASK_EVERY);
            self.caution.heard.clear();
            self.send(Recipient::Members, Message::Recall, 0);
        }
        self.caution.asking = Some(asking);
        let Some(committee) = self.committee_of_window(self.next_height()) else { return false };
        let enough = if self.caution.older {
            self.answered(&committee, false) && !behind
        } else {
            self.answered(&committee, true) && !behind || self.now >= asking.until
        };
        if enough {
            self.stop_asking();
        }
        enough
    }

    /// Whether members of more than a third of the weight speak of heights that this node cannot judge yet: fewer may be
    /// lying, or may have certificates of nothing.
    fn is_outrun(&self) -> bool {
        let next = self.next_height();
        let Some(committee) = self.committee_of_window(next) else { return true };
        let signers = committee.signers();
        let ahead = |tip: &Option<u64>| tip.is_none_or(|tip| tip > next.saturating_add(1));
        let members = self.caution.tips.iter().filter(|(_, tip)| ahead(tip)).map(|(key, _)| key);
        let weight: u64 = members.filter_map(|key| Some(signers.weight(signers.index_of(key)?))).sum();
        u128::from(weight) * 3 > u128::from(signers.total_weight())
    }

    /// Whether members of a quorum have answered; this one, if it counts, has by its store.
    fn answered(&self, committee: &Committee, with_me: bool) -> bool {
        let signers = committee.signers();
        let me = Some(&self.config.identity).filter(|_| with_me);
        let weight = self
            .caution
            .tips
            .iter()
            .filter(|(_, tip)| tip.is_some())
            .map(|(key, _)| key)
            .chain(me)
            .filter_map(|key| Some(signers.weight(signers.index_of(key)?)))
            .sum();
        signers.is_quorum(weight)
    }

    fn stop_asking(&mut self) {
        self.caution.asking = None;
        self.look_again();
        if self.caution.older {
            let highest = self.caution.tips.values().flatten().copied().max().unwrap_or(0);
            self.caution.silent_through = self.caution.silent_through.max(highest.saturating_add(AHEAD));
            self.persist(Record::Silent { through: self.caution.silent_through }, true);
        }
        let dealt: Vec<(u64, Box<_>, u64)> = self
            .windows
            .iter()
            .filter(|(number, window)| window.decision.is_none() && self.may_sign(**number))
            .filter_map(|(number, window)| match &window.own {
                OwnDealing::Dealt { seq, commitment, .. } => Some((*number, commitment.clone(), *seq)),
                _ => None,
            })
            .collect();
        for (number, commitment, seq) in dealt {
            self.send(Recipient::Gossip, Message::Commitment(commitment), seq);
            self.resend_later(OwnMessage::Commitment(number));
        }
    }

    fn is_other_member(&self, key: &IdentityKey) -> bool {
        let known = self.committees.values().any(|committee| committee.signers().index_of(key).is_some());
        known && *key != self.config.identity
    }

    /// A member that starts asks what has been seen of it.
    pub(crate) fn on_recall(&mut self, from: IdentityKey) {
        if !self.is_other_member(&from) {
            return;
        }
        let now = self.now;
        self.caution.answers.retain(|_, answered| now < answered.saturating_add(ANSWER_EVERY));
        if self.caution.answers.contains_key(&from) {
            return;
        }
        self.caution.answers.insert(from, now);
        let mut recalled = Recalled {
            decided: self.agreement.newest_certificate().cloned(),
            commitment: None,
            proposal: None,
            votes: Vec::new(),
        };
        for (number, window) in &self.windows {
            let Some(committee) = self.committee_of_window(*number) else { continue };
            let Some(member) = committee.signers().index_of(&from) else { continue };
            if let Some(newest) = window.seen.get(&member).and_then(|seen| seen.last()) {
                recalled.commitment = Some(*newest);
            }
            let votes = window.decision.iter().flat_map(|decided| decided.decision.certificate.votes());
            recalled.votes.extend(votes.filter(|signed| signed.vote.member == member));
            if self.agreement.height() == Some(*number) {
                let (proposal, vote) = self.agreement.newest_of(member);
                recalled.proposal = proposal;
                recalled.votes.extend(vote);
            }
        }
        recalled.votes.truncate(MOST_VOTES);
        // A certificate may hold the own precommit, and then stands in the batch of its decision.
        let after = self.windows.values().filter_map(|window| Some(window.decision.as_ref()?.seq)).max().unwrap_or(0);
        self.send(Recipient::Peer(from), Message::Recalled(Box::new(recalled)), after);
    }

    /// A member's answer: how far it is, and whether it knows of something that this store does not. [rollback-2]
    pub(crate) fn on_recalled(&mut self, from: IdentityKey, recalled: &Recalled) {
        if self.caution.asking.is_none() || !self.is_other_member(&from) || !self.caution.heard.insert(from) {
            return;
        }
        let Ok(tip) = self.certified_height(recalled.decided.as_ref()) else { return };
        let newest = self.caution.tips.entry(from).or_default();
        *newest = tip.map(|tip| newest.unwrap_or(0).max(tip));
        let forgotten = recalled.commitment.is_some_and(|signed| self.forgot_commitment(&signed))
            || recalled.proposal.is_some_and(|head| self.forgot_proposal(&head))
            || recalled.votes.iter().take(MOST_VOTES).any(|signed| self.forgot_vote(signed));
        self.caution.older |= forgotten;
        self.look_again();
    }

    /// The height of a commit certificate that holds, 0 without one; `None` if its committee is of an epoch to come.
    fn certified_height(&self, certificate: Option<&CommitCertificate>) -> Result<Option<u64>, Reject> {
        let Some(certificate) = certificate else { return Ok(Some(0)) };
        let Some(committee) = self.committee_of_window(certificate.height) else {
            return if certificate.height > self.next_height() { Ok(None) } else { Err(Reject::WrongEpoch) };
        };
        let signers = committee.signers();
        let voter = |member| Some((signers.weight(member), signers.verifier(member).ok()?));
        certificate.verify(&self.config.chain, voter, signers.total_weight())?;
        Ok(Some(certificate.height))
    }

    /// The committee of a window in which this node could still sign, and this node's place there.
    fn signing_place(&self, window: u64, member: u16) -> Option<std::sync::Arc<Committee>> {
        let undecided = self.windows.get(&window).is_none_or(|state| state.decision.is_none());
        let committee = self.committee_of_window(window)?;
        let mine = committee.signers().index_of(&self.config.identity) == Some(member);
        (window >= self.current_window() && undecided && mine).then_some(committee)
    }

    fn forgot_commitment(&self, signed: &SignedCommitment) -> bool {
        let window = signed.body.window;
        let Some(committee) = self.signing_place(window, signed.body.member) else { return false };
        let kept = self.windows.get(&window).is_some_and(|state| state.seed.is_some());
        !kept && signed.verify(&self.config.chain, committee.signers()).is_ok()
    }

    fn forgot_proposal(&self, head: &ProposalHead) -> bool {
        let proposal = &head.proposal;
        let Some(committee) = self.signing_place(proposal.height, proposal.member) else { return false };
        let Ok(key) = committee.signers().verifier(proposal.member) else { return false };
        let kept = self.agreement.log_of(proposal.height).iter().any(|entry| agree::logs_proposal(entry, proposal));
        !kept && head.verify(&self.config.chain, key).is_ok()
    }

    fn forgot_vote(&self, signed: &SignedVote) -> bool {
        let vote = &signed.vote;
        let Some(committee) = self.signing_place(vote.height, vote.member) else { return false };
        let Ok(key) = committee.signers().verifier(vote.member) else { return false };
        let kept = self.agreement.log_of(vote.height).iter().any(|entry| agree::logs_vote(entry, vote));
        !kept && signed.verify(&self.config.chain, key).is_ok()
    }
}
