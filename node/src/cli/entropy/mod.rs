//! `beacon-node entropy …`: looking at this machine's sources, and taking bytes from them. No node need run for it,
//! save for the commands that ask one.

mod analyze;
mod bench;
mod chip;
mod cluster;
mod compare;
mod fifo;
mod inject;
mod monitor;
mod names;
mod pool;
mod probe;
mod progress;
mod record;
mod report;
mod scan;
mod screen;
mod sessions;
mod stop;
mod stream;
mod subject;

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;

use beacon_entropy::atecc608a::{DEFAULT_BUS, Device};
use beacon_entropy::equipment::{CHIP, Equipment};
use beacon_entropy::pool::{EntropyPool, PoolConfig};
use beacon_entropy::sources::UnknownSource;
use beacon_entropy::worker::WorkerSpec;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::failure::Failure;

const AFTER: &str = "\
First steps:
  beacon-node entropy scan                                   # what this machine has, and what each source counts for
  beacon-node entropy probe sleep                            # one source, measured
  beacon-node entropy stream --bytes 32 --format hex         # 32 random bytes
  beacon-node entropy stream | head -c 1000000 > random.bin  # as many as you like
  beacon-node entropy stream --sources sleep,pipe --conditioning raw --bytes 100 --format hex
  beacon-node entropy monitor                                # the pool at work, until Ctrl-C
  beacon-node entropy bench                                  # every source ranked, and what the whole costs here

What comes out here is private randomness, fit for keys. The beacon's output is public and never is.";

#[derive(Subcommand)]
enum Command {
    Scan(scan::Arguments),
    Probe(probe::Arguments),
    Bench(bench::Arguments),
    Stream(stream::Arguments),
    #[command(visible_alias = "device")]
    Fifo(fifo::Arguments),
    Pool(pool::Arguments),
    Inject(inject::Arguments),
    Cluster(cluster::Arguments),
    Monitor(monitor::Arguments),
    Record(record::Arguments),
    Sessions(sessions::Arguments),
    Analyze(analyze::Arguments),
    Compare(compare::Arguments),
    Report(report::Arguments),
    /// The ATECC608A secure element: its state, its self-test, and its lock.
    #[command(name = CHIP, arg_required_else_help = true)]
    Chip {
        #[command(subcommand)]
        command: chip::Command,
    },
}

/// `beacon-node entropy`.
#[derive(Args)]
#[command(after_help = AFTER, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Scan(arguments) => scan::run(arguments),
        Command::Probe(arguments) => probe::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Stream(arguments) => stream::run(arguments),
        Command::Fifo(arguments) => fifo::run(arguments),
        Command::Pool(arguments) => pool::run(arguments),
        Command::Inject(arguments) => inject::run(arguments),
        Command::Cluster(arguments) => cluster::run(arguments),
        Command::Monitor(arguments) => monitor::run(arguments),
        Command::Record(arguments) => record::run(arguments),
        Command::Sessions(arguments) => sessions::run(arguments),
        Command::Analyze(arguments) => analyze::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Chip { command } => chip::run(command),
    }
}

/// What some sources need beyond their name.
#[derive(Args)]
struct Equipped {
    /// Use an emulated ATECC608A; it is credited nothing
    #[arg(long)]
    emulate_atecc608a: bool,
    /// The I2C bus that the ATECC608A is on
    #[arg(long, value_name = "N", default_value_t = DEFAULT_BUS)]
    i2c_bus: u8,
    /// A DNS server that the source `dns` may time; none is contacted otherwise
    #[arg(long = "dns-server", value_name = "ADDRESS:PORT")]
    dns: Vec<SocketAddr>,
    /// A host that the source `tcp` may time; none is contacted otherwise
    #[arg(long = "tcp-host", value_name = "ADDRESS:PORT")]
    tcp: Vec<SocketAddr>,
}

impl Equipped {
    fn equipment(&self) -> Equipment {
        let chip = match self.emulate_atecc608a {
            true => Device::emulated(true).0,
            false => Device::open(self.i2c_bus),
        };
        Equipment { dns: self.dns.clone(), tcp: self.tcp.clone(), chip }
    }

    /// A pool of the usual workers, and one more for an emulated chip.
    fn pool(&self) -> Result<EntropyPool, Failure> {
        let mut config = PoolConfig::default();
        if self.emulate_atecc608a {
            let equipment = self.equipment();
            let sources: Result<Vec<_>, _> = ["os", CHIP].map(|name| equipment.spec(name)).into_iter().collect();
            config.workers.push(WorkerSpec::new(sources.map_err(unknown)?));
        }
        EntropyPool::start(config).map_err(|error| {
            Failure::new(format!("the pool cannot start: {error}"), "raise the limit on threads (`ulimit -u`)")
        })
    }
}

fn unknown(error: UnknownSource) -> Failure {
    Failure::usage(error.to_string(), "`beacon-node entropy scan` lists every source; file:PATH reads a file")
}

/// Writes a result to standard output. A reader that has seen enough, such as `head`, is no failure.
fn say(text: &str) -> Result<(), Failure> {
    tell(text).map(drop)
}

/// The result as one JSON object.
fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    say(&line_of(value)?)
}

/// Writes to standard output, and says whether anybody still reads it.
fn tell(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(format!("cannot write the result: {error}"), "see where standard output leads")),
    }
}

/// A value as JSON on a line of its own.
fn line_of(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|error| Failure::new(format!("no JSON: {error}"), "report this as a defect"))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulated_chip_is_a_worker_more() {
        let equipped = |emulate_atecc608a| Equipped { emulate_atecc608a, i2c_bus: 1, dns: Vec::new(), tcp: Vec::new() };
        let count = |emulate| equipped(emulate).pool().unwrap_or_else(|_| panic!("starts")).workers().count();
        assert_eq!((count(false), count(true)), (3, 4));
    }
}
