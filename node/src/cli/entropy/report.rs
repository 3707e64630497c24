//! `beacon-node entropy report`: statistical tests of bytes, as a page of Markdown.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use beacon_entropy::assess::battery::{Report as Battery, run_all};
use beacon_entropy::assess::{Assessment, assess};
use beacon_entropy::encoding::Format;
use beacon_entropy::outlet::{Plan, pour};
use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use super::stream::{Taken, failed};
use super::{names, say, say_json};
use crate::cli::failure::Failure;

const AFTER: &str = "\
Thirty-one tests (NIST's suite among them) say whether bytes look uniform and independent. They say nothing of how
unpredictable bytes are: a counter behind a hash passes them all. The min-entropy below the table is NIST SP 800-90B's
for samples of 8 bits; perfect bytes are assessed at about 7.1 to 7.2, never at 8.

Examples:
  beacon-node entropy report > report.md                        # the pool's generator
  beacon-node entropy report --sources sleep --conditioning raw --bytes 20k
  beacon-node entropy report --file sleep-1/raw.bin --json      # a recording";

/// Test bytes of the generator, of sources, or of a file, and report in Markdown.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(flatten)]
    taken: Taken,
    /// Read this file instead, at most --bytes of it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sources", "rate"])]
    file: Option<PathBuf>,
    /// How many bytes; tests that need more are left out and say so
    #[arg(long, value_name = "AMOUNT", value_parser = names::amount, default_value = "125k")]
    bytes: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    of: String,
    battery: Battery,
    /// Absent when there is too little to assess.
    assessment: Option<Assessment>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (of, bytes) = gather(arguments)?;
    let report = Report { of, battery: run_all(&bytes), assessment: assess(&bytes, 8).ok() };
    if arguments.json { say_json(&report) } else { say(&page(&report)) }
}

fn gather(arguments: &Arguments) -> Result<(String, Zeroizing<Vec<u8>>), Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    if let Some(path) = &arguments.file {
        let read = File::open(path).and_then(|file| file.take(arguments.bytes).read_to_end(&mut bytes));
        let name = path.display().to_string();
        read.map_err(|error| Failure::new(format!("cannot read {name}: {error}"), "name a file that can be read"))?;
        return Ok((name, bytes));
    }
    let mut opened = arguments.taken.open()?;
    let plan = Plan { format: Format::Raw, ..arguments.taken.plan(Some(arguments.bytes), false) };
    let poured = pour(&mut opened.outlet, &mut *bytes, plan, &AtomicBool::new(false), &mut ());
    poured.map_err(|error| failed(&error))?;
    Ok((arguments.taken.of(), bytes))
}

fn page(report: &Report) -> String {
    let Battery { bytes, lines, run, failed, quality } = &report.battery;
    let mut out = format!("# Randomness report: {}\n\n", report.of);
    out += &format!(
        "{bytes} bytes; {run} of {} tests run, {failed} below p = 0.001, quality {quality:.3}.\n\n",
        lines.len()
    );
    out += "| category | test | p | grade |\n|---|---|---|---|\n";
    for line in lines {
        let p = line.p.map_or_else(|| "not run".to_owned(), |p| format!("{p:.4}"));
        let grade = line.grade.map(|grade| format!("{grade:?}")).unwrap_or_default();
        out += &format!("| {} | {} | {p} | {grade} |\n", line.category, line.outcome.name);
    }
    out += &match &report.assessment {
        Some(found) => format!("\nMin-entropy by SP 800-90B: {:.4} bits a byte.\n", found.min_entropy),
        None => "\nMin-entropy by SP 800-90B: not assessed, the bytes are too few or all the same.\n".to_owned(),
    };
    out
}
