//! How long mapping, touching and unmapping a page takes.

use super::timed::Timed;
use crate::raw::Pages;
use crate::source::{Category, Info, Source, SourceError};

static INFO: Info = Info {
    name: "vm-page",
    description: "mmap, first write and munmap of one page",
    physics: "the kernel's memory maps, free lists and TLB shoot-downs",
    category: Category::System,
    requirements: "",
    samples_per_second: 150_000,
    burst: 64,
    sample_bytes: 4,
};

fn operate(_: &mut ()) -> Result<(), SourceError> {
    Pages::map(1)?.touch(0);
    Ok(())
}

#[must_use]
pub fn vm_page() -> Box<dyn Source> {
    Timed::boxed(&INFO, || Ok(()), operate)
}
