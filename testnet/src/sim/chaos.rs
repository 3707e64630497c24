//! What goes wrong without anyone meaning it: the table of faults, and how often each of them struck.

use super::rng::Rng;

/// A fault of the network, a disk, a clock or a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Loss,
    Delay,
    Duplicate,
    Reorder,
    Replay,
    Partition,
    Unanswered,
    SlowDisk,
    LostWrites,
    TornWrite,
    Corruption,
    Crash,
    Skew,
    Jump,
    SlowWork,
}

impl Fault {
    pub fn name(self) -> &'static str {
        TABLE[self as usize].name
    }

    /// The fault of this name in the table.
    pub fn named(name: &str) -> Option<Fault> {
        TABLE.iter().find(|line| line.name == name).map(|line| line.fault)
    }
}

/// A line of the table.
pub struct Line {
    pub fault: Fault,
    pub name: &'static str,
    /// The highest probability that a seed may draw, in millionths.
    pub most: u32,
    /// How often the dice are thrown.
    pub each: &'static str,
}

const fn line(fault: Fault, name: &'static str, most: u32, each: &'static str) -> Line {
    Line { fault, name, most, each }
}

/// Every fault there is. A seed leaves out about half of them and draws the others' probabilities up to `most`.
pub const TABLE: [Line; 15] = [
    line(Fault::Loss, "loss", 250_000, "message and receiver"),
    line(Fault::Delay, "delay", 200_000, "message and receiver: up to 3 s more"),
    line(Fault::Duplicate, "duplicate", 150_000, "message and receiver: once more up to 1 s later"),
    line(Fault::Reorder, "reorder", 500_000, "message and receiver: up to 60 ms more"),
    line(Fault::Replay, "replay", 80_000, "message and receiver: an old message of the sender besides"),
    line(Fault::Partition, "partition", 60_000, "quarter of a second: two groups for up to 6 s"),
    line(Fault::Unanswered, "unanswered", 300_000, "request: no answer, at once or never"),
    line(Fault::SlowDisk, "slow-disk", 150_000, "write: up to 400 ms more"),
    line(Fault::LostWrites, "lost-writes", 1_000_000, "crash: what was written and not synced is lost from a point on"),
    line(Fault::TornWrite, "torn-write", 500_000, "crash: the write under way is torn and dropped"),
    line(Fault::Corruption, "corruption", 900_000, "crash outside the core: the store refuses to open"),
    line(Fault::Crash, "crash", 4_000, "effect: between it and the one before"),
    line(Fault::Skew, "skew", 500_000, "start: a clock up to 2 s, one in eight up to an hour, beside the true time"),
    line(Fault::Jump, "jump", 20_000, "quarter of a second: one clock jumps as a skew"),
    line(Fault::SlowWork, "slow-work", 150_000, "dealing or verification: up to 600 ms more"),
];

/// The faults' probabilities in one simulation, and their counts.
#[derive(Clone, Debug)]
pub struct Chaos {
    rates: [u32; TABLE.len()],
    pub counts: [u64; TABLE.len()],
    pub rng: Rng,
    /// Whether gossip is passed on by who receives it.
    pub relays: bool,
    /// The group of each node while the network is cut, and until when.
    pub partition: Option<(Vec<usize>, u64)>,
}

impl Chaos {
    /// Nothing goes wrong.
    pub fn none() -> Chaos {
        Chaos {
            rates: [0; TABLE.len()],
            counts: [0; TABLE.len()],
            rng: Rng::new(0, "chaos"),
            relays: false,
            partition: None,
        }
    }

    /// Nothing goes wrong as yet; messages are passed on, and what is drawn follows from the seed.
    pub fn quiet(seed: u64) -> Chaos {
        Chaos { rng: Rng::new(seed, "chaos"), relays: true, ..Chaos::none() }
    }

    /// Draws which faults happen in a simulation, and how often.
    pub fn draw(seed: u64) -> Chaos {
        let mut rng = Rng::new(seed, "rates");
        let rates = std::array::from_fn(|index| match rng.below(2) {
            0 => 0,
            _ => rng.below(u64::from(TABLE[index].most) + 1) as u32,
        });
        Chaos { rates, ..Chaos::quiet(seed) }
    }

    /// From now on nothing goes wrong.
    pub fn stop(&mut self) {
        self.rates = [0; TABLE.len()];
        self.partition = None;
    }

    /// Sets the probability of a fault; gives what it was.
    pub fn set(&mut self, fault: Fault, millionths: u32) -> u32 {
        std::mem::replace(&mut self.rates[fault as usize], millionths)
    }

    /// Throws the dice for a fault; counts it if it strikes.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let rate = self.rates[fault as usize];
        let strikes = rate > 0 && self.rng.chance(rate);
        self.counts[fault as usize] += u64::from(strikes);
        strikes
    }

    /// How far off a clock is set, in milliseconds.
    pub fn skew(&mut self) -> i64 {
        let most = if self.rng.below(8) == 0 { 3_600_000 } else { 2_000 };
        self.rng.below(2 * most + 1) as i64 - most as i64
    }

    /// Milliseconds that a message takes.
    pub fn latency(&mut self) -> u64 {
        let mut latency = 1;
        if self.strikes(Fault::Reorder) {
            latency += self.rng.below(60);
        }
        if self.strikes(Fault::Delay) {
            latency += self.rng.below(3_000);
        }
        latency
    }

    /// Whether nothing passes between two nodes at `now`.
    pub fn cut(&self, one: usize, other: usize, now: u64) -> bool {
        let Some((groups, until)) = &self.partition else { return false };
        now < *until && groups.get(one) != groups.get(other)
    }
}

/// The line of a fault stands at its number, which `Chaos` counts on.
#[test]
fn the_table_is_in_the_order_of_the_faults() {
    for (index, line) in TABLE.iter().enumerate() {
        assert_eq!(line.fault as usize, index, "{} stands at the wrong place", line.name);
    }
}
