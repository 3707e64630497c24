//! `beacon-node entropy …` as a process.
#![allow(clippy::unwrap_used, reason = "in a test, an unwrap that fails is the report")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beacon-node"));
    command.arg("entropy").args(arguments).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn done(arguments: &[&str]) -> Vec<u8> {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_slice(&done(&[arguments, &["--json"]].concat())).unwrap()
}

/// Runs what must fail with `code` and say all `parts`.
fn refused(code: i32, arguments: &[&str], parts: &[&str]) {
    let output = run(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{said:?} lacks {part:?}");
    }
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_scan_names_what_is_here_what_is_not_and_what_never_will_be() {
    let scan = json(&["scan"]);
    let state = |name: &str| {
        let found = scan["sources"].as_array().unwrap().iter().find(|source| source["name"] == name).unwrap();
        found["availability"]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!((state("os").as_str(), state("dns").as_str()), ("available", "off"));
    let text = String::from_utf8(done(&["scan", "--emulate-atecc608a"])).unwrap();
    for name in ["audio", "camera", "gpu", "bluetooth", "macos", "sleep", "atecc608a-emulated"] {
        assert!(text.contains(&format!("\n  {name} ")), "{text} lacks {name}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for arguments in [&["scan"][..], &["stream"], &["stream", "--format", "hex"], &["stream", "--sources", "os"]] {
        let mut child = command(arguments).spawn().unwrap();
        let mut first = [0u8; 10];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn streams_have_the_length_and_the_form_asked_for() {
    assert_eq!(done(&["stream", "--bytes", "70k"]).len(), 70_000);
    let hex = String::from_utf8(done(&["stream", "--bytes", "32", "--format", "hex"])).unwrap();
    assert_eq!(hex::decode(hex.trim_end()).unwrap().len(), 32);
    let base64 = done(&["stream", "--bytes", "100000", "--format", "base64"]);
    assert_eq!(base64.len(), 100_000_usize.div_ceil(3) * 4 + 1);
    assert_eq!(base64.iter().filter(|byte| **byte == b'=').count(), 2, "padded once, at the end");
    for method in ["raw", "von-neumann", "sha256", "sha3"] {
        let bytes = done(&["stream", "--sources", "os,page-fault", "--conditioning", method, "--bytes", "100"]);
        assert_eq!(bytes.len(), 100, "{method}");
    }
    assert_eq!(done(&["stream", "--rate", "10k", "--bytes", "300"]).len(), 300);
    let first = done(&["stream", "--bytes", "32"]);
    assert_ne!(first, done(&["stream", "--bytes", "32"]));
}

#[test]
fn an_interrupt_ends_a_stream_well() {
    let mut child = command(&["stream", "--format", "base64"]).spawn().unwrap();
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_exact(&mut [0u8; 1000]).unwrap();
    interrupt(&child);
    let mut rest = Vec::new();
    pipe.read_to_end(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!((rest.len() + 1000) % 4, 1, "whole groups and a line break");
}

#[test]
fn unknown_words_are_refused_with_the_nearest_known_one() {
    refused(2, &["probe", "slep"], &["\"slep\"", "\"sleep\"", "remedy: "]);
    refused(2, &["stream", "--sources", "os,pip"], &["\"pip\"", "\"pipe\""]);
    refused(2, &["record", "memry", "--out", "/nowhere"], &["\"memory\""]);
    refused(2, &["stream", "--format", "base46"], &["base46", "base64"]);
    refused(2, &["stream", "--sources", "os", "--conditioning", "sha-256"], &["sha-256", "sha256"]);
    refused(2, &["stream", "--conditioning", "raw"], &["--sources"]);
    refused(2, &["stream", "--bytes", "0"], &["4096, 10k, 1M"]);
    refused(2, &["bench", "--profile", "quik"], &["quick"]);
    refused(1, &["stream", "--sources", "dns"], &["dns", "no hosts are configured"]);
}

#[test]
fn a_fifo_serves_one_reader_after_the_other_and_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("random");
    let mut child = command(&["fifo", path.to_str().unwrap()]).spawn().unwrap();
    let mut said = [0u8; 7];
    child.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"serving", "the pipe is there once this is said");
    let read = || {
        let mut bytes = [0u8; 32];
        File::open(&path).unwrap().read_exact(&mut bytes).unwrap();
        bytes
    };
    assert_ne!(read(), read());
    interrupt(&child);
    assert!(child.wait().unwrap().success());
    assert!(!path.exists());
    fs::write(&path, "mine").unwrap();
    refused(1, &["device", path.to_str().unwrap()], &["random", "nothing yet"]);
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn probes_and_recordings_tell_of_one_source() {
    let probe = json(&["probe", "os", "--profile", "quick"]);
    assert_eq!((&probe["name"], &probe["samples"]), (&"os".into(), &2000.into()));
    assert_eq!(json(&["probe", "atecc608a", "--emulate-atecc608a", "--profile", "quick"])["credit"]["millibits"], 0);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("session");
    let session = json(&["record", "page-fault", "--samples", "1k", "--out", out.to_str().unwrap()]);
    assert_eq!(session["samples"], 1000);
    let length = |name: &str| fs::read(Path::new(&out).join(name)).unwrap().len();
    assert_eq!((length("raw.bin"), length("ticks.bin")), (1000, 1000));
    refused(1, &["record", "os", "--out", out.to_str().unwrap()], &["session", "new folder"]);
}

#[test]
fn recordings_are_listed_analyzed_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    for (source, name) in [("page-fault", "first"), ("os", "second")] {
        done(&["record", source, "--samples", "7k", "--out", &folder(name)]);
    }
    fs::create_dir(folder("torn")).unwrap();
    fs::write(dir.path().join("torn/ticks.bin"), [1, 2, 3]).unwrap();
    let listed = json(&["sessions", dir.path().to_str().unwrap()]);
    let sources: Vec<&str> =
        listed["sessions"].as_array().unwrap().iter().map(|found| found["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["page-fault", "os"]);
    assert!(listed["broken"][0]["error"].as_str().unwrap().contains("no session.json"));
    let shown = String::from_utf8(done(&["sessions", dir.path().to_str().unwrap()])).unwrap();
    assert!(shown.contains("2 recordings") && shown.contains("torn") && shown.contains("page-fault"), "{shown}");

    let analysis = json(&["analyze", &folder("first"), &folder("second")]);
    assert_eq!((&analysis["subjects"][0]["samples"], &analysis["pairs"][0]["suspect"]), (&2000.into(), &false.into()));
    let twice = json(&["analyze", &folder("first"), &folder("first")]);
    assert_eq!((&twice["pairs"][0]["lag"], &twice["pairs"][0]["suspect"]), (&0.into(), &true.into()));

    let compared = json(&["compare", &folder("first"), &folder("second"), "--samples", "7k"]);
    let entropy = |side: &str| compared[side]["assessment"]["min_entropy"].as_f64().unwrap();
    assert!(entropy("first") < entropy("second"));
    assert!(compared["same_distribution_p"].as_f64().unwrap() < 0.001);
    let page = String::from_utf8(done(&["compare", &folder("first"), &folder("first"), "--samples", "7k"])).unwrap();
    for part in ["Most Common Value, symbols", "LZ78Y Prediction, bits", "min-entropy by SP 800-90B", "p = 1.0000"] {
        assert!(page.contains(part), "{page} lacks {part}");
    }
}

#[test]
fn sources_are_analyzed_beside_each_other() {
    let analysis = json(&["analyze", "os", "page-fault", "clock", "--lags", "8"]);
    let lengths: Vec<usize> =
        analysis["subjects"].as_array().unwrap().iter().map(|one| one["lags"].as_array().unwrap().len()).collect();
    assert_eq!((lengths, analysis["pairs"].as_array().unwrap().len()), (vec![8, 8, 8], 3));
    refused(2, &["analyze", "slep"], &["\"slep\"", "\"sleep\""]);
    refused(1, &["analyze", "os", "./nowhere"], &["./nowhere is no recording", "sessions"]);
    refused(1, &["compare", "os", "dns"], &["dns", "no hosts are configured"]);
}

#[test]
fn the_monitor_prints_lines_into_a_pipe_and_ends_when_told() {
    let lines = String::from_utf8(done(&["monitor", "--count", "1"])).unwrap();
    assert!(lines.lines().count() == 1 && lines.contains("workers 3/3") && !lines.contains('\x1b'), "{lines}");
    let seen = json(&["monitor", "--count", "1", "--emulate-atecc608a"]);
    assert_eq!((&seen["pool"]["workers"], &seen["pool"]["contributions"]), (&4.into(), &1.into()));
    refused(1, &["monitor", "--url", "http://127.0.0.1:1"], &["127.0.0.1:1", "remedy: "]);

    let mut child = command(&["monitor"]).spawn().unwrap();
    let mut first = [0u8; 20];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    interrupt(&child);
    assert!(child.wait().unwrap().success());

    let mut child = command(&["monitor"]).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success(), "a reader that has seen enough ends it");
}

#[test]
fn the_monitor_gives_the_terminal_back_as_it_was() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let shown = File::options().write(true).open(name).unwrap();
    let mut child = command(&["monitor"]).stdout(shown).spawn().unwrap();
    let mut terminal = File::from(terminal);
    let mut seen = String::new();
    while !seen.contains("contributions") {
        let mut piece = [0u8; 4096];
        let count = terminal.read(&mut piece).unwrap();
        seen += std::str::from_utf8(&piece[..count]).unwrap();
    }
    assert!(seen.starts_with("\x1b[?1049h\x1b[?25l\x1b[?7l"), "{seen:?}");
    interrupt(&child);
    // Once nobody holds the other end any more, reading fails.
    let mut rest = Vec::new();
    let _ = terminal.read_to_end(&mut rest);
    assert!(child.wait().unwrap().success());
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.ends_with("\x1b[?7h\x1b[?25h\x1b[?1049l"), "{rest:?}");
}

#[test]
fn a_report_tells_good_bytes_from_bad_ones() {
    let good = json(&["report", "--bytes", "20k"]);
    assert!(good["battery"]["quality"].as_f64().unwrap() > 0.7);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("zeros");
    fs::write(&path, vec![0; 20_000]).unwrap();
    let page = String::from_utf8(done(&["report", "--file", path.to_str().unwrap()])).unwrap();
    for part in ["# Randomness report", "| frequency | Monobit | 0.0000 | F |", "not assessed"] {
        assert!(page.contains(part), "{page} lacks {part}");
    }
}

#[test]
fn the_pool_reports_on_its_workers() {
    let report = json(&["pool", "--draws", "3", "--emulate-atecc608a"]);
    assert_eq!((&report["pool"]["contributions"], &report["pool"]["workers_running"]), (&3.into(), &4.into()));
}

#[test]
fn a_chip_is_locked_only_after_the_phrase_was_typed() {
    let lock = |typed: &str| {
        let mut child =
            command(&["atecc608a", "lock", "--emulate-atecc608a", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let refused = lock("yes\n");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("cannot be undone"));
    let locked: Value = serde_json::from_slice(&lock("lock this chip for ever\n").stdout).unwrap();
    assert_eq!((&locked["locks"]["config"], &locked["changed"]), (&true.into(), &true.into()));
    assert_eq!(json(&["atecc608a", "status", "--emulate-atecc608a"])["revision"], "00006002");
    assert_eq!(json(&["atecc608a", "self-test", "--emulate-atecc608a"])["self_test"], "passed");
}

#[test]
fn commands_for_a_running_node_say_when_there_is_none() {
    let url = ["--url", "http://127.0.0.1:1"];
    refused(1, &["cluster", url[0], url[1]], &["127.0.0.1:1", "remedy: "]);
    refused(2, &["inject", url[0], url[1]], &["nothing to inject"]);
}

#[test]
fn every_command_teaches() {
    let names = [
        "scan", "probe", "bench", "stream", "fifo", "device", "pool", "inject", "monitor", "record", "sessions",
        "analyze", "compare", "report", "cluster",
    ];
    for name in names {
        let help = String::from_utf8(done(&[name, "--help"])).unwrap();
        assert!(help.contains("Examples:") && help.contains("beacon-node entropy"), "{name}");
    }
    let lock = String::from_utf8(done(&["atecc608a", "lock", "--help"])).unwrap();
    assert!(lock.contains("CANNOT BE UNDONE"));
}
