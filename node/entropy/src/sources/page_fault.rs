//! How long the first touch of a fresh page takes.

use crate::clock;
use crate::raw::Pages;
use crate::source::{Category, Info, Samples, Source, SourceError};

static INFO: Info = Info {
    name: "page-fault",
    description: "duration of the first write to a fresh anonymous page",
    physics: "page tables, the kernel's free lists, zeroing of memory and its refresh, nested paging",
    category: Category::System,
    requirements: "",
    samples_per_second: 200_000,
    burst: 64,
    sample_bytes: 4,
};

/// Pages mapped at a time (1 MiB).
const BATCH: usize = 256;

#[derive(Debug, Default)]
pub struct PageFault;

impl Source for PageFault {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn clock_step(&self) -> u64 {
        clock::step()
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let mut left = count;
        while left > 0 {
            let batch = left.min(BATCH);
            let mut pages = Pages::map(batch)?;
            out.extend((0..batch).map(|page| clock::time(|| pages.touch(page))));
            left -= batch;
        }
        Ok(())
    }
}
