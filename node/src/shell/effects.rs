//! What each effect of the engine does in the world.

use std::io::Write;

use beacon_engine::event::{Effect, Fault, Message, Recipient, Request, RequestId, Step};
use beacon_spec::codec::encode;
use beacon_spec::keys::IdentityKey;
use beacon_spec::message::Opening;

use super::driver::Driver;
use super::error::ShellError;
use crate::network::{Offence, Topic};
use crate::store::StoreError;

/// The gossip topic of a message; `None` for those that only go directly.
pub fn topic(message: &Message) -> Option<Topic> {
    match message {
        Message::Commitment(_) | Message::Registration(_) | Message::Amendment(_) => Some(Topic::Commitments),
        Message::Opening(_) | Message::Ready(_) => Some(Topic::Openings),
        Message::Beacon(_) => Some(Topic::Beacons),
        Message::Evidence(_) => Some(Topic::Evidence),
        Message::Consensus(_) | Message::Shares(_) | Message::HeaderVote(_) => None,
        Message::Recall | Message::Recalled(_) => None,
    }
}

/// A message's name in metrics.
pub fn kind(message: &Message) -> &'static str {
    match message {
        Message::Commitment(_) => "commitment",
        Message::Opening(_) => "opening",
        Message::Ready(_) => "ready",
        Message::Beacon(_) => "beacon",
        Message::Consensus(_) => "consensus",
        Message::Shares(_) => "shares",
        Message::HeaderVote(_) => "header-vote",
        Message::Registration(_) => "registration",
        Message::Amendment(_) => "amendment",
        Message::Evidence(_) => "evidence",
        Message::Recall => "recall",
        Message::Recalled(_) => "recalled",
    }
}

impl Driver {
    /// Executes the effects of one step, in order.
    pub(super) fn execute(&mut self, step: Step) -> Result<(), ShellError> {
        for fault in &step.faults {
            self.accuse(fault);
        }
        for effect in step.effects {
            match effect {
                Effect::Send { to, message, after } if after <= self.durable => self.transmit(to, &message),
                Effect::Send { to, message, after } => self.held.push_back((after, to, message)),
                Effect::Persist(batch) => {
                    self.metrics.persist_waiting(batch.seq.saturating_sub(self.durable));
                    match self.writer.write(batch) {
                        // Why it stopped is on its way: see `run`.
                        Err(StoreError::WriterStopped) => self.writer_stopped = true,
                        written => written?,
                    }
                }
                Effect::NeedEntropy { window } => self.workshop.harvest(window),
                Effect::NeedBundle { epoch, tickets } => self.workshop.need_bundle(epoch, tickets),
                Effect::EraseBundles { erase } => self.workshop.erase_bundles(erase),
                Effect::Run(job) => self.workshop.run(job),
                Effect::Publish { beacon, transcript } => self.publish(&beacon, transcript),
                Effect::Request { id, to, request } => self.ask(id, to, &request),
                Effect::Withheld(opening) => self.note_withheld(&opening),
                Effect::Members(members) => {
                    self.members = members;
                    self.network.set_members(self.members.iter().map(|member| member.0).collect());
                }
                Effect::Halt(halt) => return Err(ShellError::Halted(halt)),
            }
        }
        Ok(())
    }

    /// Sends what waited for batches up to `self.durable`.
    pub(super) fn release(&mut self) {
        for (after, to, message) in std::mem::take(&mut self.held) {
            if after <= self.durable {
                self.transmit(to, &message);
            } else {
                self.held.push_back((after, to, message));
            }
        }
    }

    fn transmit(&mut self, to: Recipient, message: &Message) {
        let bytes = encode(message);
        self.metrics.message(kind(message), false, bytes.len());
        match to {
            Recipient::Gossip => {
                if let Some(topic) = topic(message) {
                    self.network.publish(topic, bytes);
                }
            }
            Recipient::Members => {
                for member in self.members.iter().filter(|member| **member != self.identity) {
                    self.network.direct(member.0, bytes.clone());
                }
            }
            Recipient::Peer(peer) => self.network.direct(peer.0, bytes),
        }
    }

    fn ask(&mut self, id: RequestId, to: IdentityKey, request: &Request) {
        let asked = self.network.request(to.0, encode(request));
        self.requests.insert(asked, id);
    }

    fn accuse(&mut self, fault: &Fault) {
        match fault {
            Fault::Peer { peer, reason } => {
                tracing::debug!(%peer, %reason, "a peer sent what no honest peer sends");
                self.metrics.fault(reason.code());
                self.network.report(peer.0, Offence::InvalidMessage);
            }
            Fault::Crime(evidence) => {
                let (member, window) = (evidence.member(), evidence.window(&self.schedule));
                let crime = evidence.crime().words();
                tracing::warn!(member, window, crime, "a member broke the protocol provably: see /beacon/evidence");
                self.metrics.fault("crime");
            }
        }
    }

    /// Appends an opening that this node withholds on purpose to a file beside its data, for tests of recovery.
    fn note_withheld(&self, opening: &Opening) {
        tracing::warn!(round = opening.round, "withholding the opening, as --unsafe-withhold-openings asks");
        let line = serde_json::to_string(opening).unwrap_or_default();
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.withheld);
        if let Err(error) = file.and_then(|mut file| writeln!(file, "{line}")) {
            tracing::error!(%error, path = %self.withheld.display(), "cannot note a withheld opening");
        }
    }
}
