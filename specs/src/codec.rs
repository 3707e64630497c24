//! The wire format: bincode 2, big-endian, fixed-width integers, and nothing else.
//!
//! One encoding a value: fixed widths, sequences behind a `u64` count, options and variants behind a checked tag.
//! [`decode`] refuses input longer than its limit before looking at it, and bytes left over after the value. [codec-1]

use alloc::vec::Vec;

use serde::{Serialize, de::DeserializeOwned};

use crate::reject::Reject;

/// Limits of a decoder, in bytes of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_bytes: usize,
}

impl Limits {
    pub const fn bytes(max_bytes: usize) -> Self {
        Limits { max_bytes }
    }
}

/// A bound on what one decoded sequence may claim, above every message of the protocol.
const CLAIM_LIMIT: usize = 32 << 20;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_big_endian().with_fixed_int_encoding().with_limit::<CLAIM_LIMIT>()
}

/// Encodes `value`.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, config()).expect("wire types hold nothing that bincode refuses")
}

/// Decodes exactly one `T` from all of `bytes`. [codec-2]
pub fn decode<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<T, Reject> {
    if bytes.len() > limits.max_bytes {
        return Err(Reject::TooLong);
    }
    let (value, used) = bincode::serde::decode_from_slice(bytes, config()).map_err(|_| Reject::Malformed)?;
    if used != bytes.len() {
        return Err(Reject::TrailingBytes);
    }
    Ok(value)
}

/// Text form of byte newtypes: lower-case hexadecimal for people, raw bytes on the wire. [codec-3]
macro_rules! byte_newtype {
    ($name:ident, $len:expr) => {
        impl $name {
            /// Reads lower- or upper-case hexadecimal of exactly the right length.
            pub fn from_hex(text: &str) -> Result<Self, $crate::reject::Reject> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| $crate::reject::Reject::BadHex)?;
                Ok($name(bytes))
            }
        }
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{self}")
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    $crate::codec::bytes::serialize(&self.0, serializer)
                }
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <alloc::string::String as serde::Deserialize>::deserialize(deserializer)?;
                    $name::from_hex(&text).map_err(serde::de::Error::custom)
                } else {
                    $crate::codec::bytes::deserialize(deserializer).map($name)
                }
            }
        }
    };
}
pub(crate) use byte_newtype;

/// Byte arrays of any length as tuples, without a length on the wire.
pub mod bytes {
    use core::fmt;
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::ser::SerializeTuple;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in bytes {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }

    struct Array<const N: usize>;

    impl<'de, const N: usize> Visitor<'de> for Array<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{N} bytes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            let mut bytes = [0; N];
            for (position, byte) in bytes.iter_mut().enumerate() {
                *byte = sequence.next_element()?.ok_or_else(|| Error::invalid_length(position, &self))?;
            }
            Ok(bytes)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
        deserializer.deserialize_tuple(N, Array::<N>)
    }
}

/// Bytes of any length: hexadecimal in JSON, a counted sequence on the wire.
pub mod hex_vec {
    use alloc::string::String;
    use alloc::vec::Vec;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&hex::encode(bytes))
        } else {
            bytes.serialize(serializer)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        if deserializer.is_human_readable() {
            hex::decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
        } else {
            Vec::deserialize(deserializer)
        }
    }
}

/// `u64` in JSON: a number up to 2^53, a decimal string beyond; eight bytes on the wire. [codec-3]
pub mod number {
    use alloc::string::String;
    use core::fmt;
    use serde::de::{Error, Visitor};
    use serde::{Deserialize, Deserializer, Serializer};

    const EXACT: u64 = 1 << 53;

    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() && *value > EXACT {
            serializer.collect_str(value)
        } else {
            serializer.serialize_u64(*value)
        }
    }

    struct Number;

    impl Visitor<'_> for Number {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number from 0 to 2^64 - 1, as a number or a decimal string")
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
            Ok(value)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
            let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            match text.parse() {
                Ok(value) if canonical => Ok(value),
                _ => Err(E::custom("not a canonical decimal number")),
            }
        }

        fn visit_string<E: Error>(self, text: String) -> Result<u64, E> {
            self.visit_str(&text)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Number)
        } else {
            u64::deserialize(deserializer)
        }
    }
}
