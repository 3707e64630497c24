//! `beacon-node entropy atecc608a …`: the secure element itself.

use std::io::{self, BufRead, IsTerminal};

use beacon_entropy::atecc608a::{AteccError, DEFAULT_BUS, Device, LOCK_PHRASE, LockConfirmation, SelfTests};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{say, say_json};
use crate::cli::failure::Failure;

const LOCK_AFTER: &str = "\
A chip whose configuration zone is not locked gives a constant instead of random numbers, so it has to be locked once.
THIS CANNOT BE UNDONE: the configuration stays as it is for the life of the chip. The command shows the chip's serial
number and asks for a phrase; nothing happens without it. A chip that is locked already is left as it is.

Examples:
  beacon-node entropy atecc608a status
  beacon-node entropy atecc608a lock
  beacon-node entropy atecc608a lock --emulate-atecc608a     # try it on an emulated chip";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Ask the chip for its revision, serial number and locks.
    Status(Arguments),
    /// Let the chip test its generator and its other engines.
    SelfTest(Arguments),
    /// Lock the configuration zone, for ever, after a typed confirmation.
    #[command(after_help = LOCK_AFTER)]
    Lock(Arguments),
}

#[derive(Args)]
pub(super) struct Arguments {
    /// The I2C bus that the chip is on
    #[arg(long, value_name = "N", default_value_t = DEFAULT_BUS)]
    i2c_bus: u8,
    /// Use an emulated chip instead: locked, but unlocked for the command `lock`
    #[arg(long)]
    emulate_atecc608a: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn device(&self, locked: bool) -> Device {
        match self.emulate_atecc608a {
            true => Device::emulated(locked).0,
            false => Device::open(self.i2c_bus),
        }
    }

    fn failed(&self, error: &AteccError) -> Failure {
        let bus = self.i2c_bus;
        let remedy = match error {
            AteccError::Bus(_) | AteccError::Asleep | AteccError::Timeout(_) => format!(
                "see that /dev/i2c-{bus} is there and yours to open (group i2c), and that `i2cdetect -y {bus}` shows 60"
            ),
            AteccError::Unlocked | AteccError::Pattern => "lock it: `beacon-node entropy atecc608a lock --help`".into(),
            _ => "try again; if it stays so the chip or its wiring is faulty".into(),
        };
        Failure::new(format!("the chip on bus {bus}: {error}"), remedy)
    }
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Status(arguments) => status(arguments),
        Command::SelfTest(arguments) => self_test(arguments),
        Command::Lock(arguments) => lock(arguments, &mut io::stdin().lock()),
    }
}

fn status(arguments: &Arguments) -> Result<(), Failure> {
    let device = arguments.device(true);
    let locks = device.locks().map_err(|error| arguments.failed(&error))?;
    let status = device.status();
    if arguments.json {
        return say_json(&status);
    }
    let word = |locked| if locked { "locked" } else { "NOT locked" };
    say(&format!(
        "revision            {}\nserial number       {}\nconfiguration zone  {}\ndata zone           {}\nemulated            {}\n",
        status.revision.as_deref().unwrap_or("unknown"),
        status.serial.as_deref().unwrap_or("unknown"),
        word(locks.config),
        word(locks.data),
        status.emulated,
    ))
}

fn self_test(arguments: &Arguments) -> Result<(), Failure> {
    arguments.device(true).self_test(SelfTests::All).map_err(|error| arguments.failed(&error))?;
    if arguments.json { say_json(&json!({ "self_test": "passed" })) } else { say("the self-test passed\n") }
}

fn lock(arguments: &Arguments, input: &mut impl BufRead) -> Result<(), Failure> {
    let device = arguments.device(false);
    let failed = |error| arguments.failed(&error);
    let before = device.locks().map_err(failed)?;
    if !before.config {
        let serial = device.status().serial.unwrap_or_else(|| "unknown".into());
        eprintln!("The configuration zone of chip {serial} will be locked. This cannot be undone.");
        eprintln!("Type \"{LOCK_PHRASE}\" to go on:");
        let mut typed = String::new();
        let read = input.read_line(&mut typed);
        read.map_err(|error| Failure::new(format!("nothing could be read: {error}"), "type the phrase"))?;
        let Some(confirmed) = LockConfirmation::typed(&typed) else {
            let remedy = format!("type {LOCK_PHRASE:?}, without the quotes, if you mean it");
            let terminal = if io::stdin().is_terminal() { "" } else { ", which was no terminal" };
            return Err(Failure::new(format!("not locked: the phrase was not typed{terminal}"), remedy));
        };
        device.lock_config(confirmed).map_err(failed)?;
    }
    let locks = device.locks().map_err(failed)?;
    let done = if before.config { "was locked already" } else { "is locked" };
    match arguments.json {
        true => say_json(&json!({ "locks": locks, "changed": !before.config })),
        false => say(&format!("the configuration zone {done}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emulated() -> Arguments {
        Arguments { i2c_bus: 1, emulate_atecc608a: true, json: true }
    }

    #[test]
    fn the_lock_needs_the_phrase_word_for_word() {
        for typed in ["", "\n", "yes\n", "Lock this chip for ever\n"] {
            let refused = lock(&emulated(), &mut typed.as_bytes()).expect_err("nothing was confirmed");
            assert!(refused.to_string().contains("not locked"), "{typed:?}");
        }
        lock(&emulated(), &mut "lock this chip for ever\n".as_bytes()).expect("confirmed");
    }
}
