//! What the node counts. The shell calls the methods; names and units are Prometheus'.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::store::QueueStatus;

type Label = [(&'static str, String); 1];
type Labels = [(&'static str, String); 2];
type Seconds = Gauge<f64, AtomicU64>;

/// The node's metrics; clones share them.
#[derive(Clone)]
pub struct Metrics {
    round: Gauge,
    due: Seconds,
    expected: Gauge,
    behind: Gauge,
    decided: Gauge,
    epoch: Gauge,
    rounds: Counter,
    round_latency: Histogram,
    contributed: Family<Labels, Counter>,
    contributors: Gauge,
    contributed_weight: Gauge,
    peers: Family<Label, Gauge>,
    clock_offset: Seconds,
    messages: Family<Labels, Counter>,
    message_bytes: Family<Labels, Counter>,
    faults: Family<Label, Counter>,
    steps: Family<Label, Histogram>,
    jobs: Family<Label, Histogram>,
    persist: Histogram,
    persist_waiting: Gauge,
    entropy: Histogram,
    entropy_workers: Family<Label, Gauge>,
    entropy_sources: Family<Label, Gauge>,
    requests: Family<Label, Counter>,
    missing_transcripts: Gauge,
    http_requests: Family<Labels, Counter>,
    subscribers: Gauge,
    queues: Family<Labels, Gauge>,
}

/// From a tenth of a millisecond to about half a minute.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 19))
}

impl Metrics {
    /// Makes the metrics and registers them; the prefix `beacon` is the registry's.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Metrics {
            round: Gauge::default(),
            due: Seconds::default(),
            expected: Gauge::default(),
            behind: Gauge::default(),
            decided: Gauge::default(),
            epoch: Gauge::default(),
            rounds: Counter::default(),
            round_latency: durations(),
            contributed: Family::default(),
            contributors: Gauge::default(),
            contributed_weight: Gauge::default(),
            peers: Family::default(),
            clock_offset: Seconds::default(),
            messages: Family::default(),
            message_bytes: Family::default(),
            faults: Family::default(),
            steps: Family::new_with_constructor(durations),
            jobs: Family::new_with_constructor(durations),
            persist: durations(),
            persist_waiting: Gauge::default(),
            entropy: durations(),
            entropy_workers: Family::default(),
            entropy_sources: Family::default(),
            requests: Family::default(),
            missing_transcripts: Gauge::default(),
            http_requests: Family::default(),
            subscribers: Gauge::default(),
            queues: Family::default(),
        };
        let software = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("software", "The running program", software);
        metrics.register_rounds(registry);
        metrics.register_work(registry);
        metrics
    }

    fn register_rounds(&self, r: &mut Registry) {
        r.register("round", "Newest certified round", self.round.clone());
        r.register("round_due_seconds", "Due time of the newest certified round, Unix time", self.due.clone());
        r.register("expected_round", "The round that the schedule has reached", self.expected.clone());
        r.register("behind_rounds", "Rounds due but not certified here", self.behind.clone());
        r.register("decided_window", "Highest decided window", self.decided.clone());
        r.register("epoch", "Epoch of the newest certified round", self.epoch.clone());
        r.register("rounds", "Rounds certified or learned since the start", self.rounds.clone());
        r.register(
            "round_latency_seconds",
            "From a round's due time to its certificate, for rounds that were followed live",
            self.round_latency.clone(),
        );
        r.register("participation", "Rounds by member and part: opened, recovered or absent", self.contributed.clone());
        r.register("contributors", "Contributors of the newest round", self.contributors.clone());
        r.register("contributed_weight", "Weight of the newest round's contributors", self.contributed_weight.clone());
        r.register(
            "missing_transcripts",
            "Rounds kept without a transcript at the start",
            self.missing_transcripts.clone(),
        );
    }

    fn register_work(&self, r: &mut Registry) {
        r.register("peers", "Connected peers by role", self.peers.clone());
        r.register("clock_offset_seconds", "Own clock less the median of the peers' clocks", self.clock_offset.clone());
        r.register("messages", "Messages by kind and direction", self.messages.clone());
        r.register("message_bytes", "Bytes of messages by kind and direction", self.message_bytes.clone());
        r.register("faults", "Accusations by reason", self.faults.clone());
        r.register("step_seconds", "Time in the engine by input", self.steps.clone());
        r.register("job_seconds", "Time of heavy work by kind", self.jobs.clone());
        r.register("persist_seconds", "Time of one write of the store, with its fsync", self.persist.clone());
        r.register("persist_waiting", "Batches handed to the store and not reported yet", self.persist_waiting.clone());
        r.register("entropy_seconds", "Time to gather 32 mixed bytes", self.entropy.clone());
        r.register("entropy_workers", "Entropy workers by state", self.entropy_workers.clone());
        r.register("entropy_sources", "Entropy sources of all workers by state", self.entropy_sources.clone());
        r.register("requests", "Requests to peers by result", self.requests.clone());
        r.register("http_requests", "HTTP requests by route and status", self.http_requests.clone());
        r.register("queue_blocks", "Blocks of private randomness by queue and count", self.queues.clone());
        r.register("http_subscribers", "Subscribers of the stream", self.subscribers.clone());
    }

    /// A round was certified here or learned: `latency` after its due time if it was followed live.
    pub fn certified(&self, header: &beacon_spec::chain::Header, latency: Option<Duration>) {
        self.rounds.inc();
        self.round.set(gauge(header.round));
        self.due.set(header.due as f64 / 1000.0);
        self.epoch.set(gauge(header.epoch));
        self.contributors.set(i64::from(header.contributors));
        self.contributed_weight.set(gauge(header.weight));
        if let Some(latency) = latency {
            self.round_latency.observe(latency.as_secs_f64());
        }
    }

    /// How the schedule and this node stand to each other.
    pub fn schedule(&self, expected: u64, behind: u64) {
        self.expected.set(gauge(expected));
        self.behind.set(gauge(behind));
    }

    pub fn decided(&self, window: u64) {
        self.decided.set(gauge(window));
    }

    /// A round passed in which `member` had `part`: `opened`, `recovered` or `absent`.
    pub fn participated(&self, member: u16, part: &'static str) {
        self.contributed.get_or_create(&[("member", member.to_string()), ("part", part.to_owned())]).inc();
    }

    pub fn missing_transcripts(&self, count: usize) {
        self.missing_transcripts.set(gauge(count as u64));
    }

    pub fn peers(&self, members: usize, others: usize) {
        self.peers.get_or_create(&[("role", "member".to_owned())]).set(gauge(members as u64));
        self.peers.get_or_create(&[("role", "other".to_owned())]).set(gauge(others as u64));
    }

    pub fn clock_offset(&self, milliseconds: i64) {
        self.clock_offset.set(milliseconds as f64 / 1000.0);
    }

    /// A message of `kind` came in or went out.
    pub fn message(&self, kind: &'static str, incoming: bool, bytes: usize) {
        let direction = if incoming { "in" } else { "out" };
        let labels = [("kind", kind.to_owned()), ("direction", direction.to_owned())];
        self.messages.get_or_create(&labels).inc();
        self.message_bytes.get_or_create(&labels).inc_by(bytes as u64);
    }

    /// `reason` is one of a fixed set: a `Reject`'s code or the name of a crime.
    pub fn fault(&self, reason: &'static str) {
        self.faults.get_or_create(&[("reason", reason.to_owned())]).inc();
    }

    pub fn step(&self, input: &'static str, took: Duration) {
        self.steps.get_or_create(&[("input", input.to_owned())]).observe(took.as_secs_f64());
    }

    pub fn job(&self, kind: &'static str, took: Duration) {
        self.jobs.get_or_create(&[("kind", kind.to_owned())]).observe(took.as_secs_f64());
    }

    pub fn persisted(&self, took: Duration) {
        self.persist.observe(took.as_secs_f64());
    }

    pub fn persist_waiting(&self, batches: u64) {
        self.persist_waiting.set(gauge(batches));
    }

    pub fn entropy(&self, took: Duration) {
        self.entropy.observe(took.as_secs_f64());
    }

    pub fn entropy_workers(&self, state: &'static str, count: usize) {
        self.entropy_workers.get_or_create(&[("state", state.to_owned())]).set(gauge(count as u64));
    }

    pub fn entropy_sources(&self, state: &'static str, count: usize) {
        self.entropy_sources.get_or_create(&[("state", state.to_owned())]).set(gauge(count as u64));
    }

    /// A request to a peer ended: `answered`, `empty`, `bad`, `failed`.
    pub fn request(&self, result: &'static str) {
        self.requests.get_or_create(&[("result", result.to_owned())]).inc();
    }

    pub fn http_request(&self, route: &str, status: u16) {
        self.http_requests.get_or_create(&[("route", route.to_owned()), ("status", status.to_string())]).inc();
    }

    pub fn queue(&self, name: &'static str, status: &QueueStatus) {
        for (count, value) in [
            ("current", status.queue_current),
            ("capacity", status.queue_capacity),
            ("consumed", status.consumed_count),
            ("unconsumed", status.unconsumed_count),
            ("dropped", status.queue_dropped),
        ] {
            self.queues.get_or_create(&[("queue", name.to_owned()), ("count", count.to_owned())]).set(gauge(value));
        }
    }

    pub fn subscribers(&self, count: usize) {
        self.subscribers.set(gauge(count as u64));
    }
}

/// Gauges are signed; nothing counted here comes near their end.
fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fixture;
    use beacon_spec::hash::Digest32;

    #[test]
    fn the_text_has_the_values_under_their_names() {
        let mut registry = Registry::with_prefix("beacon");
        let metrics = Metrics::register(&mut registry);
        let rounds = fixture::rounds(7, fixture::CHAIN, Digest32::ZERO);
        metrics.certified(&rounds[6].beacon.header, Some(Duration::from_millis(4)));
        metrics.schedule(9, 2);
        metrics.message("opening", true, 42);
        metrics.fault("bad-signature");
        metrics.participated(3, "opened");
        metrics.persisted(Duration::from_millis(3));
        metrics.clock_offset(-1500);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("writes to a string");
        for line in [
            "beacon_round 7",
            "beacon_expected_round 9",
            "beacon_behind_rounds 2",
            "beacon_rounds_total 1",
            "beacon_round_latency_seconds_count 1",
            "beacon_messages_total{kind=\"opening\",direction=\"in\"} 1",
            "beacon_message_bytes_total{kind=\"opening\",direction=\"in\"} 42",
            "beacon_faults_total{reason=\"bad-signature\"} 1",
            "beacon_participation_total{member=\"3\",part=\"opened\"} 1",
            "beacon_persist_seconds_count 1",
            "beacon_clock_offset_seconds -1.5",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
        }
    }
}
