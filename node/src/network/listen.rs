//! Listening, and saying clearly why it fails.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use libp2p::core::multiaddr::Protocol;
use libp2p::{Multiaddr, Swarm};

use super::NetworkError;
use super::behaviour::Behaviour;

/// Reads a multiaddr from the configuration: a host, then a TCP port or a UDP port with QUIC.
pub(super) fn parse(address: &str) -> Result<Multiaddr, NetworkError> {
    let refuse = |reason: String| NetworkError::Address { address: address.to_owned(), reason };
    let parsed: Multiaddr =
        address.parse().map_err(|error: libp2p::core::multiaddr::Error| refuse(error.to_string()))?;
    usable(&parsed).then_some(parsed).ok_or_else(|| {
        refuse("expected a form like /ip4/127.0.0.1/tcp/9000 or /ip4/127.0.0.1/udp/9000/quic-v1".to_owned())
    })
}

/// Whether this node can dial an address or listen on it. It may end in a peer's name.
pub(super) fn usable(address: &Multiaddr) -> bool {
    let mut parts: Vec<Protocol> = address.iter().take(5).collect();
    if let Some(Protocol::P2p(_)) = parts.last() {
        parts.pop();
    }
    match &parts[..] {
        [host, Protocol::Tcp(_)] | [host, Protocol::Udp(_), Protocol::QuicV1] => matches!(
            host,
            Protocol::Ip4(_) | Protocol::Ip6(_) | Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)
        ),
        _ => false,
    }
}

/// Starts every listener, or names the address that cannot be had.
pub(super) fn listen_on_all(swarm: &mut Swarm<Behaviour>, addresses: &[Multiaddr]) -> Result<(), NetworkError> {
    for address in addresses {
        require_free_port(address)?;
        swarm
            .listen_on(address.clone())
            .map_err(|error| NetworkError::Listen { address: address.to_string(), reason: error.to_string() })?;
    }
    Ok(())
}

/// libp2p listens with `SO_REUSEPORT`, with which two programs of one user would silently share a
/// TCP port. A plain bind first finds the other program.
fn require_free_port(address: &Multiaddr) -> Result<(), NetworkError> {
    let attempt = match endpoint(address) {
        Some((socket, Transport::Tcp)) => TcpListener::bind(socket).map(std::mem::drop),
        Some((socket, Transport::Udp)) => UdpSocket::bind(socket).map(std::mem::drop),
        None => Ok(()),
    };
    match attempt {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Err(NetworkError::PortInUse { address: address.to_string() })
        }
        Err(error) => Err(NetworkError::Listen { address: address.to_string(), reason: error.to_string() }),
    }
}

enum Transport {
    Tcp,
    Udp,
}

/// The socket address of a multiaddr with a fixed port.
fn endpoint(address: &Multiaddr) -> Option<(SocketAddr, Transport)> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) if port != 0 => Some((SocketAddr::new(ip, port), Transport::Tcp)),
        Protocol::Udp(port) if port != 0 => Some((SocketAddr::new(ip, port), Transport::Udp)),
        _ => None,
    }
}

/// The IP address of a remote, for limits per host.
pub(super) fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    }
}
