//! Recordings of raw samples: a folder per session, readable by people and by NIST's tool.
//!
//! - `session.json`: the source, the machine, the time, the clock step, the counts;
//! - `raw.bin`: one byte per sample, the low byte;
//! - `ticks.bin`: one byte per sample, the low byte of the sample divided by the clock step;
//! - `samples.csv`: every sample in full;
//! - `index.csv`: for each draw its first sample and the nanoseconds since the start.
//!
//! A credit must lie below the lower of the assessments of the two binary files.

use crate::source::{Samples, Source, SourceError, symbol};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("recording: {0}")]
    Io(#[from] std::io::Error),
    #[error("source: {0}")]
    Source(#[from] SourceError),
}

/// What `session.json` holds.
#[derive(Clone, Debug, Serialize)]
pub struct Session {
    pub source: &'static str,
    pub physics: &'static str,
    pub credit_millibits: u32,
    pub clock_step: u64,
    pub samples: usize,
    pub seconds: f64,
    /// Seconds since 1970.
    pub started: u64,
    pub machine: String,
    pub kernel: String,
}

/// Records `count` samples into `folder`, which must not exist yet. `progress` hears the
/// number of samples so far after each draw.
pub fn record(
    source: &mut dyn Source,
    count: usize,
    folder: &Path,
    mut progress: impl FnMut(usize),
) -> Result<Session, RecordError> {
    std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    let mut raw = create(&folder.join("raw.bin"))?;
    let mut ticks = create(&folder.join("ticks.bin"))?;
    let mut csv = create(&folder.join("samples.csv"))?;
    let mut index = create(&folder.join("index.csv"))?;
    writeln!(csv, "sample")?;
    writeln!(index, "first,nanoseconds")?;
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs());
    let start = Instant::now();
    let step = source.clock_step();
    let mut done = 0;
    while done < count {
        writeln!(index, "{done},{}", start.elapsed().as_nanos())?;
        let mut samples = Samples::default();
        source.collect(&mut samples, source.info().burst.clamp(1, count - done))?;
        for sample in samples.iter() {
            raw.write_all(&[symbol(*sample, 1)])?;
            ticks.write_all(&[symbol(*sample, step)])?;
            writeln!(csv, "{sample}")?;
        }
        done += samples.len();
        progress(done);
    }
    for file in [&mut raw, &mut ticks, &mut csv, &mut index] {
        file.flush()?;
    }
    let session = Session {
        source: source.info().name,
        physics: source.info().physics,
        credit_millibits: source.credit().millibits,
        clock_step: step,
        samples: done,
        seconds: start.elapsed().as_secs_f64(),
        started,
        machine: machine(),
        kernel: first_line("/proc/sys/kernel/osrelease"),
    };
    let text = serde_json::to_string_pretty(&session).map_err(std::io::Error::from)?;
    create(&folder.join("session.json"))?.write_all(text.as_bytes())?;
    Ok(session)
}

fn create(path: &Path) -> std::io::Result<BufWriter<File>> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(BufWriter::new(file))
}

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// The processor's name, where the kernel tells it.
fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("model name") || l.starts_with("Model"));
    line.and_then(|l| l.split(':').nth(1)).unwrap_or("unknown").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::FileSource;

    #[test]
    fn a_recording_holds_every_sample_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let input = dir.path().join("input");
        std::fs::write(&input, (0..=255).collect::<Vec<u8>>()).expect("written");
        let folder = dir.path().join("session");
        let mut seen = 0;
        let session = record(&mut FileSource::new(&input), 300, &folder, |n| seen = n);
        let session = session.expect("recorded");
        assert_eq!((session.samples, seen, session.source), (300, 300, "file"));
        let raw = std::fs::read(folder.join("raw.bin")).expect("there");
        assert_eq!(raw, (0..300).map(|i| (i % 256) as u8).collect::<Vec<u8>>());
        assert_eq!(std::fs::read(folder.join("ticks.bin")).expect("there"), raw);
        let csv = std::fs::read_to_string(folder.join("samples.csv")).expect("there");
        assert_eq!(csv.lines().count(), 301);
        for name in ["session.json", "index.csv", "raw.bin"] {
            let mode = std::fs::metadata(folder.join(name)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let again = record(&mut FileSource::new(&input), 1, &folder, |_| {});
        assert!(again.is_err(), "an existing folder is never written to");
    }
}
