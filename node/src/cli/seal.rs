//! `beacon-node genesis seal`: the draft and one bundle a member become the genesis and its chain hash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use beacon_spec::codec::encode;
use beacon_spec::genesis::{Draft, Genesis};
use beacon_spec::keys::IdentityKey;
use beacon_spec::reject::Reject;
use beacon_spec::tickets;
use clap::Args;
use serde_json::json;

use super::documents::{self, BundleDocument, Sealed};
use super::failure::Failure;

const AFTER: &str = "\
Example:
  beacon-node genesis seal --draft draft.json --bundle bundle-3f2b11a1.json --bundle bundle-81d2440c.json --out genesis.bin
  beacon-node genesis seal --draft draft.json --bundle bundle-*.json

The chain hash that is printed is what everybody trusts from then on: publish it where people can compare it.
Next: each member runs `beacon-node init --home DIR --genesis genesis.bin`.";

/// Join a draft and the members' bundles into the genesis.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The draft that the bundles were made for
    #[arg(long, value_name = "FILE")]
    draft: PathBuf,
    /// The bundle of each member (several)
    #[arg(long = "bundle", value_name = "FILE", num_args = 1.., required = true)]
    bundles: Vec<PathBuf>,
    /// Where to write the genesis
    #[arg(long, value_name = "FILE", default_value = "genesis.bin")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let draft = documents::read_draft(&arguments.draft)?;
    let mut found = BTreeMap::new();
    for path in &arguments.bundles {
        let document = documents::read_bundle(path)?;
        judge(&draft, &arguments.draft, path, &document)?;
        if let Some((other, _)) = found.insert(document.identity, (path.clone(), document.bundle)) {
            let what = format!("{} and {} are both of member {}", other.display(), path.display(), document.identity);
            return Err(Failure::new(what, "leave one of the two out"));
        }
    }
    refuse_missing(&draft, &found)?;
    refuse_shared_keys(&found)?;
    // A map by identity is in member order.
    let bundles = found.into_values().map(|(_, bundle)| bundle).collect();
    let genesis = Genesis { draft, bundles };
    let sealed = Sealed::judge(encode(&genesis)).map_err(|reason| {
        Failure::new(format!("the sealed genesis breaks a rule: {reason}"), "start again from a new draft")
    })?;
    documents::write_new(&arguments.out, &sealed.bytes)?;
    report(arguments, &sealed);
    Ok(())
}

fn report(arguments: &Arguments, sealed: &Sealed) {
    let draft = &sealed.genesis.draft;
    if arguments.json {
        let report = json!({
            "chain": sealed.chain, "genesis": arguments.out, "name": draft.name, "members": draft.members.len(),
            "genesis_time": draft.parameters.schedule.genesis_time,
        });
        println!("{report}");
    } else {
        println!("chain {}", sealed.chain);
        eprintln!("wrote {}: {} with {} members", arguments.out.display(), draft.name, draft.members.len());
    }
}

/// Judges one bundle against the draft and says whose it is and what is wrong with it.
fn judge(draft: &Draft, draft_path: &Path, path: &Path, document: &BundleDocument) -> Result<(), Failure> {
    let BundleDocument { ceremony, identity, bundle } = document;
    let refuse = |problem: String, remedy: &str| Err(Failure::new(format!("{}: {problem}", path.display()), remedy));
    let again = "ask the member to run `beacon-node keygen --draft` with this draft and to send the new file";
    if *ceremony != draft.ceremony() {
        let problem =
            format!("this bundle is for the ceremony {ceremony}, but {} is {}", draft_path.display(), draft.ceremony());
        return refuse(problem, again);
    }
    let Some(member) = draft.members.iter().position(|member| member.identity == *identity) else {
        return refuse(format!("{identity} is no member of {}", draft_path.display()), "leave this bundle out");
    };
    if let Err(reason) = bundle.verify(ceremony, identity, 1) {
        let problem = format!("the bundle of member {identity} is bad: {} ({reason})", meaning(reason));
        return refuse(problem, again);
    }
    let weights: Vec<u64> = draft.members.iter().map(|member| member.weight).collect();
    let needed = tickets::assign(&weights)[member] as usize;
    let held = bundle.ticket_keys.len();
    if held < needed {
        return refuse(format!("member {identity} has {needed} tickets but its bundle {held} ticket keys"), again);
    }
    Ok(())
}

fn meaning(reason: Reject) -> &'static str {
    match reason {
        Reject::BadSignature => "the identity key's signature does not verify, or the bundle was changed",
        Reject::BadPossession => "a proof of possession does not verify",
        Reject::DuplicateKey => "a ticket key stands in it twice",
        Reject::WrongEpoch => "it is not for epoch 1",
        Reject::BadKey | Reject::BadPoint | Reject::IdentityPoint | Reject::BadScalar => "a key in it is no proper key",
        _ => "it breaks a rule",
    }
}

type Found = BTreeMap<IdentityKey, (PathBuf, beacon_spec::bundle::KeyBundle)>;

fn refuse_missing(draft: &Draft, found: &Found) -> Result<(), Failure> {
    let missing: Vec<String> = draft
        .members
        .iter()
        .filter(|member| !found.contains_key(&member.identity))
        .map(|member| member.identity.to_string())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let what = format!("{} of {} members have no bundle: {}", missing.len(), draft.members.len(), missing.join(", "));
    Err(Failure::new(what, "ask them for it, or draw up a new draft without them"))
}

/// Keys of different members that are the same: somebody copied a home or a file.
fn refuse_shared_keys(found: &Found) -> Result<(), Failure> {
    let mut seen: BTreeMap<[u8; 32], (IdentityKey, &Path)> = BTreeMap::new();
    for (identity, (path, bundle)) in found {
        let keys = bundle.ticket_keys.iter().map(|ticket| ticket.key.0).chain([bundle.voting_key.0]);
        for key in keys {
            match seen.insert(key, (*identity, path)) {
                Some((other, other_path)) if other != *identity => {
                    let what = format!("{} and {} have a key in common", other_path.display(), path.display());
                    return Err(Failure::new(what, "each member makes its own keys in its own home"));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
