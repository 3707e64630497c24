//! `beacon evidence`: what is proven against members.

use std::io::Read;
use std::path::{Path, PathBuf};

use beacon_client::Error;
use beacon_spec::committee::Committee;
use beacon_spec::evidence::Evidence;
use beacon_spec::schedule::Schedule;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use super::{Common, print};

/// The longest file that is read.
const FILE_LIMIT: u64 = 64 << 20;

pub const EXAMPLES: &str = "\
Examples:
  beacon evidence list --url http://127.0.0.1:8081
  beacon evidence list --epoch 3 --json > proofs.jsonl
  beacon evidence verify proofs.jsonl

Evidence is two things that a member signed and that contradict each other, or one with what refutes it. It is judged
under the committee of its epoch, which comes from the servers and is checked against the chain.";

#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Ask a server for the evidence of an epoch and verify it
    List {
        /// The epoch [default: the newest]
        #[arg(long)]
        epoch: Option<u64>,
    },
    /// Verify a file of evidence: what `evidence list --json` or a node's /beacon/evidence printed
    Verify {
        /// The file, or - for standard input
        file: PathBuf,
    },
}

/// A proof as nodes and this command print it, one or several, or bare.
#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Page { evidence: Vec<Document> },
    One { evidence: Box<Evidence> },
    Bare(Box<Evidence>),
}

impl Document {
    fn proofs(self) -> Vec<Evidence> {
        match self {
            Document::Page { evidence } => evidence.into_iter().flat_map(Document::proofs).collect(),
            Document::One { evidence } | Document::Bare(evidence) => vec![*evidence],
        }
    }
}

pub async fn run(common: &Common, options: Options) -> Result<(), Error> {
    match options.command {
        Command::List { epoch } => list(common, epoch).await,
        Command::Verify { file } => verify(common, &file).await,
    }
}

async fn list(common: &Common, epoch: Option<u64>) -> Result<(), Error> {
    let client = common.client()?;
    let epoch = match epoch {
        Some(epoch) => epoch,
        None => client.latest().await?.header().epoch,
    };
    let (found, committee) = client.evidence(epoch).await?;
    print::bans(&client);
    let schedule = *client.trust().await?.schedule();
    found.iter().try_for_each(|evidence| show(common, evidence, &committee, &schedule))?;
    if found.is_empty() && !common.json {
        print::line(&format!("no crime is proven against a member of epoch {epoch}"))?;
    }
    Ok(())
}

async fn verify(common: &Common, file: &Path) -> Result<(), Error> {
    let proofs = read(file)?;
    let client = common.client()?;
    for evidence in &proofs {
        let committee = client.judge(evidence).await?;
        let schedule = *client.trust().await?.schedule();
        show(common, evidence, &committee, &schedule)?;
    }
    print::bans(&client);
    Ok(())
}

fn read(file: &Path) -> Result<Vec<Evidence>, Error> {
    let failed = |error| Error::file(file, &error);
    let mut text = String::new();
    let length = if file == Path::new("-") {
        std::io::stdin().take(FILE_LIMIT + 1).read_to_string(&mut text).map_err(failed)?
    } else {
        let opened = std::fs::File::open(file).map_err(failed)?;
        opened.take(FILE_LIMIT + 1).read_to_string(&mut text).map_err(failed)?
    };
    let usage = |why: String| Error::Usage(format!("{}: {why}", file.display()));
    if length as u64 > FILE_LIMIT {
        return Err(usage(format!("more than {FILE_LIMIT} bytes")));
    }
    let documents = serde_json::Deserializer::from_str(&text).into_iter::<Document>();
    let mut proofs = Vec::new();
    for document in documents {
        let document = document.map_err(|error| {
            usage(format!("no evidence as `beacon evidence list --json` or /beacon/evidence print it: {error}"))
        })?;
        proofs.extend(document.proofs());
    }
    if proofs.is_empty() {
        return Err(usage("there is no evidence in it".into()));
    }
    Ok(proofs)
}

fn show(common: &Common, evidence: &Evidence, committee: &Committee, schedule: &Schedule) -> Result<(), Error> {
    let (member, crime) = (evidence.member(), evidence.crime().words());
    let identity = committee.signers().identity(member).map(|identity| identity.to_string()).unwrap_or_default();
    let (window, epoch) = (evidence.window(schedule), evidence.epoch(schedule));
    if common.json {
        let json = json!({
            "verified": true, "epoch": epoch, "window": window, "member": member, "identity": identity,
            "crime": crime, "evidence": evidence,
        });
        return print::line(&json.to_string());
    }
    print::table(&[
        ("member", format!("{member}, {identity}")),
        ("crime", crime.to_owned()),
        ("window", format!("{window}, epoch {epoch}")),
        ("verified", "yes: under the committee of its epoch".into()),
    ])
}
