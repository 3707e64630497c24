//! The key store: every secret of the node in one small sealed file.
//!
//! `keys/secrets` holds the identity key, the long-lived secret of the entropy PRF, and the secrets of key bundles.
//! It is two slots that are written in turn (`slots`), each sealed under a key that comes from the environment, a
//! systemd credential or `keys/seal.key` (`seal`), readable by its owner alone (`private`). A torn write loses
//! nothing, because it tears the slot that holds older contents. Erasing a bundle overwrites both slots; on flash
//! memory the device may keep an old copy of a block that no program can reach to erase, so there the sealing key
//! should live elsewhere than on the same device.
//!
//! `keys/database` names the database that the keys have signed with (`tie`).
//!
//! Only one process holds the store at a time: it stays locked while it is open.

mod contents;
mod error;
mod private;
mod seal;
mod slots;
#[cfg(test)]
mod tests;
mod tie;

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use beacon_spec::hash::Digest32;
use beacon_spec::keys::{IdentityKey, SecretKey};
use zeroize::Zeroizing;

pub use contents::BundleSecrets;
use contents::Contents;
pub use error::KeyStoreError;
use seal::SealKey;
use slots::{SLOT_BYTES, SlotError};

/// The file's name inside the key directory.
const SECRETS: &str = "secrets";

/// The open key store.
pub struct KeyStore {
    path: PathBuf,
    file: File,
    seal: SealKey,
    contents: Contents,
    /// Sequence number of the contents, and the slot (0 or 1) that holds them.
    sequence: u64,
    slot: u64,
    repaired: bool,
}

impl KeyStore {
    /// Whether `keys` holds a key store, readable or not.
    pub fn exists(keys: &Path) -> bool {
        keys.join(SECRETS).exists()
    }

    /// Makes a key store with a fresh identity. Refuses to touch one that is there.
    pub fn create(keys: &Path) -> Result<Self, KeyStoreError> {
        private::create_directory(keys)?;
        Self::create_with(keys, SealKey::find_or_create(keys)?)
    }

    /// Opens and locks the key store in `keys`.
    pub fn open(keys: &Path) -> Result<Self, KeyStoreError> {
        let path = keys.join(SECRETS);
        if !path.exists() {
            return Err(KeyStoreError::Missing { path });
        }
        Self::open_with(keys, SealKey::find(keys)?)
    }

    fn create_with(keys: &Path, seal: SealKey) -> Result<Self, KeyStoreError> {
        let path = keys.join(SECRETS);
        let contents = Contents::generate()?;
        let mut bytes = vec![0; 2 * SLOT_BYTES];
        let (first, second) = bytes.split_at_mut(SLOT_BYTES);
        let plain = contents.encode();
        // Both slots are filled, so that the file never has a slot that cannot be read.
        slots::write(&seal, 1, &plain, first).map_err(|error| KeyStoreError::slot(&path, error))?;
        slots::write(&seal, 2, &plain, second).map_err(|error| KeyStoreError::slot(&path, error))?;
        private::create_file(&path, &bytes)?;
        let file = private::open(&path, true)?;
        private::lock(&path, &file)?;
        Ok(KeyStore { path, file, seal, contents, sequence: 2, slot: 1, repaired: false })
    }

    fn open_with(keys: &Path, seal: SealKey) -> Result<Self, KeyStoreError> {
        let path = keys.join(SECRETS);
        let file = private::open(&path, true)?;
        private::lock(&path, &file)?;
        let bytes = private::read_all(&path, &file, 2 * SLOT_BYTES + 1)?;
        if bytes.len() != 2 * SLOT_BYTES {
            return Err(KeyStoreError::WrongSize { path, bytes: bytes.len(), wanted: 2 * SLOT_BYTES });
        }
        let newest = slots::newest(&seal, &bytes).map_err(|error| match error {
            SlotError::Unsealed => KeyStoreError::WrongSealKey { path: path.clone(), seal: seal.origin().to_owned() },
            other => KeyStoreError::slot(&path, other),
        })?;
        let contents =
            Contents::decode(&newest.plain).ok_or_else(|| KeyStoreError::BadContents { path: path.clone() })?;
        Ok(KeyStore {
            path,
            file,
            seal,
            contents,
            sequence: newest.sequence,
            slot: newest.slot,
            repaired: newest.other_damaged,
        })
    }

    /// Whether one of the two slots was damaged, as a power cut during a write leaves it.
    pub fn was_damaged(&self) -> bool {
        self.repaired
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The node's long-lived Ed25519 key.
    pub fn identity_secret(&self) -> &SecretKey {
        &self.contents.identity
    }

    pub fn identity(&self) -> IdentityKey {
        self.contents.identity.identity()
    }

    /// The secret that hedges the node's entropy (protocol section 3).
    pub fn long_lived(&self) -> &Zeroizing<[u8; 32]> {
        &self.contents.long_lived
    }

    /// The bundles whose secrets are kept, oldest first.
    pub fn bundles(&self) -> &[BundleSecrets] {
        &self.contents.bundles
    }

    /// The secrets bound to `scope` (a ceremony id or a chain hash) and `epoch`.
    pub fn bundle(&self, scope: &Digest32, epoch: u64) -> Option<&BundleSecrets> {
        self.contents.bundles.iter().find(|bundle| bundle.scope == *scope && bundle.epoch == epoch)
    }

    /// The secrets for `scope` and `epoch`, made and stored first if there are none. A member has one bundle an
    /// epoch, so asking again gives the same.
    pub fn bundle_or_generate(
        &mut self,
        scope: &Digest32,
        epoch: u64,
        ticket_keys: usize,
    ) -> Result<&BundleSecrets, KeyStoreError> {
        let known = self.bundles().iter().position(|bundle| bundle.scope == *scope && bundle.epoch == epoch);
        let position = match known {
            Some(position) => position,
            None => {
                let bundle = BundleSecrets::generate(*scope, epoch, ticket_keys)?;
                self.contents.bundles.push(bundle);
                if let Err(error) = self.write() {
                    self.contents.bundles.pop();
                    return Err(error);
                }
                self.contents.bundles.len() - 1
            }
        };
        Ok(&self.contents.bundles[position])
    }

    /// Erases the bundles that `keep` does not name, from memory and from both slots. Gives how many.
    pub fn erase_bundles(&mut self, keep: impl Fn(&BundleSecrets) -> bool) -> Result<usize, KeyStoreError> {
        let before = self.contents.bundles.len();
        self.contents.bundles.retain(keep);
        let erased = before - self.contents.bundles.len();
        if erased > 0 {
            self.write()?;
            self.write()?;
        }
        Ok(erased)
    }

    /// Writes the contents to the slot with the older ones.
    fn write(&mut self) -> Result<(), KeyStoreError> {
        let (sequence, slot) = (self.sequence + 1, 1 - self.slot);
        let mut bytes = vec![0; SLOT_BYTES];
        slots::write(&self.seal, sequence, &self.contents.encode(), &mut bytes)
            .map_err(|error| KeyStoreError::slot(&self.path, error))?;
        let offset = slot * SLOT_BYTES as u64;
        self.file
            .write_all_at(&bytes, offset)
            .and_then(|()| self.file.sync_all())
            .map_err(|source| KeyStoreError::io("write", &self.path, source))?;
        (self.sequence, self.slot) = (sequence, slot);
        Ok(())
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore")
            .field("path", &self.path)
            .field("identity", &self.identity())
            .field("bundles", &self.contents.bundles)
            .field("secrets", &"[REDACTED]")
            .finish_non_exhaustive()
    }
}
