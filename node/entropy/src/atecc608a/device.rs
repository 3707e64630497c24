//! A shared handle on a chip, real or emulated, and the source that draws from it.

use super::AteccError;
use super::driver::{Driver, LockConfirmation, Locks, SelfTests};
use super::emulator::{Clock, Emulator};
use crate::source::{Availability, Category, Credit, Info, Samples, Source, SourceError};
use crate::sources::os_fill;
use crate::worker::SourceSpec;
use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{Error, ErrorKind, ErrorType, I2c, Operation};
use linux_embedded_hal::I2cdev;
use serde::Serialize;
use std::path::{Path, PathBuf};
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
    bus: Option<Arc<Path>>,
    emulated: bool,
}

/// The bus that a Raspberry Pi has on its header.
pub const DEFAULT_BUS: u8 = 1;

/// A bus of the machine, opened when it is first used and anew after an error: it and the
/// chip on it may come later than the node, and go.
struct LazyBus {
    path: PathBuf,
    open: Option<I2cdev>,
}

#[derive(Debug)]
struct BusError(ErrorKind);

impl Error for BusError {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

impl ErrorType for LazyBus {
    type Error = BusError;
}

impl I2c for LazyBus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        let bus = match self.open {
            Some(ref mut bus) => bus,
            None => self.open.insert(I2cdev::new(&self.path).map_err(|_| BusError(ErrorKind::Bus))?),
        };
        let done = bus.transaction(address, operations).map_err(|error| BusError(error.kind()));
        // A chip that does not acknowledge is asleep or busy, and says nothing about the bus.
        if done.as_ref().is_err_and(|error| !matches!(error.0, ErrorKind::NoAcknowledge(_))) {
            self.open = None;
        }
        done
    }
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
    /// The chip on `/dev/i2c-<bus>`, which is opened when it is first needed.
    #[must_use]
    pub fn open(bus: u8) -> Device {
        let path = PathBuf::from(format!("/dev/i2c-{bus}"));
        let bus = Some(Arc::from(path.as_path()));
        Device { bus, ..Device::on(LazyBus { path, open: None }, linux_embedded_hal::Delay) }
    }

    /// A chip on any bus.
    pub fn on(bus: impl I2c + Send + 'static, delay: impl DelayNs + Send + 'static) -> Device {
        let chip: Box<dyn Chip> = Box::new(Driver::new(bus, delay));
        Device { chip: Arc::new(Mutex::new(chip)), bus: None, emulated: false }
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

    #[must_use]
    pub fn is_emulated(&self) -> bool {
        self.emulated
    }

    /// Whether the bus is there and the chip on it answers and is locked.
    #[must_use]
    pub fn presence(&self) -> Availability {
        let bus = self.bus_presence();
        if !bus.is_available() {
            return bus;
        }
        match self.locks() {
            Ok(locks) if locks.config => Availability::Available,
            Ok(_) => Availability::Absent(AteccError::Unlocked.to_string()),
            Err(error) => Availability::Absent(error.to_string()),
        }
    }

    fn bus_presence(&self) -> Availability {
        match self.bus.as_deref().map(std::fs::metadata) {
            Some(Err(error)) => {
                let bus = self.bus.as_deref().unwrap_or(Path::new("")).display().to_string();
                Availability::Absent(format!("{bus}: {error}"))
            }
            _ => Availability::Available,
        }
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
        SourceSpec::custom(name, move || Box::new(AteccSource::new(device.clone())))
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

impl AteccSource {
    #[must_use]
    pub fn new(device: Device) -> AteccSource {
        AteccSource(device)
    }
}

impl Source for AteccSource {
    fn info(&self) -> &'static Info {
        if self.0.emulated { &EMULATED } else { &INFO }
    }

    /// Only of the bus: whether a chip answers is found out by each draw, so that one that is
    /// plugged in later is used.
    fn availability(&self) -> Availability {
        self.0.bus_presence()
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
