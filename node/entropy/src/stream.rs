//! A single source as a stream of bytes: health-tested, then conditioned.

use crate::conditioning::{Conditioner, DEFAULT_BLOCK, Method, block_for};
use crate::health::{Alarm, Health, State};
use crate::source::{Samples, Source, SourceError, symbol};
use std::collections::VecDeque;
use zeroize::Zeroize;

#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the source failed its health tests: {0:?}")]
    Unhealthy(Alarm),
    #[error("{BARREN} samples in a row gave no output")]
    Barren,
}

/// So many samples without any output end the stream: von Neumann's method gives none for
/// constant input.
const BARREN: usize = 1 << 20;

/// A source behind its tests and a conditioner. What waits to be given out is erased when
/// the stream is dropped or the source fails.
pub struct SourceStream {
    source: Box<dyn Source>,
    health: Option<Health>,
    conditioner: Conditioner,
    waiting: VecDeque<u8>,
}

impl SourceStream {
    /// The hash conditioners take as many symbols per block as full entropy needs by the
    /// source's credit, or [`DEFAULT_BLOCK`] for a source credited nothing.
    #[must_use]
    pub fn new(source: Box<dyn Source>, method: Method) -> SourceStream {
        let credit = source.credit();
        let health = (credit.millibits > 0).then(|| Health::new(credit.bits(), source.binary()));
        let block = block_for(credit.millibits).unwrap_or(DEFAULT_BLOCK);
        let conditioner = Conditioner::new(method, block);
        SourceStream { source, health, conditioner, waiting: VecDeque::new() }
    }

    /// The source's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.source.info().name
    }

    /// Fills `out`; takes as many samples as that needs. The samples of the start-up test
    /// are not given out.
    pub fn read(&mut self, out: &mut [u8]) -> Result<(), StreamError> {
        while self.health.as_ref().is_some_and(|h| h.state() == State::StartUp) {
            self.symbols()?;
        }
        let mut barren = 0;
        while self.waiting.len() < out.len() {
            let mut symbols = self.symbols()?;
            let mut conditioned = Vec::new();
            self.conditioner.push(&symbols, &mut conditioned);
            barren = if conditioned.is_empty() { barren + symbols.len() } else { 0 };
            if barren > BARREN {
                return Err(StreamError::Barren);
            }
            self.waiting.extend(&conditioned);
            symbols.zeroize();
            conditioned.zeroize();
        }
        let length = out.len();
        for (byte, ready) in out.iter_mut().zip(self.waiting.drain(..length)) {
            *byte = ready;
        }
        Ok(())
    }

    /// One burst of tested symbols.
    fn symbols(&mut self) -> Result<Vec<u8>, StreamError> {
        let mut samples = Samples::default();
        self.source.collect(&mut samples, self.source.info().burst.max(64))?;
        let step = self.source.clock_step();
        let symbols: Vec<u8> = samples.iter().map(|s| symbol(*s, step)).collect();
        let health = self.health.as_mut();
        if let Some(alarm) = health.and_then(|h| h.feed_all(symbols.iter().copied())) {
            self.erase();
            return Err(StreamError::Unhealthy(alarm));
        }
        Ok(symbols)
    }

    fn erase(&mut self) {
        self.waiting.make_contiguous().zeroize();
        self.waiting.clear();
    }
}

impl Drop for SourceStream {
    fn drop(&mut self) {
        self.erase();
    }
}

impl std::fmt::Debug for SourceStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SourceStream({})", self.source.info().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Credit, Info};
    use crate::sources::{FileSource, Os};

    /// The operating system's bytes until `good` are used up, then sevens.
    struct Degrading {
        good: usize,
    }

    impl Source for Degrading {
        fn info(&self) -> &'static Info {
            Os.info()
        }
        fn credit(&self) -> Credit {
            Credit::noise(4000)
        }
        fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
            if self.good < count {
                out.extend(std::iter::repeat_n(7, count));
                return Ok(());
            }
            self.good -= count;
            Os.collect(out, count)
        }
    }

    #[test]
    fn every_method_streams_any_length() {
        for (_, method) in Method::NAMES {
            let mut stream = SourceStream::new(Box::new(Os), method);
            let (mut a, mut b) = ([0u8; 100], [0u8; 1]);
            stream.read(&mut a).expect("healthy");
            stream.read(&mut b).expect("healthy");
            assert!(a.iter().any(|byte| *byte != a[0]));
        }
    }

    #[test]
    fn raw_is_raw_and_a_source_credited_nothing_is_not_tested() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("zeros");
        std::fs::write(&path, [0u8; 500]).expect("written");
        let mut stream = SourceStream::new(Box::new(FileSource::new(path)), Method::Raw);
        let mut out = [1u8; 400];
        stream.read(&mut out).expect("read");
        assert_eq!(out, [0; 400]);
        let zeros = Box::new(FileSource::new(dir.path().join("zeros")));
        let mut unbiased = SourceStream::new(zeros, Method::VonNeumann);
        assert!(matches!(unbiased.read(&mut out), Err(StreamError::Barren)));
    }

    #[test]
    fn a_failing_source_ends_the_stream() {
        let mut stream = SourceStream::new(Box::new(Degrading { good: 2048 }), Method::Raw);
        let mut out = [0u8; 512];
        stream.read(&mut out).expect("still good");
        let mut more = [0u8; 4096];
        assert!(matches!(stream.read(&mut more), Err(StreamError::Unhealthy(_))));
        assert_eq!(more, [0; 4096], "nothing of a failing source is given out");
    }
}
