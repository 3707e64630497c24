//! The command line as a process: a genesis from nothing, exit codes, and what refusals say.
#![allow(clippy::unwrap_used, reason = "in a test, an unwrap that fails is the report")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A directory in which commands run, without any variable of this machine.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn try_run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beacon-node"));
        command.args(arguments).current_dir(self.path()).env_clear().output().unwrap()
    }

    /// Runs with `--json` and reads the answer.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.try_run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs what must fail with `code`, print no result, and say all `parts` and a remedy.
    fn refused(&self, code: i32, arguments: &[&str], parts: &[&str]) {
        let output = self.try_run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?} printed a result");
        for part in parts.iter().chain(&["remedy: "]) {
            assert!(said.contains(part), "{said:?} lacks {part:?}");
        }
    }

    fn keygen(&self, home: &str) -> String {
        self.json(&["keygen", "--home", home])["identity"].as_str().unwrap().to_owned()
    }

    /// Four members' identities, of homes a to d.
    fn members(&self) -> Vec<String> {
        ["a", "b", "c", "d"].map(|home| self.keygen(home)).to_vec()
    }

    fn draft(&self, members: &[String], more: &[&str]) -> Value {
        let mut arguments = vec!["genesis", "draft", "--name", "test"];
        for member in members {
            arguments.extend(["--member", member.as_str()]);
        }
        arguments.extend(more);
        self.json(&arguments)
    }

    fn bundles(&self) -> Vec<String> {
        let bundle = |home| {
            let out = format!("bundle-{home}.json");
            self.json(&["keygen", "--home", home, "--draft", "draft.json", "--out", &out]);
            out
        };
        ["a", "b", "c", "d"].map(bundle).to_vec()
    }

    /// A sealed genesis of four members; gives its chain hash.
    fn sealed(&self, flags: &[&str]) -> String {
        self.draft(&self.members(), flags);
        let bundles = self.bundles();
        let mut arguments = vec!["genesis", "seal", "--draft", "draft.json", "--bundle"];
        arguments.extend(bundles.iter().map(String::as_str));
        self.json(&arguments)["chain"].as_str().unwrap().to_owned()
    }

    fn edit(&self, file: &str, change: impl Fn(&mut Value)) {
        let path = self.path().join(file);
        let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        fs::write(path, serde_json::to_vec(&value).unwrap()).unwrap();
    }
}

#[test]
fn a_genesis_from_nothing_gives_members_and_observers() {
    let desk = Desk::new();
    let chain = desk.sealed(&[]);
    for home in ["a", "b", "c", "d"] {
        let report = desk.json(&["init", "--home", home, "--genesis", "genesis.bin", "--chain", &chain]);
        assert_eq!((&report["role"], &report["chain"]), (&"member".into(), &chain.as_str().into()));
        assert_eq!(desk.keygen(home), report["identity"].as_str().unwrap());
    }
    let observer =
        ["init", "--home", "e", "--genesis", "genesis.bin", "--http", "off", "--listen", "/ip4/127.0.0.1/tcp/1"];
    assert_eq!(desk.json(&observer)["role"], "observer");
    let config = fs::read_to_string(desk.path().join("e/config.toml")).unwrap();
    for line in [format!("chain = \"{chain}\"").as_str(), "http = \"off\"", "listen = [\"/ip4/127.0.0.1/tcp/1\"]"] {
        assert!(config.contains(line), "{config}");
    }
    // Once more changes nothing, but flags that would change nothing are refused.
    assert_eq!(desk.json(&observer[..5])["config_written"], false);
    desk.refused(2, &observer, &["e/config.toml exists", "--listen"]);
}

#[test]
fn a_draft_says_what_it_means() {
    let desk = Desk::new();
    let members = desk.members();
    let weighted: Vec<String> = members.iter().zip([30, 30, 25, 15]).map(|(m, w)| format!("{m}:{w}")).collect();
    let report = desk.draft(&weighted, &["--period", "1000", "--genesis-time", "1700000000000"]);
    assert_eq!((&report["total_weight"], &report["quorum"]), (&100.into(), &67.into()));
    assert_eq!(report["genesis_time"], 1_700_000_000_000_u64);
    let tickets: u64 = report["members"].as_array().unwrap().iter().map(|m| m["tickets"].as_u64().unwrap()).sum();
    assert_eq!(report["tickets"], tickets);
    let draft: Value = serde_json::from_slice(&fs::read(desk.path().join("draft.json")).unwrap()).unwrap();
    let parameters = &draft["parameters"];
    assert_eq!(parameters["schedule"]["epoch_windows"], 86_400);
    let chosen =
        ["catch_up_interval", "lead", "recovery_delay", "grace"].map(|name| parameters[name].as_u64().unwrap());
    assert_eq!(chosen, [100, 1000, 250, 200]);
    let draft = |more: &[&str]| {
        let member: Vec<&str> = members.iter().flat_map(|m| ["--member", m.as_str()]).collect();
        [&["genesis", "draft", "--name", "x", "--out", "x.json"], &member[..], more].concat().join(" ")
    };
    for (flags, parts) in [
        ("--window 65", ["--window 65", "1 to 64"]),
        ("--epoch-windows 3", ["--epoch-windows 3", "4 to"]),
        ("--period 100 --catch-up-interval 51", ["--catch-up-interval 51", "0 to 50"]),
        ("--epoch-windows 4 --registrations-per-value 3", ["12 bundles", "16"]),
        ("--predecessor ab:1", ["--predecessor", "CHAIN:ROUND:HEADER"]),
    ] {
        let line = draft(&flags.split(' ').collect::<Vec<_>>());
        desk.refused(2, &line.split(' ').collect::<Vec<_>>(), &parts);
    }
    desk.refused(
        1,
        &["genesis", "draft", "--name", "x", "--member", &members[0]],
        &["a third", "--development-exemption"],
    );
}

#[test]
fn a_member_of_a_third_needs_the_exemption() {
    let desk = Desk::new();
    let members = desk.members();
    let heavy = [format!("{}:4", members[0]), format!("{}:4", members[1]), format!("{}:4", members[2])];
    let mut arguments = vec!["genesis", "draft", "--name", "x"];
    arguments.extend(heavy.iter().flat_map(|member| ["--member", member.as_str()]));
    desk.refused(1, &arguments, &["weight 4 of 12", "3 of 12 at most", "lower this weight to 3"]);
    assert_eq!(desk.draft(&heavy, &["--development-exemption"])["quorum"], 9);
}

#[test]
fn a_committee_file_gives_trust_levels() {
    let desk = Desk::new();
    let members = desk.members();
    let tables: Vec<String> = members
        .iter()
        .zip(["0.3", "0.3", "0.25", "0.15"])
        .map(|(member, trust)| format!("[[member]]\nidentity = \"{member}\"\ntrust = {trust}\n"))
        .collect();
    fs::write(desk.path().join("committee.toml"), tables.concat()).unwrap();
    assert_eq!(desk.draft(&[], &["--committee", "committee.toml"])["total_weight"], 1_000_000);
    fs::write(desk.path().join("bad.toml"), tables.concat().replace("0.25", "1.25")).unwrap();
    let bad = ["genesis", "draft", "--name", "x", "--committee", "bad.toml"];
    desk.refused(1, &bad, &["bad.toml", &members[2], "1.25", "0.0 to 1.0"]);
}

#[test]
fn seal_names_the_bundle_that_is_wrong() {
    let desk = Desk::new();
    let members = desk.members();
    desk.draft(&members, &[]);
    desk.bundles();
    let seal =
        |bundles: &[&'static str]| [&["genesis", "seal", "--draft", "draft.json", "--bundle"][..], bundles].concat();
    let (a, b, c, d) = ("bundle-a.json", "bundle-b.json", "bundle-c.json", "bundle-d.json");
    desk.refused(1, &seal(&[a, b, d]), &["1 of 4 members have no bundle", &members[2]]);
    desk.refused(1, &seal(&[a, b, b, c, d]), &["bundle-b.json and bundle-b.json", &members[1]]);
    desk.refused(1, &seal(&[a, "draft.json"]), &["draft.json is no bundle"]);
    desk.edit(c, |value| {
        let other = value["bundle"]["ticket_keys"][1]["proof"].clone();
        value["bundle"]["ticket_keys"][0]["proof"] = other;
    });
    desk.refused(1, &seal(&[a, b, c, d]), &["bundle-c.json", &members[2], "bad-signature"]);
    desk.edit(d, |value| value["ceremony"] = "00".repeat(32).into());
    desk.refused(1, &seal(&[a, b, d]), &["bundle-d.json", "for the ceremony 0000"]);
    assert!(!desk.path().join("genesis.bin").exists());
}

#[test]
fn a_home_without_its_bundles_secrets_is_refused() {
    let desk = Desk::new();
    let chain = desk.sealed(&[]);
    // The same identity under other bundles: sealed anew from a second ceremony, which a home of the first refuses.
    fs::rename(desk.path().join("genesis.bin"), desk.path().join("first.bin")).unwrap();
    fs::remove_file(desk.path().join("draft.json")).unwrap();
    for letter in ["a", "b", "c", "d"] {
        fs::remove_file(desk.path().join(format!("bundle-{letter}.json"))).unwrap();
    }
    desk.json(&["init", "--home", "a", "--genesis", "first.bin"]);
    let second = desk.sealed(&["--lead", "700"]);
    assert_ne!(chain, second);
    desk.refused(1, &["init", "--home", "a", "--genesis", "genesis.bin"], &["a belongs to chain", &chain, &second]);
    desk.refused(1, &["init", "--home", "b", "--genesis", "first.bin", "--chain", &second], &[&chain, &second]);
    // Becoming a member of the second chain erases the secrets for the first.
    desk.json(&["init", "--home", "b", "--genesis", "genesis.bin"]);
    fs::remove_file(desk.path().join("b/genesis.bin")).unwrap();
    let refused = ["init", "--home", "b", "--genesis", "first.bin"];
    desk.refused(1, &refused, &["b/keys/secrets", "does not hold the secrets", &chain]);
}

#[test]
fn damaged_inputs_and_wrong_usage_have_their_exit_codes() {
    let desk = Desk::new();
    assert_eq!(desk.try_run(&[]).status.code(), Some(2));
    assert_eq!(desk.try_run(&["keygen"]).status.code(), Some(2));
    assert_eq!(desk.try_run(&["--help"]).status.code(), Some(0));
    for command in ["keygen", "init", "run", "status"] {
        let help = String::from_utf8(desk.try_run(&[command, "--help"]).stdout).unwrap();
        assert!(help.contains("Example"), "{command}: {help}");
    }
    desk.refused(1, &["run", "--home", "nowhere"], &["nowhere has no genesis.bin", "beacon-node init"]);
    desk.refused(1, &["status", "--url", "http://127.0.0.1:1"], &["http://127.0.0.1:1/admin/status"]);
    desk.refused(2, &["init", "--home", "x", "--peer", "/ip4/127.0.0.1/tcp/1", "--chain", "zz"], &["--chain", "zz"]);
    desk.sealed(&[]);
    let mut genesis = fs::read(desk.path().join("genesis.bin")).unwrap();
    let last = genesis.len() - 1;
    genesis[last] ^= 1;
    fs::write(desk.path().join("bad.bin"), &genesis).unwrap();
    desk.refused(
        1,
        &["init", "--home", "a", "--genesis", "bad.bin"],
        &["bad.bin is no valid genesis", "bad-signature"],
    );
}

#[test]
fn run_refuses_what_does_not_fit() {
    let desk = Desk::new();
    desk.sealed(&[]);
    desk.json(&["init", "--home", "a", "--genesis", "genesis.bin"]);
    let path = desk.path().join("a/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    let run = ["run", "--home", "a"];
    fs::write(&path, config.replace("local_http", "locl_http")).unwrap();
    desk.refused(1, &run, &["a/config.toml: key locl_http", "did you mean local_http?"]);
    fs::write(&path, config.replace("chain = \"", "chain = \"00").replace("00\"\n", "\"\n")).unwrap();
    desk.refused(1, &run, &["a/config.toml", "chain"]);
    fs::write(&path, &config).unwrap();
    let secrets = desk.path().join("a/keys/secrets");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&secrets, open).unwrap();
    desk.refused(1, &run, &["a/keys/secrets", "0644", "chmod 600"]);
}
