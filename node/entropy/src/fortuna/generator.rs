//! Fortuna's generator: AES-256 in counter mode.

use super::{FortunaError, MAX_REQUEST};
use aes::Aes256;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

const BLOCK: usize = 16;
/// Blocks encrypted at a time, so that the processor can work on several.
const BATCH: usize = 64;

/// Key and counter; unseeded while the counter is zero.
pub struct Generator {
    key: Zeroizing<[u8; 32]>,
    counter: u128,
}

impl Default for Generator {
    fn default() -> Generator {
        Generator { key: Zeroizing::new([0; 32]), counter: 0 }
    }
}

impl Generator {
    /// K becomes SHAd-256(K ‖ seed); the counter is increased, which marks it as seeded.
    pub fn reseed(&mut self, seed: &[u8]) {
        let inner: Zeroizing<[u8; 32]> =
            Zeroizing::new(Sha256::new().chain_update(*self.key).chain_update(seed).finalize().into());
        *self.key = Sha256::digest(*inner).into();
        // Zero would say unseeded; 2^128 blocks are never reached.
        self.counter = self.counter.wrapping_add(1).max(1);
    }

    #[must_use]
    pub fn is_seeded(&self) -> bool {
        self.counter != 0
    }

    /// Fills `out` (1 byte to 1 MiB) and changes the key.
    pub fn random_data(&mut self, out: &mut [u8]) -> Result<(), FortunaError> {
        let length = out.len();
        if length == 0 || length > MAX_REQUEST {
            return Err(FortunaError::Length { length });
        }
        if !self.is_seeded() {
            return Err(FortunaError::Unseeded);
        }
        let cipher = Aes256::new(&(*self.key).into());
        self.blocks(&cipher, out);
        let mut key = Zeroizing::new([0; 32]);
        self.blocks(&cipher, &mut *key);
        self.key = key;
        Ok(())
    }

    /// Counter mode; a last partial block uses up its counter.
    fn blocks(&mut self, cipher: &Aes256, out: &mut [u8]) {
        for chunk in out.chunks_mut(BATCH * BLOCK) {
            let mut batch = [Array::from([0u8; BLOCK]); BATCH];
            let used = &mut batch[..chunk.len().div_ceil(BLOCK)];
            for block in used.iter_mut() {
                *block = self.counter.to_le_bytes().into();
                self.counter = self.counter.wrapping_add(1);
            }
            cipher.encrypt_blocks(used);
            for (bytes, block) in chunk.chunks_mut(BLOCK).zip(used.iter_mut()) {
                bytes.copy_from_slice(&block[..bytes.len()]);
                block.zeroize();
            }
        }
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Generator([REDACTED])")
    }
}
