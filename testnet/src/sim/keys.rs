//! Keys of simulated nodes, all derived from names, and the key store that outlives crashes.

use beacon_engine::engine::BundleSecrets;
use beacon_spec::bundle::KeyBundle;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::SecretKey;
use beacon_spec::pvss::TicketSecret;

use super::setup::derive;

/// The identity of the node with this name.
pub fn identity(name: &[u8]) -> SecretKey {
    SecretKey::from_seed(&derive(&[b"identity", name]))
}

/// The bundle of `identity` for `epoch`; asked again, the same, unless the `store` of its secrets was lost meanwhile.
pub fn bundle(
    identity: &SecretKey,
    store: u64,
    scope: &Digest32,
    epoch: u64,
    tickets: usize,
) -> (KeyBundle, BundleSecrets) {
    let (epoch_bytes, store) = (epoch.to_be_bytes(), store.to_be_bytes());
    let voting = SecretKey::from_seed(&derive(&[b"voting", &identity.public(), &epoch_bytes, &store]));
    let keys: Vec<_> = (0..tickets as u32)
        .map(|k| {
            TicketSecret::from_seed(&derive(&[b"ticket", &identity.public(), &epoch_bytes, &store, &k.to_be_bytes()]))
        })
        .collect();
    let bundle = KeyBundle::make(scope, identity, epoch, &voting, &keys);
    let tickets = keys.into_iter().map(|(secret, _)| secret).collect();
    (bundle, BundleSecrets { epoch, voting, tickets })
}
