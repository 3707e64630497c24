//! `beacon-node db`: looking after the database.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::documents::{self, Sealed};
use super::failure::Failure;
use super::home::Home;
use crate::config::Layers;
use crate::store::{self, Checked, Extent, Finding, Rules, Store, StoreError};

pub(super) const AFTER: &str = "\
Examples:
  beacon-node db check --home a                    # everything; exit code 1 and the first bad round if anything is wrong
  beacon-node db check --home a --certificates 100 # the certificates of every hundredth round: much faster
  beacon-node db backup --home a --to /backup/a    # also while the node runs
  beacon-node db prune --home a --keep 10000       # with the node stopped
  beacon-node db compact --home a                  # with the node stopped

A backup holds no secret and no record of what was signed, so nothing that starts from it can vote. It becomes a node
of its own, an observer with a new identity:
  beacon-node init --home b --genesis /backup/a/genesis.bin --peer ADDRESS
  cp -R /backup/a/data b/data && beacon-node run --home b

Beacons, certificates, decided sets and the Merkle mountain range are kept for ever. Transcripts, the dealings and
openings from which anybody can compute an output again, are kept for transcripts_keep rounds of config.toml while the
node runs; prune does the same once, and what it deletes is not fetched again.";

#[derive(Subcommand)]
pub(super) enum Command {
    Check(CheckArguments),
    Backup(BackupArguments),
    Compact(Plain),
    Prune(PruneArguments),
}

/// Read everything that is stored and judge it, also while the node runs.
///
/// Checksums of all tables, the hash chain, certificates, the Merkle mountain range, decided sets, transcripts and
/// their index, and all that a start would read. Changes nothing. Exit code 1 if anything does not hold; the first bad
/// round of each kind and the remedy are named.
#[derive(Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    plain: Plain,
    /// Verify the certificates of every N-th round; 0: only the newest one and the ends of epochs
    #[arg(long, value_name = "N", default_value_t = 1)]
    certificates: u64,
    /// Compute the output of every N-th round again from its transcript; 0: none
    #[arg(long, value_name = "N", default_value_t = 100)]
    audits: u64,
}

/// Copy what everybody may know, also while the node runs: no seeds, no signing records, no secrets.
#[derive(Args)]
pub(super) struct BackupArguments {
    #[command(flatten)]
    plain: Plain,
    /// A directory that does not exist; gets genesis.bin and data/
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Delete the transcripts of old rounds and give their room back. The node must be stopped.
#[derive(Args)]
pub(super) struct PruneArguments {
    #[command(flatten)]
    plain: Plain,
    /// Keep the transcripts of the newest N rounds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keep: u64,
}

/// Rewrite the tables without what is deleted or replaced. The node must be stopped.
#[derive(Args)]
pub(super) struct Plain {
    #[command(flatten)]
    home: Home,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Check(arguments) => check(arguments),
        Command::Backup(arguments) => backup(arguments),
        Command::Prune(arguments) => {
            let plain = &arguments.plain;
            let keep = arguments.keep;
            upkeep(plain, "pruned", |store, _| store.prune(keep).map(|done| json!(done)))
        }
        Command::Compact(plain) => {
            upkeep(plain, "compacted", |store, report| store.compact(report).map(|()| json!({})))
        }
    }
}

/// The genesis and the database of a home.
struct Place {
    sealed: Sealed,
    data: PathBuf,
}

impl Place {
    fn of(home: &Home) -> Result<Place, Failure> {
        let sealed = Sealed::read(&home.genesis())?;
        let config = Layers::default().file(&home.config()).environment().load()?;
        Ok(Place { sealed, data: home.resolve(&config.data_dir) })
    }

    fn inspect(&self) -> Result<Store, Failure> {
        Store::inspect(&self.data, self.sealed.chain, &self.sealed.bytes).map_err(|error| failure(&error, &self.data))
    }

    fn open(&self) -> Result<Store, Failure> {
        let opened = Store::open_existing(&self.data, self.sealed.chain, &self.sealed.bytes);
        opened.map_err(|error| failure(&error, &self.data))
    }
}

/// What went wrong with the database, and what helps.
fn failure(error: &StoreError, data: &Path) -> Failure {
    let remedy = match error {
        StoreError::Damaged { .. } | StoreError::Unreadable { .. } => damage_remedy(data),
        StoreError::Disk { .. } => "see that the disk has room and can be read and written, then do it again".into(),
        _ => "see the message; the data directory is in config.toml as data_dir".into(),
    };
    Failure::new(error.to_string(), remedy)
}

fn damage_remedy(data: &Path) -> String {
    format!(
        "see that this user can read and write the directory; if so, look at the disk (dmesg, smartctl). An observer: move {} away and start the node, which fetches \
         everything again. A member: keep the home as it is and never put an older copy in its place, since that would \
         forget what was signed; run an observer from a backup meanwhile (beacon-node db --help)",
        data.display()
    )
}

fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let place = Place::of(&arguments.plain.home)?;
    let store = place.inspect()?;
    let parameters = &place.sealed.genesis.draft.parameters;
    let rules = Rules {
        chain: place.sealed.chain,
        schedule: parameters.schedule,
        committee: &place.sealed.committee,
        exempt: parameters.development_exemption,
    };
    let extent = Extent { certificates: arguments.certificates, audits: arguments.audits };
    let mut line = Line::new();
    let checked = store.check(rules, extent, &mut |part, at, of| line.show(part, at, of));
    drop(line);
    if arguments.plain.json {
        println!("{}", json!(checked));
    } else {
        println!("{}", summary(&checked));
    }
    match checked.findings.as_slice() {
        [] => Ok(()),
        findings => {
            let what: Vec<String> = findings.iter().map(finding).collect();
            Err(Failure::new(format!("{}: {}", place.data.display(), what.join("; ")), damage_remedy(&place.data)))
        }
    }
}

fn finding(finding: &Finding) -> String {
    match finding.number {
        Some(number) => format!("{} at {number}: {}", finding.family, finding.what),
        None => finding.what.clone(),
    }
}

fn summary(checked: &Checked) -> String {
    let verdict = if checked.findings.is_empty() { "everything holds" } else { "not everything holds" };
    format!(
        "rounds {} to {}: {} headers, {} certificates, {} decided sets, {} transcripts of which {} recomputed; {verdict}",
        checked.first_round,
        checked.newest_round,
        checked.rounds,
        checked.certificates,
        checked.decisions,
        checked.transcripts,
        checked.audited
    )
}

fn backup(arguments: &BackupArguments) -> Result<(), Failure> {
    let place = Place::of(&arguments.plain.home)?;
    let store = place.inspect()?;
    let (to, data) = (&arguments.to, arguments.to.join("data"));
    if to.exists() {
        let occupied = StoreError::Occupied { path: to.clone() };
        return Err(Failure::new(occupied.to_string(), "name another directory with --to"));
    }
    let mut line = Line::new();
    let copied = store.backup(&data, &mut |part, at, of| line.show(part, at, of));
    drop(line);
    let done = copied.map_err(|error| {
        let remedy =
            format!("delete {} and see that its disk has room; the database itself is as it was", to.display());
        Failure::new(error.to_string(), remedy)
    })?;
    documents::write_new(&to.join("genesis.bin"), &place.sealed.bytes)?;
    let size = store::size(&data);
    if arguments.plain.json {
        println!("{}", json!({ "to": to, "backup": done, "disk_bytes": size }));
    } else {
        println!("backed up {} entries, up to round {}, in {size} bytes", done.entries, done.newest_round);
        eprintln!("{} holds no secret; what to do with it: beacon-node db --help", to.display());
    }
    Ok(())
}

/// Something done to a database that is open for writing, with its size before and after.
fn upkeep(
    plain: &Plain,
    word: &str,
    act: impl FnOnce(&Store, &mut store::Progress<'_>) -> Result<Value, StoreError>,
) -> Result<(), Failure> {
    let place = Place::of(&plain.home)?;
    let before = store::size(&place.data);
    let store = place.open()?;
    let mut line = Line::new();
    let done = act(&store, &mut |part, at, of| line.show(part, at, of));
    drop((line, store)); // closing deletes the files that are of no more use
    let done = done.map_err(|error| failure(&error, &place.data))?;
    let after = store::size(&place.data);
    if plain.json {
        println!("{}", json!({ "data": place.data, word: done, "bytes_before": before, "bytes_after": after }));
    } else {
        let detail = match done.get("transcripts") {
            Some(count) => format!(": {count} transcripts below round {} are deleted", done["floor"]),
            None => String::new(),
        };
        println!("{word}{detail}; {before} bytes before, {after} after");
    }
    Ok(())
}

/// How far long work is, on standard error: on a terminal in place, elsewhere a line now and then.
struct Line {
    terminal: bool,
    shown: Option<Instant>,
    begun: Instant,
}

impl Line {
    fn new() -> Line {
        Line { terminal: std::io::stderr().is_terminal(), shown: None, begun: Instant::now() }
    }

    fn show(&mut self, part: &str, at: u64, of: u64) {
        let every = if self.terminal { Duration::from_millis(100) } else { Duration::from_secs(10) };
        if self.shown.unwrap_or(self.begun).elapsed() < every {
            return;
        }
        self.shown = Some(Instant::now());
        let text = if of == 0 { format!("{part} {at}") } else { format!("{part} {at} of {of}") };
        // Who cannot be written to misses nothing but this line.
        let _ = if self.terminal {
            write!(std::io::stderr(), "\r{text}\x1b[K")
        } else {
            writeln!(std::io::stderr(), "{text}")
        };
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.terminal && self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
