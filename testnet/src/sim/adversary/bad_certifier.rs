//! Sends certificates that do not hold: too few votes, forged signatures, headers that nobody voted for.

use beacon_engine::event::Message;
use beacon_spec::consensus::{
    ConsensusMessage, PolkaCertificate, RoundCertificate, RoundCertificateKind, RoundSignature, SignedVote, VoteKind,
};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::Signature;

use super::{Adversary, Scene};
use crate::sim::post::Parcel;

pub struct BadCertifier;

/// A certificate over the own vote and signatures of others that were never made.
fn forged(scene: &mut Scene, signed: &SignedVote) -> Option<ConsensusMessage> {
    let vote = &signed.vote;
    let members = scene.committee(vote.height)?.signers().len() as u16;
    let few = scene.rng().below(3) == 0;
    let signers: Vec<(u16, Signature)> =
        (0..members).filter(|member| !few || *member == vote.member).map(|member| (member, signed.signature)).collect();
    let round = vote.round + scene.rng().below(3) as u32;
    let value_id = vote.value_id.unwrap_or(Digest32(scene.rng().bytes()));
    if scene.rng().below(2) == 0 {
        return Some(ConsensusMessage::PolkaCertificate(PolkaCertificate {
            height: vote.height,
            round,
            value_id,
            signers,
        }));
    }
    let kind = match vote.kind {
        VoteKind::Prevote => RoundCertificateKind::Skip,
        VoteKind::Precommit => RoundCertificateKind::Precommit,
    };
    let votes = signers
        .into_iter()
        .map(|(member, signature)| RoundSignature { member, kind: vote.kind, value_id: vote.value_id, signature })
        .collect();
    Some(ConsensusMessage::RoundCertificate(RoundCertificate { height: vote.height, round, kind, votes }))
}

impl Adversary for BadCertifier {
    fn name(&self) -> &'static str {
        "bad-certifier"
    }

    fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        let message = match &parcel.message {
            Message::Beacon(beacon) => {
                let mut beacon = beacon.clone();
                match scene.rng().below(3) {
                    0 => beacon.header.output.0[0] ^= 1,
                    1 => beacon.certificate.signatures.truncate(1),
                    _ => beacon.header.round += 1,
                }
                scene.gossip(Message::Beacon(beacon))
            }
            Message::Consensus(message) => match &**message {
                ConsensusMessage::Vote(signed) if Some(signed.vote.member) == scene.member(signed.vote.height) => {
                    match forged(scene, signed) {
                        Some(forged) => scene.message(Message::Consensus(Box::new(forged))),
                        None => return vec![parcel],
                    }
                }
                _ => return vec![parcel],
            },
            _ => return vec![parcel],
        };
        scene.acted(self.name());
        vec![message, parcel]
    }
}
