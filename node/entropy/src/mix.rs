//! Mixing: HKDF-SHA3-256 (RFC 5869 over FIPS 202) over the workers' contributions.
//!
//! The input keying material is, for each worker in increasing index order,
//! `u32(index) ‖ u32(length) ‖ bytes`, integers big-endian. Framing makes the encoding
//! injective, so no two different sets of contributions give the same input. Each
//! contribution has at least [`MIN_CONTRIBUTION`] bytes: if only one worker is honest, its
//! bytes alone carry the whole security of the output.
//!
//! Nothing but the contributions enters: the same contributions give the same output.

use hkdf::SimpleHkdf;
use sha3::Sha3_256;
use zeroize::Zeroizing;

/// Least bytes a worker must bring.
pub const MIN_CONTRIBUTION: usize = 32;
/// RFC 5869: at most 255 blocks of 32 bytes per expansion.
pub const MAX_OUTPUT: usize = 255 * 32;

const SALT: &[u8] = b"beacon-entropy mix v1";
const INFO: &[u8] = b"beacon-entropy output v1";

/// One worker's part.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub index: u32,
    pub bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    #[error("no contributions to mix")]
    Empty,
    #[error("worker {index} brought {length} bytes, fewer than 32")]
    Short { index: u32, length: usize },
    #[error("worker {index} brought more bytes than a frame can hold")]
    Long { index: u32 },
    #[error("worker {index} is out of order or appears twice")]
    Order { index: u32 },
    #[error("{length} bytes asked for, 1 to 8160 can be given per expansion")]
    Output { length: usize },
}

/// Mixes `parts` into `out` (1 to 8160 bytes).
pub fn mix(parts: &[Part<'_>], out: &mut [u8]) -> Result<(), MixError> {
    let keyed = extract(parts)?;
    keyed.expand(INFO, out)
}

/// Extracts once; the result can be expanded under several labels.
pub fn extract(parts: &[Part<'_>]) -> Result<Extracted, MixError> {
    if parts.is_empty() {
        return Err(MixError::Empty);
    }
    let total: usize = parts.iter().map(|part| part.bytes.len() + 8).sum();
    let mut ikm = Zeroizing::new(Vec::with_capacity(total));
    let mut previous = None;
    for part in parts {
        let index = part.index;
        if previous.is_some_and(|last| last >= index) {
            return Err(MixError::Order { index });
        }
        if part.bytes.len() < MIN_CONTRIBUTION {
            return Err(MixError::Short { index, length: part.bytes.len() });
        }
        let length = u32::try_from(part.bytes.len()).map_err(|_| MixError::Long { index })?;
        ikm.extend_from_slice(&index.to_be_bytes());
        ikm.extend_from_slice(&length.to_be_bytes());
        ikm.extend_from_slice(part.bytes);
        previous = Some(index);
    }
    Ok(Extracted(SimpleHkdf::<Sha3_256>::new(Some(SALT), &ikm)))
}

/// The extracted key, ready to expand.
pub struct Extracted(SimpleHkdf<Sha3_256>);

impl Extracted {
    /// Fills `out` (1 to 8160 bytes) under `label`.
    pub fn expand(&self, label: &[u8], out: &mut [u8]) -> Result<(), MixError> {
        let length = out.len();
        if length == 0 || length > MAX_OUTPUT {
            return Err(MixError::Output { length });
        }
        self.0.expand(label, out).map_err(|_| MixError::Output { length })
    }
}

impl std::fmt::Debug for Extracted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Extracted([REDACTED])")
    }
}
