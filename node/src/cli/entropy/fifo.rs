//! `beacon-node entropy fifo PATH`: random bytes for whoever opens a named pipe.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use beacon_entropy::outlet::{Ending, pour};
use clap::Args;
use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, mknodat};

use super::progress::Progress;
use super::stream::{Shown, Taken, failed};
use super::{names, stop};
use crate::cli::failure::Failure;

const AFTER: &str = "\
Makes the pipe for its owner alone, serves one reader after the other until Ctrl-C, and removes it again.

Examples:
  beacon-node entropy fifo /run/user/1000/random &
  head -c 32 /run/user/1000/random | xxd
  beacon-node entropy fifo ./noise --sources sleep --conditioning raw";

/// How often it is tried whether somebody reads.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// Serve random bytes on a named pipe (FIFO).
#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Where the pipe is made; nothing may be there yet
    path: PathBuf,
    #[command(flatten)]
    taken: Taken,
    /// End after so many bytes, before encoding, to all readers together
    #[arg(long, value_name = "AMOUNT", value_parser = names::amount)]
    bytes: Option<u64>,
}

/// The pipe in the file system, for as long as it is served.
struct Fifo<'a>(&'a Path);

impl<'a> Fifo<'a> {
    fn make(path: &'a Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            let what = format!("cannot make the pipe {}: {error}", path.display());
            Failure::new(what, "name a path in a directory of yours at which there is nothing yet")
        };
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(|error| failed(error.into()))?;
        Ok(Fifo(path))
    }

    /// Waits for a reader; `None` once `stop` is raised.
    fn reader(&self, stop: &AtomicBool) -> Result<Option<File>, Failure> {
        let failed = |error: io::Error| {
            Failure::new(format!("cannot serve the pipe {}: {error}", self.0.display()), "start again on another path")
        };
        while !stop.load(Ordering::Relaxed) {
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            match OpenOptions::new().write(true).custom_flags(flags).open(self.0) {
                Ok(pipe) => {
                    // Opened without waiting, written to with.
                    let flags = fcntl_getfl(&pipe).map_err(|error| failed(error.into()))?;
                    fcntl_setfl(&pipe, flags - OFlags::NONBLOCK).map_err(|error| failed(error.into()))?;
                    return Ok(Some(pipe));
                }
                // Nobody reads yet.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                    thread::sleep(TRY_AGAIN);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(None)
    }
}

impl Drop for Fifo<'_> {
    fn drop(&mut self) {
        remove(self.0);
    }
}

/// Removes the pipe unless something else has taken its place.
fn remove(path: &Path) {
    let ours = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_fifo());
    if ours && let Err(error) = fs::remove_file(path) {
        eprintln!("the pipe {} is left behind: {error}", path.display());
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut opened = arguments.taken.open()?;
    let fifo = Fifo::make(&arguments.path)?;
    let path = arguments.path.clone();
    let stop = stop::flag(move || remove(&path))?;
    eprintln!("serving {} until Ctrl-C", arguments.path.display());
    let mut given = 0;
    while let Some(mut pipe) = fifo.reader(&stop)? {
        let left = arguments.bytes.map(|bytes| bytes - given);
        let mut shown = Shown(Progress::bytes(left));
        let plan = arguments.taken.plan(left, false);
        let (bytes, ending) =
            pour(&mut opened.outlet, &mut pipe, plan, &stop, &mut shown).map_err(|error| failed(&error))?;
        given += bytes;
        if ending != Ending::ReaderGone {
            break;
        }
    }
    Ok(())
}
