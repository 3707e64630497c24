//! The store on a real RocksDB in a temporary directory.

mod damage;
pub(crate) mod fixture;
mod open;
mod pruning;
mod queue;
mod recovery;
mod writing;
