//! Libraries that are loaded into a node before all others and stand between it and the system.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::failure::Failure;

/// Shifts the time of day by as much as the file named by `CLOCK_SKEW_FILE` says, in milliseconds.
pub const SKEWED_CLOCK: &str = include_str!("skewed_clock.c");

/// Compiles C `source` into a library of this name in `directory`, for `LD_PRELOAD`.
pub async fn library(directory: &Path, name: &str, source: &str) -> Result<PathBuf, Failure> {
    let (text, library) = (directory.join(name).with_extension("c"), directory.join(name).with_extension("so"));
    fs::write(&text, source).map_err(|error| Failure::file("write", &text, &error))?;
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&text).arg("-ldl").kill_on_drop(true);
    let output = command.output().await;
    let output = output.map_err(|error| Failure::file("start", Path::new("cc"), &error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Failure::new(format!("cc cannot compile {}: {said}", text.display()), "install a C compiler"));
    }
    Ok(library)
}
