//! The key that seals the key store, and where it comes from.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeyStoreError, private};

/// The environment variable that carries the sealing key as 64 hexadecimal digits.
const VARIABLE: &str = "BEACON_SEAL_KEY";
/// The name of the systemd credential (`LoadCredential=beacon-seal-key:…`).
const CREDENTIAL: &str = "beacon-seal-key";
const FILE: &str = "seal.key";

/// A sealing key of 32 bytes.
pub(super) struct SealKey {
    bytes: Zeroizing<[u8; 32]>,
    origin: String,
}

impl SealKey {
    /// From the environment, else from a systemd credential, else from the file beside the secrets.
    pub(super) fn find(keys: &Path) -> Result<Self, KeyStoreError> {
        match Self::from_outside()? {
            Some(key) => Ok(key),
            None => Self::from_file(&keys.join(FILE)),
        }
    }

    /// As [`SealKey::find`], but draws a key and writes the file if there is none anywhere.
    pub(super) fn find_or_create(keys: &Path) -> Result<Self, KeyStoreError> {
        if let Some(key) = Self::from_outside()? {
            return Ok(key);
        }
        let path = keys.join(FILE);
        if !path.exists() {
            let mut bytes = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *bytes).map_err(KeyStoreError::Randomness)?;
            private::create_file(&path, &*bytes)?;
        }
        Self::from_file(&path)
    }

    fn from_outside() -> Result<Option<Self>, KeyStoreError> {
        if let Some(text) = env::var_os(VARIABLE) {
            let text = Zeroizing::new(text.into_encoded_bytes());
            return Self::parse(&text, format!("the environment variable {VARIABLE}")).map(Some);
        }
        let Some(directory) = env::var_os("CREDENTIALS_DIRECTORY") else { return Ok(None) };
        let path = PathBuf::from(directory).join(CREDENTIAL);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(&path).map_err(|source| KeyStoreError::io("read", &path, source))?;
        Self::parse(&Zeroizing::new(bytes), format!("the systemd credential {}", path.display())).map(Some)
    }

    fn from_file(path: &Path) -> Result<Self, KeyStoreError> {
        let file = private::open(path, false)?;
        let bytes = Zeroizing::new(private::read_all(path, &file, 256)?);
        Self::parse(&bytes, path.display().to_string())
    }

    /// 32 raw bytes, or 64 hexadecimal digits with or without white space around them.
    fn parse(bytes: &[u8], origin: String) -> Result<Self, KeyStoreError> {
        let mut key = Zeroizing::new([0; 32]);
        let good = match bytes.len() {
            32 => {
                key.copy_from_slice(bytes);
                true
            }
            _ => hex::decode_to_slice(bytes.trim_ascii(), &mut *key).is_ok(),
        };
        if good { Ok(SealKey { bytes: key, origin }) } else { Err(KeyStoreError::BadSealKey { origin }) }
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Where the key comes from, for messages.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    #[cfg(test)]
    pub(super) fn fixed(bytes: [u8; 32]) -> Self {
        SealKey { bytes: Zeroizing::new(bytes), origin: "a test".into() }
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey([REDACTED], from {})", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealing_key_is_raw_bytes_or_hexadecimal() {
        let from = |bytes: &[u8]| SealKey::parse(bytes, "x".into());
        assert_eq!(from(&[5; 32]).unwrap().bytes(), &[5; 32]);
        assert_eq!(from(format!("{}\n", "05".repeat(32)).as_bytes()).unwrap().bytes(), &[5; 32]);
        for bad in [&b""[..], &[5; 31], &[5; 33], "0g".repeat(32).as_bytes(), "05".repeat(33).as_bytes()] {
            assert!(matches!(from(bad), Err(KeyStoreError::BadSealKey { .. })));
        }
    }

    #[test]
    fn it_is_never_printed() {
        assert_eq!(format!("{:?}", SealKey::fixed([0xab; 32])), "SealKey([REDACTED], from a test)");
    }
}
