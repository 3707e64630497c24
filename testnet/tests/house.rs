//! The rules of the house: who may import whom, and which one place may name what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each crate of ours may import of ours, other than in its tests.
const MAY_IMPORT: [(&str, &[&str]); 6] = [
    ("beacon-spec", &[]),
    ("beacon-entropy", &[]),
    ("beacon-engine", &["beacon-spec"]),
    ("beacon-node", &["beacon-spec", "beacon-engine", "beacon-entropy"]),
    ("beacon-client", &["beacon-spec"]),
    ("beacon-testnet", &["beacon-spec", "beacon-engine", "beacon-client"]),
];

/// A name, and the only places whose sources may use it: files, or folders with a slash at the end.
const OWNERS: [(&str, &[&str]); 10] = [
    ("libp2p::", &["node/src/network/", "beacon-client/src/source/gossip/"]),
    ("rocksdb::", &["node/src/store/"]),
    ("axum::", &["node/src/http/"]),
    ("arc_malachitebft_core_types::", &["node/engine/src/agree/"]),
    ("arc_malachitebft_core_consensus::", &["node/engine/src/agree/"]),
    ("bincode::", &["specs/src/codec.rs"]),
    ("ed25519_dalek::", &["specs/src/keys/"]),
    // Adversaries make dealings that the specification has no function for.
    ("curve25519_dalek::", &["specs/src/keys/", "specs/src/pvss/", "testnet/src/sim/adversary/forge.rs"]),
    // The entropy crate stands on its own and hashes on its own.
    ("Sha3_256", &["specs/src/hash.rs", "node/entropy/"]),
    (
        "SystemTime",
        &[
            "node/src/clock.rs",
            "node/entropy/src/recorder.rs",
            "beacon-client/src/client/builder.rs",
            "testnet/src/measure.rs",
        ],
    ),
];

/// Crates that take no clock, no randomness, no input and output, and keep their maps in order.
const PURE: [&str; 2] = ["specs/src", "node/engine/src"];
const IMPURE: [&str; 11] = [
    "std::fs",
    "std::net",
    "SystemTime",
    "std::thread",
    "std::env",
    "Instant",
    "tokio",
    "getrandom",
    "HashMap",
    "HashSet",
    "println!",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in the workspace").to_owned()
}

#[test]
fn crates_import_downwards_only() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.into_iter().collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        // Side crates inside a room, such as fuzz targets, are tools and import what they exercise.
        let Some(allowed) = allowed.get(name) else { continue };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let other = dependency["name"].as_str().expect("a name");
            let ours = other.starts_with("beacon-");
            let test_only = dependency["kind"] == "dev";
            if ours && !test_only && !allowed.contains(&other) {
                wrong.push(format!("{name} imports {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_owned_name_stays_with_its_owner() {
    let sources = sources(&root());
    let mut wrong = Vec::new();
    for (name, owners) in OWNERS {
        let users: BTreeSet<&str> = sources
            .iter()
            .filter(|(_, text)| code(text).any(|line| line.contains(name)))
            .map(|(path, _)| path.as_str())
            .collect();
        assert!(!users.is_empty(), "nobody uses {name}: the rule is out of date");
        let owned =
            |path: &str| owners.iter().any(|owner| path == *owner || owner.ends_with('/') && path.starts_with(owner));
        wrong.extend(users.into_iter().filter(|path| !owned(path)).map(|path| format!("{path} names {name}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_crates_stay_pure() {
    let mut wrong = Vec::new();
    for (path, text) in sources(&root()).iter().filter(|(path, _)| PURE.iter().any(|pure| path.starts_with(pure))) {
        for name in IMPURE.iter().filter(|name| code(text).any(|line| line.contains(**name))) {
            wrong.push(format!("{path} names {name}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Planted bugs are for tests of the simulator alone: no crate turns their feature on, and no program holds their mark.
#[test]
fn programs_hold_no_planted_bugs() {
    const MARK: &[u8] = b"this program holds planted bugs";
    let node = Path::new(env!("CARGO_BIN_EXE_beacon-testnet")).with_file_name("beacon-node");
    for program in [node.as_path(), Path::new(env!("CARGO_BIN_EXE_beacon-testnet"))] {
        let bytes = fs::read(program).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        assert!(!bytes.windows(MARK.len()).any(|window| window == MARK), "{} has the mark", program.display());
    }
    for room in ["specs", "node", "node/engine", "beacon-client", "testnet"] {
        let manifest = fs::read_to_string(root().join(room).join("Cargo.toml")).expect("a manifest");
        let named = manifest.lines().filter(|line| line.contains("sabotage"));
        let allowed = ["sabotage = []", "sabotage = [\"beacon-spec/sabotage\"]", "name = \"sabotage\""];
        let other: Vec<_> =
            named.filter(|line| !allowed.contains(line) && *line != "required-features = [\"sabotage\"]").collect();
        assert!(other.is_empty(), "{room}: {other:?}");
    }
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let long: Vec<String> = sources(&root())
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 500)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

/// Lines that are not comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The Rust sources below every crate's `src`, by path from the root.
fn sources(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for room in ["specs/src", "node/entropy/src", "node/engine/src", "node/src", "beacon-client/src", "testnet/src"] {
        collect(root, &root.join(room), &mut found);
    }
    assert!(found.len() > 50, "the sources are not where they were");
    found
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.expect("the directory can be listed").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("sources are text");
            let name = path.strip_prefix(root).expect("the path is below the root");
            found.push((name.to_string_lossy().into_owned(), text));
        }
    }
}
