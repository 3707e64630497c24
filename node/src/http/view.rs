//! The JSON shapes: the types of the specification, flattened for readers.

use serde::Serialize;

use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{Beacon, Header, Revealed, Transcript};
use beacon_spec::codec::number;
use beacon_spec::committee::{Committee, SignerList};
use beacon_spec::genesis::LightGenesis;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{IdentityKey, VotingKey};
use beacon_spec::pvss::Dealing;

#[derive(Serialize)]
pub(super) struct BeaconView<'a> {
    #[serde(with = "number")]
    round: u64,
    hash: Digest32,
    #[serde(with = "number")]
    due: u64,
    output: Digest32,
    header: &'a Header,
    certificate: &'a Certificate,
}

impl<'a> From<&'a Beacon> for BeaconView<'a> {
    fn from(beacon: &'a Beacon) -> Self {
        let header = &beacon.header;
        BeaconView {
            round: header.round,
            hash: header.hash(),
            due: header.due,
            output: header.output,
            header,
            certificate: &beacon.certificate,
        }
    }
}

#[derive(Serialize)]
pub(super) struct ProofView<'a> {
    #[serde(with = "number")]
    pub round: u64,
    /// The round whose header carries the root.
    #[serde(with = "number")]
    pub head: u64,
    pub header_hash: Digest32,
    /// Leaves under the root.
    #[serde(with = "number")]
    pub count: u64,
    pub siblings: &'a [Digest32],
}

#[derive(Serialize)]
pub(super) struct TranscriptView<'a> {
    #[serde(with = "number")]
    round: u64,
    #[serde(with = "number")]
    epoch: u64,
    dealing_set: Digest32,
    output: Digest32,
    contributions: Vec<ContributionView<'a>>,
}

#[derive(Serialize)]
struct ContributionView<'a> {
    member: u16,
    /// Absent when this node does not know the committee of the round's epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<IdentityKey>,
    dealing: &'a Dealing,
    revealed: &'a Revealed,
}

impl<'a> TranscriptView<'a> {
    pub fn new(transcript: &'a Transcript, header: &Header, signers: Option<&SignerList>) -> Self {
        let identity = |member: u16| signers?.signers.get(usize::from(member)).map(|signer| signer.identity);
        let contributions = transcript.contributions.iter().map(|contribution| ContributionView {
            member: contribution.member,
            identity: identity(contribution.member),
            dealing: &contribution.dealing,
            revealed: &contribution.revealed,
        });
        TranscriptView {
            round: transcript.round,
            epoch: header.epoch,
            dealing_set: header.dealing_set,
            output: header.output,
            contributions: contributions.collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct CommitteeView<'a> {
    #[serde(with = "number")]
    epoch: u64,
    /// How many amendments took effect before it.
    #[serde(with = "number")]
    membership: u64,
    hash: Digest32,
    #[serde(with = "number")]
    total_weight: u64,
    /// The least weight above two thirds.
    #[serde(with = "number")]
    quorum_weight: u64,
    tickets: usize,
    /// Shares that recover a secret.
    threshold: usize,
    members: Vec<MemberView>,
    ticket_root: &'a Digest32,
}

#[derive(Serialize)]
struct MemberView {
    index: u16,
    identity: IdentityKey,
    #[serde(with = "number")]
    weight: u64,
    tickets: u32,
    voting_key: VotingKey,
}

impl<'a> From<&'a Committee> for CommitteeView<'a> {
    fn from(committee: &'a Committee) -> Self {
        let signers = committee.signers();
        let members = signers.list().signers.iter().zip(committee.ticket_counts()).zip(0u16..);
        CommitteeView {
            epoch: committee.epoch(),
            membership: committee.membership(),
            hash: committee.hash(),
            total_weight: signers.total_weight(),
            quorum_weight: signers.total_weight() * 2 / 3 + 1, // a total is at most 512 · 10^6
            tickets: committee.ticket_set().tickets(),
            threshold: committee.ticket_set().threshold(),
            members: members
                .map(|((signer, tickets), index)| MemberView {
                    index,
                    identity: signer.identity,
                    weight: signer.weight,
                    tickets: *tickets,
                    voting_key: signer.voting_key,
                })
                .collect(),
            ticket_root: &signers.list().ticket_root,
        }
    }
}

#[derive(Serialize)]
pub(super) struct InfoView<'a> {
    chain: Digest32,
    name: &'a str,
    /// The newest certified round, 0 before the first.
    #[serde(with = "number")]
    round: u64,
    #[serde(with = "number")]
    genesis_time: u64,
    #[serde(with = "number")]
    period: u64,
    #[serde(with = "number")]
    window: u64,
    #[serde(with = "number")]
    epoch_windows: u64,
    #[serde(with = "number")]
    catch_up_interval: u64,
    /// Of the formats and rules.
    version: u16,
    software: &'static str,
    members: usize,
    #[serde(with = "number")]
    total_weight: u64,
    role: &'a str,
    light_genesis: &'a LightGenesis,
}

impl<'a> InfoView<'a> {
    /// `members` and `total_weight` are those of `signers`, the committee of the newest round.
    pub fn new(
        chain: Digest32,
        light: &'a LightGenesis,
        signers: &SignerList,
        round: u64,
        role: &'a str,
    ) -> InfoView<'a> {
        let parameters = &light.draft.parameters;
        InfoView {
            chain,
            name: &light.draft.name,
            round,
            genesis_time: parameters.schedule.genesis_time,
            period: parameters.schedule.period,
            window: parameters.schedule.window,
            epoch_windows: parameters.schedule.epoch_windows,
            catch_up_interval: parameters.catch_up_interval,
            version: beacon_spec::VERSION,
            software: concat!("beacon-node/", env!("CARGO_PKG_VERSION")),
            members: signers.signers.len(),
            total_weight: signers.signers.iter().map(|signer| signer.weight).sum(),
            role,
            light_genesis: light,
        }
    }
}
