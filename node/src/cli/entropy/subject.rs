//! What `analyze` and `compare` look at: sources of this machine, and recordings.

use std::path::Path;

use beacon_entropy::equipment::{Equipment, FILE};
use beacon_entropy::recorder::Recording;
use beacon_entropy::source::{Availability, Credit, Source};

use super::unknown;
use crate::cli::failure::Failure;

/// How the two are told apart, for the help of both commands.
pub(super) const HOW_NAMED: &str = "\
A name is that of a source, as `scan` lists it, or file:PATH. What has a slash in it is the folder of a recording; one in
this directory may go without, unless a source has the same name: ./sleep is then the folder.";

/// One thing to look at.
pub(super) enum Subject {
    Source(Box<dyn Source>),
    Recording(Recording),
}

impl Subject {
    /// Finds a source that can be used here, or a whole recording.
    pub(super) fn named(name: &str, equipment: &Equipment) -> Result<Subject, Failure> {
        let is_path = name.contains('/') && !name.starts_with(FILE);
        let known = equipment.spec(name);
        if is_path || known.is_err() && Path::new(name).is_dir() {
            return Recording::open(Path::new(name)).map(Subject::Recording).map_err(|error| {
                let remedy = "name the folder that `beacon-node entropy record` made; `sessions` lists them";
                Failure::new(format!("{name} is no recording: {error}"), remedy)
            });
        }
        let source = known.map_err(unknown)?.build();
        if let Availability::Absent(why) | Availability::Off(why) = equipment.availability(name).map_err(unknown)? {
            let what = format!("the source {name} cannot be used: {why}");
            return Err(Failure::new(what, "see `beacon-node entropy scan`"));
        }
        Ok(Subject::Source(source))
    }

    pub(super) fn credit(&self) -> Credit {
        match self {
            Subject::Source(source) => source.credit(),
            Subject::Recording(recording) => beacon_entropy::credits::of(&recording.session.source),
        }
    }
}

/// A recording's first symbols.
pub(super) fn read(recording: &Recording, most: usize) -> Result<Vec<u8>, Failure> {
    recording.symbols(most).map_err(|error| {
        let what = format!("cannot read the recording {}: {error}", recording.folder.display());
        Failure::new(what, "see that its files are there and yours to read")
    })
}
