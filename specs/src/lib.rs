//! The executable specification of the randomness beacon.
//!
//! Everything here is pure: no I/O, no clock, no randomness, no threads. Read bottom-up:
//! [`hash`], [`codec`], [`reject`], [`keys`] are the ground; [`pvss`] is the dealing; [`tickets`], [`bundle`],
//! [`committee`], [`genesis`] say who counts how much; [`schedule`] says when; [`message`] is what travels, [`gossip`] how;
//! [`consensus`] is how members agree; [`mix`], [`certificate`], [`mmr`], [`chain`] make and check the beacons; [`trust`]
//! leads from one to another; [`evidence`] proves crimes; [`draw`] is what beacons are used for.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "sabotage")]
#[macro_use]
extern crate std;

pub mod bundle;
pub mod certificate;
pub mod chain;
pub mod codec;
pub mod committee;
pub mod consensus;
pub mod draw;
pub mod evidence;
pub mod genesis;
pub mod gossip;
pub mod hash;
pub mod keys;
pub mod message;
pub mod mix;
pub mod mmr;
pub mod pvss;
pub mod registry;
pub mod reject;
pub mod sabotage;
pub mod schedule;
pub mod tickets;
pub mod trust;

/// The version of formats and rules that headers and geneses carry.
pub const VERSION: u16 = 1;
