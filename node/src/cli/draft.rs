//! `beacon-node genesis draft`: members, weights and parameters, before any bundle.

use std::path::PathBuf;

use beacon_spec::committee::MAX_WEIGHT;
use beacon_spec::genesis::{Draft, DraftMember, Predecessor};
use beacon_spec::hash::Digest32;
use beacon_spec::tickets;
use clap::Args;
use serde_json::json;

use super::committee::{self, Named};
use super::failure::Failure;
use super::{documents, parameters};
use crate::clock;

const AFTER: &str = "\
Examples:
  beacon-node genesis draft --name example --member 3f…a1:30 --member 81…0c:30 --member a0…77:25 --member c5…d2:15
  beacon-node genesis draft --name example --committee committee.toml --period 3000 --in 3600

A committee file has one table a member; weight, or trust from 0.0 to 1.0, the same kind for all:
  [[member]]
  identity = \"3f…a1\"
  trust = 0.75
  name = \"Berlin\"      # for people, may be left out
  active = true        # false: listed without weight

Next: each member runs `beacon-node keygen --home DIR --draft draft.json`.";

/// Name members and parameters; the result goes to every member.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The network's name, 1 to 64 bytes
    #[arg(long)]
    name: String,
    /// A member and its weight, 1 if left out (several)
    #[arg(long = "member", value_name = "IDENTITY[:WEIGHT]")]
    members: Vec<String>,
    /// Members from a TOML file
    #[arg(long, value_name = "FILE")]
    committee: Option<PathBuf>,
    #[command(flatten)]
    flags: parameters::Flags,
    /// The chain that this one continues after a loss: chain hash, last round, its header hash
    #[arg(long, value_name = "CHAIN:ROUND:HEADER")]
    predecessor: Option<String>,
    /// Where to write the draft
    #[arg(long, value_name = "FILE", default_value = "draft.json")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut members = arguments.members.iter().map(|text| committee::from_flag(text)).collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = &arguments.committee {
        members.extend(committee::from_file(path)?);
    }
    let members = committee::sorted(members)?;
    let draft = assemble(arguments, &members)?;
    documents::write_new(&arguments.out, &documents::to_json(&draft))?;
    let summary = Summary::of(&draft);
    if arguments.json {
        println!("{}", summary.json(arguments, &draft));
    } else {
        print!("{}", summary.text(arguments, &draft, &members));
    }
    Ok(())
}

fn assemble(arguments: &Arguments, members: &[Named]) -> Result<Draft, Failure> {
    if arguments.name.is_empty() || arguments.name.len() > 64 {
        let what = format!("--name {:?} has {} bytes", arguments.name, arguments.name.len());
        return Err(Failure::usage(what, "write 1 to 64 bytes"));
    }
    let predecessor = arguments.predecessor.as_deref().map(parse_predecessor).transpose()?;
    let parameters = arguments.flags.parameters(members.len(), clock::now())?;
    let members: Vec<DraftMember> = members.iter().map(|named| named.member.clone()).collect();
    if !parameters.development_exemption {
        refuse_heavy(&members)?;
    }
    let draft = Draft { version: beacon_spec::VERSION, name: arguments.name.clone(), parameters, members, predecessor };
    draft.check().map_err(|reason| {
        Failure::new(format!("the draft breaks a rule: {reason}"), "give at least one member a weight above 0")
    })?;
    Ok(draft)
}

/// Names the member that has a third of the weight or more, and what would do.
fn refuse_heavy(members: &[DraftMember]) -> Result<(), Failure> {
    let total: u64 = members.iter().map(|member| member.weight).sum();
    let Some(heavy) = members.iter().find(|member| member.weight > 0 && member.weight * 3 >= total) else {
        return Ok(());
    };
    // 3w < (rest + w) for the greatest whole w.
    let rest = total - heavy.weight;
    let most = rest.saturating_sub(1) / 2;
    let limit = (total - 1) / 3;
    let what = format!(
        "member {} has weight {} of {total}; a member may have less than a third, {limit} of {total} at most, because \
         one with more could stop the beacon alone",
        heavy.identity, heavy.weight
    );
    let lower = match most {
        0 => String::new(),
        most => format!("lower this weight to {} or less, or ", most.min(MAX_WEIGHT)),
    };
    let remedy = format!(
        "{lower}spread the weight over at least four members; for a development network of one to three nodes add \
         --development-exemption, which gives up tolerance of faults"
    );
    Err(Failure::new(what, remedy))
}

fn parse_predecessor(text: &str) -> Result<Predecessor, Failure> {
    let mut parts = text.split(':');
    let parsed = (|| {
        let chain = Digest32::from_hex(parts.next()?).ok()?;
        let round = parts.next()?.parse().ok()?;
        let header_hash = Digest32::from_hex(parts.next()?).ok()?;
        parts.next().is_none().then_some(Predecessor { chain, round, header_hash })
    })();
    parsed.ok_or_else(|| {
        let what = format!("--predecessor {text:?} is not CHAIN:ROUND:HEADER");
        Failure::usage(what, "write two hashes of 64 hexadecimal digits with the round between them")
    })
}

/// What a draft means in numbers.
struct Summary {
    total: u64,
    quorum: u64,
    tickets: Vec<u32>,
}

impl Summary {
    fn of(draft: &Draft) -> Self {
        let weights: Vec<u64> = draft.members.iter().map(|member| member.weight).collect();
        let total: u64 = weights.iter().sum();
        // The least weight above two thirds; totals are at most 512 million.
        Summary { total, quorum: 2 * total / 3 + 1, tickets: tickets::assign(&weights) }
    }

    fn ticket_total(&self) -> u32 {
        self.tickets.iter().sum()
    }

    fn json(&self, arguments: &Arguments, draft: &Draft) -> serde_json::Value {
        let members: Vec<_> = draft
            .members
            .iter()
            .zip(&self.tickets)
            .map(
                |(member, tickets)| json!({ "identity": member.identity, "weight": member.weight, "tickets": tickets }),
            )
            .collect();
        json!({
            "draft": arguments.out,
            "ceremony": draft.ceremony(),
            "genesis_time": draft.parameters.schedule.genesis_time,
            "members": members,
            "total_weight": self.total,
            "quorum": self.quorum,
            "tickets": self.ticket_total(),
            "recovery_tickets": tickets::threshold(self.ticket_total()),
        })
    }

    fn text(&self, arguments: &Arguments, draft: &Draft, names: &[Named]) -> String {
        let mut out = format!("draft {}\n  ceremony {}\n", arguments.out.display(), draft.ceremony());
        let schedule = &draft.parameters.schedule;
        out += &format!(
            "  round 1 is due at {} (Unix ms), then every {} ms; windows of {}, epochs of {} windows\n\n",
            schedule.genesis_time, schedule.period, schedule.window, schedule.epoch_windows
        );
        out += &format!("  {:64}  {:>8}  {:>6}  {:>7}\n", "identity", "weight", "share", "tickets");
        for ((member, tickets), named) in draft.members.iter().zip(&self.tickets).zip(names) {
            let share = member.weight as f64 * 100.0 / self.total as f64;
            let name = named.name.as_deref().map(|name| format!("  {name}")).unwrap_or_default();
            let line = format!("{}  {:>8}  {share:>5.1}%  {tickets:>7}{name}", member.identity, member.weight);
            out += &format!("  {line}\n");
        }
        let tickets = self.ticket_total();
        out += &format!(
            "\n  quorum {} of {} (above two thirds); recovery takes {} of {tickets} tickets\n",
            self.quorum,
            self.total,
            tickets::threshold(tickets)
        );
        if draft.parameters.development_exemption {
            out += "  DEVELOPMENT EXEMPTION: a member may have a third of the weight or more. Such a member can stop \
                    the beacon, and whoever holds half of the tickets can foresee outputs. Not for production.\n";
        }
        out + &format!("\nnext: every member runs beacon-node keygen --home DIR --draft {}\n", arguments.out.display())
    }
}
