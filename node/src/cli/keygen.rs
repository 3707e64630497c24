//! `beacon-node keygen`: the node's identity, and with a draft the first bundle.

use std::path::{Path, PathBuf};

use beacon_spec::bundle::MAX_TICKET_KEYS;
use beacon_spec::genesis::Draft;
use beacon_spec::tickets;
use clap::Args;
use serde_json::json;

use super::documents::{self, BundleDocument};
use super::failure::Failure;
use super::home::Home;
use crate::keystore::KeyStore;

const AFTER: &str = "\
Examples:
  beacon-node keygen --home a
  beacon-node keygen --home a --draft draft.json
  beacon-node keygen --home a --json | jq -r .identity

Secrets are kept in DIR/keys/secrets (mode 0600), sealed under BEACON_SEAL_KEY (64 hexadecimal digits), else the
systemd credential beacon-seal-key, else DIR/keys/seal.key. Keys that are there are never replaced: asking again
shows the same identity and writes the same bundle.";

/// Ticket keys beyond those the draft gives the member, for weights that change later.
const SPARES: usize = 4;
/// A bundle has at least so many ticket keys.
const LEAST: usize = 8;

/// Make the node's keys; with --draft also the first bundle.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(flatten)]
    home: Home,
    /// Make the first bundle for this draft, to send to whoever seals
    #[arg(long, value_name = "FILE")]
    draft: Option<PathBuf>,
    /// Where to write the bundle [default: bundle-1a2b3c4d.json, by the identity]
    #[arg(long, value_name = "FILE", requires = "draft")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.draft {
        None => identity(arguments),
        Some(draft) => bundle(arguments, draft),
    }
}

fn identity(arguments: &Arguments) -> Result<(), Failure> {
    let keys = arguments.home.keys();
    let created = !KeyStore::exists(&keys);
    let store = if created { KeyStore::create(&keys)? } else { KeyStore::open(&keys)? };
    let identity = store.identity();
    if arguments.json {
        println!("{}", json!({ "identity": identity, "created": created, "keys": store.path() }));
    } else {
        println!("identity {identity}");
        eprintln!("{} {}", if created { "made" } else { "kept, as it was," }, store.path().display());
    }
    Ok(())
}

fn bundle(arguments: &Arguments, path: &Path) -> Result<(), Failure> {
    let draft = documents::read_draft(path)?;
    let mut store = KeyStore::open(&arguments.home.keys())?;
    let identity = store.identity();
    let tickets = tickets_of(&draft, &identity).ok_or_else(|| {
        let what = format!("the identity {identity} of {} is no member of {}", arguments.home, path.display());
        Failure::new(what, "give this identity to whoever drafts, or name the home of a member")
    })?;
    let ceremony = draft.ceremony();
    let count = (tickets + SPARES).clamp(LEAST, MAX_TICKET_KEYS);
    store.bundle_or_generate(&ceremony, 1, count)?;
    let secrets = store
        .bundle(&ceremony, 1)
        .ok_or_else(|| Failure::new("the new bundle is not in the key store", "run the command again"))?;
    let bundle = secrets.public(store.identity_secret());
    let keys = bundle.ticket_keys.len();
    let out = arguments.out.clone().unwrap_or_else(|| format!("bundle-{}.json", &identity.to_string()[..8]).into());
    documents::write_same(&out, &documents::to_json(&BundleDocument { ceremony, identity, bundle }))?;
    if arguments.json {
        let report = json!({
            "identity": identity, "ceremony": ceremony, "bundle": out, "tickets": tickets, "ticket_keys": keys,
        });
        println!("{report}");
    } else {
        println!("bundle {}", out.display());
        println!(
            "  identity {identity}\n  ceremony {ceremony} ({})\n  tickets  {tickets}, keys for {keys}",
            draft.name
        );
        eprintln!("send {} to whoever seals; it holds no secret", out.display());
    }
    Ok(())
}

/// The tickets of a member under the draft's weights.
fn tickets_of(draft: &Draft, identity: &beacon_spec::keys::IdentityKey) -> Option<usize> {
    let weights: Vec<u64> = draft.members.iter().map(|member| member.weight).collect();
    let index = draft.members.iter().position(|member| member.identity == *identity)?;
    Some(tickets::assign(&weights)[index] as usize)
}
