//! The only hashing: tagged SHA3, framing, and HKDF-SHA3-256.
//!
//! Every hash starts with its tag, padded with zeros to one block of the sponge (136 bytes for SHA3-256, 72 for
//! SHA3-512), so no two uses can collide whatever follows, and the tag block can be absorbed once and cloned.
//! Fields that follow are of fixed width, or framed by a big-endian `u32` length. [hash-1]

use alloc::vec::Vec;
use sha3::{Digest, Sha3_256, Sha3_512};

use crate::reject::Reject;

/// The tags. One constant a use; a tag is ASCII and at most 64 bytes.
pub mod tag {
    pub const CEREMONY: &str = "beacon/1/ceremony";
    pub const CHAIN: &str = "beacon/1/chain";
    pub const HEADER: &str = "beacon/1/header";
    pub const HEADER_VOTE: &str = "beacon/1/header-vote";
    pub const BUNDLE: &str = "beacon/1/bundle";
    pub const BUNDLES: &str = "beacon/1/bundles";
    pub const BUNDLE_VOTING: &str = "beacon/1/bundle-voting-key";
    pub const TICKET_PROOF: &str = "beacon/1/ticket-key-proof";
    pub const SIGNER_LEAF: &str = "beacon/1/signer";
    pub const TICKET_LEAF: &str = "beacon/1/ticket-keys";
    pub const COMMITTEE: &str = "beacon/1/committee";
    pub const TREE_NODE: &str = "beacon/1/tree-node";
    pub const DEALING: &str = "beacon/1/dealing";
    pub const DEALING_ROOT: &str = "beacon/1/dealing-root";
    pub const COMMITMENT: &str = "beacon/1/commitment";
    pub const DEALING_LEAF: &str = "beacon/1/dealing-leaf";
    pub const DEALING_SET: &str = "beacon/1/dealing-set";
    pub const VALUE: &str = "beacon/1/value";
    pub const REGISTRY: &str = "beacon/1/registry";
    pub const AMENDMENT: &str = "beacon/1/amendment";
    pub const READY: &str = "beacon/1/ready";
    pub const SHARES: &str = "beacon/1/shares";
    pub const PROPOSAL: &str = "beacon/1/proposal";
    pub const VOTE: &str = "beacon/1/vote";
    pub const MIX_SALT: &str = "beacon/1/mix-salt";
    pub const OUTPUT: &str = "beacon/1/output";
    pub const EXPAND: &str = "beacon/1/expand";
    pub const DRAW: &str = "beacon/1/draw";
    pub const DRAW_LIST: &str = "beacon/1/draw-list";
    pub const DRAW_STREAM: &str = "beacon/1/draw-stream";
    pub const GOSSIP_ID: &str = "beacon/1/gossip-id";
    pub const MMR_LEAF: &str = "beacon/1/mmr-leaf";
    pub const MMR_NODE: &str = "beacon/1/mmr-node";
    pub const MMR_BAG: &str = "beacon/1/mmr-bag";
    pub const PVSS_BASE: &str = "beacon/1/pvss/e0";
    pub const PVSS_CHALLENGE: &str = "beacon/1/pvss/challenge";
    pub const PVSS_DLEQ: &str = "beacon/1/pvss/dleq";
    pub const PVSS_SHARE: &str = "beacon/1/pvss/share";
    pub const PVSS_SECRET: &str = "beacon/1/pvss/secret";
    pub const PVSS_NONCE: &str = "beacon/1/pvss/nonce";
    pub const PVSS_BATCH: &str = "beacon/1/pvss/batch";
    pub const DEALING_SEED: &str = "beacon/1/dealing-seed";
    pub const STATUS: &str = "beacon/1/status";
}

/// A SHA3-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest32(pub [u8; 32]);

crate::codec::byte_newtype!(Digest32, 32);

impl Digest32 {
    pub const ZERO: Digest32 = Digest32([0; 32]);
}

const TAG_BLOCK: [u8; 136] = [0; 136];

/// A tagged SHA3-256 in progress.
#[derive(Clone)]
pub struct Hasher(Sha3_256);

impl Hasher {
    /// Absorbs `tag`, padded with zeros to the 136 bytes of one block.
    pub fn new(tag: &'static str) -> Self {
        let mut sponge = Sha3_256::new();
        sponge.update(tag.as_bytes());
        sponge.update(&TAG_BLOCK[tag.len()..]);
        Hasher(sponge)
    }

    /// Absorbs bytes of a width that the tag fixes.
    #[must_use]
    pub fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// Absorbs a big-endian `u16`.
    #[must_use]
    pub fn u16(self, value: u16) -> Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Absorbs a big-endian `u32`.
    #[must_use]
    pub fn u32(self, value: u32) -> Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Absorbs a big-endian `u64`.
    #[must_use]
    pub fn u64(self, value: u64) -> Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Absorbs bytes of any width, after their length as a big-endian `u32`.
    #[must_use]
    pub fn framed(self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).expect("hashed fields are bounded far below 4 GiB");
        self.u32(length).fixed(bytes)
    }

    pub fn finish(self) -> Digest32 {
        Digest32(self.0.finalize().into())
    }
}

/// A tagged SHA3-512 in progress, for values reduced to scalars or mapped to the group.
#[derive(Clone)]
pub struct WideHasher(Sha3_512);

impl WideHasher {
    /// Absorbs `tag`, padded with zeros to the 72 bytes of one block.
    pub fn new(tag: &'static str) -> Self {
        let mut sponge = Sha3_512::new();
        sponge.update(tag.as_bytes());
        sponge.update(&TAG_BLOCK[tag.len()..72]);
        WideHasher(sponge)
    }

    #[must_use]
    pub fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    #[must_use]
    pub fn u32(self, value: u32) -> Self {
        self.fixed(&value.to_be_bytes())
    }

    #[must_use]
    pub fn framed(self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).expect("hashed fields are bounded far below 4 GiB");
        self.u32(length).fixed(bytes)
    }

    pub fn finish(self) -> [u8; 64] {
        self.0.finalize().into()
    }
}

/// HKDF-SHA3-256 (RFC 5869), extract then expand to `out.len()` ≤ 8160 bytes. [hash-3]
pub fn hkdf(salt: &[u8], ikm: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), Reject> {
    hkdf::SimpleHkdf::<Sha3_256>::new(Some(salt), ikm).expand_multi_info(info, out).map_err(|_| Reject::ExpandTooLong)
}

/// HKDF-SHA3-256 expansion of a key that is already uniform. [hash-3]
pub fn hkdf_expand(key: &[u8; 32], info: &[&[u8]], out: &mut [u8]) -> Result<(), Reject> {
    hkdf::SimpleHkdf::<Sha3_256>::from_prk(key)
        .map_err(|_| Reject::ExpandTooLong)?
        .expand_multi_info(info, out)
        .map_err(|_| Reject::ExpandTooLong)
}

/// Root of a binary tree over `leaves` (already tagged hashes): pairs are hashed level by level, a last odd one
/// is carried up unchanged. The count is not hashed here; whoever uses the root binds it. [hash-2]
pub fn tree_root(mut level: Vec<Digest32>) -> Digest32 {
    if level.is_empty() {
        return Digest32::ZERO;
    }
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => Hasher::new(tag::TREE_NODE).fixed(&left.0).fixed(&right.0).finish(),
                single => single[0],
            })
            .collect();
    }
    level[0]
}
