//! Prints what the dealing costs on one core, in microseconds: `cargo run --release -p beacon-spec --example bench_pvss`.

use std::hint::black_box;
use std::time::Instant;

use beacon_spec::hash::{Digest32, Hasher};
use beacon_spec::pvss::{
    Dealing, DealingContext, Share, TicketSecret, TicketSet, deal, open, recover, share, verify, verify_batch,
    verify_share,
};

const COUNTS: [usize; 7] = [5, 11, 16, 43, 64, 85, 128];
const BATCH: u16 = 16;

fn seed(label: &str, index: u64) -> [u8; 32] {
    Hasher::new("bench").framed(label.as_bytes()).u64(index).finish().0
}

fn context(dealer: u16) -> DealingContext {
    DealingContext { chain: Digest32([1; 32]), epoch: 1, committee: Digest32([2; 32]), round: 1, dealer }
}

/// The fastest of many runs, in µs: the one least disturbed by whatever else the machine does.
fn time<T>(runs: u32, mut run: impl FnMut() -> T) -> f64 {
    let one = |_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed().as_secs_f64() * 1e6
    };
    (0..runs).map(one).fold(f64::INFINITY, f64::min)
}

fn row(tickets: usize) {
    let (secrets, keys): (Vec<_>, Vec<_>) =
        (0..tickets as u64).map(|i| TicketSecret::from_seed(&seed("ticket", i))).unzip();
    let set = TicketSet::new(&keys).expect("derived keys are distinct points");
    let contexts: Vec<_> = (0..BATCH).map(context).collect();
    let made: Vec<_> = contexts.iter().map(|context| deal(&seed("deal", 0), context, &set)).collect();
    let items: Vec<(&Dealing, &DealingContext)> = made.iter().map(|(dealing, _)| dealing).zip(&contexts).collect();
    let (dealing, key) = &made[0];
    let dealing_time = time(100, || deal(&seed("deal", 0), &contexts[0], &set));
    let one = time(100, || verify(dealing, &contexts[0], &set));
    let batch = time(40, || verify_batch(&items, &set, &[7; 32])) / f64::from(BATCH);
    let verified = verify(dealing, &contexts[0], &set).expect("an honest dealing");
    let shares: Vec<Share> = (1..)
        .zip(&secrets)
        .map(|(position, secret)| share(secret, position, &verified, &set).expect("own position"))
        .collect();
    let prove = time(200, || share(&secrets[0], 1, &verified, &set));
    let check = time(200, || verify_share(&shares[0], &verified, &set));
    let recovery = time(200, || recover(&shares, &set));
    let opening = time(200, || open(&verified, &key.reveal()));
    println!(
        "{tickets:>4} {dealing_time:>8.0} {one:>8.0} {batch:>8.0} {prove:>8.0} {check:>8.0} {recovery:>8.0} {opening:>8.0}"
    );
}

fn main() {
    println!("   T     deal   verify batch/16    prove    check  recover     open   (µs)");
    COUNTS.into_iter().for_each(row);
}
