//! The trusted head on disk: one small file a chain, replaced atomically.
//!
//! It holds nothing secret, but whoever can write it decides what this client trusts, so it lives in the user's state
//! directory: `$BEACON_HOME`, else `$XDG_STATE_HOME/beacon`, else `~/.local/state/beacon`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use beacon_spec::chain::Beacon;
use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::committee::SignerList;
use beacon_spec::genesis::LightGenesis;
use beacon_spec::hash::{Digest32, Hasher};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::refusal::{Reason, Refusal};
use crate::trust::Trust;

const MAGIC: &[u8] = b"BEACONSTATE1\n";
const TAG: &str = "beacon-client/1/state";
const LIMITS: Limits = Limits::bytes(1 << 20);
/// Addresses kept for a chain; the oldest goes first.
const MAX_SERVERS: usize = 64;

/// What is stored of a chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    genesis: LightGenesis,
    /// Of the head's epoch.
    signers: SignerList,
    head: Beacon,
    /// The client's clock when the head was accepted, Unix milliseconds.
    accepted: u64,
    /// Servers that verified as this chain's, so that they can be named without the chain hash.
    servers: Vec<String>,
}

/// What a stored state gives back.
#[derive(Clone, Debug)]
pub struct Stored {
    pub trust: Trust,
    pub accepted: u64,
    pub servers: Vec<String>,
}

/// What became of a head that was to be stored.
#[derive(Clone, Debug)]
pub enum Saved {
    /// It is there, or one that it was compared with before and that is newer.
    Done,
    /// The head that another process stored meanwhile is there.
    Other(Box<Beacon>),
}

/// The directory of stored states.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

impl StateDir {
    pub fn new(path: impl Into<PathBuf>) -> StateDir {
        StateDir(path.into())
    }

    /// The user's directory; `None` where neither `XDG_STATE_HOME` nor `HOME` says where that is.
    pub fn of_user() -> Option<StateDir> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
        Some(StateDir(base.join("beacon")))
    }

    pub fn path(&self, chain: &Digest32) -> PathBuf {
        self.0.join(format!("{chain}.state"))
    }

    /// The state of a chain, verified again; `None` if there is none.
    pub fn load(&self, chain: &Digest32) -> Result<Option<Stored>, Error> {
        let path = self.path(chain);
        let Some(record) = read(&path)? else {
            return Ok(None);
        };
        let trust = Trust::restore(&encode(&record.genesis), *chain, record.signers, record.head)
            .map_err(|refusal| refusal.by(&path.display().to_string()))?;
        Ok(Some(Stored { trust, accepted: record.accepted, servers: record.servers }))
    }

    /// Stores a head with the server it came from, in place of the head whose hash is `known` or of an older look of
    /// itself; no head is moved back. What another process stored meanwhile is left as it is and given back: whether it
    /// is of the same chain of headers is for the caller to find out.
    pub fn save(&self, trust: &Trust, known: Option<&Digest32>, now: u64, server: &str) -> Result<Saved, Error> {
        let Some(head) = trust.head() else {
            return Ok(Saved::Done);
        };
        let path = self.path(trust.chain());
        let failed = |error: io::Error| Error::file(&path, &error);
        // Of two processes one reads what the other has written.
        fs::create_dir_all(&self.0).map_err(failed)?;
        let directory = File::open(&self.0).map_err(failed)?;
        flock(&directory, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        let mut record = Record {
            genesis: trust.genesis().clone(),
            signers: trust.signers().list().clone(),
            head: head.beacon().clone(),
            accepted: now,
            servers: Vec::new(),
        };
        if let Some(before) = read(&path)? {
            let stored = before.head.header.hash();
            if stored != head.hash() && Some(&stored) != known {
                return Ok(Saved::Other(Box::new(before.head)));
            }
            let older = head.round() <= before.head.header.round;
            if older && before.servers.iter().any(|known| known == server) {
                return Ok(Saved::Done);
            }
            record = if older { before } else { Record { servers: before.servers, ..record } };
        }
        record.servers.retain(|known| known != server);
        record.servers.insert(0, server.to_owned());
        record.servers.truncate(MAX_SERVERS);
        self.replace(&path, &directory, &record).map_err(failed)?;
        Ok(Saved::Done)
    }

    /// The chains under which a server is known.
    pub fn chains_of(&self, server: &str) -> Result<Vec<Digest32>, Error> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file(&self.0, &error)),
        };
        let mut chains = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| Error::file(&self.0, &error))?.file_name();
            let chain = name.to_str().and_then(|name| name.strip_suffix(".state"));
            let Some(chain) = chain.and_then(|chain| Digest32::from_hex(chain).ok()) else {
                continue;
            };
            let known =
                read(&self.path(&chain))?.is_some_and(|record| record.servers.iter().any(|known| known == server));
            if known {
                chains.push(chain);
            }
        }
        Ok(chains)
    }

    /// Writes beside, syncs, renames, syncs the directory: a power cut leaves the old file or the new one.
    fn replace(&self, path: &Path, directory: &File, record: &Record) -> io::Result<()> {
        let body = encode(record);
        let sum = Hasher::new(TAG).framed(&body).finish();
        let beside = path.with_extension(format!("new.{}", std::process::id()));
        let mut file = File::create(&beside)?;
        file.write_all(MAGIC)?;
        file.write_all(&sum.0)?;
        file.write_all(&body)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        directory.sync_all()
    }
}

fn read(path: &Path) -> Result<Option<Record>, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(path, &error)),
    };
    let corrupt = || {
        let what = "stored state; move the file away to start again from the chain hash or a checkpoint";
        Refusal::new(Reason::CorruptState, what).by(&path.display().to_string())
    };
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(corrupt)?;
    let (sum, body) = rest.split_first_chunk::<32>().ok_or_else(corrupt)?;
    if Hasher::new(TAG).framed(body).finish().0 != *sum {
        return Err(corrupt().into());
    }
    Ok(Some(decode(body, &LIMITS).map_err(|_| corrupt())?))
}
