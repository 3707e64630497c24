//! The generator behind the pool: ChaCha20 with fast key erasure (Bernstein 2017).
//!
//! Each refill takes a keystream from the current key; its first 32 bytes replace the key
//! at once and the rest is given out and erased as it goes. Whoever reads the state later
//! learns nothing that was given out before, and output tells nothing of the state.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use hkdf::SimpleHkdf;
use sha3::Sha3_256;
use zeroize::{Zeroize, Zeroizing};

/// Keystream of one refill; the key takes the first 32 bytes.
const REFILL: usize = 1024;
const KEY: usize = 32;
/// Keystream taken under one key for large requests.
const BULK: usize = 64 * 1024;

const SALT: &[u8] = b"beacon-entropy drbg v1";
const INFO: &[u8] = b"key";

/// The deterministic core. Seeding policy is in [`crate::random`].
pub struct Drbg {
    key: Zeroizing<[u8; KEY]>,
    /// Unused output at the end, zeros before it.
    buffer: Zeroizing<[u8; REFILL]>,
    left: usize,
}

impl Drbg {
    /// Keyed by HKDF-SHA3-256 of `seed`.
    #[must_use]
    pub fn new(seed: &[u8]) -> Drbg {
        let mut drbg = Drbg { key: Zeroizing::new([0; KEY]), buffer: Zeroizing::new([0; REFILL]), left: 0 };
        drbg.reseed(seed);
        drbg
    }

    /// Mixes `seed` into the key, so that the state is unknown to whoever misses either, and
    /// drops buffered output.
    pub fn reseed(&mut self, seed: &[u8]) {
        let mut ikm = Zeroizing::new(Vec::with_capacity(KEY + seed.len()));
        // The key has a fixed length, so the concatenation is unambiguous.
        ikm.extend_from_slice(&*self.key);
        ikm.extend_from_slice(seed);
        let keyed = SimpleHkdf::<Sha3_256>::new(Some(SALT), &ikm);
        let mut key = Zeroizing::new([0; KEY]);
        // 32 bytes are one block of SHA3-256; only more than 255 blocks can fail.
        keyed.expand(INFO, &mut *key).expect("one block can always be expanded");
        self.key = key;
        self.discard();
    }

    fn discard(&mut self) {
        self.buffer.zeroize();
        self.left = 0;
    }

    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        let mut rest = self.take_buffered(out);
        while rest.len() >= REFILL - KEY {
            let (chunk, after) = rest.split_at_mut(rest.len().min(BULK));
            let mut stream = self.ratchet();
            chunk.fill(0);
            stream.apply_keystream(chunk);
            rest = after;
        }
        if !rest.is_empty() {
            let mut stream = self.ratchet();
            self.buffer.zeroize();
            stream.apply_keystream(&mut self.buffer[KEY..]);
            self.left = REFILL - KEY;
            self.take_buffered(rest);
        }
    }

    /// Replaces the key by the head of its keystream; the rest of the stream may be used.
    fn ratchet(&mut self) -> ChaCha20 {
        let mut stream = ChaCha20::new((&*self.key).into(), &[0u8; 12].into());
        self.key.fill(0);
        stream.apply_keystream(&mut *self.key);
        stream
    }

    /// Moves buffered output out, erases it, and returns what is still to be filled.
    fn take_buffered<'a>(&mut self, out: &'a mut [u8]) -> &'a mut [u8] {
        let count = out.len().min(self.left);
        let start = REFILL - self.left;
        let (head, rest) = out.split_at_mut(count);
        let taken = &mut self.buffer[start..start + count];
        head.copy_from_slice(taken);
        taken.fill(0);
        self.left -= count;
        rest
    }
}

impl std::fmt::Debug for Drbg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Drbg([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(drbg: &mut Drbg, count: usize) -> Vec<u8> {
        let mut out = vec![0u8; count];
        drbg.fill(&mut out);
        out
    }

    #[test]
    fn known_answers() {
        // Made independently: HKDF-SHA3-256 by Python's hmac, ChaCha20
        // by a Python transcription of RFC 8439.
        let mut drbg = Drbg::new(b"seed");
        assert_eq!(hex::encode(bytes(&mut drbg, 16)), "b8bc7aede310ed11a2024d32f1c39a27");
        assert_eq!(hex::encode(&bytes(&mut drbg, 2000)[1984..]), "fc4051f1a2850fca13ff179161acff7b");
        drbg.reseed(b"more");
        assert_eq!(hex::encode(bytes(&mut drbg, 16)), "972e167d34563e075d3085d974226435");
    }

    #[test]
    fn given_output_is_gone_from_the_state() {
        let mut drbg = Drbg::new(b"seed");
        let given = bytes(&mut drbg, 500);
        let state = [&drbg.key[..], &drbg.buffer[..]].concat();
        assert!(!state.windows(16).any(|w| given.windows(16).any(|g| g == w)));
        assert!(drbg.buffer[..KEY + 500].iter().all(|b| *b == 0));
    }

    #[test]
    fn output_never_repeats_across_request_sizes() {
        let mut drbg = Drbg::new(b"seed");
        let mut seen = std::collections::BTreeSet::new();
        for size in [16, 32, 976, 992, 1024, 65_536, 65_552, 200_000, 16] {
            let out = bytes(&mut drbg, size);
            for block in out.chunks_exact(16) {
                assert!(seen.insert(block.to_vec()), "a repeated block at size {size}");
            }
        }
    }

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", Drbg::new(b"seed")), "Drbg([REDACTED])");
    }
}
