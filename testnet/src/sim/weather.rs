//! What befalls nodes between events: partitions, jumps of clocks, falls, and machines that stand still.

use super::chaos::Fault;
use super::disk::Disk;
use super::net::{HOP, Net};

/// How often faults that are not an event's own may begin: partitions and jumps of clocks.
const WEATHER_EVERY: u64 = 250;
/// How often the engines are looked at for what they hold.
const LOOK_EVERY: u64 = 2_000;

impl Net {
    /// What begins by chance between events: partitions, and jumps of clocks. And a look at what the engines hold.
    pub(super) fn weather(&mut self) {
        self.next_weather = self.now + WEATHER_EVERY;
        if self.chaos.partition.as_ref().is_some_and(|(_, until)| *until <= self.now) {
            self.chaos.partition = None;
        }
        if self.chaos.partition.is_none() && self.chaos.strikes(Fault::Partition) {
            let until = self.now + self.chaos.rng.between(200, 6_000);
            let groups = self.nodes.iter().map(|_| self.chaos.rng.below(2) as usize).collect();
            self.partition(groups, until);
        }
        if self.chaos.strikes(Fault::Jump) {
            let node = self.chaos.rng.below(self.nodes.len() as u64) as usize;
            let skew = self.chaos.skew();
            self.set_clock(node, skew);
        }
        for node in 0..self.nodes.len() {
            self.operate(node);
        }
        if self.now >= self.next_look {
            self.next_look = self.now + LOOK_EVERY;
            self.look();
        }
    }

    /// Nothing passes between nodes of different groups until then.
    pub fn partition(&mut self, groups: Vec<usize>, until: u64) {
        self.trace.note(self.now, 0, "partition", &[], || format!("{groups:?} until {until}"));
        self.chaos.partition = Some((groups, until));
    }

    /// The node stands still, and what reaches it waits.
    pub fn freeze(&mut self, index: usize) {
        self.trace.note(self.now, index, "freeze", &[], String::new);
        self.nodes[index].frozen.get_or_insert_default();
    }

    /// The node goes on with what has waited for it.
    pub fn thaw(&mut self, index: usize) {
        self.trace.note(self.now, index, "thaw", &[], String::new);
        for event in self.nodes[index].frozen.take().unwrap_or_default() {
            self.schedule_event(index, HOP, event);
        }
    }

    /// A crash by chance: the node comes back a while later, from what its disk kept.
    pub(super) fn fall(&mut self, index: usize) {
        self.crash(index);
        let after = self.chaos.rng.between(1, 3_000);
        if self.adversaries.is_expendable(index) && self.chaos.strikes(Fault::Corruption) {
            // The store notices and refuses to open. Without its records the node has no voting key: it stays down,
            // or follows from nothing.
            self.nodes[index].disk = Disk::default();
            self.nodes[index].written = Disk::default();
            self.nodes[index].config.bundles.clear();
            self.nodes[index].store += 1;
            self.adversaries.lost.insert(index);
            if self.chaos.rng.below(2) == 0 {
                return;
            }
        }
        self.restart_later(index, after);
    }
}
