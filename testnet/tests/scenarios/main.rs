//! What the beacon must show, on real processes: one network at a time, every wait for an event and with a deadline.
//!
//! The programs are those that stand beside the test executable; `testnet/test` builds them first.

// In a test, an unwrap that fails is the report; clippy sees as tests only what is marked so.
#![allow(clippy::unwrap_used)]

mod harness;
mod scenario;
