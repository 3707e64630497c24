//! The steps of a scenario, one after the other, on any stage; and what came of them.

use beacon_spec::hash::Digest32;
use serde_json::{Value, json};

use super::file::Scenario;
use super::step::{Act, Expectation, On, Step, What, When};
use crate::failure::Failure;

/// A round that a step waits for must be certified within so many milliseconds.
const TURN_WITHIN: u64 = 90_000;

/// What can be seen of a network at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// The newest round that each node has certified.
    pub heads: Vec<u64>,
    /// Epoch and contributors of the newest round of all.
    pub epoch: u64,
    pub contributors: u64,
}

impl Sight {
    pub fn newest(&self) -> u64 {
        self.heads.iter().copied().max().unwrap_or(0)
    }
}

/// A network on which a scenario is played. What goes wrong beside the expectations is a failure of the call during
/// which it is noticed.
pub(super) trait Stage {
    /// Milliseconds since the members were started.
    fn elapsed(&self) -> u64;

    fn sight(&self) -> Sight;

    async fn act(&mut self, act: &Act) -> Result<(), Failure>;

    /// Lets so many milliseconds pass, or fewer until `done`; whether it is.
    async fn pass(&mut self, time: u64, done: &dyn Fn(&Sight) -> bool) -> Result<bool, Failure>;

    /// Of all rounds so far, in how many the dealing of a node was completed by recovery.
    async fn recovered(&mut self, node: usize) -> Result<u64, Failure>;

    /// What must hold of every scenario: the nodes that run hold the same rounds.
    async fn conclude(&mut self) -> Vec<String>;
}

/// A step that was done, or an expectation that held.
#[derive(Clone, Debug)]
pub struct Done {
    pub what: String,
    /// Milliseconds since the start: when its turn came, and when it was done.
    pub began: u64,
    pub ended: u64,
}

/// What came of a scenario on one stage.
#[derive(Clone, Debug)]
pub struct Report {
    pub scenario: String,
    pub on: On,
    /// Of the simulator.
    pub seed: Option<u64>,
    pub trace: Option<Digest32>,
    pub done: Vec<Done>,
    pub rounds: u64,
    pub milliseconds: u64,
    /// Everything that should not be, in words.
    pub wrong: Vec<String>,
}

impl Report {
    pub fn json(&self) -> Value {
        let step = |done: &Done| json!({ "what": done.what, "began_ms": done.began, "ended_ms": done.ended });
        json!({
            "scenario": self.scenario,
            "on": self.on.to_string(),
            "seed": self.seed,
            "trace_hash": self.trace.map(|trace| trace.to_string()),
            "passed": self.wrong.is_empty(),
            "rounds": self.rounds,
            "milliseconds": self.milliseconds,
            "steps": self.done.iter().map(step).collect::<Vec<_>>(),
            "wrong": self.wrong,
        })
    }
}

/// Plays all steps; the first that fails is the last.
pub(super) async fn play(scenario: &Scenario, on: On, stage: &mut impl Stage) -> Report {
    let (mut done, mut wrong) = (Vec::new(), Vec::new());
    for (number, step) in (1..).zip(&scenario.steps) {
        match perform(step, stage).await {
            Ok(began) => done.push(Done { what: step.what.to_string(), began, ended: stage.elapsed() }),
            Err(failure) => {
                wrong.push(format!("step {number}: {}: {}", step.what, failure.what()));
                break;
            }
        }
    }
    wrong.extend(stage.conclude().await);
    Report {
        scenario: scenario.name.clone(),
        on,
        seed: None,
        trace: None,
        done,
        rounds: stage.sight().newest(),
        milliseconds: stage.elapsed(),
        wrong,
    }
}

/// Waits for the step's turn and does it; gives when the turn came.
async fn perform(step: &Step, stage: &mut impl Stage) -> Result<u64, Failure> {
    match step.when {
        When::AtOnce => {}
        When::Wait(time) => {
            stage.pass(time, &|_| false).await?;
        }
        When::Round(round) => {
            if !stage.pass(TURN_WITHIN, &|sight| sight.newest() >= round).await? {
                return missed(format!("its turn did not come: round {round} not within {TURN_WITHIN} ms"), stage);
            }
        }
    }
    let began = stage.elapsed();
    match &step.what {
        What::Do(act) => stage.act(act).await?,
        What::Expect(expectation) => judge(expectation, stage).await?,
    }
    Ok(began)
}

async fn judge(expectation: &Expectation, stage: &mut impl Stage) -> Result<(), Failure> {
    let before = stage.sight().newest();
    match expectation {
        Expectation::Certify { rounds, by, within } => {
            let goal = before + rounds;
            let done = |sight: &Sight| by.iter().all(|node| sight.heads[*node] >= goal);
            match stage.pass(*within, &done).await? {
                true => Ok(()),
                false => missed(format!("not all at round {goal} in time"), stage),
            }
        }
        Expectation::Stall { after, lasting } => {
            stage.pass(*after, &|_| false).await?;
            let before = stage.sight().newest();
            match stage.pass(*lasting, &|sight| sight.newest() > before).await? {
                false => Ok(()),
                true => missed(format!("a round after {before} is certified"), stage),
            }
        }
        Expectation::Contributors { least, within } => {
            let done = |sight: &Sight| sight.newest() > before && sight.contributors >= *least;
            match stage.pass(*within, &done).await? {
                true => Ok(()),
                false => missed(format!("the newest has {}", stage.sight().contributors), stage),
            }
        }
        Expectation::Epoch { number, within } => match stage.pass(*within, &|sight| sight.epoch >= *number).await? {
            true => Ok(()),
            false => missed(format!("the epoch is {}", stage.sight().epoch), stage),
        },
        Expectation::Recovered { node, rounds } => {
            let found = stage.recovered(*node).await?;
            if found >= *rounds { Ok(()) } else { missed(format!("{found} did"), stage) }
        }
    }
}

fn missed<T>(what: String, stage: &impl Stage) -> Result<T, Failure> {
    let what = format!("{what}; nodes are at rounds {:?}", stage.sight().heads);
    Err(Failure::new(what, "look at the trace or the logs"))
}
