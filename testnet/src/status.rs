//! `beacon-testnet status`: the state file, and what the nodes answer now.

use std::path::Path;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::home::{NodeState, State};
use crate::http;

/// Prints the network's state.
pub async fn show(home: &Path, as_json: bool) -> Result<(), Failure> {
    let state = State::read(home)?;
    let mut answers = Vec::new();
    for node in &state.nodes {
        answers.push(ask(node).await);
    }
    if as_json {
        let nodes: Vec<Value> = state.nodes.iter().zip(&answers).map(|(node, answer)| row(node, answer)).collect();
        println!("{}", json!({ "chain": state.chain, "supervisor": state.supervisor, "home": home, "nodes": nodes }));
        return Ok(());
    }
    println!("chain {}  period {} ms  window {}", state.chain, state.period, state.window);
    println!("{:<5} {:<11} {:>8} {:>9} {:>6}  http", "node", "state", "process", "round", "peers");
    for (node, answer) in state.nodes.iter().zip(&answers) {
        let field = |name: &str| answer.as_ref().and_then(|answer| answer.get(name)).map_or("-".into(), plain);
        let pid = node.pid.map_or("-".into(), |pid| pid.to_string());
        println!(
            "{:<5} {:<11} {:>8} {:>9} {:>6}  {}",
            node.node,
            word(node),
            pid,
            field("current"),
            field("peers"),
            node.url
        );
    }
    Ok(())
}

async fn ask(node: &NodeState) -> Option<Value> {
    let address = node.url.strip_prefix("http://")?.parse().ok()?;
    http::get_json(address, "/health").await.ok()
}

fn word(node: &NodeState) -> &'static str {
    match (node.runs(), node.withholding) {
        (false, _) => "down",
        (true, true) => "withholding",
        (true, false) => "up",
    }
}

fn row(node: &NodeState, answer: &Option<Value>) -> Value {
    json!({
        "node": node.node, "state": word(node), "pid": node.pid, "identity": node.identity, "weight": node.weight,
        "url": node.url, "local_url": node.local_url, "peer_addresses": node.peer_addresses, "home": node.home,
        "log": node.log, "health": answer,
    })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}
