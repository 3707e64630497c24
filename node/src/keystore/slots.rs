//! The two slots: their layout, sealing, and which of them counts.
//!
//! ```text
//! 0   magic "BCNSLOT1"
//! 8   sequence number, u64 big-endian
//! 16  length of the plain contents, u32 big-endian
//! 20  nonce, 24 bytes
//! 44  contents sealed with XChaCha20-Poly1305 (tag of 16 bytes last); bytes 0..44 are authenticated with them
//! …   zeros
//! −32 SHA3-256 over all bytes before: finds torn writes without the key
//! ```

use beacon_spec::hash::Hasher;
use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::seal::SealKey;

/// Room for the bundles of two epochs of the largest committee.
pub(super) const SLOT_BYTES: usize = 64 << 10;
const MAGIC: [u8; 8] = *b"BCNSLOT1";
const HEADER: usize = 44;
const TAG: usize = 16;
const CHECKSUM: usize = 32;

/// Why slots cannot be read or written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SlotError {
    /// Neither slot is whole.
    NoneWhole,
    /// A whole slot does not open under this key.
    Unsealed,
    /// More contents than a slot holds, in bytes.
    Full { bytes: usize, room: usize },
    /// The operating system gives no randomness for a nonce.
    Randomness(getrandom::Error),
}

/// The newest whole slot, opened.
pub(super) struct Newest {
    pub sequence: u64,
    pub slot: u64,
    pub plain: Zeroizing<Vec<u8>>,
    pub other_damaged: bool,
}

/// Fills the whole of `slot` with `plain`, sealed.
pub(super) fn write(seal: &SealKey, sequence: u64, plain: &[u8], slot: &mut [u8]) -> Result<(), SlotError> {
    let room = slot.len().saturating_sub(HEADER + TAG + CHECKSUM);
    let (Ok(length), true) = (u32::try_from(plain.len()), plain.len() <= room) else {
        return Err(SlotError::Full { bytes: plain.len(), room });
    };
    slot.fill(0);
    let (header, rest) = slot.split_at_mut(HEADER);
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&sequence.to_be_bytes());
    header[16..20].copy_from_slice(&length.to_be_bytes());
    getrandom::fill(&mut header[20..]).map_err(SlotError::Randomness)?;
    let (body, after) = rest.split_at_mut(plain.len());
    body.copy_from_slice(plain);
    let tag = cipher(seal)
        .encrypt_in_place_detached(XNonce::from_slice(&header[20..]), header, body)
        .expect("a slot is far below the cipher's limit of 256 GiB");
    after[..TAG].copy_from_slice(&tag);
    let end = slot.len() - CHECKSUM;
    let checksum = checksum(&slot[..end]);
    slot[end..].copy_from_slice(&checksum);
    Ok(())
}

/// Opens the newer of the whole slots in `file`, which is both slots one after the other. A whole slot that does
/// not open is an error and never a reason to fall back: that would bring back old contents under a wrong key.
pub(super) fn newest(seal: &SealKey, file: &[u8]) -> Result<Newest, SlotError> {
    let (first, second) = file.split_at(file.len() / 2);
    let found = (sequence(first), sequence(second));
    let (slot, number, bytes) = match found {
        (Some(a), Some(b)) if b > a => (1, b, second),
        (Some(a), _) => (0, a, first),
        (None, Some(b)) => (1, b, second),
        (None, None) => return Err(SlotError::NoneWhole),
    };
    let plain = open(seal, bytes).ok_or(SlotError::Unsealed)?;
    Ok(Newest { sequence: number, slot, plain, other_damaged: found.0.is_none() || found.1.is_none() })
}

/// The sequence number of a whole slot.
fn sequence(slot: &[u8]) -> Option<u64> {
    let (bytes, found) = slot.split_at_checked(slot.len().checked_sub(CHECKSUM)?)?;
    if !bytes.starts_with(&MAGIC) || checksum(bytes) != found {
        return None;
    }
    Some(u64::from_be_bytes(*bytes.get(8..16)?.first_chunk()?))
}

fn open(seal: &SealKey, slot: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (header, rest) = slot.split_at_checked(HEADER)?;
    let length = u32::from_be_bytes(*header[16..].first_chunk()?);
    let (body, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let tag = Tag::from_slice(after.get(..TAG)?);
    let mut plain = Zeroizing::new(body.to_vec());
    cipher(seal).decrypt_in_place_detached(XNonce::from_slice(&header[20..]), header, &mut plain, tag).ok()?;
    Some(plain)
}

fn cipher(seal: &SealKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(chacha20poly1305::Key::from_slice(seal.bytes()))
}

fn checksum(bytes: &[u8]) -> [u8; 32] {
    Hasher::new("beacon/1/key-store-slot").fixed(bytes).finish().0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: usize = 512;

    fn file(seal: &SealKey, slots: [(u64, &[u8]); 2]) -> Vec<u8> {
        let mut file = vec![0; 2 * SMALL];
        for ((sequence, plain), slot) in slots.into_iter().zip(file.chunks_mut(SMALL)) {
            write(seal, sequence, plain, slot).unwrap();
        }
        file
    }

    #[test]
    fn a_write_torn_at_any_byte_leaves_the_old_contents_or_the_new() {
        let seal = SealKey::fixed([7; 32]);
        let before = file(&seal, [(2, b"second"), (1, b"first")]);
        let after = file(&seal, [(2, b"second"), (3, b"third, longer")]);
        let judge = |bytes: &[u8]| {
            let found = newest(&seal, bytes).unwrap();
            let whole = bytes[SMALL..] == after[SMALL..];
            assert_eq!(found.plain.as_slice(), if whole { &b"third, longer"[..] } else { b"second" });
        };
        for torn in 0..=SMALL {
            let mut bytes = before.clone();
            bytes[SMALL..SMALL + torn].copy_from_slice(&after[SMALL..SMALL + torn]);
            judge(&bytes);
            // The same cut where the disk wrote the end of the slot first.
            let mut bytes = before.clone();
            bytes[2 * SMALL - torn..].copy_from_slice(&after[2 * SMALL - torn..]);
            judge(&bytes);
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_in_the_newest_slot_gives_the_older_contents() {
        let seal = SealKey::fixed([7; 32]);
        let whole = file(&seal, [(8, b"older"), (9, b"newer")]);
        for position in 0..SMALL {
            let mut bytes = whole.clone();
            bytes[SMALL + position] ^= 1 << (position % 8);
            let found = newest(&seal, &bytes).unwrap();
            assert_eq!((found.plain.as_slice(), found.other_damaged), (&b"older"[..], true));
            bytes[position] ^= 0x80;
            assert!(matches!(newest(&seal, &bytes), Err(SlotError::NoneWhole)));
        }
    }

    #[test]
    fn another_key_opens_nothing_and_nothing_falls_back() {
        let whole = file(&SealKey::fixed([7; 32]), [(1, b"a"), (2, b"b")]);
        assert!(matches!(newest(&SealKey::fixed([8; 32]), &whole), Err(SlotError::Unsealed)));
    }

    #[test]
    fn contents_beyond_a_slot_are_refused() {
        let mut slot = vec![0; SMALL];
        let room = SMALL - HEADER - TAG - CHECKSUM;
        let seal = SealKey::fixed([7; 32]);
        assert_eq!(write(&seal, 1, &vec![1; room], &mut slot), Ok(()));
        assert_eq!(write(&seal, 1, &vec![1; room + 1], &mut slot), Err(SlotError::Full { bytes: room + 1, room }));
    }
}
