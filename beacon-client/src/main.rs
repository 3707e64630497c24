//! `beacon`: the command line of the light client.
#![forbid(unsafe_code)]

mod commands;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = commands::Cli::parse();
    let json = cli.common.json;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("beacon: the runtime does not start: {error}");
            return ExitCode::from(2);
        }
    };
    let code = match runtime.block_on(commands::run(cli)) {
        Ok(()) => 0,
        Err(error) => commands::print::failure(&error, json),
    };
    // Tasks of abandoned connections must not hold the process up.
    runtime.shutdown_background();
    ExitCode::from(code)
}
