//! A terminal that is drawn over, and given back as it was.

use std::io::{self, IsTerminal, Write};

/// The other screen of the terminal, no cursor, and lines that are cut and not wrapped; and all of it undone.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The screen for as long as this lives.
pub(super) struct Screen;

impl Screen {
    /// Takes the screen when standard output is a terminal.
    pub(super) fn take() -> Option<Screen> {
        let taken = io::stdout().is_terminal() && write(ENTER).is_ok();
        taken.then(|| Screen)
    }

    /// A page as the terminal is told to show it from the top; what does not fit below is cut off.
    pub(super) fn drawn(&self, page: &str) -> String {
        let rows = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_row));
        drawn(page, rows)
    }

    /// Gives the screen back; doing it twice does no harm.
    pub(super) fn give_back() {
        // A terminal that is gone needs nothing back.
        let _ = write(LEAVE);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        Screen::give_back();
    }
}

/// In a terminal that says 0 rows there are as many as the page has.
fn drawn(page: &str, rows: usize) -> String {
    let most = if rows == 0 { usize::MAX } else { rows };
    let lines: Vec<String> = page.lines().take(most).map(|line| format!("{line}\x1b[K")).collect();
    format!("\x1b[H{}\x1b[J", lines.join("\r\n"))
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_never_scrolls() {
        assert_eq!(drawn("a\nb\nc\n", 2), "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J");
        assert_eq!(drawn("a\n", 0), "\x1b[Ha\x1b[K\x1b[J");
    }

    #[test]
    fn what_is_switched_is_switched_back() {
        let modes = |text: &str, on: char| -> Vec<String> {
            let parts = text.split("\x1b[?").filter_map(|part| part.strip_suffix(on));
            parts.map(str::to_owned).collect()
        };
        for mode in ["1049", "25", "7"] {
            let (entered, left) = (modes(ENTER, 'h'), modes(LEAVE, 'l'));
            let (off, on_again) = (modes(ENTER, 'l'), modes(LEAVE, 'h'));
            let (is, was) = (mode.to_owned(), mode.to_owned());
            assert!(entered.contains(&is) && left.contains(&was) || off.contains(&is) && on_again.contains(&was));
        }
    }
}
