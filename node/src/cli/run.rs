//! `beacon-node run`: everything that is read and judged before the daemon starts.

use std::path::PathBuf;

use beacon_spec::keys::IdentityKey;
use clap::Args;

use super::documents::Sealed;
use super::failure::Failure;
use super::home::Home;
use super::{init, logs};
use crate::config::{Config, Layers, LogFormat};
use crate::http::Token;
use crate::keystore::KeyStore;

const AFTER: &str = "\
Examples:
  beacon-node run --home a
  BEACON_LOG__LEVEL=debug beacon-node run --home a --log-format json
  BEACON_HTTP=0.0.0.0:8080 beacon-node run --home a --config /etc/beacon.toml

Stops cleanly on SIGINT and SIGTERM. Every key of config.toml can be given as BEACON_KEY, or BEACON_TABLE__KEY.";

/// Run the node: a member votes, an observer follows and serves.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(flatten)]
    home: Home,
    /// The configuration [default: DIR/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How logs look, whatever the configuration says
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// Use an emulated ATECC608A, as one more source that is credited nothing
    #[arg(long)]
    emulate_atecc608a: bool,
    /// This home was restored from a copy: sign nothing that the node may have signed after the copy was made. A member
    /// finds out by itself as long as another member remembers it
    #[arg(long)]
    restored: bool,
    /// Sign although others know of messages that this home has forgotten. For a network of which a third or more was
    /// restored; the heights that it had reached are not safe any more
    #[arg(long, conflicts_with = "restored")]
    unsafe_sign_again: bool,
    /// For tests of recovery: deal and vote, but never open. Harms the network
    #[arg(long)]
    unsafe_withhold_openings: bool,
}

/// What the daemon starts from.
pub struct Prepared {
    pub config: Config,
    pub keys: KeyStore,
    /// The sealed genesis as it is served, its judged form, and the chain hash.
    pub sealed: Sealed,
    pub identity: IdentityKey,
    pub member: bool,
    /// The operator says that the home was restored from a copy.
    pub restored: bool,
    /// The operator gives up safety for what was signed before.
    pub unsafe_release: bool,
    pub withhold_openings: bool,
    /// Whether the chip is an emulated one.
    pub emulate_chip: bool,
    /// The node's directory.
    pub home: PathBuf,
    /// What requests to the local listener must show.
    pub token: Option<Token>,
    /// Where openings that are withheld on purpose are noted, one JSON object a line.
    pub withheld_file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let prepared = prepare(arguments)?;
    logs::start(&prepared.config.log)?;
    announce(&prepared);
    crate::shell::run(prepared).map_err(|error| Failure::new(error.to_string(), error.remedy()))
}

fn announce(prepared: &Prepared) {
    let role = if prepared.member { "member" } else { "observer" };
    let name = &prepared.sealed.genesis.draft.name;
    tracing::info!(chain = %prepared.sealed.chain, identity = %prepared.identity, role, name, "starting");
    if prepared.keys.was_damaged() {
        let path = prepared.keys.path().display();
        tracing::warn!(%path, "one slot of the key store was damaged; the other one is in use");
    }
    if prepared.unsafe_release {
        tracing::error!("--unsafe-sign-again: what this member signed before may now be contradicted");
    }
    if prepared.withhold_openings {
        tracing::error!("--unsafe-withhold-openings: this node never opens its dealings; others must recover them");
    }
}

/// Reads configuration, genesis and keys, and refuses what does not fit together.
fn prepare(arguments: &Arguments) -> Result<Prepared, Failure> {
    let home = &arguments.home;
    if !home.genesis().exists() {
        let what = format!("{home} has no genesis.bin: it is not the home of a node yet");
        return Err(Failure::new(what, format!("prepare it with `beacon-node init --home {home}`")));
    }
    let path = arguments.config.clone().unwrap_or_else(|| home.config());
    let layers = Layers::default().file(&path).environment().log_format(arguments.log_format);
    let mut config = layers.load()?;
    config.data_dir = home.resolve(&config.data_dir);
    let sealed = Sealed::read(&home.genesis())?;
    if let Some(expected) = config.chain.filter(|expected| *expected != sealed.chain) {
        let what = format!(
            "{} is of chain {}, but the configuration expects {expected}",
            home.genesis().display(),
            sealed.chain
        );
        return Err(Failure::new(what, format!("correct chain in {}, or use the other home", path.display())));
    }
    let keys = KeyStore::open(&home.keys())?;
    let member = role(&keys, &sealed)?;
    Ok(Prepared {
        identity: keys.identity(),
        restored: arguments.restored,
        unsafe_release: arguments.unsafe_sign_again,
        withhold_openings: arguments.unsafe_withhold_openings,
        emulate_chip: arguments.emulate_atecc608a,
        withheld_file: home.resolve("withheld.jsonl".as_ref()),
        home: home.resolve("".as_ref()),
        token: home.token(&config)?,
        config,
        keys,
        sealed,
        member,
    })
}

/// Whether this node is a member of the first committee. Its first bundle's secrets must be there until those of a
/// later bundle are.
fn role(keys: &KeyStore, sealed: &Sealed) -> Result<bool, Failure> {
    let later = keys.bundles().iter().any(|bundle| bundle.scope == sealed.chain);
    match later {
        true => Ok(sealed.bundle_of(&keys.identity()).is_some()),
        false => init::require_own_bundle(keys, sealed),
    }
}
