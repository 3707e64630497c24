//! `beacon-node entropy monitor`: the pool at work, on a screen of its own or line by line.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use beacon_entropy::pool::EntropyPool;
use clap::Args;
use serde::Serialize;

use super::screen::Screen;
use super::{Equipped, line_of, stop, tell};
use crate::cli::failure::Failure;
use crate::cli::local::Local;
use crate::clock;
use crate::http::health::{EntropyView, NodeStatus, SourceView};
use crate::when::rfc3339;

const AFTER: &str = "\
Without --home and --url it starts a pool of its own and draws one contribution each time, which it drops; with one of
them it watches the pool of a running node, and draws nothing. On a terminal it is a page that Ctrl-C ends; in a pipe it
is a line each time.

Examples:
  beacon-node entropy monitor
  beacon-node entropy monitor --home a --every 5
  beacon-node entropy monitor --count 60 > an-hour.log --every 60
  beacon-node entropy monitor --json --count 1 | jq .pool.sources";

/// One contribution waits at most this long for its workers.
const DEADLINE: Duration = Duration::from_millis(500);
/// How soon a signal is seen.
const GLANCE: Duration = Duration::from_millis(50);

/// Watch workers, sources, credit and alarms, until Ctrl-C.
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[command(flatten)]
    local: Local,
    #[command(flatten)]
    equipped: Equipped,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    every: u32,
    /// End after so many looks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Print one JSON object each time
    #[arg(long)]
    json: bool,
}

/// What is watched.
enum Watched<'a> {
    Node(&'a Local),
    Own(EntropyPool),
}

impl Watched<'_> {
    fn look(&self) -> Result<EntropyView, Failure> {
        match self {
            Watched::Node(local) => {
                let status: NodeStatus = serde_json::from_value(local.get("/admin/status")?).map_err(|error| {
                    Failure::new(format!("the node's status is not as expected: {error}"), "use the node's own version")
                })?;
                Ok(status.entropy)
            }
            Watched::Own(pool) => {
                let drawn = pool.contribution(DEADLINE);
                drawn.map_err(|error| Failure::new(error.to_string(), "see `beacon-node entropy scan`"))?;
                Ok(EntropyView::from(&pool.status()))
            }
        }
    }
}

/// One look, and how fast things went since the one before.
#[derive(Serialize)]
struct Seen {
    time: String,
    pool: EntropyView,
    /// Of noise, credited; none at the first look.
    noise_bits_per_second: Option<f64>,
    /// In the order of `pool.sources`.
    samples_per_second: Vec<Option<f64>>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let watched = match arguments.local.is_named() {
        true => Watched::Node(&arguments.local),
        false => Watched::Own(arguments.equipped.pool()?),
    };
    let screen = if arguments.json { None } else { Screen::take() };
    let taken = screen.is_some();
    let stop = stop::flag(move || {
        if taken {
            Screen::give_back();
        }
    })?;
    let every = Duration::from_secs(u64::from(arguments.every));
    let mut before: Option<(Instant, EntropyView)> = None;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let pool = watched.look()?;
        let seen = seen(&pool, before.as_ref().map(|(when, pool)| (begun - *when, pool)));
        let watched_on = show(&seen, screen.as_ref(), arguments.json)?;
        before = Some((begun, pool));
        left -= 1;
        if left == 0 || !watched_on {
            break;
        }
        wait(begun + every, &stop);
    }
    Ok(())
}

/// Waits for the next look, or for the end.
fn wait(until: Instant, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed)
        && let Some(left) = until.checked_duration_since(Instant::now())
    {
        thread::sleep(left.min(GLANCE));
    }
}

fn seen(pool: &EntropyView, before: Option<(Duration, &EntropyView)>) -> Seen {
    let per_second = |more: f64| before.map(|(passed, _)| more / passed.as_secs_f64().max(1e-3));
    let earlier = |source: &SourceView| {
        let all = before.map(|(_, pool)| pool.sources.as_slice()).unwrap_or_default();
        all.iter().find(|old| (old.worker, &old.source) == (source.worker, &source.source)).map_or(0, |old| old.samples)
    };
    let rate = |source: &SourceView| per_second(source.samples.saturating_sub(earlier(source)) as f64);
    let bits_before = before.map_or(0.0, |(_, pool)| pool.noise_bits);
    Seen {
        time: rfc3339(clock::now()),
        noise_bits_per_second: per_second((pool.noise_bits - bits_before).max(0.0)),
        samples_per_second: pool.sources.iter().map(rate).collect(),
        pool: pool.clone(),
    }
}

/// Shows a look, and says whether anybody still watches.
fn show(seen: &Seen, screen: Option<&Screen>, json: bool) -> Result<bool, Failure> {
    match screen {
        Some(screen) => tell(&screen.drawn(&page(seen))),
        None if json => tell(&line_of(seen)?),
        None => tell(&line(seen)),
    }
}

/// A look as one line.
fn line(seen: &Seen) -> String {
    let Seen { time, pool, noise_bits_per_second, .. } = seen;
    let rate = noise_bits_per_second.map_or("-".to_owned(), |rate| format!("{rate:.0}"));
    let warnings = pool.warnings.iter().map(|warning| format!("; warning: {warning}")).collect::<String>();
    format!(
        "{time} workers {}/{} sources {}/{} muted {} noise {:.0} bits, {rate} bits/s generators {:.0} bits \
         contributions {} alarms {}{warnings}\n",
        pool.workers_running,
        pool.workers,
        pool.sources_healthy,
        pool.sources_credited,
        pool.sources_muted,
        pool.noise_bits,
        pool.generator_bits,
        pool.contributions,
        pool.alarms,
    )
}

/// A look as a page.
fn page(seen: &Seen) -> String {
    let Seen { time, pool, noise_bits_per_second, samples_per_second } = seen;
    let mut out = format!(
        "local randomness   {time}   Ctrl-C ends\n\n\
         workers        {} of {} running\n\
         sources        {} of {} that count are healthy, {} muted\n\
         noise          {:.0} bits credited{}\n\
         generators     {:.0} bits credited, apart\n\
         contributions  {}\n\
         alarms         {}\n\n",
        pool.workers_running,
        pool.workers,
        pool.sources_healthy,
        pool.sources_credited,
        pool.sources_muted,
        pool.noise_bits,
        noise_bits_per_second.map(|rate| format!(", {rate:.0} a second")).unwrap_or_default(),
        pool.generator_bits,
        pool.contributions,
        pool.alarms,
    );
    out += &format!(
        "{:<6} {:<20} {:<11} {:>7} {:>12} {:>11} {:>12} {:>6} {:>8}\n",
        "worker", "source", "state", "credit", "samples", "a second", "bits", "alarms", "failures"
    );
    for (source, rate) in pool.sources.iter().zip(samples_per_second) {
        let rate = rate.map_or("-".to_owned(), |rate| format!("{rate:.0}"));
        let alarm = source.last_alarm.as_ref().map(|alarm| format!("  {alarm}")).unwrap_or_default();
        out += &format!(
            "{:<6} {:<20} {:<11} {:>7.3} {:>12} {rate:>11} {:>12.0} {:>6} {:>8}{alarm}\n",
            source.worker,
            source.source,
            source.state,
            source.credit,
            source.samples,
            source.credited_bits,
            source.alarms,
            source.failures,
        );
    }
    for warning in &pool.warnings {
        out += &format!("warning: {warning}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(samples: u64, noise_bits: f64) -> EntropyView {
        let source = SourceView {
            worker: 1,
            source: "sleep".into(),
            state: "healthy".into(),
            credit: 2.0,
            credited_bits: noise_bits,
            samples,
            alarms: 1,
            failures: 0,
            last_alarm: Some("RepetitionCount, Intermittent".into()),
        };
        let warnings = vec!["something".to_owned()];
        EntropyView {
            workers: 3,
            workers_running: 2,
            noise_bits,
            sources: vec![source],
            warnings,
            ..Default::default()
        }
    }

    #[test]
    fn rates_are_of_the_time_between_two_looks() {
        let (old, new) = (view(100, 50.0), view(300, 450.0));
        let first = seen(&old, None);
        assert_eq!((first.noise_bits_per_second, &first.samples_per_second[..]), (None, &[None][..]));
        let later = seen(&new, Some((Duration::from_secs(2), &old)));
        assert_eq!((later.noise_bits_per_second, &later.samples_per_second[..]), (Some(200.0), &[Some(100.0)][..]));
        // A node that was started again counts from nothing.
        let again = seen(&old, Some((Duration::from_secs(2), &new)));
        assert_eq!((again.noise_bits_per_second, &again.samples_per_second[..]), (Some(0.0), &[Some(0.0)][..]));
    }

    #[test]
    fn a_page_and_a_line_tell_of_the_same() {
        let (old, new) = (view(100, 50.0), view(300, 450.0));
        let seen = seen(&new, Some((Duration::from_secs(2), &old)));
        for part in
            ["2 of 3 running", "450 bits credited, 200 a second", "sleep", "RepetitionCount", "warning: something"]
        {
            assert!(page(&seen).contains(part), "{} lacks {part:?}", page(&seen));
        }
        let line = line(&seen);
        assert!(line.contains("workers 2/3") && line.contains("450 bits, 200 bits/s") && line.ends_with("something\n"));
        assert_eq!(line.lines().count(), 1);
    }
}
