//! `beacon-testnet scenario`: networks that are told what happens to them, in the simulator and as processes.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::file::Scenario;
use super::memory::simulate;
use super::play::Report;
use super::processes::Processes;
use super::step::On;
use crate::failure::Failure;
use crate::home::{self, Home};

const RUN_HELP: &str = r#"A scenario is a TOML file:

  name = "member-killed"            the name of the file without .toml
  description = "…"
  on = ["sim"]                      where it can be played [default: sim and processes]

  [network]
  weights = [30, 30, 25, 15]        members, nodes 0 to 3 of this file; they run from the beginning
  period = 300                      milliseconds from round to round
  window = 1                        rounds agreed together [default: 1]
  epoch_windows = 8                 windows of an epoch [default: 1000]
  observers = 1                     nodes that are no members, here node 4; down until started [default: 0]

  [[step]]                          one after the other; each has one act or one expectation, and perhaps
  round = 5                         its turn comes when some node has certified round 5
  wait = 2_000                      or 2,000 ms after the step before; without either, at once
  kill = [0]                        the act

Acts on nodes:
  kill, stop, start = [0, 2]        SIGKILL, SIGTERM, start again; an observer joins with its first start
  withhold = [1]                    starts a member again so that it deals and votes but never opens
  freeze, thaw = [3]                SIGSTOP, SIGCONT
  clock = { node = 3, skew = -500 } the node's clock shows the true time and so many ms
Acts that processes on one machine cannot do (on = ["sim"]):
  power_cut = [0, 1]                what was not synced is lost, the write under way is torn
  partition = [[0, 1], [2, 3]]      nothing passes between groups until
  heal = true
  faults = { loss = 0.2 }           probabilities of `beacon-testnet sim`'s faults; those not named are off

Expectations:
  certify = { rounds = 5, by = [1, 2], within = 20_000 }
                                    5 rounds beyond the newest, by each of these nodes [default: all that run], in ms
  stall = { after = 2_000, lasting = 4_000 }
                                    from 2 s on nobody certifies anything for 4 s
  contributors = { least = 4, within = 20_000 }
                                    a new round has 4 contributors or more
  epoch = { number = 2, within = 20_000 }
                                    the second epoch begins
  recovered = { node = 1, rounds = 3 }
                                    in 3 rounds so far node 1's dealing was completed by recovery

Whatever the file says: nodes that run hold the same rounds and none has ended by itself; in the simulator all of its
checkers are on; processes stop in order, accuse nobody of signing twice, and `db check` finds nothing in their
databases.

Exit codes: 0 everything is as expected, 1 something is not or the file is refused, 2 wrong usage."#;

/// Play a scenario from a file: what happens to a network, and what it must show for it
///
/// The same files are played by the simulator, in virtual time with every promise checked, and by real nodes.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// What scenarios there are
    List {
        /// Where the files are
        #[arg(default_value = "testnet/scenarios")]
        directory: PathBuf,
        /// Print one JSON line a scenario
        #[arg(long)]
        json: bool,
    },
    /// Play scenarios, one after the other
    #[command(after_help = RUN_HELP)]
    Run(Run),
}

#[derive(Args, Debug)]
struct Run {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to play them [default: wherever each file can be played]
    #[arg(long)]
    on: Option<Where>,
    /// The simulator's: keys and chance follow from it. Processes draw their own
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print what happened in the simulator, line by line
    #[arg(long, conflicts_with = "json")]
    trace: bool,
    /// Where the processes' network is made; kept if something is wrong [default: scenario in cargo's target directory]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print one JSON line a scenario and stage
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Where {
    Sim,
    Processes,
    Both,
}

impl Where {
    fn stages(self) -> Vec<On> {
        match self {
            Where::Sim => vec![On::Sim],
            Where::Processes => vec![On::Processes],
            Where::Both => vec![On::Sim, On::Processes],
        }
    }
}

pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::List { directory, json } => list(directory, *json),
        Command::Run(run) => tokio::select! {
            played = play_all(run) => played,
            // What is dropped then kills its processes.
            _ = tokio::signal::ctrl_c() => Err(Failure::new("interrupted", "the nodes are killed; start it again")),
        },
    }
}

/// The scenarios of a directory, by name.
pub fn files(directory: &Path) -> Result<Vec<(PathBuf, Scenario)>, Failure> {
    let fail = |error| {
        let remedy = "call it in the root of the repository, or name the directory";
        Failure::new(format!("cannot list {}: {error}", directory.display()), remedy)
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Scenario::open(&path).map(|scenario| (path, scenario))).collect()
}

fn list(directory: &Path, as_json: bool) -> Result<(), Failure> {
    for (path, scenario) in files(directory)? {
        let on: Vec<String> = scenario.on.iter().map(On::to_string).collect();
        match as_json {
            true => println!(
                "{}",
                json!({ "file": path, "name": scenario.name, "description": scenario.description, "on": on })
            ),
            false => println!("{:<28} {:<15} {}", scenario.name, on.join(", "), scenario.description),
        }
    }
    Ok(())
}

/// Which stages each file is played on: refused before anything runs if a file cannot be played where it should.
fn programme(run: &Run) -> Result<Vec<(Scenario, On)>, Failure> {
    let mut programme = Vec::new();
    for path in &run.files {
        let scenario = Scenario::open(path)?;
        let stages = run.on.map_or_else(|| scenario.on.iter().copied().collect(), Where::stages);
        if let Some(stage) = stages.iter().find(|stage| !scenario.on.contains(stage)) {
            let on: Vec<String> = scenario.on.iter().map(On::to_string).collect();
            let what = format!("{} cannot be played on {stage}: it says on = {on:?}", path.display());
            return Err(Failure::new(what, format!("leave it out, or play it with --on {}", on.join(" or "))));
        }
        programme.extend(stages.into_iter().map(|stage| (scenario.clone(), stage)));
    }
    Ok(programme)
}

async fn play_all(run: &Run) -> Result<(), Failure> {
    let root = run.home.clone().unwrap_or_else(|| home::default_home().with_file_name("scenario"));
    let mut failed = Vec::new();
    for (scenario, stage) in programme(run)? {
        let report = match stage {
            On::Sim => {
                let (report, lines) = simulate(&scenario, run.seed, run.trace).await;
                print!("{lines}");
                report
            }
            On::Processes => on_processes(&scenario, &root).await?,
        };
        match run.json {
            true => println!("{}", report.json()),
            false => show(&report),
        }
        if !report.wrong.is_empty() {
            failed.push(format!("{} on {stage}: {}", scenario.name, report.wrong.join("; ")));
        }
        if stage == On::Processes && !report.wrong.is_empty() {
            // The next network would replace the homes and logs that tell why.
            break;
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let remedy = format!(
        "in the simulator, look at the trace with --on sim --trace; homes and logs of processes are in {}",
        root.display()
    );
    Err(Failure::new(failed.join("\n"), remedy))
}

/// Plays on a network of its own, whose files are removed if everything is as expected.
async fn on_processes(scenario: &Scenario, root: &Path) -> Result<Report, Failure> {
    let mut stage = Processes::start(scenario, Home::claim(root)?).await?;
    let mut report = stage.play(scenario).await;
    report.wrong.extend(stage.stop().await?);
    if report.wrong.is_empty() {
        stage.network.home.remove()?;
    }
    Ok(report)
}

fn show(report: &Report) {
    let seed = report.seed.map_or(String::new(), |seed| format!(", seed {seed}"));
    println!("{} on {}{seed}", report.scenario, report.on);
    let seconds = |milliseconds: u64| milliseconds as f64 / 1000.0;
    for done in &report.done {
        println!("  {:>7.1} s to {:>5.1} s  {}", seconds(done.began), seconds(done.ended), done.what);
    }
    for wrong in &report.wrong {
        println!("  WRONG  {wrong}");
    }
    let verdict = if report.wrong.is_empty() { "as expected" } else { "NOT as expected" };
    println!("  {verdict}: {} rounds in {:.1} s", report.rounds, seconds(report.milliseconds));
}
