//! Structured logs on standard error, as the configuration wants them.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use super::failure::Failure;
use crate::config::{LogConfig, LogFormat};

/// Starts logging for the life of the process.
pub(super) fn start(config: &LogConfig) -> Result<(), Failure> {
    let filter = EnvFilter::builder().parse(&config.level).map_err(|error| {
        Failure::new(format!("the log level {:?} is none: {error}", config.level), "write info or debug")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let builder = builder.with_ansi(io::stderr().is_terminal());
    let started = match config.format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(|error| Failure::new(format!("logging cannot start: {error}"), "report this as a defect"))
}
