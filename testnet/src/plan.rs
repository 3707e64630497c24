//! What network to make: sizes, weights, schedule, ports.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;

/// Ports that each node takes from the base: peers, public HTTP, local HTTP, and room for more.
const PORTS_PER_NODE: u16 = 10;
/// Members of a committee at most, and as many as the ports above a usual base are enough for.
const MAX_NODES: usize = 512;

/// Where free ports are looked for: below those that systems give to outgoing connections.
const FREE_PORTS: Range<u16> = 12_000..32_700;

/// A network to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One weight a node.
    pub weights: Vec<u64>,
    /// Milliseconds from round to round; 0 is as fast as the network goes.
    pub period: u64,
    /// Rounds agreed together.
    pub window: u64,
    pub port_base: u16,
    /// Windows of an epoch; without, the node's default of about a day.
    pub epoch_windows: Option<u64>,
    /// Nodes that are no members and join later; their ports are kept for them.
    pub observers: usize,
}

impl Plan {
    /// Reads the numbers a user gave and refuses those that do not fit together.
    pub fn new(
        nodes: Option<usize>,
        weights: Option<Vec<u64>>,
        period: u64,
        window: u64,
        port_base: u16,
    ) -> Result<Plan, Failure> {
        let weights = match (nodes, weights) {
            (Some(nodes), Some(weights)) if nodes != weights.len() => {
                let what = format!("--nodes {nodes} with {} weights", weights.len());
                return Err(Failure::new(what, "give one weight a node, or leave --nodes out"));
            }
            (_, Some(weights)) => weights,
            (nodes, None) => vec![1; nodes.unwrap_or(4)],
        };
        if weights.is_empty() || weights.len() > MAX_NODES {
            let what = format!("a network of {} nodes", weights.len());
            return Err(Failure::new(what, format!("ask for 1 to {MAX_NODES}")));
        }
        let last = usize::from(port_base) + weights.len() * usize::from(PORTS_PER_NODE);
        if port_base < 1024 || last > usize::from(u16::MAX) {
            let what = format!("--port-base {port_base} puts {} nodes on ports {port_base} to {last}", weights.len());
            return Err(Failure::new(what, "choose a base from 1024 on that leaves ten ports a node below 65536"));
        }
        Ok(Plan { weights, period, window, port_base, epoch_windows: None, observers: 0 })
    }

    /// The same network with epochs of so many windows.
    pub fn with_epochs(self, epoch_windows: Option<u64>) -> Plan {
        Plan { epoch_windows, ..self }
    }

    /// The same network with room for so many observers.
    pub fn with_observers(self, observers: usize) -> Plan {
        Plan { observers, ..self }
    }

    /// Members and observers.
    pub fn places(&self) -> usize {
        self.nodes() + self.observers
    }

    /// Members.
    pub fn nodes(&self) -> usize {
        self.weights.len()
    }

    pub fn total_weight(&self) -> u64 {
        self.weights.iter().fold(0, |sum, weight| sum.saturating_add(*weight))
    }

    /// Whether a node has a third of the weight or more, which a genesis without the exemption refuses.
    pub fn needs_exemption(&self) -> bool {
        let total = self.total_weight();
        self.weights.iter().any(|weight| *weight > 0 && weight.saturating_mul(3) >= total)
    }

    pub fn endpoints(&self, node: usize) -> Endpoints {
        // `new` keeps the highest port within 16 bits.
        let base = self.port_base + u16::try_from(node).unwrap_or(u16::MAX) * PORTS_PER_NODE;
        Endpoints { peers: base, http: base + 1, local: base + 2 }
    }

    /// Refuses ports that somebody else listens on, by name.
    pub fn check_ports(&self) -> Result<(), Failure> {
        (0..self.places()).try_for_each(|node| self.endpoints(node).check(node))
    }

    /// The same plan on ports that are free now, for tests and benchmarks. No two calls of a process get, or even try, the
    /// same ports, unless it has gone through all of them.
    pub fn on_free_ports(mut self) -> Result<Plan, Failure> {
        static NEXT: Mutex<u16> = Mutex::new(0);
        let step = PORTS_PER_NODE * u16::try_from(self.places()).unwrap_or(u16::MAX / PORTS_PER_NODE);
        let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
        if *next == 0 {
            // Processes that look at the same time begin at different places.
            *next = FREE_PORTS.start + u16::try_from(std::process::id() % 400).unwrap_or(0) * 50;
        }
        for _ in 0..FREE_PORTS.len() / usize::from(step) {
            if *next >= FREE_PORTS.end.saturating_sub(step) {
                *next = FREE_PORTS.start;
            }
            self.port_base = *next;
            *next = next.saturating_add(step);
            if self.check_ports().is_ok() {
                return Ok(self);
            }
        }
        Err(Failure::new("no free ports for the network", "stop other networks on this machine"))
    }
}

/// Where one node listens, all on the loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// QUIC and TCP.
    pub peers: u16,
    pub http: u16,
    pub local: u16,
}

impl Endpoints {
    /// The addresses under which peers reach the node.
    pub fn multiaddrs(&self) -> [String; 2] {
        [format!("/ip4/127.0.0.1/udp/{}/quic-v1", self.peers), format!("/ip4/127.0.0.1/tcp/{}", self.peers)]
    }

    pub fn http_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.http).into()
    }

    pub fn local_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.local).into()
    }

    /// The base address of the public interface.
    pub fn url(&self) -> String {
        format!("http://{}", self.http_address())
    }

    fn check(&self, node: usize) -> Result<(), Failure> {
        let tcp = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop);
        let udp = |port: u16| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).map(drop);
        let uses = [
            (self.peers, "peers, UDP", udp(self.peers)),
            (self.peers, "peers, TCP", tcp(self.peers)),
            (self.http, "public HTTP", tcp(self.http)),
            (self.local, "local HTTP", tcp(self.local)),
        ];
        for (port, purpose, bound) in uses {
            bound.map_err(|error| {
                let what = format!("port {port} (node {node}, {purpose}) cannot be used: {error}");
                Failure::new(what, "stop what listens there, or choose another --port-base")
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(result: Result<impl std::fmt::Debug, Failure>, part: &str) {
        let said = result.unwrap_err().to_string();
        assert!(said.contains(part), "{said:?} lacks {part:?}");
    }

    #[test]
    fn numbers_that_do_not_fit_together_are_refused() {
        refused(Plan::new(Some(3), Some(vec![1, 2]), 3000, 1, 7700), "--nodes 3 with 2 weights");
        refused(Plan::new(Some(0), None, 3000, 1, 7700), "0 nodes");
        refused(Plan::new(Some(4), None, 3000, 1, 80), "--port-base 80");
        refused(Plan::new(Some(4), None, 3000, 1, 65_500), "65540");
        assert_eq!(Plan::new(None, Some(vec![30, 30, 25, 15]), 3000, 1, 7700).unwrap().nodes(), 4);
    }

    #[test]
    fn a_third_of_the_weight_needs_the_exemption() {
        let needs = |weights: &[u64]| Plan::new(None, Some(weights.to_vec()), 0, 1, 7700).unwrap().needs_exemption();
        assert!(needs(&[1]) && needs(&[1, 1]) && needs(&[1, 1, 1]) && needs(&[5, 5, 5]) && needs(&[2, 1, 1, 1]));
        assert!(!needs(&[1, 1, 1, 1]) && !needs(&[30, 30, 25, 15]));
    }

    #[test]
    fn a_port_in_use_is_named() {
        let plan = Plan::new(Some(4), None, 3000, 1, 7700).unwrap().on_free_ports().unwrap();
        let taken = plan.endpoints(2).local_address();
        let _listener = TcpListener::bind(taken).unwrap();
        refused(plan.check_ports(), &format!("port {} (node 2, local HTTP)", taken.port()));
    }

    /// While one network looks for ports, another must not find its own taken by the look.
    #[test]
    fn plans_of_one_process_never_share_a_port() {
        let free = |nodes| Plan::new(Some(nodes), None, 3000, 1, 7700).unwrap().on_free_ports().unwrap().port_base;
        let looks: Vec<_> = [4, 1, 4, 1].map(|nodes| std::thread::spawn(move || (nodes, free(nodes)))).into();
        let mut ports: Vec<_> = looks.into_iter().map(|look| look.join().unwrap()).collect();
        ports.sort_by_key(|(_, base)| *base);
        for pair in ports.windows(2) {
            let ((nodes, base), (_, next)) = (pair[0], pair[1]);
            assert!(base + nodes as u16 * PORTS_PER_NODE <= next || next == FREE_PORTS.start, "{ports:?}");
        }
    }
}
