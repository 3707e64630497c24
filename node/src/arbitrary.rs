//! Bytes for property tests of decoders: arbitrary ones, and good ones with something changed.

use proptest::prelude::*;

/// Now and then any bytes; otherwise `good` with some bytes changed, left out or repeated.
pub fn near(good: &[u8]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let (good, length) = (good.to_vec(), good.len());
    let change = (0..=length, 0..=40usize, any::<u8>(), 0..4u8);
    let changed = proptest::collection::vec(change, 0..4).prop_map(move |changes| {
        let mut bytes = good.clone();
        for (at, count, byte, kind) in changes {
            let at = at.min(bytes.len());
            let end = bytes.len().min(at + count);
            match kind {
                0 => bytes[at..end].iter_mut().take(1).for_each(|old| *old = byte),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let again = bytes[at..end].to_vec();
                    drop(bytes.splice(at..at, again));
                }
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    });
    prop_oneof![1 => proptest::collection::vec(any::<u8>(), 0..200), 7 => changed]
}
