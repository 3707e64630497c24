//! The protocol of the randomness beacon as a deterministic state machine.
//!
//! Nothing here does I/O, reads a clock, or draws randomness: [`engine::Engine::step`] takes the time and an
//! [`event::Input`] and returns an [`event::Step`] of effects for the shell or the simulator to execute. The same
//! inputs give the same effects, byte for byte.
//!
//! The order of a round: `deal` (the own commitment), `inbox` (those of others), [`agree`] and `agreement` (which
//! count), `open`, `recover`, `certify`; `sync` and `fetch` for who is behind, `checkpoint` for who does not begin at the
//! genesis, `resend` for what got lost, `restart` for what the
//! disk kept; `membership` for what changes from epoch to epoch.

pub mod agree;
mod agreement;
pub mod batch;
mod certify;
pub mod checkpoint;
mod deal;
pub mod engine;
pub mod event;
mod evidence;
mod fetch;
mod inbox;
pub mod job;
mod membership;
mod open;
mod recover;
mod resend;
mod restart;
pub mod rollback;
pub mod serve;
pub mod status;
mod sync;
mod window;
