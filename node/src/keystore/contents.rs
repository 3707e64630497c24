//! What the key store holds, and its bytes before they are sealed.

use std::fmt;

use beacon_engine::engine;
use beacon_spec::bundle::{KeyBundle, MAX_TICKET_KEYS};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{IdentityKey, PointBytes, SecretKey};
use beacon_spec::pvss::TicketSecret;
use zeroize::{Zeroize, Zeroizing};

use super::KeyStoreError;

/// The version of the layout that [`Contents::encode`] writes.
const VERSION: u16 = 1;

/// Every secret of a node.
pub(super) struct Contents {
    pub identity: SecretKey,
    pub long_lived: Zeroizing<[u8; 32]>,
    pub bundles: Vec<BundleSecrets>,
}

/// The secrets behind one key bundle.
pub struct BundleSecrets {
    /// What the bundle's proofs bind: the ceremony id for a first bundle, the chain hash for later ones.
    pub scope: Digest32,
    pub epoch: u64,
    voting: SecretKey,
    tickets: Vec<TicketSecret>,
}

impl BundleSecrets {
    /// Draws a voting key and `ticket_keys` independent ticket keys.
    pub(super) fn generate(scope: Digest32, epoch: u64, ticket_keys: usize) -> Result<Self, KeyStoreError> {
        let voting = SecretKey::from_seed(&*random()?);
        let count = ticket_keys.min(MAX_TICKET_KEYS);
        let tickets =
            (0..count).map(|_| random().map(|seed| TicketSecret::from_seed(&seed).0)).collect::<Result<Vec<_>, _>>()?;
        Ok(BundleSecrets { scope, epoch, voting, tickets })
    }

    pub fn voting(&self) -> &SecretKey {
        &self.voting
    }

    /// What the engine signs and shares with.
    pub fn secrets(&self) -> engine::BundleSecrets {
        engine::BundleSecrets { epoch: self.epoch, voting: self.voting.clone(), tickets: self.tickets.clone() }
    }

    /// The public bundle, signed by `identity`. The same secrets always give the same bytes.
    pub fn public(&self, identity: &SecretKey) -> KeyBundle {
        let tickets: Vec<(TicketSecret, PointBytes)> =
            self.tickets.iter().map(|secret| (secret.clone(), secret.public())).collect();
        KeyBundle::make(&self.scope, identity, self.epoch, &self.voting, &tickets)
    }

    /// Whether `bundle` carries exactly the public keys of these secrets, under a good signature of `identity`.
    pub fn is_behind(&self, bundle: &KeyBundle, identity: &IdentityKey) -> bool {
        bundle.verify(&self.scope, identity, self.epoch).is_ok()
            && bundle.voting_key == self.voting.voting()
            && bundle.ticket_keys.len() == self.tickets.len()
            && bundle.ticket_keys.iter().zip(&self.tickets).all(|(key, secret)| key.key == secret.public())
    }
}

impl fmt::Debug for BundleSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BundleSecrets")
            .field("scope", &self.scope)
            .field("epoch", &self.epoch)
            .field("voting", &"[REDACTED]")
            .field("tickets", &self.tickets.len())
            .finish()
    }
}

/// 32 bytes of the operating system's generator, which needs no warm-up and no workers.
fn random() -> Result<Zeroizing<[u8; 32]>, KeyStoreError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(KeyStoreError::Randomness)?;
    Ok(bytes)
}

impl Contents {
    pub(super) fn generate() -> Result<Self, KeyStoreError> {
        Ok(Contents { identity: SecretKey::from_seed(&*random()?), long_lived: random()?, bundles: Vec::new() })
    }

    /// The layout, big-endian: version u16, identity seed, long-lived secret, count of bundles u16, and for each
    /// bundle scope, epoch u64, voting seed, count of ticket keys u16, ticket scalars. The buffer is of the right
    /// size from the start, because growing would leave copies of secrets behind.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let size: usize = 2 + 32 + 32 + 2 + self.bundles.iter().map(encoded_size).sum::<usize>();
        let mut out = Zeroizing::new(Vec::with_capacity(size));
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&*self.identity.seed());
        out.extend_from_slice(&*self.long_lived);
        out.extend_from_slice(&count(self.bundles.len()));
        for bundle in &self.bundles {
            out.extend_from_slice(&bundle.scope.0);
            out.extend_from_slice(&bundle.epoch.to_be_bytes());
            out.extend_from_slice(&*bundle.voting.seed());
            out.extend_from_slice(&count(bundle.tickets.len()));
            for ticket in &bundle.tickets {
                out.extend_from_slice(&*ticket.to_bytes());
            }
        }
        debug_assert_eq!(out.len(), size);
        out
    }

    /// Reads [`Contents::encode`] back; nothing if the layout is another one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u16()? != VERSION {
            return None;
        }
        let identity = SecretKey::from_seed(&*reader.secret()?);
        let long_lived = reader.secret()?;
        let bundles = (0..reader.u16()?).map(|_| reader.bundle()).collect::<Option<Vec<_>>>()?;
        reader.0.is_empty().then_some(Contents { identity, long_lived, bundles })
    }
}

fn encoded_size(bundle: &BundleSecrets) -> usize {
    32 + 8 + 32 + 2 + 32 * bundle.tickets.len()
}

/// A count as it is stored. A slot has no room for 65,536 of anything, so what saturates is refused there.
fn count(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

/// Takes fields from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn secret(&mut self) -> Option<Zeroizing<[u8; 32]>> {
        let mut bytes = self.take::<32>()?;
        let secret = Zeroizing::new(bytes);
        bytes.zeroize();
        Some(secret)
    }

    fn bundle(&mut self) -> Option<BundleSecrets> {
        let scope = Digest32(self.take()?);
        let epoch = u64::from_be_bytes(self.take()?);
        let voting = SecretKey::from_seed(&*self.secret()?);
        let tickets =
            (0..self.u16()?).map(|_| TicketSecret::from_bytes(&*self.secret()?).ok()).collect::<Option<Vec<_>>>()?;
        Some(BundleSecrets { scope, epoch, voting, tickets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arbitrary::near;

    fn sample() -> Vec<u8> {
        let mut contents = Contents::generate().unwrap();
        contents.bundles.push(BundleSecrets::generate(Digest32([3; 32]), 1, 2).unwrap());
        contents.encode().to_vec()
    }

    proptest::proptest! {
        /// Bytes are contents that are written alike, or nothing.
        #[test]
        fn any_bytes_are_contents_or_nothing(bytes in near(&sample())) {
            if let Some(contents) = Contents::decode(&bytes) {
                proptest::prop_assert_eq!(&*contents.encode(), &bytes);
            }
        }
    }
}
