//! Between the wire types of the specification and the core's: total in both directions for all that is ours.

use arc_malachitebft_core_consensus::{LivenessMsg, SignedConsensusMsg};
use arc_malachitebft_core_types as bft;
use beacon_spec::consensus as wire;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::Signature;
use bft::{NilOrVal, Round, RoundCertificateType, SignedMessage, VoteType};

use super::context::{Address, Beacon, Height, Proposal, Value, Vote};

pub type SignedVote = bft::SignedVote<Beacon>;
pub type SignedProposal = bft::SignedProposal<Beacon>;

/// Signed messages and certificates always name a round; the core's "no round" exists only before a height starts.
pub fn round(round: Round) -> u32 {
    round.as_u32().unwrap_or(0)
}

fn kind_in(kind: wire::VoteKind) -> VoteType {
    match kind {
        wire::VoteKind::Prevote => VoteType::Prevote,
        wire::VoteKind::Precommit => VoteType::Precommit,
    }
}

pub fn kind_out(kind: VoteType) -> wire::VoteKind {
    match kind {
        VoteType::Prevote => wire::VoteKind::Prevote,
        VoteType::Precommit => wire::VoteKind::Precommit,
    }
}

fn id_in(id: Option<Digest32>) -> NilOrVal<Digest32> {
    id.map_or(NilOrVal::Nil, NilOrVal::Val)
}

fn id_out(id: &NilOrVal<Digest32>) -> Option<Digest32> {
    match id {
        NilOrVal::Nil => None,
        NilOrVal::Val(id) => Some(*id),
    }
}

pub fn vote_in(signed: &wire::SignedVote) -> SignedVote {
    let vote = Vote {
        height: Height(signed.vote.height),
        round: Round::new(signed.vote.round),
        kind: kind_in(signed.vote.kind),
        value: id_in(signed.vote.value_id),
        address: Address::of(signed.vote.member),
    };
    SignedMessage::new(vote, signed.signature)
}

pub fn vote_out(vote: &Vote) -> wire::Vote {
    wire::Vote {
        height: vote.height.0,
        round: round(vote.round),
        kind: kind_out(vote.kind),
        value_id: id_out(&vote.value),
        member: vote.address.member(),
    }
}

pub fn signed_vote_out(signed: &SignedVote) -> wire::SignedVote {
    wire::SignedVote { vote: vote_out(&signed.message), signature: signed.signature }
}

/// The caller has checked that the value hashes to the proposal's id.
pub fn proposal_in(signed: wire::SignedProposal) -> SignedProposal {
    let proposal = Proposal {
        height: Height(signed.proposal.height),
        round: Round::new(signed.proposal.round),
        value: Value { id: signed.proposal.value_id, bytes: signed.value.into() },
        pol_round: Round::from(signed.proposal.pol_round),
        address: Address::of(signed.proposal.member),
    };
    SignedMessage::new(proposal, signed.signature)
}

pub fn proposal_out(proposal: &Proposal) -> wire::Proposal {
    wire::Proposal {
        height: proposal.height.0,
        round: round(proposal.round),
        pol_round: proposal.pol_round.as_u32(),
        value_id: proposal.value.id,
        member: proposal.address.member(),
    }
}

pub fn signed_proposal_out(signed: &SignedProposal) -> wire::SignedProposal {
    wire::SignedProposal {
        proposal: proposal_out(&signed.message),
        value: signed.message.value.bytes.to_vec(),
        signature: signed.signature,
    }
}

pub fn commit_out(certificate: &bft::CommitCertificate<Beacon>) -> wire::CommitCertificate {
    let entries = certificate.commit_signatures.iter().map(|entry| (entry.address.member(), entry.signature));
    wire::CommitCertificate {
        height: certificate.height.0,
        round: round(certificate.round),
        value_id: certificate.value_id,
        signers: sorted(entries),
    }
}

pub fn polka_out(certificate: &bft::PolkaCertificate<Beacon>) -> wire::PolkaCertificate {
    let entries = certificate.polka_signatures.iter().map(|entry| (entry.address.member(), entry.signature));
    wire::PolkaCertificate {
        height: certificate.height.0,
        round: round(certificate.round),
        value_id: certificate.value_id,
        signers: sorted(entries),
    }
}

pub fn polka_in(certificate: &wire::PolkaCertificate) -> bft::PolkaCertificate<Beacon> {
    let signers = certificate.signers.iter();
    bft::PolkaCertificate {
        height: Height(certificate.height),
        round: Round::new(certificate.round),
        value_id: certificate.value_id,
        polka_signatures: signers
            .map(|(member, signature)| bft::PolkaSignature::new(Address::of(*member), *signature))
            .collect(),
    }
}

pub fn round_certificate_out(certificate: &bft::RoundCertificate<Beacon>) -> wire::RoundCertificate {
    let entries = certificate.round_signatures.iter();
    let mut votes: Vec<_> = entries
        .map(|entry| wire::RoundSignature {
            member: entry.address.member(),
            kind: kind_out(entry.vote_type),
            value_id: id_out(&entry.value_id),
            signature: entry.signature,
        })
        .collect();
    votes.sort_by_key(|entry| entry.member);
    wire::RoundCertificate {
        height: certificate.height.0,
        round: round(certificate.round),
        kind: match certificate.cert_type {
            RoundCertificateType::Skip => wire::RoundCertificateKind::Skip,
            RoundCertificateType::Precommit => wire::RoundCertificateKind::Precommit,
        },
        votes,
    }
}

pub fn round_certificate_in(certificate: &wire::RoundCertificate) -> bft::RoundCertificate<Beacon> {
    let votes = certificate.votes.iter();
    bft::RoundCertificate {
        height: Height(certificate.height),
        round: Round::new(certificate.round),
        cert_type: match certificate.kind {
            wire::RoundCertificateKind::Skip => RoundCertificateType::Skip,
            wire::RoundCertificateKind::Precommit => RoundCertificateType::Precommit,
        },
        round_signatures: votes
            .map(|entry| {
                bft::RoundSignature::new(
                    kind_in(entry.kind),
                    id_in(entry.value_id),
                    Address::of(entry.member),
                    entry.signature,
                )
            })
            .collect(),
    }
}

pub fn message_out(message: &SignedConsensusMsg<Beacon>) -> wire::ConsensusMessage {
    match message {
        SignedConsensusMsg::Vote(vote) => wire::ConsensusMessage::Vote(signed_vote_out(vote)),
        SignedConsensusMsg::Proposal(proposal) => wire::ConsensusMessage::Proposal(signed_proposal_out(proposal)),
    }
}

pub fn liveness_out(message: &LivenessMsg<Beacon>) -> wire::ConsensusMessage {
    match message {
        LivenessMsg::Vote(vote) => wire::ConsensusMessage::Vote(signed_vote_out(vote)),
        LivenessMsg::PolkaCertificate(certificate) => wire::ConsensusMessage::PolkaCertificate(polka_out(certificate)),
        LivenessMsg::SkipRoundCertificate(certificate) => {
            wire::ConsensusMessage::RoundCertificate(round_certificate_out(certificate))
        }
    }
}

fn sorted(entries: impl Iterator<Item = (u16, Signature)>) -> Vec<(u16, Signature)> {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|(member, _)| *member);
    entries
}
