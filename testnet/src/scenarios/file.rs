//! Reading a scenario: the file's keys, and everything that is refused before anything is played.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::step::{Act, Clock, Expectation, On, Step, What, When};
use crate::failure::Failure;
use crate::sim::chaos::{Fault, TABLE};

/// Nodes of a scenario at most, observers included.
const MOST_NODES: usize = 64;
const GUIDE: &str = "`beacon-testnet scenario run --help` explains every key";

/// A scenario that can be played.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: String,
    pub description: String,
    /// Where it can be played.
    pub on: BTreeSet<On>,
    pub network: Network,
    pub steps: Vec<Step>,
}

/// The network of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// One weight a member; they run from the beginning.
    pub weights: Vec<u64>,
    /// Milliseconds from round to round.
    pub period: u64,
    /// Rounds agreed together.
    #[serde(default = "one")]
    pub window: u64,
    /// Windows of an epoch.
    #[serde(default = "thousand")]
    pub epoch_windows: u64,
    /// Nodes that are no members; each is down until a step starts it.
    #[serde(default)]
    pub observers: usize,
}

fn one() -> u64 {
    1
}

fn thousand() -> u64 {
    1_000
}

impl Network {
    pub fn nodes(&self) -> usize {
        self.weights.len() + self.observers
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    description: String,
    #[serde(default = "everywhere")]
    on: Vec<On>,
    network: Network,
    step: Vec<StepText>,
}

fn everywhere() -> Vec<On> {
    vec![On::Sim, On::Processes]
}

/// A step as it is written: a time if it has one, and one thing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepText {
    round: Option<u64>,
    wait: Option<u64>,
    kill: Option<Vec<usize>>,
    power_cut: Option<Vec<usize>>,
    stop: Option<Vec<usize>>,
    start: Option<Vec<usize>>,
    withhold: Option<Vec<usize>>,
    freeze: Option<Vec<usize>>,
    thaw: Option<Vec<usize>>,
    clock: Option<Clock>,
    partition: Option<Vec<Vec<usize>>>,
    heal: Option<bool>,
    faults: Option<BTreeMap<String, f64>>,
    certify: Option<Certify>,
    stall: Option<Stall>,
    contributors: Option<Contributors>,
    epoch: Option<Epoch>,
    recovered: Option<Recovered>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Certify {
    rounds: u64,
    by: Option<Vec<usize>>,
    within: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stall {
    after: u64,
    lasting: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contributors {
    least: u64,
    within: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    number: u64,
    within: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recovered {
    node: usize,
    rounds: u64,
}

/// What is wrong with a file: the key with its value, and what to write instead.
type Refusal = (String, String);

fn refuse<T>(what: impl Into<String>, remedy: impl Into<String>) -> Result<T, Refusal> {
    Err((what.into(), remedy.into()))
}

impl Scenario {
    /// Reads the scenario in a file.
    pub fn open(path: &Path) -> Result<Scenario, Failure> {
        let text = fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
        let scenario = Scenario::parse(&text)
            .map_err(|(what, remedy)| Failure::new(format!("{}: {what}", path.display()), remedy))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if stem != scenario.name {
            let what = format!("{}: name = {:?} is not the name of the file", path.display(), scenario.name);
            return Err(Failure::new(what, format!("write name = {stem:?}, or rename the file")));
        }
        Ok(scenario)
    }

    fn parse(text: &str) -> Result<Scenario, Refusal> {
        let text: Text =
            toml::from_str(text).map_err(|error| (error.to_string().trim().to_owned(), GUIDE.to_owned()))?;
        check_network(&text.network)?;
        let on = BTreeSet::from_iter(text.on);
        if on.is_empty() {
            return refuse("on = [] plays it nowhere", "write on = [\"sim\", \"processes\"], or leave it out");
        }
        let mut nodes = Nodes::new(&text.network);
        let mut steps = Vec::new();
        for (number, step) in (1..).zip(text.step) {
            let step =
                step.read(&mut nodes, &on).map_err(|(what, remedy)| (format!("step {number}: {what}"), remedy))?;
            steps.push(step);
        }
        if !steps.iter().any(|step| matches!(step.what, What::Expect(_))) {
            return refuse("no step expects anything", "add one, such as certify = { rounds = 5, within = 20_000 }");
        }
        Ok(Scenario { name: text.name, description: text.description, on, network: text.network, steps })
    }

    /// Whether a step sets the node's clock.
    pub fn sets_clock_of(&self, node: usize) -> bool {
        self.steps.iter().any(|step| matches!(&step.what, What::Do(Act::Clock(clock)) if clock.node == node))
    }
}

fn check_network(network: &Network) -> Result<(), Refusal> {
    let Network { weights, window, epoch_windows, .. } = network;
    if weights.is_empty() || network.nodes() > MOST_NODES {
        let what = format!("network: {} weights and {} observers", weights.len(), network.observers);
        return refuse(what, format!("give one weight or more, and {MOST_NODES} nodes at most"));
    }
    if let Some(weight) = weights.iter().find(|weight| !(1..=1_000_000).contains(*weight)) {
        return refuse(format!("network: a weight of {weight}"), "give weights from 1 to 1000000");
    }
    if !(1..=64).contains(window) {
        return refuse(format!("network: window = {window}"), "choose 1 to 64 rounds");
    }
    if *epoch_windows < 4 {
        return refuse(format!("network: epoch_windows = {epoch_windows}"), "choose 4 or more");
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Down,
    Up,
    Frozen,
}

/// How the nodes stand between two steps.
struct Nodes {
    states: Vec<State>,
    members: usize,
}

impl Nodes {
    fn new(network: &Network) -> Nodes {
        let members = network.weights.len();
        let state = |node| if node < members { State::Up } else { State::Down };
        Nodes { states: (0..network.nodes()).map(state).collect(), members }
    }

    fn running(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|node| self.states[*node] == State::Up).collect()
    }

    /// Refuses nodes that are none, or twice there.
    fn check(&self, key: &str, nodes: &[usize]) -> Result<(), Refusal> {
        if nodes.is_empty() {
            return refuse(format!("{key} names no node"), "name one or more, such as [0, 2]");
        }
        for (index, node) in nodes.iter().enumerate() {
            if *node >= self.states.len() {
                let remedy = format!("nodes are 0 to {}: members first, then observers", self.states.len() - 1);
                return refuse(format!("{key}: there is no node {node}"), remedy);
            }
            if nodes[..index].contains(node) {
                return refuse(format!("{key} names node {node} twice"), "name it once");
            }
        }
        Ok(())
    }

    /// Does an act to nodes that must stand as `from` says.
    fn turn(&mut self, act: &Act, from: State, to: State) -> Result<(), Refusal> {
        self.check(act.key(), act.nodes())?;
        for node in act.nodes() {
            if self.states[*node] != from {
                let (is, remedy) = match self.states[*node] {
                    State::Down => ("is down then", "start it in a step before"),
                    State::Up => ("runs then", "stop, kill or freeze it in a step before"),
                    State::Frozen => ("is frozen then", "thaw it in a step before"),
                };
                return refuse(format!("{} = {:?}: node {node} {is}", act.key(), act.nodes()), remedy);
            }
            self.states[*node] = to;
        }
        Ok(())
    }

    fn apply(&mut self, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::Kill(_) | Act::PowerCut(_) | Act::Stop(_) => self.turn(act, State::Up, State::Down),
            Act::Start(_) => self.turn(act, State::Down, State::Up),
            Act::Freeze(_) => self.turn(act, State::Up, State::Frozen),
            Act::Thaw(_) => self.turn(act, State::Frozen, State::Up),
            Act::Withhold(nodes) => {
                if let Some(node) = nodes.iter().find(|node| (self.members..self.states.len()).contains(*node)) {
                    let what = format!("withhold: node {node} is an observer and opens nothing");
                    return refuse(what, format!("members are 0 to {}", self.members - 1));
                }
                self.turn(act, State::Up, State::Up)
            }
            Act::Clock(_) => self.check("clock", act.nodes()),
            Act::Partition(groups) => self.divide(groups),
            Act::Heal | Act::Faults(_) => Ok(()),
        }
    }

    fn divide(&self, groups: &[Vec<usize>]) -> Result<(), Refusal> {
        let all = groups.concat();
        self.check("partition", &all)?;
        match (0..self.states.len()).find(|node| !all.contains(node)) {
            Some(node) => refuse(format!("partition leaves node {node} out"), "put every node into one group"),
            None => Ok(()),
        }
    }

    /// The nodes that an expectation is about: those named, or all that run.
    fn named_or_running(&self, named: Option<Vec<usize>>) -> Result<Vec<usize>, Refusal> {
        let Some(named) = named else { return Ok(self.running()) };
        self.check("certify by", &named)?;
        match named.iter().find(|node| self.states[**node] != State::Up) {
            Some(node) => refuse(format!("certify by = {named:?}: node {node} does not run then"), "leave it out"),
            None => Ok(named),
        }
    }
}

impl StepText {
    fn read(self, nodes: &mut Nodes, on: &BTreeSet<On>) -> Result<Step, Refusal> {
        let when = match (self.round, self.wait) {
            (None, None) => When::AtOnce,
            (Some(round), None) => When::Round(round),
            (None, Some(wait)) => When::Wait(wait),
            (Some(round), Some(wait)) => {
                return refuse(format!("round = {round} and wait = {wait}"), "keep one of them");
            }
        };
        let mut whats = self.whats(nodes)?;
        let (Some(what), None) = (whats.pop(), whats.first()) else {
            return refuse(
                "it has no act and no expectation, or several",
                "give each step one; steps without a time follow at once",
            );
        };
        if let What::Do(act) = &what {
            if let Some(reason) = act.only_simulated().filter(|_| on.contains(&On::Processes)) {
                let what = format!("{} cannot be done to processes: {reason}", act.key());
                return refuse(what, "write on = [\"sim\"] at the head of the file");
            }
            nodes.apply(act)?;
        }
        Ok(Step { when, what })
    }

    fn whats(self, nodes: &Nodes) -> Result<Vec<What>, Refusal> {
        let heal = match self.heal {
            Some(false) => return refuse("heal = false says nothing", "write heal = true"),
            other => other.map(|_| Act::Heal),
        };
        let faults = self.faults.map(|rates| read_faults(&rates)).transpose()?;
        let acts = [
            self.kill.map(Act::Kill),
            self.power_cut.map(Act::PowerCut),
            self.stop.map(Act::Stop),
            self.start.map(Act::Start),
            self.withhold.map(Act::Withhold),
            self.freeze.map(Act::Freeze),
            self.thaw.map(Act::Thaw),
            self.clock.map(Act::Clock),
            self.partition.map(Act::Partition),
            heal,
            faults,
        ];
        let certify = match self.certify {
            Some(Certify { rounds, by, within }) => {
                Some(Expectation::Certify { rounds, by: nodes.named_or_running(by)?, within })
            }
            None => None,
        };
        if let Some(Recovered { node, .. }) = self.recovered.as_ref().filter(|found| found.node >= nodes.members) {
            return refuse(format!("recovered: node {node} is no member"), "name a member that withholds");
        }
        let expectations = [
            certify,
            self.stall.map(|Stall { after, lasting }| Expectation::Stall { after, lasting }),
            self.contributors.map(|Contributors { least, within }| Expectation::Contributors { least, within }),
            self.epoch.map(|Epoch { number, within }| Expectation::Epoch { number, within }),
            self.recovered.map(|Recovered { node, rounds }| Expectation::Recovered { node, rounds }),
        ];
        let acts = acts.into_iter().flatten().map(What::Do);
        Ok(acts.chain(expectations.into_iter().flatten().map(What::Expect)).collect())
    }
}

fn read_faults(rates: &BTreeMap<String, f64>) -> Result<Act, Refusal> {
    let mut read = Vec::new();
    for (name, rate) in rates {
        let Some(fault) = Fault::named(name) else {
            return refuse(
                format!("faults: there is no fault {name:?}"),
                format!("choose from: {}", TABLE.map(|line| line.name).join(", ")),
            );
        };
        if !(0.0..=1.0).contains(rate) {
            return refuse(format!("faults: {name} = {rate}"), "give a probability from 0 to 1");
        }
        read.push((fault, (rate * 1_000_000.0).round() as u32));
    }
    Ok(Act::Faults(read))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name = \"x\"\ndescription = \"y\"\n";
    const NETWORK: &str = "[network]\nweights = [1, 1, 1, 1]\nperiod = 200\nobservers = 1\n";

    fn parse(head: &str, steps: &str) -> Result<Scenario, Refusal> {
        let steps = if steps.contains("certify") {
            steps.to_owned()
        } else {
            format!("{steps}\n[[step]]\ncertify = {{ rounds = 1, within = 1 }}")
        };
        Scenario::parse(&format!("{HEAD}{head}{NETWORK}{steps}"))
    }

    fn refused(head: &str, step: &str, parts: &[&str]) {
        let (what, remedy) = parse(head, &format!("[[step]]\n{step}")).unwrap_err();
        for part in parts {
            assert!(format!("{what}; {remedy}").contains(part), "{what:?}, {remedy:?} lack {part:?}");
        }
    }

    #[test]
    fn a_file_is_read_and_nodes_that_run_are_meant_when_none_is_named() {
        let steps = "[[step]]\nround = 5\nkill = [0]\n[[step]]\nwait = 10\nstart = [4]\n[[step]]\ncertify = { rounds = 2, within = 9 }";
        let scenario = parse("", steps).unwrap();
        assert_eq!(scenario.on, BTreeSet::from([On::Sim, On::Processes]));
        assert_eq!(scenario.steps[0], Step { when: When::Round(5), what: What::Do(Act::Kill(vec![0])) });
        let by = vec![1, 2, 3, 4];
        assert_eq!(scenario.steps[2].what, What::Expect(Expectation::Certify { rounds: 2, by, within: 9 }));
    }

    #[test]
    fn unknown_keys_are_refused_with_their_line() {
        refused("colour = 1\n", "kill = [0]", &["line 3", "colour", "scenario run --help"]);
        refused("", "kil = [0]", &["kil", "kill"]);
        refused("", "certify = { rounds = 1, within = 1, who = 2 }", &["who", "within"]);
        refused("on = [\"moon\"]\n", "kill = [0]", &["moon", "processes"]);
        refused("", "kill = [-1]", &["-1"]);
    }

    #[test]
    fn steps_that_make_no_sense_are_refused_by_number_and_value() {
        refused("", "kill = [7]", &["step 1", "no node 7", "0 to 4"]);
        refused("", "kill = [1, 1]", &["node 1 twice"]);
        refused("", "kill = []", &["names no node"]);
        refused("", "start = [1]", &["start = [1]", "node 1 runs then"]);
        refused("", "kill = [4]", &["node 4 is down then"]);
        refused("", "thaw = [1]", &["node 1 runs then"]);
        refused("", "withhold = [4]", &["node 4 is an observer"]);
        refused("", "kill = [1]\nstop = [2]", &["several"]);
        refused("", "round = 3", &["no act"]);
        refused("", "round = 3\nwait = 4\nkill = [1]", &["round = 3 and wait = 4"]);
        refused("", "certify = { rounds = 1, by = [4], within = 1 }", &["node 4 does not run"]);
        refused("", "recovered = { node = 4, rounds = 1 }", &["node 4 is no member"]);
    }

    #[test]
    fn what_processes_cannot_do_is_for_the_simulator_alone() {
        refused("", "partition = [[0, 1], [2, 3, 4]]", &["step 1", "partition", "on = [\"sim\"]"]);
        refused("", "power_cut = [0]", &["power_cut", "on = [\"sim\"]"]);
        refused("", "faults = { loss = 0.1 }", &["faults", "on = [\"sim\"]"]);
        let sim = "on = [\"sim\"]\n";
        assert!(parse(sim, "[[step]]\npartition = [[0, 1], [2, 3, 4]]\n[[step]]\nheal = true").is_ok());
        refused(sim, "partition = [[0, 1], [2, 3]]", &["leaves node 4 out"]);
        refused(sim, "faults = { lost = 0.1 }", &["no fault \"lost\"", "loss"]);
        refused(sim, "faults = { loss = 1.5 }", &["loss = 1.5"]);
        refused(sim, "heal = false", &["heal = true"]);
    }

    #[test]
    fn a_scenario_without_an_expectation_shows_nothing() {
        let text = format!("{HEAD}{NETWORK}[[step]]\nkill = [0]");
        assert!(Scenario::parse(&text).unwrap_err().0.contains("expects"));
    }
}
