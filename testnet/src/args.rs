//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::failure::Failure;
use crate::home;
use crate::plan::Plan;
use crate::run::{Options, Show};
use crate::{bench, fabricate, kill_loop, scenarios, sim};

const AFTER: &str = "\
Examples:
  beacon-testnet up                                # four nodes, a live table, until Ctrl-C
  beacon-testnet up --rounds 30 --period 1000 --json
  beacon-testnet up --weights 30,30,25,15 --window 16
  beacon-testnet kill 2; beacon-testnet restart 2  # from another terminal
  beacon-testnet fabricate --rounds 1000000 --members 4 --out chain.bin

Exit codes: 0 done, 1 refused or failed, 2 wrong usage.";

/// A local network of real beacon nodes: run it, hurt it, measure it.
#[derive(Parser, Debug)]
#[command(name = "beacon-testnet", version, after_help = AFTER, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a network, start it and show it
    Up(Up),
    /// What a running network is doing
    Status {
        #[command(flatten)]
        home: HomeFlag,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Kill a node (SIGKILL)
    Kill(OneNode),
    /// Start a node again; one that runs is stopped first
    Restart(OneNode),
    /// Start a node again so that it deals and votes but never opens
    Withhold(OneNode),
    /// Stop a node, or without NODE the whole network
    Stop {
        /// The node's number, as the table shows it
        node: Option<usize>,
        #[command(flatten)]
        home: HomeFlag,
    },
    Fabricate(fabricate::Arguments),
    Bench(bench::Arguments),
    Sim(sim::command::Arguments),
    Scenario(scenarios::command::Arguments),
    KillLoop(kill_loop::Arguments),
}

#[derive(Args, Debug)]
pub struct OneNode {
    /// Its number, as the table shows it
    pub node: usize,
    #[command(flatten)]
    pub home: HomeFlag,
}

#[derive(Args, Debug)]
pub struct HomeFlag {
    /// The network's directory [default: testnet in cargo's target directory]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

impl HomeFlag {
    pub fn path(&self) -> PathBuf {
        self.home.clone().unwrap_or_else(home::default_home)
    }
}

#[derive(Args, Debug)]
pub struct Up {
    /// Nodes [default: 4]; 1 to 3 need the development exemption, which is then sealed in
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Their trust weights, such as 30,30,25,15 [default: equal]
    #[arg(long, value_name = "W,W,…", value_delimiter = ',')]
    weights: Option<Vec<u64>>,
    /// From round to round in milliseconds; 0 is as fast as the network goes
    #[arg(long, value_name = "MS", default_value_t = 3000)]
    period: u64,
    /// Rounds agreed together, 1 to 64
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    window: u64,
    /// Windows of an epoch, 4 or more; keys rotate with each [default: about a day]
    #[arg(long, value_name = "E", value_parser = clap::value_parser!(u64).range(4..))]
    epoch_windows: Option<u64>,
    /// Stop after R certified rounds, compare the nodes, print one JSON line
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u64).range(1..))]
    rounds: Option<u64>,
    /// Node I listens on P+10·I (peers), +1 (public HTTP), +2 (local HTTP)
    #[arg(long, value_name = "P", default_value_t = 7700)]
    port_base: u16,
    #[command(flatten)]
    pub home: HomeFlag,
    /// JSON on standard output instead of a table: the network when it starts, or with --rounds the result
    #[arg(long)]
    json: bool,
    /// Leave the directory as it is at the end; the next `up` replaces it
    #[arg(long)]
    keep: bool,
}

impl Up {
    pub fn plan(&self) -> Result<Plan, Failure> {
        let plan = Plan::new(self.nodes, self.weights.clone(), self.period, self.window, self.port_base)?;
        Ok(plan.with_epochs(self.epoch_windows))
    }

    pub fn options(&self) -> Options {
        let show = if self.json { Show::Json } else { Show::People };
        Options { rounds: self.rounds, show, keep: self.keep }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_script_explains_every_flag_of_up() {
        let script = include_str!("../up");
        let command = Cli::command();
        let up = command.find_subcommand("up").unwrap();
        for name in up.get_arguments().filter_map(|argument| argument.get_long()) {
            assert!(script.contains(&format!("--{name} ")), "testnet/up does not explain --{name}");
        }
    }
}
