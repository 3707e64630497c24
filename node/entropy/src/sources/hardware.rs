//! Generators in hardware: the processor's RDRAND and RDSEED, /dev/hwrng and the TPM. What
//! they give is conditioned inside, so their credit is policy.

use crate::raw;
use crate::source::{Availability, Category, Info, Samples, Source, SourceError};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use zeroize::Zeroizing;

static RDRAND: Info = Info {
    name: "rdrand",
    description: "the processor's generator",
    physics: "a metastable latch on the die, behind AES conditioning and a CTR_DRBG",
    category: Category::Silicon,
    requirements: "x86-64 with RDRAND",
    samples_per_second: 16_000_000,
    burst: 32,
    sample_bytes: 1,
};

static RDSEED: Info = Info {
    name: "rdseed",
    description: "the processor's seed source",
    physics: "a metastable latch on the die, behind AES conditioning",
    category: Category::Silicon,
    requirements: "x86-64 with RDSEED",
    samples_per_second: 4_000_000,
    burst: 32,
    sample_bytes: 1,
};

static HWRNG: Info = Info {
    name: "hwrng",
    description: "the kernel's hardware generator",
    physics: "whatever the driver drives; on a virtual machine, the host's generator",
    category: Category::Hardware,
    requirements: "/dev/hwrng, readable",
    samples_per_second: 9_600,
    burst: 32,
    sample_bytes: 1,
};

static TPM: Info = Info {
    name: "tpm",
    description: "TPM2_GetRandom of the trusted platform module",
    physics: "ring oscillators or analogue noise in the module",
    category: Category::Hardware,
    requirements: "/dev/tpmrm0, readable and writable",
    samples_per_second: 2_000,
    burst: 32,
    sample_bytes: 1,
};

/// RDRAND or RDSEED.
#[derive(Debug)]
pub struct Processor {
    info: &'static Info,
    has: fn() -> bool,
    word: fn() -> Option<u64>,
}

impl Processor {
    #[must_use]
    pub fn rdrand() -> Processor {
        Processor { info: &RDRAND, has: raw::has_rdrand, word: raw::rdrand }
    }

    #[must_use]
    pub fn rdseed() -> Processor {
        Processor { info: &RDSEED, has: raw::has_rdseed, word: raw::rdseed }
    }
}

impl Source for Processor {
    fn info(&self) -> &'static Info {
        self.info
    }

    fn availability(&self) -> Availability {
        if (self.has)() {
            Availability::Available
        } else {
            Availability::Absent("the processor lacks the instruction".into())
        }
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let mut left = count;
        while left > 0 {
            let word = (self.word)().ok_or(SourceError::Hardware("no value after retries"))?;
            // Some faulty processors answer all ones and claim success (systemd #11810).
            if word == u64::MAX || word == 0 {
                return Err(SourceError::Hardware("a value that is all ones or all zeros"));
            }
            let bytes = word.to_le_bytes();
            out.extend(bytes.iter().take(left).map(|b| u64::from(*b)));
            left = left.saturating_sub(bytes.len());
        }
        Ok(())
    }
}

fn readable(path: &str, write: bool) -> Availability {
    match OpenOptions::new().read(true).write(write).open(path) {
        Ok(_) => Availability::Available,
        Err(error) => Availability::Absent(format!("{path}: {error}")),
    }
}

const HWRNG_PATH: &str = "/dev/hwrng";
const TPM_PATH: &str = "/dev/tpmrm0";

#[derive(Debug, Default)]
pub struct Hwrng {
    device: Option<File>,
}

impl Source for Hwrng {
    fn info(&self) -> &'static Info {
        &HWRNG
    }

    fn availability(&self) -> Availability {
        readable(HWRNG_PATH, false)
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let device = match self.device {
            Some(ref mut device) => device,
            None => self.device.insert(File::open(HWRNG_PATH)?),
        };
        let mut bytes = Zeroizing::new(vec![0u8; count]);
        device.read_exact(&mut bytes)?;
        out.extend(bytes.iter().map(|b| u64::from(*b)));
        Ok(())
    }
}

#[derive(Debug, Default)]
pub struct Tpm;

/// TPM2_GetRandom (TPM 2.0 part 3, 16.1): header without sessions, then the count.
fn tpm_command(count: u8) -> [u8; 12] {
    [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, count]
}

/// The random bytes of an answer.
fn tpm_answer(answer: &[u8]) -> Result<&[u8], SourceError> {
    let broken = || SourceError::Device("malformed TPM answer".into());
    let (head, body) = answer.split_at_checked(10).ok_or_else(broken)?;
    if head[6..10] != [0; 4] {
        return Err(SourceError::Device(format!("TPM code {:02x?}", &head[6..10])));
    }
    let (length, bytes) = body.split_at_checked(2).ok_or_else(broken)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    match bytes.get(..length) {
        Some(bytes) if length > 0 => Ok(bytes),
        _ => Err(broken()),
    }
}

impl Source for Tpm {
    fn info(&self) -> &'static Info {
        &TPM
    }

    fn availability(&self) -> Availability {
        readable(TPM_PATH, true)
    }

    fn collect(&mut self, out: &mut Samples, count: usize) -> Result<(), SourceError> {
        let mut device = OpenOptions::new().read(true).write(true).open(TPM_PATH)?;
        let mut left = count;
        while left > 0 {
            let want = u8::try_from(left.min(32)).unwrap_or(32);
            device.write_all(&tpm_command(want))?;
            let mut answer = Zeroizing::new([0u8; 128]);
            let length = device.read(&mut *answer)?;
            let bytes = tpm_answer(&answer[..length])?;
            let taken = bytes.len().min(left);
            out.extend(bytes[..taken].iter().map(|b| u64::from(*b)));
            left -= taken;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tpm_messages_are_the_specified_bytes() {
        assert_eq!(tpm_command(16), [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16]);
        let good = [0x80, 1, 0, 0, 0, 14, 0, 0, 0, 0, 0, 2, 0xaa, 0xbb];
        assert_eq!(tpm_answer(&good).expect("two bytes"), [0xaa, 0xbb]);
        assert!(tpm_answer(&good[..13]).is_err(), "shorter than it says");
        assert!(tpm_answer(&good[..9]).is_err());
        let failed = [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 1];
        assert!(tpm_answer(&failed).is_err());
        let empty = [0x80, 1, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0];
        assert!(tpm_answer(&empty).is_err());
    }
}
