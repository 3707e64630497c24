//! Figures of the client.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use beacon_client::fabricate::{Chain, Fabricator, Plan};
use beacon_client::{Digest32, Trust};
use beacon_spec::chain::{Beacon, Header};
use beacon_spec::codec::encode;
use beacon_spec::mmr::{self, Mmr};
use tokio::process::Command;

use crate::binaries::Binaries;
use crate::fabricate;
use crate::failure::Failure;
use crate::sim::meter::{calibrate, processor_time};

use super::Figure;
use super::networks::scratch;

/// The whole command, from start to exit, on a fabricated file; the best of three.
pub(super) async fn verify_file(binaries: &Binaries) -> Result<Vec<Figure>, Failure> {
    let directory = scratch("client")?;
    let file = directory.join("million.chain");
    let report = fabricate::run(&fabricate::Arguments::new(1_000_000, 16, &file))?;
    let chain = report["chain"].as_str().unwrap_or_default();
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let began = Instant::now();
        let mut command = Command::new(&binaries.client);
        command.arg("verify").arg(&file).args(["--chain", chain, "--json"]).stdout(Stdio::null());
        let status = command.status().await.map_err(|error| Failure::file("start", &binaries.client, &error))?;
        if !status.success() {
            return Err(Failure::new(format!("beacon verify ended with {status}"), "see its message above"));
        }
        best = best.min(began.elapsed().as_secs_f64());
    }
    std::fs::remove_dir_all(&directory).map_err(|error| Failure::file("remove", &directory, &error))?;
    Ok(vec![Figure::at_most("verify a file of 1,000,000 rounds, one certificate", best, 1.5, "s")])
}

/// Seconds of this thread's processor time.
fn since(before: Duration) -> f64 {
    processor_time().saturating_sub(before).as_secs_f64()
}

/// Decoding, header rules and certificate of one beacon after the other, each from its bytes, under a committee whose
/// keys are prepared: the average of a batch, and of the batches the best, which other load disturbed least.
pub(super) fn verify_beacon() -> Result<Vec<Figure>, Failure> {
    const ROUNDS: u64 = 500;
    const BATCH: usize = 100;
    let bad =
        |reason: &dyn std::fmt::Display| Failure::new(format!("a fabricated beacon is refused: {reason}"), "report it");
    let chain = Chain::build(Plan::new(16), ROUNDS).map_err(|reason| bad(&reason))?;
    let trust = Trust::new(&encode(&chain.genesis), chain.chain).map_err(|reason| bad(&reason))?.prepared();
    let bytes: Vec<Vec<u8>> = chain.beacons.iter().map(encode).collect();
    calibrate();
    let mut best = f64::INFINITY;
    for batch in bytes.chunks(BATCH) {
        let before = processor_time();
        for encoded in batch {
            let beacon = trust.read_beacon(encoded, None).map_err(|reason| bad(&reason))?;
            trust.certified(beacon).map_err(|reason| bad(&reason))?;
        }
        best = best.min(since(before) * 1000.0 / batch.len() as f64);
    }
    Ok(vec![Figure::at_most("verify one beacon of 16 members (11 signatures) from bytes", best, 0.4, "ms")])
}

/// Decoding, header rules and proof of one round under a head of round 10^7 + 1. The headers beside it on its way up are
/// made-up hashes: a proof sees no more of them.
pub(super) fn verify_past() -> Result<Vec<Figure>, Failure> {
    const COUNT: u64 = 10_000_000;
    const ROUND: u64 = 3_333_333;
    const BATCH: u32 = 1000;
    let bad = |reason: &dyn std::fmt::Display| Failure::new(format!("a proof is refused: {reason}"), "report it");
    let mut fabricator = Fabricator::new(Plan::new(16)).map_err(|reason| bad(&reason))?;
    let first = fabricator.header().map_err(|reason| bad(&reason))?;
    let schedule = fabricator.genesis().draft.parameters.schedule;
    let at = |round: u64, mmr| -> Result<Beacon, Failure> {
        let due = schedule.time_of(round).map_err(|reason| bad(&reason))?;
        let header = Header { round, due, window: schedule.window_of(round), mmr, ..first.clone() };
        Ok(Beacon { certificate: fabricator.certify(&header), header })
    };
    let past = at(ROUND, Digest32::ZERO)?;
    // Which nodes a proof takes follows from the places alone.
    let wanted = RefCell::new(BTreeMap::new());
    mmr::prove(ROUND, COUNT, |position| {
        wanted.borrow_mut().insert(position, Digest32::ZERO);
        Some(Digest32::ZERO)
    });
    let mut wanted = wanted.into_inner();
    let mut range = Mmr::new();
    for round in 1..=COUNT {
        let mut leaf = [0; 32];
        leaf[..8].copy_from_slice(&round.to_be_bytes());
        let hash = if round == ROUND { past.header.hash() } else { Digest32(leaf) };
        for (position, node) in range.append(round, hash) {
            wanted.entry(position).and_modify(|known| *known = node);
        }
    }
    let head = at(COUNT + 1, range.root())?;
    let proof = mmr::prove(ROUND, COUNT, |position| wanted.get(&position).copied());
    let proof = encode(&proof.ok_or_else(|| bad(&"it cannot be made"))?);
    let genesis = encode(fabricator.genesis());
    let mut trust = Trust::new(&genesis, fabricator.chain()).map_err(|reason| bad(&reason))?;
    trust.set_head(trust.certified(head).map_err(|reason| bad(&reason))?);
    let bytes = encode(&past);
    calibrate();
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let before = processor_time();
        for _ in 0..BATCH {
            let beacon = trust.read_beacon(&bytes, Some(ROUND)).map_err(|reason| bad(&reason))?;
            trust.proven(beacon, &proof).map_err(|reason| bad(&reason))?;
        }
        best = best.min(since(before) * 1e6 / f64::from(BATCH));
    }
    Ok(vec![
        Figure::at_most("prove one round among 10^7", best, 30.0, "µs"),
        Figure::at_most("prove one round among 10^7: siblings", proof.len() as f64 - 8.0, 1000.0, "bytes"),
    ])
}
