//! The engine: state, routing, and the order in which things are tried. The protocol itself is in the sibling files.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use beacon_spec::committee::Committee;
use beacon_spec::genesis::Parameters;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{IdentityKey, SecretKey};
use beacon_spec::pvss::TicketSecret;
use beacon_spec::reject::Reject;
use beacon_spec::sabotage::{Bug, planted};
use beacon_spec::schedule::Schedule;

use crate::agreement::Agreement;
use crate::batch::{Batch, Record, Seq};
use crate::certify::Chain;
use crate::event::{Effect, Fault, Halt, Input, Message, Millis, Recipient, Step};
use crate::evidence::Proven;
use crate::inbox::Inbox;
use crate::job::JobResult;
use crate::membership::Membership;
use crate::open::Round;
use crate::resend::Resend;
use crate::rollback::Caution;
use crate::status::Participation;
use crate::sync::Sync;
use crate::window::Window;

/// The secrets of one key bundle.
#[derive(Clone, Debug)]
pub struct BundleSecrets {
    /// The epoch that the bundle was made for.
    pub epoch: u64,
    pub voting: SecretKey,
    /// In the order of the bundle's ticket keys.
    pub tickets: Vec<TicketSecret>,
}

/// What a node is told before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    pub chain: Digest32,
    pub parameters: Parameters,
    /// The committee of epoch 1, from the sealed genesis.
    pub committee: Arc<Committee>,
    pub identity: IdentityKey,
    /// Long-lived secret that hedges the seeds of dealings.
    pub long_lived: Zeroizing<[u8; 32]>,
    pub bundles: Vec<Arc<BundleSecrets>>,
    /// The store was restored from a copy, by the operator's word: sign nothing that it may have signed before.
    pub restored: bool,
    /// Sign whatever the others have seen: for a network whose members were restored together. It gives up safety for
    /// the heights that they had reached.
    pub unsafe_release: bool,
    /// Withhold every opening and ready: a fault for running test networks.
    pub unsafe_withhold_openings: bool,
}

/// This node's place in a committee.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub member: u16,
    pub secrets: Arc<BundleSecrets>,
}

/// The protocol state machine of one node.
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) committees: BTreeMap<u64, Arc<Committee>>,
    /// Never goes back: the clock, and how far it has been set back altogether. Timers run on it. [clock-2]
    pub(crate) now: Millis,
    pub(crate) set_back: Millis,
    pub(crate) out: Step,
    pub(crate) records: Vec<Record>,
    pub(crate) sync_batch: bool,
    /// The batch that this step fills; batches up to `durable` are on disk.
    pub(crate) seq: Seq,
    pub(crate) durable: Seq,
    pub(crate) chain: Chain,
    pub(crate) windows: BTreeMap<u64, Window>,
    pub(crate) inbox: Inbox,
    pub(crate) agreement: Agreement,
    pub(crate) round: Round,
    pub(crate) resend: Resend,
    pub(crate) sync: Sync,
    pub(crate) membership: Membership,
    pub(crate) proven: Proven,
    pub(crate) caution: Caution,
    pub(crate) participation: Participation,
    pub(crate) halted: bool,
}

impl Engine {
    /// Handles one input at time `now` and says what is to be done.
    pub fn step(&mut self, now: Millis, input: Input) -> Step {
        if self.halted {
            return Step::default();
        }
        self.set_back = self.set_back.max(self.now.saturating_sub(now));
        self.now = now.saturating_add(self.set_back);
        match input {
            Input::Tick => {}
            Input::Message { from, message } => self.on_message(from, message),
            Input::PeerUp(peer) => self.on_peer_up(peer),
            Input::PeerDown(peer) => self.on_peer_down(peer),
            Input::Entropy { window, bytes } => self.on_entropy(window, &bytes),
            Input::Done(JobResult::Dealt { window, commitment, openings }) => {
                self.on_dealt(window, *commitment, openings)
            }
            Input::Done(JobResult::Verified { window, results }) => self.on_verified(window, results),
            Input::Bundle { bundle, secrets } => self.on_bundle(*bundle, secrets),
            Input::Amendment(amendment) => self.on_own_amendment(*amendment),
            Input::Durable(seq) => {
                self.durable = self.durable.max(seq);
                self.look_again();
            }
            Input::Response { id, from, response } => self.on_response(id, from, response.map(|boxed| *boxed)),
        }
        self.settle()
    }

    /// When `step` must be called again at the latest.
    pub fn deadline(&self) -> Option<Millis> {
        let deadlines = [
            self.agreement_deadline(),
            self.open_deadline(),
            self.recover_deadline(),
            self.resend_deadline(),
            self.sync_deadline(),
            self.rollback_deadline(),
        ];
        Some(deadlines.into_iter().flatten().min()?.saturating_sub(self.set_back))
    }

    fn on_message(&mut self, from: IdentityKey, message: Message) {
        match message {
            Message::Commitment(commitment) => self.on_commitment(from, *commitment, false),
            Message::Opening(opening) => self.on_opening(from, opening),
            Message::Ready(ready) => self.on_ready(from, ready),
            Message::Beacon(beacon) => self.on_beacon(from, *beacon),
            Message::Consensus(message) => self.on_consensus(from, *message),
            Message::Shares(shares) => self.on_shares(from, *shares),
            Message::HeaderVote(vote) => self.on_header_vote(from, vote),
            Message::Registration(registration) => self.on_registration(from, *registration),
            Message::Amendment(amendment) => self.on_amendment(from, *amendment),
            Message::Evidence(evidence) => self.on_evidence(from, *evidence),
            Message::Recall => self.on_recall(from),
            Message::Recalled(recalled) => self.on_recalled(from, &recalled),
        }
    }

    /// Tries everything that the new state may allow, until nothing moves, then closes the batch and the step.
    pub(crate) fn settle(&mut self) -> Step {
        self.adopt_next_rounds();
        while !self.halted {
            let mut moved = self.try_recall();
            moved |= self.try_heights();
            moved |= self.try_deal();
            moved |= self.try_verify();
            moved |= self.try_agree();
            moved |= self.try_open();
            moved |= self.try_recover();
            moved |= self.try_certify();
            if !moved {
                break;
            }
            // One move may be what the round waits for: an own ready, a secret from the own share.
            self.round.settled = false;
        }
        self.round.settled = true;
        self.try_register();
        self.try_erase();
        self.try_resend();
        self.try_sync();
        self.close_batch();
        std::mem::take(&mut self.out)
    }

    /// Keeps `record` with the batch of this step; gives the batch's number.
    pub(crate) fn persist(&mut self, record: Record, sync: bool) -> Seq {
        self.records.push(record);
        self.sync_batch |= sync;
        self.seq
    }

    /// Makes the batch of this step, and with it all earlier ones, reach the disk before `after` it is sent.
    pub(crate) fn barrier(&mut self) -> Seq {
        self.sync_batch = true;
        self.seq
    }

    /// What is held or durable has changed: rounds and proposals that waited for it are tried again.
    pub(crate) fn look_again(&mut self) {
        self.round.settled = false;
        self.agreement.considered = false;
        self.agreement.judged = false;
    }

    fn close_batch(&mut self) {
        if self.records.is_empty() && !self.sync_batch {
            return;
        }
        let batch = Batch {
            seq: self.seq,
            sync: std::mem::take(&mut self.sync_batch),
            records: std::mem::take(&mut self.records),
        };
        self.seq += 1;
        self.out.effects.push(Effect::Persist(batch));
    }

    pub(crate) fn send(&mut self, to: Recipient, message: Message, after: Seq) {
        let after = if planted(Bug::SendBeforeFsync) { 0 } else { after };
        self.out.effects.push(Effect::Send { to, message, after });
    }

    pub(crate) fn blame(&mut self, peer: IdentityKey, reason: Reject) {
        self.out.faults.push(Fault::Peer { peer, reason });
    }

    pub(crate) fn halt(&mut self, reason: Halt) {
        self.halted = true;
        self.out.effects.push(Effect::Halt(reason));
    }

    /// What the clock shows.
    pub(crate) fn clock(&self) -> Millis {
        self.now.saturating_sub(self.set_back)
    }

    /// When the clock will show `time`, for timers.
    pub(crate) fn at_clock(&self, time: Millis) -> Millis {
        time.saturating_add(self.set_back)
    }

    pub(crate) fn schedule(&self) -> Schedule {
        self.config.parameters.schedule
    }

    /// The committee of `epoch`, if it is known: of the first epoch by the genesis, of later ones by the registry at
    /// the end of the epoch before, or by a certified header that names it.
    pub(crate) fn committee(&self, epoch: u64) -> Option<Arc<Committee>> {
        self.committees.get(&epoch).cloned()
    }

    pub(crate) fn committee_of_window(&self, window: u64) -> Option<Arc<Committee>> {
        let epoch = self.schedule().epoch_of_window(window);
        self.committee(epoch)
    }

    /// This node's place in `committee`, if it has weight there and holds the keys in force. [epoch-8]
    pub(crate) fn own(&self, committee: &Committee) -> Option<Own> {
        let member = committee.signers().index_of(&self.config.identity)?;
        if committee.signers().weight(member) == 0 {
            return None;
        }
        let key = committee.members().get(usize::from(member))?.bundle.voting_key;
        let secrets = self.config.bundles.iter().find(|bundle| bundle.voting.voting() == key)?;
        Some(Own { member, secrets: secrets.clone() })
    }

    /// The window that the next round belongs to.
    pub(crate) fn current_window(&self) -> u64 {
        self.schedule().window_of(self.chain.round + 1)
    }

    /// The committees that are known, by epoch: the one in force and its neighbours.
    pub fn committees(&self) -> impl Iterator<Item = &Arc<Committee>> {
        self.committees.values()
    }

    pub fn is_halted(&self) -> bool {
        self.halted
    }

    /// Newest certified round and its header hash.
    pub fn head(&self) -> (u64, Digest32) {
        (self.chain.round, self.chain.hash)
    }
}

/// The whole state but for the configuration: two engines that print alike behave alike. No secret is printed.
impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("epochs", &self.committees.keys())
            .field("seq", &self.seq)
            .field("durable", &self.durable)
            .field("chain", &self.chain)
            .field("windows", &self.windows)
            .field("inbox", &self.inbox)
            .field("agreement", &self.agreement)
            .field("round", &self.round)
            .field("resend", &self.resend)
            .field("sync", &self.sync)
            .field("membership", &self.membership)
            .field("proven", &self.proven)
            .field("caution", &self.caution)
            .field("halted", &self.halted)
            .finish_non_exhaustive()
    }
}
