//! `beacon info`: the chain's parameters, its committee, and the newest round.

use beacon_client::{Error, time};
use serde_json::json;

use super::{Common, print};

pub async fn run(common: &Common) -> Result<(), Error> {
    let client = common.client()?;
    let head = client.latest().await?;
    let trust = client.trust().await?;
    let (draft, signers, schedule) = (trust.draft(), trust.signers(), trust.schedule());
    let behind = trust.behind(client.now());
    print::bans(&client);
    if common.json {
        let json = json!({
            "chain": trust.chain(),
            "name": draft.name,
            "round": head.round(),
            "hash": head.hash(),
            "behind": behind,
            "genesis_time": schedule.genesis_time,
            "period": schedule.period,
            "window": schedule.window,
            "epoch_windows": schedule.epoch_windows,
            "catch_up_interval": draft.parameters.catch_up_interval,
            "development_exemption": draft.parameters.development_exemption,
            "epoch": signers.epoch(),
            "committee": signers.list(),
            "committee_hash": signers.hash(),
            "total_weight": signers.total_weight(),
        });
        return print::json(&json);
    }
    let pace = match schedule.period {
        0 => "as fast as the network goes".to_owned(),
        period => format!("one round every {}", time::span(period)),
    };
    print::table(&[
        ("chain", trust.chain().to_string()),
        ("name", draft.name.clone()),
        ("first round", time::format(schedule.genesis_time)),
        ("pace", pace),
        ("window", format!("{}, {} windows an epoch", counted(schedule.window, "round"), schedule.epoch_windows)),
        ("epoch", signers.epoch().to_string()),
        ("committee", format!("{}, weight {}", counted(signers.len() as u64, "member"), signers.total_weight())),
        ("committee hash", signers.hash().to_string()),
        ("newest round", format!("{}, {behind} behind the clock", head.round())),
        ("newest header", head.hash().to_string()),
    ])?;
    for (signer, index) in signers.list().signers.iter().zip(0u16..) {
        print::line(&format!("member {index:3}  weight {:7}  {}", signer.weight, signer.identity))?;
    }
    if draft.parameters.development_exemption {
        print::note("this chain carries the development exemption: one member may hold a third of the weight or more");
    }
    Ok(())
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
