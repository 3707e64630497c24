//! Messages that came too early: of the next two heights, bounded by sender in count and bytes, oldest out first.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use beacon_spec::consensus::ConsensusMessage;

/// Heights ahead of the current one whose messages are kept.
const HEIGHTS_AHEAD: u64 = 2;
/// Of one sender and height. A member in its second round has sent fewer.
const MESSAGES: usize = 16;
/// Bytes of values in one sender's messages of one height.
const VALUE_BYTES: usize = 1 << 20;

#[derive(Clone, Default)]
pub struct Buffer {
    heights: BTreeMap<u64, BTreeMap<u16, VecDeque<ConsensusMessage>>>,
}

fn value_bytes(message: &ConsensusMessage) -> usize {
    match message {
        ConsensusMessage::Proposal(signed) => signed.value.len(),
        _ => 0,
    }
}

/// Values stand by their ids and lengths.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for (sender, message) in
            self.heights.values().flatten().flat_map(|(sender, kept)| kept.iter().map(move |m| (sender, m)))
        {
            match message {
                ConsensusMessage::Proposal(signed) => list.entry(&(sender, signed.head(), signed.value.len())),
                other => list.entry(&(sender, other)),
            };
        }
        list.finish()
    }
}

impl Buffer {
    /// Keeps a message of one of the heights after `current`; others, too large ones and duplicates are dropped.
    pub fn push(&mut self, current: u64, from: u16, message: ConsensusMessage) {
        let height = message.height();
        let ahead = height > current && height - current <= HEIGHTS_AHEAD;
        if !ahead || value_bytes(&message) > VALUE_BYTES {
            return;
        }
        let kept = self.heights.entry(height).or_default().entry(from).or_default();
        if kept.contains(&message) {
            return;
        }
        kept.push_back(message);
        while kept.len() > MESSAGES || kept.iter().map(value_bytes).sum::<usize>() > VALUE_BYTES {
            kept.pop_front();
        }
    }

    /// The messages of `height`, by sender; those of lower heights are forgotten.
    pub fn take(&mut self, height: u64) -> Vec<ConsensusMessage> {
        self.heights = self.heights.split_off(&height);
        let senders = self.heights.remove(&height).unwrap_or_default();
        senders.into_values().flatten().collect()
    }
}
