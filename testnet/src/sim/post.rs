//! How messages travel: as bytes, to whom they are addressed, and as the chaos and the adversaries let them.

use std::sync::Arc;

use beacon_engine::event::{Input, Message, PeerStatus, Recipient, Request, RequestId, Response};
use beacon_engine::serve::serve;
use beacon_spec::codec::{decode, encode};
use beacon_spec::consensus::ConsensusMessage;
use beacon_spec::hash::{Digest32, Hasher, tag};
use beacon_spec::keys::IdentityKey;

use super::chaos::Fault;
use super::check::Seen;
use super::disk::Served;
use super::net::{Event, HOP, Net, Sent};

/// How many others a node passes gossip on to.
const FORWARDS: usize = 3;
/// Messages that the network remembers to replay.
const MEMORY: usize = 256;
/// How long nobody answers before the transport gives up.
const NO_ANSWER: u64 = 4_000;

/// A message on its way to one node.
#[derive(Clone)]
pub struct Letter {
    /// Who hands it over.
    pub from: usize,
    pub message: Arc<Message>,
    /// The hash by which copies of gossip are known.
    pub gossip: Option<Digest32>,
}

/// A message that is being sent, to these nodes.
#[derive(Clone)]
pub struct Parcel {
    pub to: Vec<usize>,
    pub gossip: bool,
    pub message: Message,
}

impl Net {
    fn audience(&self, from: usize, to: Recipient) -> Vec<usize> {
        let addressed = |other: &usize| match to {
            Recipient::Gossip => true,
            Recipient::Members => self.nodes[from].members.contains(&self.nodes[*other].config.identity),
            Recipient::Peer(key) => self.nodes[*other].config.identity == key,
        };
        (0..self.nodes.len()).filter(|other| *other != from).filter(addressed).collect()
    }

    /// A message leaves a node: everything that it depends on is on disk.
    pub(super) fn transmit(&mut self, from: usize, to: Recipient, message: Message) {
        let parcel = Parcel { to: self.audience(from, to), gossip: to == Recipient::Gossip, message };
        if !self.adversaries.is_adversary(from) {
            self.check(&Seen::Sent { from, message: &parcel.message });
            let seen = parcel.message.clone();
            self.post(from, parcel);
            return self.tempt(from, &seen);
        }
        for parcel in self.scheme(from, |adversary, scene| adversary.send(scene, parcel)) {
            self.post(from, parcel);
        }
    }

    /// Shows the adversary what an honest node sends, before it arrives anywhere.
    fn tempt(&mut self, from: usize, message: &Message) {
        for member in self.adversaries.members() {
            for parcel in self.scheme(member, |adversary, scene| adversary.see(scene, from, message)) {
                self.post(member, parcel);
            }
        }
    }

    /// Puts a parcel on its way.
    pub(super) fn post(&mut self, from: usize, parcel: Parcel) {
        // What travels is bytes: encode and decode on the way.
        let bytes = encode(&parcel.message);
        let id = Hasher::new(tag::STATUS).framed(&bytes).finish();
        self.trace.note(self.now, from, "sends", &id.0, || {
            format!("{} to {:?}{}", describe(&parcel.message), parcel.to, if parcel.gossip { " by gossip" } else { "" })
        });
        if self.record {
            self.sent.push(Sent { at: self.now, from, message: parcel.message });
        }
        let limits = beacon_spec::message::COMMITMENT_LIMITS;
        let Ok(message) = decode::<Message>(&bytes, &limits) else { return };
        let letter = Letter { from, message: Arc::new(message), gossip: parcel.gossip.then_some(id) };
        if letter.gossip.is_some() {
            self.heard.insert((from, id));
        }
        for other in parcel.to {
            self.carry(other, &letter);
        }
        if self.chaos.relays {
            let place = self.chaos.rng.below(MEMORY as u64) as usize;
            if self.past.len() < MEMORY {
                self.past.push(letter);
            } else if let Some(old) = self.past.get_mut(place) {
                *old = letter;
            }
        }
    }

    /// Takes a letter to `to`, if the network lets it through.
    fn carry(&mut self, to: usize, letter: &Letter) {
        let from = letter.from;
        let deaf = matches!(*letter.message, Message::Commitment(_)) && self.deaf.contains(&(from, to));
        if from == to || deaf || self.nodes[to].engine.is_none() || self.is_cut(from, to) {
            return;
        }
        if self.chaos.strikes(Fault::Loss) {
            return;
        }
        let latency = self.chaos.latency();
        self.schedule_event(to, latency, Event::Letter(letter.clone()));
        if self.chaos.strikes(Fault::Duplicate) {
            let later = latency + self.chaos.rng.below(1_000);
            self.schedule_event(to, later, Event::Letter(Letter { gossip: None, ..letter.clone() }));
        }
        if self.chaos.strikes(Fault::Replay)
            && let Some(old) = self.chaos.rng.pick(&self.past).filter(|old| old.from != to)
        {
            let old = Letter { gossip: None, ..old.clone() };
            self.schedule_event(to, latency, Event::Letter(old));
        }
    }

    fn is_cut(&self, one: usize, other: usize) -> bool {
        self.chaos.cut(one, other, self.now) || self.adversaries.cut(one, other, self.now)
    }

    pub(super) fn arrive(&mut self, index: usize, letter: Letter) {
        if let Some(id) = letter.gossip
            && !self.heard.insert((index, id))
        {
            return;
        }
        let from = self.nodes[letter.from].config.identity;
        let message = (*letter.message).clone();
        let relay = self.feed(index, Input::Message { from, message });
        let Some(id) = letter.gossip.filter(|_| relay && self.chaos.relays) else { return };
        let letter = Letter { from: index, ..letter };
        let order = self.chaos.rng.order(self.nodes.len());
        let others = order.into_iter().filter(|other| !self.heard.contains(&(*other, id)));
        for other in others.take(FORWARDS).collect::<Vec<_>>() {
            self.carry(other, &letter);
        }
    }

    /// A request and its answer, from the disk of who is asked.
    pub(super) fn ask(&mut self, index: usize, id: RequestId, to: IdentityKey, request: Request) {
        let other = self.nodes.iter().position(|node| node.config.identity == to && node.engine.is_some());
        let unanswered = self.chaos.strikes(Fault::Unanswered);
        let lively = |other: &usize| self.nodes[*other].frozen.is_none() && !self.is_cut(index, *other);
        let reachable = other.filter(|other| !unanswered && lively(other));
        let Some(other) = reachable else {
            let wait = if self.chaos.relays && self.chaos.rng.below(2) == 0 { NO_ANSWER } else { 2 * HOP };
            let nothing = Input::Response { id, from: to, response: None };
            return self.schedule_event(index, wait, Event::Input(nothing));
        };
        let node = &self.nodes[other];
        let now = node.clock(self.now);
        let Ok(response) = serve(&Served(&node.written, &self.genesis), &node.config.chain, now, &request);
        let response = match response {
            Response::Commitments(mut all) => {
                all.retain(|commitment| !self.starved.contains(&(index, commitment.signed.body.member)));
                Response::Commitments(all)
            }
            Response::Registry(_) if self.unregistered.contains(&index) => Response::Registry(None),
            Response::Status(status) if self.boasters.contains_key(&other) => {
                Response::Status(PeerStatus { decided: u64::MAX, ..status })
            }
            Response::Decisions(_) if self.boasters.contains_key(&other) => {
                *self.boasters.entry(other).or_default() += 1;
                Response::Decisions(Vec::new())
            }
            other => other,
        };
        let response = if self.adversaries.is_adversary(other) {
            self.scheme(other, |adversary, scene| adversary.answer(scene, index, &request, response))
        } else {
            Some(response)
        };
        let latency = self.chaos.latency() + self.chaos.latency() + self.slow.get(&other).unwrap_or(&0);
        let response = Input::Response { id, from: to, response: response.map(Box::new) };
        self.schedule_event(index, latency, Event::Input(response));
    }
}

/// A message in a few words.
pub fn describe(message: &Message) -> String {
    match message {
        Message::Commitment(commitment) => {
            let body = &commitment.signed.body;
            format!("commitment of {} for window {}", body.member, body.window)
        }
        Message::Opening(opening) => format!("opening of {} for round {}", opening.member, opening.round),
        Message::Ready(ready) => format!("ready of {} for round {}", ready.member, ready.round),
        Message::Beacon(beacon) => format!("beacon of round {}", beacon.header.round),
        Message::Shares(shares) => {
            let dealers: Vec<u16> = shares.dealers.iter().map(|dealer| dealer.dealer).collect();
            format!("shares of {} for round {}, dealers {dealers:?}", shares.member, shares.round)
        }
        Message::Registration(registration) => {
            format!("registration of {} for epoch {}", registration.member, registration.bundle.epoch)
        }
        Message::Amendment(_) => "amendment".into(),
        Message::Recall => "question what was seen".into(),
        Message::Recalled(_) => "answer what was seen".into(),
        Message::Evidence(evidence) => format!("evidence against {}", evidence.member()),
        Message::HeaderVote(vote) => format!("header vote of {} for round {}", vote.member, vote.round),
        Message::Consensus(message) => {
            let place = format!("{}/{}", message.height(), message.round());
            match &**message {
                ConsensusMessage::Proposal(signed) => format!("proposal of {} at {place}", signed.proposal.member),
                ConsensusMessage::Vote(signed) => {
                    let nil = if signed.vote.value_id.is_none() { " nil" } else { "" };
                    format!("{:?}{nil} of {} at {place}", signed.vote.kind, signed.vote.member)
                }
                ConsensusMessage::PolkaCertificate(_) => format!("polka certificate at {place}"),
                ConsensusMessage::RoundCertificate(_) => format!("round certificate at {place}"),
            }
        }
    }
}
