//! What can be drawn from a generator: bytes, bits, integers, ranges, shuffles.

use serde::Serialize;

/// Most bytes or bits of one call, so that a length from outside cannot exhaust memory.
pub const MAX_DRAW: usize = 1 << 30;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    #[error("at least one must be asked for")]
    Nothing,
    #[error("at most {limit} can be asked for")]
    TooMany { limit: usize },
    #[error("the range is empty")]
    EmptyRange,
    #[error("{0}")]
    Unready(String),
}

/// An integer format of 1, 2, 4 or 8 bytes, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntFormat {
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
}

/// One value, written as a bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Signed(i64),
    Unsigned(u64),
}

impl IntFormat {
    /// Every format with the name it is chosen by.
    pub const NAMES: [(&'static str, IntFormat); 8] = [
        ("int8", IntFormat::Int8),
        ("int16", IntFormat::Int16),
        ("int32", IntFormat::Int32),
        ("int64", IntFormat::Int64),
        ("uint8", IntFormat::Uint8),
        ("uint16", IntFormat::Uint16),
        ("uint32", IntFormat::Uint32),
        ("uint64", IntFormat::Uint64),
    ];

    #[must_use]
    pub fn by_name(name: &str) -> Option<IntFormat> {
        IntFormat::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// Bytes per value.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            IntFormat::Int8 | IntFormat::Uint8 => 1,
            IntFormat::Int16 | IntFormat::Uint16 => 2,
            IntFormat::Int32 | IntFormat::Uint32 => 4,
            IntFormat::Int64 | IntFormat::Uint64 => 8,
        }
    }

    /// Reads big-endian values; bytes that do not fill a value at the end are left out.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Vec<Value> {
        let width = self.width();
        let unused = 64 - 8 * width as u32;
        let signed = matches!(self, IntFormat::Int8 | IntFormat::Int16 | IntFormat::Int32 | IntFormat::Int64);
        let value = |chunk: &[u8]| {
            let raw = chunk.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            if signed {
                // The sign bit is moved to the top and back, which extends it.
                Value::Signed((raw << unused).cast_signed() >> unused)
            } else {
                Value::Unsigned(raw)
            }
        };
        bytes.chunks_exact(width).map(value).collect()
    }
}

/// Draws from a generator. Only [`Draw::fill`] is to be implemented.
pub trait Draw {
    /// Fills `out` with random bytes or gives none.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), DrawError>;

    /// `count` bytes.
    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, DrawError> {
        checked(count)?;
        let mut out = vec![0; count];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// `count` bits, each 0 or 1, the most significant of each byte first.
    fn bits(&mut self, count: usize) -> Result<Vec<u8>, DrawError> {
        checked(count)?;
        let bytes = self.bytes(count.div_ceil(8))?;
        let bit = |i: usize| bytes[i / 8] >> (7 - i % 8) & 1;
        Ok((0..count).map(bit).collect())
    }

    /// An integer of `bits` (1 to 128) bits, uniform in [0, 2^bits − 1], read big-endian.
    fn int(&mut self, bits: u32) -> Result<u128, DrawError> {
        if bits > 128 {
            return Err(DrawError::TooMany { limit: 128 });
        }
        let mut out = [0u8; 16];
        let width = bits.div_ceil(8) as usize;
        if width == 0 {
            return Err(DrawError::Nothing);
        }
        self.fill(&mut out[16 - width..])?;
        // Surplus bits are the most significant of the first byte.
        Ok(u128::from_be_bytes(out) & (u128::MAX >> (128 - bits)))
    }

    /// An integer of any number of bits, big-endian, surplus high bits clear.
    fn big_int(&mut self, bits: usize) -> Result<Vec<u8>, DrawError> {
        checked(bits)?;
        let mut out = self.bytes(bits.div_ceil(8))?;
        out[0] &= 0xff >> ((8 - bits % 8) % 8);
        Ok(out)
    }

    /// Uniform in `low..=high`, without bias: values beyond the last full multiple of the
    /// range's size are drawn again.
    fn range(&mut self, low: u64, high: u64) -> Result<u64, DrawError> {
        if low > high {
            return Err(DrawError::EmptyRange);
        }
        let size = u128::from(high - low) + 1;
        if size == 1 {
            return Ok(low);
        }
        // Masked to the next power of two a draw is accepted with probability above 1/2.
        let bits = 128 - (size - 1).leading_zeros();
        loop {
            let value = self.int(bits)?;
            if let (true, Ok(offset)) = (value < size, u64::try_from(value)) {
                return Ok(low + offset);
            }
        }
    }

    /// `count` values of a format.
    fn values(&mut self, format: IntFormat, count: usize) -> Result<Vec<Value>, DrawError> {
        checked(count)?;
        let total = count.saturating_mul(format.width());
        Ok(format.decode(&self.bytes(total)?))
    }

    /// Shuffles in place, every order equally likely (Fisher and Yates).
    fn shuffle<T>(&mut self, items: &mut [T]) -> Result<(), DrawError>
    where
        Self: Sized,
    {
        for i in (1..items.len()).rev() {
            let j = self.range(0, i as u64)?;
            // `j` is at most `i`, which is an index.
            items.swap(i, usize::try_from(j).unwrap_or(i));
        }
        Ok(())
    }
}

fn checked(count: usize) -> Result<(), DrawError> {
    match count {
        0 => Err(DrawError::Nothing),
        count if count > MAX_DRAW => Err(DrawError::TooMany { limit: MAX_DRAW }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drbg::Drbg;

    /// Gives the bytes it was made of, then refuses.
    struct Tape(std::collections::VecDeque<u8>);

    impl Draw for Tape {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), DrawError> {
            for byte in out {
                let next = self.0.pop_front();
                *byte = next.ok_or_else(|| DrawError::Unready("end of tape".into()))?;
            }
            Ok(())
        }
    }

    impl Draw for Drbg {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), DrawError> {
            Drbg::fill(self, out);
            Ok(())
        }
    }

    fn tape(bytes: &[u8]) -> Tape {
        Tape(bytes.iter().copied().collect())
    }

    #[test]
    fn bits_are_most_significant_first_and_ints_big_endian() {
        assert_eq!(tape(&[0b1010_0000]).bits(3), Ok(vec![1, 0, 1]));
        assert_eq!(tape(&[0x80, 0x01]).bits(16).map(|b| (b[0], b[15])), Ok((1, 1)));
        assert_eq!(tape(&[0xff]).int(1), Ok(1));
        assert_eq!(tape(&[0xfe]).int(8), Ok(0xfe));
        assert_eq!(tape(&[0x12, 0x34]).int(16), Ok(0x1234));
        assert_eq!(tape(&[0xff; 16]).int(128), Ok(u128::MAX));
        assert_eq!(tape(&[0xff, 0xff]).int(9), Ok(0x1ff));
        assert_eq!(tape(&[0xff, 0x01]).big_int(9), Ok(vec![1, 1]));
        assert_eq!(tape(&[0xff; 32]).big_int(256), Ok(vec![0xff; 32]));
    }

    #[test]
    fn zero_and_too_much_are_refused() {
        let mut tape = tape(&[1; 8]);
        assert_eq!(tape.bytes(0), Err(DrawError::Nothing));
        assert_eq!(tape.bits(0), Err(DrawError::Nothing));
        assert_eq!(tape.int(0), Err(DrawError::Nothing));
        assert_eq!(tape.int(129), Err(DrawError::TooMany { limit: 128 }));
        assert_eq!(tape.values(IntFormat::Int8, 0), Err(DrawError::Nothing));
        assert_eq!(tape.values(IntFormat::Int64, usize::MAX).map(|_| ()), Err(DrawError::TooMany { limit: MAX_DRAW }));
        assert_eq!(tape.bytes(MAX_DRAW + 1).map(|_| ()), Err(DrawError::TooMany { limit: MAX_DRAW }));
        assert_eq!(tape.range(3, 2), Err(DrawError::EmptyRange));
        assert!(matches!(tape.bytes(9), Err(DrawError::Unready(_))));
    }

    #[test]
    fn every_integer_format_reads_its_extremes() {
        let bytes = [0x80, 0, 0, 0, 0, 0, 0, 1];
        let first = |format: IntFormat| format.decode(&bytes)[0];
        assert_eq!(first(IntFormat::Int8), Value::Signed(-128));
        assert_eq!(first(IntFormat::Int16), Value::Signed(-32768));
        assert_eq!(first(IntFormat::Int32), Value::Signed(i64::from(i32::MIN)));
        assert_eq!(first(IntFormat::Int64), Value::Signed(i64::MIN + 1));
        assert_eq!(first(IntFormat::Uint8), Value::Unsigned(128));
        assert_eq!(first(IntFormat::Uint16), Value::Unsigned(32768));
        assert_eq!(first(IntFormat::Uint32), Value::Unsigned(1 << 31));
        assert_eq!(first(IntFormat::Uint64), Value::Unsigned((1 << 63) + 1));
        for (name, format) in IntFormat::NAMES {
            assert_eq!(IntFormat::by_name(name), Some(format));
            assert_eq!(format.decode(&bytes).len(), 8 / format.width());
        }
        let json = serde_json::to_string(&IntFormat::Int8.decode(&[255, 1])).expect("numbers");
        assert_eq!(json, "[-1,1]");
    }

    #[test]
    fn ranges_are_unbiased_and_reach_their_ends() {
        // 0..=2 takes two bits per draw and rejects 3.
        assert_eq!(tape(&[3, 3, 2]).range(0, 2), Ok(2));
        assert_eq!(tape(&[]).range(7, 7), Ok(7));
        assert_eq!(tape(&[0xff; 8]).range(0, u64::MAX), Ok(u64::MAX));
        let mut drbg = Drbg::new(b"ranges");
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[usize::try_from(drbg.range(1, 6).expect("drawn") - 1).expect("small")] += 1;
        }
        // 5 degrees of freedom: beyond 30 once in 70,000; the generator is deterministic.
        let chi: f64 = counts.iter().map(|c| (f64::from(*c) - 1e4).powi(2) / 1e4).sum();
        assert!(chi < 30.0, "{counts:?}");
    }

    #[test]
    fn every_order_of_three_is_equally_likely() {
        let mut drbg = Drbg::new(b"shuffles");
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            let mut items = [1, 2, 3];
            drbg.shuffle(&mut items).expect("drawn");
            *counts.entry(items).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|c| (850..1150).contains(c)), "{counts:?}");
    }
}
