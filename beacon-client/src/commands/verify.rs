//! `beacon verify`: a round, a range, everything, or a file without any network.

use std::fs::File;
use std::path::{Path, PathBuf};

use beacon_client::chainfile::{self, FileError};
use beacon_client::client::ScanOptions;
use beacon_client::{Digest32, Error, time};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Common, print};

#[derive(Args)]
pub struct Options {
    /// A round number, or a file written by `beacon export`
    #[arg(value_name = "ROUND|FILE", conflicts_with_all = ["from", "to", "all"])]
    what: Option<String>,
    /// First round of a range
    #[arg(long)]
    from: Option<u64>,
    /// Last round of a range [default: the newest]
    #[arg(long)]
    to: Option<u64>,
    /// Every round there is: each link, each certificate, each MMR root
    #[arg(long, conflicts_with_all = ["from", "to"])]
    all: bool,
    /// Leave out certificates that neither change the committee nor end the range
    #[arg(long)]
    links: bool,
}

pub async fn run(common: &Common, options: &Options) -> Result<(), Error> {
    match &options.what {
        Some(what) => match what.parse() {
            Ok(round) => one(common, round).await,
            Err(_) => file(common, &PathBuf::from(what)),
        },
        None if options.all || options.from.is_some() || options.to.is_some() => scan(common, options).await,
        None => Err(Error::Usage("verify what? A round, a file, --from A --to B, or --all".into())),
    }
}

async fn one(common: &Common, round: u64) -> Result<(), Error> {
    let client = common.client()?;
    let verified = client.get(round).await?;
    print::bans(&client);
    report(common, &[("verified", json!(1)), ("round", json!(round)), ("head_hash", json!(verified.hash()))])
}

async fn scan(common: &Common, options: &Options) -> Result<(), Error> {
    let client = common.client()?;
    let bar = progress_bar();
    let scan_options = ScanOptions { from: options.from.unwrap_or(1), to: options.to, certificates: !options.links };
    let show = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let scan = client.scan(scan_options, show).await;
    bar.finish_and_clear();
    let scan = scan?;
    print::bans(&client);
    report(
        common,
        &[
            ("verified", json!(scan.rounds)),
            ("from", json!(scan.from)),
            ("to", json!(scan.last.round())),
            ("certificates", json!(if scan.certificates { "every round" } else { "committee changes and the last" })),
            ("head_hash", json!(scan.last.hash())),
        ],
    )
}

fn file(common: &Common, path: &Path) -> Result<(), Error> {
    let chain = common.chain()?;
    let trusted = common.trusted(&chain)?;
    let summary = open(path, &chain, &trusted)?;
    let head = &summary.head;
    let covered = trusted.iter().any(|(round, _)| (summary.first..=head.round()).contains(round));
    if !covered && head.header().due < common.trusted_since() {
        print::note(
            "this file is older than the trusting period: it proves what the committee of its time signed, if \
             its keys were erased since; a --checkpoint inside the file proves more",
        );
    }
    report(
        common,
        &[
            ("verified", json!(head.round() - summary.first + 1)),
            ("from", json!(summary.first)),
            ("to", json!(head.round())),
            ("certificates", json!(summary.certificates)),
            ("due", json!(time::format(head.header().due))),
            ("output", json!(head.output())),
            ("head_hash", json!(head.hash())),
        ],
    )
}

/// Verifies a file under a progress bar.
fn open(path: &Path, chain: &Digest32, trusted: &[(u64, Digest32)]) -> Result<chainfile::Summary, Error> {
    let file = File::open(path).map_err(|error| Error::file(path, &error))?;
    let bar = progress_bar();
    let summary = chainfile::verify_with(file, chain, trusted, |headers| bar.set_position(headers));
    bar.finish_and_clear();
    summary.map_err(|error| match error {
        FileError::Refused(refusal) => refusal.by(&path.display().to_string()).into(),
        FileError::Io(error) => Error::file(path, &error),
    })
}

/// A bar on standard error; hidden where that is no terminal.
fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} rounds, {per_sec}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

fn report(common: &Common, rows: &[(&str, serde_json::Value)]) -> Result<(), Error> {
    if common.json {
        let map: serde_json::Map<_, _> = rows.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        return print::json(&serde_json::Value::Object(map));
    }
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows: Vec<_> = rows.iter().map(|(name, value)| (*name, text(value))).collect();
    print::table(&rows)
}
