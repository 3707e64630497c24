//! From nothing to homes that can run: the steps of a real ceremony, by the node's own commands.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures::future::try_join_all;
use serde_json::Value;

use crate::failure::Failure;
use crate::home::Home;
use crate::measure;
use crate::node::{Node, node_command};
use crate::plan::{Endpoints, Plan};

/// Between the draft and round 1, in milliseconds: time for bundles, sealing and start-up of four nodes.
const AHEAD: u64 = 2000;
/// And so much more for every further node, since they share this machine's processors.
const AHEAD_PER_NODE: u64 = 100;

/// What the ceremony made.
pub struct Outcome {
    pub chain: String,
    pub genesis: PathBuf,
    pub nodes: Vec<Node>,
}

/// Makes identities, draft, bundles, sealed genesis and initialised homes.
pub async fn hold(program: &Path, plan: &Plan, home: &Home) -> Result<Outcome, Failure> {
    let tool = Tool { program: program.to_owned() };
    let indices = 0..plan.nodes();
    let made = try_join_all(indices.clone().map(|node| tool.run(words(["keygen"]).home(home.node(node))))).await?;
    let identities = made.iter().map(|report| text(report, "identity")).collect::<Result<Vec<_>, _>>()?;

    let draft = home.join("draft.json");
    tool.run(draft_arguments(plan, &identities, &draft)).await?;
    let bundle = |node: usize| home.join(format!("bundle-{node}.json"));
    try_join_all(indices.clone().map(|node| {
        tool.run(words(["keygen"]).home(home.node(node)).option("--draft", &draft).option("--out", bundle(node)))
    }))
    .await?;

    let genesis = home.join("genesis.bin");
    let seal = words(["genesis", "seal"]).option("--draft", &draft).option("--out", &genesis);
    let seal = indices.clone().fold(seal, |seal, node| seal.option("--bundle", bundle(node)));
    let chain = text(&tool.run(seal).await?, "chain")?;

    let init = |node| tool.run(init_arguments(plan, home, node, &genesis, &chain));
    try_join_all(indices.clone().map(init)).await?;
    let nodes = identities.into_iter().zip(indices).map(|(identity, node)| {
        Node::new(node, identity, plan.weights[node], plan.endpoints(node), home.node(node), home.log(node))
    });
    Ok(Outcome { chain, genesis, nodes: nodes.collect() })
}

fn draft_arguments(plan: &Plan, identities: &[String], out: &Path) -> Words {
    let ahead = AHEAD + AHEAD_PER_NODE * (plan.nodes() as u64).saturating_sub(4);
    let genesis_time = measure::now_ms() as u64 + ahead;
    let mut words = words(["genesis", "draft", "--name", "testnet"])
        .option("--period", plan.period.to_string())
        .option("--window", plan.window.to_string())
        .option("--genesis-time", genesis_time.to_string())
        .option("--out", out);
    for (identity, weight) in identities.iter().zip(&plan.weights) {
        words = words.option("--member", format!("{identity}:{weight}"));
    }
    if let Some(windows) = plan.epoch_windows {
        words = words.option("--epoch-windows", windows.to_string());
    }
    if plan.needs_exemption() {
        words.0.push("--development-exemption".into());
    }
    words
}

/// Makes the home of a node that is no member and knows the chain hash and one member's address; gives its report.
pub async fn join(
    program: &Path,
    home: PathBuf,
    own: Endpoints,
    peer: &str,
    chain: &str,
    more: &[&str],
) -> Result<Value, Failure> {
    let mut words = words(["init"])
        .home(home)
        .option("--peer", peer)
        .option("--chain", chain)
        .option("--http", own.http_address().to_string())
        .option("--local-http", own.local_address().to_string());
    for address in own.multiaddrs() {
        words = words.option("--listen", address);
    }
    words.0.extend(more.iter().map(OsString::from));
    Tool { program: program.to_owned() }.run(words).await
}

fn init_arguments(plan: &Plan, home: &Home, node: usize, genesis: &Path, chain: &str) -> Words {
    let own = plan.endpoints(node);
    let mut words = words(["init"])
        .home(home.node(node))
        .option("--genesis", genesis)
        .option("--chain", chain)
        .option("--http", own.http_address().to_string())
        .option("--local-http", own.local_address().to_string());
    for address in own.multiaddrs() {
        words = words.option("--listen", address);
    }
    for other in (0..plan.nodes()).filter(|other| *other != node) {
        for address in plan.endpoints(other).multiaddrs() {
            words = words.option("--peer", address);
        }
    }
    words
}

/// The words of one command line.
pub struct Words(Vec<OsString>);

pub fn words<const N: usize>(words: [&str; N]) -> Words {
    Words(words.map(OsString::from).to_vec())
}

impl Words {
    #[must_use]
    pub fn option(mut self, name: &str, value: impl AsRef<OsStr>) -> Words {
        self.0.push(name.into());
        self.0.push(value.as_ref().into());
        self
    }

    #[must_use]
    pub fn home(self, home: PathBuf) -> Words {
        self.option("--home", home)
    }
}

/// The node's program, for commands that end.
pub struct Tool {
    pub program: PathBuf,
}

impl Tool {
    /// Runs a command with `--json` and reads its report.
    pub async fn run(&self, words: Words) -> Result<Value, Failure> {
        let mut command = node_command(&self.program);
        command.args(&words.0).arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.output().await.map_err(|error| Failure::file("start", &self.program, &error))?;
        let line: Vec<_> = words.0.iter().map(|word| word.to_string_lossy()).collect();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let what = format!("beacon-node {} ended with {}", line.join(" "), output.status);
            return Err(Failure::new(what, format!("it says:\n{said}")));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| {
            let what = format!("beacon-node {} --json printed no JSON: {error}", line.join(" "));
            Failure::new(what, "build node and testnet from the same sources")
        })
    }
}

/// A field of a report that is text.
pub fn text(report: &Value, field: &str) -> Result<String, Failure> {
    report.get(field).and_then(Value::as_str).map(String::from).ok_or_else(|| {
        Failure::new(format!("a report of beacon-node lacks {field}"), "build node and testnet from the same sources")
    })
}
