//! The ATECC608A, a secure element with a random number generator, over I2C.
//!
//! [`packet`] is the wire format; [`driver`] talks to a chip on any `embedded-hal` bus;
//! [`emulator`] is a chip on the same traits, for machines without one; [`device`] is a
//! shared handle on either, and the source of a worker.
//!
//! Facts of the chip that shape this code: before its configuration zone is locked it
//! answers `Random` with a constant pattern, so an unlocked chip is refused; locking cannot
//! be undone, so it needs a typed confirmation; about 1.3 s after waking its watchdog puts
//! it to sleep, so every operation wakes it and ends with idle.

pub mod device;
pub mod driver;
pub mod emulator;
pub mod packet;

pub use device::{AteccSource, DEFAULT_BUS, Device, DeviceStatus};
pub use driver::{Driver, LOCK_PHRASE, LockConfirmation, Locks, SelfTests};
pub use emulator::{Emulator, Fault};
pub use packet::Status;

/// Why the chip did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AteccError {
    #[error("I2C: {0:?}")]
    Bus(embedded_hal::i2c::ErrorKind),
    #[error("the chip does not answer to a wake-up")]
    Asleep,
    #[error("no answer within {0} ms")]
    Timeout(u32),
    #[error("an answer failed its checksum")]
    Checksum,
    #[error("an answer is malformed")]
    Malformed,
    #[error("the chip reports: {0:?}")]
    Status(Status),
    #[error("the configuration zone is not locked, so the chip gives no random numbers")]
    Unlocked,
    #[error("the chip gave the pattern of an unlocked chip")]
    Pattern,
    #[error("the self-test failed (bits {0:#04x})")]
    SelfTest(u8),
    #[error("the message is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the chip still reports an unlocked configuration zone after locking")]
    LockFailed,
}

#[cfg(test)]
mod tests;
