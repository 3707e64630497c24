//! What stands in `node/deploy` and `testnet/docker` for machines that are not here: their commands are ours, their
//! files exist, and the ceremony makes a network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in the workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Where the programs of this build stand.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_beacon-testnet")).parent().expect("a directory").to_owned()
}

fn hold_ceremony(network: &Path) -> Output {
    let path = std::env::join_paths([programs(), "/usr/bin".into(), "/bin".into()]).expect("no colons");
    let mut command = Command::new(root().join("testnet/docker/ceremony"));
    let output = command.arg(network).env_clear().env("PATH", path).output().expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn the_ceremony_makes_four_homes_of_one_chain_once() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let network = folder.path();
    hold_ceremony(network);
    let homes = || -> Vec<Vec<u8>> {
        (0..4).map(|node| fs::read(network.join(format!("{node}/genesis.bin"))).expect("a genesis")).collect()
    };
    let made = homes();
    assert!(made.iter().all(|genesis| *genesis == made[0]));
    for node in 0..4 {
        let config = fs::read_to_string(network.join(format!("{node}/config.toml"))).expect("a configuration");
        for peer in 0..4 {
            assert_eq!(config.contains(&format!("/dns4/node-{peer}/tcp/7700")), peer != node, "{node} and {peer}");
        }
    }
    hold_ceremony(network);
    assert_eq!(homes(), made, "what is finished stays");
    fs::remove_file(network.join("ready")).expect("it was finished");
    hold_ceremony(network);
    assert_ne!(homes(), made, "what was cut short is made again");
}

/// The words of a JSON list of strings, which is also YAML's and the Dockerfile's form of one.
fn words(list: &str) -> Vec<String> {
    serde_json::from_str(list).unwrap_or_else(|error| panic!("{list}: {error}"))
}

/// Options are read in order, so that a wrong one is complained of before the help that stands last.
fn understands(words: &[String]) {
    let output = Command::new(programs().join("beacon-node")).args(words).arg("--help").output().expect("it runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn commands_of_images_and_units_are_the_nodes_own() {
    let image = read("node/deploy/Dockerfile");
    let command = image.lines().find_map(|line| line.strip_prefix("CMD ")).expect("a command");
    understands(&words(command));
    let compose = read("testnet/docker/compose.yaml");
    let commands: Vec<_> = compose.lines().filter_map(|line| line.trim().strip_prefix("command: ")).collect();
    assert_eq!(commands.len(), 5, "the ceremony and four nodes");
    commands.iter().map(|list| words(list)).filter(|words| !words.is_empty()).for_each(|words| understands(&words));
    let unit = read("node/deploy/beacon-node.service");
    let started =
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/beacon-node ")).expect("one");
    understands(&started.split(' ').map(str::to_owned).collect::<Vec<_>>());
}

#[test]
fn images_are_built_from_what_is_here() {
    let manifest = read("Cargo.toml");
    let wanted = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).expect("a version");
    let image = read("node/deploy/Dockerfile");
    assert!(image.contains(&format!("FROM rust:{}-", wanted.trim_matches('"'))), "the image's Rust is not {wanted}");
    for program in ["beacon-node", "beacon"] {
        assert!(programs().join(program).is_file(), "{program}");
        let built = [' ', '\n'].map(|end| image.contains(&format!("--bin {program}{end}")));
        assert_ne!(built, [false; 2], "{program} is not built");
    }
    let compose = read("testnet/docker/compose.yaml");
    let parts = compose.lines().filter_map(|line| line.trim().split_once(": "));
    let files: Vec<&str> = parts.filter(|(key, _)| *key == "dockerfile").map(|(_, file)| file).collect();
    assert!(!files.is_empty() && files.iter().all(|file| root().join(file).is_file()), "{files:?}");
    assert!(compose.contains("./ceremony:/ceremony:ro") && root().join("testnet/docker/ceremony").is_file());
}
