//! Certificates: signatures of more than two thirds of the weight over one header hash.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::committee::Signers;
use crate::hash::Digest32;
use crate::keys::{Signature, Verifier};
use crate::message::HeaderVote;
use crate::reject::Reject;
use crate::sabotage::{Bug, planted};

/// Signers as a bitmap (bit i of byte i / 8, least significant first) and their signatures in member order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    #[serde(with = "crate::codec::hex_vec")]
    pub bitmap: Vec<u8>,
    pub signatures: Vec<Signature>,
}

impl Certificate {
    /// Builds the certificate of a minimal quorum from verified votes sorted by member: heaviest members first,
    /// until the quorum is reached. `None` when the votes do not reach it. [certify-2]
    pub fn assemble(votes: &[(u16, Signature)], signers: &Signers) -> Option<Certificate> {
        let mut chosen: Vec<&(u16, Signature)> = votes.iter().filter(|vote| signers.weight(vote.0) > 0).collect();
        chosen.sort_by_key(|vote| (core::cmp::Reverse(signers.weight(vote.0)), vote.0));
        let mut weight = 0u64;
        let needed = chosen.iter().position(|vote| {
            weight += signers.weight(vote.0); // distinct members: at most the total
            signers.is_quorum(weight)
        })?;
        chosen.truncate(if planted(Bug::CertificateTooSmall) { needed } else { needed + 1 });
        chosen.sort_by_key(|vote| vote.0);
        let mut bitmap = vec![0; signers.len().div_ceil(8)];
        for (member, _) in &chosen {
            bitmap[usize::from(*member) / 8] |= 1 << (member % 8);
        }
        Some(Certificate { bitmap, signatures: chosen.iter().map(|vote| vote.1).collect() })
    }

    /// The members whose bits are set, in order. Bits beyond the committee are refused. [certify-3]
    pub fn members(&self, signers: &Signers) -> Result<Vec<u16>, Reject> {
        if self.bitmap.len() != signers.len().div_ceil(8) {
            return Err(Reject::BadBitmap);
        }
        let mut members = Vec::with_capacity(self.signatures.len());
        for (byte, position) in self.bitmap.iter().zip(0u16..) {
            for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
                let member = position * 8 + bit;
                if signers.weight(member) == 0 {
                    return Err(Reject::BadBitmap);
                }
                members.push(member);
            }
        }
        Ok(members)
    }

    /// Verifies every listed signature over the header hash of `round`, one by one, and the quorum. [certify-4]
    pub fn verify(&self, chain: &Digest32, round: u64, header: &Digest32, signers: &Signers) -> Result<(), Reject> {
        self.verify_knowing((chain, round, header), signers, |_, _| false)
    }

    /// As [`Certificate::verify`], where `known` tells that a member's signature over this header was verified before.
    pub fn verify_knowing(
        &self,
        (chain, round, header): (&Digest32, u64, &Digest32),
        signers: &Signers,
        known: impl Fn(u16, &Signature) -> bool,
    ) -> Result<(), Reject> {
        let members = self.members(signers)?;
        if members.len() != self.signatures.len() {
            return Err(Reject::BadCount);
        }
        let weight: u64 = members.iter().map(|member| signers.weight(*member)).sum();
        if !signers.is_quorum(weight) {
            return Err(Reject::NoQuorum);
        }
        let digest = HeaderVote::digest(chain, round, header);
        let unknown = members.iter().zip(&self.signatures).filter(|(member, signature)| !known(**member, signature));
        let signed = unknown.map(|(member, signature)| Ok((signers.verifier(*member)?, signature)));
        Verifier::verify_each(&signed.collect::<Result<Vec<_>, Reject>>()?, &digest)
    }
}
