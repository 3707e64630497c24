//! Which database the keys have signed with.
//!
//! What was signed stands in the database, so keys beside an empty or a strange one could sign a second time. The file
//! `keys/database` names the database that they belong to.

use std::path::PathBuf;

use super::{KeyStore, KeyStoreError, private};

const FILE: &str = "database";
/// RocksDB's identities have 36 characters.
const LONGEST: usize = 128;

impl KeyStore {
    /// Ties the keys to the database with this `identity`, or finds them tied to it. Keys that are tied to another one
    /// are refused, unless they have `moved`.
    pub fn tie(&self, identity: &str, moved: bool) -> Result<(), KeyStoreError> {
        let path = self.tie_path();
        if !path.exists() {
            return private::create_file(&path, identity.as_bytes());
        }
        let file = private::open(&path, false)?;
        let bytes = private::read_all(&path, &file, LONGEST)?;
        if bytes == identity.as_bytes() {
            return Ok(());
        }
        if moved {
            return private::replace_file(&path, identity.as_bytes());
        }
        let before = String::from_utf8_lossy(&bytes).into_owned();
        Err(KeyStoreError::OtherDatabase { path, before, found: identity.to_owned() })
    }

    fn tie_path(&self) -> PathBuf {
        self.path.with_file_name(FILE)
    }
}
