//! The `beacon-testnet` command.

use std::process::ExitCode;

use beacon_testnet::args::{Cli, Command, OneNode};
use beacon_testnet::control::{self, Act};
use beacon_testnet::failure::Failure;
use beacon_testnet::{bench, fabricate, kill_loop, run, scenarios, sim, status};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match command(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn command(command: Command) -> Result<(), Failure> {
    match command {
        Command::Up(up) => run::up(up.plan()?, &up.home.path(), &up.options()).await.map(drop),
        Command::Status { home, json } => status::show(&home.path(), json).await,
        Command::Kill(OneNode { node, home }) => tell(&home.path(), Act::Kill(node)).await,
        Command::Restart(OneNode { node, home }) => tell(&home.path(), Act::Restart(node)).await,
        Command::Withhold(OneNode { node, home }) => tell(&home.path(), Act::Withhold(node)).await,
        Command::Stop { node: Some(node), home } => tell(&home.path(), Act::Stop(node)).await,
        Command::Stop { node: None, home } => control::stop_all(&home.path()).await.map(|done| println!("{done}")),
        Command::Fabricate(arguments) => fabricate::run(&arguments).map(|report| println!("{report}")),
        Command::Bench(arguments) => bench::run(&arguments).await,
        Command::Sim(arguments) => sim::command::run(&arguments),
        Command::Scenario(arguments) => scenarios::command::run(&arguments).await,
        Command::KillLoop(arguments) => kill_loop::run(&arguments).await,
    }
}

async fn tell(home: &std::path::Path, act: Act) -> Result<(), Failure> {
    control::ask(home, act).await.map(|done| println!("{done}"))
}
