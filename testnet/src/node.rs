//! One node of the network: a `beacon-node run` process with its home, log and ports.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::failure::Failure;
use crate::home::NodeState;
use crate::measure;
use crate::plan::Endpoints;

/// How long a node may take to stop after SIGTERM before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// As much of a log's end as a failure quotes.
const LOG_TAIL: u64 = 2000;

/// A node and, while it runs, its process.
#[derive(Debug)]
pub struct Node {
    pub index: usize,
    pub identity: String,
    pub weight: u64,
    pub endpoints: Endpoints,
    pub home: PathBuf,
    pub log: PathBuf,
    pub withholding: bool,
    /// Variables for the process besides those of the caller.
    pub environment: Vec<(String, OsString)>,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    /// Killed when dropped, so that no node outlives its supervisor's panic.
    child: Child,
    pid: u32,
}

impl Node {
    pub fn new(index: usize, identity: String, weight: u64, endpoints: Endpoints, home: PathBuf, log: PathBuf) -> Node {
        Node {
            index,
            identity,
            weight,
            endpoints,
            home,
            log,
            withholding: false,
            environment: Vec::new(),
            process: None,
        }
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.pid)
    }

    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Starts the process, which must not run yet.
    pub fn start(&mut self, program: &Path, withhold: bool) -> Result<(), Failure> {
        if let Some(pid) = self.pid() {
            return Err(Failure::new(
                format!("node {} runs already (process {pid})", self.index),
                "stop or kill it first",
            ));
        }
        let fail = |error: std::io::Error| Failure::file("open", &self.log, &error);
        let out = OpenOptions::new().create(true).append(true).open(&self.log).map_err(fail)?;
        let err = out.try_clone().map_err(fail)?;
        let mut command = node_command(program);
        command.arg("run").arg("--home").arg(&self.home).stdout(out).stderr(err);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if withhold {
            command.arg("--unsafe-withhold-openings");
        }
        let child = command.spawn().map_err(|error| Failure::file("start", program, &error))?;
        let Some(pid) = child.id() else {
            return Err(Failure::new(format!("node {} ended at once", self.index), self.tail()));
        };
        self.withholding = withhold;
        self.process = Some(Process { child, pid });
        Ok(())
    }

    /// SIGKILL: what a power cut looks like to the others.
    pub async fn kill(&mut self) -> Result<(), Failure> {
        let mut process = self.take()?;
        // An error means that it is gone already, which is what was asked for.
        let _ = process.child.kill().await;
        Ok(())
    }

    /// SIGSTOP: the process stands still and everything that reaches it waits.
    pub fn freeze(&self) -> Result<(), Failure> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn thaw(&self) -> Result<(), Failure> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let Some(pid) = self.pid() else { return Err(self.down()) };
        send(pid, signal).map_err(|error| Failure::new(format!("node {}: {error}", self.index), self.tail()))
    }

    /// SIGTERM, and SIGKILL if that does not do. The status is an error if the node did not stop cleanly.
    pub async fn stop(&mut self) -> Result<(), Failure> {
        let index = self.index;
        let mut process = self.take()?;
        terminate(process.pid);
        match tokio::time::timeout(STOP_PATIENCE, process.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::new(format!("node {index} stopped with {status}"), self.tail())),
            Ok(Err(error)) => Err(Failure::new(format!("node {index} cannot be waited for: {error}"), self.tail())),
            Err(_) => {
                let _ = process.child.kill().await;
                let what = format!("node {index} did not stop within {} s and was killed", STOP_PATIENCE.as_secs());
                Err(Failure::new(what, self.tail()))
            }
        }
    }

    /// The status of a process that ended by itself since the last call.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.process.as_mut()?.child.try_wait().ok().flatten()?;
        self.process = None;
        Some(status)
    }

    /// Waits until the process ends by itself.
    pub async fn end(&mut self) -> Result<ExitStatus, Failure> {
        let index = self.index;
        let mut process = self.take()?;
        let ended = process.child.wait().await;
        ended.map_err(|error| Failure::new(format!("node {index} cannot be waited for: {error}"), self.tail()))
    }

    pub fn state(&self) -> NodeState {
        NodeState {
            node: self.index,
            identity: self.identity.clone(),
            weight: self.weight,
            pid: self.pid(),
            started: self.pid().and_then(measure::started),
            withholding: self.withholding,
            url: self.endpoints.url(),
            local_url: format!("http://{}", self.endpoints.local_address()),
            peer_addresses: self.endpoints.multiaddrs().to_vec(),
            home: self.home.clone(),
            log: self.log.clone(),
        }
    }

    /// The end of the log, to quote in a failure.
    pub fn tail(&self) -> String {
        let read = || {
            let mut file = File::open(&self.log)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            std::io::Result::Ok(bytes)
        };
        match read() {
            Ok(bytes) => format!("the end of {} is:\n{}", self.log.display(), String::from_utf8_lossy(&bytes)),
            Err(error) => format!("{} cannot be read: {error}", self.log.display()),
        }
    }

    fn take(&mut self) -> Result<Process, Failure> {
        let down = self.down();
        self.process.take().ok_or(down)
    }

    fn down(&self) -> Failure {
        let remedy = format!("start it: beacon-testnet restart {}", self.index);
        Failure::new(format!("node {} does not run", self.index), remedy)
    }
}

/// A command of `beacon-node` that no variable of the caller's environment configures, in a process group of its own
/// so that Ctrl-C reaches the supervisor alone.
pub fn node_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BEACON_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    command
}

/// Asks a process to stop. That it is gone already is no error.
pub fn terminate(pid: u32) {
    let _ = send(pid, Signal::TERM);
}

fn send(pid: u32, signal: Signal) -> Result<(), Errno> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    kill_process(pid, signal)
}
