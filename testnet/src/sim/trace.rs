//! What happened, as a hash, and for people as lines.

use std::fmt::Write;

use beacon_spec::hash::{Digest32, Hasher, tag};

/// Everything that happened in one simulation.
#[derive(Clone)]
pub struct Trace {
    hasher: Hasher,
    lines: Option<String>,
}

impl Default for Trace {
    fn default() -> Self {
        Trace { hasher: Hasher::new(tag::STATUS), lines: None }
    }
}

impl Trace {
    /// Keeps readable lines besides the hash.
    pub fn readable() -> Trace {
        Trace { lines: Some(String::new()), ..Trace::default() }
    }

    /// Notes that `what` happened at `node`, with its bytes or their digest; `line` says it to people.
    pub fn note(&mut self, now: u64, node: usize, what: &str, bytes: &[u8], line: impl FnOnce() -> String) {
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new(tag::STATUS));
        self.hasher = hasher.u64(now).u64(node as u64).framed(what.as_bytes()).framed(bytes);
        if let Some(lines) = &mut self.lines {
            let (seconds, millis) = (now / 1_000, now % 1_000);
            // Writing to a string does not fail.
            let _ = writeln!(lines, "{seconds:>6}.{millis:03}  {node:>3}  {what:<9} {}", line());
        }
    }

    pub fn hash(&self) -> Digest32 {
        self.hasher.clone().finish()
    }

    pub fn lines(&self) -> &str {
        self.lines.as_deref().unwrap_or_default()
    }
}
