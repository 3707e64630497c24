//! How results and failures are printed: tables on a terminal, one line in a pipe, JSON when asked for.

use std::io::{self, IsTerminal, Write};

use beacon_client::source::wire::BeaconJson;
use beacon_client::text::{visible, visible_json};
use beacon_client::trust::How;
use beacon_client::{Error, Trust, Verified, time};
use serde::Serialize;
use serde_json::json;

/// Whether results go to a terminal.
pub fn on_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes one line to standard output. A reader that has gone away is no error: there is nobody to tell.
pub fn line(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Error::File { path: "standard output".into(), message: error.to_string() }),
        Ok(()) => Ok(()),
    }
}

/// Writes one JSON object to standard output, on one line.
pub fn json(value: &impl Serialize) -> Result<(), Error> {
    line(&visible_json(&serde_json::to_string(value).unwrap_or_default()))
}

/// Writes what is no result to standard error. Parts of it are words of servers and files.
pub fn note(text: &str) {
    eprintln!("beacon: {}", visible(text));
}

/// Writes text as it is.
pub fn text(text: &[u8]) -> Result<(), Error> {
    line(String::from_utf8_lossy(text).trim_end())
}

/// Prints rows of name and value, aligned.
pub fn table(rows: &[(&str, String)]) -> Result<(), Error> {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().try_for_each(|(name, value)| line(&format!("{name:width$}  {}", visible(value))))
}

/// The JSON of a verified beacon: as servers give it, then what verified it, then what the command adds.
#[derive(Serialize)]
struct Shown<T: Serialize> {
    #[serde(flatten)]
    beacon: BeaconJson,
    verified: By,
    #[serde(flatten)]
    more: T,
}

#[derive(Serialize)]
struct By {
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<u64>,
}

/// Prints the JSON of a verified beacon with further fields.
pub fn beacon_json(verified: &Verified, more: impl Serialize) -> Result<(), Error> {
    let how = verified.how();
    let head = if let How::Proof { head } = how { Some(head) } else { None };
    let beacon = BeaconJson::new(verified.beacon());
    let shown = Shown { beacon, verified: By { by: how.name(), head }, more };
    json(&shown)
}

/// Prints one verified beacon: JSON, a table on a terminal, or `ROUND OUTPUT` in a pipe.
pub fn beacon(verified: &Verified, trust: &Trust, behind: u64, as_json: bool) -> Result<(), Error> {
    if as_json {
        return beacon_json(verified, json!({ "behind": behind }));
    }
    if !on_terminal() {
        return line(&format!("{} {}", verified.round(), verified.output()));
    }
    let signers = verified.certificate().signatures.len();
    let by = match verified.how() {
        How::Certificate => format!("certificate of {signers} members, more than 2/3 of the weight"),
        How::Proof { head } => format!("MMR proof under round {head}, and certificate of {signers} members"),
    };
    table(&[
        ("round", verified.round().to_string()),
        ("due", time::format(verified.header().due)),
        ("output", verified.output().to_string()),
        ("header", verified.hash().to_string()),
        ("verified", by),
        ("chain", format!("{} ({})", trust.chain(), trust.draft().name)),
    ])
}

/// Says on standard error that the chain is late, since a stale answer must not pass for a fresh one.
pub fn late(behind: u64) {
    if behind > 1 {
        note(&format!("late: {behind} rounds are due beyond this one"));
    }
}

/// Says which servers were refused though the command succeeded.
pub fn bans(client: &beacon_client::Client) {
    for refusal in client.bans() {
        note(&format!("server refused: {refusal}"));
    }
}

/// Prints a failure on standard error and gives the exit code.
pub fn failure(error: &Error, as_json: bool) -> u8 {
    if as_json {
        let mut json = json!({ "error": error.to_string(), "code": error.code() });
        match error {
            Error::Refused(refusal) => json["refusal"] = serde_json::to_value(refusal).unwrap_or_default(),
            Error::Conflict(conflict) => {
                json["trusted"] = serde_json::to_value(&conflict.trusted).unwrap_or_default();
                json["offered"] = serde_json::to_value(&conflict.offered).unwrap_or_default();
            }
            Error::NotYet { round, due } => {
                json["round"] = json!(round);
                json["due"] = json!(due);
            }
            Error::Unreachable(faults) => {
                json["servers"] = faults
                    .iter()
                    .map(|(server, fault)| json!({ "server": server, "fault": fault.to_string() }))
                    .collect();
            }
            Error::Usage(_) | Error::File { .. } => {}
        }
        eprintln!("{}", visible_json(&json.to_string()));
    } else {
        note(&error.to_string());
    }
    error.exit_code()
}
