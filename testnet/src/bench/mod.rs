//! `beacon-testnet bench`: the figures that the project promises, each measured and set against its target.

mod client;
mod engine;
mod join;
mod networks;
mod subscribe;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::binaries::Binaries;
use crate::failure::Failure;
use crate::measure::rounded;

/// Measure what is promised; without NAME everything, one after the other
///
/// Networks of real nodes run on free ports of the loopback. Other load on the machine shows in the figures.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Which (several)
    #[arg(value_name = "NAME")]
    names: Vec<Name>,
    /// How often `subscribe` tries
    #[arg(long, value_name = "N", default_value = "100")]
    tries: usize,
    /// How many peers a subscriber of `subscribe` has
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=3))]
    peers: u8,
    /// Print one JSON object a figure
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Due time to certified at a subscriber: four nodes, period 200 ms, 1,000 rounds
    Latency,
    /// Rounds a second with period 0 and four nodes, windows of 1 and of 16 rounds
    Throughput,
    /// Verifying a chain file of 1,000,000 rounds, links and one certificate
    VerifyFile,
    /// Verifying one beacon of 16 members from its bytes
    VerifyBeacon,
    /// One round among 10^7, proven by its place in the Merkle mountain range
    VerifyPast,
    /// Joining at round 10^6 through ten changes of the committee: what is fetched, and the processor
    Join,
    /// `beacon latest` on the loopback, as a process that was never there before
    Latest,
    /// Memory and processor of a member at period 3 s
    Member,
    /// From `up` to the first certified round
    Start,
    /// Processor time of the engine for a round and member, 16 and 64 equal members in memory
    Engine,
    /// Fresh gossip subscribers of four nodes: whether the first round comes within two periods
    Subscribe,
}

/// One figure with its target.
#[derive(Debug)]
struct Figure {
    what: &'static str,
    unit: &'static str,
    value: f64,
    target: Target,
}

#[derive(Debug)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    fn at_most(what: &'static str, value: f64, target: f64, unit: &'static str) -> Figure {
        Figure { what, unit, value, target: Target::AtMost(target) }
    }

    fn at_least(what: &'static str, value: f64, target: f64, unit: &'static str) -> Figure {
        Figure { what, unit, value, target: Target::AtLeast(target) }
    }

    fn met(&self) -> bool {
        match self.target {
            Target::AtMost(most) => self.value <= most,
            Target::AtLeast(least) => self.value >= least,
        }
    }

    fn json(&self) -> Value {
        let (bound, target) = match self.target {
            Target::AtMost(most) => ("at_most", most),
            Target::AtLeast(least) => ("at_least", least),
        };
        json!({ "figure": self.what, "value": rounded(self.value), "unit": self.unit, bound: target, "met": self.met() })
    }

    fn line(&self) -> String {
        let (sign, target) = match self.target {
            Target::AtMost(most) => ("≤", most),
            Target::AtLeast(least) => ("≥", least),
        };
        let verdict = if self.met() { "met" } else { "MISSED" };
        format!("{:<62} {:>10.2} {:<9} {sign} {target:<6} {verdict}", self.what, self.value, self.unit)
    }
}

/// Measures and prints. A figure that misses its target is printed as such; only what cannot be measured is an error.
pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let all = Name::value_variants();
    let names = if arguments.names.is_empty() { all } else { &arguments.names };
    for name in names {
        for figure in measure(*name, arguments).await? {
            if arguments.json { println!("{}", figure.json()) } else { println!("{}", figure.line()) }
        }
    }
    Ok(())
}

async fn measure(name: Name, arguments: &Arguments) -> Result<Vec<Figure>, Failure> {
    match name {
        Name::Latency => networks::latency().await,
        Name::Throughput => networks::throughput().await,
        Name::Member => networks::member().await,
        Name::Start => networks::start().await,
        Name::Engine => engine::work(),
        Name::VerifyFile => client::verify_file(&Binaries::beside()?).await,
        Name::VerifyBeacon => client::verify_beacon(),
        Name::VerifyPast => client::verify_past(),
        Name::Join => join::far().await,
        Name::Latest => join::cold(&Binaries::beside()?).await,
        Name::Subscribe => subscribe::first_round(arguments.tries, usize::from(arguments.peers)).await,
    }
}
