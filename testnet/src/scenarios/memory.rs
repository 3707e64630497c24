//! The simulator as a stage: engines in memory, virtual time, and every checker on.

use std::collections::BTreeSet;

use beacon_spec::chain::{Revealed, Transcript};

use super::file::Scenario;
use super::play::{Report, Sight, Stage, play};
use super::step::{Act, Clock, On};
use crate::failure::Failure;
use crate::sim::chaos::{Chaos, Fault, TABLE};
use crate::sim::trace::Trace;
use crate::sim::{Net, Setup};

/// A simulated network whose nodes are known by their numbers in a file.
struct Memory {
    net: Net,
    /// Where each node of the file stands: members are in the order of their identities.
    places: Vec<usize>,
    began: u64,
}

/// Plays a scenario in the simulator; with the readable trace if that is asked for. The same seed gives the same trace.
pub async fn simulate(scenario: &Scenario, seed: u64, readable: bool) -> (Report, String) {
    let mut stage = Memory::start(scenario, seed, readable);
    let report = play(scenario, On::Sim, &mut stage).await;
    let Memory { net, .. } = stage;
    (Report { seed: Some(seed), trace: Some(net.trace.hash()), ..report }, net.trace.lines().to_owned())
}

impl Memory {
    fn start(scenario: &Scenario, seed: u64, readable: bool) -> Memory {
        let plan = &scenario.network;
        let setup = Setup {
            weights: plan.weights.clone(),
            period: plan.period,
            window: plan.window,
            epoch_windows: plan.epoch_windows,
            keys: seed,
        };
        let mut net = Net::new(&setup);
        net.record = false;
        net.checks.on = true;
        net.chaos = Chaos::quiet(seed);
        if readable {
            net.trace = Trace::readable();
        }
        let place = |member: usize| {
            let identity = setup.identity(member as u64).identity();
            net.nodes.iter().position(|node| node.config.identity == identity)
        };
        let mut places: Vec<usize> = (0..plan.weights.len()).filter_map(place).collect();
        for member in &places {
            net.start(*member);
        }
        places.extend((0..plan.observers).map(|_| net.add_observer()));
        Memory { began: net.now, net, places }
    }

    /// What the checkers found, or an engine that stopped.
    fn broken(&self) -> Result<(), Failure> {
        let halted = self.places.iter().enumerate().find_map(|(node, place)| {
            let halt = self.net.nodes[*place].halted.as_ref()?;
            Some(format!("node {node} halted: {halt:?}"))
        });
        let violation = self.net.checks.violations.first();
        let violation = violation.map(|found| format!("a promise is broken: {}: {}", found.checker, found.what));
        match violation.or(halted) {
            Some(what) => Err(Failure::new(what, "look at the trace")),
            None => Ok(()),
        }
    }

    fn cut_power(&mut self, place: usize) {
        let faults = [Fault::LostWrites, Fault::TornWrite];
        let before = faults.map(|fault| self.net.chaos.set(fault, 1_000_000));
        self.net.crash(place);
        for (fault, rate) in faults.into_iter().zip(before) {
            self.net.chaos.set(fault, rate);
        }
    }

    fn withhold(&mut self, place: usize, withhold: bool) {
        self.net.nodes[place].config.unsafe_withhold_openings = withhold;
    }
}

impl Stage for Memory {
    fn elapsed(&self) -> u64 {
        self.net.now.saturating_sub(self.began)
    }

    fn sight(&self) -> Sight {
        let newest = |place: &usize| self.net.nodes[*place].written.rounds.last_key_value();
        let latest = self.places.iter().filter_map(newest).max_by_key(|(round, _)| **round);
        let header = latest.map(|(_, beacon)| &beacon.header);
        Sight {
            heads: self.places.iter().map(|place| newest(place).map_or(0, |(round, _)| *round)).collect(),
            epoch: header.map_or(0, |header| header.epoch),
            contributors: header.map_or(0, |header| header.contributors.into()),
        }
    }

    async fn act(&mut self, act: &Act) -> Result<(), Failure> {
        let nodes: Vec<usize> = act.nodes().iter().map(|node| self.places[*node]).collect();
        for place in nodes {
            match act {
                Act::Kill(_) | Act::Stop(_) => self.net.crash(place),
                Act::PowerCut(_) => self.cut_power(place),
                Act::Start(_) => {
                    self.withhold(place, false);
                    self.net.start(place);
                }
                Act::Withhold(_) => {
                    self.net.crash(place);
                    self.withhold(place, true);
                    self.net.start(place);
                }
                Act::Freeze(_) => self.net.freeze(place),
                Act::Thaw(_) => self.net.thaw(place),
                Act::Clock(Clock { skew, .. }) => self.net.set_clock(place, *skew),
                Act::Partition(_) | Act::Heal | Act::Faults(_) => {}
            }
        }
        match act {
            Act::Partition(groups) => {
                let mut group_of = vec![0; self.net.nodes.len()];
                for (group, node) in
                    (0..).zip(groups).flat_map(|(group, nodes)| nodes.iter().map(move |node| (group, node)))
                {
                    group_of[self.places[*node]] = group;
                }
                self.net.partition(group_of, u64::MAX);
            }
            Act::Heal => self.net.chaos.partition = None,
            Act::Faults(rates) => {
                for line in &TABLE {
                    let rate = rates.iter().find(|(fault, _)| *fault == line.fault).map_or(0, |(_, rate)| *rate);
                    self.net.chaos.set(line.fault, rate);
                }
            }
            _ => {}
        }
        self.broken()
    }

    async fn pass(&mut self, time: u64, done: &dyn Fn(&Sight) -> bool) -> Result<bool, Failure> {
        let end = self.net.now + time;
        loop {
            self.broken()?;
            if done(&self.sight()) {
                return Ok(true);
            }
            if !self.net.advance_before(end) {
                return Ok(false);
            }
        }
    }

    async fn recovered(&mut self, node: usize) -> Result<u64, Failure> {
        let member = self.places[node];
        let identity = self.net.nodes[member].config.identity;
        let committees = &self.net.committees;
        let recovered = |transcript: &&Transcript| {
            let committee = committees.get(&self.net.schedule.epoch_of(transcript.round));
            let index = committee.and_then(|committee| committee.signers().index_of(&identity));
            is_recovered(transcript, index)
        };
        let kept = self.places.iter().flat_map(|place| self.net.nodes[*place].written.transcripts.values());
        let rounds: BTreeSet<u64> = kept.filter(recovered).map(|transcript| transcript.round).collect();
        Ok(rounds.len() as u64)
    }

    async fn conclude(&mut self) -> Vec<String> {
        self.net.look();
        self.broken().err().map(|failure| failure.what().to_owned()).into_iter().collect()
    }
}

/// Whether the dealing of the member at `index` was completed by recovery.
pub(super) fn is_recovered(transcript: &Transcript, index: Option<u16>) -> bool {
    let recovered = |revealed: &Revealed| matches!(revealed, Revealed::Recovered(_));
    transcript.contributions.iter().any(|found| Some(found.member) == index && recovered(&found.revealed))
}
