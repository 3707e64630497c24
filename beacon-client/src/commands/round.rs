//! `beacon latest`, `beacon get` and `beacon at`: one verified round.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use beacon_client::{Client, Error, Verified, time};

use super::{Common, print};

pub async fn latest(common: &Common) -> Result<(), Error> {
    let client = common.client()?;
    let verified = client.latest().await?;
    let behind = client.trust().await?.behind(client.now());
    print::late(behind);
    show(common, &client, &verified, behind).await
}

pub async fn get(common: &Common, round: u64) -> Result<(), Error> {
    let client = common.client()?;
    let verified = client.get(round).await?;
    show(common, &client, &verified, 0).await
}

pub async fn at(common: &Common, text: &str, no_wait: bool) -> Result<(), Error> {
    let wanted = time::parse(text).ok_or_else(|| {
        Error::Usage(format!("{text} is no time: write 2026-12-01T20:00:00Z, or Unix seconds or milliseconds"))
    })?;
    let client = common.client()?;
    let round = client.round_at(wanted).await?;
    let verified = match client.get(round).await {
        Err(Error::NotYet { due, .. }) if !no_wait => {
            if let Some(due) = due {
                count_down(&client, round, due).await;
            }
            client.wait_for(round).await?
        }
        other => other?,
    };
    show(common, &client, &verified, 0).await
}

/// Sleeps until a round is due, and says on a terminal how long that still is.
pub async fn count_down(client: &Client, round: u64, due: u64) {
    let terminal = stderr().is_terminal();
    loop {
        let left = due.saturating_sub(client.now());
        if left == 0 {
            break;
        }
        if terminal {
            eprint!("\r\x1b[Kround {round} is due at {}, in {}", time::format(due), time::span(left));
        }
        // A short step keeps the count honest when the clock is set meanwhile.
        tokio::time::sleep(Duration::from_millis(left.min(1000))).await;
    }
    if terminal {
        eprint!("\r\x1b[K");
    }
}

async fn show(common: &Common, client: &Client, verified: &Verified, behind: u64) -> Result<(), Error> {
    print::bans(client);
    let trust = client.trust().await?;
    print::beacon(verified, &trust, behind, common.json)
}
