//! Key bundles: the keys of one member for one epoch, with proofs that the member holds them.
//!
//! Proofs bind a *scope*: the ceremony id for the bundles inside a genesis, the chain hash for all later ones.
//! The group elements are judged here, at registration, and never again. [bundle-1]

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::codec::Limits;
use crate::hash::{Digest32, Hasher, tag};
use crate::keys::{IdentityKey, PointBytes, SecretKey, Signature, Verifier, VotingKey};
use crate::pvss::{TicketProof, TicketSecret, prove_possession, verify_possession};
use crate::reject::Reject;

/// Ticket keys one bundle may carry: the most tickets there can be (⌈4·512/3⌉).
pub const MAX_TICKET_KEYS: usize = 683;
/// A bundle of 683 ticket keys with their proofs.
pub const BUNDLE_LIMITS: Limits = Limits::bytes(128 << 10);

/// One ticket key with its proof of possession.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketKey {
    pub key: PointBytes,
    pub proof: TicketProof,
}

/// The public keys of one member for `epoch` and until it registers others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyBundle {
    #[serde(with = "crate::codec::number")]
    pub epoch: u64,
    pub voting_key: VotingKey,
    /// At least as many as the member has tickets; position k of the list is the k-th key.
    pub ticket_keys: Vec<TicketKey>,
    /// The voting key's signature over the bundle, its proof of possession.
    pub voting_proof: Signature,
    /// The identity key's signature over all of the above.
    pub signature: Signature,
}

/// What a ticket key's proof of possession binds besides its place in the bundle.
fn possession_context(scope: &Digest32, identity: &IdentityKey, epoch: u64) -> Digest32 {
    Hasher::new(tag::TICKET_PROOF).fixed(&scope.0).fixed(&identity.0).u64(epoch).finish()
}

impl KeyBundle {
    /// Makes and signs the bundle of `identity` from its secrets.
    pub fn make(
        scope: &Digest32,
        identity: &SecretKey,
        epoch: u64,
        voting: &SecretKey,
        tickets: &[(TicketSecret, PointBytes)],
    ) -> KeyBundle {
        let context = possession_context(scope, &identity.identity(), epoch);
        let ticket_keys = tickets
            .iter()
            .zip(0u16..)
            .map(|((secret, key), k)| TicketKey { key: *key, proof: prove_possession(secret, &context, k) })
            .collect();
        let none = Signature([0; 64]);
        let mut bundle =
            KeyBundle { epoch, voting_key: voting.voting(), ticket_keys, voting_proof: none, signature: none };
        bundle.voting_proof = voting.sign(&bundle.digest(tag::BUNDLE_VOTING, scope, &identity.identity()));
        bundle.signature = identity.sign(&bundle.digest(tag::BUNDLE, scope, &identity.identity()));
        bundle
    }

    /// The signed preimage: everything but the signatures. [bundle-2]
    fn digest(&self, tag: &'static str, scope: &Digest32, identity: &IdentityKey) -> Digest32 {
        let count = u32::try_from(self.ticket_keys.len()).unwrap_or(u32::MAX);
        let mut hasher =
            Hasher::new(tag).fixed(&scope.0).fixed(&identity.0).u64(self.epoch).fixed(&self.voting_key.0).u32(count);
        for ticket in &self.ticket_keys {
            hasher = hasher.fixed(&ticket.key.0).fixed(&crate::codec::encode(&ticket.proof));
        }
        hasher.finish()
    }

    /// Judges the bundle on its own: signatures, canonical keys, proofs of possession, no key twice. [bundle-3]
    pub fn verify(&self, scope: &Digest32, identity: &IdentityKey, epoch: u64) -> Result<(), Reject> {
        if self.epoch != epoch {
            return Err(Reject::WrongEpoch);
        }
        if self.ticket_keys.len() > MAX_TICKET_KEYS {
            return Err(Reject::BadCount);
        }
        Verifier::new(&identity.0)?.verify(&self.digest(tag::BUNDLE, scope, identity), &self.signature)?;
        Verifier::new(&self.voting_key.0)?
            .verify(&self.digest(tag::BUNDLE_VOTING, scope, identity), &self.voting_proof)
            .map_err(|_| Reject::BadPossession)?;
        let context = possession_context(scope, identity, epoch);
        for (ticket, k) in self.ticket_keys.iter().zip(0u16..) {
            verify_possession(&ticket.key, &context, k, &ticket.proof)?;
        }
        no_key_twice(self.ticket_keys.iter().map(|ticket| ticket.key))
    }
}

/// Refuses a key that stands twice. [bundle-4]
pub fn no_key_twice(keys: impl Iterator<Item = PointBytes>) -> Result<(), Reject> {
    let mut sorted: Vec<PointBytes> = keys.collect();
    sorted.sort_unstable();
    match sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err(Reject::DuplicateKey),
        false => Ok(()),
    }
}
