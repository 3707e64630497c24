//! Recordings of raw samples: a folder per session, readable by people and by NIST's tool.
//!
//! - `session.json`: the source, the machine, the time, the clock step, the counts;
//! - `raw.bin`: one byte per sample, the low byte;
//! - `ticks.bin`: one byte per sample, the low byte of the sample divided by the clock step;
//! - `samples.csv`: every sample in full;
//! - `index.csv`: for each draw its first sample and the nanoseconds since the start.
//!
//! A credit must lie below the lower of the assessments of the two binary files. The session
//! file is written last: a folder without it is of a recording that was cut short.

use crate::source::{Samples, Source, SourceError, symbol};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("recording: {0}")]
    Io(#[from] std::io::Error),
    #[error("source: {0}")]
    Source(#[from] SourceError),
}

/// The files of a session.
const SESSION: &str = "session.json";
const RAW: &str = "raw.bin";
const TICKS: &str = "ticks.bin";
/// A session file is no longer than this.
const SESSION_MAX: u64 = 64 * 1024;

/// What `session.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub source: String,
    pub physics: String,
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
    let mut raw = create(&folder.join(RAW))?;
    let mut ticks = create(&folder.join(TICKS))?;
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
        source: source.info().name.to_owned(),
        physics: source.info().physics.to_owned(),
        credit_millibits: source.credit().millibits,
        clock_step: step,
        samples: done,
        seconds: start.elapsed().as_secs_f64(),
        started,
        machine: machine(),
        kernel: first_line("/proc/sys/kernel/osrelease"),
    };
    let text = serde_json::to_string_pretty(&session).map_err(std::io::Error::from)?;
    create(&folder.join(SESSION))?.write_all(text.as_bytes())?;
    Ok(session)
}

/// Why a folder is no recording.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("its session.json is not one of a recording: {0}")]
    Session(#[from] serde_json::Error),
    #[error("it was cut short: it has {found} of {expected} samples")]
    Short { found: u64, expected: u64 },
    #[error("it was cut short: there is no session.json")]
    Unfinished,
}

/// A recording on disk.
#[derive(Clone, Debug)]
pub struct Recording {
    pub folder: PathBuf,
    pub session: Session,
}

impl Recording {
    /// Reads what `session.json` says and sees that the samples are all there.
    pub fn open(folder: &Path) -> Result<Recording, OpenError> {
        let ticks = std::fs::metadata(folder.join(TICKS))?.len();
        let mut text = String::new();
        match File::open(folder.join(SESSION)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(OpenError::Unfinished),
            file => file?.take(SESSION_MAX).read_to_string(&mut text)?,
        };
        let session: Session = serde_json::from_str(&text)?;
        let expected = session.samples as u64;
        if ticks != expected {
            return Err(OpenError::Short { found: ticks, expected });
        }
        Ok(Recording { folder: folder.to_owned(), session })
    }

    /// The first `most` samples as health tests and estimators see them: in steps of the
    /// clock, the low byte.
    pub fn symbols(&self, most: usize) -> std::io::Result<Vec<u8>> {
        let mut symbols = Vec::new();
        File::open(self.folder.join(TICKS))?.take(most as u64).read_to_end(&mut symbols)?;
        Ok(symbols)
    }
}

/// Every recording directly in `folder`, by name, those that cannot be read with the reason.
pub fn recordings(folder: &Path) -> std::io::Result<Vec<(PathBuf, Result<Recording, OpenError>)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.join(TICKS).is_file() {
            found.push((path.clone(), Recording::open(&path)));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
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
        assert_eq!((session.samples, seen, session.source.as_str()), (300, 300, "file"));
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
        let opened = Recording::open(&folder).expect("whole");
        assert_eq!((&opened.session, opened.symbols(300).expect("read")), (&session, raw.clone()));
        assert_eq!(opened.symbols(10).expect("read"), raw[..10]);
    }

    #[test]
    fn recordings_are_listed_and_those_cut_short_say_so() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let input = dir.path().join("input");
        std::fs::write(&input, [1, 2, 3]).expect("written");
        let make = |name: &str| {
            let folder = dir.path().join(name);
            record(&mut FileSource::new(&input), 100, &folder, |_| {}).expect("recorded");
            folder
        };
        let (short, torn, strange) = (make("b-short"), make("c-torn"), make("d-strange"));
        make("a-whole");
        std::fs::remove_file(short.join(SESSION)).expect("removed");
        std::fs::write(torn.join(TICKS), [0; 99]).expect("written");
        std::fs::write(strange.join(SESSION), "{}").expect("written");
        std::fs::create_dir(dir.path().join("e-other")).expect("made");
        let found = recordings(dir.path()).expect("listed");
        assert!(matches!(
            found.iter().map(|(_, opened)| opened).collect::<Vec<_>>()[..],
            [
                Ok(Recording { session: Session { samples: 100, .. }, .. }),
                Err(OpenError::Unfinished),
                Err(OpenError::Short { found: 99, expected: 100 }),
                Err(OpenError::Session(_)),
            ]
        ));
    }
}
