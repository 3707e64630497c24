//! How long others take to answer over a network. Off unless hosts are configured, and only
//! those hosts are contacted. Whoever watches the wire sees most of the timing, so both are
//! credited nothing.

use crate::clock;
use crate::source::{Availability, Category, Info, Samples, Source, SourceError};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

static DNS: Info = Info {
    name: "dns",
    description: "answer time of configured DNS servers",
    physics: "queues in routers and servers",
    category: Category::Network,
    requirements: "configured servers",
    samples_per_second: 50,
    burst: 1,
    sample_bytes: 4,
};

static TCP: Info = Info {
    name: "tcp",
    description: "connection time of configured hosts",
    physics: "queues in routers and servers",
    category: Category::Network,
    requirements: "configured hosts",
    samples_per_second: 50,
    burst: 1,
    sample_bytes: 4,
};

/// One host is waited for at most this long.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A query for the name servers of the root, without recursion wanted.
const QUERY: [u8; 17] = [0x62, 0x65, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];

#[derive(Clone, Copy, Debug)]
enum Kind {
    Dns,
    Tcp,
}

/// Times hosts in turn.
#[derive(Debug)]
pub struct Network {
    kind: Kind,
    hosts: Vec<SocketAddr>,
    turn: usize,
}

impl Network {
    /// DNS servers, usually with port 53.
    #[must_use]
    pub fn dns(hosts: Vec<SocketAddr>) -> Network {
        Network { kind: Kind::Dns, hosts, turn: 0 }
    }

    /// Any hosts that accept connections.
    #[must_use]
    pub fn tcp(hosts: Vec<SocketAddr>) -> Network {
        Network { kind: Kind::Tcp, hosts, turn: 0 }
    }

    fn ask(&self, host: SocketAddr) -> Result<(), SourceError> {
        match self.kind {
            Kind::Dns => {
                let local: SocketAddr = match host {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(local)?;
                socket.connect(host)?;
                socket.set_read_timeout(Some(TIMEOUT))?;
                socket.send(&QUERY)?;
                socket.recv(&mut [0u8; 512])?;
            }
            Kind::Tcp => drop(TcpStream::connect_timeout(&host, TIMEOUT)?),
        }
        Ok(())
    }
}

impl Source for Network {
    fn info(&self) -> &'static Info {
        match self.kind {
            Kind::Dns => &DNS,
            Kind::Tcp => &TCP,
        }
    }

    fn availability(&self) -> Availability {
        if self.hosts.is_empty() {
            Availability::Off("no hosts are configured".into())
        } else {
            Availability::Available
        }
    }

    fn clock_step(&self) -> u64 {
        clock::step()
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        for _ in 0..count {
            let host = self.hosts.get(self.turn % self.hosts.len().max(1));
            let host = *host.ok_or_else(|| SourceError::Absent("no hosts are configured".into()))?;
            self.turn = self.turn.wrapping_add(1);
            let start = clock::now();
            self.ask(host)?;
            out.push(clock::now().saturating_sub(start));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_asked_only_when_configured() {
        for mut source in [Network::dns(vec![]), Network::tcp(vec![])] {
            assert!(matches!(source.availability(), Availability::Off(_)));
            assert!(source.collect(&mut Samples::default(), 1).is_err());
        }
    }

    #[test]
    fn both_time_a_host_on_the_loopback() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut tcp = Network::tcp(vec![listener.local_addr().expect("an address")]);
        let mut out = Samples::default();
        tcp.collect(&mut out, 2).expect("two connections");

        let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let mut dns = Network::dns(vec![server.local_addr().expect("an address")]);
        let answering = std::thread::spawn(move || {
            let mut query = [0u8; 64];
            let (length, from) = server.recv_from(&mut query).expect("a query");
            server.send_to(&query[..length], from).expect("answered");
            query[..length].to_vec()
        });
        dns.collect(&mut out, 1).expect("one answer");
        assert_eq!(answering.join().expect("no panic"), QUERY);
        assert_eq!(out.len(), 3);
    }
}
