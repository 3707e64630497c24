//! A local network of real beacon nodes: the `beacon-testnet` command and what its scenarios are made of.
//!
//! Nodes are processes of the `beacon-node` that stands beside this executable; what is known of them comes from their
//! public interfaces and from the kernel. Read bottom-up: [`plan`] says what to make, [`home`] where; [`ceremony`] makes
//! keys and genesis with the node's own commands; [`node`] is one process, [`network`] all of them; [`watch`],
//! [`health`] and [`audit`] observe; [`report`] and [`table`] show; [`control`] lets other processes act; [`run`] puts
//! these together. [`kill_loop`] kills the nodes of a network again and again. [`fabricate`], [`bench`](mod@bench) and
//! [`sim`], the network in memory, stand on their own; [`scenarios`] are files that both networks play.
#![forbid(unsafe_code)]

pub mod args;
pub mod audit;
pub mod bench;
pub mod binaries;
pub mod ceremony;
pub mod control;
pub mod fabricate;
pub mod failure;
pub mod health;
pub mod home;
pub mod http;
pub mod kill_loop;
pub mod measure;
pub mod network;
pub mod node;
pub mod plan;
pub mod report;
pub mod run;
pub mod scenarios;
pub mod sim;
pub mod status;
pub mod table;
pub mod watch;
