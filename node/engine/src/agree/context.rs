//! The wrapped core's view of our types: what it needs to count votes and nothing more.
//!
//! The core is generic over a `Context`. Ours is concrete: heights are windows, addresses are member indices, a value
//! is its bytes with their hash, and keys never enter the core (it asks for signatures through effects).

use std::fmt;
use std::sync::Arc;

use arc_malachitebft_core_types as bft;
use beacon_spec::consensus::{self, proposer};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{Signature, Verifier};
use bft::{NilOrVal, Round, SignedExtension, VoteType};

use super::Voter;

/// The context; it has no state.
#[derive(Clone, Debug)]
pub struct Beacon;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl bft::Height for Height {
    const ZERO: Self = Height(0);
    const INITIAL: Self = Height(1);

    fn increment_by(&self, n: u64) -> Self {
        Height(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Height)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// A member's index; a node that does not vote has one beyond all members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub u32);

impl Address {
    pub const OBSERVER: Address = Address(u32::MAX);

    pub fn of(member: u16) -> Self {
        Address(u32::from(member))
    }

    /// The index; an observer signs nothing, so messages always hold a member's address.
    pub fn member(self) -> u16 {
        u16::try_from(self.0).unwrap_or(u16::MAX)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl bft::Address for Address {}

/// A value: its bytes, compared by their hash.
#[derive(Clone)]
pub struct Value {
    pub id: Digest32,
    pub bytes: Arc<[u8]>,
}

impl Value {
    pub fn new(bytes: Vec<u8>) -> Self {
        Value { id: consensus::value_id(&bytes), bytes: bytes.into() }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.id)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}

impl bft::Value for Value {
    type Id = Digest32;

    fn id(&self) -> Digest32 {
        self.id
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub height: Height,
    pub round: Round,
    pub value: Value,
    pub pol_round: Round,
    pub address: Address,
}

impl bft::Proposal<Beacon> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    pub height: Height,
    pub round: Round,
    pub kind: VoteType,
    pub value: NilOrVal<Digest32>,
    pub address: Address,
}

impl bft::Vote<Beacon> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<Digest32> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<Digest32> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    fn extension(&self) -> Option<&SignedExtension<Beacon>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Beacon>> {
        None
    }

    /// Vote extensions are disabled at every height, so there is none to attach.
    fn extend(self, _extension: SignedExtension<Beacon>) -> Self {
        self
    }
}

/// Values travel whole inside proposals, so there are no parts; the core only asks for the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part;

impl bft::ProposalPart<Beacon> for Part {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub address: Address,
    pub weight: u64,
    pub key: Verifier,
}

impl bft::Validator<Beacon> for Member {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &Verifier {
        &self.key
    }

    fn voting_power(&self) -> u64 {
        self.weight
    }
}

/// The weighted members of a height, by index; cloned by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    list: Arc<[Member]>,
    total: u64,
}

impl Members {
    /// Drops the weightless. `None` unless indices strictly increase and the total is in 1..2^62.
    pub fn new(voters: &[Voter]) -> Option<Self> {
        let sorted = voters.windows(2).all(|pair| pair[0].member < pair[1].member);
        let total: u128 = voters.iter().map(|voter| u128::from(voter.weight)).sum();
        let total = u64::try_from(total).ok().filter(|total| (1..1 << 62).contains(total))?;
        let weighted = voters.iter().filter(|voter| voter.weight > 0);
        let list = weighted.map(|voter| Member {
            address: Address::of(voter.member),
            weight: voter.weight,
            key: voter.key.clone(),
        });
        sorted.then(|| Members { list: list.collect(), total })
    }

    pub fn get(&self, address: Address) -> Option<&Member> {
        let position = self.list.binary_search_by_key(&address, |member| member.address).ok()?;
        self.list.get(position)
    }

    /// A member's weight and key, as the certificates' checks ask for them.
    pub fn voter(&self, member: u16) -> Option<(u64, &Verifier)> {
        self.get(Address::of(member)).map(|member| (member.weight, &member.key))
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn proposer(&self, height: u64, round: u32) -> &Member {
        let weights = self.list.iter().map(|member| (member.address.member(), member.weight));
        proposer(weights, height, round)
            .and_then(|member| self.get(Address::of(member)))
            .expect("the constructor saw a total weight in 1..2^62, so there is a proposer among the members")
    }
}

impl bft::ValidatorSet<Beacon> for Members {
    fn count(&self) -> usize {
        self.list.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.total
    }

    fn get_by_address(&self, address: &Address) -> Option<&Member> {
        self.get(*address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Member> {
        self.list.get(index)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ed25519;

impl bft::SigningScheme for Ed25519 {
    type DecodingError = beacon_spec::reject::Reject;
    type Signature = Signature;
    type PublicKey = Verifier;
    /// Keys stay outside the core.
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<Signature, Self::DecodingError> {
        bytes.try_into().map(Signature).map_err(|_| Self::DecodingError::Malformed)
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<Verifier, Self::DecodingError> {
        let bytes = bytes.try_into().map_err(|_| Self::DecodingError::Malformed)?;
        Verifier::new(bytes)
    }

    fn encode_public_key(public_key: &Verifier) -> Vec<u8> {
        public_key.to_bytes().to_vec()
    }
}

impl bft::Context for Beacon {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Member;
    type ValidatorSet = Members;
    type Timeouts = bft::LinearTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(&self, members: &'a Members, height: Height, round: Round) -> &'a Member {
        members.proposer(height.0, round.as_u32().unwrap_or(0))
    }

    fn new_proposal(&self, height: Height, round: Round, value: Value, pol_round: Round, address: Address) -> Proposal {
        Proposal { height, round, value, pol_round, address }
    }

    fn new_prevote(&self, height: Height, round: Round, value: NilOrVal<Digest32>, address: Address) -> Vote {
        Vote { height, round, kind: VoteType::Prevote, value, address }
    }

    fn new_precommit(&self, height: Height, round: Round, value: NilOrVal<Digest32>, address: Address) -> Vote {
        Vote { height, round, kind: VoteType::Precommit, value, address }
    }
}
