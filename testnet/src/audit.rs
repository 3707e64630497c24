//! Whether nodes hold the same headers: every byte of every round, fetched from each. And what a node that is down left in
//! its log and its database.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use beacon_client::source::http::HttpSource;
use beacon_client::source::{Request, Source};
use beacon_spec::chain::{BEACON_LIMITS, Beacon, hash_encoded};
use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::hash::Digest32;
use futures::future::join_all;

use crate::failure::Failure;
use crate::node::{Node, node_command};

/// What a node logs when another has signed two things that conflict.
const CRIME: &str = "a member broke the protocol provably";
/// Rounds asked for at a time; a node answers at most a thousand.
const RANGE: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(30);

/// What the nodes hold of rounds 1 to R.
#[derive(Debug)]
pub struct Agreement {
    /// The size of the largest group of nodes that hold the same, whole chain of headers.
    pub agreeing: usize,
    /// Why the other nodes do not agree, by node.
    pub failures: Vec<(usize, String)>,
}

/// Compares headers 1 to `rounds` of all nodes.
pub async fn compare(urls: &[String], chain: Digest32, rounds: u64) -> Agreement {
    let found = join_all(urls.iter().map(|url| tip_of(url, chain, rounds))).await;
    let mut groups: BTreeMap<Digest32, usize> = BTreeMap::new();
    for tip in found.iter().flatten() {
        *groups.entry(*tip).or_default() += 1;
    }
    let largest = groups.iter().max_by_key(|(_, count)| **count).map(|(tip, _)| *tip);
    let failure = |(node, result): (usize, &Result<Digest32, String>)| match result {
        Err(reason) => Some((node, reason.clone())),
        Ok(tip) if Some(*tip) != largest => Some((node, format!("round {rounds} has the other header hash {tip}"))),
        Ok(_) => None,
    };
    Agreement {
        agreeing: largest.map_or(0, |tip| groups[&tip]),
        failures: found.iter().enumerate().filter_map(failure).collect(),
    }
}

/// The last header's hash: with the links it stands for every byte of the chain.
async fn tip_of(url: &str, chain: Digest32, rounds: u64) -> Result<Digest32, String> {
    Ok(headers(url, chain, rounds).await?.last().copied().unwrap_or(chain))
}

/// Fetches headers 1 to `rounds` of a node, checks that each links to the one before, and gives their hashes.
pub async fn headers(url: &str, chain: Digest32, rounds: u64) -> Result<Vec<Digest32>, String> {
    let source = HttpSource::new(url, PATIENCE)?;
    let mut hashes = Vec::new();
    let mut previous = chain;
    let mut next = 1;
    while next <= rounds {
        let to = rounds.min(next + RANGE - 1);
        let limit = BEACON_LIMITS.max_bytes * RANGE as usize;
        let bytes = source.fetch(Request::Range { from: next, to }, limit).await.map_err(|fault| fault.to_string())?;
        let beacons: Vec<Beacon> = decode(&bytes, &Limits::bytes(limit)).map_err(|reason| reason.to_string())?;
        if beacons.is_empty() {
            return Err(format!("round {next} is missing"));
        }
        for beacon in beacons {
            let header = &beacon.header;
            if header.round != next || header.previous != previous {
                return Err(format!("round {next} does not follow the round before"));
            }
            previous = hash_encoded(&encode(header));
            hashes.push(previous);
            next += 1;
        }
    }
    Ok(hashes)
}

/// What a node's log says of others that signed two things that conflict, a line each.
pub fn accusations(node: &Node) -> Result<Vec<String>, Failure> {
    let log = fs::read_to_string(&node.log).map_err(|error| Failure::file("read", &node.log, &error))?;
    let crimes = log.lines().filter(|line| line.contains(CRIME));
    Ok(crimes.map(|line| format!("node {} says: {line}", node.index)).collect())
}

/// What `beacon-node db check` finds in the database of a node that is down.
pub async fn database(program: &Path, node: &Node) -> Result<Option<String>, Failure> {
    let mut check = node_command(program);
    check.args(["db", "check", "--home"]).arg(&node.home);
    let output = check.output().await.map_err(|error| Failure::file("start", program, &error))?;
    let said = || format!("node {}: {}", node.index, String::from_utf8_lossy(&output.stderr).trim());
    Ok((!output.status.success()).then(said))
}
