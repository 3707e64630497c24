//! The store on a real RocksDB in a temporary directory.

pub(crate) mod chain;
mod damage;
pub(crate) mod fixture;
mod open;
mod pruning;
mod queue;
mod recovery;
mod upkeep;
mod writing;
