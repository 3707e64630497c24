//! Draws: the frozen vectors of the second implementation, and the way from commitment to check.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use beacon_client::Digest32;
use beacon_client::draw::sample::Stream;
use beacon_client::draw::{Commitment, List, Outcome, Rules};
use beacon_client::fabricate::{Chain, Plan};
use serde_json::Value;
use tokio::process::Command;

use super::client;
use super::server::TestServer;
use super::state::Home;

fn field<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().expect("the vectors have all fields")
}

fn digest(case: &Value, name: &str) -> Digest32 {
    Digest32::from_hex(field(case, name)).expect("the vectors are hexadecimal")
}

#[test]
fn draws_are_those_of_the_second_implementation() {
    let vectors: Value = serde_json::from_str(include_str!("../../vectors/draw.json")).expect("JSON");
    let cases = vectors["cases"].as_array().expect("a list of cases");
    assert!(cases.len() >= 19);
    for case in cases {
        let list = List::parse(field(case, "text").as_bytes()).expect("a list");
        let rules: Rules = field(case, "rules").parse().expect("rules");
        let round = case["round"].as_u64().expect("a round");
        let commitment = Commitment::new(digest(case, "chain"), round, 0, &rules, &list).expect("good rules");
        assert_eq!(commitment.list, digest(case, "list"), "{rules}");
        assert_eq!(commitment.draw, digest(case, "draw"), "{rules}");
        let results = rules.draw(&list, &mut Stream::new(digest(case, "output"), commitment.draw));
        let expected: Vec<&str> =
            case["results"].as_array().expect("results").iter().filter_map(Value::as_str).collect();
        assert_eq!(results, expected, "{rules}");
    }
}

#[test]
fn rules_have_one_spelling_and_limits() {
    for text in ["pick 3", "shuffle", "dice 2d6", "range -5..5 times 2", "bytes 32"] {
        assert_eq!(text.parse::<Rules>().expect("rules").to_string(), text);
    }
    for text in
        ["", "pick", "pick 03", "pick +3", "Pick 3", "pick 3 ", "dice 2d", "range 1..2", "bytes -1", "shuffle 3"]
    {
        assert!(text.parse::<Rules>().is_err(), "{text}");
    }
    let three = List::parse(b"a\nb\nc").expect("a list");
    let weighted = List::parse(b"a\t1\nb\t2").expect("a list");
    let none = List::default();
    for (rules, list, good) in [
        ("pick 3", &three, true),
        ("pick 4", &three, false),
        ("pick 0", &three, false),
        ("pick 1", &none, false),
        ("pick 2", &weighted, true),
        ("shuffle", &weighted, false),
        ("shuffle", &none, false),
        ("dice 1d6", &three, false),
        ("dice 1d0", &none, false),
        ("dice 0d6", &none, false),
        ("range 5..4 times 1", &none, false),
        ("range 5..5 times 1", &none, true),
        ("bytes 1000001", &none, false),
        ("bytes 1000000", &none, true),
    ] {
        assert_eq!(rules.parse::<Rules>().expect("rules").check(list).is_ok(), good, "{rules}");
    }
}

#[tokio::test]
async fn every_change_of_an_outcome_is_refused() {
    let chain = Arc::new(Chain::build(Plan::new(4).epochs(1, 4), 10).expect("a plan"));
    let server = TestServer::honest(&chain).await;
    let client = client(&chain, &[&server]);
    let list = List::parse(b"Ada\nBengt\nChloe\nDora\nEmil").expect("a list");
    let beacon = client.get(9).await.expect("round 9");
    let due = beacon.header().due;
    let commitment = Commitment::new(chain.chain, 9, due, &Rules::Pick { count: 2 }, &list).expect("good rules");
    let mut proof = Vec::new();
    client.export(9, Some(9), false, &mut proof).await.expect("an export");
    let good = Outcome::new(commitment, &list, &beacon, proof).expect("a draw");
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
    let other =
        Commitment::new(chain.chain, 9, due, &Rules::Pick { count: 2 }, &List::parse(b"Eve\nMallory").expect("a list"));
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
