//! `beacon-node status`: what the running node says of itself.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::TcpStream;

use super::failure::Failure;
use super::home::Home;
use crate::config::Layers;

const AFTER: &str = "\
Examples:
  beacon-node status --home a
  beacon-node status --url http://127.0.0.1:8081 --json";

const PATH: &str = "/admin/status";
const PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_MAX: usize = 4 << 20;

/// Ask the running node how it is.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The node's directory, whose configuration names the local listener
    #[arg(long, value_name = "DIR", env = "BEACON_HOME", required_unless_present = "url")]
    home: Option<PathBuf>,
    /// The local listener itself
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print the answer as it came, one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let authority = authority(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}"), "raise the limit on open files"))?;
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, get(&authority)).await });
    let unreachable = |reason: String| {
        let what = format!("no status from http://{authority}{PATH}: {reason}");
        Failure::new(what, "see that the node runs (`beacon-node run`) and that local_http is this address")
    };
    let bytes = answer.map_err(|_| unreachable("no answer in 5 s".into()))?.map_err(unreachable)?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| unreachable(format!("no JSON: {error}")))?;
    if arguments.json {
        println!("{value}");
    } else {
        print!("{}", table(&value));
    }
    Ok(())
}

/// Host and port of the listener to ask.
fn authority(arguments: &Arguments) -> Result<String, Failure> {
    if let Some(url) = &arguments.url {
        let uri: Option<Uri> = url.parse().ok();
        let plain = uri.filter(|uri| uri.scheme_str().is_none_or(|scheme| scheme == "http"));
        let authority = plain.and_then(|uri| uri.authority().cloned()).filter(|found| found.port_u16().is_some());
        let bad = || Failure::usage(format!("--url {url:?} is no local listener"), "write http://127.0.0.1:8081");
        return Ok(authority.ok_or_else(bad)?.to_string());
    }
    let home = arguments.home.clone().ok_or_else(|| Failure::usage("neither --home nor --url", "give one of them"))?;
    let path = Home::at(home).config();
    let config = Layers::default().file(&path).environment().load()?;
    config.local_http.0.map(|address| address.to_string()).ok_or_else(|| {
        let what = format!("{} says local_http = \"off\"", path.display());
        Failure::new(what, "give local_http an address on the loopback and restart the node")
    })
}

/// One GET over one connection.
async fn get(authority: &str) -> Result<Bytes, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect(authority).await.map_err(|error| text(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    let driver = tokio::spawn(connection);
    let request = Request::get(PATH).header("host", authority).header("connection", "close");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| text(&error))?;
    let response = sender.send_request(request).await.map_err(|error| text(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|error| text(&error))?;
    driver.abort();
    match status {
        StatusCode::OK => Ok(body.to_bytes()),
        other => Err(format!("the listener answered {other}")),
    }
}

/// What a reader looks for first; then come the other single values by name, then lists and groups.
const FIRST: [&str; 10] =
    ["name", "role", "sync", "round", "expected", "behind", "epoch", "decided_window", "chain", "identity"];

/// A readable form of any status: fields as lines, lists of objects as tables.
fn table(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(fields) => object(&mut out, fields, 0),
        other => out = format!("{}\n", plain(other)),
    }
    out
}

fn object(out: &mut String, fields: &Map<String, Value>, depth: usize) {
    let indent = "  ".repeat(depth);
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    let mut ordered: Vec<(&String, &Value)> = fields.iter().collect();
    ordered.sort_by_key(|(name, value)| {
        let group = value.is_object() || is_table(value);
        (group, FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()))
    });
    for (name, value) in ordered {
        let label = name.replace('_', " ");
        match value {
            Value::Object(inner) => {
                *out += &format!("{indent}{label}\n");
                object(out, inner, depth + 1);
            }
            Value::Array(rows) if is_table(value) => {
                *out += &format!("{indent}{label} ({})\n", rows.len());
                *out += &columns(rows, &"  ".repeat(depth + 1));
            }
            other => *out += &format!("{indent}{label:width$}  {}\n", plain(other)),
        }
    }
}

fn is_table(value: &Value) -> bool {
    value.as_array().is_some_and(|rows| rows.iter().any(Value::is_object))
}

/// Rows under their field names, each column as wide as its widest entry.
fn columns(rows: &[Value], indent: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut cells: Vec<Vec<String>> = vec![names.iter().map(|name| name.replace('_', " ")).collect()];
    cells.extend(rows.iter().map(|row| names.iter().map(|name| row.get(name).map_or(String::new(), plain)).collect()));
    let width = |column: usize| cells.iter().map(|row: &Vec<String>| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{indent}{}\n", padded.join("  ").trim_end())
    };
    cells.iter().map(line).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        // Three decimals are enough for people; --json has them all.
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.3}", number.as_f64().unwrap_or_default());
            text.trim_end_matches('0').trim_end_matches('.').into()
        }
        // Inside a table's cell a thing is its name, and its state if it has one.
        Value::Object(fields) => match (fields.get("name"), fields.get("state")) {
            (Some(name), Some(state)) => format!("{} ({})", plain(name), plain(state)),
            (Some(name), None) => plain(name),
            _ => value.to_string(),
        },
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_readable() {
        let status = json!({
            "chain": "ab", "round": 7, "leader": null, "warnings": ["a", "b"],
            "entropy": { "bits": 1.5 }, "peers": [{ "key": "k1", "rtt_ms": 3.25049 }, { "key": "key2", "member": true }],
            "workers": [{ "index": 0, "sources": [{ "name": "os", "state": "healthy", "bytes": 9 }, { "name": "x" }] }],
        });
        let expected = "\
round     7
chain     ab
leader    -
warnings  a, b
entropy
  bits  1.5
peers (2)
  key   rtt ms  member
  k1    3.25
  key2          true
workers (1)
  index  sources
  0      os (healthy), x
";
        assert_eq!(table(&status), expected);
    }

    #[test]
    fn a_url_must_name_a_plain_listener() {
        let of = |url: &str| authority(&Arguments { home: None, url: Some(url.into()), json: false });
        assert_eq!(of("http://127.0.0.1:8081").unwrap(), "127.0.0.1:8081");
        assert_eq!(of("http://[::1]:8081/x").unwrap(), "[::1]:8081");
        assert_eq!(of("127.0.0.1:8081").unwrap(), "127.0.0.1:8081");
        for bad in ["https://127.0.0.1:8081", "http://localhost", "", "a b"] {
            assert!(of(bad).unwrap_err().to_string().contains("http://127.0.0.1:8081"), "{bad}");
        }
    }
}
