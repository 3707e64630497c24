//! Scenarios: what happens to a network and what it must show for it, written down once and played on two stages.
//!
//! A scenario is a TOML file ([`file`](mod@file) reads and judges it; `beacon-testnet scenario --help` explains it).
//! [`play`] goes through its steps on a stage: [`memory`] is the simulator's network, with
//! virtual time and every checker of the simulator on; [`processes`] are real nodes on the loopback. [`command`] is
//! `beacon-testnet scenario`.

pub mod command;
pub mod file;
pub mod memory;
pub mod play;
pub mod preload;
pub mod processes;
pub mod step;

pub use file::Scenario;
pub use play::Report;
