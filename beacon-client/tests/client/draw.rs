//! Draws: the way from commitment to check.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use beacon_client::Digest32;
use beacon_client::draw::{Commitment, List, Outcome, Rules};
use beacon_client::fabricate::{Chain, Plan};
use serde_json::Value;
use tokio::process::Command;

use super::client;
use super::server::TestServer;
use super::state::Home;

/// A draw of round 9.
async fn drawn(chain: &Arc<Chain>, names: &[u8], rules: &Rules) -> Outcome {
    let server = TestServer::honest(chain).await;
    let client = client(chain, &[&server]);
    let list = List::parse(names).expect("a list");
    let beacon = client.get(9).await.expect("round 9");
    let commitment = Commitment::new(chain.chain, 9, beacon.header().due, rules, &list).expect("good rules");
    let mut proof = Vec::new();
    client.export(9, Some(9), false, &mut proof).await.expect("an export");
    Outcome::new(commitment, &list, &beacon, proof).expect("a draw")
}

/// Names reach a terminal and a page as text, and a pipe as they are.
#[tokio::test]
async fn names_do_nothing_to_a_terminal() {
    let (chain, home) = (Arc::new(Chain::build(Plan::new(4), 9).expect("a plan")), Home::new("terminal"));
    let outcome = drawn(&chain, "\x1b[2J\u{202e}<b>Ada".as_bytes(), &Rules::Shuffle).await;
    let file = home.path().join("it.result.json");
    std::fs::write(&file, serde_json::to_string(&outcome).expect("JSON")).expect("a writable file");
    let check = format!("{} draw check {} --chain {}", env!("CARGO_BIN_EXE_beacon"), file.display(), chain.chain);
    let run = async |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().await.expect("Debian always has it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(run("sh", &["-c", &check]).await, "\x1b[2J\u{202e}<b>Ada\n");
    let json = run("sh", &["-c", &format!("{check} --json")]).await;
    assert!(!json.contains(['\x1b', '\u{202e}']));
    let parsed: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(parsed["results"][0], "\x1b[2J\u{202e}<b>Ada");
    let terminal = run("script", &["--quiet", "--return", "--command", &check, "/dev/null"]).await;
    assert!(terminal.contains("\n[U+001B][2J[U+202E]<b>Ada\r\n") && !terminal.contains('\x1b'), "{terminal:?}");
    assert!(terminal.starts_with("shuffle from round 9, due 2024-"), "a terminal has a heading");
    let page = beacon_client::draw::page::html(&outcome, "it.result.json");
    assert!(page.contains("<bdi>[U+001B][2J[U+202E]&lt;b&gt;Ada</bdi>") && !page.contains("<b>"), "{page}");
}

#[tokio::test]
async fn every_change_of_an_outcome_is_refused() {
    let chain = Arc::new(Chain::build(Plan::new(4).epochs(1, 4), 10).expect("a plan"));
    let rules = Rules::Pick { count: 2 };
    let good = drawn(&chain, b"Ada\nBengt\nChloe\nDora\nEmil", &rules).await;
    let due = good.commitment.due;
    good.check(&chain.chain).expect("an honest draw");
    assert_eq!(good.check(&Digest32::ZERO).expect_err("another chain").code(), "wrong-chain");
    let changes: [fn(&mut Outcome); 11] = [
        |outcome| outcome.results.swap(0, 1),
        |outcome| drop(outcome.results.pop()),
        |outcome| outcome.output = Digest32::ZERO,
        |outcome| outcome.list = outcome.list.replace("Emil", "Eve"),
        |outcome| outcome.list.push('\n'),
        |outcome| outcome.commitment.rules = "pick 3".into(),
        |outcome| outcome.commitment.round = 8,
        |outcome| outcome.commitment.due += 1,
        |outcome| outcome.commitment.draw = Digest32::ZERO,
        |outcome| outcome.commitment.format = "beacon-draw/2".into(),
        |outcome| outcome.proof[300] ^= 1,
    ];
    for (change, number) in changes.iter().zip(0..) {
        let mut outcome = good.clone();
        change(&mut outcome);
        assert_eq!(outcome.check(&chain.chain).expect_err("a change").exit_code(), 1, "change {number}");
    }
    // With rules, list and draw hash changed together the results do not fit the output any more.
    let other = Commitment::new(chain.chain, 9, due, &rules, &List::parse(b"Eve\nMallory").expect("a list"));
    let mut outcome = Outcome { commitment: other.expect("good rules"), list: "Eve\nMallory\n".into(), ..good };
    assert!(outcome.check(&chain.chain).is_err());
    outcome.results = vec!["Eve".into(), "Mallory".into()];
    let mallory = outcome.check(&chain.chain).is_ok();
    outcome.results.reverse();
    assert_ne!(mallory, outcome.check(&chain.chain).is_ok(), "exactly one order is right");
}

#[tokio::test]
async fn commit_run_check_by_command() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as u64;
    let plan = Plan::new(4).times(now - 39 * 60_000 - 30_000, 60_000);
    let chain = Arc::new(Chain::build(plan.clone(), 50).expect("a plan"));
    let server = TestServer::honest(&chain).await;
    server.tip.send_replace(40);
    let home = Home::new("draw");
    let path = |name: &str| home.path().join(name).to_str().expect("a path of text").to_owned();
    let (names, draw) = (path("names.txt"), path("draw.json"));
    std::fs::write(&names, "Ada\r\nBengt\r\nChloe\r\n").expect("a writable file");
    let hash = chain.chain.to_string();
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beacon"));
        command.args(["--url", &server.url, "--chain", &hash]).args(arguments).env("BEACON_HOME", home.path());
        let output = command.output().await.expect("the binary runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let commit = ["draw", "commit", "--pick", "2", "--from", &names, "--out", &draw];
    for round in ["1", "40"] {
        let (code, _, err) = run(&[&commit[..], &["--round", round]].concat()).await;
        assert!(code == Some(2) && err.contains("may be known already"), "{err}");
    }
    let (code, out, err) = run(&[&commit[..], &["--round", "42", "--json"]].concat()).await;
    assert_eq!(code, Some(0), "{err}");
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["commitment"]["rules"], "pick 2");
    assert_eq!(run(&[&commit[..], &["--round", "42"]].concat()).await.0, Some(2), "it is not overwritten");
    assert_eq!(run(&["draw", "--pick", "1"]).await.0, Some(2), "a list is missing");
    assert_eq!(run(&["draw"]).await.0, Some(2));

    // The result of a commitment made for a round that has come meanwhile.
    let list = List::parse(b"Ada\nBengt\nChloe").expect("a list");
    let due = chain.beacons[39].header.due;
    let past = Commitment::new(chain.chain, 40, due, &Rules::Pick { count: 2 }, &list).expect("good rules");
    std::fs::write(path("past.json"), serde_json::to_string(&past).expect("JSON")).expect("a writable file");
    let (code, out, err) = run(&["draw", "run", &path("past.json"), "--from", &names]).await;
    assert_eq!(code, Some(0), "{err}");
    let result = path("past.result.json");
    let (code, again, err) = run(&["draw", "check", &result, "--commitment", &path("past.json")]).await;
    assert_eq!((code, &again), (Some(0), &out), "{err}");
    assert_eq!(out.lines().count(), 2);
    let page = std::fs::read_to_string(path("past.result.html")).expect("the page");
    assert!(page.contains(&past.draw.to_string()) && page.contains("past.result.json"));
    assert_eq!(run(&["draw", "check", &result, "--commitment", &draw]).await.0, Some(1), "another commitment");
    let text = std::fs::read_to_string(&result).expect("the result");
    std::fs::write(&result, text.replace("Chloe", "Clara")).expect("a writable file");
    assert_eq!(run(&["draw", "check", &result]).await.0, Some(1), "another list");
}
