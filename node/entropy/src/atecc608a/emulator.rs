//! An emulated chip, for machines without one and for tests. It keeps time, checks
//! checksums, sleeps when its watchdog runs out, and fails on demand.

use super::packet::{self, ADDRESS, AWAKE, opcode, word};
use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{Error, ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation, SevenBitAddress};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Microseconds from waking until the chip answers, and until its watchdog.
const WAKE_US: u64 = 1500;
const WATCHDOG_US: u64 = 1_300_000;

/// What goes wrong, each once, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next answer has a wrong checksum.
    CorruptAnswer,
    /// The next command arrives broken, so the chip reports a checksum error.
    CorruptCommand,
    /// The next command ends in this status.
    Status(u8),
    /// The next command takes this many milliseconds.
    Slow(u32),
    /// The next command is never answered.
    Mute,
    /// The next self-test finds these failures.
    SelfTest(u8),
    /// The next wake-up is not noticed.
    Oversleep,
    /// The next Random gives the pattern of an unlocked chip.
    Pattern,
}

/// No acknowledge, the only bus error the emulator makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nak;

impl Error for Nak {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown)
    }
}

/// The emulator's clock: that of the machine, or one that only delays move.
#[derive(Clone, Debug)]
pub enum Clock {
    Real(Instant),
    Virtual(Arc<AtomicU64>),
}

impl Clock {
    #[must_use]
    pub fn real() -> Clock {
        Clock::Real(Instant::now())
    }

    #[must_use]
    pub fn virtual_time() -> Clock {
        Clock::Virtual(Arc::default())
    }

    #[must_use]
    pub fn micros(&self) -> u64 {
        match self {
            Clock::Real(start) => u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            Clock::Virtual(micros) => micros.load(Ordering::Relaxed),
        }
    }
}

impl DelayNs for Clock {
    fn delay_ns(&mut self, ns: u32) {
        match self {
            Clock::Real(_) => std::thread::sleep(std::time::Duration::from_nanos(ns.into())),
            Clock::Virtual(micros) => {
                micros.fetch_add(u64::from(ns).div_ceil(1000), Ordering::Relaxed);
            }
        }
    }
}

/// Fills 32 bytes for each Random.
pub type Randomness = Box<dyn FnMut(&mut [u8; 32]) + Send>;

struct Chip {
    clock: Clock,
    randomness: Randomness,
    config_locked: bool,
    data_locked: bool,
    present: bool,
    awake_at: Option<u64>,
    pending: Option<(u64, Vec<u8>)>,
    sha: Option<Sha256>,
    faults: VecDeque<Fault>,
    written: VecDeque<Vec<u8>>,
}

/// How many writes are remembered.
const REMEMBERED: usize = 64;

/// A handle on the emulated chip; clones are the same chip.
#[derive(Clone)]
pub struct Emulator {
    chip: Arc<Mutex<Chip>>,
}

impl Emulator {
    #[must_use]
    pub fn new(locked: bool, clock: Clock, randomness: Randomness) -> Emulator {
        let chip = Chip {
            clock,
            randomness,
            config_locked: locked,
            data_locked: locked,
            present: true,
            awake_at: None,
            pending: None,
            sha: None,
            faults: VecDeque::new(),
            written: VecDeque::new(),
        };
        Emulator { chip: Arc::new(Mutex::new(chip)) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Chip) -> T) -> T {
        act(&mut self.chip.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Queues a fault.
    pub fn fail(&self, fault: Fault) {
        self.with(|chip| chip.faults.push_back(fault));
    }

    /// Unplugs the chip, or plugs it in again.
    pub fn plug(&self, present: bool) {
        self.with(|chip| {
            chip.present = present;
            chip.awake_at = None;
            chip.pending = None;
        });
    }

    /// The last writes to the chip's address since the last call, at most 64.
    #[must_use]
    pub fn take_written(&self) -> Vec<Vec<u8>> {
        self.with(|chip| std::mem::take(&mut chip.written)).into()
    }
}

impl ErrorType for Emulator {
    type Error = Nak;
}

impl I2c<SevenBitAddress> for Emulator {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Nak> {
        self.with(|chip| {
            operations.iter_mut().try_for_each(|operation| match operation {
                Operation::Write(bytes) => chip.write(address, bytes),
                Operation::Read(bytes) => chip.read(address, bytes),
            })
        })
    }
}

impl Chip {
    /// Takes the first queued fault if it is one of those asked for.
    fn fault(&mut self, wanted: impl Fn(Fault) -> bool) -> Option<Fault> {
        if wanted(*self.faults.front()?) { self.faults.pop_front() } else { None }
    }

    fn is_awake(&mut self) -> bool {
        let now = self.clock.micros();
        if self.awake_at.is_some_and(|at| now > at + WATCHDOG_US) {
            self.awake_at = None;
            self.pending = None;
            self.sha = None;
        }
        self.awake_at.is_some_and(|at| now >= at + WAKE_US)
    }

    fn write(&mut self, address: u8, bytes: &[u8]) -> Result<(), Nak> {
        if !self.present {
            return Err(Nak);
        }
        if address == 0 {
            if self.fault(|f| f == Fault::Oversleep).is_none() && self.awake_at.is_none() {
                let now = self.clock.micros();
                self.awake_at = Some(now);
                self.pending = Some((now + WAKE_US, AWAKE.to_vec()));
            }
            return Err(Nak);
        }
        if address != ADDRESS || !self.is_awake() {
            return Err(Nak);
        }
        if self.written.len() == REMEMBERED {
            self.written.pop_front();
        }
        self.written.push_back(bytes.to_vec());
        match bytes.split_first() {
            Some((&word::COMMAND, packet)) => self.command(packet),
            Some((&word::RESET, _)) => self.pending = None,
            Some((&word::SLEEP | &word::IDLE, _)) => {
                self.awake_at = None;
                self.pending = None;
            }
            _ => return Err(Nak),
        }
        Ok(())
    }

    fn read(&mut self, address: u8, out: &mut [u8]) -> Result<(), Nak> {
        if !self.present || address != ADDRESS || !self.is_awake() {
            return Err(Nak);
        }
        let now = self.clock.micros();
        match &self.pending {
            Some((ready, answer)) if *ready <= now => {
                for (i, byte) in out.iter_mut().enumerate() {
                    // Beyond its answer the chip leaves the line high.
                    *byte = answer.get(i).copied().unwrap_or(0xff);
                }
                Ok(())
            }
            _ => Err(Nak),
        }
    }

    fn command(&mut self, packet: &[u8]) {
        let broken = self.fault(|f| f == Fault::CorruptCommand).is_some();
        let (micros, content) = match packet::content(packet) {
            Ok(content) if !broken => self.execute(content),
            _ => (500, vec![0xff]),
        };
        let mut answer = packet::answer(&content);
        let mut ready = self.clock.micros() + micros;
        let effect = |f| matches!(f, Fault::CorruptAnswer | Fault::Status(_) | Fault::Slow(_) | Fault::Mute);
        match self.fault(effect) {
            Some(Fault::CorruptAnswer) => answer[1] ^= 0x01,
            Some(Fault::Status(byte)) => answer = packet::answer(&[byte]),
            Some(Fault::Slow(ms)) => ready = self.clock.micros() + u64::from(ms) * 1000,
            Some(Fault::Mute) => ready = u64::MAX,
            _ => {}
        }
        self.pending = Some((ready, answer));
    }

    /// Typical microseconds and the content of the answer.
    fn execute(&mut self, content: &[u8]) -> (u64, Vec<u8>) {
        let [operation, p1, low, high, data @ ..] = content else { return (500, vec![0x03]) };
        let p2 = u16::from_le_bytes([*low, *high]);
        match (*operation, *p1, p2) {
            (opcode::RANDOM, 0 | 1, 0) => (15_000, self.random()),
            (opcode::INFO, 0, 0) => (500, vec![0x00, 0x00, 0x60, 0x02]),
            (opcode::READ, 0x00, 0x15) => {
                let lock = |locked| if locked { 0x00 } else { 0x55 };
                (800, vec![0, 0, lock(self.data_locked), lock(self.config_locked)])
            }
            (opcode::READ, 0x80, 0) => (800, config_block()),
            (opcode::LOCK, 0x80, 0) if self.config_locked => (15_000, vec![0x0f]),
            (opcode::LOCK, 0x80, 0) => {
                self.config_locked = true;
                (15_000, vec![0])
            }
            (opcode::SELF_TEST, tests, 0) => {
                let failed = match self.fault(|f| matches!(f, Fault::SelfTest(_))) {
                    Some(Fault::SelfTest(bits)) => bits,
                    _ => 0,
                };
                (if tests == 1 { 50_000 } else { 600_000 }, vec![failed])
            }
            (opcode::SHA, step, length) => (5_000, self.sha(step, length, data)),
            _ => (500, vec![0x03]),
        }
    }

    fn random(&mut self) -> Vec<u8> {
        let pattern = self.fault(|f| f == Fault::Pattern).is_some();
        if pattern || !self.config_locked {
            return [0xff, 0xff, 0, 0].repeat(8);
        }
        let mut bytes = [0u8; 32];
        (self.randomness)(&mut bytes);
        bytes.to_vec()
    }

    fn sha(&mut self, step: u8, length: u16, data: &[u8]) -> Vec<u8> {
        if usize::from(length) != data.len() {
            return vec![0x03];
        }
        match (step, self.sha.take()) {
            (0, _) if data.is_empty() => {
                self.sha = Some(Sha256::new());
                vec![0]
            }
            (1, Some(state)) if data.len() == 64 => {
                self.sha = Some(state.chain_update(data));
                vec![0]
            }
            (2, Some(state)) if data.len() < 64 => state.chain_update(data).finalize().to_vec(),
            // Without a start, or with a wrong length.
            _ => vec![0x0f],
        }
    }
}

/// Block 0 of the configuration zone: serial number in two pieces around the revision.
fn config_block() -> Vec<u8> {
    let mut block = vec![0u8; 32];
    block[..4].copy_from_slice(&[0x01, 0x23, 0xe0, 0x01]);
    block[4..8].copy_from_slice(&[0x00, 0x00, 0x60, 0x02]);
    block[8..13].copy_from_slice(&[0x02, 0x03, 0x04, 0x05, 0xee]);
    block
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Emulator")
    }
}
