//! The operating system's generator, through `getrandom(2)`.

use crate::source::{Availability, Category, Info, Samples, Source, SourceError};
use zeroize::Zeroizing;

static INFO: Info = Info {
    name: "os",
    description: "the operating system's generator",
    physics: "interrupt timing and hardware noise gathered by the kernel since boot, behind a ChaCha20 generator",
    category: Category::System,
    requirements: "",
    samples_per_second: 1_400_000,
    burst: 64,
    sample_bytes: 1,
};

/// Bytes of `getrandom(2)`, one per sample.
#[derive(Debug, Default)]
pub struct Os;

impl Source for Os {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn availability(&self) -> Availability {
        match fill(&mut [0u8; 1]) {
            Ok(()) => Availability::Available,
            Err(error) => Availability::Absent(error.to_string()),
        }
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let mut bytes = Zeroizing::new(vec![0u8; count]);
        fill(&mut bytes)?;
        out.extend(bytes.iter().map(|b| u64::from(*b)));
        Ok(())
    }
}

/// Fills `out` from the operating system's generator.
pub fn fill(out: &mut [u8]) -> Result<(), SourceError> {
    getrandom::fill(out).map_err(|error| SourceError::Os(error.to_string()))
}
