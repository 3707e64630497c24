//! Both listeners on loopback sockets, over a real store filled with a small fabricated chain.

mod chain;
mod drand;
mod evidence;
mod fixture;
mod health;
mod listen;
mod local;
mod nist;
mod rounds;
mod stream;
