//! A network under test, and processes that end.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use beacon_spec::committee::Committee;
use beacon_spec::genesis::Genesis;
use beacon_spec::hash::Digest32;
use beacon_testnet::binaries::Binaries;
use beacon_testnet::home::Home;
use beacon_testnet::network::Network;
use beacon_testnet::node::{Node, node_command};
use beacon_testnet::plan::Plan;
use beacon_testnet::scenarios::Scenario;
use beacon_testnet::scenarios::processes::Processes;
use beacon_testnet::watch::{View, Watchers};
use beacon_testnet::{audit, ceremony};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout, timeout_at};

/// As long as a scenario waits for anything; on a quiet machine everything comes within a few seconds.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Networks would take each other's processors, and with them their periods.
static TURN: Mutex<()> = Mutex::const_new(());

/// Where the scenario files are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// A running network with a subscriber at each node.
pub struct Net {
    pub network: Network,
    pub view: View,
    watchers: Watchers,
    /// Everything of the network; removed in the end.
    pub directory: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Net {
    /// Makes and starts a network.
    pub async fn start(weights: &[u64], period: u64, window: u64) -> Net {
        let mut net = Net::made(weights, period, window).await;
        net.network.start().expect("the nodes start");
        net
    }

    /// Makes a network without starting it.
    pub async fn made(weights: &[u64], period: u64, window: u64) -> Net {
        Net::planned(Plan::new(None, Some(weights.to_vec()), period, window, 7700).expect("a sound plan")).await
    }

    /// Makes a network of this plan, on free ports.
    pub async fn planned(plan: Plan) -> Net {
        let turn = TURN.lock().await;
        let directory = TempDir::new().expect("a temporary directory");
        let plan = plan.on_free_ports().expect("free ports");
        let (nodes, period) = (plan.nodes(), plan.period);
        let home = Home::claim(&directory.path().join("net")).expect("a home");
        let binaries = Binaries::beside().expect("the programs are built");
        let network = Network::make(plan, home, binaries).await.expect("a ceremony");
        let watchers = Watchers::start(network.nodes.iter().map(|node| node.endpoints.url())).expect("subscribers");
        let view = View::new(nodes, period);
        Net { network, view, watchers, directory, _turn: turn }
    }

    /// Plays the scenario of this name, whose expectations must hold; the network goes on.
    pub async fn played(name: &str) -> Net {
        let scenario = Scenario::open(&directory().join(name).with_extension("toml")).expect("a sound file");
        let turn = TURN.lock().await;
        let directory = TempDir::new().expect("a temporary directory");
        let home = Home::claim(&directory.path().join("net")).expect("a home");
        let mut stage = Processes::start(&scenario, home).await.expect("the network starts");
        let report = stage.play(&scenario).await;
        let logs: Vec<String> = stage.network.nodes.iter().map(|node| node.tail()).collect();
        assert_eq!(report.wrong, Vec::<String>::new(), "{name}\n{}", logs.join("\n"));
        let Processes { network, view, watchers, .. } = stage;
        Net { network, view, watchers, directory, _turn: turn }
    }

    /// Watches until `done`; gives up loudly, with the logs.
    pub async fn until(&mut self, what: &str, done: impl Fn(&View) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(&self.view) {
            let Ok(sighting) = timeout_at(deadline, self.watchers.next()).await else {
                let rounds: Vec<u64> = self.view.nodes.iter().map(|seen| seen.round()).collect();
                let logs: Vec<String> = self.network.nodes.iter().map(|node| node.tail()).collect();
                panic!("{what}: not within {PATIENCE:?}; nodes are at rounds {rounds:?}\n{}", logs.join("\n"));
            };
            self.view.note(sighting);
        }
    }

    /// Watches until every node has shown `more` rounds beyond the newest there is now; gives that round.
    pub async fn rounds_more(&mut self, more: u64) -> u64 {
        let goal = self.newest() + more;
        self.until(&format!("all nodes at round {goal}"), |view| view.common() >= goal).await;
        goal
    }

    pub fn newest(&self) -> u64 {
        self.view.newest().map_or(0, |beacon| beacon.header.round)
    }

    pub fn url(&self, node: usize) -> String {
        self.network.nodes[node].endpoints.url()
    }

    pub fn chain(&self) -> Digest32 {
        Digest32::from_hex(&self.network.chain).expect("the ceremony gives a chain hash")
    }

    /// The sealed genesis and its committee.
    pub fn genesis(&self) -> (Genesis, Committee) {
        let bytes = fs::read(self.network.home.join("genesis.bin")).expect("the ceremony writes the genesis");
        Genesis::open(&bytes, &self.chain()).expect("the genesis is of the chain")
    }

    /// All nodes, and further addresses, hold the same headers, whole, from 1 to `rounds`.
    pub async fn assert_agreement(&self, rounds: u64, more: &[String]) {
        let mut urls: Vec<String> = (0..self.network.nodes.len()).map(|node| self.url(node)).collect();
        urls.extend_from_slice(more);
        let agreement = audit::compare(&urls, self.chain(), rounds).await;
        assert_eq!(agreement.agreeing, urls.len(), "{:?}", agreement.failures);
        assert_eq!(self.view.disagreements, 0);
    }

    /// Runs the client against an address, with a trust of its own.
    pub async fn beacon(&self, url: &str, words: &[&str]) -> Output {
        self.asking(&["--url", url], words).await
    }

    /// The same against whom these options name.
    pub async fn asking(&self, whom: &[&str], words: &[&str]) -> Output {
        let home = TempDir::new().expect("a temporary directory");
        let mut command = Command::new(&self.network.binaries.client);
        command.args(words).args(whom).args(["--chain", &self.network.chain]).arg("--home").arg(home.path());
        finished(command).await
    }

    /// An observer joins by the chain hash and one member's address.
    pub async fn join(&self) -> Node {
        let mut observer = self.observer(&[]).await;
        observer.start(&self.network.binaries.node, false).expect("the observer starts");
        observer
    }

    /// The home of an observer that knows the chain hash and one member's address, made with these `words` more.
    pub async fn observer(&self, words: &[&str]) -> Node {
        let home = Home::claim(&self.directory.path().join("observer")).expect("a home");
        let plan = Plan::new(Some(1), None, 300, 2, 7700).expect("a sound plan").on_free_ports().expect("free ports");
        let endpoints = plan.endpoints(0);
        let peer = &self.network.nodes[1].endpoints.multiaddrs()[1];
        let (program, chain) = (&self.network.binaries.node, &self.network.chain);
        let joined = timeout(PATIENCE, ceremony::join(program, home.node(0), endpoints, peer, chain, words)).await;
        let report = joined.expect("init ends").expect("an observer needs no more");
        assert_eq!((&report["role"], &report["chain"]), (&"observer".into(), &self.network.chain.as_str().into()));
        let identity = report["identity"].as_str().expect("init tells the identity").to_owned();
        Node::new(0, identity, 0, endpoints, home.node(0), home.log(0))
    }

    /// Waits until a node beside the network shows `round`.
    pub async fn follows(&self, observer: &Node, round: u64) {
        let mut watchers = Watchers::start([observer.endpoints.url()]).expect("a subscriber");
        let mut seen = View::new(1, self.network.plan.period);
        while seen.common() < round {
            let sighting = timeout(PATIENCE, watchers.next()).await;
            seen.note(sighting.unwrap_or_else(|_| panic!("at round {}: {}", seen.common(), observer.tail())));
        }
    }

    /// The network alone, and what must be held as long as it is.
    pub fn taken(self) -> (Network, (TempDir, MutexGuard<'static, ()>)) {
        (self.network, (self.directory, self._turn))
    }

    /// Stops everything; a node that does not stop cleanly, saw a crime, or left a damaged database fails the scenario.
    pub async fn finish(mut self) {
        self.network.stop_all().await.expect("the nodes stop cleanly");
        for node in &self.network.nodes {
            assert_eq!(audit::accusations(node).expect("a log"), Vec::<String>::new());
            let wrong = audit::database(&self.network.binaries.node, node).await;
            assert_eq!(wrong.expect("the check runs"), None);
        }
    }
}

/// Runs a command of the node that must end.
pub async fn node(binaries: &Binaries, words: &[impl AsRef<OsStr>]) -> Output {
    let mut command = node_command(&binaries.node);
    command.args(words);
    finished(command).await
}

/// Waits for a process that must end.
pub async fn finished(mut command: Command) -> Output {
    command.kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.unwrap_or_else(|_| panic!("{command:?} does not end"));
    output.expect("the program can be started")
}

/// The process succeeded; what it printed.
pub fn success(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ended with {}: {said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The process succeeded; the JSON object that it printed.
pub fn json(output: &Output) -> Value {
    serde_json::from_str(&success(output)).expect("one JSON object")
}

/// The process was refused with exit code 1, and said all of `parts`.
pub fn refused(output: &Output, parts: &[&str]) {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in parts {
        assert!(said.contains(part), "{said:?} lacks {part:?}");
    }
}

/// Copies a directory with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the target can be made");
    for entry in fs::read_dir(from).expect("the source is there") {
        let entry = entry.expect("the source can be listed");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}
