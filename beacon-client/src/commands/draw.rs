//! `beacon draw`: picks, shuffles, dice, numbers and bytes that others can check.

use std::fs;
use std::path::{Path, PathBuf};

use beacon_client::draw::{Commitment, List, Outcome, Rules, page};
use beacon_client::text::visible;
use beacon_client::trust::CLOCK_TOLERANCE;
use beacon_client::{Client, Error, Verified, time};
use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Common, print};

pub const EXAMPLES: &str = "\
Examples:
  beacon draw --pick 3 --from names.txt                          # three names, from the next round nobody can know
  beacon draw commit --pick 3 --from names.txt --at 2026-12-01T20:00:00Z --out draw.json
  beacon draw run draw.json --from names.txt                     # waits, then writes the result and a page
  beacon draw check draw.result.json --chain HASH                # anybody, afterwards, without a network";

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Options {
    #[command(subcommand)]
    step: Option<Step>,
    #[command(flatten)]
    what: What,
}

#[derive(Subcommand)]
enum Step {
    /// Write a file that fixes list, rules and a round to come; publish it before the round is due
    Commit {
        #[command(flatten)]
        what: What,
        /// The commitment to write; it must not exist
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Wait for the round of a commitment and draw; writes FILE.result.json and FILE.result.html
    Run {
        /// The commitment
        file: PathBuf,
        /// The list, if there is one
        #[arg(long, value_name = "LIST")]
        from: Option<PathBuf>,
    },
    /// Verify a result from the chain hash on, without any network
    Check {
        /// The result
        file: PathBuf,
        /// A commitment that was published before, to hold the result against
        #[arg(long, value_name = "FILE")]
        commitment: Option<PathBuf>,
    },
}

#[derive(Args)]
struct What {
    #[command(flatten)]
    rules: RuleOptions,
    /// The list: one entry a line, with a tab and a weight behind it or not
    #[arg(long, value_name = "LIST")]
    from: Option<PathBuf>,
    /// The round in force at this time; it must be to come
    #[arg(long, value_name = "TIME", conflicts_with = "round")]
    at: Option<String>,
    /// This round; it must be to come [default: the next that nobody can know]
    #[arg(long)]
    round: Option<u64>,
    /// How many numbers of a range
    #[arg(long, default_value = "1", requires = "range")]
    count: u64,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct RuleOptions {
    /// Pick so many entries, without repetition
    #[arg(long, value_name = "K", requires = "from")]
    pick: Option<u64>,
    /// Put all entries in a random order
    #[arg(long, requires = "from")]
    shuffle: bool,
    /// Roll dice, such as 2d6
    #[arg(long, value_name = "NdS")]
    dice: Option<String>,
    /// A number of a range such as 1..49, both ends included
    #[arg(long, value_name = "A..B", allow_hyphen_values = true)]
    range: Option<String>,
    /// So many random bytes. They are public: never a key
    #[arg(long, value_name = "N")]
    bytes: Option<u64>,
}

pub async fn run(common: &Common, options: Options) -> Result<(), Error> {
    match options.step {
        None => now(common, &options.what).await,
        Some(Step::Commit { what, out }) => commit(common, &what, &out).await,
        Some(Step::Run { file, from }) => finish(common, &file, from.as_deref()).await,
        Some(Step::Check { file, commitment }) => check(common, &file, commitment.as_deref()),
    }
}

/// Draws from a round to come, waiting for it.
async fn now(common: &Common, what: &What) -> Result<(), Error> {
    let client = common.client()?;
    let list = what.list()?;
    let commitment = what.commitment(&client, &list).await?;
    let beacon = wait(&client, &commitment).await?;
    let results = commitment.draw(&list, &beacon)?;
    print::bans(&client);
    show(common, &commitment, &results)
}

async fn commit(common: &Common, what: &What, out: &Path) -> Result<(), Error> {
    let client = common.client()?;
    let commitment = what.commitment(&client, &what.list()?).await?;
    write_new(out, &pretty(&commitment))?;
    print::bans(&client);
    if common.json {
        return print::json(&json!({ "file": out, "commitment": commitment }));
    }
    print::table(&[
        ("file", out.display().to_string()),
        ("rules", commitment.rules.clone()),
        ("entries", commitment.entries.to_string()),
        ("round", format!("{}, due {}", commitment.round, time::format(commitment.due))),
        ("draw hash", commitment.draw.to_string()),
        ("next", format!("publish file and list before then; afterwards: beacon draw run {}", out.display())),
    ])
}

async fn finish(common: &Common, file: &Path, from: Option<&Path>) -> Result<(), Error> {
    let commitment: Commitment = read_json(file, "commitment of a draw")?;
    let list = read_list(from)?;
    commitment.check(&list).map_err(|refusal| refusal.by(&file.display().to_string()))?;
    let client = common.client()?;
    if *client.chain() != commitment.chain {
        return Err(Error::Usage(format!("this draw is of chain {}", commitment.chain)));
    }
    let beacon = wait(&client, &commitment).await?;
    let mut proof = Vec::new();
    client.export(beacon.round(), Some(beacon.round()), false, &mut proof).await?;
    let outcome = Outcome::new(commitment, &list, &beacon, proof)?;
    outcome.check(client.chain())?;
    let (result, html) = (file.with_extension("result.json"), file.with_extension("result.html"));
    write_new(&result, &pretty(&outcome))?;
    let name = result.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    write_new(&html, &page::html(&outcome, &name))?;
    print::bans(&client);
    show(common, &outcome.commitment, &outcome.results)?;
    print::note(&format!("{} and {} are written", result.display(), html.display()));
    Ok(())
}

fn check(common: &Common, file: &Path, commitment: Option<&Path>) -> Result<(), Error> {
    let Some(chain) = common.given_chain() else {
        let why = "say with --chain which chain hash you trust: the one in the file is the drawer's own word";
        return Err(Error::Usage(why.into()));
    };
    let outcome: Outcome = read_json(file, "result of a draw, which `beacon draw run` writes")?;
    outcome.check(&chain).map_err(|error| match error {
        Error::Refused(refusal) => refusal.by(&file.display().to_string()).into(),
        other => other,
    })?;
    if let Some(path) = commitment {
        let published: Commitment = read_json(path, "commitment of a draw")?;
        if published != outcome.commitment {
            let refusal = beacon_client::Refusal::new(beacon_client::Reason::NotAsked, "result of another commitment");
            return Err(refusal
                .mismatch(published.draw, outcome.commitment.draw)
                .by(&file.display().to_string())
                .into());
        }
    }
    show(common, &outcome.commitment, &outcome.results)
}

impl What {
    fn rules(&self) -> Result<Rules, Error> {
        let options = &self.rules;
        let bad = |text: &str, form: &str| Error::Usage(format!("{text} is not of the form {form}"));
        match (options.pick, options.shuffle, &options.dice, &options.range, options.bytes) {
            (Some(count), ..) => Ok(Rules::Pick { count }),
            (_, true, ..) => Ok(Rules::Shuffle),
            (_, _, Some(dice), ..) => Rules::dice(dice).ok_or_else(|| bad(dice, "2d6")),
            (_, _, _, Some(range), _) => Rules::range(range, self.count).ok_or_else(|| bad(range, "1..49")),
            (_, _, _, _, Some(count)) => Ok(Rules::Bytes { count }),
            _ => Err(Error::Usage("draw what? --pick, --shuffle, --dice, --range or --bytes".into())),
        }
    }

    fn list(&self) -> Result<List, Error> {
        read_list(self.from.as_deref())
    }

    /// The commitment to a round that nobody can know yet.
    async fn commitment(&self, client: &Client, list: &List) -> Result<Commitment, Error> {
        let rules = self.rules()?;
        rules.check(list).map_err(|bad| Error::Usage(bad.to_string()))?;
        let newest = match client.latest().await {
            Err(Error::NotYet { .. }) => 0,
            other => other?.round(),
        };
        let trust = client.trust().await?;
        let schedule = trust.schedule();
        if schedule.period == 0 {
            return Err(Error::Usage(
                "this chain has no period: nobody can tell which of its rounds is to come".into(),
            ));
        }
        // A round is safe when its due time is, by this clock, further off than clocks may differ.
        let safe = client.now().saturating_add(CLOCK_TOLERANCE);
        let first_safe = schedule.round_at(safe).map_or(1, |round| round.saturating_add(1)).max(newest + 1);
        let round = match (&self.at, self.round) {
            (Some(text), _) => {
                let at = time::parse(text).ok_or_else(|| Error::Usage(format!("{text} is no time")))?;
                client.round_at(at).await?
            }
            (None, Some(round)) => round,
            (None, None) => first_safe,
        };
        if round < first_safe {
            let due = time::format(schedule.time_of(first_safe)?);
            let why = format!("round {round} may be known already; the first that is not is {first_safe}, due {due}");
            return Err(Error::Usage(why));
        }
        let due = schedule.time_of(round)?;
        Commitment::new(*client.chain(), round, due, &rules, list)
    }
}

async fn wait(client: &Client, commitment: &Commitment) -> Result<Verified, Error> {
    super::round::count_down(client, commitment.round, commitment.due).await;
    client.wait_for(commitment.round).await
}

fn show(common: &Common, commitment: &Commitment, results: &[String]) -> Result<(), Error> {
    if common.json {
        return print::json(&json!({ "commitment": commitment, "results": results }));
    }
    if !print::on_terminal() {
        return results.iter().try_for_each(|result| print::line(result));
    }
    let due = time::format(commitment.due);
    print::line(&format!("{} from round {}, due {due}:", visible(&commitment.rules), commitment.round))?;
    results.iter().try_for_each(|result| print::line(&visible(result)))
}

fn read_list(path: Option<&Path>) -> Result<List, Error> {
    let Some(path) = path else {
        return Ok(List::default());
    };
    let bytes = fs::read(path).map_err(|error| Error::file(path, &error))?;
    List::parse(&bytes).map_err(|bad| Error::File { path: path.display().to_string(), message: bad.to_string() })
}

/// Reads a file that should be `what`.
fn read_json<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T, Error> {
    let bytes = fs::read(path).map_err(|error| Error::file(path, &error))?;
    let refused = |_| beacon_client::Refusal::new(beacon_client::Reason::BadJson, what).by(&path.display().to_string());
    Ok(serde_json::from_slice(&bytes).map_err(refused)?)
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    let written = fs::File::create_new(path).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| Error::file(path, &error))
}
