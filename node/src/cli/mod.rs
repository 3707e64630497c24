//! The command line: one file a command, and what they share.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage. Results go to standard output (with `--json` one JSON
//! object for scripts), everything else to standard error. Every error names the thing, the value and the remedy.

mod committee;
mod db;
mod documents;
mod draft;
mod entropy;
mod failure;
mod fetch;
mod home;
mod init;
#[cfg(test)]
mod joining;
mod keygen;
mod local;
mod logs;
mod membership;
mod parameters;
mod run;
mod seal;
mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use run::Prepared;

const AFTER: &str = "\
A network from nothing:
  beacon-node keygen --home a                        # on each machine; send the identity to whoever drafts
  beacon-node genesis draft --name example --member IDENTITY:30 --member … --out draft.json
  beacon-node keygen --home a --draft draft.json     # on each machine; send bundle-….json to whoever seals
  beacon-node genesis seal --draft draft.json --bundle bundle-….json … --out genesis.bin
  beacon-node init --home a --genesis genesis.bin    # on each machine
  beacon-node run --home a

Joining a network that runs, as an observer:
  beacon-node init --home b --peer /ip4/192.0.2.1/tcp/7700 --chain HASH
  beacon-node run --home b

Becoming a member, or changing weights: beacon-node committee --help
Checking, backing up or shrinking the database: beacon-node db --help

Exit codes: 0 done, 1 refused or failed, 2 wrong usage.";

/// A node of the randomness beacon: keys, genesis, and the daemon.
#[derive(Parser)]
#[command(name = "beacon-node", version, after_help = AFTER, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Keygen(keygen::Arguments),
    /// Draw up the genesis of a chain: draft, then seal.
    #[command(arg_required_else_help = true)]
    Genesis {
        #[command(subcommand)]
        command: GenesisCommand,
    },
    Init(init::Arguments),
    /// Who is in the committee, and changing that while the network runs.
    #[command(arg_required_else_help = true, after_help = membership::AFTER)]
    Committee {
        #[command(subcommand)]
        command: membership::Command,
    },
    Run(run::Arguments),
    Status(status::Arguments),
    /// Look after the database: check, back up, compact, prune.
    #[command(arg_required_else_help = true, after_help = db::AFTER)]
    Db {
        #[command(subcommand)]
        command: db::Command,
    },
    /// This machine's randomness: sources, streams, recordings, the chip.
    Entropy(entropy::Arguments),
}

#[derive(Subcommand)]
enum GenesisCommand {
    Draft(Box<draft::Arguments>),
    Seal(seal::Arguments),
}

/// Runs the command of this process.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Keygen(arguments) => keygen::run(&arguments),
        Command::Genesis { command: GenesisCommand::Draft(arguments) } => draft::run(&arguments),
        Command::Genesis { command: GenesisCommand::Seal(arguments) } => seal::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Committee { command } => membership::run(&command),
        Command::Run(arguments) => run::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Db { command } => db::run(&command),
        Command::Entropy(arguments) => entropy::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    }
}
