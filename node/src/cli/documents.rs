//! The files that pass between operators: drafts, bundles, sealed geneses.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use beacon_spec::bundle::KeyBundle;
use beacon_spec::codec::decode;
use beacon_spec::committee::Committee;
use beacon_spec::genesis::{Draft, GENESIS_LIMITS, Genesis};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::IdentityKey;
use beacon_spec::reject::Reject;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// A draft or bundle is far smaller; more is not read.
const DOCUMENT_MAX: u64 = 4 << 20;

/// A member's first public bundle as it travels from its maker to whoever seals.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BundleDocument {
    /// The ceremony that the bundle's proofs bind.
    pub ceremony: Digest32,
    pub identity: IdentityKey,
    pub bundle: KeyBundle,
}

/// Reads at most `limit` bytes of a file.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(format!("cannot read {}: {error}", path.display()), "name a file that is there and readable")
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(limit + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > limit {
        let what = format!("{} is longer than {limit} bytes", path.display());
        return Err(Failure::new(what, "name the right file"));
    }
    Ok(bytes)
}

/// Reads a small text file.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path, DOCUMENT_MAX)?)
        .map_err(|_| Failure::new(format!("{} is not text", path.display()), "name the right file"))
}

fn read_json<T: DeserializeOwned>(path: &Path, kind: &str, maker: &str) -> Result<T, Failure> {
    serde_json::from_slice(&read(path, DOCUMENT_MAX)?).map_err(|error| {
        Failure::new(format!("{} is no {kind}: {error}", path.display()), format!("name a file that `{maker}` wrote"))
    })
}

/// Reads and judges a draft.
pub(super) fn read_draft(path: &Path) -> Result<Draft, Failure> {
    let draft: Draft = read_json(path, "draft", "beacon-node genesis draft")?;
    draft.check().map_err(|reason| {
        Failure::new(
            format!("the draft {} breaks a rule: {reason}", path.display()),
            "draw it up anew with `beacon-node genesis draft`",
        )
    })?;
    Ok(draft)
}

/// Reads a bundle without judging it.
pub(super) fn read_bundle(path: &Path) -> Result<BundleDocument, Failure> {
    read_json(path, "bundle", "beacon-node keygen --draft")
}

/// A sealed genesis that has been judged.
pub struct Sealed {
    pub bytes: Vec<u8>,
    pub genesis: Genesis,
    pub committee: Committee,
    pub chain: Digest32,
}

impl Sealed {
    pub(super) fn judge(bytes: Vec<u8>) -> Result<Self, Reject> {
        let genesis: Genesis = decode(&bytes, &GENESIS_LIMITS)?;
        let (committee, chain) = genesis.check()?;
        Ok(Sealed { bytes, genesis, committee, chain })
    }

    /// Reads and judges a sealed genesis.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let limit = GENESIS_LIMITS.max_bytes as u64;
        Self::judge(read(path, limit)?).map_err(|reason| {
            let what = format!("{} is no valid genesis: {reason}", path.display());
            Failure::new(what, "ask whoever sealed it for the file again, and compare its chain hash")
        })
    }

    /// The genesis bundle of `identity`, if it is a member.
    pub(super) fn bundle_of(&self, identity: &IdentityKey) -> Option<&KeyBundle> {
        let index = self.committee.signers().index_of(identity)?;
        self.genesis.bundles.get(usize::from(index))
    }
}

/// Writes a file that is not there yet, whole or not at all.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".new-{}", std::process::id()));
    let draft = Path::new(&draft);
    let made = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A link fails where a rename would replace.
        fs::hard_link(draft, path)?;
        File::open(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()
    })();
    // What is left of a failed attempt is removed as well as can be; the attempt's error is the one that counts.
    let _ = fs::remove_file(draft);
    made.map_err(|error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(
            format!("{} exists already and is never overwritten", path.display()),
            "name another file, or move this one away",
        ),
        _ => Failure::new(format!("cannot write {}: {error}", path.display()), "look at the directory and the disk"),
    })
}

/// As [`write_new`], but content with a file that holds the same bytes already.
pub(super) fn write_same(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    match fs::read(path) {
        Ok(found) if found == bytes => Ok(()),
        _ => write_new(path, bytes),
    }
}

/// Pretty JSON with a final newline.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("documents have string keys and no floats");
    bytes.push(b'\n');
    bytes
}
