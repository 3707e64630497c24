//! Light client of the randomness beacon: it trusts a chain hash and nothing else.
//!
//! Read bottom-up: [`refusal`] and [`error`] say what can go wrong; [`trust`] is the pure judge, which accepts bytes or
//! refuses them; [`chainfile`] is the format of chain files and offline bundles; [`source`] fetches bytes from servers
//! without believing them; [`state`] keeps the trusted head on disk; [`client`] and [`follow`] put these together.
//!
//! ```no_run
//! # async fn example() -> Result<(), beacon_client::Error> {
//! use beacon_client::{Client, Digest32};
//! let chain = Digest32::from_hex("…64 hex digits from somebody you trust…")?;
//! let client = Client::builder().chain(chain).server("https://beacon.example.org").build()?;
//! let newest = client.latest().await?;
//! println!("{} {}", newest.round(), newest.output());
//! # Ok(()) }
//! ```
//!
//! Outputs are public randomness: never use one, or bytes expanded from one, as a key.
#![forbid(unsafe_code)]

pub mod chainfile;
pub mod client;
pub mod draw;
pub mod error;
#[cfg(feature = "fabricate")]
pub mod fabricate;
pub mod follow;
pub mod refusal;
pub mod source;
pub mod state;
pub mod text;
pub mod time;
pub mod trust;

pub use beacon_spec::chain::{Beacon, Header};
pub use beacon_spec::hash::Digest32;
pub use beacon_spec::reject::Reject;
pub use beacon_spec::schedule::Schedule;

pub use client::{Builder, Client};
pub use error::Error;
pub use refusal::{Reason, Refusal};
pub use trust::{Trust, Verified};
