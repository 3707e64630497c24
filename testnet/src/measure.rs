//! What processes and directories cost, as the kernel counts it, and what lists of durations say.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Clock ticks a second in `/proc`: the kernel's interface has had 100 on every platform we build for.
const TICKS: f64 = 100.0;

/// Unix time in milliseconds, with fractions.
pub fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}

/// The fields of `/proc/PID/stat` after the command name, which may hold spaces itself.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = &text[text.rfind(')')? + 1..];
    Some(rest.split_whitespace().map(String::from).collect())
}

/// When a process started, in ticks since boot; `None` when it is gone or a zombie.
pub fn started(pid: u32) -> Option<u64> {
    let fields = stat(pid)?;
    // proc(5) counts from 1 and has two fields before these: state is 3, starttime 22.
    if fields.first()? == "Z" { None } else { fields.get(19)?.parse().ok() }
}

/// Processor seconds that a process has used, its own and the kernel's for it.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let fields = stat(pid)?;
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// The most memory that a process ever had resident, in megabytes of 10^6 bytes.
pub fn peak_rss_mb(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

/// Bytes of all files below a directory. Files that vanish meanwhile count nothing.
pub fn bytes_below(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// The value that `percent` of the sorted samples do not exceed (nearest rank).
pub fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// Two decimals are as much as a measurement says.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&samples, 50.0), Some(50.0));
        assert_eq!(percentile(&samples, 99.0), Some(99.0));
        assert_eq!(percentile(&samples[..1], 99.0), Some(1.0));
        assert_eq!(percentile(&[], 50.0), None);
    }

    #[test]
    fn this_process_can_be_measured() {
        let own = std::process::id();
        assert!(started(own).is_some_and(|ticks| ticks > 0));
        assert!(cpu_seconds(own).is_some());
        assert!(peak_rss_mb(own).is_some_and(|megabytes| megabytes > 0.5));
    }

    #[test]
    fn bytes_of_nested_files_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("a")).unwrap();
        fs::write(directory.path().join("a/b"), [0; 700]).unwrap();
        fs::write(directory.path().join("c"), [0; 77]).unwrap();
        assert_eq!(bytes_below(directory.path()), 777);
    }
}
