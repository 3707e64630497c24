//! The commented `config.toml` that `init` writes.

use super::{Config, Keep, LogFormat, ServicesConfig};

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
    let comment = "Private randomness, status and administration, or \"off\". Off the loopback it needs a token.";
    page.entry(comment, "local_http", quote(config.local_http));
    let comment = "A file for the owner alone, relative to the home, whose first line (32 characters or more) every\n\
                   request to the local listener must carry: Authorization: Bearer TOKEN.";
    match &config.local_token_file {
        Some(file) => page.entry(comment, "local_token_file", quote(file.display())),
        None => page.entry(comment, "# local_token_file", quote("token")),
    }
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
                   Sources: those of `beacon-node entropy scan`, or file:PATH for a file, FIFO or device.";
    let workers: Vec<String> = config.entropy.workers.iter().map(|worker| list(worker)).collect();
    page.entry(comment, "workers", format!("[{}]", workers.join(", ")));
    let sockets = |hosts: &[std::net::SocketAddr]| list(&hosts.iter().map(ToString::to_string).collect::<Vec<_>>());
    let comment = "DNS servers and hosts that the sources dns and tcp may time. No other host is contacted.";
    page.entry(comment, "dns_servers", sockets(&config.entropy.dns_servers));
    page.entry("", "tcp_hosts", sockets(&config.entropy.tcp_hosts));
    page.entry("The I2C bus that the source atecc608a is on.", "i2c_bus", config.entropy.i2c_bus);
    services(&mut page, &config.services);
    page.table("cluster");
    let cluster = &config.cluster;
    let peers: Vec<String> = cluster.peers.iter().map(ToString::to_string).collect();
    let comment = "Identities of peers that give each other private random bytes out of their own pools. Each is mixed\n\
                   with this node's own bytes and counts nothing.";
    page.entry(comment, "peers", list(&peers));
    page.entry("Whether this node draws from them.", "draw", cluster.draw);
    page.entry("Whether they may draw from this node, and how often each in a minute.", "serve", cluster.serve);
    page.entry("", "quota", cluster.quota);
    page.table("limits");
    let limits = &config.limits;
    page.entry("Connections of peers that are neither members nor listed above.", "strangers", limits.strangers);
    page.entry("Of these, from one IP address.", "strangers_per_address", limits.strangers_per_address);
    page.entry("Connections whose handshake is not finished.", "handshakes", limits.handshakes);
    page.entry("Connections to one peer.", "connections_per_peer", limits.connections_per_peer);
    page.entry("How long a misbehaving stranger is shut out.", "ban_seconds", limits.ban_seconds);
    page.0
}

fn services(page: &mut Page, services: &ServicesConfig) {
    page.table("services");
    let comment = "Private randomness on the local listener. Blocks of 32 bytes that each queue holds, 10 to 1000000.";
    page.entry(comment, "trng_queue_size", services.trng_queue_size);
    page.entry("", "fortuna_queue_size", services.fortuna_queue_size);
    let comment = "Whether what is read from a queue leaves it. With false every asker gets the same bytes.";
    page.entry(comment, "delete_on_consumption", services.delete_on_consumption);
    page.entry("Milliseconds between two blocks for the queue trng.", "hash_interval_ms", services.hash_interval_ms);
    let comment = "Milliseconds between two fillings of the queue fortuna, the seeds of each filling, and the blocks\n\
                   that Fortuna gives for each seed.";
    page.entry(comment, "process_interval_ms", services.process_interval_ms);
    page.entry("", "seed_count", services.seed_count);
    page.entry("", "amplification_factor", services.amplification_factor);
    page.entry("Whether raw samples of single sources are given out.", "raw", services.raw);
    let comment = "Web origins whose pages may read from the local listener, such as http://localhost:3000.";
    page.entry(comment, "cors", list(&services.cors));
}

/// The text so far.
struct Page(String);

impl Page {
    fn entry(&mut self, comment: &str, key: &str, value: impl ToString) {
        if !comment.is_empty() {
            self.0 += "\n";
        }
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
