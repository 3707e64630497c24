//! Where the programs stand that a network runs: beside this one.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The programs of one build.
#[derive(Clone, Debug)]
pub struct Binaries {
    pub node: PathBuf,
    pub client: PathBuf,
}

impl Binaries {
    /// Those in the directory of the running executable, or one above it, as for test executables.
    pub fn beside() -> Result<Binaries, Failure> {
        let own = std::env::current_exe().map_err(|error| {
            Failure::new(format!("this executable cannot be found: {error}"), "start it by its full path")
        })?;
        let mut missing = Failure::new("this executable stands in no directory", "start it by its full path");
        for directory in own.ancestors().skip(1).take(2) {
            match Self::within(directory) {
                Ok(found) => return Ok(found),
                Err(failure) => missing = failure,
            }
        }
        Err(missing)
    }

    fn within(directory: &Path) -> Result<Binaries, Failure> {
        let find = |name: &str| {
            let path = directory.join(name);
            if path.is_file() {
                return Ok(path);
            }
            let what = format!("{} is not there", path.display());
            Err(Failure::new(what, "build it: cargo build -p beacon-node -p beacon-client --bins"))
        };
        Ok(Binaries { node: find("beacon-node")?, client: find("beacon")? })
    }
}
