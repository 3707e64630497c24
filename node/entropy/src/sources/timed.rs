//! The common shape of most timing sources: how long one small operation takes.

use crate::clock;
use crate::source::{Availability, Info, Samples, Source, SourceError};

/// Times one operation per sample. `open` builds what the operation works on when the first
/// sample is drawn, so that probing costs nothing.
pub struct Timed<S> {
    info: &'static Info,
    probe: fn() -> Availability,
    open: fn() -> Result<S, SourceError>,
    operate: fn(&mut S) -> Result<(), SourceError>,
    state: Option<S>,
}

impl<S: Send + 'static> Timed<S> {
    pub fn boxed(
        info: &'static Info,
        open: fn() -> Result<S, SourceError>,
        operate: fn(&mut S) -> Result<(), SourceError>,
    ) -> Box<dyn Source> {
        Timed::probed(info, || Availability::Available, open, operate)
    }

    /// As [`Timed::boxed`], for what not every machine has.
    pub fn probed(
        info: &'static Info,
        probe: fn() -> Availability,
        open: fn() -> Result<S, SourceError>,
        operate: fn(&mut S) -> Result<(), SourceError>,
    ) -> Box<dyn Source> {
        Box::new(Timed { info, probe, open, operate, state: None })
    }
}

impl<S: Send> Source for Timed<S> {
    fn info(&self) -> &'static Info {
        self.info
    }

    fn availability(&self) -> Availability {
        (self.probe)()
    }

    fn clock_step(&self) -> u64 {
        clock::step()
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let state = match self.state {
            Some(ref mut state) => state,
            None => self.state.insert((self.open)()?),
        };
        for _ in 0..count {
            let start = clock::now();
            (self.operate)(state)?;
            out.push(clock::now().saturating_sub(start));
        }
        Ok(())
    }
}

/// A cheap, predictable sequence that spreads accesses; it is no randomness and adds none.
#[derive(Debug)]
pub struct Spread(u64);

impl Spread {
    #[must_use]
    pub fn new() -> Spread {
        Spread(clock::now() | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// An index below `len`.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap_or(0) % len.max(1)
    }
}
