//! The driver, over the traits of `embedded-hal` 1.0.

use super::AteccError;
use super::packet::{self, ADDRESS, AWAKE, Command, Status, opcode, word};
use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{Error as _, I2c};
use zeroize::Zeroizing;

/// Time from the wake-up to the first answer, microseconds.
const WAKE_US: u32 = 1500;
/// Attempts of one operation, the first included.
const ATTEMPTS: u32 = 4;
/// Delay before the second attempt; doubles.
const BACKOFF_MS: u32 = 2;
/// Longest message of [`Driver::sha256`], so that it ends well before the watchdog.
pub const MAX_MESSAGE: usize = 512;
/// The phrase that confirms locking.
pub const LOCK_PHRASE: &str = "lock this chip for ever";

/// Which zones are locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Locks {
    pub config: bool,
    pub data: bool,
}

/// What to test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTests {
    Rng,
    All,
}

/// Proof that somebody typed [`LOCK_PHRASE`].
#[derive(Debug)]
pub struct LockConfirmation(());

impl LockConfirmation {
    #[must_use]
    pub fn typed(text: &str) -> Option<LockConfirmation> {
        (text.trim() == LOCK_PHRASE).then_some(LockConfirmation(()))
    }
}

/// A chip on a bus.
#[derive(Debug)]
pub struct Driver<I, D> {
    bus: I,
    delay: D,
    locked: bool,
    retries: u64,
}

impl<I: I2c, D: DelayNs> Driver<I, D> {
    pub fn new(bus: I, delay: D) -> Driver<I, D> {
        Driver { bus, delay, locked: false, retries: 0 }
    }

    /// Attempts beyond the first so far.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries
    }

    /// 32 bytes of the chip's generator. An unlocked chip is refused.
    pub fn random(&mut self) -> Result<Zeroizing<[u8; 32]>, AteccError> {
        if !self.locked {
            if !self.locks()?.config {
                return Err(AteccError::Unlocked);
            }
            // Locking cannot be undone, so it need not be asked again.
            self.locked = true;
        }
        let command = Command { opcode: opcode::RANDOM, p1: 0, p2: 0, data: &[], longest_ms: 50, answer: 35 };
        let mut out = Zeroizing::new([0u8; 32]);
        let content = Zeroizing::new(self.run(&command)?);
        copy(&content, &mut *out)?;
        if out.chunks_exact(4).all(|four| four == [0xff, 0xff, 0, 0]) {
            self.locked = false;
            return Err(AteccError::Pattern);
        }
        Ok(out)
    }

    /// The revision, `00 00 60 02` for a 608A.
    pub fn info(&mut self) -> Result<[u8; 4], AteccError> {
        let command = Command { opcode: opcode::INFO, p1: 0, p2: 0, data: &[], longest_ms: 5, answer: 7 };
        let mut revision = [0; 4];
        copy(&self.run(&command)?, &mut revision)?;
        Ok(revision)
    }

    /// Reads the lock word of the configuration zone.
    pub fn locks(&mut self) -> Result<Locks, AteccError> {
        let command = Command { opcode: opcode::READ, p1: 0, p2: 0x15, data: &[], longest_ms: 5, answer: 7 };
        let mut bytes = [0; 4];
        copy(&self.run(&command)?, &mut bytes)?;
        // Bytes 84 to 87 of the zone: 86 is the data zone's lock, 87 the configuration's.
        Ok(Locks { data: bytes[2] != 0x55, config: bytes[3] != 0x55 })
    }

    /// The chip's serial number.
    pub fn serial(&mut self) -> Result<[u8; 9], AteccError> {
        let command = Command { opcode: opcode::READ, p1: 0x80, p2: 0, data: &[], longest_ms: 5, answer: 35 };
        let mut block = [0; 32];
        copy(&self.run(&command)?, &mut block)?;
        let mut serial = [0; 9];
        serial[..4].copy_from_slice(&block[..4]);
        serial[4..].copy_from_slice(&block[8..13]);
        Ok(serial)
    }

    /// Lets the chip test itself.
    pub fn self_test(&mut self, tests: SelfTests) -> Result<(), AteccError> {
        let (p1, longest_ms) = match tests {
            SelfTests::Rng => (0x01, 250),
            SelfTests::All => (0x3b, 2324),
        };
        let command = Command { opcode: opcode::SELF_TEST, p1, p2: 0, data: &[], longest_ms, answer: 4 };
        // The answer is a set of failed tests, which looks like a status.
        match self.run_raw(&command)?.as_slice() {
            [0] => Ok(()),
            [failed] => Err(AteccError::SelfTest(*failed)),
            _ => Err(AteccError::Malformed),
        }
    }

    /// SHA-256 computed by the chip, of at most [`MAX_MESSAGE`] bytes.
    pub fn sha256(&mut self, message: &[u8]) -> Result<[u8; 32], AteccError> {
        if message.len() > MAX_MESSAGE {
            return Err(AteccError::TooLong { limit: MAX_MESSAGE });
        }
        // The chip keeps the state between the steps, so the whole is one operation.
        self.operation(|driver| {
            let step =
                |p1, p2, data, longest_ms, answer| Command { opcode: opcode::SHA, p1, p2, data, longest_ms, answer };
            driver.exchange(&step(0, 0, &[], 36, 4)).and_then(plain)?;
            let mut blocks = message.chunks_exact(64);
            for block in blocks.by_ref() {
                driver.exchange(&step(1, 64, block, 42, 4)).and_then(plain)?;
            }
            let rest = blocks.remainder();
            // At most 63 bytes remain.
            let length = u16::try_from(rest.len()).map_err(|_| AteccError::Malformed)?;
            let digest = driver.exchange(&step(2, length, rest, 75, 35)).and_then(plain)?;
            let mut out = [0; 32];
            copy(&digest, &mut out)?;
            Ok(out)
        })
    }

    /// Locks the configuration zone for ever; does nothing when it is locked already.
    pub fn lock_config(&mut self, _confirmed: LockConfirmation) -> Result<(), AteccError> {
        if self.locks()?.config {
            return Ok(());
        }
        // Bit 7: without a checksum over the zone.
        let command = Command { opcode: opcode::LOCK, p1: 0x80, p2: 0, data: &[], longest_ms: 35, answer: 4 };
        self.run(&command)?;
        if self.locks()?.config { Ok(()) } else { Err(AteccError::LockFailed) }
    }

    fn run(&mut self, command: &Command<'_>) -> Result<Vec<u8>, AteccError> {
        self.operation(|driver| driver.exchange(command).and_then(plain))
    }

    fn run_raw(&mut self, command: &Command<'_>) -> Result<Vec<u8>, AteccError> {
        self.operation(|driver| driver.exchange(command))
    }

    /// Wakes the chip, does `work`, sends it to idle; again after a passing failure.
    fn operation<T>(&mut self, work: impl Fn(&mut Self) -> Result<T, AteccError>) -> Result<T, AteccError> {
        let mut backoff = BACKOFF_MS;
        for attempt in 1..=ATTEMPTS {
            let result = self.wake().and_then(|()| work(self));
            // Idle fails when the chip is gone or asleep, and then nothing is lost by it.
            let _ = self.bus.write(ADDRESS, &[word::IDLE]);
            match result {
                Err(ref error) if attempt < ATTEMPTS && is_passing(error) => {
                    self.retries += 1;
                    self.delay.delay_ms(backoff);
                    backoff *= 2;
                }
                result => return result,
            }
        }
        Err(AteccError::Asleep)
    }

    fn wake(&mut self) -> Result<(), AteccError> {
        // A zero byte to address 0 holds the data line low long enough; nobody acknowledges.
        let _ = self.bus.write(0x00, &[0x00]);
        self.delay.delay_us(WAKE_US);
        let mut answer = [0u8; 4];
        self.bus.read(ADDRESS, &mut answer).map_err(|_| AteccError::Asleep)?;
        if answer == AWAKE {
            return Ok(());
        }
        match packet::content(&answer)? {
            // A chip that failed its self-test says so here.
            [byte] => Err(Status::of(*byte).map_or(AteccError::Malformed, AteccError::Status)),
            _ => Err(AteccError::Malformed),
        }
    }

    /// Sends a command and polls for its answer: after 1 ms, then every 2 ms.
    fn exchange(&mut self, command: &Command<'_>) -> Result<Vec<u8>, AteccError> {
        self.bus.write(ADDRESS, &command.encode()).map_err(|error| AteccError::Bus(error.kind()))?;
        let mut buffer = Zeroizing::new(vec![0u8; command.answer.max(4)]);
        let mut waited = 1;
        self.delay.delay_ms(1);
        loop {
            match self.bus.read(ADDRESS, &mut buffer) {
                Ok(()) => return Ok(packet::content(&buffer)?.to_vec()),
                // While it works the chip does not acknowledge. The margin is for clocks.
                Err(_) if waited < command.longest_ms + command.longest_ms / 4 + 5 => {
                    self.delay.delay_ms(2);
                    waited += 2;
                }
                Err(_) => return Err(AteccError::Timeout(waited)),
            }
        }
    }
}

/// Content of one byte is a status; success passes.
fn plain(content: Vec<u8>) -> Result<Vec<u8>, AteccError> {
    match content.as_slice() {
        [byte] => Status::of(*byte).map_or(Ok(Vec::new()), |s| Err(AteccError::Status(s))),
        _ => Ok(content),
    }
}

fn copy(content: &[u8], out: &mut [u8]) -> Result<(), AteccError> {
    if content.len() != out.len() {
        return Err(AteccError::Malformed);
    }
    out.copy_from_slice(content);
    Ok(())
}

fn is_passing(error: &AteccError) -> bool {
    match error {
        AteccError::Bus(_)
        | AteccError::Asleep
        | AteccError::Timeout(_)
        | AteccError::Checksum
        | AteccError::Malformed => true,
        AteccError::Status(status) => status.is_passing(),
        AteccError::Unlocked
        | AteccError::Pattern
        | AteccError::SelfTest(_)
        | AteccError::TooLong { .. }
        | AteccError::LockFailed => false,
    }
}
