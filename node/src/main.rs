//! The daemon of the randomness beacon.

#[cfg(test)]
mod arbitrary;
mod cli;
mod clock;
mod config;
mod http;
mod keystore;
mod metrics;
mod network;
mod quality;
mod services;
mod shell;
mod store;
mod when;

fn main() -> std::process::ExitCode {
    cli::run()
}
