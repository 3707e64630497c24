//! `beacon-node status`: what the running node says of itself.

use clap::Args;
use serde_json::{Map, Value};

use super::failure::Failure;
use super::local::Local;

const AFTER: &str = "\
Examples:
  beacon-node status --home a
  beacon-node status --url http://127.0.0.1:8081 --json";

/// Ask the running node how it is.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(flatten)]
    local: Local,
    /// Print the answer as it came, one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let value = arguments.local.get("/admin/status")?;
    if arguments.json {
        println!("{value}");
    } else {
        print!("{}", table(&value));
    }
    Ok(())
}

/// What a reader looks for first; then come the other single values by name, then lists and groups.
const FIRST: [&str; 10] =
    ["name", "role", "sync", "round", "expected", "behind", "epoch", "decided_window", "chain", "identity"];

/// A readable form of any answer: fields as lines, lists of objects as tables.
pub(super) fn table(value: &Value) -> String {
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
}
