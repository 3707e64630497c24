//! Ending on SIGINT and SIGTERM: first by a flag, and if that is not seen within a moment, at once.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::failure::Failure;

/// A writer that nobody reads from does not see the flag; it gets this long.
const MERCY: Duration = Duration::from_millis(500);

/// A flag that a signal raises. If the command goes on for half a second after that, `last_act` runs and the process
/// ends: a write into a full pipe cannot be called back.
pub(super) fn flag(last_act: impl FnOnce() + Send + 'static) -> Result<Arc<AtomicBool>, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot watch signals: {error}"), "raise the limit on threads");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let flag = Arc::new(AtomicBool::new(false));
    let raised = flag.clone();
    // The handlers are there before the command begins, not when the thread happens to run.
    let watched = {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt()).and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)))
    };
    let (mut interrupt, mut terminate) = watched.map_err(failed)?;
    let watch = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        raised.store(true, Ordering::Relaxed);
        thread::sleep(MERCY);
        last_act();
        process::exit(0);
    };
    thread::Builder::new().name("signals".into()).spawn(watch).map_err(failed)?;
    Ok(flag)
}
