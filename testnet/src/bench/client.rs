//! Figures of the client.

use std::process::Stdio;
use std::time::Instant;

use beacon_client::Trust;
use beacon_client::fabricate::{Chain, Plan};
use beacon_spec::codec::encode;
use tokio::process::Command;

use crate::binaries::Binaries;
use crate::fabricate;
use crate::failure::Failure;

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

/// Decoding, header rules and certificate of one beacon after the other, each from its bytes: the average of a batch,
/// and of the batches the best, which other load disturbed least.
pub(super) fn verify_beacon() -> Result<Vec<Figure>, Failure> {
    const ROUNDS: u64 = 500;
    const BATCH: usize = 100;
    let bad =
        |reason: &dyn std::fmt::Display| Failure::new(format!("a fabricated beacon is refused: {reason}"), "report it");
    let chain = Chain::build(Plan::new(16), ROUNDS).map_err(|reason| bad(&reason))?;
    let trust = Trust::new(&encode(&chain.genesis), chain.chain).map_err(|reason| bad(&reason))?;
    let bytes: Vec<Vec<u8>> = chain.beacons.iter().map(encode).collect();
    let mut best = f64::INFINITY;
    for batch in bytes.chunks(BATCH) {
        let began = Instant::now();
        for encoded in batch {
            let beacon = trust.read_beacon(encoded, None).map_err(|reason| bad(&reason))?;
            trust.certified(beacon).map_err(|reason| bad(&reason))?;
        }
        best = best.min(began.elapsed().as_secs_f64() * 1000.0 / batch.len() as f64);
    }
    Ok(vec![Figure::at_most("verify one beacon of 16 members (11 signatures) from bytes", best, 0.4, "ms")])
}
