//! `beacon-node entropy probe NAME`: one source, measured.

use beacon_entropy::probe::{self, Probe, Profile};
use beacon_entropy::source::{Availability, CreditClass};
use clap::Args;

use super::{Equipped, names, say, say_json, unknown};
use crate::cli::failure::Failure;

const AFTER: &str = "\
Shannon's and the most common value's entropy tell how uniform the samples are, not how unpredictable: a counter
would score full marks. What a source counts for is its credit.

Examples:
  beacon-node entropy probe sleep
  beacon-node entropy probe file:/dev/urandom --profile deep --json
  beacon-node entropy probe atecc608a --emulate-atecc608a";

/// Draw samples from one source and look at them.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The source, as `scan` lists it, or file:PATH
    name: String,
    #[command(flatten)]
    equipped: Equipped,
    /// How many samples: 2 000, 20 000 or 200 000, as far as they come in 0.1, 0.5 or 5 s
    #[arg(long, value_parser = names::profile(), default_value = "standard")]
    profile: Profile,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { name, .. } = arguments;
    let equipment = arguments.equipped.equipment();
    if let Availability::Absent(why) | Availability::Off(why) = equipment.availability(name).map_err(unknown)? {
        return Err(Failure::new(format!("the source {name} cannot be used: {why}"), "see `beacon-node entropy scan`"));
    }
    let mut source = equipment.spec(name).map_err(unknown)?.build();
    let info = source.info();
    let probe = probe::probe(&mut *source, arguments.profile).map_err(|error| {
        Failure::new(format!("the source {name} gave no samples: {error}"), "try again, or another source")
    })?;
    if arguments.json {
        return say_json(&probe);
    }
    say(&format!("{}: {}\nphysics: {}\n{}", info.name, info.description, info.physics, table(&probe)))
}

fn table(probe: &Probe) -> String {
    let credit = match probe.credit.class {
        CreditClass::None => "nothing".to_owned(),
        class => format!("{:.3} bits a sample ({class:?})", probe.credit.bits()).to_lowercase(),
    };
    let health = match (&probe.alarm, probe.credit.class) {
        (_, CreditClass::None) => "not tested, as it counts nothing".to_owned(),
        (None, _) => "no alarm".to_owned(),
        (Some(alarm), _) => format!("{:?}, {:?}", alarm.test, alarm.level),
    };
    let head: Vec<String> = probe.head.iter().map(u64::to_string).collect();
    format!(
        "samples            {} in {:.3} s, {:.0}/s\n\
         clock step         {} ns\n\
         Shannon            {:.4} bits a sample\n\
         most common value  {:.4} bits a sample\n\
         repeats            {:.2} %\n\
         credit             {credit}\n\
         health tests       {health}\n\
         first samples      {}\n",
        probe.samples,
        probe.seconds,
        probe.samples_per_second,
        probe.clock_step,
        probe.shannon,
        probe.most_common_value,
        probe.repeats * 100.0,
        head.join(" "),
    )
}
