//! Agreement: liveness under loss, delay and failure; safety across crashes; accusations; refusals.

mod crashes;
mod net;
mod network;
mod single;
