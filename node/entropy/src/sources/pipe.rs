//! How long a byte takes to another thread and back through two pipes.

use crate::clock;
use crate::source::{Category, Info, Samples, Source, SourceError};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};

static INFO: Info = Info {
    name: "pipe",
    description: "round trip of a byte to another thread through pipes",
    physics: "two scheduler hand-offs, each depending on run queues, wake-up interrupts and caches",
    category: Category::Scheduling,
    requirements: "",
    samples_per_second: 80_000,
    burst: 64,
    sample_bytes: 4,
};

#[derive(Debug, Default)]
pub struct Pipe {
    line: Option<Line>,
}

/// The near ends. The echoing thread ends when they are closed.
#[derive(Debug)]
struct Line {
    to: PipeWriter,
    from: PipeReader,
}

impl Line {
    fn open() -> Result<Line, SourceError> {
        let (mut far_in, to) = pipe()?;
        let (from, mut far_out) = pipe()?;
        std::thread::Builder::new().name("entropy-echo".into()).stack_size(64 * 1024).spawn(move || {
            let mut byte = [0u8; 1];
            while far_in.read_exact(&mut byte).is_ok() && far_out.write_all(&byte).is_ok() {}
        })?;
        Ok(Line { to, from })
    }

    fn round_trip(&mut self) -> Result<u64, SourceError> {
        let mut byte = [0u8; 1];
        let start = clock::now();
        self.to.write_all(&byte)?;
        self.from.read_exact(&mut byte)?;
        Ok(clock::now().saturating_sub(start))
    }
}

impl Source for Pipe {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn clock_step(&self) -> u64 {
        clock::step()
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let line = match self.line {
            Some(ref mut line) => line,
            None => self.line.insert(Line::open()?),
        };
        for _ in 0..count {
            out.push(line.round_trip()?);
        }
        Ok(())
    }
}
