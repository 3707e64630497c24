//! Mutated vectors against every decoder and verifier: nothing panics, whatever decodes encodes to the same bytes,
//! and no verifier accepts what was not signed. Deterministic: the same seed, the same inputs.
//!
//! A bounded run is part of every `cargo test`. Long runs, by command:
//! `BEACON_FUZZ_EXECUTIONS=100000000 BEACON_FUZZ_SEED=1 cargo test -p beacon-spec --test fuzz -- --nocapture`.

#[path = "vectors/format.rs"]
mod format;
#[path = "vectors/judge.rs"]
mod judge;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use beacon_spec::chain::{Beacon, Contribution, TRANSCRIPT_LIMITS, Transcript};
use beacon_spec::codec::{decode, encode};
use judge::{File, Input, judge};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::Value;

const FILES: [&str; 13] = [
    include_str!("../vectors/bundle.json"),
    include_str!("../vectors/certificate.json"),
    include_str!("../vectors/chain.json"),
    include_str!("../vectors/committee.json"),
    include_str!("../vectors/consensus.json"),
    include_str!("../vectors/evidence.json"),
    include_str!("../vectors/formats.json"),
    include_str!("../vectors/genesis.json"),
    include_str!("../vectors/message.json"),
    include_str!("../vectors/mix.json"),
    include_str!("../vectors/points.json"),
    include_str!("../vectors/registry.json"),
    include_str!("../vectors/transcript.json"),
];

/// What is mutated of each kind of case; every kind of the vectors stands here. The types of `formats.json` have `bytes`.
const TARGETS: [(&str, &[&str]); 35] = [
    ("bundle", &["bundle"]),
    ("signers", &["signers"]),
    ("committee", &["members"]),
    ("member-list", &["list"]),
    ("draft", &["draft"]),
    ("genesis", &["genesis"]),
    ("light-genesis", &["light"]),
    ("commitment", &["commitment"]),
    ("signed-commitment", &["signed"]),
    ("ready", &["ready"]),
    ("header-vote", &["vote"]),
    ("evidence", &["evidence"]),
    ("value", &["value"]),
    ("vote", &["vote"]),
    ("proposal", &["proposal"]),
    ("commit-certificate", &["certificate"]),
    ("polka-certificate", &["certificate"]),
    ("round-certificate", &["certificate"]),
    ("vote-conflict", &["first", "second"]),
    ("proposal-conflict", &["first", "second"]),
    ("certificate", &["certificate"]),
    ("header", &["header"]),
    ("beacon", &["beacon", "signers"]),
    ("follow", &["beacon"]),
    ("leap", &["beacon", "proof"]),
    ("past", &["head", "beacon", "proof"]),
    ("hand-over", &["last", "signers"]),
    ("mmr-proof", &["proof"]),
    ("transcript", &["transcript", "header"]),
    ("registry", &["registry", "value"]),
    ("next-committee", &["registry"]),
    ("point", &["point"]),
    ("scalar", &["scalar"]),
    ("expand", &["label"]),
    ("mix", &["previous"]),
];

/// Kinds of cases that are lists in JSON and have no bytes to mutate.
const WITHOUT_BYTES: [&str; 4] = ["assembly", "proposer", "ticket-key", "recover"];

/// xorshift64*: enough for choices, and the same everywhere.
struct Choices(u64);

impl Choices {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// One thing to mutate: a field of a case with the bytes it has.
struct Target {
    kind: String,
    name: String,
    field: &'static str,
    input: Input,
    bytes: Vec<u8>,
    accepted: bool,
    /// The header that a transcript stands beside.
    header: Vec<u8>,
}

fn corpus(wanted: impl Fn(&str) -> bool) -> Vec<Target> {
    let mut targets = Vec::new();
    for text in FILES {
        let file: File = serde_json::from_str(text).expect("a vector file");
        for case in file.cases.iter().filter(|case| wanted(&case.kind)) {
            let input = file.inputs(case);
            for field in fields(&case.kind) {
                // What is only too long is no start for mutations.
                let bytes = Some(input.bytes(field)).filter(|bytes| bytes.len() < 1 << 16);
                targets.extend(bytes.map(|bytes| Target {
                    kind: case.kind.clone(),
                    name: case.name.clone(),
                    field,
                    input: input.clone(),
                    bytes,
                    accepted: case.output["verdict"] == "ok",
                    header: if case.kind == "transcript" { input.bytes("header") } else { Vec::new() },
                }));
            }
        }
    }
    targets
}

fn fields(kind: &str) -> &'static [&'static str] {
    let listed = TARGETS.iter().find(|(name, _)| *name == kind).map(|(_, fields)| *fields);
    listed.unwrap_or(if WITHOUT_BYTES.contains(&kind) { &[] } else { &["bytes"] })
}

/// One to four changes: bits, bytes, numbers at the edges, cuts, repeats, and pieces of another input.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    for _ in 0..1 + choices.below(4) {
        let at = choices.below(bytes.len() + 1);
        let longest = [8, 96, 600][choices.below(3)];
        let length = 1 + choices.below(longest);
        let end = bytes.len().min(at + length);
        match choices.below(9) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << choices.below(8),
            2 if at < bytes.len() => bytes[at] = choices.next() as u8,
            3 if at < bytes.len() => bytes[at] = [0, 1, 2, 0x7f, 0x80, 0xff][choices.below(6)],
            4 if at + 8 <= bytes.len() => {
                let edge = [0, 1, 2, 683, 684, 1 << 20, 1 << 25, 1 << 32, 1 << 62, u64::MAX][choices.below(10)];
                bytes[at..at + 8].copy_from_slice(&edge.to_be_bytes());
            }
            5 => drop(bytes.drain(at..end)),
            6 => {
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
            7 => bytes.truncate(at),
            _ => {
                let from = choices.below(other.len() + 1);
                let piece = other[from..other.len().min(from + length)].to_vec();
                drop(bytes.splice(at..end, piece));
            }
        }
    }
}

/// Names what was being judged if the judging panics.
struct Witness<'a>(&'a Target, &'a [u8], u64);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Witness(target, bytes, execution) = self;
            eprintln!(
                "execution {execution}: {} {}, {} = {}",
                target.kind,
                target.name,
                target.field,
                hex::encode(bytes)
            );
        }
    }
}

/// Judges `count` mutations of the targets; gives how many were accepted.
fn run(targets: &mut [Target], count: u64, seed: u64, check: impl Fn(&[Target], &Target, &[u8], &Input)) -> u64 {
    let mut choices = Choices(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut accepted = 0;
    for execution in 0..count {
        let (at, other) = (choices.below(targets.len()), choices.below(targets.len()));
        let mut bytes = targets[at].bytes.clone();
        mutate(&mut bytes, &targets[other].bytes, &mut choices);
        let odd_width = ["point", "scalar", "previous"].contains(&targets[at].field) && bytes.len() != 32;
        if bytes.len() > 1 << 18 || odd_width {
            continue;
        }
        // The input is large and is lent for one judgement.
        let mut input = Input(std::mem::take(&mut targets[at].input.0));
        let target = &targets[at];
        let before = input.0.insert(target.field.into(), Value::String(hex::encode(&bytes)));
        let witness = Witness(target, &bytes, execution);
        if judge(&target.kind, &input)["verdict"] == "ok" {
            accepted += 1;
            check(targets, target, &bytes, &input);
        }
        drop(witness);
        input.0.extend(before.map(|before| (target.field.into(), before)));
        targets[at].input = input;
    }
    accepted
}

/// Decodes `count` mutations of the targets; gives how many were values.
fn decode_all(targets: &[Target], count: u64, seed: u64) -> u64 {
    let mut choices = Choices(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut accepted = 0;
    for execution in 0..count {
        let (target, other) = (&targets[choices.below(targets.len())], &targets[choices.below(targets.len())]);
        let mut bytes = target.bytes.clone();
        mutate(&mut bytes, &other.bytes, &mut choices);
        let _witness = Witness(target, &bytes, execution);
        accepted += u64::from(format::format(&target.kind, &bytes, false).is_ok());
    }
    accepted
}

/// What a target may allocate beyond its corpus; so a single allocation of 64 MiB ends the process.
const MOST_MORE: u64 = 60 << 20;

/// Bounds the memory of this process for as long as it lives. One test at a time: the bound is the process's.
struct Bounded(#[allow(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

impl Bounded {
    fn corpus(wanted: impl Fn(&str) -> bool) -> (Vec<Target>, Bounded) {
        static ONE: Mutex<()> = Mutex::new(());
        let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let targets = corpus(wanted);
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
        let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).expect("it has this line");
        let held: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        Bounded::limit(Some((held << 10) + MOST_MORE));
        (targets, Bounded(guard))
    }

    fn limit(current: Option<u64>) {
        setrlimit(Resource::Data, Rlimit { current, maximum: None }).expect("below the maximum");
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        Bounded::limit(None);
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn report(name: &str, targets: usize, executions: u64, accepted: u64, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("fuzz {name}: {targets} targets, {executions} executions, {accepted} accepted, {seconds:.1} s");
}

#[test]
fn every_kind_of_vector_is_a_target() {
    let kinds: BTreeSet<String> = Bounded::corpus(|_| true).0.into_iter().map(|target| target.kind).collect();
    let missing: Vec<_> = TARGETS.iter().filter(|(kind, _)| !kinds.contains(*kind)).collect();
    assert!(missing.is_empty(), "no vectors of {missing:?}");
    assert!(kinds.len() > TARGETS.len() + 20, "the types that travel are targets too");
}

/// [codec-1] and [codec-2]: the identity of encode ∘ decode is asserted by the judge of each type.
#[test]
fn codec_2_mutated_bytes_never_panic_and_decode_to_what_encodes_the_same() {
    let (targets, _bounded) = Bounded::corpus(|kind| kind.starts_with(|first: char| first.is_ascii_uppercase()));
    let (count, started) = (number("BEACON_FUZZ_EXECUTIONS", 100_000), Instant::now());
    let accepted = decode_all(&targets, count, number("BEACON_FUZZ_SEED", 1));
    assert!(accepted > count / 100, "mutations that always fail at once test little");
    report("decoders", targets.len(), count, accepted, started);
}

/// What a verifier may accept although no vector holds it: only what the signatures do not cover.
#[test]
fn certify_4_no_verifier_accepts_what_was_not_signed() {
    let (mut targets, _bounded) = Bounded::corpus(|kind| kind.starts_with(|first: char| first.is_ascii_lowercase()));
    let mut good: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for target in targets.iter().filter(|target| target.accepted) {
        good.entry(target.kind.clone()).or_default().insert(target.bytes.clone());
    }
    let (count, started) = (number("BEACON_FUZZ_EXECUTIONS", 100_000) / 5, Instant::now());
    let signed_in_whole =
        ["bundle", "genesis", "light-genesis", "signed-commitment", "ready", "vote", "proposal", "commitment"];
    let accepted = run(&mut targets, count, number("BEACON_FUZZ_SEED", 1), |targets, target, bytes, input| {
        let kind = target.kind.as_str();
        let known = || good.get(kind).is_some_and(|good| good.contains(bytes));
        match (kind, target.field) {
            _ if signed_in_whole.contains(&kind) => assert!(known(), "{kind}: bytes that nobody signed"),
            ("beacon" | "follow" | "leap" | "past", "beacon") => {
                let header =
                    |bytes: &[u8]| decode::<Beacon>(bytes, &TRANSCRIPT_LIMITS).map(|beacon| encode(&beacon.header));
                let found = header(bytes);
                let signed = targets
                    .iter()
                    .filter(|target| target.field == "beacon")
                    .any(|target| header(&target.bytes) == found);
                assert!(signed, "{kind}: a header that nobody signed");
            }
            ("transcript", "transcript") => {
                let header = input.bytes("header");
                let same = targets.iter().filter(|target| target.accepted && target.field == "transcript");
                let same = same.filter(|target| target.header == header);
                let found = dealings(bytes);
                assert!(same.map(|target| dealings(&target.bytes)).any(|good| good == found), "other dealings");
            }
            _ => {}
        }
    });
    report("verifiers", targets.len(), count, accepted, started);
}

fn dealings(bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let transcript: Transcript = decode(bytes, &TRANSCRIPT_LIMITS).expect("accepted before");
    let dealing = |contribution: &Contribution| (contribution.member, encode(&contribution.dealing));
    transcript.contributions.iter().map(dealing).collect()
}
