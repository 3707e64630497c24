//! What a member may say after what it was given: counted anew from messages and from what its disk holds.

use std::collections::BTreeSet;

use beacon_engine::event::Message;
use beacon_spec::codec::{Limits, decode};
use beacon_spec::committee::Committee;
use beacon_spec::consensus::{ConsensusMessage, SignedProposal, Vote, VoteKind, value_id};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::Verifier;
use beacon_spec::message::{Commitment, HeaderVote, Opening, Ready, SetEntry, Shares, Value};
use beacon_testnet::sim::GENESIS_TIME;
use beacon_testnet::sim::post::describe;

use super::explorer::Pooled;
use super::local::{Local, Works};
use super::{LEAD, QUORUM, Scene};

/// The promise that is broken.
pub type Verdict = Result<(), String>;

/// A member as it stands after a choice, and what is known about the world.
pub struct Sight<'a> {
    pub scene: &'a Scene,
    pub pool: &'a [Pooled],
    pub works: &'a Works,
    pub local: &'a Local,
}

fn hold(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

impl Sight<'_> {
    /// Judges all that left with the last choice, and the state that it led to.
    pub fn judge(&self) -> Verdict {
        match &self.local.broken {
            Some(what) => return Err(what.clone()),
            None => self.holds_keys()?,
        }
        for left in &self.local.left {
            let said = |what| format!("member {} sends {} {what}", self.me(), describe(&left.message));
            let verdict = match &left.message {
                Message::Opening(opening) => self.opening(opening),
                Message::Ready(ready) => self.ready(ready),
                Message::Shares(shares) => self.shares(shares),
                Message::HeaderVote(vote) => self.header_vote(vote),
                Message::Beacon(beacon) => hold(self.certified(beacon.header.round), || "that is not certified".into()),
                // What was said before is only said again.
                Message::Commitment(commitment) if left.fresh => self.commitment(commitment),
                Message::Consensus(message) if left.fresh => self.agreement(message),
                _ => Ok(()),
            };
            verdict.map_err(said)?;
        }
        self.decisions()
    }

    fn me(&self) -> u16 {
        self.local.member as u16
    }

    fn given(&self) -> impl Iterator<Item = &Message> {
        self.local.given.iter().map(|number| &self.pool[*number].message)
    }

    fn said(&self, what: &'static str, number: u64, round: u32) -> Option<Digest32> {
        self.local.said.get(&(self.me(), what, number, round)).copied()
    }

    fn committee(&self, window: u64) -> &Committee {
        &self.scene.committees[&self.scene.schedule.epoch_of_window(window)]
    }

    fn window_of(&self, round: u64) -> u64 {
        self.scene.schedule.window_of(round)
    }

    /// The decided set of the round's window, as the disk has it.
    fn decided_set(&self, round: u64) -> Option<&[SetEntry]> {
        Some(&self.local.disk.decisions.get(&self.window_of(round))?.value.set)
    }

    /// Members that are known to have opened the round's gate, by their openings and readies.
    fn gates(&self, round: u64) -> BTreeSet<u16> {
        let others = self.given().filter_map(|message| match message {
            Message::Opening(opening) if opening.round == round => Some(opening.member),
            Message::Ready(ready) if ready.round == round => Some(ready.member),
            _ => None,
        });
        let own = self.said("opening", round, 0).or(self.said("ready", round, 0)).map(|_| self.me());
        others.chain(own).collect()
    }

    /// The rounds whose gates are known to be open at a quorum.
    pub fn quorums(&self) -> Vec<u64> {
        let rounds: BTreeSet<u64> = self
            .given()
            .filter_map(|message| match message {
                Message::Opening(opening) => Some(opening.round),
                Message::Ready(ready) => Some(ready.round),
                _ => None,
            })
            .collect();
        rounds.into_iter().filter(|round| self.gates(*round).len() >= QUORUM).collect()
    }

    /// Whether the member can know that a round is certified.
    fn certified(&self, round: u64) -> bool {
        let beacon = |message: &Message| matches!(message, Message::Beacon(beacon) if beacon.header.round == round);
        let others = self.given().filter_map(|message| match message {
            Message::HeaderVote(vote) if vote.round == round => Some(vote.member),
            _ => None,
        });
        let own = self.said("header vote", round, 0).map(|_| self.me());
        let voters: BTreeSet<u16> = others.chain(own).collect();
        round == 0 || self.local.disk.rounds.contains_key(&round) || self.given().any(beacon) || voters.len() >= QUORUM
    }

    /// Members known to have voted for a value, this one included.
    fn voters(&self, kind: VoteKind, height: u64, round: u32, value: Digest32) -> usize {
        let ever = self.local.ever.iter().map(|number| &self.pool[*number].message);
        let votes = ever.filter_map(|message| match message {
            Message::Consensus(message) => match &**message {
                ConsensusMessage::Vote(signed) => Some(signed.vote),
                _ => None,
            },
            _ => None,
        });
        let vote = |member| Vote { height, round, kind, value_id: Some(value), member };
        let mut members: BTreeSet<u16> = votes.filter(|one| *one == vote(one.member)).map(|one| one.member).collect();
        let what = if kind == VoteKind::Prevote { "prevote" } else { "precommit" };
        let own = vote(self.me()).digest(&self.local.config.chain);
        members.extend((self.said(what, height, round) == Some(own)).then_some(self.me()));
        members.len()
    }

    /// What was given and still counts: of rounds and windows that are not on the disk. Without the others the rules are
    /// only stricter.
    pub fn counted(&self) -> (Vec<usize>, Vec<usize>) {
        let open = |number: &&usize| match &self.pool[**number].message {
            Message::Opening(Opening { round, .. })
            | Message::Ready(Ready { round, .. })
            | Message::HeaderVote(HeaderVote { round, .. }) => *round > self.local.tip(),
            Message::Shares(shares) => shares.round > self.local.tip(),
            Message::Beacon(beacon) => beacon.header.round > self.local.tip(),
            Message::Consensus(message) => !self.local.disk.decisions.contains_key(&message.height()),
            _ => false,
        };
        let counted = |numbers: &BTreeSet<usize>| numbers.iter().filter(open).copied().collect();
        (counted(&self.local.given), counted(&self.local.ever))
    }

    /// Whether the member can know that a window is decided.
    fn decided(&self, window: u64) -> bool {
        let values: BTreeSet<(u32, Digest32)> = self
            .pool
            .iter()
            .filter_map(|pooled| match &pooled.message {
                Message::Consensus(message) => match &**message {
                    ConsensusMessage::Vote(signed) => Some((signed.vote.round, signed.vote.value_id?)),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let quorum = |(round, value)| self.voters(VoteKind::Precommit, window, round, value) >= QUORUM;
        window == 0 || self.local.disk.decisions.contains_key(&window) || values.into_iter().any(quorum)
    }

    /// The gate: the decision is on the disk, the header before is certified, the clock is there. [open-4]
    fn gate(&self, round: u64) -> Verdict {
        let due = self.scene.schedule.time_of(round).map_err(|reason| reason.to_string())?;
        hold(self.local.now >= due, || format!("before its time, at {}", self.local.now))?;
        hold(self.certified(round - 1), || "before the header before".into())?;
        hold(self.decided_set(round).is_some(), || "with no decision on the disk".into())
    }

    /// An own opening is of a decided dealing, and one of somebody else was seen. [agree-7] [resend-2]
    fn opening(&self, opening: &Opening) -> Verdict {
        self.gate(opening.round)?;
        let first = *self.scene.schedule.rounds_of(self.window_of(opening.round)).start();
        let set = self.decided_set(opening.round).unwrap_or_default();
        let decided = set.iter().find(|entry| entry.member == opening.member).is_some_and(|entry| {
            let keys = self.works.ledger.keys.get(&entry.commitment);
            opening.member != self.me()
                || keys.is_some_and(|keys| keys.get((opening.round - first) as usize) == Some(&opening.d.0))
        });
        hold(decided, || "that is not of the decided set".into())?;
        let seen = |message: &Message| matches!(message, Message::Opening(other) if other == opening);
        hold(opening.member == self.me() || self.given().any(seen), || "that nobody sent".into())
    }

    fn ready(&self, ready: &Ready) -> Verdict {
        self.gate(ready.round)?;
        let signers = self.committee(self.window_of(ready.round)).signers();
        hold(ready.verify(&self.local.config.chain, signers).is_ok(), || "with a key that is not in force".into())?;
        let set = self.decided_set(ready.round).unwrap_or_default();
        hold(set.iter().all(|entry| entry.member != self.me()), || "in place of its opening".into())
    }

    /// Shares wait for the gates of a quorum, and δ longer unless the secrets are recovered already, and are of decided
    /// dealings and own positions. [recover-2] [recover-3] [recover-4]
    fn shares(&self, shares: &Shares) -> Verdict {
        let (round, gates) = (shares.round, self.gates(shares.round));
        hold(gates.len() >= QUORUM, || format!("after the gates of {gates:?} alone"))?;
        let delay = self.local.config.parameters.recovery_delay;
        let since = self.local.quorum_at.get(&round).copied().unwrap_or(self.local.now);
        let set = self.decided_set(round).unwrap_or_default();
        let committee = self.committee(self.window_of(round));
        let threshold = committee.ticket_set().threshold();
        let recovered = |dealer: u16| self.positions(round, dealer, committee).len() >= threshold;
        let waited = self.local.now >= since + delay || shares.dealers.iter().all(|dealer| recovered(dealer.dealer));
        hold(waited, || format!("at {}, too soon after {since}", self.local.now))?;
        for dealer in &shares.dealers {
            let decided = set.iter().any(|entry| entry.member == dealer.dealer);
            hold(decided, || "of a dealing that was not decided".into())?;
            let own = dealer.shares.iter().all(|share| committee.owner(share.position) == Some(self.me()));
            hold(own, || "at positions of others".into())?;
        }
        Ok(())
    }

    /// A header is signed once the secret of every contributor is known, by opening or from enough shares. [certify-5]
    /// [mix-4]
    fn header_vote(&self, vote: &HeaderVote) -> Verdict {
        let window = self.window_of(vote.round);
        let committee = self.committee(window);
        let signed = vote.verify(&self.local.config.chain, committee.signers()).is_ok();
        hold(signed, || "with a key that is not in force".into())?;
        hold(self.certified(vote.round - 1), || "before the header before".into())?;
        let Some(set) = self.decided_set(vote.round) else { return Err("with no decision on the disk".into()) };
        for entry in set {
            let opened = self.given().any(|message| {
                matches!(message, Message::Opening(opening)
                    if opening.round == vote.round && opening.member == entry.member)
            });
            let own = entry.member == self.me() && self.said("opening", vote.round, 0).is_some();
            let positions = self.positions(vote.round, entry.member, committee);
            hold(opened || own || positions.len() >= committee.ticket_set().threshold(), || {
                format!("without the secret of {}: shares at {positions:?}", entry.member)
            })?;
        }
        Ok(())
    }

    /// Where shares of a dealing were seen, the own ones included.
    fn positions(&self, round: u64, dealer: u16, committee: &Committee) -> BTreeSet<u16> {
        let others = self.given().filter_map(|message| match message {
            Message::Shares(shares) if shares.round == round => Some(shares),
            _ => None,
        });
        let others = others.flat_map(|shares| shares.dealers.iter().filter(|one| one.dealer == dealer));
        let mut positions: BTreeSet<u16> =
            others.flat_map(|one| one.shares.iter().map(|share| share.position)).collect();
        if self.local.shared.contains(&(round, dealer)) {
            positions.extend(committee.positions(self.me()));
        }
        positions
    }

    /// Dealing and agreeing on a window: its time has come, and the one before is decided. [agree-2]
    fn pace(&self, window: u64) -> Verdict {
        hold(self.local.now + LEAD >= GENESIS_TIME, || "long before the genesis time".into())?;
        let last = *self.scene.schedule.rounds_of(window.saturating_sub(2)).end();
        hold(window <= 2 || self.certified(last), || format!("before header {last}"))?;
        hold(self.decided(window - 1), || format!("before window {} is decided", window - 1))
    }

    /// A commitment leaves after its seed is on the disk. [deal-2]
    fn commitment(&self, commitment: &Commitment) -> Verdict {
        let body = &commitment.signed.body;
        self.pace(body.window)?;
        let signers = self.committee(body.window).signers();
        let signed = commitment.signed.verify(&self.local.config.chain, signers).is_ok();
        hold(signed, || "with a key that is not in force".into())?;
        let seeds = self.local.disk.recovered(&self.scene.schedule).seeds;
        hold(seeds.iter().any(|(window, _)| *window == body.window), || "before its seed is on the disk".into())
    }

    /// Whether every commitment that a value names is on the disk. [agree-6]
    fn complete(&self, value: &Value) -> bool {
        let held = self.local.disk.recovered(&self.scene.schedule).commitments;
        let held: BTreeSet<Digest32> =
            held.iter().map(|commitment| commitment.signed.body.hash(&self.local.config.chain)).collect();
        value.set.len() >= QUORUM && value.set.iter().all(|entry| held.contains(&entry.commitment))
    }

    fn agreement(&self, message: &ConsensusMessage) -> Verdict {
        self.pace(message.height())?;
        let verifier = self.committee(message.height()).signers().verifier(self.me());
        let key: &Verifier = verifier.map_err(|reason| reason.to_string())?;
        match message {
            ConsensusMessage::Proposal(signed) if signed.proposal.member == self.me() => self.proposal(signed, key),
            ConsensusMessage::Vote(signed) if signed.vote.member == self.me() => {
                let vote = signed.vote;
                let good = signed.verify(&self.local.config.chain, key).is_ok();
                hold(good, || "with a key that is not in force".into())?;
                match (vote.kind, vote.value_id) {
                    (_, None) => Ok(()),
                    (VoteKind::Prevote, Some(value)) => self.prevote(vote.height, value),
                    (VoteKind::Precommit, Some(value)) => {
                        let voters = self.voters(VoteKind::Prevote, vote.height, vote.round, value);
                        hold(voters >= QUORUM, || format!("after {voters} prevotes"))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    fn proposal(&self, signed: &SignedProposal, key: &Verifier) -> Verdict {
        hold(signed.verify(&self.local.config.chain, key).is_ok(), || "with a key that is not in force".into())?;
        let value: Value = decode(&signed.value, &LIMITS).map_err(|reason| reason.to_string())?;
        hold(self.complete(&value), || "of dealings that are not on the disk".into())
    }

    /// The value was proposed to the member, or by it, and every dealing that it names is on the disk.
    fn prevote(&self, height: u64, value: Digest32) -> Verdict {
        let seen = self
            .pool
            .iter()
            .enumerate()
            .filter(|(number, pooled)| pooled.from == self.local.member || self.local.ever.contains(number));
        let seen = seen.map(|(_, pooled)| &pooled.message).chain(self.local.left.iter().map(|left| &left.message));
        let mut proposals = seen.filter_map(|message| match message {
            Message::Consensus(message) => match &**message {
                ConsensusMessage::Proposal(signed) if signed.proposal.height == height => Some(signed),
                _ => None,
            },
            _ => None,
        });
        let proposed = proposals.find(|signed| signed.proposal.value_id == value);
        let Some(signed) = proposed else { return Err("for what was not proposed to it".into()) };
        let value: Value = decode(&signed.value, &LIMITS).map_err(|reason| reason.to_string())?;
        hold(self.complete(&value), || "for dealings that are not on the disk".into())
    }

    /// A decision that came to the disk has the precommits of a quorum. [agree-7]
    fn decisions(&self) -> Verdict {
        let before = &self.scene.disks[self.local.member].decisions;
        for (window, decision) in &self.local.disk.decisions {
            let value = value_id(&decision.value.encode());
            let voters = self.voters(VoteKind::Precommit, *window, decision.certificate.round, value);
            hold(before.contains_key(window) || voters >= QUORUM, || {
                format!("member {} decides window {window} after {voters} precommits", self.me())
            })?;
        }
        Ok(())
    }

    /// The key store has the keys that are in force for the next round by the disk: whenever the power fails, the member
    /// can go on. And no key that was erased. [epoch-9]
    fn holds_keys(&self) -> Verdict {
        let tip = self.local.tip();
        let committee = self.committee(self.window_of(tip + 1));
        let needed = committee.members()[self.local.member].bundle.voting_key;
        let held: BTreeSet<_> = self.local.config.bundles.iter().map(|bundle| bundle.voting.voting()).collect();
        hold(held.contains(&needed), || format!("member {} has no key for round {}", self.me(), tip + 1))?;
        hold(held.is_disjoint(&self.local.erased), || format!("member {} has erased keys", self.me()))
    }

    /// Whether a message may have changed anything after round `head`: one of an epoch that is over may not. A beacon may,
    /// since the newest round is still passed on.
    pub fn may_change(&self, message: &Message, head: u64) -> Verdict {
        let schedule = &self.scene.schedule;
        let epoch = match message {
            Message::Commitment(commitment) => commitment.signed.body.epoch,
            Message::Opening(Opening { round, .. })
            | Message::Ready(Ready { round, .. })
            | Message::HeaderVote(HeaderVote { round, .. }) => schedule.epoch_of(*round),
            Message::Shares(shares) => schedule.epoch_of(shares.round),
            Message::Consensus(message) => schedule.epoch_of_window(message.height()),
            Message::Registration(registration) => registration.bundle.epoch - 1,
            _ => return Ok(()),
        };
        let current = schedule.epoch_of(head + 1);
        hold(epoch >= current, || format!("member {} takes {} in epoch {current}", self.me(), describe(message)))
    }
}

const LIMITS: Limits = Limits::bytes(512 << 10);
