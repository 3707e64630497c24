//! How fast verification is, on one core. Prints figures; asserts nothing about time.
//!
//! Times are of the processor on Linux, so that a busy machine does not blur them, and of the clock elsewhere.
//!
//! `cargo run --release -p beacon-client --features fabricate --example bench_verify [ROUNDS]`

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::time::{Duration, Instant};

use beacon_client::chainfile;
use beacon_client::fabricate::{self, Chain, Plan};
use beacon_client::trust::{Candidate, Trust};
use beacon_spec::codec::encode;

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    chain_file(rounds)?;
    newest_beacon()?;
    past_round()?;
    keys()?;
    join()
}

fn show(what: &str, figure: String) {
    println!("{what:<62} {figure}");
}

/// Time that this thread has had a processor, or the clock's where Linux' figure is not to be had.
fn spent(since: Instant) -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = stat.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// The mean of many runs: the figure of Linux moves in steps too coarse for one.
fn mean(runs: u32, mut run: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    let before = spent(start);
    (0..runs).try_for_each(|_| run())?;
    Ok(spent(start).saturating_sub(before) / runs)
}

fn chain_file(rounds: u64) -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("bench-{}.chain", std::process::id()));
    let start = Instant::now();
    let before = spent(start);
    let (chain, _) = fabricate::write(Plan::new(16), rounds, 0, BufWriter::new(File::create(&path)?))?;
    show(&format!("fabricate {rounds} rounds"), format!("{:.2?}", spent(start).saturating_sub(before)));
    let time = mean(3, || {
        let summary = chainfile::verify(File::open(&path)?, &chain, |_| {}).map_err(|error| format!("{error:?}"))?;
        if summary.headers == rounds { Ok(()) } else { Err("rounds are missing".into()) }
    });
    std::fs::remove_file(&path)?;
    show(&format!("verify a chain file of {rounds} rounds, links and one certificate"), format!("{:.3?}", time?));
    Ok(())
}

fn newest_beacon() -> Result<(), Box<dyn Error>> {
    let chain = Chain::build(Plan::new(16), 3)?;
    let trust = Trust::new(&encode(&chain.genesis), chain.chain)?;
    let bytes = encode(&chain.beacons[2]);
    let signers = chain.beacons[2].certificate.signatures.len();
    for (trust, keys) in [(trust.clone(), "as loaded"), (trust.prepared(), "prepared")] {
        let time = mean(2000, || match trust.head_candidate(trust.read_beacon(&bytes, None)?)? {
            Candidate::Extends(_) => Ok(()),
            _ => Err("a first head extends nothing".into()),
        })?;
        let what = format!("verify one beacon of 16 members, {signers} signatures, {} bytes, keys {keys}", bytes.len());
        show(&what, format!("{time:.1?}"));
    }
    Ok(())
}

fn past_round() -> Result<(), Box<dyn Error>> {
    let rounds = 1 << 17;
    let chain = Chain::build(Plan::new(1), rounds)?;
    let mut trust = Trust::new(&encode(&chain.genesis), chain.chain)?;
    let head = chain.beacons.last().ok_or("no rounds")?;
    trust.set_head(trust.certified(head.clone())?);
    let proof = encode(&chain.proof(rounds / 3, rounds).ok_or("no proof")?);
    let bytes = encode(&chain.beacons[rounds as usize / 3 - 1]);
    let time = mean(2000, || {
        let beacon = trust.read_beacon(&bytes, Some(rounds / 3))?;
        trust.proven(beacon, &proof)?;
        Ok(())
    })?;
    let what = format!("prove one round among {rounds} by MMR, {} bytes of siblings", proof.len() - 8);
    show(&what, format!("{time:.1?}"));
    Ok(())
}

fn keys() -> Result<(), Box<dyn Error>> {
    let chain = Chain::build(Plan::new(16), 1)?;
    let time = mean(200, || {
        beacon_spec::committee::Signers::new(chain.committees[0].clone())?;
        Ok(())
    })?;
    show("judge a signer list of 16 members", format!("{time:.1?}"));
    let signers = beacon_spec::committee::Signers::new(chain.committees[0].clone())?;
    let time = mean(5, || {
        std::hint::black_box(signers.clone().prepared());
        Ok(())
    })?;
    show("prepare the keys of 16 members", format!("{time:.1?}"));
    Ok(())
}

fn join() -> Result<(), Box<dyn Error>> {
    let chain = Chain::build(Plan::new(16).epochs(4, 25), 1010)?;
    let genesis = encode(&chain.genesis);
    let hand_overs: Vec<_> = (1..=10u64)
        .map(|epoch| {
            Ok((chain.beacon(epoch * 100).ok_or("no beacon")?, encode(chain.committee(epoch + 1).ok_or("none")?)))
        })
        .collect::<Result<_, &str>>()?;
    let newest = chain.beacons.last().ok_or("no rounds")?;
    let bytes = genesis.len()
        + encode(newest).len()
        + hand_overs.iter().map(|(beacon, list)| encode(*beacon).len() + list.len()).sum::<usize>();
    let time = mean(50, || {
        let mut trust = Trust::new(&genesis, chain.chain)?;
        for (beacon, list) in &hand_overs {
            trust.hand_over((*beacon).clone(), list)?;
        }
        trust.set_head(trust.certified(newest.clone())?);
        Ok(())
    })?;
    show(&format!("join through ten committee changes of 16 members, {bytes} bytes"), format!("{time:.2?}"));
    Ok(())
}
