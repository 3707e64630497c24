//! A network of engines in memory: virtual time, real cryptography, no threads, and one seed from which everything
//! that happens follows.
//!
//! The same set-up gives the same run, byte for byte. Messages travel as bytes, so whatever is sent is also encoded,
//! decoded and verified. Read [`setup`] (who takes part), [`node`] (a machine with a disk and a clock), [`net`] (the
//! events and what each effect does), [`post`](mod@post) (how messages travel); then [`chaos`] (what goes wrong by
//! chance), [`adversary`] (what goes wrong on purpose), [`operators`] (how the committee changes meanwhile), [`check`]
//! (what must hold all the same); [`plan`] and [`run`] make simulations of seeds, [`command`] is `beacon-testnet sim`.

pub mod adversary;
pub mod chaos;
pub mod check;
pub mod command;
mod disk;
mod keys;
pub mod ledger;
pub mod meter;
pub mod net;
pub mod node;
pub mod operators;
pub mod plan;
pub mod post;
pub mod rng;
pub mod run;
pub mod setup;
pub mod trace;
mod weather;

pub use disk::{Disk, Served};
pub use net::{Net, Sent};
pub use node::Node;
pub use setup::{GENESIS_TIME, Setup};
