//! `beacon watch`: every round as it comes, missing none.

use std::io::{IsTerminal, stderr};

use beacon_client::follow::{Arrival, Event};
use beacon_client::text::{visible, visible_json};
use beacon_client::{Client, Error, Verified, time};
use clap::Args;
use serde_json::json;

use super::{Common, print};

#[derive(Args)]
pub struct Options {
    /// First round to print [default: the newest]
    #[arg(long)]
    from: Option<u64>,
    /// Stop after so many rounds
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
}

pub async fn run(common: &Common, options: &Options) -> Result<(), Error> {
    let client = common.client()?;
    let mut subscription = client.subscribe(options.from).await?;
    let mut left = options.rounds.unwrap_or(u64::MAX);
    while left > 0 {
        let event = tokio::select! {
            event = subscription.event() => event,
            stopped = stop() => return stopped,
        };
        match event.transpose()? {
            Some(Event::Beacon(verified, arrival)) => {
                show(common, &client, &verified, arrival)?;
                left -= 1;
            }
            Some(event) => notice(common, &event),
            None => break,
        }
    }
    Ok(())
}

/// Ends when the user or the system asks the process to stop.
async fn stop() -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: std::io::Error| Error::File { path: "signals".into(), message: error.to_string() };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(failed),
        _ = terminate.recv() => Ok(()),
    }
}

fn show(common: &Common, client: &Client, verified: &Verified, arrival: Arrival) -> Result<(), Error> {
    let due = verified.header().due;
    if common.json {
        return print::beacon_json(verified, json!({ "via": arrival.name(), "seen": client.now() }));
    }
    if print::on_terminal() {
        let late = time::span(client.now().saturating_sub(due));
        return print::line(&format!(
            "{:>10}  {}  \x1b[1m{}\x1b[0m  {:>2} signers  +{late}",
            verified.round(),
            time::format(due),
            verified.output(),
            verified.certificate().signatures.len(),
        ));
    }
    print::line(&format!("{} {} {}", verified.round(), verified.output(), time::format(due)))
}

/// What is not a round goes to standard error.
fn notice(common: &Common, event: &Event) {
    let (name, text) = match event {
        Event::Late { have, expected } => {
            ("late", format!("{} rounds behind: {expected} is due, {have} is the newest", expected - have))
        }
        Event::Trouble { server, fault } => ("trouble", format!("{server}: {fault}")),
        Event::Banned(refusal) => ("banned", refusal.to_string()),
        Event::Beacon(..) => return,
    };
    if common.json {
        eprintln!("{}", visible_json(&json!({ "event": name, "text": text }).to_string()));
    } else if stderr().is_terminal() {
        eprintln!("\x1b[33m{name}: {}\x1b[0m", visible(&text));
    } else {
        print::note(&format!("{name}: {text}"));
    }
}
