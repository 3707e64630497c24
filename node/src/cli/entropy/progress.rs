//! A progress bar on standard error, when that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::names;

const WIDTH: u64 = 30;
/// The bar is drawn at most this often.
const EVERY: Duration = Duration::from_millis(100);

pub(super) struct Progress {
    shown: bool,
    begun: Instant,
    drawn: Option<Instant>,
    /// What counts as done; without it only the count is shown.
    total: Option<u64>,
    line: fn(u64) -> String,
}

impl Progress {
    /// Counts bytes.
    pub(super) fn bytes(total: Option<u64>) -> Self {
        Progress::new(total, names::bytes)
    }

    /// Counts things.
    pub(super) fn count(total: u64) -> Self {
        Progress::new(Some(total), |count| count.to_string())
    }

    fn new(total: Option<u64>, line: fn(u64) -> String) -> Self {
        Progress { shown: io::stderr().is_terminal(), begun: Instant::now(), drawn: None, total, line }
    }

    pub(super) fn at(&mut self, done: u64) {
        if !self.shown || self.drawn.is_some_and(|drawn| drawn.elapsed() < EVERY) {
            return;
        }
        self.drawn = Some(Instant::now());
        let per_second = (done as f64 / self.begun.elapsed().as_secs_f64().max(1e-3)) as u64;
        let (done_text, speed) = ((self.line)(done), (self.line)(per_second));
        let bar = self.total.map(|total| bar(done, total)).unwrap_or_default();
        // A terminal that cannot be written to has nobody who misses the bar.
        let _ = write!(io::stderr(), "\r{bar}{done_text}  {speed}/s\x1b[K");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(done: u64, total: u64) -> String {
    let full = usize::try_from(done.min(total) * WIDTH / total.max(1)).unwrap_or(0);
    let percent = done.min(total) * 100 / total.max(1);
    format!("[{:<width$}] {percent:>3} %  ", "#".repeat(full), width = WIDTH as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        assert_eq!(bar(0, 10), format!("[{}]   0 %  ", " ".repeat(30)));
        assert_eq!(bar(5, 10), format!("[{}{}]  50 %  ", "#".repeat(15), " ".repeat(15)));
        assert_eq!(bar(11, 10), format!("[{}] 100 %  ", "#".repeat(30)));
        assert_eq!(bar(0, 0), format!("[{}]   0 %  ", " ".repeat(30)));
    }
}
