//! Identity keys and libp2p peer identifiers, which are two spellings of one thing: the identifier
//! of an Ed25519 key is the key itself behind a fixed prefix.

use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey, ed25519};
use zeroize::Zeroizing;

use super::{NetworkError, PeerKey};

/// The key pair of this node.
pub(super) fn keypair(secret: &Zeroizing<[u8; 32]>) -> Result<Keypair, NetworkError> {
    let mut copy = Zeroizing::new(**secret);
    let secret = ed25519::SecretKey::try_from_bytes(&mut *copy).map_err(|_| NetworkError::Identity)?;
    Ok(Keypair::from(ed25519::Keypair::from(secret)))
}

/// The peer identifier of a key, or `None` if the bytes are no Ed25519 public key.
pub(super) fn peer_id(key: &PeerKey) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(key).ok()?;
    Some(PeerId::from_public_key(&PublicKey::from(key)))
}

/// The key of a peer identifier, or `None` if it names another kind of key.
pub(super) fn peer_key(peer: &PeerId) -> Option<PeerKey> {
    let key = PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok()?;
    Some(key.try_into_ed25519().ok()?.to_bytes())
}

/// The first eight hexadecimal digits of a key, for logs.
pub(super) fn short(key: &PeerKey) -> String {
    hex::encode(&key[..4])
}
