//! `beacon-node init`: a home for one chain, from a genesis file or from a running node.

use std::path::PathBuf;

use beacon_engine::checkpoint::Start;
use beacon_spec::hash::Digest32;
use clap::Args;
use serde_json::json;

use super::documents::{self, Sealed};
use super::failure::Failure;
use super::fetch;
use super::home::Home;
use crate::config::{self, Config, Layers, Listener};
use crate::keystore::KeyStore;
use crate::store::Store;

const AFTER: &str = "\
Examples:
  beacon-node init --home a --genesis genesis.bin                       # a member, with the keys of `keygen --draft`
  beacon-node init --home a --genesis genesis.bin --chain HASH --listen /ip4/0.0.0.0/tcp/7701 --http 127.0.0.1:8090
  beacon-node init --home b --peer /ip4/192.0.2.1/tcp/7700 --chain HASH # an observer of a network that runs
  beacon-node init --home c --peer ADDRESS --chain HASH --checkpoint 1000000:HEADERHASH

An observer fetches and verifies every round from the first. With --checkpoint it begins at that round: in a moment, and
without the rounds before, which it can neither serve nor vouch for. Take round and header hash from somebody you trust,
or from a client that has verified them: `beacon latest` prints both.

A home whose identity is in the genesis becomes a member, any other an observer. Writes DIR/genesis.bin, and
DIR/config.toml if there is none. The chain hash is what you trust: take it from somebody you trust.";

/// Prepare a home to run on one chain.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(flatten)]
    home: Home,
    /// The sealed genesis
    #[arg(long, value_name = "FILE", required_unless_present = "peers")]
    genesis: Option<PathBuf>,
    /// A running node to dial (several); without --genesis the genesis is fetched from the first
    #[arg(long = "peer", value_name = "MULTIADDR")]
    peers: Vec<String>,
    /// The chain hash that the genesis must have
    #[arg(long, value_name = "HASH", required_unless_present = "genesis")]
    chain: Option<String>,
    /// Begin at this round with this header hash instead of the genesis
    #[arg(long, value_name = "ROUND:HASH", value_parser = parse_checkpoint, requires = "peers")]
    checkpoint: Option<(u64, Digest32)>,
    /// Where to listen for peers (several)
    #[arg(long = "listen", value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// The public HTTP listener, or off
    #[arg(long, value_name = "ADDRESS")]
    http: Option<Listener>,
    /// The local HTTP listener, or off
    #[arg(long, value_name = "ADDRESS")]
    local_http: Option<Listener>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let home = &arguments.home;
    let expected = arguments.chain.as_deref().map(parse_chain).transpose()?;
    let keys = home.keys();
    let made = !KeyStore::exists(&keys);
    let mut store = if made { KeyStore::create(&keys)? } else { KeyStore::open(&keys)? };
    let sealed = match (&arguments.genesis, expected) {
        (Some(path), _) => Sealed::read(path)?,
        (None, Some(chain)) => fetch::genesis(&store, &arguments.peers, &chain)?,
        (None, None) => return Err(Failure::usage("--chain is missing", "give the chain hash with --chain")),
    };
    if let Some(expected) = expected.filter(|expected| *expected != sealed.chain) {
        let what = format!("the genesis is of chain {}, not of {expected}", sealed.chain);
        return Err(Failure::new(what, "get the genesis of the right chain, or the right hash"));
    }
    let member = require_own_bundle(&store, &sealed)?;
    let config = configuration(arguments, &sealed)?;
    let start = match arguments.checkpoint {
        Some(trusted) => Some(fetch::checkpoint(&store, &arguments.peers, &sealed, trusted)?),
        None => None,
    };
    keep_genesis(home, &sealed)?;
    let path = home.config();
    let written = !path.exists();
    if written {
        documents::write_new(&path, config::template(&config).as_bytes())?;
    }
    if let Some(start) = start {
        begin(home, &sealed, &start)?;
    }
    if member {
        // Bundles of drafts that came to nothing are of no use to anybody but a thief.
        let ceremony = sealed.genesis.draft.ceremony();
        store.erase_bundles(|bundle| bundle.epoch != 1 || bundle.scope == ceremony)?;
    }
    report(arguments, &store, &sealed, member, written);
    Ok(())
}

/// Puts the checkpoint into the database, which must have no rounds.
fn begin(home: &Home, sealed: &Sealed, start: &Start) -> Result<(), Failure> {
    let config = Layers::default().file(&home.config()).environment().load()?;
    let data = home.resolve(&config.data_dir);
    let begun = Store::open(&data, sealed.chain, &sealed.bytes).and_then(|store| store.begin(&data, start));
    begun.map_err(|error| {
        Failure::new(
            error.to_string(),
            "choose another --home, or leave --checkpoint out: this node goes on where it is",
        )
    })
}

fn parse_checkpoint(text: &str) -> Result<(u64, Digest32), String> {
    let parts = text.split_once(':').and_then(|(round, hash)| {
        let round = round.parse().ok().filter(|round| *round > 0)?;
        Some((round, Digest32::from_hex(hash).ok()?))
    });
    parts.ok_or_else(|| "write ROUND:HASH, a number from 1 on and 64 hexadecimal digits".into())
}

fn parse_chain(text: &str) -> Result<Digest32, Failure> {
    Digest32::from_hex(text)
        .map_err(|_| Failure::usage(format!("--chain {text:?} is no chain hash"), "write its 64 hexadecimal digits"))
}

/// Whether the home is a member's. Refuses a genesis whose bundle for this identity has other secrets behind it.
pub(super) fn require_own_bundle(store: &KeyStore, sealed: &Sealed) -> Result<bool, Failure> {
    let identity = store.identity();
    let Some(bundle) = sealed.bundle_of(&identity) else { return Ok(false) };
    let ceremony = sealed.genesis.draft.ceremony();
    let own = store.bundle(&ceremony, 1).is_some_and(|secrets| secrets.is_behind(bundle, &identity));
    if own {
        return Ok(true);
    }
    let what = format!(
        "the genesis of chain {} has member {identity}, but {} does not hold the secrets of its bundle",
        sealed.chain,
        store.path().display()
    );
    Err(Failure::new(what, "use the home in which `keygen --draft` made the bundle, or seal again with a new bundle"))
}

/// Writes the genesis, or finds the same one there.
fn keep_genesis(home: &Home, sealed: &Sealed) -> Result<(), Failure> {
    let path = home.genesis();
    if path.exists() {
        let present = Sealed::read(&path)?;
        if present.chain == sealed.chain {
            return Ok(());
        }
        let what = format!("{home} belongs to chain {}, not to {}", present.chain, sealed.chain);
        return Err(Failure::new(what, "choose another --home; a home is of one chain for ever"));
    }
    documents::write_new(&path, &sealed.bytes)
}

/// The configuration that the flags ask for, judged before anything is written.
fn configuration(arguments: &Arguments, sealed: &Sealed) -> Result<Config, Failure> {
    let path = arguments.home.config();
    let flags = !arguments.listen.is_empty() || arguments.http.is_some() || arguments.local_http.is_some();
    if path.exists() && flags {
        let what = format!("{} exists, so --listen, --http and --local-http would change nothing", path.display());
        return Err(Failure::usage(what, "edit the file, or leave the flags out"));
    }
    let mut config = Config { chain: Some(sealed.chain), peers: arguments.peers.clone(), ..Config::default() };
    if !arguments.listen.is_empty() {
        config.listen.clone_from(&arguments.listen);
    }
    config.http = arguments.http.unwrap_or(config.http);
    config.local_http = arguments.local_http.unwrap_or(config.local_http);
    Ok(Layers::default().flags(config).load()?)
}

fn report(arguments: &Arguments, store: &KeyStore, sealed: &Sealed, member: bool, written: bool) {
    let role = if member { "member" } else { "observer" };
    let draft = &sealed.genesis.draft;
    if arguments.json {
        let report = json!({
            "chain": sealed.chain, "identity": store.identity(), "role": role, "name": draft.name,
            "config": arguments.home.config(), "config_written": written,
        });
        println!("{report}");
        return;
    }
    println!("{role} of {} (chain {})", draft.name, sealed.chain);
    println!("  identity {}", store.identity());
    let file = if written { "wrote" } else { "kept" };
    eprintln!("{file} {}; next: beacon-node run --home {}", arguments.home.config().display(), arguments.home);
}
