//! The directory of one local network, and the state file by which other commands find its nodes.
//!
//! A directory is a network's only with the marker that [`Home::claim`] put there; nothing is ever deleted in a
//! directory without it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::measure;

const MARKER: &str = ".beacon-testnet";
const SENTENCE: &str = "beacon-testnet made this directory; its next `up` replaces all that is in it.\n";
const STATE: &str = "testnet.json";

/// A network's directory, held by this process.
#[derive(Debug)]
pub struct Home {
    root: PathBuf,
    /// Locked as long as the network is supervised.
    _lock: File,
}

impl Home {
    /// Takes a directory that is empty, absent, or an earlier network's that no longer runs; the latter is emptied.
    pub fn claim(root: &Path) -> Result<Home, Failure> {
        let fail = |verb: &'static str| move |error| Failure::file(verb, root, &error);
        let marker = root.join(MARKER);
        fs::create_dir_all(root).map_err(fail("make"))?;
        let ours = marker.is_file();
        if !ours && fs::read_dir(root).map_err(fail("list"))?.next().is_some() {
            let what = format!("{} holds files that are no testnet's", root.display());
            return Err(Failure::new(what, "choose another --home, or an empty directory"));
        }
        if !ours {
            fs::write(&marker, SENTENCE).map_err(fail("write in"))?;
        }
        let lock = File::open(&marker).map_err(fail("open the marker in"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            let what = format!("a testnet runs in {}", root.display());
            Failure::new(
                what,
                format!("stop it with `beacon-testnet stop --home {}`, or choose another --home", root.display()),
            )
        })?;
        refuse_leftovers(root)?;
        for entry in fs::read_dir(root).map_err(fail("list"))? {
            let path = entry.map_err(fail("list"))?.path();
            if path == marker {
                continue;
            }
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|error| Failure::file("remove", &path, &error))?;
        }
        // The state file leads to the control socket, and the homes hold secrets.
        fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o700)).map_err(fail("protect"))?;
        let root = root.canonicalize().map_err(fail("find"))?;
        Ok(Home { root, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// The home of one node.
    pub fn node(&self, node: usize) -> PathBuf {
        self.root.join(format!("node-{node}"))
    }

    /// What one node says.
    pub fn log(&self, node: usize) -> PathBuf {
        self.root.join(format!("node-{node}.log"))
    }

    /// Replaces the state file, whole or not at all.
    pub fn write_state(&self, state: &State) -> Result<(), Failure> {
        let path = self.root.join(STATE);
        let draft = self.root.join(".testnet.json.new");
        let bytes = serde_json::to_vec_pretty(state).expect("the state has string keys and no floats");
        fs::write(&draft, bytes)
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(|error| Failure::file("write", &path, &error))
    }

    /// Removes the directory and all that is in it.
    pub fn remove(self) -> Result<(), Failure> {
        fs::remove_dir_all(&self.root).map_err(|error| Failure::file("remove", &self.root, &error))
    }
}

/// Where `up` puts a network when it is not told: in the build's own directory, two above the executable.
pub fn default_home() -> PathBuf {
    let own = std::env::current_exe().ok();
    let build = own.as_deref().and_then(|own| own.ancestors().nth(2));
    build.unwrap_or(Path::new(".")).join("testnet")
}

/// What other commands need to know of a running network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The process that supervises the nodes.
    pub supervisor: u32,
    pub chain: String,
    pub period: u64,
    pub window: u64,
    pub total_weight: u64,
    pub nodes: Vec<NodeState>,
}

/// One node in the state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    pub node: usize,
    pub identity: String,
    pub weight: u64,
    /// The process, if it runs, and when the kernel says it started: a number that no later process has.
    pub pid: Option<u32>,
    pub started: Option<u64>,
    pub withholding: bool,
    /// Base address of the public interface.
    pub url: String,
    pub local_url: String,
    pub peer_addresses: Vec<String>,
    pub home: PathBuf,
    pub log: PathBuf,
}

impl NodeState {
    /// Whether the process in the state file still runs, and is not another one with its number.
    pub fn runs(&self) -> bool {
        self.pid.is_some_and(|pid| self.started.is_some() && measure::started(pid) == self.started)
    }
}

impl State {
    /// Reads the state of the network in `root`.
    pub fn read(root: &Path) -> Result<State, Failure> {
        let path = root.join(STATE);
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let what = format!("there is no testnet in {}", root.display());
                Failure::new(what, "start one with `beacon-testnet up`, or name its directory with --home")
            }
            _ => Failure::file("read", &path, &error),
        })?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new(format!("{} is no state file: {error}", path.display()), "start the network anew")
        })
    }

    pub fn still_running(&self) -> impl Iterator<Item = &NodeState> {
        self.nodes.iter().filter(|node| node.runs())
    }
}

/// Nodes whose supervisor was killed go on; their data must not be pulled from under them.
fn refuse_leftovers(root: &Path) -> Result<(), Failure> {
    let Ok(state) = State::read(root) else { return Ok(()) };
    let pids: Vec<String> = state.still_running().filter_map(|node| node.pid).map(|pid| pid.to_string()).collect();
    if pids.is_empty() {
        return Ok(());
    }
    let what = format!("nodes of an earlier testnet in {} still run: processes {}", root.display(), pids.join(", "));
    Err(Failure::new(what, format!("stop them with `beacon-testnet stop --home {}`", root.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_somebody_else_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("letter"), "dear").unwrap();
        let said = Home::claim(directory.path()).unwrap_err().to_string();
        assert!(said.contains("no testnet's"), "{said}");
        assert!(directory.path().join("letter").exists());
    }

    #[test]
    fn an_earlier_network_is_replaced_and_a_running_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("net");
        let home = Home::claim(&root).unwrap();
        fs::create_dir(home.node(0)).unwrap();
        let said = Home::claim(&root).unwrap_err().to_string();
        assert!(said.contains("a testnet runs in"), "{said}");
        drop(home);
        let home = Home::claim(&root).unwrap();
        assert!(!home.node(0).exists());
        home.remove().unwrap();
        assert!(!root.exists());
    }

    #[test]
    fn leftover_nodes_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::claim(directory.path()).unwrap();
        let own = std::process::id();
        let node = NodeState {
            node: 0,
            identity: String::new(),
            weight: 1,
            pid: Some(own),
            started: measure::started(own),
            withholding: false,
            url: String::new(),
            local_url: String::new(),
            peer_addresses: Vec::new(),
            home: home.node(0),
            log: home.log(0),
        };
        assert!(node.runs());
        let another = NodeState { started: Some(1), ..node.clone() };
        assert!(!another.runs(), "a process that took over the number is not the node");
        let state =
            State { supervisor: 1, chain: String::new(), period: 0, window: 1, total_weight: 1, nodes: vec![node] };
        home.write_state(&state).unwrap();
        assert_eq!(State::read(home.path()).unwrap(), state);
        drop(home);
        let said = Home::claim(directory.path()).unwrap_err().to_string();
        assert!(said.contains(&own.to_string()), "{said}");
    }
}
