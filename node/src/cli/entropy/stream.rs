//! `beacon-node entropy stream`: random bytes on standard output.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use beacon_entropy::conditioning::Method;
use beacon_entropy::encoding::Format;
use beacon_entropy::outlet::{Ending, Outlet, OutletError, Plan, Watch, pour};
use beacon_entropy::pool::EntropyPool;
use beacon_entropy::source::Availability;
use beacon_entropy::stream::{SourceStream, StreamError};
use clap::Args;
use serde_json::json;

use super::progress::Progress;
use super::{Equipped, names, stop, unknown};
use crate::cli::failure::Failure;

const AFTER: &str = "\
Without --sources the bytes are those of the pool's generator: fast, and fit for keys. With --sources they are those of
the sources named, in turn and each by itself, behind its health tests. A source that fails is left out and named; it
never falls back to another one.

Conditioning (with --sources): raw as sampled; von-neumann drops equal pairs of bits; sha256 and sha3 take as many
samples for each 32 bytes as full entropy needs by the source's credit.

Examples:
  beacon-node entropy stream --bytes 32 --format hex
  beacon-node entropy stream --format base64 --bytes 1M > random.txt
  beacon-node entropy stream --rate 10k | pv > /dev/null
  beacon-node entropy stream --sources sleep,memory --conditioning sha3 --bytes 1Ki > seed.bin

Ends well when the reader closes the pipe, and on Ctrl-C.";

/// Bytes that a pipe to the reader holds, as much as the kernel lets anybody ask for.
const PIPE: usize = 1 << 20;

/// Which bytes, and in which form.
#[derive(Args)]
pub(super) struct Taken {
    /// raw, hex or base64 [default: raw, and hex on a terminal]
    #[arg(long, value_parser = names::format())]
    pub(super) format: Option<Format>,
    /// Bytes per second at most, before encoding
    #[arg(long, value_name = "AMOUNT", value_parser = names::amount)]
    rate: Option<u64>,
    /// Sources to read one after the other, instead of the generator
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    sources: Vec<String>,
    /// What is done to the samples of sources: raw, von-neumann, sha256 or sha3 [default: sha3]
    #[arg(long, value_parser = names::method(), requires = "sources")]
    conditioning: Option<Method>,
    #[command(flatten)]
    equipped: Equipped,
}

/// Write random bytes to standard output.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(flatten)]
    taken: Taken,
    /// Stop after so many bytes, before encoding; go on for ever without it
    #[arg(long, value_name = "AMOUNT", value_parser = names::amount)]
    bytes: Option<u64>,
    /// Report the end on standard error as one JSON object
    #[arg(long)]
    json: bool,
}

/// An outlet and what must live as long as it does.
pub(super) struct Opened {
    pub(super) outlet: Outlet,
    _pool: Option<EntropyPool>,
}

impl Taken {
    /// What is taken, in words.
    pub(super) fn of(&self) -> String {
        if self.sources.is_empty() { "the pool's generator".to_owned() } else { self.sources.join(", ") }
    }

    pub(super) fn open(&self) -> Result<Opened, Failure> {
        if self.sources.is_empty() {
            let pool = self.equipped.pool()?;
            return Ok(Opened { outlet: Outlet::Generator(pool.random()), _pool: Some(pool) });
        }
        let equipment = self.equipped.equipment();
        let mut streams = Vec::new();
        for name in &self.sources {
            if let Availability::Absent(why) | Availability::Off(why) = equipment.availability(name).map_err(unknown)? {
                let what = format!("the source {name} cannot be used: {why}");
                return Err(Failure::new(what, "leave it out, or see `beacon-node entropy scan`"));
            }
            let source = equipment.spec(name).map_err(unknown)?.build();
            streams.push(SourceStream::new(source, self.conditioning.unwrap_or(Method::Sha3)));
        }
        Ok(Opened { outlet: Outlet::sources(streams), _pool: None })
    }

    pub(super) fn plan(&self, bytes: Option<u64>, terminal: bool) -> Plan {
        let usual = if terminal { Format::Hex } else { Format::Raw };
        Plan { format: self.format.unwrap_or(usual), bytes, rate: self.rate }
    }
}

/// Shows a stream to people.
pub(super) struct Shown(pub(super) Progress);

impl Watch for Shown {
    fn given(&mut self, bytes: u64) {
        self.0.at(bytes);
    }

    fn lost(&mut self, source: &str, error: &StreamError) {
        eprintln!("the source {source} is left out: {error}");
    }
}

/// A quiet stream, as on a terminal that the bytes themselves go to.
struct Quiet;

impl Watch for Quiet {
    fn lost(&mut self, source: &str, error: &StreamError) {
        eprintln!("the source {source} is left out: {error}");
    }
}

pub(super) fn failed(error: &OutletError) -> Failure {
    let remedy = match error {
        OutletError::Unseeded(_) => "the operating system gives no randomness: see `getrandom` in its log",
        OutletError::NoSourceLeft(_) | OutletError::NoSources => {
            "name other sources; `beacon-node entropy scan` lists them"
        }
        OutletError::Write(_) => "see where the bytes lead: a full disk, or a device that is gone",
    };
    Failure::new(error.to_string(), remedy)
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut opened = arguments.taken.open()?;
    let stop = stop::flag(|| {})?;
    let terminal = io::stdout().is_terminal();
    let plan = arguments.taken.plan(arguments.bytes, terminal);
    // Past the buffer of the standard library, which would copy everything once more and look for line ends.
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let mut stdout = stdout
        .map_err(|error| Failure::new(format!("no standard output: {error}"), "redirect it to a file or a pipe"))?;
    // A pipe that holds more lets writer and reader run at the same time. What is no pipe, or may not grow, serves too.
    let _ = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE);
    let mut shown = Shown(Progress::bytes(arguments.bytes));
    let watch: &mut dyn Watch = if terminal { &mut Quiet } else { &mut shown };
    let poured = pour(&mut opened.outlet, &mut stdout, plan, &stop, watch);
    drop(shown);
    let (bytes, ending) = poured.map_err(|error| failed(&error))?;
    if arguments.json {
        eprintln!("{}", json!({ "bytes": bytes, "ending": ending }));
    }
    match (ending, arguments.bytes) {
        (Ending::Stopped, Some(asked)) => {
            Err(Failure::new(format!("stopped after {bytes} of {asked} bytes"), "run it again, from the start"))
        }
        _ => Ok(()),
    }
}
