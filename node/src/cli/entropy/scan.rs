//! `beacon-node entropy scan`: which sources this machine has.

use beacon_entropy::probe::{self, Scan, Scanned};
use beacon_entropy::source::{Availability, CreditClass};
use clap::Args;

use super::{Equipped, say, say_json};
use crate::cli::failure::Failure;

const AFTER: &str = "\
The credit is the min-entropy that one sample counts for, in bits: a constant below what recordings were assessed at
(noise), a policy (generator), or nothing. Sources that count nothing are mixed in all the same.

Examples:
  beacon-node entropy scan
  beacon-node entropy scan --json | jq -r '.sources[] | select(.availability.state == \"available\") | .name'";

/// List every source: what this machine has, what it lacks, and what is out of scope.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(flatten)]
    equipped: Equipped,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let scan = probe::scan(&arguments.equipped.equipment());
    if arguments.json { say_json(&scan) } else { say(&table(&scan)) }
}

fn table(scan: &Scan) -> String {
    let (here, not): (Vec<_>, Vec<_>) = scan.sources.iter().partition(|source| source.availability.is_available());
    let mut out = format!("available ({})\n", here.len());
    for source in here {
        out += &format!("  {:<20} {:<24} {}\n", source.info.name, credit(source), source.info.description);
    }
    out += &format!("\nnot available ({})\n", not.len());
    for source in not {
        let why = match &source.availability {
            Availability::Available => "",
            Availability::Absent(why) | Availability::Off(why) => why,
        };
        out += &format!("  {:<20} {why}\n", source.info.name);
    }
    out += "\nout of scope\n";
    for (name, why) in scan.out_of_scope {
        out += &format!("  {name:<20} {why}\n");
    }
    out
}

fn credit(source: &Scanned) -> String {
    match source.credit.class {
        CreditClass::Noise => format!("{:.2} bits a sample", source.credit.bits()),
        CreditClass::Generator => format!("{:.2} bits, generator", source.credit.bits()),
        CreditClass::None => "counts nothing".to_owned(),
    }
}
