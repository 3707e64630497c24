//! The dealing: DHPVSS over ristretto255, with the secret as position 0.
//!
//! Cascudo, David, Garms, Konring, "YOLO YOSO: Fast and Simple Encryption and Secret Sharing in the YOSO Model",
//! ASIACRYPT 2022, ePrint 2022/242. The chapter `specs/pvss.md` gives the equations, the rules [pvss-1] to [pvss-13]
//! and why each is there. Nothing here draws randomness: a dealing follows from its seed, a batch from its coin.
//!
//! Read `ticket` (keys), `dealing` (what travels), `deal` (the dealer), `verify` (everybody), `share` (the holders).

mod deal;
mod dealing;
mod group;
mod polynomial;
mod share;
mod ticket;
mod verify;

pub use deal::{OpeningKey, deal, opening_key};
pub use dealing::{Dealing, DealingContext, Secret, VerifiedDealing};
pub use share::{Share, open, recover, share, verify_share};
pub use ticket::{MAX_TICKETS, TicketProof, TicketSecret, TicketSet, prove_possession, verify_possession};
pub use verify::{verify, verify_batch};
