//! Giving out bytes without end: from the generator or from single sources, in a format, at
//! a rate, until enough was given, the reader has gone, or somebody says stop.

use crate::encoding::{Encoder, Format};
use crate::random::{NoSeed, Random};
use crate::stream::{SourceStream, StreamError};
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Bytes drawn at a time from the generator; a few fill a pipe.
const PIECE: usize = 64 * 1024;
/// Bytes drawn at a time from a source, so that slow ones show soon.
const SOURCE_PIECE: usize = 32;
/// The longest nap between two looks at the stop flag.
const NAP: Duration = Duration::from_millis(50);

/// Where the bytes come from.
#[derive(Debug)]
pub enum Outlet {
    /// The pool's fast generator.
    Generator(Random),
    /// Single sources in turn, each tested and conditioned by itself.
    Sources(Turns),
}

/// Sources that take turns. One that fails is left out from then on.
#[derive(Debug)]
pub struct Turns {
    streams: Vec<SourceStream>,
    next: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum OutletError {
    #[error(transparent)]
    Unseeded(#[from] NoSeed),
    #[error("no source is left; the last one failed: {0}")]
    NoSourceLeft(StreamError),
    #[error("no sources were given")]
    NoSources,
    #[error("writing: {0}")]
    Write(std::io::Error),
}

/// What is to be given out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    pub format: Format,
    /// Bytes before encoding; endless without.
    pub bytes: Option<u64>,
    /// Bytes per second before encoding; as fast as possible without.
    pub rate: Option<u64>,
}

/// Why a stream ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Complete,
    /// The reader closed its end.
    ReaderGone,
    Stopped,
}

impl Outlet {
    #[must_use]
    pub fn sources(streams: Vec<SourceStream>) -> Outlet {
        Outlet::Sources(Turns { streams, next: 0 })
    }

    fn piece(&self) -> usize {
        match self {
            Outlet::Generator(_) => PIECE,
            Outlet::Sources(_) => SOURCE_PIECE,
        }
    }

    /// Fills `out`; on an error it holds nothing random.
    fn draw(&mut self, out: &mut [u8], lost: &mut dyn FnMut(&str, &StreamError)) -> Result<(), OutletError> {
        match self {
            Outlet::Generator(random) => Ok(random.fill(out)?),
            Outlet::Sources(turns) => turns.draw(out, lost),
        }
    }
}

impl Turns {
    fn draw(&mut self, out: &mut [u8], lost: &mut dyn FnMut(&str, &StreamError)) -> Result<(), OutletError> {
        loop {
            if self.streams.is_empty() {
                return Err(OutletError::NoSources);
            }
            self.next %= self.streams.len();
            match self.streams[self.next].read(out) {
                Ok(()) => {
                    self.next += 1;
                    return Ok(());
                }
                Err(error) => {
                    let failed = self.streams.remove(self.next);
                    lost(failed.name(), &error);
                    if self.streams.is_empty() {
                        return Err(OutletError::NoSourceLeft(error));
                    }
                }
            }
        }
    }
}

/// How long to wait so that `sent` bytes have taken their time at `rate` bytes per second.
fn due(sent: u64, rate: u64) -> Duration {
    Duration::from_secs_f64(sent as f64 / rate.max(1) as f64)
}

/// Hears of a running stream.
pub trait Watch {
    /// So many bytes have been given out.
    fn given(&mut self, _bytes: u64) {}
    /// A source failed and is left out.
    fn lost(&mut self, _source: &str, _error: &StreamError) {}
}

impl Watch for () {}

/// Writes the outlet's bytes to `to` by `plan`. Returns how many were given out, before
/// encoding, and why it ended.
pub fn pour(
    outlet: &mut Outlet,
    to: &mut dyn Write,
    plan: Plan,
    stop: &AtomicBool,
    watch: &mut dyn Watch,
) -> Result<(u64, Ending), OutletError> {
    let mut encoder = Encoder::new(plan.format);
    let mut piece = Zeroizing::new(vec![0u8; outlet.piece()]);
    let mut text = Zeroizing::new(Vec::new());
    let begun = Instant::now();
    let mut sent = 0u64;
    let ending = loop {
        if plan.bytes.is_some_and(|bytes| sent >= bytes) {
            break Ending::Complete;
        }
        if stop.load(Ordering::Relaxed) || !rest(begun, sent, plan.rate, stop) {
            break Ending::Stopped;
        }
        let length = length(plan, sent, piece.len());
        outlet.draw(&mut piece[..length], &mut |source, error| watch.lost(source, error))?;
        let written = match plan.format {
            Format::Raw => to.write_all(&piece[..length]),
            _ => {
                text.clear();
                encoder.push(&piece[..length], &mut text);
                to.write_all(&text)
            }
        };
        if !still_read(written)? {
            return Ok((sent, Ending::ReaderGone));
        }
        sent += length as u64;
        watch.given(sent);
    };
    text.clear();
    encoder.finish(&mut text);
    let last = to.write_all(&text).and_then(|()| to.flush());
    Ok((sent, if still_read(last)? { ending } else { Ending::ReaderGone }))
}

/// Bytes of the next piece: what is left, and at a rate no more than a twentieth of a second.
fn length(plan: Plan, sent: u64, most: usize) -> usize {
    let left = plan.bytes.map_or(u64::MAX, |bytes| bytes - sent);
    let share = plan.rate.map_or(u64::MAX, |rate| (rate / 20).max(1));
    usize::try_from(left.min(share)).map_or(most, |length| length.min(most))
}

/// Waits until more may be sent; false when told to stop meanwhile.
fn rest(begun: Instant, sent: u64, rate: Option<u64>, stop: &AtomicBool) -> bool {
    let Some(rate) = rate else { return true };
    let until = begun + due(sent, rate);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(left.min(NAP));
    }
}

/// Whether the reader is still there; any other failure is an error.
fn still_read(written: std::io::Result<()>) -> Result<bool, OutletError> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(OutletError::Write(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditioning::Method;
    use crate::random::Seeder;
    use crate::sources::{FileSource, Os};

    struct Fixed;

    impl Seeder for Fixed {
        fn seed(&self) -> Result<Zeroizing<Vec<u8>>, NoSeed> {
            Ok(Zeroizing::new(vec![7; 32]))
        }
    }

    fn generator() -> Outlet {
        Outlet::Generator(Random::new(Box::new(Fixed)))
    }

    fn poured(outlet: &mut Outlet, plan: Plan) -> (Vec<u8>, u64, Ending) {
        let mut out = Vec::new();
        let (sent, ending) = pour(outlet, &mut out, plan, &AtomicBool::new(false), &mut ()).expect("poured");
        (out, sent, ending)
    }

    #[test]
    fn exactly_as_many_bytes_as_asked_in_every_format() {
        for bytes in [0u64, 1, 31, 65_536, 200_000] {
            let plan = |format| Plan { format, bytes: Some(bytes), rate: None };
            let (raw, sent, ending) = poured(&mut generator(), plan(Format::Raw));
            assert_eq!((raw.len() as u64, sent, ending), (bytes, bytes, Ending::Complete));
            let (hex, _, _) = poured(&mut generator(), plan(Format::Hex));
            assert_eq!(hex.len() as u64, 2 * bytes + 1);
            assert_eq!(hex::decode(&hex[..hex.len() - 1]).expect("hexadecimal"), raw);
            let (base64, _, _) = poured(&mut generator(), plan(Format::Base64));
            assert_eq!(base64.len() as u64, bytes.div_ceil(3) * 4 + 1);
            assert!(!base64[..base64.len().saturating_sub(3)].contains(&b'='), "padding only at the end");
        }
    }

    #[test]
    fn a_rate_is_kept_by_its_schedule() {
        assert_eq!(due(0, 1000), Duration::ZERO);
        assert_eq!(due(500, 1000), Duration::from_millis(500));
        let plan = Plan { rate: Some(1000), bytes: Some(70), ..Plan::default() };
        assert_eq!((length(plan, 0, PIECE), length(plan, 50, PIECE)), (50, 20));
        assert_eq!(length(Plan { rate: Some(1), ..Plan::default() }, 0, PIECE), 1);
        assert_eq!(length(Plan::default(), 0, PIECE), PIECE);
    }

    /// Takes some bytes, then is gone.
    struct Leaving(usize);

    impl Write for Leaving {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_leaves_and_a_stop_are_no_errors() {
        let stop = AtomicBool::new(false);
        let gone = pour(&mut generator(), &mut Leaving(PIECE), Plan::default(), &stop, &mut ()).expect("no error");
        assert_eq!(gone, (PIECE as u64, Ending::ReaderGone));
        stop.store(true, Ordering::Relaxed);
        let mut out = Vec::new();
        let stopped = pour(&mut generator(), &mut out, Plan::default(), &stop, &mut ()).expect("no error");
        assert_eq!((stopped, out.len()), ((0, Ending::Stopped), 0));
    }

    struct Names(Vec<String>);

    impl Watch for Names {
        fn lost(&mut self, source: &str, _: &StreamError) {
            self.0.push(source.to_owned());
        }
    }

    #[test]
    fn sources_take_turns_and_a_failing_one_is_left_out() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str, byte: u8| {
            let path = dir.path().join(name);
            std::fs::write(&path, [byte; 64]).expect("written");
            SourceStream::new(Box::new(FileSource::new(path)), Method::Raw)
        };
        let missing = SourceStream::new(Box::new(FileSource::new(dir.path().join("none"))), Method::Raw);
        let mut outlet = Outlet::sources(vec![file("ones", 1), missing, file("twos", 2)]);
        let mut out = Vec::new();
        let mut names = Names(Vec::new());
        let plan = Plan { bytes: Some(96), ..Plan::default() };
        pour(&mut outlet, &mut out, plan, &AtomicBool::new(false), &mut names).expect("poured");
        assert_eq!(out, [[1u8; 32], [2; 32], [1; 32]].concat());
        assert_eq!(names.0, ["file"]);
        let alone = SourceStream::new(Box::new(FileSource::new(dir.path().join("none"))), Method::Raw);
        let failed = pour(&mut Outlet::sources(vec![alone]), &mut out, plan, &AtomicBool::new(false), &mut ());
        assert!(matches!(failed, Err(OutletError::NoSourceLeft(_))));
        let os = SourceStream::new(Box::new(Os), Method::Sha3);
        let (bytes, _, _) = poured(&mut Outlet::sources(vec![os]), plan);
        assert_eq!(bytes.len(), 96);
    }
}
