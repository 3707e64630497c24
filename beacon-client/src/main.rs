//! `beacon`: the command line of the light client.
#![forbid(unsafe_code)]

mod commands;

use std::process::ExitCode;

use beacon_client::Error;
use clap::Parser;

fn main() -> ExitCode {
    let cli = match commands::Cli::try_parse() {
        Ok(cli) => cli,
        // A program that asked for JSON is told in JSON that it asked wrongly; help and version are for people.
        Err(error) if error.use_stderr() && std::env::args_os().any(|word| word == "--json") => {
            let text = error.render().to_string();
            let text = text.trim_start_matches("error: ").lines().take_while(|line| !line.is_empty());
            let usage = Error::Usage(text.map(str::trim).collect::<Vec<_>>().join(" "));
            return ExitCode::from(commands::print::failure(&usage, true));
        }
        Err(error) => error.exit(),
    };
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
