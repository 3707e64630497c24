//! A running network: its nodes, and the acts on them that a supervisor carries out.

use crate::binaries::Binaries;
use crate::ceremony;
use crate::failure::Failure;
use crate::home::{Home, State};
use crate::node::Node;
use crate::plan::Plan;
use futures::future::join_all;

/// The nodes of one home, supervised by this process.
#[derive(Debug)]
pub struct Network {
    pub plan: Plan,
    pub chain: String,
    pub nodes: Vec<Node>,
    pub home: Home,
    pub binaries: Binaries,
}

impl Network {
    /// Holds the ceremony; starts nothing.
    pub async fn make(plan: Plan, home: Home, binaries: Binaries) -> Result<Network, Failure> {
        plan.check_ports()?;
        let outcome = ceremony::hold(&binaries.node, &plan, &home).await?;
        Ok(Network { plan, chain: outcome.chain, nodes: outcome.nodes, home, binaries })
    }

    /// Starts every node.
    pub fn start(&mut self) -> Result<(), Failure> {
        for node in &mut self.nodes {
            node.start(&self.binaries.node, false)?;
        }
        self.save()
    }

    /// Makes the next observer of the plan, which joins by the chain hash and one member's address; starts nothing.
    pub async fn join(&mut self, peer: usize) -> Result<(), Failure> {
        let index = self.nodes.len();
        let (own, home, log) = (self.plan.endpoints(index), self.home.node(index), self.home.log(index));
        let [_, peer] = self.node(peer)?.endpoints.multiaddrs();
        let report = ceremony::join(&self.binaries.node, home.clone(), own, &peer, &self.chain, &[]).await?;
        self.nodes.push(Node::new(index, ceremony::text(&report, "identity")?, 0, own, home, log));
        self.save()
    }

    /// SIGKILL for one node.
    pub async fn kill(&mut self, node: usize) -> Result<(), Failure> {
        self.node(node)?.kill().await?;
        self.save()
    }

    /// SIGTERM for one node.
    pub async fn stop(&mut self, node: usize) -> Result<(), Failure> {
        let stopped = self.node(node)?.stop().await;
        self.save()?;
        stopped
    }

    /// Stops the node if it runs, and starts it again: with its openings withheld, or honest.
    pub async fn restart(&mut self, node: usize, withhold: bool) -> Result<(), Failure> {
        let program = self.binaries.node.clone();
        let found = self.node(node)?;
        if found.runs() {
            found.stop().await?;
        }
        found.start(&program, withhold)?;
        self.save()
    }

    /// Stops every node that runs, all at once. The first failure is told when all have ended.
    pub async fn stop_all(&mut self) -> Result<(), Failure> {
        let running = self.nodes.iter_mut().filter(|node| node.runs());
        let ends = join_all(running.map(Node::stop)).await;
        self.save()?;
        ends.into_iter().collect()
    }

    /// Nodes that ended by themselves since the last call, with what they left in their logs.
    pub fn ended(&mut self) -> Result<Vec<(usize, Failure)>, Failure> {
        let mut ended = Vec::new();
        for node in &mut self.nodes {
            if let Some(status) = node.ended() {
                ended.push((
                    node.index,
                    Failure::new(format!("node {} ended by itself: {status}", node.index), node.tail()),
                ));
            }
        }
        if !ended.is_empty() {
            self.save()?;
        }
        Ok(ended)
    }

    pub fn state(&self) -> State {
        State {
            supervisor: std::process::id(),
            chain: self.chain.clone(),
            period: self.plan.period,
            window: self.plan.window,
            total_weight: self.plan.total_weight(),
            nodes: self.nodes.iter().map(Node::state).collect(),
        }
    }

    fn save(&self) -> Result<(), Failure> {
        self.home.write_state(&self.state())
    }

    fn node(&mut self, node: usize) -> Result<&mut Node, Failure> {
        let count = self.nodes.len();
        let what = format!("there is no node {node}");
        self.nodes.get_mut(node).ok_or_else(|| Failure::new(what, format!("nodes are 0 to {}", count - 1)))
    }
}
