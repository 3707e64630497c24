//! The built `beacon`: what it prints and how it exits.

use std::process::Output;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use beacon_client::fabricate::{Chain, Plan};
use serde_json::Value;
use tokio::process::Command;

use super::hostile::{Shows, habits};
use super::server::{Reply, TestServer};
use super::state::Home;

/// Of a chain whose 40th round is due now.
fn current_plan() -> Plan {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as u64;
    Plan::new(4).epochs(1, 16).times(now - 39 * 60_000, 60_000)
}

struct Run {
    home: Home,
    plan: Plan,
    chain: Arc<Chain>,
    server: TestServer,
}

impl Run {
    async fn new(name: &str) -> Run {
        let plan = current_plan();
        let chain = Arc::new(Chain::build(plan.clone(), 40).expect("a plan"));
        let server = TestServer::honest(&chain).await;
        Run { home: Home::new(name), plan, chain, server }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beacon"));
        command.args(arguments).env_clear().env("BEACON_HOME", self.home.path()).kill_on_drop(true);
        command
    }

    async fn beacon(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.expect("the binary runs")
    }

    /// Runs with server and chain given; the exit code, standard output and standard error.
    async fn known(&self, arguments: &[&str]) -> (i32, String, String) {
        let chain = self.chain.chain.to_string();
        let output = self.beacon(&[&["--url", &self.server.url, "--chain", &chain], arguments].concat()).await;
        text(&output)
    }
}

fn text(output: &Output) -> (i32, String, String) {
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (output.status.code().expect("an exit code"), utf8(&output.stdout), utf8(&output.stderr))
}

#[tokio::test]
async fn rounds_in_a_pipe_and_in_json() {
    let run = Run::new("rounds").await;
    let (code, out, err) = run.known(&["latest"]).await;
    let output = run.chain.beacons[39].header.output;
    assert_eq!((code, out, err), (0, format!("40 {output}\n"), String::new()));
    let (code, out, _) = run.known(&["--json", "get", "7"]).await;
    assert_eq!(code, 0);
    let json: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!(json["output"], run.chain.beacons[6].header.output.to_string());
    assert_eq!(json["hash"], run.chain.beacons[6].header.hash().to_string());
    assert_eq!(json["verified"]["by"], "mmr-proof");
    let (code, out, _) = run.known(&["--json", "info"]).await;
    let json: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!((code, &json["epoch"], &json["round"]), (0, &3.into(), &40.into()));
    let (code, out, _) = run.known(&["at", &(run.chain.beacons[4].header.due / 1000 + 59).to_string()]).await;
    assert_eq!((code, out.split(' ').next()), (0, Some("5")));
}

#[tokio::test]
async fn exit_code_2_teaches_where_trust_starts() {
    let run = Run::new("usage").await;
    let (code, out, err) = text(&run.beacon(&["latest", "--url", &run.server.url]).await);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("chain hash") && err.contains("--chain"), "{err}");
    assert_eq!(run.server.hits(""), 0, "no server is asked for what must not be believed");
    assert_eq!(text(&run.beacon(&["latest"]).await).0, 2);
    assert_eq!(text(&run.beacon(&["no-such-command"]).await).0, 2);
    let (code, _, err) = text(&run.beacon(&["get", "first", "--json"]).await);
    let json: Value = serde_json::from_str(&err).expect("JSON on standard error");
    assert_eq!((code, &json["code"]), (2, &"usage".into()));
    assert!(json["error"].as_str().is_some_and(|text| text.contains("first") && text.contains("ROUND")), "{err}");
    assert_eq!(run.known(&["get", "0"]).await.0, 2);
    assert_eq!(run.known(&["at", "yesterday"]).await.0, 2);
    assert_eq!(run.known(&["at", "1970-01-01T00:00:00Z"]).await.0, 2);
    assert_eq!(run.known(&["verify"]).await.0, 2);
    assert_eq!(run.known(&["verify", "/no/such/file"]).await.0, 2);
    assert_eq!(run.known(&["verify", "--from", "9", "--to", "3"]).await.0, 2);
}

#[tokio::test]
async fn the_chain_is_remembered_for_a_server() {
    let run = Run::new("remember").await;
    assert_eq!(run.known(&["latest"]).await.0, 0);
    let (code, out, _) = text(&run.beacon(&["get", "3", "--url", &run.server.url]).await);
    assert_eq!((code, out.split(' ').next()), (0, Some("3")));
}

#[tokio::test]
async fn exit_code_1_names_the_reason() {
    let run = Run::new("refused").await;
    let flip = |body: Option<Vec<u8>>| {
        let mut body = body.unwrap_or_default();
        body[250] ^= 1;
        Reply::Ok(body)
    };
    let liar = TestServer::twisted(&run.chain, "latest", flip).await;
    let chain = run.chain.chain.to_string();
    let (code, out, err) = text(&run.beacon(&["latest", "--url", &liar.url, "--chain", &chain]).await);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("bad-signature") && err.contains(&liar.url), "{err}");
    let (code, out, err) = text(&run.beacon(&["latest", "--json", "--url", &liar.url, "--chain", &chain]).await);
    assert_eq!((code, out.as_str()), (1, ""));
    let json: Value = serde_json::from_str(&err).expect("JSON on standard error");
    assert_eq!((&json["code"], &json["refusal"]["from"]), (&"bad-signature".into(), &liar.url.clone().into()));
    // With an honest server beside it the answer comes, and the refusal is told.
    let (code, _, err) =
        text(&run.beacon(&["latest", "--url", &liar.url, "--url", &run.server.url, "--chain", &chain]).await);
    assert_eq!(code, 0);
    assert!(err.contains("refused"), "{err}");
    let wrong = "00".repeat(32);
    let (code, _, err) = text(&run.beacon(&["latest", "--url", &run.server.url, "--chain", &wrong]).await);
    assert!(code == 1 && err.contains("wrong-chain"), "{err}");
}

#[tokio::test]
async fn exit_codes_3_and_4() {
    let run = Run::new("codes").await;
    let chain = run.chain.chain.to_string();
    let (code, out, err) = text(&run.beacon(&["latest", "--url", "http://127.0.0.1:1", "--chain", &chain]).await);
    assert_eq!((code, out.as_str()), (3, ""), "{err}");
    let silent = TestServer::twisted(&run.chain, "", |_| Reply::Silence).await;
    let arguments = ["latest", "--timeout", "0.2", "--url", &silent.url, "--chain", &chain];
    let (code, _, err) = text(&run.beacon(&arguments).await);
    assert!(code == 3 && err.contains("in time"), "{err}");
    let (code, _, err) = run.known(&["get", "41"]).await;
    assert!(code == 4 && err.contains("due at"), "{err}");
    let (code, _, err) = run.known(&["at", "2999-01-01T00:00:00Z", "--no-wait"]).await;
    assert_eq!(code, 4, "{err}");
}

#[tokio::test]
async fn verify_and_export() {
    let run = Run::new("verify").await;
    let (code, out, err) = run.known(&["verify", "--all", "--json"]).await;
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!(
        (&json["verified"], &json["head_hash"]),
        (&40.into(), &run.chain.beacons[39].header.hash().to_string().into())
    );
    assert_eq!(run.known(&["verify", "--all", "--links"]).await.0, 0);
    assert_eq!(run.known(&["verify", "--from", "3", "--to", "33"]).await.0, 0);
    assert_eq!(run.known(&["verify", "12"]).await.0, 0);
    let file = run.home.path().join("all.chain");
    let file = file.to_str().expect("a path of text");
    assert_eq!(run.known(&["export", "--all", "--out", file]).await.0, 0);
    assert_eq!(run.known(&["export", "--all", "--out", file]).await.0, 2, "it is not overwritten");
    let chain = run.chain.chain.to_string();
    let (code, out, err) = text(&run.beacon(&["verify", file, "--chain", &chain]).await);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(&run.chain.beacons[39].header.hash().to_string()));
    let elsewhere = format!("40:{}", "11".repeat(32));
    let (code, _, err) = text(&run.beacon(&["verify", file, "--chain", &chain, "--checkpoint", &elsewhere]).await);
    assert!(code == 1 && err.contains("conflict"), "{err}");
    let mut bytes = std::fs::read(file).expect("the export");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).expect("a writable file");
    let (code, out, err) = text(&run.beacon(&["verify", file, "--chain", &chain]).await);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
}

#[tokio::test]
async fn watch_prints_each_round_once() {
    let run = Run::new("watch").await;
    let (code, out, err) = run.known(&["watch", "--from", "30", "--rounds", "11"]).await;
    assert_eq!(code, 0, "{err}");
    let rounds: Vec<_> = out.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(rounds, (30..=40).map(|round| round.to_string()).collect::<Vec<_>>());
    let (code, out, _) = run.known(&["watch", "--json", "--rounds", "1"]).await;
    let json: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!((code, &json["round"]), (0, &40.into()));
}

#[tokio::test]
async fn watch_ends_gracefully_when_interrupted() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let run = Run::new("interrupt").await;
    let chain = run.chain.chain.to_string();
    let mut child = run
        .command(&["watch", "--url", &run.server.url, "--chain", &chain])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert!(lines.next_line().await.expect("text").is_some_and(|line| line.starts_with("40 ")));
    let id = child.id().expect("it runs").to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status().await.expect("kill runs");
    assert!(killed.success());
    assert_eq!(child.wait().await.expect("it ends").code(), Some(0));
}

#[tokio::test]
async fn completions_and_manual() {
    let run = Run::new("manual").await;
    let (code, out, _) = text(&run.beacon(&["man"]).await);
    assert!(code == 0 && out.contains("checkpoint") && out.contains("BEACON EXPORT"), "{out}");
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = text(&run.beacon(&["completions", shell]).await);
        assert!(code == 0 && out.contains("trusting-period"), "{shell}");
    }
}

/// 64 MiB of data, the limit of the shell, are enough whatever a server sends.
#[tokio::test]
async fn memory_stays_bounded() {
    let run = Run::new("memory").await;
    let mut servers = Vec::new();
    for habit in habits(&run.plan, 40) {
        let (name, code) = (habit.name, if matches!(habit.shows, Shows::Refused(_)) { 1 } else { 3 });
        servers.push((name, code, "latest", habit.start(&run.chain).await));
    }
    let range = TestServer::twisted(&run.chain, "rounds?", |_| Reply::Endless).await;
    servers.push(("a range without end", 3, "verify --all", range));
    let chain = run.chain.chain.to_string();
    for (name, expected, command, server) in servers {
        let script = format!(
            "ulimit -d 65536 && exec {} {command} --timeout 1 --url {} --chain {chain}",
            env!("CARGO_BIN_EXE_beacon"),
            server.url
        );
        let output = Command::new("sh").args(["-c", &script]).env("BEACON_HOME", run.home.path()).output().await;
        let (code, out, err) = text(&output.expect("a shell"));
        assert_eq!((code, out.as_str()), (expected, ""), "{name}: {err}");
    }
}
