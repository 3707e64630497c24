//! The commented `config.toml` that `init` writes.

use super::{Config, Keep, LogFormat};

/// A file with every key, its meaning, and the values of `config`. Reading it gives `config` again.
pub fn template(config: &Config) -> String {
    let mut page = Page(String::from(
        "# The configuration of beacon-node. Every key may be left out.\n\
         # An environment variable overrides a key: BEACON_HTTP, or BEACON_LOG__LEVEL for level under [log].\n",
    ));
    if let Some(chain) = &config.chain {
        page.entry("The chain this home belongs to. The node refuses to start on another.", "chain", quote(chain));
    }
    page.entry("Where peers reach this node (multiaddrs): QUIC, and TCP as fall-back.", "listen", list(&config.listen));
    page.entry("Peers to dial and to keep dialling; one is enough to find the others.", "peers", list(&config.peers));
    page.entry("The public, read-only HTTP interface, or \"off\".", "http", quote(config.http));
    page.entry("Status and administration, on the loopback, or \"off\".", "local_http", quote(config.local_http));
    page.entry("The database, relative to the home.", "data_dir", quote(config.data_dir.display()));
    let keep = match config.transcripts_keep {
        Keep::All => quote("all"),
        Keep::Rounds(rounds) => rounds.to_string(),
    };
    let comment = "Rounds whose transcripts (dealings, openings, shares) are kept, or \"all\" for an archive.\n\
                   Beacons are always kept.";
    page.entry(comment, "transcripts_keep", keep);
    page.table("log");
    let level = "error, warn, info, debug, trace, or directives such as \"info,libp2p=warn\".";
    page.entry(level, "level", quote(&config.log.level));
    let format = match config.log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    page.entry("text or json.", "format", quote(format));
    page.table("entropy");
    let comment = "One list of sources a worker; all workers are mixed into every contribution.\n\
                   Sources: os, sleep, pipe, page-fault, or file:PATH for a file, FIFO or device.";
    let workers: Vec<String> = config.entropy.workers.iter().map(|worker| list(worker)).collect();
    page.entry(comment, "workers", format!("[{}]", workers.join(", ")));
    page.table("limits");
    let limits = &config.limits;
    page.entry("Connections of peers that are neither members nor listed above.", "strangers", limits.strangers);
    page.entry("Of these, from one IP address.", "strangers_per_address", limits.strangers_per_address);
    page.entry("Connections whose handshake is not finished.", "handshakes", limits.handshakes);
    page.entry("Connections to one peer.", "connections_per_peer", limits.connections_per_peer);
    page.entry("How long a misbehaving stranger is shut out.", "ban_seconds", limits.ban_seconds);
    page.0
}

/// The text so far.
struct Page(String);

impl Page {
    fn entry(&mut self, comment: &str, key: &str, value: impl ToString) {
        self.0 += "\n";
        for line in comment.lines() {
            self.0 += &format!("# {line}\n");
        }
        self.0 += &format!("{key} = {}\n", value.to_string());
    }

    fn table(&mut self, name: &str) {
        self.0 += &format!("\n[{name}]\n");
    }
}

/// A TOML string.
fn quote(value: impl ToString) -> String {
    toml::Value::String(value.to_string()).to_string()
}

fn list(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(quote).collect();
    format!("[{}]", quoted.join(", "))
}
