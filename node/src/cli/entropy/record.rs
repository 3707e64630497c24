//! `beacon-node entropy record NAME`: raw samples on disk, for assessment.

use std::path::PathBuf;

use beacon_entropy::recorder::{RecordError, Session, record};
use clap::Args;

use super::progress::Progress;
use super::{Equipped, names, say, say_json, unknown};
use crate::cli::failure::Failure;

const AFTER: &str = "\
The folder gets session.json (source, machine, clock step), raw.bin and ticks.bin (one byte a sample: the low byte of
the sample, and of the sample in steps of the clock), samples.csv and index.csv. NIST's SP 800-90B tool reads the two
.bin files as 8-bit samples; a credit must lie below the lower of its two results.

Examples:
  beacon-node entropy record sleep --out sleep-1
  beacon-node entropy record memory --samples 1M --out memory-1 --json";

/// Record raw samples of one source into a folder.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The source, as `scan` lists it, or file:PATH
    name: String,
    /// How many samples
    #[arg(long, value_name = "AMOUNT", value_parser = names::amount, default_value = "1M")]
    samples: u64,
    /// The folder to make; it must not exist
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    equipped: Equipped,
    /// Print the session as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { name, out, .. } = arguments;
    let mut source = arguments.equipped.equipment().spec(name).map_err(unknown)?.build();
    let count = usize::try_from(arguments.samples).unwrap_or(usize::MAX);
    let mut progress = Progress::count(arguments.samples);
    let session = record(&mut *source, count, out, |done| progress.at(done as u64));
    drop(progress);
    let session = session.map_err(|error| failed(name, out, &error))?;
    if arguments.json { say_json(&session) } else { say(&summary(&session, out)) }
}

fn failed(name: &str, out: &std::path::Path, error: &RecordError) -> Failure {
    match error {
        RecordError::Io(error) => {
            Failure::new(format!("cannot record into {}: {error}", out.display()), "name a new folder with room in it")
        }
        RecordError::Source(error) => {
            let remedy = format!("see `beacon-node entropy probe {name}`; what came so far is in {}", out.display());
            Failure::new(format!("the source {name} failed: {error}"), remedy)
        }
    }
}

fn summary(session: &Session, out: &std::path::Path) -> String {
    let Session { source, samples, seconds, clock_step, .. } = session;
    let out = out.display();
    format!("{samples} samples of {source} in {seconds:.1} s, clock step {clock_step} ns, in {out}\n")
}
