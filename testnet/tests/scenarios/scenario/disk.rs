//! Disks that fail: full, without sync, read-only, limited, damaged. The node says what is wrong and ends; what was
//! certified stays, and nobody has signed twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use beacon_testnet::health;
use beacon_testnet::kill_loop::Loop;
use beacon_testnet::node::node_command;
use beacon_testnet::scenarios::preload;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::{Net, PATIENCE, copy, finished, json, node, refused, success};

/// The node whose disk fails.
const BAD: usize = 3;

/// A network in which the data of one node is on a disk that fails while a file says so.
async fn with_failing_disk() -> (Net, PathBuf) {
    let mut net = Net::made(&[1, 1, 1, 1], 250, 1).await;
    let source = include_str!("../failing_disk.c");
    let library = preload::library(net.directory.path(), "failing_disk", source).await.unwrap();
    let switch = net.directory.path().join("fault");
    let data = net.network.nodes[BAD].home.join("data");
    let environment = [("LD_PRELOAD", library), ("DISK_FAULT", switch.clone()), ("DISK_UNDER", data)];
    net.network.nodes[BAD].environment.extend(environment.map(|(name, value)| (name.to_owned(), value.into())));
    (net, switch)
}

/// The node has ended by itself with exit code 1, and its log says all of `parts`.
async fn ends_saying(net: &mut Net, parts: &[&str]) {
    let bad = &mut net.network.nodes[BAD];
    let status = timeout(PATIENCE, bad.end()).await.unwrap_or_else(|_| panic!("{}", net.network.nodes[BAD].tail()));
    assert_eq!(status.unwrap().code(), Some(1), "{}", net.network.nodes[BAD].tail());
    let said = net.network.nodes[BAD].tail();
    for part in parts {
        assert!(said.contains(part), "{said:?} lacks {part:?}");
    }
}

/// The newest round at this moment, whatever of it the subscribers have seen.
async fn current(net: &Net) -> u64 {
    let health = health::of(net.network.nodes[0].endpoints.http_address()).await.expect("node 0 answers");
    health.current.expect("a node tells its round")
}

/// The other nodes certify further rounds without it.
async fn others_go_on(net: &mut Net) {
    let goal = current(net).await + 5;
    net.until("the others go on", |view| view.nodes[..BAD].iter().all(|seen| seen.round() >= goal)).await;
}

/// The disk works again: the node goes on, holds what all hold, and has signed nothing twice.
async fn recovers(net: &mut Net) {
    let program = net.network.binaries.node.clone();
    net.network.nodes[BAD].start(&program, false).unwrap();
    let rounds = current(net).await + 3;
    net.until("all nodes go on", |view| view.common() >= rounds).await;
    net.assert_agreement(rounds, &[]).await;
    for node in &net.network.nodes {
        let log = fs::read_to_string(&node.log).unwrap();
        assert!(!log.contains("broke the protocol provably"), "{}", node.tail());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_or_does_not_sync_ends_the_node_and_loses_nothing() {
    let (mut net, switch) = with_failing_disk().await;
    net.network.start().unwrap();
    net.rounds_more(3).await;
    for (fault, reason) in [("full", "No space left on device"), ("sync", "Input/output error")] {
        fs::write(&switch, fault).unwrap();
        ends_saying(&mut net, &["the disk refuses to write", reason, "remedy: see that the disk has room"]).await;
        others_go_on(&mut net).await;
        fs::remove_file(&switch).unwrap();
        recovers(&mut net).await;
    }
    net.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_named_at_the_start_and_can_be_checked() {
    let (mut net, switch) = with_failing_disk().await;
    net.network.start().unwrap();
    net.rounds_more(3).await;
    net.network.nodes[BAD].stop().await.unwrap();
    fs::write(&switch, "readonly").unwrap();
    let bad = &net.network.nodes[BAD];
    let asked = async |words: &[&str]| {
        let mut command = node_command(&net.network.binaries.node);
        command.args(words).arg("--home").arg(&bad.home);
        command.envs(bad.environment.iter().map(|(name, value)| (name, value)));
        finished(command).await
    };
    refused(&asked(&["run"]).await, &["data", "Read-only file system", "remedy"]);
    success(&asked(&["db", "check"]).await);
    fs::remove_file(&switch).unwrap();
    recovers(&mut net).await;
    net.finish().await;
}

/// A limit on the size of files (`ulimit -f`), for which the kernel would end the process without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_files_ends_the_node_with_a_message() {
    let mut net = Net::start(&[1, 1, 1, 1], 250, 1).await;
    net.rounds_more(2).await;
    net.network.nodes[BAD].stop().await.unwrap();
    let mut command = Command::new("sh");
    let home = net.network.nodes[BAD].home.clone();
    let program = net.network.binaries.node.clone();
    // In units of 512 or, with another sh, of 1,024 bytes.
    command.args(["-c", "ulimit -f 200; exec \"$0\" run --home \"$1\""]).arg(program).arg(home);
    let output = finished_of(command).await;
    refused(&output, &["the disk refuses to write", "File too large"]);
    others_go_on(&mut net).await;
    recovers(&mut net).await;
    net.finish().await;
}

async fn finished_of(mut command: Command) -> std::process::Output {
    command.stdin(Stdio::null());
    finished(command).await
}

fn tables(data: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "sst")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_table_is_found_and_the_node_does_not_start_from_it() {
    let mut net = Net::start(&[1, 1, 1, 1], 200, 1).await;
    net.rounds_more(5).await;
    let home = net.network.nodes[BAD].home.clone();
    let (data, path) = (home.join("data"), home.display().to_string());
    let in_use = node(&net.network.binaries, &["db", "compact", "--home", &path]).await;
    refused(&in_use, &["in use by another process"]);
    net.network.nodes[BAD].stop().await.unwrap();
    success(&node(&net.network.binaries, &["db", "compact", "--home", &path]).await);
    let whole = json(&node(&net.network.binaries, &["db", "check", "--home", &path, "--json", "--audits", "1"]).await);
    assert!(whole["rounds"].as_u64() >= Some(5) && whole["audited"].as_u64() >= Some(5), "{whole}");

    let kept = net.directory.path().join("kept");
    copy(&data, &kept);
    let largest = tables(&data).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    flip(&largest);
    let name = largest.file_name().unwrap().to_str().unwrap().to_owned();
    refused(&node(&net.network.binaries, &["db", "check", "--home", &path]).await, &[&name, "checksum", "remedy"]);
    tables(&data).iter().filter(|table| **table != largest).for_each(|table| flip(table));
    refused(
        &node(&net.network.binaries, &["run", "--home", &path]).await,
        &["damaged", ".sst", "beacon-node db check"],
    );

    fs::remove_dir_all(&data).unwrap();
    copy(&kept, &data);
    recovers(&mut net).await;
    net.finish().await;
}

/// Changes one byte inside the first block.
fn flip(table: &Path) {
    let mut bytes = fs::read(table).unwrap();
    bytes[10] ^= 0x20;
    fs::write(table, bytes).unwrap();
}

/// A backup of a running member starts as an observer with an identity of its own, and not beside the member's keys.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_becomes_an_observer_and_nothing_else() {
    let mut net = Net::start(&[30, 30, 25, 15], 250, 1).await;
    let rounds = net.rounds_more(5).await;
    let home = net.network.nodes[BAD].home.display().to_string();
    let backup = net.directory.path().join("backup");
    let to = backup.display().to_string();
    let report = json(&node(&net.network.binaries, &["db", "backup", "--home", &home, "--to", &to, "--json"]).await);
    let newest: u64 = report["backup"]["newest_round"].as_u64().unwrap();
    assert!(newest >= rounds, "{report}");

    net.network.nodes[BAD].stop().await.unwrap();
    let data = net.network.nodes[BAD].home.join("data");
    let kept = net.directory.path().join("kept");
    fs::rename(&data, &kept).unwrap();
    let run = node(&net.network.binaries, &["run", "--home", &home]).await;
    refused(&run, &["these keys have signed with the database", "--restored"]);
    fs::remove_dir_all(&data).unwrap();
    copy(&backup.join("data"), &data);
    let run = node(&net.network.binaries, &["run", "--home", &home]).await;
    refused(&run, &["is a backup", "beacon-node init"]);
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&kept, &data).unwrap();
    recovers(&mut net).await;

    let mut observer = net.observer(&["--genesis", &backup.join("genesis.bin").display().to_string()]).await;
    copy(&backup.join("data"), &observer.home.join("data"));
    let path = observer.home.display().to_string();
    let checked = json(&node(&net.network.binaries, &["db", "check", "--home", &path, "--json"]).await);
    assert_eq!(checked["newest_round"], Value::from(newest));
    observer.start(&net.network.binaries.node, false).unwrap();
    net.follows(&observer, newest + 3).await;
    observer.stop().await.unwrap();
    net.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_under_load_lose_nothing_and_sign_nothing_twice() {
    let net = Net::made(&[1, 1, 1, 1], 200, 1).await;
    let (network, _held) = net.taken();
    let mut kill_loop = Loop::start(network, 7).unwrap();
    let report = kill_loop.run(20, |_| {}).await.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.wrong, Vec::<String>::new());
    assert_eq!((report.agreeing, report.lost, report.crimes), (4, 0, 0));
    assert_eq!(report.kills, 18 + 2 * 4, "twice all four at once");
    assert!(report.rounds >= 20, "{} rounds", report.rounds);
}
