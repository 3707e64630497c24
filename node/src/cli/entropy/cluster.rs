//! `beacon-node entropy cluster`: a running node's workers, and the peers it exchanges private random bytes with.

use clap::Args;
use serde_json::{Value, json};

use super::{say, say_json};
use crate::cli::failure::Failure;
use crate::cli::local::Local;

const AFTER: &str = "\
Peers are those that [cluster] in config.toml names, and no others. One that dies shows as down within 3 s and comes
back by itself. Drawing and serving are off unless the configuration switches them on.

Examples:
  beacon-node entropy cluster --home a
  beacon-node entropy cluster --url http://127.0.0.1:8081 --json";

/// List the running node's workers, and each configured peer, up or down.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(flatten)]
    local: Local,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let status = arguments.local.get("/admin/status")?;
    let (entropy, peers) = (&status["entropy"], &status["cluster"]);
    if arguments.json {
        let view = json!({
            "workers": entropy["workers"], "workers_running": entropy["workers_running"],
            "sources": entropy["sources"], "peers": peers,
        });
        return say_json(&view);
    }
    say(&table(entropy, peers))
}

fn table(entropy: &Value, peers: &Value) -> String {
    let mut out = format!("local workers: {} of {} running\n", entropy["workers_running"], entropy["workers"]);
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    for source in entropy["sources"].as_array().into_iter().flatten() {
        out += &format!(
            "  worker {}  {:<20} {:<12} {:>10} samples\n",
            source["worker"],
            word(&source["source"]),
            word(&source["state"]),
            source["samples"]
        );
    }
    let peers: Vec<&Value> = peers.as_array().into_iter().flatten().collect();
    out += &format!("configured peers: {}\n", peers.len());
    for peer in peers {
        let state = if peer["up"] == true { "up" } else { "down" };
        let error = peer["last_error"].as_str().map(|error| format!("  {error}")).unwrap_or_default();
        out += &format!(
            "  {}  {state:<4}  drawn {}, failed {}; given {}, refused {}{error}\n",
            word(&peer["identity"]),
            peer["drawn"],
            peer["failed"],
            peer["given"],
            peer["refused"]
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_up_or_down() {
        let entropy = json!({ "workers": 3, "workers_running": 2, "sources": [
            { "worker": 0, "source": "os", "state": "healthy", "samples": 32 },
        ]});
        let peer = |up| json!({ "identity": "ab", "up": up, "drawn": 1, "failed": 2, "given": 3, "refused": 4 });
        let shown = table(&entropy, &json!([peer(true), peer(false)]));
        for part in
            ["2 of 3 running", "healthy", "peers: 2", "ab  up ", "ab  down", "drawn 1, failed 2; given 3, refused 4"]
        {
            assert!(shown.contains(part), "{shown:?} lacks {part:?}");
        }
    }
}
