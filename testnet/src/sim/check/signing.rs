//! No honest member signs two things that conflict, whatever it has been through, nor lets a commitment leave that a power
//! cut could make it forget.

use std::collections::BTreeMap;

use beacon_engine::event::Message;
use beacon_spec::consensus::ConsensusMessage;
use beacon_spec::hash::Digest32;

use super::{Checker, Facts, Seen};

pub const NAME: &str = "signing";

/// Where only one signature may stand: what, window or height or round, round of agreement.
type Place = (usize, &'static str, u64, u32);

pub struct Signing {
    chain: Digest32,
    signed: BTreeMap<Place, Digest32>,
}

impl Signing {
    pub fn new(chain: Digest32) -> Self {
        Signing { chain, signed: BTreeMap::new() }
    }

    /// The place of an own signed message, and what was signed there.
    fn place(&self, from: usize, message: &Message, facts: &Facts) -> Option<(Place, Digest32)> {
        let own =
            |member: u16, window: u64| facts.node_of(facts.schedule.epoch_of_window(window), member) == Some(from);
        match message {
            Message::Commitment(commitment) => {
                let body = &commitment.signed.body;
                own(body.member, body.window).then(|| ((from, "commitment", body.window, 0), body.hash(&self.chain)))
            }
            Message::HeaderVote(vote) => {
                let window = facts.schedule.window_of(vote.round);
                own(vote.member, window).then_some(((from, "header vote", vote.round, 0), vote.header))
            }
            Message::Consensus(message) => match &**message {
                ConsensusMessage::Vote(signed) if own(signed.vote.member, signed.vote.height) => {
                    let vote = &signed.vote;
                    let kind = match vote.kind {
                        beacon_spec::consensus::VoteKind::Prevote => "prevote",
                        beacon_spec::consensus::VoteKind::Precommit => "precommit",
                    };
                    Some(((from, kind, vote.height, vote.round), vote.digest(&self.chain)))
                }
                ConsensusMessage::Proposal(signed) if own(signed.proposal.member, signed.proposal.height) => {
                    let proposal = &signed.proposal;
                    Some(((from, "proposal", proposal.height, proposal.round), proposal.digest(&self.chain)))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl Checker for Signing {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, seen: &Seen, facts: &Facts) -> Result<(), String> {
        let Seen::Sent { from, message } = seen else { return Ok(()) };
        let Some((place, digest)) = self.place(*from, message, facts) else { return Ok(()) };
        if let Message::Commitment(commitment) = message
            && !facts.nodes[*from].disk.is_bound(commitment.signed.body.window, facts.schedule)
        {
            let window = commitment.signed.body.window;
            return Err(format!("the commitment of node {from} for window {window} leaves before its seed is on disk"));
        }
        if *self.signed.entry(place).or_insert(digest) == digest {
            return Ok(());
        }
        let (node, what, number, round) = place;
        Err(format!("honest node {node} signs two of one: {what} {number}/{round}"))
    }
}
