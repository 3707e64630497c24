//! Packets of the chip: count, content, checksum.

use super::AteccError;

/// The chip's address, seven bits.
pub const ADDRESS: u8 = 0x60;
/// What the chip answers after waking.
pub const AWAKE: [u8; 4] = [0x04, 0x11, 0x33, 0x43];

/// First byte of a write.
pub mod word {
    pub const RESET: u8 = 0x00;
    pub const SLEEP: u8 = 0x01;
    pub const IDLE: u8 = 0x02;
    pub const COMMAND: u8 = 0x03;
}

/// Operation codes.
pub mod opcode {
    pub const READ: u8 = 0x02;
    pub const LOCK: u8 = 0x17;
    pub const RANDOM: u8 = 0x1b;
    pub const INFO: u8 = 0x30;
    pub const SHA: u8 = 0x47;
    pub const SELF_TEST: u8 = 0x77;
}

/// A status byte, as the only content of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Miscompare,
    Parse,
    Ecc,
    SelfTest,
    RngHealth,
    Execution,
    Awake,
    Watchdog,
    Checksum,
    Unknown(u8),
}

impl Status {
    /// `None` for success.
    #[must_use]
    pub fn of(byte: u8) -> Option<Status> {
        Some(match byte {
            0x00 => return None,
            0x01 => Status::Miscompare,
            0x03 => Status::Parse,
            0x05 => Status::Ecc,
            0x07 => Status::SelfTest,
            0x08 => Status::RngHealth,
            0x0f => Status::Execution,
            0x11 => Status::Awake,
            0xee => Status::Watchdog,
            0xff => Status::Checksum,
            other => Status::Unknown(other),
        })
    }

    /// Whether the same command may succeed when it is sent again.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self, Status::Awake | Status::Watchdog | Status::Checksum)
    }
}

/// CRC-16, polynomial 0x8005, start 0, data bits least significant first; little-endian.
#[must_use]
pub fn crc(data: &[u8]) -> [u8; 2] {
    let mut register = 0u16;
    for byte in data {
        for bit in 0..8 {
            let data_bit = u16::from(byte >> bit & 1);
            let top = register >> 15;
            register <<= 1;
            if data_bit != top {
                register ^= 0x8005;
            }
        }
    }
    register.to_le_bytes()
}

/// A command.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    pub opcode: u8,
    pub p1: u8,
    pub p2: u16,
    pub data: &'a [u8],
    /// Longest execution, milliseconds.
    pub longest_ms: u32,
    /// Bytes of the expected answer, count and checksum included.
    pub answer: usize,
}

impl Command<'_> {
    /// The bytes of the write, word address first.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![word::COMMAND, 0, self.opcode, self.p1];
        bytes.extend_from_slice(&self.p2.to_le_bytes());
        bytes.extend_from_slice(self.data);
        // The count covers itself and the checksum; no command of this driver has more than
        // 64 bytes of data.
        bytes[1] = u8::try_from(bytes.len() + 1).unwrap_or(u8::MAX);
        let checksum = crc(&bytes[1..]);
        bytes.extend_from_slice(&checksum);
        bytes
    }
}

/// Frames `content` as an answer.
#[must_use]
pub fn answer(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(content.len() + 3).unwrap_or(u8::MAX)];
    bytes.extend_from_slice(content);
    let checksum = crc(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// The content of an answer, which may be followed by filling.
pub fn content(bytes: &[u8]) -> Result<&[u8], AteccError> {
    let count = usize::from(*bytes.first().ok_or(AteccError::Malformed)?);
    let packet = bytes.get(..count).filter(|_| count >= 4).ok_or(AteccError::Malformed)?;
    let (body, checksum) = packet.split_at(count - 2);
    if crc(body) != checksum {
        return Err(AteccError::Checksum);
    }
    Ok(&body[1..])
}
