//! Records sources and assesses them by SP 800-90B, raw and in ticks of the clock:
//! `cargo run --release -p beacon-entropy --example assess -- SAMPLES SOURCE...`

use beacon_entropy::assess::{Assessment, assess};
use beacon_entropy::clock;
use beacon_entropy::source::{Samples, symbol};
use beacon_entropy::sources::maker;
use std::time::Instant;

fn show(reading: &str, assessment: &Assessment) {
    let least = assessment
        .literal
        .iter()
        .map(|e| (e.min_entropy, e.name))
        .chain(assessment.bitstring.iter().map(|e| (8.0 * e.min_entropy, e.name)))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let by = least.map_or("", |(_, name)| name);
    println!("  {reading:<6} {:.4} bits per sample, by {by}", assessment.min_entropy);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().ok_or("how many samples?")?.parse()?;
    println!("clock step {} ns", clock::step());
    for name in arguments {
        let mut source = maker(&name)?();
        let mut samples = Samples::default();
        let start = Instant::now();
        while samples.len() < count {
            let left = count - samples.len();
            source.collect(&mut samples, left.min(source.info().burst))?;
        }
        println!("{name}: {count} samples in {:.1} s", start.elapsed().as_secs_f64());
        let step = source.clock_step();
        // With a step of one the two readings are the same.
        let readings = [("raw", 1), ("ticks", step)];
        for (reading, step) in &readings[..if step == 1 { 1 } else { 2 }] {
            let symbols: Vec<u8> = samples.iter().map(|s| symbol(*s, *step)).collect();
            match assess(&symbols, 8) {
                Ok(assessment) => show(reading, &assessment),
                Err(error) => println!("  {reading:<6} {error}"),
            }
        }
    }
    Ok(())
}
