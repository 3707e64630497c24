//! The commands of `beacon`, one file each.

mod audit;
mod draw;
mod evidence;
mod export;
mod info;
pub mod print;
mod round;
mod verify;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use beacon_client::source::tls::Authorities;
use beacon_client::state::StateDir;
use beacon_client::{Client, Digest32, Error, client};
use clap::{Args, CommandFactory, Parser, Subcommand};

const AFTER: &str = "\
Exit codes: 0 verified, 1 refused, 2 usage, 3 no server reachable, 4 not yet.

Trust starts from the chain hash alone: get it from somebody you trust, not from the server. Give it once with --chain;
afterwards the server's address is enough, because the verified head is kept (see --home).
Outputs are public. Never use one as a key.";

/// Verifies and follows a randomness beacon, trusting nothing but its chain hash.
#[derive(Parser)]
#[command(name = "beacon", version, after_help = AFTER)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Common {
    /// Server address, http:// or https://, or file:PATH; several may be given, the first is asked first
    #[arg(long, global = true, env = "BEACON_URL", value_delimiter = ',', value_name = "URL")]
    url: Vec<String>,
    /// A node that gossips, as a multiaddr such as /ip4/192.0.2.1/udp/7700/quic-v1; several may be given. A peer pushes
    /// new rounds and is asked for the rest, before the servers; it can do without any
    #[cfg(feature = "gossip")]
    #[arg(long, global = true, env = "BEACON_PEER", value_delimiter = ',', value_name = "MULTIADDR")]
    peer: Vec<String>,
    /// Chain hash, 64 hexadecimal digits
    #[arg(long, global = true, env = "BEACON_CHAIN", value_name = "HASH", value_parser = parse_hash)]
    chain: Option<Digest32>,
    /// Certificates, in PEM, of authorities to accept for https:// besides Mozilla's, which are built in; a Debian
    /// system's own are in /etc/ssl/certs/ca-certificates.crt
    #[arg(long, global = true, env = "BEACON_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Longest wait for one answer, in seconds
    #[arg(long, global = true, default_value = "10", value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Duration,
    /// Directory of the trusted heads [default: $XDG_STATE_HOME/beacon or ~/.local/state/beacon]
    #[arg(long, global = true, env = "BEACON_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
    /// A round and its header hash that you vouch for; needed when trust is older than the trusting period
    #[arg(long, global = true, value_name = "ROUND:HASH", value_parser = parse_checkpoint)]
    checkpoint: Option<(u64, Digest32)>,
    /// How long trust lasts without a newer head, in days
    #[arg(long, global = true, default_value = "60", value_name = "DAYS")]
    trusting_period: u32,
}

#[derive(Subcommand)]
enum Command {
    /// Show the chain: parameters, committee, newest round
    Info,
    /// Print the newest round
    Latest,
    /// Print one round
    Get {
        /// Round number, from 1
        round: u64,
    },
    /// Print the round in force at a time; waits for times that are still to come
    At {
        /// RFC 3339 (2026-12-01T20:00:00Z) or Unix seconds or milliseconds
        time: String,
        /// Exit with code 4 instead of waiting
        #[arg(long)]
        no_wait: bool,
    },
    /// Print every round as it comes, missing none
    #[command(visible_alias = "subscribe")]
    Watch(watch::Options),
    /// Verify rounds of a server, or a file without any network
    Verify(verify::Options),
    /// Write rounds and what proves them to a file for `beacon verify FILE`
    Export(export::Options),
    /// Draw from a list, dice, numbers or bytes, so that others can check it
    #[command(after_help = draw::EXAMPLES)]
    Draw(Box<draw::Options>),
    /// Print shell completions
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// List and verify what is proven against members
    #[command(after_help = evidence::EXAMPLES)]
    Evidence(evidence::Options),
    /// Recompute an output from its transcript instead of trusting the quorum
    Audit {
        /// Round number, from 1
        round: u64,
    },
}

/// Runs a command.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let common = &cli.common;
    match cli.command {
        Command::Info => info::run(common).await,
        Command::Latest => round::latest(common).await,
        Command::Get { round } => round::get(common, round).await,
        Command::At { time, no_wait } => round::at(common, &time, no_wait).await,
        Command::Watch(options) => watch::run(common, &options).await,
        Command::Verify(options) => verify::run(common, &options).await,
        Command::Export(options) => export::run(common, &options).await,
        Command::Audit { round } => audit::run(common, round).await,
        Command::Evidence(options) => evidence::run(common, options).await,
        Command::Draw(options) => draw::run(common, *options).await,
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "beacon", &mut text);
            print::text(&text)
        }
        Command::Man => print::text(&manual()),
    }
}

/// The manual page: one section for each command after the page of the whole.
fn manual() -> Vec<u8> {
    let mut command = Cli::command();
    command.build();
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = clap_mangen::Man::new(command.clone()).render(&mut text);
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let page = clap_mangen::Man::new(sub.clone());
        text.extend(format!(".SH \"BEACON {}\"\n", sub.get_name().to_uppercase()).bytes());
        let _ = page.render_description_section(&mut text).and_then(|()| page.render_options_section(&mut text));
    }
    text
}

impl Common {
    fn state(&self) -> Option<StateDir> {
        self.home.as_ref().map(StateDir::new).or_else(StateDir::of_user)
    }

    /// Headers that are trusted without any server: the checkpoint and the stored head.
    fn trusted(&self, chain: &Digest32) -> Result<Vec<(u64, Digest32)>, Error> {
        let stored = match self.state() {
            Some(state) => state.load(chain)?,
            None => None,
        };
        let head = stored.and_then(|stored| stored.trust.head().map(|head| (head.round(), head.hash())));
        Ok(self.checkpoint.into_iter().chain(head).collect())
    }

    fn trusting_period(&self) -> Duration {
        Duration::from_secs(u64::from(self.trusting_period) * 86_400)
    }

    /// The beginning of the trusting period that ends now, Unix milliseconds.
    fn trusted_since(&self) -> u64 {
        let period = u64::try_from(self.trusting_period().as_millis()).unwrap_or(u64::MAX);
        client::system_time().saturating_sub(period)
    }

    /// Nodes that gossip.
    #[cfg(feature = "gossip")]
    fn peers(&self) -> &[String] {
        &self.peer
    }

    #[cfg(not(feature = "gossip"))]
    fn peers(&self) -> &[String] {
        &[]
    }

    /// The client that the options describe.
    fn client(&self) -> Result<Client, Error> {
        if self.url.is_empty() && self.peers().is_empty() {
            let why = "no server: give --url http://HOST:PORT, several times if you like, or set BEACON_URL";
            return Err(Error::Usage(why.into()));
        }
        let mut builder = Client::builder()
            .chain(self.chain()?)
            .servers(self.url.iter().map(|url| url.trim_end_matches('/')))
            .timeout(self.timeout)
            .trusting_period(self.trusting_period());
        #[cfg(feature = "gossip")]
        for peer in &self.peer {
            builder = builder.peer(peer);
        }
        if let Some((round, hash)) = self.checkpoint {
            builder = builder.checkpoint(round, hash);
        }
        if let Some(state) = self.state() {
            builder = builder.state(state);
        }
        if let Some(path) = &self.ca {
            let pem = std::fs::read(path).map_err(|error| Error::file(path, &error))?;
            let bad = |message| Error::File { path: path.display().to_string(), message };
            builder = builder.authorities(Authorities::with_pem(&pem).map_err(bad)?);
        }
        builder.build()
    }

    /// The chain hash that the user gave, if any.
    fn given_chain(&self) -> Option<Digest32> {
        self.chain
    }

    /// The chain hash given, or the one under which these servers were verified before. A server is never asked
    /// for it.
    fn chain(&self) -> Result<Digest32, Error> {
        if let Some(chain) = self.chain {
            return Ok(chain);
        }
        let mut known = Vec::new();
        if let Some(state) = self.state() {
            let servers = self.url.iter().map(|url| url.trim_end_matches('/'));
            for server in servers.chain(self.peers().iter().map(String::as_str)) {
                known.extend(state.chains_of(server)?);
            }
        }
        known.sort_unstable();
        known.dedup();
        match known.as_slice() {
            [chain] => Ok(*chain),
            [] => Err(Error::Usage(
                "no chain hash: trust has to start somewhere, and a server's own word is no start.\n\
                 Get the chain hash from somebody you trust (the operators' page, the file that testnet/up printed) and \
                 give it once:\n  beacon latest --url URL --chain HASH\n\
                 The verified head is kept, so --chain can be left out for this server afterwards."
                    .into(),
            )),
            _ => Err(Error::Usage(format!(
                "these servers are known under {} chains; say which with --chain:\n{}",
                known.len(),
                known.iter().map(|chain| format!("  {chain}\n")).collect::<String>(),
            ))),
        }
    }
}

fn parse_hash(text: &str) -> Result<Digest32, String> {
    Digest32::from_hex(text).map_err(|_| "a hash is 64 hexadecimal digits".into())
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    let good = (0.001..=86_400.0).contains(&seconds);
    if good { Ok(Duration::from_secs_f64(seconds)) } else { Err("between 0.001 and 86400 seconds".into()) }
}

fn parse_checkpoint(text: &str) -> Result<(u64, Digest32), String> {
    let bad = || "a checkpoint is ROUND:HASH, the hash being the header hash of that round".to_owned();
    let (round, hash) = text.split_once(':').ok_or_else(bad)?;
    let round = round.parse().ok().filter(|round| *round > 0).ok_or_else(bad)?;
    Ok((round, Digest32::from_hex(hash).map_err(|_| bad())?))
}
