//! `beacon-node entropy inject`: a user's own bytes into a running node's next contribution.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::Args;

use super::{say, say_json};
use crate::cli::failure::Failure;
use crate::cli::local::Local;

const AFTER: &str = "\
Whatever the bytes are, they are mixed with what the node's own workers bring: they count nothing, replace nothing, and
cannot make the contribution worse. Throw dice, type, or point a file at it.

Examples:
  echo 'dice: 4 1 6 3 3 5' | beacon-node entropy inject --home a
  beacon-node entropy inject --home a --file photograph.raw";

/// As much as the listener takes.
const MOST: u64 = 200 * 1024;

/// Mix bytes from standard input or a file into the running node's next contribution.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(flatten)]
    local: Local,
    /// Read this file instead of standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bytes = read(arguments)?;
    if bytes.is_empty() {
        return Err(Failure::usage("there is nothing to inject", "send bytes to standard input, or name a --file"));
    }
    let answer = arguments.local.send("/admin/entropy/inject", bytes.into())?;
    match arguments.json {
        true => say_json(&answer),
        false => say(&format!("{} bytes join the next contribution; they count nothing\n", answer["injected_bytes"])),
    }
}

fn read(arguments: &Arguments) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let (from, read) = match &arguments.file {
        Some(path) => {
            (path.display().to_string(), File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes)))
        }
        None => ("standard input".into(), io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|error| Failure::new(format!("cannot read {from}: {error}"), "name a file that can be read"))?;
    if bytes.len() as u64 > MOST {
        return Err(Failure::usage(format!("{from} holds more than {MOST} bytes"), "send less; it is hashed anyway"));
    }
    Ok(bytes)
}
