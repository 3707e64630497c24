//! The eye on double-signing: every verified message of a height is compared with the first of its signer and step.

use std::collections::BTreeMap;

use beacon_spec::consensus::{ProposalHead, SignedVote, VoteKind};

use super::AgreeFault;

/// Rounds behind the current one that are still watched.
const ROUNDS_BEHIND: u32 = 32;

/// The first verified message of each member and step, and whether its author has been accused for that step.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    votes: BTreeMap<(u32, VoteKind, u16), (SignedVote, bool)>,
    proposals: BTreeMap<u32, (ProposalHead, bool)>,
}

impl Watch {
    /// Takes a verified vote; the accusation if it is the first to conflict.
    pub fn vote(&mut self, signed: SignedVote) -> Option<AgreeFault> {
        let key = (signed.vote.round, signed.vote.kind, signed.vote.member);
        let (first, accused) = self.votes.entry(key).or_insert((signed, false));
        if *accused || !first.vote.conflicts_with(&signed.vote) {
            return None;
        }
        *accused = true;
        Some(AgreeFault::TwoVotes { first: *first, second: signed })
    }

    /// Takes a verified proposal of its round's proposer; the accusation if it is the first to conflict.
    pub fn proposal(&mut self, head: ProposalHead) -> Option<AgreeFault> {
        let (first, accused) = self.proposals.entry(head.proposal.round).or_insert((head, false));
        if *accused || !first.proposal.conflicts_with(&head.proposal) {
            return None;
        }
        *accused = true;
        Some(AgreeFault::TwoProposals { first: *first, second: head })
    }

    pub fn newest_vote(&self, member: u16) -> Option<SignedVote> {
        self.votes.iter().rev().find(|((_, _, voter), _)| *voter == member).map(|(_, (signed, _))| *signed)
    }

    pub fn newest_proposal(&self, member: u16) -> Option<ProposalHead> {
        self.proposals.values().rev().map(|(head, _)| *head).find(|head| head.proposal.member == member)
    }

    /// Forgets rounds long past, so that a height without an end does not grow without one.
    pub fn enter_round(&mut self, round: u32) {
        let oldest = round.saturating_sub(ROUNDS_BEHIND);
        self.votes = self.votes.split_off(&(oldest, VoteKind::Prevote, 0));
        self.proposals = self.proposals.split_off(&oldest);
    }
}
