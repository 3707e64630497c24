//! `beacon-node committee`: who is in the committee, and amendments to it, by way of the running node.

use std::path::PathBuf;

use beacon_spec::hash::Digest32;
use beacon_spec::keys::IdentityKey;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::documents;
use super::failure::Failure;
use super::local::Local;
use super::status::table;
use crate::http::{ChangeView, Order};

pub(super) const AFTER: &str = "\
Keys rotate by themselves in every epoch. Members and weights change by an amendment, which members of more than two
thirds of the weight approve while the epoch is open for it, and which takes effect with the next epoch:

  beacon-node committee register --home new --out join.json     # on the newcomer, which runs as an observer
  beacon-node committee propose --home a --add join.json:20     # on a member; prints the amendment's digest
  beacon-node committee approve --home b DIGEST                 # on other members, until the quorum is reached
  beacon-node committee status --home a                         # approvals, what is pending, who has registered keys

A newcomer's keys are for the next epoch only: when the amendment comes too late, register again.";

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the members of the committee in force.
    List(Arguments),
    /// Show the making of the next committee: registrations, the pending amendment, proposals.
    Status(Arguments),
    /// Propose an amendment, and approve of it as this node.
    Propose(Propose),
    /// Approve of a proposed amendment as this node.
    Approve(Approve),
    /// Make this node's keys for the next epoch, so that members can add it.
    Register(Register),
}

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    local: Local,
    /// Print the answer as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Propose {
    #[command(flatten)]
    common: Arguments,
    /// Add the node that wrote this file with `committee register`, with a weight
    #[arg(long, value_name = "FILE:WEIGHT")]
    add: Vec<String>,
    /// Remove a member
    #[arg(long, value_name = "IDENTITY")]
    remove: Vec<String>,
    /// Give a member another weight; 0 keeps it listed without any
    #[arg(long, value_name = "IDENTITY:WEIGHT")]
    weight: Vec<String>,
    /// The last window that may carry the amendment [default: the last one of this epoch that may]
    #[arg(long, value_name = "WINDOW")]
    expires: Option<u64>,
}

#[derive(Args)]
pub(super) struct Approve {
    #[command(flatten)]
    common: Arguments,
    /// The amendment's digest, as `propose` and `status` print it
    digest: String,
}

#[derive(Args)]
pub(super) struct Register {
    #[command(flatten)]
    common: Arguments,
    /// How many ticket keys: at least the tickets that the weight will give; a member, at most four times those that it
    /// has, or 16 [default: 16]
    #[arg(long, value_name = "N")]
    ticket_keys: Option<usize>,
    /// Where to write what the proposer needs
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(arguments),
        Command::Status(arguments) => show(arguments, &arguments.local.get("/admin/committee")?),
        Command::Propose(arguments) => propose(arguments),
        Command::Approve(arguments) => approve(arguments),
        Command::Register(arguments) => register(arguments),
    }
}

fn list(arguments: &Arguments) -> Result<(), Failure> {
    let mut value = arguments.local.get("/admin/committee")?;
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| ["epoch", "membership", "total_weight", "quorum_weight", "members"].contains(&&**name));
    }
    show(arguments, &value)
}

fn show(arguments: &Arguments, value: &Value) -> Result<(), Failure> {
    match arguments.json {
        true => println!("{value}"),
        false => print!("{}", table(value)),
    }
    Ok(())
}

fn order(arguments: &Arguments, order: &Order) -> Result<Value, Failure> {
    let body = serde_json::to_value(order).unwrap_or_default(); // an order always has a JSON form
    arguments.local.post("/admin/orders", &body)
}

fn propose(arguments: &Propose) -> Result<(), Failure> {
    let mut changes = Vec::new();
    for text in &arguments.add {
        changes.push(addition(text)?);
    }
    for text in &arguments.remove {
        changes.push(ChangeView::Remove { identity: identity(text, "--remove")? });
    }
    for text in &arguments.weight {
        let (who, weight) = split(text, "--weight", "IDENTITY:WEIGHT")?;
        changes.push(ChangeView::Weight { identity: identity(who, "--weight")?, weight });
    }
    if changes.is_empty() {
        return Err(Failure::usage("no change to propose", "give --add, --remove or --weight"));
    }
    let value = order(&arguments.common, &Order::Propose { changes, expires: arguments.expires })?;
    show(&arguments.common, &value)
}

/// A newcomer from the file that its `committee register` wrote.
fn addition(text: &str) -> Result<ChangeView, Failure> {
    let (path, weight) = split(text, "--add", "FILE:WEIGHT")?;
    let file = documents::read_text(path.as_ref())?;
    let joining: Option<Value> = serde_json::from_str(&file).ok();
    let field = |name: &str| joining.as_ref().and_then(|value| value.get(name)?.as_str().map(str::to_owned));
    let (Some(who), Some(bundle)) = (field("identity"), field("bundle")) else {
        return Err(Failure::new(format!("{path} has no identity and bundle"), "write it with `committee register`"));
    };
    Ok(ChangeView::Add { identity: identity(&who, path)?, weight, bundle })
}

fn split<'a>(text: &'a str, flag: &str, form: &str) -> Result<(&'a str, u64), Failure> {
    let parts = text.rsplit_once(':').and_then(|(left, weight)| Some((left, weight.parse().ok()?)));
    parts.ok_or_else(|| Failure::usage(format!("{flag} {text:?} has no weight"), format!("write {flag} {form}")))
}

fn identity(text: &str, place: &str) -> Result<IdentityKey, Failure> {
    let bad = || {
        let what = format!("{place}: {text:?} is no identity");
        Failure::usage(what, "write the 64 hexadecimal digits that `committee list` shows")
    };
    IdentityKey::from_hex(text).map_err(|_| bad())
}

fn approve(arguments: &Approve) -> Result<(), Failure> {
    let bad = || {
        let what = format!("{:?} is no digest", arguments.digest);
        Failure::usage(what, "write the 64 hexadecimal digits that `committee status` shows")
    };
    let digest = Digest32::from_hex(&arguments.digest).map_err(|_| bad())?;
    let value = order(&arguments.common, &Order::Approve { digest })?;
    show(&arguments.common, &value)
}

fn register(arguments: &Register) -> Result<(), Failure> {
    let value = order(&arguments.common, &Order::Register { ticket_keys: arguments.ticket_keys })?;
    let text = format!("{value:#}\n");
    std::fs::write(&arguments.out, text).map_err(|error| {
        let what = format!("cannot write {}: {error}", arguments.out.display());
        Failure::new(what, "choose another --out")
    })?;
    if arguments.common.json {
        println!("{value}");
    } else {
        let epoch = value.get("epoch").and_then(Value::as_u64).unwrap_or_default();
        println!("wrote {}, good for epoch {epoch}; send it to a member, it holds no secret", arguments.out.display());
    }
    Ok(())
}
