//! Real nodes as a stage: processes on the loopback, watched by subscribers.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use beacon_client::source::http::HttpSource;
use beacon_client::source::{Request, Source};
use beacon_spec::chain::{TRANSCRIPT_LIMITS, Transcript};
use beacon_spec::codec::decode;
use beacon_spec::genesis::Genesis;
use beacon_spec::hash::Digest32;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::file::Scenario;
use super::memory::is_recovered;
use super::play::{Report, Sight, Stage, play};
use super::preload;
use super::step::{Act, Clock, On};
use crate::audit;
use crate::binaries::Binaries;
use crate::failure::Failure;
use crate::home::Home;
use crate::network::Network;
use crate::plan::Plan;
use crate::watch::{View, Watchers};

/// How often it is looked whether a node has ended.
const LOOK: Duration = Duration::from_millis(250);
const FETCH_PATIENCE: Duration = Duration::from_secs(20);
/// The ports of scenarios begin here or, if they are taken, above.
const PORT_BASE: u16 = 7700;

/// A network that runs, with a subscriber at each node.
pub struct Processes {
    pub network: Network,
    pub view: View,
    pub watchers: Watchers,
    frozen: Vec<usize>,
    began: Instant,
}

impl Processes {
    /// Makes the network of a scenario in `home`, on free ports, and starts its members.
    pub async fn start(scenario: &Scenario, home: Home) -> Result<Processes, Failure> {
        let wanted = &scenario.network;
        let plan = Plan::new(None, Some(wanted.weights.clone()), wanted.period, wanted.window, PORT_BASE)?
            .with_epochs(Some(wanted.epoch_windows))
            .with_observers(wanted.observers)
            .on_free_ports()?;
        let places = plan.places();
        let urls: Vec<String> = (0..places).map(|node| plan.endpoints(node).url()).collect();
        let view = View::new(places, plan.period);
        let mut network = Network::make(plan, home, Binaries::beside()?).await?;
        if (0..places).any(|node| scenario.sets_clock_of(node)) {
            let library = preload::library(network.home.path(), "skewed_clock", preload::SKEWED_CLOCK).await?;
            for node in (0..network.nodes.len()).filter(|node| scenario.sets_clock_of(*node)) {
                let file = clock_file(&network, node);
                let variables = [("LD_PRELOAD", library.clone()), ("CLOCK_SKEW_FILE", file)];
                let variables = variables.map(|(name, value)| (name.to_owned(), value.into()));
                network.nodes[node].environment.extend(variables);
            }
        }
        network.start()?;
        Ok(Processes { network, view, watchers: Watchers::start(urls)?, frozen: Vec::new(), began: Instant::now() })
    }

    /// Plays the scenario for which this network was made. The network goes on.
    pub async fn play(&mut self, scenario: &Scenario) -> Report {
        play(scenario, On::Processes, self).await
    }

    /// Stops the nodes; what their logs and databases tell of what should not be.
    pub async fn stop(&mut self) -> Result<Vec<String>, Failure> {
        for node in std::mem::take(&mut self.frozen) {
            self.network.nodes[node].thaw()?;
        }
        let mut wrong: Vec<String> = self.network.stop_all().await.err().iter().map(Failure::to_string).collect();
        for node in &self.network.nodes {
            wrong.extend(audit::accusations(node)?);
            wrong.extend(audit::database(&self.network.binaries.node, node).await?);
        }
        Ok(wrong)
    }

    /// The nodes that run and are not frozen.
    fn lively(&self) -> Vec<usize> {
        let nodes = self.network.nodes.iter().filter(|node| node.runs()).map(|node| node.index);
        nodes.filter(|node| !self.frozen.contains(node)).collect()
    }

    fn urls(&self) -> Vec<String> {
        self.lively().into_iter().map(|node| self.network.nodes[node].endpoints.url()).collect()
    }

    fn chain(&self) -> Result<Digest32, Failure> {
        let refused = |reason| Failure::new(format!("no chain hash: {reason}"), "look at the network's state");
        Digest32::from_hex(&self.network.chain).map_err(refused)
    }

    /// A node that is down, member or observer; the latter joins when it is started for the first time.
    async fn start_node(&mut self, node: usize) -> Result<(), Failure> {
        while self.network.nodes.len() <= node {
            let Some(peer) = self.lively().first().copied() else {
                return Err(Failure::new("no node runs that an observer could join by", "start a member before"));
            };
            self.network.join(peer).await?;
        }
        self.network.restart(node, false).await
    }

    fn set_clock(&mut self, clock: Clock) -> Result<(), Failure> {
        let path = clock_file(&self.network, clock.node);
        let draft = path.with_extension("new");
        // The node reads it at any moment, so it is replaced as a whole.
        let written = fs::write(&draft, clock.skew.to_string()).and_then(|()| fs::rename(&draft, &path));
        written.map_err(|error| Failure::file("write", &path, &error))
    }

    fn nobody_ended(&mut self) -> Result<(), Failure> {
        match self.network.ended()?.into_iter().next() {
            Some((_, failure)) => Err(Failure::new(failure.to_string(), "look at its log")),
            None => Ok(()),
        }
    }
}

fn clock_file(network: &Network, node: usize) -> PathBuf {
    network.home.join(format!("clock-{node}"))
}

impl Stage for Processes {
    fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn sight(&self) -> Sight {
        let header = self.view.newest().map(|beacon| &beacon.header);
        Sight {
            heads: self.view.nodes.iter().map(|seen| seen.round()).collect(),
            epoch: header.map_or(0, |header| header.epoch),
            contributors: header.map_or(0, |header| header.contributors.into()),
        }
    }

    async fn act(&mut self, act: &Act) -> Result<(), Failure> {
        for node in act.nodes().iter().copied() {
            match act {
                Act::Kill(_) => self.network.kill(node).await?,
                Act::Stop(_) => self.network.stop(node).await?,
                Act::Start(_) => self.start_node(node).await?,
                Act::Withhold(_) => self.network.restart(node, true).await?,
                Act::Freeze(_) => {
                    self.network.nodes[node].freeze()?;
                    self.frozen.push(node);
                }
                Act::Thaw(_) => {
                    self.network.nodes[node].thaw()?;
                    self.frozen.retain(|frozen| *frozen != node);
                }
                Act::Clock(clock) => self.set_clock(*clock)?,
                Act::PowerCut(_) | Act::Partition(_) | Act::Heal | Act::Faults(_) => {}
            }
        }
        match act.only_simulated() {
            Some(reason) => Err(Failure::new(reason, "play the scenario on sim")),
            None => Ok(()),
        }
    }

    async fn pass(&mut self, time: u64, done: &dyn Fn(&Sight) -> bool) -> Result<bool, Failure> {
        let end = Instant::now() + Duration::from_millis(time);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !done(&self.sight()) {
            tokio::select! {
                sighting = self.watchers.next() => drop(self.view.note(sighting)),
                _ = look.tick() => self.nobody_ended()?,
                () = sleep_until(end) => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn recovered(&mut self, node: usize) -> Result<u64, Failure> {
        let path = self.network.home.join("genesis.bin");
        let bytes = fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
        let refused = |reason: String| Failure::new(reason, "look at the nodes' logs");
        let (_, committee) =
            Genesis::open(&bytes, &self.chain()?).map_err(|reason| refused(format!("the genesis: {reason}")))?;
        let identity = &self.network.nodes[node].identity;
        let index = committee.members().iter().position(|member| member.identity.to_string() == *identity);
        let index = index.and_then(|index| u16::try_from(index).ok());
        let Some(url) = self.urls().into_iter().next() else { return Err(refused("no node runs".into())) };
        let source = HttpSource::new(&url, FETCH_PATIENCE).map_err(refused)?;
        let mut found = 0;
        for round in 1..=self.sight().newest() {
            let fetched = source.fetch(Request::Transcript(round), TRANSCRIPT_LIMITS.max_bytes).await;
            let bytes = fetched.map_err(|fault| refused(format!("transcript {round}: {fault}")))?;
            let transcript: Transcript = decode(&bytes, &TRANSCRIPT_LIMITS)
                .map_err(|reason| refused(format!("transcript {round}: {reason}")))?;
            found += u64::from(is_recovered(&transcript, index));
        }
        Ok(found)
    }

    async fn conclude(&mut self) -> Vec<String> {
        let mut wrong: Vec<String> =
            self.nobody_ended().err().iter().map(|failure| failure.what().to_owned()).collect();
        let lively = self.lively();
        let common = lively.iter().map(|node| self.view.nodes[*node].round()).min().unwrap_or(0);
        match self.chain() {
            Ok(chain) => {
                let agreement = audit::compare(&self.urls(), chain, common).await;
                let failures = agreement.failures.into_iter();
                wrong.extend(failures.map(|(index, reason)| format!("node {}: {reason}", lively[index])));
            }
            Err(failure) => wrong.push(failure.what().to_owned()),
        }
        if self.view.disagreements > 0 {
            wrong.push(format!("{} served headers differ from another node's", self.view.disagreements));
        }
        wrong
    }
}
