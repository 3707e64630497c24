//! How long a datagram takes to come back over the loopback.

use super::timed::Timed;
use crate::source::{Category, Info, Source, SourceError};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

static INFO: Info = Info {
    name: "udp-loopback",
    description: "a datagram sent to oneself over 127.0.0.1",
    physics: "the kernel's network stack, soft interrupts, allocation",
    category: Category::Network,
    requirements: "a loopback interface",
    samples_per_second: 110_000,
    burst: 64,
    sample_bytes: 4,
};

fn open() -> Result<UdpSocket, SourceError> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    // Connected to itself it hears nobody else.
    socket.connect(socket.local_addr()?)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    Ok(socket)
}

fn operate(socket: &mut UdpSocket) -> Result<(), SourceError> {
    socket.send(&[1])?;
    socket.recv(&mut [0u8; 1])?;
    Ok(())
}

#[must_use]
pub fn udp_loopback() -> Box<dyn Source> {
    Timed::boxed(&INFO, open, operate)
}
