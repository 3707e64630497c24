//! `beacon-testnet fabricate`: a valid chain signed with test keys, as a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use beacon_client::fabricate::{Plan, write};
use clap::Args;
use serde_json::{Value, json};

use crate::failure::Failure;

/// Write a valid chain signed with test keys, for tests and benchmarks of the client
///
/// Links, schedule, hand-overs, MMR roots and certificates are real; there are no dealings behind the outputs, and all
/// keys follow from the seed. `beacon verify FILE --chain HASH` verifies the file.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Rounds of the chain
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: u64,
    /// Members, of equal weight
    #[arg(long, value_name = "M", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub members: u16,
    /// Where to write the chain
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// A certificate on every N-th round besides the last; 0: only where it is needed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub certificates: u64,
    /// Everything random-looking follows from it
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

impl Arguments {
    /// `rounds` rounds of `members` members at `out`, the rest by default.
    pub fn new(rounds: u64, members: u16, out: &Path) -> Arguments {
        Arguments { rounds, members, out: out.to_owned(), certificates: 0, seed: 0 }
    }
}

/// Writes the file and tells its chain hash.
pub fn run(arguments: &Arguments) -> Result<Value, Failure> {
    let fail = |error: std::io::Error| Failure::file("write", &arguments.out, &error);
    let began = Instant::now();
    let plan = Plan::new(usize::from(arguments.members)).seed(arguments.seed);
    let out = BufWriter::new(File::create(&arguments.out).map_err(fail)?);
    let (chain, mut out) = write(plan, arguments.rounds, arguments.certificates, out).map_err(fail)?;
    out.flush().map_err(fail)?;
    let bytes = out.get_ref().metadata().map_err(fail)?.len();
    Ok(json!({
        "chain": chain,
        "rounds": arguments.rounds,
        "members": arguments.members,
        "file": arguments.out,
        "bytes": bytes,
        "seconds": crate::measure::rounded(began.elapsed().as_secs_f64()),
    }))
}
