//! Both listeners on loopback sockets, over a real store filled with a small fabricated chain.

mod chain;
mod fixture;
mod health;
mod listen;
mod rounds;
mod stream;
