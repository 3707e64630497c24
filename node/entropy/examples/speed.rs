//! Prints what the library costs and gives on this machine. Run it with
//! `cargo run --release -p beacon-entropy --example speed`.

use beacon_entropy::pool::{EntropyPool, PoolConfig};
use beacon_entropy::source::{CreditClass, Samples};
use beacon_entropy::sources::CATALOGUE;
use std::time::{Duration, Instant};

/// CPU seconds of this process so far, all threads.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |i: usize| after_name.split_whitespace().nth(i).and_then(|t| t.parse::<f64>().ok());
    // Fields 14 and 15 of the file, in hundredths of a second.
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}

fn measured<T>(work: impl FnOnce() -> T) -> (T, f64, f64) {
    let (cpu_before, start) = (cpu(), Instant::now());
    let result = work();
    (result, start.elapsed().as_secs_f64(), (cpu() - cpu_before).max(1e-9))
}

fn pool() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let pool = EntropyPool::start(PoolConfig::default())?;
    let random = pool.random();
    random.fill(&mut [0u8; 32])?;
    println!("start to first seeded output  {:.1} ms", start.elapsed().as_secs_f64() * 1e3);

    const ROUNDS: u32 = 200;
    let (bits, wall, cpu) = measured(|| {
        (0..ROUNDS).try_fold(0.0, |sum, _| pool.contribution(Duration::from_secs(1)).map(|c| sum + c.report.noise_bits))
    });
    let each = |seconds: f64| seconds / f64::from(ROUNDS) * 1e3;
    println!(
        "contribution                  {:.2} ms wall, {:.2} ms CPU, {:.0} noise bits",
        each(wall),
        each(cpu),
        bits? / f64::from(ROUNDS)
    );

    const CALLS: u32 = 4_000_000;
    let (done, wall, _) = measured(|| {
        let mut out = [0u8; 32];
        (0..CALLS).try_for_each(|_| random.fill(std::hint::black_box(&mut out)))
    });
    done?;
    println!("32-byte calls                 {:.2} million/s", f64::from(CALLS) / wall / 1e6);

    let mut block = vec![0u8; 64 * 1024];
    let (done, wall, _) = measured(|| (0..16_384).try_for_each(|_| random.fill(&mut block)));
    done?;
    println!("bulk                          {:.0} MB/s", 16_384.0 * 65_536.0 / wall / 1e6);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pool()?;
    println!("{:<20} {:>12} {:>14} {:>22}", "source", "samples/s", "credit, bits", "credited B/CPU-s");
    for (name, make) in CATALOGUE {
        let mut source = make();
        if !source.availability().is_available() {
            continue;
        }
        let credit = source.credit();
        let burst = source.info().burst;
        let mut samples = Samples::default();
        let (_, wall, cpu) = measured(|| {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(400) {
                if source.collect(&mut samples, burst).is_err() {
                    break;
                }
            }
        });
        let count = samples.len() as f64;
        let noise = credit.class == CreditClass::Noise;
        let harvest = if noise { count * credit.bits() / 8.0 / cpu } else { 0.0 };
        println!("{name:<20} {:>12.0} {:>14.3} {harvest:>22.0}", count / wall, credit.bits());
    }
    Ok(())
}
