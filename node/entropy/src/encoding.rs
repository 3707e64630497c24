//! How bytes of a stream are written: as they are, in hexadecimal, or in base64.
//!
//! Base64 comes without line breaks and is padded once, at the end: what is cut into pieces
//! on its way reads the same as one piece.

use serde::Serialize;

const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Raw,
    Hex,
    Base64,
}

impl Format {
    /// Every format with the name it is chosen by.
    pub const NAMES: [(&'static str, Format); 3] =
        [("raw", Format::Raw), ("hex", Format::Hex), ("base64", Format::Base64)];

    #[must_use]
    pub fn by_name(name: &str) -> Option<Format> {
        Format::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }
}

/// Encodes a stream piece by piece.
#[derive(Debug)]
pub struct Encoder {
    format: Format,
    /// Bytes that do not fill a group of three yet.
    carried: Vec<u8>,
}

impl Encoder {
    #[must_use]
    pub fn new(format: Format) -> Encoder {
        Encoder { format, carried: Vec::new() }
    }

    /// Appends the encoding of `bytes` to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.format {
            Format::Raw => out.extend_from_slice(bytes),
            Format::Hex => out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])),
            Format::Base64 => self.base64(bytes, out),
        }
    }

    fn base64(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let missing = (3 - self.carried.len()) % 3;
        let (head, rest) = bytes.split_at(missing.min(bytes.len()));
        self.carried.extend_from_slice(head);
        if self.carried.len() == 3 {
            out.extend(group(&std::mem::take(&mut self.carried)));
        }
        let groups = rest.chunks_exact(3);
        self.carried.extend_from_slice(groups.remainder());
        out.extend(groups.flat_map(group));
    }

    /// Ends the stream: what is still to be written of the last group, and a line break
    /// after text.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        let last = std::mem::take(&mut self.carried);
        if !last.is_empty() {
            let encoded = group(&last);
            out.extend_from_slice(&encoded[..=last.len()]);
            out.extend(std::iter::repeat_n(b'=', 3 - last.len()));
        }
        if self.format != Format::Raw {
            out.push(b'\n');
        }
    }
}

fn digit(nibble: u8) -> u8 {
    HEX[usize::from(nibble & 15)]
}

/// One to three bytes as four letters; what is missing counts as zeros.
fn group(bytes: &[u8]) -> [u8; 4] {
    let word = (0..3).fold(0u32, |word, i| word << 8 | u32::from(bytes.get(i).copied().unwrap_or(0)));
    [18, 12, 6, 0].map(|shift| BASE64[(word >> shift & 63) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(format: Format, bytes: &[u8], piece: usize) -> String {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(format);
        bytes.chunks(piece).for_each(|piece| encoder.push(piece, &mut out));
        encoder.finish(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn base64_is_that_of_rfc_4648_however_it_is_cut() {
        let vectors = [
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (text, expected) in vectors {
            for piece in 1..=6 {
                assert_eq!(encoded(Format::Base64, text.as_bytes(), piece), format!("{expected}\n"), "{piece}");
            }
        }
        assert_eq!(encoded(Format::Base64, &[0xfb, 0xff, 0xfe], 2), "+//+\n");
        assert_eq!(encoded(Format::Base64, &[], 1), "\n");
    }

    #[test]
    fn hexadecimal_is_lower_case_and_raw_is_raw() {
        assert_eq!(encoded(Format::Hex, &[0x00, 0xaf, 0x10], 2), "00af10\n");
        let mut out = Vec::new();
        let mut encoder = Encoder::new(Format::Raw);
        encoder.push(&[1, 2], &mut out);
        encoder.finish(&mut out);
        assert_eq!(out, [1, 2]);
        assert_eq!(Format::by_name("base64"), Some(Format::Base64));
        assert_eq!(Format::by_name("Base64"), None);
    }
}
