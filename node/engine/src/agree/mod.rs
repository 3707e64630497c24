//! Agreement on the value of each window: the wall around the consensus core.
//!
//! Nothing outside this folder names the core (`arc-malachitebft-core-consensus`, Tendermint as a pure function of its
//! inputs). It is driven here without a clock, without randomness and without I/O: the same inputs give the same
//! outputs. The folder adds what the core leaves to its host: a guard that never lets two different messages of one
//! step be signed, the write-ahead log and its replay, timers, re-sending of proposals, a buffer for the next heights,
//! prompt accusations, and a boundary that no panic crosses.

mod buffer;
mod context;
mod convert;
mod host;
mod instance;
mod timers;
mod wal;
mod watch;

use std::sync::Arc;

use beacon_spec::consensus::{CommitCertificate, ConsensusMessage, ProposalHead, SignedVote};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{SecretKey, Verifier};
use beacon_spec::reject::Reject;

use crate::event::Millis;
use buffer::Buffer;
use context::{Address, Members};
use host::Host;
use instance::Instance;
pub use timers::Timeouts;
use timers::Timers;
pub use wal::{WalEntry, logs_proposal, logs_vote};

/// A member as agreement sees it; weight 0 has no part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// Index in the committee.
    pub member: u16,
    pub weight: u64,
    /// The voting key in force.
    pub key: Verifier,
}

/// What holds for all heights.
#[derive(Clone, Debug)]
pub struct AgreeConfig {
    pub chain: Digest32,
    pub timeouts: Timeouts,
    /// Signs again what the log does not hold, whatever peers show of it. [rollback-3]
    pub released: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// From the transport, which vouches for the sender but not for the signer.
    Message { from: u16, message: ConsensusMessage },
    /// Answers [`Output::NeedValue`].
    Propose { height: u64, round: u32, value: Vec<u8> },
    /// Answers [`Output::Validate`], however late. Never say `false` of a value that is merely incomplete here.
    Validity { height: u64, round: u32, value_id: Digest32, valid: bool },
    /// A decision of the current height learnt from others, with a value that the engine has judged valid. The
    /// certificate is verified here.
    Decided { value: Vec<u8>, certificate: CommitCertificate },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Must be durable before any later [`Output::Send`] leaves.
    Wal(WalEntry),
    /// To all members of the height, directly.
    Send {
        message: ConsensusMessage,
    },
    /// This member proposes in the round and needs a value.
    NeedValue {
        height: u64,
        round: u32,
    },
    /// Asks for a verdict, once for each value.
    Validate {
        height: u64,
        round: u32,
        proposer: u16,
        value_id: Digest32,
        value: Vec<u8>,
    },
    /// The height's decision, once.
    Decide {
        height: u64,
        round: u32,
        value_id: Digest32,
        value: Vec<u8>,
        certificate: CommitCertificate,
    },
    Fault(AgreeFault),
    /// Nothing is signed any more in this process.
    Halt(AgreeHalt),
}

/// What somebody did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgreeFault {
    /// Provable: one member's two votes of one step, both verified.
    TwoVotes { first: SignedVote, second: SignedVote },
    /// Provable: one proposer's two proposals of one round, both verified.
    TwoProposals { first: ProposalHead, second: ProposalHead },
    /// Not provable: `from` sent a message that its signer did not make.
    BadMessage { from: u16, reason: Reject },
    /// Not provable: a [`Input::Decided`] that does not hold.
    BadDecision { reason: Reject },
}

/// Why nothing is signed any more. Each means a broken invariant, a damaged log or a wrong call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgreeHalt {
    /// Voters unsorted, doubled, without weight or with 2^62 of it.
    BadVoters,
    /// The own key is not the one that the voters have for the own member.
    WrongKey,
    /// A height started again, or below one that was started before.
    HeightNotAbove,
    /// A log entry that does not decode, is of another height, or holds a signature that does not verify.
    WalMalformed,
    /// The replayed log leads to another message than the one it says was signed.
    ReplayDiverged,
    /// Two own messages of one step are known: the key was used elsewhere, or the log was rolled back.
    SignedTwice,
    /// The core asked for a second, different signature of one step.
    WouldSignTwice,
    /// The core asked for something that this configuration never needs.
    UnexpectedEffect,
    /// The core gave up on an input.
    CoreFailed,
    /// The core panicked, as it does when an invariant of its own breaks.
    CorePanicked,
}

/// Agreement, height by height.
#[derive(Debug)]
pub struct Agree {
    config: AgreeConfig,
    instance: Option<Instance>,
    buffer: Buffer,
    halted: bool,
}

impl Agree {
    pub fn new(config: AgreeConfig) -> Agree {
        Agree { config, instance: None, buffer: Buffer::default(), halted: false }
    }

    /// Starts a height above all started before, whatever became of those.
    ///
    /// `own` is the member that this node votes for with the key of this height; without it, or when the member has no
    /// weight, the node only follows. `wal` is the height's log after a restart, in order, and empty otherwise.
    pub fn start_height(
        &mut self,
        now: Millis,
        height: u64,
        voters: Arc<[Voter]>,
        own: Option<(u16, SecretKey)>,
        wal: Vec<WalEntry>,
    ) -> Vec<Output> {
        if self.halted {
            return Vec::new();
        }
        match self.host(now, height, &voters, own) {
            Err(reason) => self.halt(reason),
            Ok(host) => self.run(Instance::start(host, &wal)),
        }
    }

    fn run(&mut self, mut instance: Instance) -> Vec<Output> {
        if instance.halted() {
            // What the replay of a broken log brought about must not leave.
            let reason = instance.finish().pop();
            self.halted = true;
            return reason.into_iter().collect();
        }
        for message in self.buffer.take(instance.height()) {
            instance.message(None, message);
        }
        let outputs = instance.finish();
        self.halted = instance.halted();
        self.instance = Some(instance);
        outputs
    }

    fn host(
        &self,
        now: Millis,
        height: u64,
        voters: &[Voter],
        own: Option<(u16, SecretKey)>,
    ) -> Result<Host, AgreeHalt> {
        if self.height().is_some_and(|last| height <= last) {
            return Err(AgreeHalt::HeightNotAbove);
        }
        let members = Members::new(voters).ok_or(AgreeHalt::BadVoters)?;
        let own = own.map(|(member, key)| (Address::of(member), key));
        let own = own.filter(|(address, _)| members.get(*address).is_some());
        let matches = |(address, key): &(Address, SecretKey)| {
            members.get(*address).is_some_and(|member| member.key.to_bytes() == key.public())
        };
        if !own.as_ref().is_none_or(matches) {
            return Err(AgreeHalt::WrongKey);
        }
        let timers = Timers::new(self.config.timeouts);
        let mut host = Host::new((self.config.chain, height, now), members, own, timers);
        host.released = self.config.released;
        Ok(host)
    }

    fn halt(&mut self, reason: AgreeHalt) -> Vec<Output> {
        self.halted = true;
        vec![Output::Halt(reason)]
    }

    /// Takes one input. What is of another height than the current one brings about nothing; messages of the next two
    /// heights are kept for them.
    pub fn handle(&mut self, now: Millis, input: Input) -> Vec<Output> {
        let Some(instance) = self.instance.as_mut().filter(|_| !self.halted) else { return Vec::new() };
        instance.set_now(now);
        let current = instance.height();
        match input {
            Input::Message { from, message } if message.height() == current => {
                instance.message(Some(from), message);
            }
            Input::Message { from, message } => self.buffer.push(current, from, message),
            Input::Propose { height, round, value } if height == current => instance.propose(round, value),
            Input::Validity { height, value_id, valid, .. } if height == current => instance.validity(value_id, valid),
            Input::Decided { value, certificate } if certificate.height == current => {
                instance.adopt(value, certificate);
            }
            Input::Propose { .. } | Input::Validity { .. } | Input::Decided { .. } => {}
        }
        self.collect()
    }

    /// When [`Self::on_time`] is due; earlier calls do nothing.
    pub fn deadline(&self) -> Option<Millis> {
        self.instance.as_ref().filter(|_| !self.halted).and_then(Instance::deadline)
    }

    pub fn on_time(&mut self, now: Millis) -> Vec<Output> {
        let Some(instance) = self.instance.as_mut().filter(|_| !self.halted) else { return Vec::new() };
        instance.set_now(now);
        instance.on_time();
        self.collect()
    }

    fn collect(&mut self) -> Vec<Output> {
        let Some(instance) = self.instance.as_mut() else { return Vec::new() };
        let outputs = instance.finish();
        self.halted |= instance.halted();
        outputs
    }

    /// A member's newest verified proposal and vote of the current height.
    pub fn newest_of(&self, member: u16) -> (Option<ProposalHead>, Option<SignedVote>) {
        self.instance.as_ref().map(|instance| instance.newest_of(member)).unwrap_or_default()
    }

    /// The height last started.
    pub fn height(&self) -> Option<u64> {
        self.instance.as_ref().map(Instance::height)
    }

    /// The round that the height has reached.
    pub fn round(&self) -> Option<u32> {
        self.instance.as_ref().map(Instance::round)
    }
}
