//! The newest rounds in memory, each serialized once however many read it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;

use beacon_spec::chain::{Beacon, Transcript};

use super::answer::json;
use super::view::BeaconView;

/// Rounds held at least; more only while the disk lags behind.
pub(super) const HELD: usize = 256;
/// Transcripts held at most for rounds whose transcript is not on disk yet.
const TRANSCRIPTS: usize = 64;

/// A beacon with its JSON, which is also the data of its event.
pub(super) struct Announced {
    pub beacon: Beacon,
    event: Bytes,
    json: Bytes,
}

impl Announced {
    pub fn new(beacon: Beacon) -> Self {
        let head = format!("event: beacon\nid: {}\ndata: ", beacon.header.round);
        let body = json(&BeaconView::from(&beacon));
        // serde_json writes no line breaks, so the data stays on its line.
        let event = Bytes::from([head.as_bytes(), &body, b"\n\n"].concat());
        let json = event.slice(head.len()..head.len() + body.len());
        Announced { beacon, event, json }
    }

    pub fn round(&self) -> u64 {
        self.beacon.header.round
    }

    /// The server-sent event.
    pub fn event(&self) -> Bytes {
        self.event.clone()
    }

    pub fn json(&self) -> Bytes {
        self.json.clone()
    }
}

/// The newest rounds by number, and the transcripts that the store may not have yet.
#[derive(Default)]
pub(super) struct Recent {
    rounds: BTreeMap<u64, Arc<Announced>>,
    transcripts: BTreeMap<u64, Arc<Transcript>>,
}

impl Recent {
    /// Takes a round in and lets go of what is old and on disk up to `stored`.
    pub fn push(&mut self, announced: Arc<Announced>, stored: u64) {
        self.rounds.entry(announced.round()).or_insert(announced);
        while self.rounds.len() > HELD
            && let Some(oldest) = self.rounds.first_entry()
            && *oldest.key() <= stored
        {
            oldest.remove();
        }
    }

    /// Takes a transcript in and lets go of those that `settled` says are on disk.
    pub fn push_transcript(&mut self, transcript: Arc<Transcript>, settled: impl Fn(u64) -> bool) {
        self.transcripts.insert(transcript.round, transcript);
        while let Some(oldest) = self.transcripts.first_entry()
            && settled(*oldest.key())
        {
            oldest.remove();
        }
        while self.transcripts.len() > TRANSCRIPTS {
            self.transcripts.pop_first();
        }
    }

    pub fn get(&self, round: u64) -> Option<Arc<Announced>> {
        self.rounds.get(&round).cloned()
    }

    pub fn range(&self, from: u64, to: u64) -> Vec<Arc<Announced>> {
        if from > to { Vec::new() } else { self.rounds.range(from..=to).map(|(_, round)| Arc::clone(round)).collect() }
    }

    pub fn transcript(&self, round: u64) -> Option<Arc<Transcript>> {
        self.transcripts.get(&round).cloned()
    }
}
