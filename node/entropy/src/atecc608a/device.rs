//! A shared handle on a chip, real or emulated, and the source that draws from it.

use super::AteccError;
use super::driver::{Driver, LockConfirmation, Locks, SelfTests};
use super::emulator::{Clock, Emulator};
use crate::source::{Availability, Category, Credit, Info, Samples, Source, SourceError};
use crate::sources::os_fill;
use crate::worker::SourceSpec;
use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{ErrorKind, I2c};
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

static INFO: Info = Info {
    name: "atecc608a",
    description: "the generator of an ATECC608A secure element",
    physics: "noise on the chip, behind its own conditioning",
    category: Category::Hardware,
    requirements: "a locked chip on an I2C bus",
    samples_per_second: 1_000,
    burst: 32,
    sample_bytes: 1,
};

static EMULATED: Info = Info {
    name: "atecc608a-emulated",
    description: "an emulated ATECC608A",
    physics: "none: the operating system's generator behind an emulated chip",
    ..INFO
};

/// What a chip can do, whatever bus it is on.
trait Chip: Send {
    fn random(&mut self) -> Result<Zeroizing<[u8; 32]>, AteccError>;
    fn info(&mut self) -> Result<[u8; 4], AteccError>;
    fn serial(&mut self) -> Result<[u8; 9], AteccError>;
    fn locks(&mut self) -> Result<Locks, AteccError>;
    fn self_test(&mut self, tests: SelfTests) -> Result<(), AteccError>;
    fn sha256(&mut self, message: &[u8]) -> Result<[u8; 32], AteccError>;
    fn lock_config(&mut self, confirmed: LockConfirmation) -> Result<(), AteccError>;
    fn retries(&self) -> u64;
}

impl<I: I2c + Send, D: DelayNs + Send> Chip for Driver<I, D> {
    fn random(&mut self) -> Result<Zeroizing<[u8; 32]>, AteccError> {
        Driver::random(self)
    }
    fn info(&mut self) -> Result<[u8; 4], AteccError> {
        Driver::info(self)
    }
    fn serial(&mut self) -> Result<[u8; 9], AteccError> {
        Driver::serial(self)
    }
    fn locks(&mut self) -> Result<Locks, AteccError> {
        Driver::locks(self)
    }
    fn self_test(&mut self, tests: SelfTests) -> Result<(), AteccError> {
        Driver::self_test(self, tests)
    }
    fn sha256(&mut self, message: &[u8]) -> Result<[u8; 32], AteccError> {
        Driver::sha256(self, message)
    }
    fn lock_config(&mut self, confirmed: LockConfirmation) -> Result<(), AteccError> {
        Driver::lock_config(self, confirmed)
    }
    fn retries(&self) -> u64 {
        Driver::retries(self)
    }
}

/// A chip shared by a worker's source and by commands.
#[derive(Clone)]
pub struct Device {
    chip: Arc<Mutex<Box<dyn Chip>>>,
    emulated: bool,
}

/// What is known about a chip.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceStatus {
    pub emulated: bool,
    pub revision: Option<String>,
    pub serial: Option<String>,
    pub locks: Option<Locks>,
    pub retries: u64,
    pub error: Option<String>,
}

impl Device {
    /// Opens `/dev/i2c-<bus>`. The chip itself may be absent and may come later.
    pub fn open(bus: u8) -> Result<Device, AteccError> {
        let path = format!("/dev/i2c-{bus}");
        let bus = linux_embedded_hal::I2cdev::new(path).map_err(|_| AteccError::Bus(ErrorKind::Other))?;
        Ok(Device::on(bus, linux_embedded_hal::Delay))
    }

    /// A chip on any bus.
    pub fn on(bus: impl I2c + Send + 'static, delay: impl DelayNs + Send + 'static) -> Device {
        let chip: Box<dyn Chip> = Box::new(Driver::new(bus, delay));
        Device { chip: Arc::new(Mutex::new(chip)), emulated: false }
    }

    /// An emulated chip in real time, with the operating system's generator inside. It is
    /// credited nothing.
    #[must_use]
    pub fn emulated(locked: bool) -> (Device, Emulator) {
        // Zeros on a failure: they are credited nothing and fail the health tests elsewhere.
        let inside = Box::new(|out: &mut [u8; 32]| os_fill(out).unwrap_or_default());
        let clock = Clock::real();
        let emulator = Emulator::new(locked, clock.clone(), inside);
        let device = Device { emulated: true, ..Device::on(emulator.clone(), clock) };
        (device, emulator)
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Chip>> {
        // Every operation wakes the chip anew, so an interrupted one leaves nothing behind.
        self.chip.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn random(&self) -> Result<Zeroizing<[u8; 32]>, AteccError> {
        self.lock().random()
    }

    pub fn locks(&self) -> Result<Locks, AteccError> {
        self.lock().locks()
    }

    pub fn self_test(&self, tests: SelfTests) -> Result<(), AteccError> {
        self.lock().self_test(tests)
    }

    pub fn sha256(&self, message: &[u8]) -> Result<[u8; 32], AteccError> {
        self.lock().sha256(message)
    }

    pub fn lock_config(&self, confirmed: LockConfirmation) -> Result<(), AteccError> {
        self.lock().lock_config(confirmed)
    }

    /// Asks the chip for everything; the first error is reported and the rest left out.
    #[must_use]
    pub fn status(&self) -> DeviceStatus {
        let mut chip = self.lock();
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let mut status = DeviceStatus {
            emulated: self.emulated,
            revision: None,
            serial: None,
            locks: None,
            retries: 0,
            error: None,
        };
        let mut ask = || -> Result<(), AteccError> {
            status.revision = Some(hex(&chip.info()?));
            status.serial = Some(hex(&chip.serial()?));
            status.locks = Some(chip.locks()?);
            Ok(())
        };
        status.error = ask().err().map(|error| error.to_string());
        status.retries = chip.retries();
        status
    }

    /// The chip as a source of a worker.
    #[must_use]
    pub fn source(&self) -> SourceSpec {
        let device = self.clone();
        let name = if self.emulated { EMULATED.name } else { INFO.name };
        SourceSpec::custom(name, move || Box::new(AteccSource(device.clone())))
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.emulated { "Device(emulated)" } else { "Device" })
    }
}

/// Draws from a [`Device`]. A chip that is absent or fails is an error of this draw only.
#[derive(Debug)]
pub struct AteccSource(Device);

impl Source for AteccSource {
    fn info(&self) -> &'static Info {
        if self.0.emulated { &EMULATED } else { &INFO }
    }

    /// Always: whether a chip answers is found out by each draw, so that one that is plugged
    /// in later is used.
    fn availability(&self) -> Availability {
        Availability::Available
    }

    fn credit(&self) -> Credit {
        crate::credits::of(self.info().name)
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let mut left = count;
        while left > 0 {
            let bytes = self.0.random().map_err(|error| SourceError::Device(error.to_string()))?;
            out.extend(bytes.iter().take(left).map(|b| u64::from(*b)));
            left = left.saturating_sub(bytes.len());
        }
        Ok(())
    }
}
