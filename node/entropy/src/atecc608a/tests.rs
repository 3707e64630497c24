use super::driver::LOCK_PHRASE;
use super::emulator::Clock;
use super::packet::{self, ADDRESS};
use super::*;
use embedded_hal::i2c::{ErrorType, I2c, Operation};
use std::collections::VecDeque;

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).expect("hexadecimal")
}

/// A bus that expects exactly these writes and gives exactly these answers: the bytes of the
/// chip's documentation, not those of our own encoder.
struct Script {
    steps: VecDeque<(Vec<u8>, Vec<u8>)>,
    answer: Option<Vec<u8>>,
}

impl Script {
    fn new(steps: &[(&str, &str)]) -> Script {
        let steps = steps.iter().map(|(write, answer)| (bytes(write), bytes(answer))).collect();
        Script { steps, answer: None }
    }
}

impl ErrorType for Script {
    type Error = emulator::Nak;
}

impl I2c for Script {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), emulator::Nak> {
        for operation in operations {
            match operation {
                Operation::Write(written) if address == 0 => {
                    assert_eq!(*written, [0]);
                    self.answer = Some(bytes("04 11 33 43"));
                    return Err(emulator::Nak);
                }
                Operation::Write(written) if *written == [0x02] => self.answer = None,
                Operation::Write(written) => {
                    let (expected, answer) = self.steps.pop_front().expect("a further step");
                    assert_eq!((address, hex::encode(*written)), (ADDRESS, hex::encode(expected)));
                    self.answer = Some(answer);
                }
                Operation::Read(out) => {
                    let answer = self.answer.as_ref().ok_or(emulator::Nak)?;
                    out.fill(0xff);
                    let length = answer.len().min(out.len());
                    out[..length].copy_from_slice(&answer[..length]);
                }
            }
        }
        Ok(())
    }
}

fn scripted(steps: &[(&str, &str)]) -> Driver<Script, Clock> {
    Driver::new(Script::new(steps), Clock::virtual_time())
}

const LOCK_WORD: &str = "03 07 02 00 15 00 17 5d";
const UNLOCKED: &str = "07 00 00 55 55 f5 52";
const LOCKED: &str = "07 00 00 00 00 03 ad";
const RANDOM: &str = "03 07 1b 00 00 00 24 cd";
const OK: &str = "04 00 03 40";

#[test]
fn the_checksum_gives_the_published_value() {
    assert_eq!(packet::crc(b"123456789"), [0xdd, 0xbc]);
    for (status, answer) in [
        (0x11, "04 11 33 43"),
        (0x00, OK),
        (0x03, "04 03 83 42"),
        (0x0f, "04 0f 23 42"),
        (0xff, "04 ff 01 42"),
        (0x07, "04 07 40 c2"),
        (0x08, "04 08 60 c0"),
        (0xee, "04 ee 31 41"),
    ] {
        assert_eq!(packet::answer(&[status]), bytes(answer));
        assert_eq!(packet::content(&bytes(answer)), Ok(&[status][..]));
    }
}

#[test]
fn every_command_is_the_documented_bytes() {
    assert_eq!(scripted(&[("03 07 30 00 00 00 03 5d", "07 00 00 60 02 80 38")]).info(), Ok([0, 0, 0x60, 2]));
    let locks = |answer| scripted(&[(LOCK_WORD, answer)]).locks();
    assert_eq!(locks(UNLOCKED), Ok(Locks { config: false, data: false }));
    assert_eq!(locks(LOCKED), Ok(Locks { config: true, data: true }));
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let digest =
        scripted(&[("03 07 47 00 00 00 2e 85", OK), ("03 0a 47 02 03 00 61 62 63 70 53", &format!("23 {abc} b3 ff"))])
            .sha256(b"abc");
    assert_eq!(digest.map(hex::encode), Ok(abc.to_owned()));
    assert_eq!(scripted(&[("03 07 77 01 00 00 2d ff", OK)]).self_test(SelfTests::Rng), Ok(()));
    assert_eq!(scripted(&[("03 07 77 3b 00 00 9d fb", OK)]).self_test(SelfTests::All), Ok(()));
    let block = packet::answer(&(0..32).collect::<Vec<u8>>());
    assert_eq!(
        scripted(&[("03 07 02 80 00 00 09 ad", &hex::encode(block))]).serial(),
        Ok([0, 1, 2, 3, 8, 9, 10, 11, 12])
    );
}

#[test]
fn an_unlocked_chip_is_never_served_as_random() {
    assert_eq!(scripted(&[(LOCK_WORD, UNLOCKED)]).random(), Err(AteccError::Unlocked));
    // A chip that says it is locked and gives the pattern all the same.
    let pattern = format!("23 {} 41 1a", "ff ff 00 00".repeat(8));
    let steps = [(LOCK_WORD, LOCKED), (RANDOM, pattern.as_str())];
    assert_eq!(scripted(&steps).random(), Err(AteccError::Pattern));
}

#[test]
fn locking_needs_the_phrase_and_checks_its_success() {
    let confirmed = || LockConfirmation::typed(LOCK_PHRASE).expect("the phrase");
    for wrong in ["", "yes", "LOCK THIS CHIP FOR EVER"] {
        assert!(LockConfirmation::typed(wrong).is_none());
    }
    let lock = ("03 07 17 80 00 00 39 8d", OK);
    let good = [(LOCK_WORD, UNLOCKED), lock, (LOCK_WORD, LOCKED)];
    assert_eq!(scripted(&good).lock_config(confirmed()), Ok(()));
    let bad = [(LOCK_WORD, UNLOCKED), lock, (LOCK_WORD, UNLOCKED)];
    assert_eq!(scripted(&bad).lock_config(confirmed()), Err(AteccError::LockFailed));
    let already = [(LOCK_WORD, LOCKED)];
    assert_eq!(scripted(&already).lock_config(confirmed()), Ok(()), "no command is sent");
}

fn emulated(locked: bool) -> (Driver<Emulator, Clock>, Emulator, Clock) {
    let clock = Clock::virtual_time();
    let mut counter = 0u8;
    let randomness = move |out: &mut [u8; 32]| {
        counter += 1;
        *out = std::array::from_fn(|i| counter.wrapping_mul(37).wrapping_add(i as u8));
    };
    let chip = Emulator::new(locked, clock.clone(), Box::new(randomness));
    (Driver::new(chip.clone(), clock.clone()), chip, clock)
}

#[test]
fn the_emulator_is_a_chip_to_the_driver() {
    let (mut driver, chip, clock) = emulated(false);
    assert_eq!(driver.random(), Err(AteccError::Unlocked));
    let confirmed = LockConfirmation::typed(LOCK_PHRASE).expect("the phrase");
    assert_eq!(driver.lock_config(confirmed), Ok(()));
    assert_ne!(driver.random().expect("locked"), driver.random().expect("locked"));
    assert_eq!(driver.info(), Ok([0, 0, 0x60, 2]));
    assert_eq!(driver.self_test(SelfTests::All), Ok(()));
    for length in [0, 3, 63, 64, 65, 300] {
        let message = vec![7u8; length];
        let digest: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&message).into();
        assert_eq!(driver.sha256(&message), Ok(digest), "{length}");
    }
    assert!(matches!(driver.sha256(&[0; 513]), Err(AteccError::TooLong { .. })));
    let written = chip.take_written();
    assert!(written.contains(&bytes(RANDOM)));
    assert_eq!(written.last(), Some(&vec![0x02]), "every operation ends with idle");
    assert!(clock.micros() > 0 && driver.retries() == 0);
}

#[test]
fn passing_faults_are_retried_and_lasting_ones_reported() {
    let passing = [
        Fault::CorruptAnswer,
        Fault::CorruptCommand,
        Fault::Status(0xee),
        Fault::Status(0x11),
        Fault::Mute,
        Fault::Oversleep,
    ];
    for fault in passing {
        let (mut driver, chip, _) = emulated(true);
        chip.fail(fault);
        assert_eq!(driver.info(), Ok([0, 0, 0x60, 2]), "{fault:?}");
        assert_eq!(driver.retries(), 1, "{fault:?}");
    }
    for (byte, status) in [(0x03, Status::Parse), (0x08, Status::RngHealth), (0x0f, Status::Execution)] {
        let (mut driver, chip, _) = emulated(true);
        chip.fail(Fault::Status(byte));
        assert_eq!(driver.info(), Err(AteccError::Status(status)));
        assert_eq!(driver.retries(), 0);
    }
    let (mut driver, chip, _) = emulated(true);
    (0..4).for_each(|_| chip.fail(Fault::CorruptAnswer));
    assert_eq!(driver.info(), Err(AteccError::Checksum));
    chip.fail(Fault::SelfTest(0x01));
    assert_eq!(driver.self_test(SelfTests::Rng), Err(AteccError::SelfTest(1)));
    chip.fail(Fault::Slow(4));
    assert_eq!(driver.info(), Ok([0, 0, 0x60, 2]));
}

#[test]
fn the_watchdog_and_a_vanished_chip_are_survived() {
    let (mut driver, chip, mut clock) = emulated(true);
    embedded_hal::delay::DelayNs::delay_ms(&mut clock, 10_000);
    assert!(driver.random().is_ok(), "it had gone to idle and is woken again");
    // Woken by hand and left alone: the watchdog puts it to sleep.
    let mut bus = chip.clone();
    assert!(bus.write(0, &[0]).is_err());
    embedded_hal::delay::DelayNs::delay_us(&mut clock, 1500);
    assert_eq!(bus.write(ADDRESS, &bytes(RANDOM)), Ok(()));
    embedded_hal::delay::DelayNs::delay_ms(&mut clock, 1400);
    assert!(bus.read(ADDRESS, &mut [0; 35]).is_err());
    assert!(driver.random().is_ok());
    chip.plug(false);
    assert_eq!(driver.random(), Err(AteccError::Asleep));
    chip.plug(true);
    assert!(driver.random().is_ok());
}

#[test]
fn broken_answers_are_refused_without_a_panic() {
    for broken in [vec![], vec![0], vec![3, 0, 0], vec![200, 1, 2, 3], vec![4, 0, 0, 0]] {
        assert!(packet::content(&broken).is_err(), "{broken:?}");
    }
}

#[test]
fn a_worker_goes_on_when_its_chip_vanishes() {
    use crate::worker::{Limits, SourceSpec, WorkerSpec, Workers};
    use std::time::Duration;
    let (device, chip) = Device::emulated(true);
    assert!(device.status().error.is_none());
    let os = SourceSpec::named("os").expect("known");
    let spec = WorkerSpec::new([os, device.source()]);
    let workers = Workers::start(vec![spec], Limits::default()).expect("a thread");
    let patience = Duration::from_secs(10);
    assert!(workers.wait_started(patience));
    let with = workers.collect(patience);
    assert_eq!(with.materials[0].drawn[1].bytes, 32);
    assert_eq!(with.materials[0].drawn[1].credited_bits, 0.0, "emulated: credited nothing");
    chip.plug(false);
    let without = workers.collect(patience);
    assert!(without.materials[0].drawn[1].error.is_some());
    assert_eq!(without.materials[0].drawn[0].bytes, 64);
    assert!(device.status().error.is_some());
}
