//! `beacon audit`: an output recomputed from its transcript.

use beacon_client::Error;
use beacon_spec::chain::Revealed;
use serde_json::json;

use super::{Common, print};

pub async fn run(common: &Common, round: u64) -> Result<(), Error> {
    let client = common.client()?;
    let audited = client.audit(round).await?;
    print::bans(&client);
    let contributions = &audited.transcript.contributions;
    let opened = contributions.iter().filter(|one| matches!(one.revealed, Revealed::Opened(_))).count();
    let recovered = contributions.len() - opened;
    let header = audited.beacon.header();
    if common.json {
        let json = json!({
            "round": round, "epoch": header.epoch, "output": header.output, "recomputed": true, "dealings": contributions.len(),
            "opened": opened, "recovered": recovered, "weight": header.weight,
            "total_weight": audited.committee.signers().total_weight(),
        });
        return print::json(&json);
    }
    print::table(&[
        ("round", format!("{round}, of epoch {}", header.epoch)),
        ("output", header.output.to_string()),
        ("recomputed", "yes: every dealing, opening and share verified, the mixing redone".into()),
        ("dealings", format!("{}: {opened} opened, {recovered} recovered", contributions.len())),
        ("weight", format!("{} of {}", header.weight, audited.committee.signers().total_weight())),
    ])
}
