//! `beacon export`: rounds with everything that proves them, in one file for use without a network.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use beacon_client::{Error, time};
use clap::Args;
use serde_json::json;

use super::{Common, print};

#[derive(Args)]
pub struct Options {
    /// The round to export [default: the newest]
    #[arg(conflicts_with_all = ["from", "to", "all"])]
    round: Option<u64>,
    /// First round of a range
    #[arg(long)]
    from: Option<u64>,
    /// Last round of a range [default: the newest]
    #[arg(long)]
    to: Option<u64>,
    /// Every round there is
    #[arg(long, conflicts_with_all = ["from", "to"])]
    all: bool,
    /// Write every certificate, so that the file can stand for a server: --url file:FILE
    #[arg(long)]
    certificates: bool,
    /// The file to write; it must not exist
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

pub async fn run(common: &Common, options: &Options) -> Result<(), Error> {
    let client = common.client()?;
    let range = match (options.round, options.all, options.from) {
        (Some(round), _, _) => (round, Some(round)),
        (None, true, _) => (1, None),
        (None, false, Some(from)) => (from, options.to),
        (None, false, None) if options.to.is_some() => (1, options.to),
        (None, false, None) => (client.latest().await?.round(), None),
    };
    let path = &options.out;
    let failed = |error| Error::file(path, &error);
    let file = File::create_new(path).map_err(failed)?;
    let result = client.export(range.0, range.1, options.certificates, BufWriter::new(&file)).await;
    let exported = match result.and_then(|exported| file.sync_all().map(|()| exported).map_err(failed)) {
        Ok(exported) => exported,
        Err(error) => {
            // Half a file proves nothing; what stopped the export is the error to report.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
    };
    print::bans(&client);
    let bytes = file.metadata().map_err(failed)?.len();
    if common.json {
        let json = json!({
            "file": path, "bytes": bytes, "from": exported.0, "to": exported.1.round(), "chain": client.chain(),
            "head_hash": exported.1.hash(),
        });
        return print::json(&json);
    }
    print::table(&[
        ("file", format!("{}, {bytes} bytes", path.display())),
        ("rounds", format!("{} to {}", exported.0, exported.1.round())),
        ("due", time::format(exported.1.header().due)),
        ("check", format!("beacon verify {} --chain {}", path.display(), client.chain())),
    ])
}
