//! What a height's write-ahead log holds: the core's inputs that its votes follow from, as bytes.

use std::fmt;

use arc_malachitebft_core_consensus::{Input, ProposedValue};
use arc_malachitebft_core_types as bft;
use beacon_spec::codec::{self, Limits};
use beacon_spec::consensus as wire;
use bft::{Round, Timeout, TimeoutKind, Validity, ValueOrigin};
use serde::{Deserialize, Serialize};

use super::context::{Address, Beacon, Height, Value};
use super::convert;

/// An entry is at most one proposal with its value, which the wire's own limits have bounded before.
const ENTRY_LIMIT: Limits = Limits::bytes(16 << 20);

/// One entry of a height's write-ahead log, opaque outside [`agree`](super).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalEntry {
    pub height: u64,
    pub bytes: Vec<u8>,
}

/// The bytes stand by their hash and length.
impl fmt::Debug for WalEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WalEntry({}, {}, {})", self.height, wire::value_id(&self.bytes), self.bytes.len())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Propose,
    Prevote,
    Precommit,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Record {
    Vote(wire::SignedVote),
    Proposal(wire::SignedProposal),
    Polka(wire::PolkaCertificate),
    Judged { round: u32, proposer: u16, valid: bool, value: Vec<u8> },
    Timeout { step: Step, round: u32 },
}

/// Whether an entry says that this vote was signed.
pub fn logs_vote(entry: &WalEntry, vote: &wire::Vote) -> bool {
    let record = codec::decode::<Record>(&entry.bytes, &ENTRY_LIMIT);
    matches!(record, Ok(Record::Vote(signed)) if signed.vote == *vote)
}

/// Whether an entry says that this proposal was signed.
pub fn logs_proposal(entry: &WalEntry, proposal: &wire::Proposal) -> bool {
    let record = codec::decode::<Record>(&entry.bytes, &ENTRY_LIMIT);
    matches!(record, Ok(Record::Proposal(signed)) if signed.proposal == *proposal)
}

/// The entry for an input that the core wants logged; `None` for one that it must not log.
pub fn encode(height: u64, input: &Input<Beacon>) -> Option<WalEntry> {
    let record = match input {
        Input::Vote(vote) => Record::Vote(convert::signed_vote_out(vote)),
        Input::Proposal(proposal) => Record::Proposal(convert::signed_proposal_out(proposal)),
        Input::PolkaCertificate(certificate) => Record::Polka(convert::polka_out(certificate)),
        Input::ProposedValue(proposed, _) => Record::Judged {
            round: convert::round(proposed.round),
            proposer: proposed.proposer.member(),
            valid: proposed.validity.is_valid(),
            value: proposed.value.bytes.to_vec(),
        },
        Input::TimeoutElapsed(timeout) => {
            let step = match timeout.kind {
                TimeoutKind::Propose => Step::Propose,
                TimeoutKind::Prevote => Step::Prevote,
                TimeoutKind::Precommit => Step::Precommit,
                TimeoutKind::Rebroadcast | TimeoutKind::FinalizeHeight(_) => return None,
            };
            Record::Timeout { step, round: convert::round(timeout.round) }
        }
        Input::StartHeight(..) | Input::RoundCertificate(_) | Input::Propose(_) | Input::SyncValueResponse(_) => {
            return None;
        }
    };
    Some(WalEntry { height, bytes: codec::encode(&record) })
}

/// The input that an entry of `height` stands for; `None` if it is no such entry.
pub fn decode(height: u64, entry: &WalEntry) -> Option<Input<Beacon>> {
    let record = codec::decode::<Record>(&entry.bytes, &ENTRY_LIMIT).ok()?;
    let (named, input) = match record {
        Record::Vote(vote) => (vote.vote.height, Input::Vote(convert::vote_in(&vote))),
        Record::Proposal(signed) => {
            signed.check_value().ok()?;
            (signed.proposal.height, Input::Proposal(convert::proposal_in(signed)))
        }
        Record::Polka(certificate) => (certificate.height, Input::PolkaCertificate(convert::polka_in(&certificate))),
        Record::Judged { round, proposer, valid, value } => {
            let proposed = ProposedValue {
                height: Height(height),
                round: Round::new(round),
                valid_round: Round::Nil,
                proposer: Address::of(proposer),
                value: Value::new(value),
                validity: Validity::from_bool(valid),
            };
            (height, Input::ProposedValue(proposed, ValueOrigin::Consensus))
        }
        Record::Timeout { step, round } => {
            let round = Round::new(round);
            let timeout = match step {
                Step::Propose => Timeout::propose(round),
                Step::Prevote => Timeout::prevote(round),
                Step::Precommit => Timeout::precommit(round),
            };
            (height, Input::TimeoutElapsed(timeout))
        }
    };
    (named == height && entry.height == height).then_some(input)
}
