//! `Engine::step` under arbitrary inputs: messages and answers of others as they were, changed, moved and repeated, a
//! clock that goes anywhere, peers that come and go. Nothing panics, nothing that others send stops the engine, and
//! what it holds stays bounded. And what a node answers to whatever it is asked.
//!
//! A bounded run is part of every `cargo test`. Long runs, by command:
//! `BEACON_FUZZ_EXECUTIONS=10000000 BEACON_FUZZ_SEED=1 cargo test -p beacon-engine --test fuzz -- --nocapture`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use beacon_engine::event::{Input, Message, Request, Response, RoundRecord};
use beacon_engine::serve::serve;
use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::IdentityKey;
use beacon_spec::message::{COMMITMENT_LIMITS, SetEntry};
use beacon_testnet::sim::rng::Rng;
use beacon_testnet::sim::{GENESIS_TIME, Net, Served, Setup};
use rustix::process::{Resource, Rlimit, setrlimit};

/// The engine under test; in the recorded run it is down, so that it has signed nothing there.
const TARGET: usize = 0;
/// Inputs until the engine starts again from its disk.
const LIFE: u64 = 1_500;
/// What an engine may print of itself, in bytes.
const MOST_HELD: usize = 1 << 20;
/// What the network takes as a request and as an answer, in bytes.
const MOST_ASKED: usize = 64 << 10;
const MOST_ANSWERED: usize = 4 << 20;
/// What the process may take, in bytes.
const MOST_MEMORY: u64 = 64 << 20;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn setup(window: u64) -> Setup {
    Setup { weights: vec![1; 4], period: 200, window, epoch_windows: 4, ..Setup::default() }
}

/// What three members say to each other in some rounds, and what they would answer.
struct Corpus {
    messages: Vec<(usize, Vec<u8>)>,
    responses: Vec<Vec<u8>>,
    keys: Vec<IdentityKey>,
}

fn corpus(window: u64) -> Corpus {
    let mut net = Net::new(&setup(window));
    for node in 1..4 {
        net.start(node);
    }
    assert!(net.run_to(6 * window, GENESIS_TIME + 60_000), "three of four go on");
    let messages = net.sent.iter().map(|sent| (sent.from, encode(&sent.message))).collect();
    let disk = &net.nodes[1].written;
    let rounds: Vec<RoundRecord> = disk
        .rounds
        .iter()
        .map(|(round, beacon)| RoundRecord { beacon: beacon.clone(), transcript: disk.transcripts.get(round).cloned() })
        .collect();
    let commitments = net.sent.iter().filter_map(|sent| match &sent.message {
        Message::Commitment(commitment) => Some((**commitment).clone()),
        _ => None,
    });
    let responses = [
        Response::Rounds(rounds.clone()),
        Response::Rounds(rounds[..2].to_vec()),
        Response::Decisions(disk.decisions.values().cloned().collect()),
        Response::Commitments(commitments.collect()),
    ];
    let keys = net.nodes.iter().map(|node| node.config.identity).collect();
    Corpus { messages, responses: responses.iter().map(encode).collect(), keys }
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    for _ in 0..rng.between(1, 4) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        let end = bytes.len().min(at + rng.between(1, 40) as usize);
        match rng.below(7) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            2 if at < bytes.len() => bytes[at] = [0, 1, 2, 0x7f, 0xff][rng.below(5) as usize],
            3 if at + 8 <= bytes.len() => {
                let edge = [0, 1, 2, 3, 64, 1 << 32, 1 << 62, u64::MAX][rng.below(8) as usize];
                bytes[at..at + 8].copy_from_slice(&edge.to_be_bytes());
            }
            4 => drop(bytes.drain(at..end)),
            5 => {
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
            _ => {
                let from = rng.below(other.len() as u64 + 1) as usize;
                let piece = other[from..other.len().min(from + (end - at))].to_vec();
                drop(bytes.splice(at..end, piece));
            }
        }
    }
}

fn message(corpus: &Corpus, rng: &mut Rng, place: &mut usize) -> Option<Input> {
    let next = rng.below(3) > 0;
    let at = if next { *place } else { rng.below(corpus.messages.len() as u64) as usize };
    *place = (*place + usize::from(next)) % corpus.messages.len();
    let (from, bytes) = &corpus.messages[at];
    let mut bytes = bytes.clone();
    if rng.below(2) == 0 {
        let other = rng.pick(&corpus.messages)?;
        mutate(&mut bytes, &other.1, rng);
    }
    let from = if rng.below(4) == 0 { *rng.pick(&corpus.keys)? } else { corpus.keys[*from] };
    Some(Input::Message { from, message: decode(&bytes, &COMMITMENT_LIMITS).ok()? })
}

fn response(corpus: &Corpus, rng: &mut Rng) -> Option<Input> {
    let mut bytes = rng.pick(&corpus.responses)?.clone();
    let other = rng.pick(&corpus.responses)?.clone();
    if rng.below(2) == 0 {
        mutate(&mut bytes, &other, rng);
    }
    let response: Option<Response> = decode(&bytes, &COMMITMENT_LIMITS).ok();
    // Requests are numbered from 1 in each life.
    Some(Input::Response { id: rng.below(60), from: *rng.pick(&corpus.keys)?, response: response.map(Box::new) })
}

/// Moves the clock: mostly on, now and then anywhere.
fn skew(rng: &mut Rng) -> i64 {
    match rng.below(6) {
        0 => rng.draw() as i64 >> rng.below(63),
        1 => -(rng.below(100_000_000) as i64),
        _ => rng.below(100_000) as i64,
    }
}

fn run(window: u64, executions: u64, seed: u64) -> u64 {
    let corpus = corpus(window);
    let mut rng = Rng::new(seed, "fuzz");
    let mut accepted = 0;
    let mut place = 0;
    let mut net = Net::new(&setup(window));
    net.record = false;
    for execution in 0..executions {
        if execution % LIFE == 0 {
            net = Net::new(&setup(window));
            net.record = false;
            net.start(TARGET);
            place = 0;
        }
        let input = match rng.below(100) {
            0 => {
                let skew = skew(&mut rng);
                net.set_clock(TARGET, skew);
                Some(Input::Tick)
            }
            1 => Some(Input::PeerDown(corpus.keys[rng.below(4) as usize])),
            2..=4 => Some(Input::PeerUp(IdentityKey(match rng.below(2) {
                0 => rng.bytes(),
                _ => corpus.keys[rng.below(4) as usize].0,
            }))),
            5 => {
                net.crash(TARGET);
                net.start(TARGET);
                None
            }
            6..=9 => {
                let until = net.now + rng.below(400);
                net.run_until(until);
                None
            }
            10..=24 => response(&corpus, &mut rng),
            _ => message(&corpus, &mut rng, &mut place),
        };
        let Some(input) = input else { continue };
        accepted += u64::from(net.feed(TARGET, input));
        let node = &net.nodes[TARGET];
        assert!(node.halted.is_none(), "execution {execution} of seed {seed}: {:?}", node.halted);
        if execution % 500 == 0 {
            let held = format!("{:?}", node.engine.as_ref().expect("it runs")).len();
            assert!(held < MOST_HELD, "execution {execution} of seed {seed}: {held} bytes");
        }
    }
    accepted
}

/// Whatever comes, no single allocation is of 64 MiB. One test at a time, since they share the process.
fn bound_memory() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = Rlimit { current: Some(MOST_MEMORY), maximum: Some(MOST_MEMORY) };
    setrlimit(Resource::Data, limit).expect("a limit may always be lowered");
    turn
}

#[test]
fn arbitrary_inputs_neither_panic_nor_stop_the_engine() {
    let _turn = bound_memory();
    let (count, seed) = (number("BEACON_FUZZ_EXECUTIONS", 40_000), number("BEACON_FUZZ_SEED", 1));
    for window in [1, 3] {
        let started = Instant::now();
        let relayed = run(window, count / 2, seed);
        let seconds = started.elapsed().as_secs_f64();
        println!("fuzz step, K = {window}: {} executions, {relayed} relayed, {seconds:.1} s", count / 2);
        assert!(relayed > 0, "inputs that all fail at once test little");
    }
}

/// Requests of every kind, about what is there and what is not.
fn requests(net: &Net) -> Vec<Request> {
    let entry = |decision: &beacon_engine::batch::Decision| decision.value.set.clone();
    let wanted: Vec<SetEntry> = net.nodes[1].written.decisions.values().flat_map(entry).collect();
    vec![
        Request::Status,
        Request::Genesis,
        Request::Rounds { from: 1, count: 5, transcripts: true },
        Request::Decisions { from: 1, count: 5 },
        Request::Commitments { window: 6, wanted },
        Request::Commitments { window: 7, wanted: vec![SetEntry { member: 3, commitment: Digest32([7; 32]) }; 600] },
        Request::Registry { window: 2 },
        Request::Committee { epoch: 2 },
        Request::Checkpoint { round: 3 },
    ]
}

/// Whatever decodes as a request encodes to the same bytes, and its answer fits into one message and decodes.
#[test]
fn arbitrary_requests_are_answered_within_bounds() {
    let _turn = bound_memory();
    let (count, seed) = (number("BEACON_FUZZ_EXECUTIONS", 40_000), number("BEACON_FUZZ_SEED", 1));
    let mut net = Net::new(&setup(1));
    net.start_all();
    assert!(net.run_to(8, GENESIS_TIME + 60_000));
    let archive = Served(&net.nodes[1].written, b"genesis");
    let corpus: Vec<Vec<u8>> = requests(&net).iter().map(encode).collect();
    let mut rng = Rng::new(seed, "requests");
    let mut answered = 0;
    for _ in 0..count {
        let (mut bytes, other) = (rng.pick(&corpus).unwrap().clone(), rng.pick(&corpus).unwrap().clone());
        mutate(&mut bytes, &other, &mut rng);
        let Ok(request) = decode::<Request>(&bytes, &Limits::bytes(MOST_ASKED)) else { continue };
        assert_eq!(encode(&request), bytes, "{request:?}");
        let Ok(response) = serve(&archive, &net.nodes[1].config.chain, net.now, &request);
        let answer = encode(&response);
        assert!(answer.len() <= MOST_ANSWERED, "{} bytes to {request:?}", answer.len());
        assert!(decode::<Response>(&answer, &Limits::bytes(MOST_ANSWERED)).is_ok(), "{request:?}");
        answered += 1;
    }
    println!("fuzz serve: {count} executions, {answered} answered");
    assert!(answered > count / 10, "requests that all fail at once test little");
}
