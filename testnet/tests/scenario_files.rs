//! Scenario files: the simulator plays every one of them, what is not as expected fails a run, and the command says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use beacon_testnet::scenarios::Scenario;
use beacon_testnet::scenarios::command::files;
use beacon_testnet::scenarios::memory::simulate;
use beacon_testnet::scenarios::step::On;
use tempfile::TempDir;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// A file of a network of four with these steps.
fn file(directory: &TempDir, steps: &str) -> PathBuf {
    let path = directory.path().join("made.toml");
    let head = "name = \"made\"\ndescription = \"made by a test\"\n[network]\nweights = [1, 1, 1, 1]\nperiod = 200\n";
    fs::write(&path, format!("{head}{steps}")).expect("a file can be written");
    path
}

fn scenario(words: &[&str], file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beacon-testnet"));
    command.arg("scenario").args(words).arg(file).output().expect("the program runs")
}

#[tokio::test]
async fn the_simulator_plays_every_file() {
    let found = files(&directory()).expect("sound files");
    assert!(found.iter().filter(|(_, scenario)| scenario.on.contains(&On::Processes)).count() >= 6);
    for (_, scenario) in found {
        for seed in 0..2 {
            let (report, _) = simulate(&scenario, seed, false).await;
            assert_eq!(report.wrong, Vec::<String>::new(), "{} with seed {seed}", scenario.name);
            assert_eq!(report.done.len(), scenario.steps.len());
        }
    }
}

#[tokio::test]
async fn the_same_file_and_seed_give_the_same_trace() {
    let scenario = Scenario::open(&directory().join("minority-down.toml")).expect("a sound file");
    let (first, _) = simulate(&scenario, 5, false).await;
    let (second, lines) = simulate(&scenario, 5, true).await;
    assert_eq!(first.trace, second.trace);
    assert_ne!(first.trace, simulate(&scenario, 6, false).await.0.trace);
    assert!(lines.contains("freeze") && lines.contains("thaw"), "a trace can be read");
}

#[tokio::test]
async fn every_kind_of_expectation_fails_when_it_is_broken() {
    const KILL: &str = "[[step]]\nround = 2\nkill = [0, 1]\n";
    let broken = [
        (
            format!("{KILL}[[step]]\nwait = 2_000\ncertify = {{ rounds = 1, within = 30_000 }}"),
            "step 2: [2, 3] certify 1",
        ),
        ("[[step]]\nround = 2\nstall = { after = 100, lasting = 1_000 }".into(), "step 1: no round is certified"),
        ("[[step]]\nkill = [0]\n[[step]]\ncontributors = { least = 4, within = 9_000 }".into(), "the newest has 3"),
        ("[[step]]\nepoch = { number = 2, within = 3_000 }".into(), "the epoch is 1"),
        ("[[step]]\nround = 9\nrecovered = { node = 1, rounds = 1 }".into(), "0 did"),
        (format!("{KILL}[[step]]\nround = 90\nepoch = {{ number = 1, within = 1 }}"), "its turn did not come"),
    ];
    let directory = TempDir::new().expect("a temporary directory");
    for (steps, part) in broken {
        let scenario = Scenario::open(&file(&directory, &steps)).expect("a sound file");
        let (report, _) = simulate(&scenario, 0, false).await;
        assert!(report.wrong.iter().any(|wrong| wrong.contains(part)), "{:?} lacks {part:?}", report.wrong);
    }
}

#[test]
fn the_command_tells_by_its_exit_code_what_came_of_it() {
    let directory = TempDir::new().expect("a temporary directory");
    let right = file(&directory, "[[step]]\ncertify = { rounds = 3, within = 9_000 }");
    let output = scenario(&["run", "--on", "sim", "--json"], &right);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    assert!(output.status.success() && report["passed"] == true && report["rounds"].as_u64() >= Some(3), "{report}");

    let refused = |words: &[&str], steps: &str, parts: &[&str]| {
        let output = scenario(words, &file(&directory, steps));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said:?} lacks one of {parts:?}");
    };
    let run = ["run", "--on", "sim"];
    refused(&run, "[[step]]\nstall = { after = 2_000, lasting = 2_000 }", &["made on sim", "step 1"]);
    refused(&run, "[[step]]\nkil = [1]", &["made.toml", "line 7", "kil", "remedy"]);
    refused(&run, "[[step]]\nkill = [9]", &["made.toml", "step 1", "no node 9", "0 to 3"]);
    let partition = self::directory().join("partition-heals.toml");
    let output = scenario(&["run", "--on", "both"], &partition);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("cannot be played on processes") && said.contains("--on sim"), "{said}");
}
