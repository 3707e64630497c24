//! Mixing the secrets of a round into its output.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::hash::{Digest32, Hasher, hkdf, hkdf_expand, tag, tree_root};
use crate::pvss::Secret;
use crate::reject::Reject;

/// Bytes that one label can give at most.
pub const MAX_EXPANSION: usize = 8160;

/// Root over (member, dealing hash) of a round, in member order. [mix-1]
pub fn dealing_set_root(round: u64, dealings: &[(u16, Digest32)]) -> Digest32 {
    let leaves: Vec<Digest32> = dealings
        .iter()
        .map(|(member, hash)| Hasher::new(tag::DEALING_LEAF).u16(*member).fixed(&hash.0).finish())
        .collect();
    let count = u32::try_from(dealings.len()).unwrap_or(u32::MAX);
    Hasher::new(tag::DEALING_SET).u64(round).u32(count).fixed(&tree_root(leaves).0).finish()
}

/// The output of a round: HKDF-SHA3-256 over every contributor's secret, in member order. [mix-2]
pub fn output(
    chain: &Digest32,
    round: u64,
    previous: &Digest32,
    dealing_set: &Digest32,
    secrets: &[(u16, Secret)],
) -> Digest32 {
    let salt = Hasher::new(tag::MIX_SALT).fixed(&previous.0).fixed(&dealing_set.0).finish();
    let mut ikm = Zeroizing::new(Vec::with_capacity(secrets.len() * 34));
    for (member, secret) in secrets {
        ikm.extend_from_slice(&member.to_be_bytes());
        ikm.extend_from_slice(&secret.0.0);
    }
    let mut out = [0; 32];
    hkdf(&salt.0, &ikm, &[tag::OUTPUT.as_bytes(), &chain.0, &round.to_be_bytes()], &mut out)
        .expect("32 bytes are below the limit of one expansion");
    Digest32(out)
}

/// More bytes from an output, bound to the user's label: at most 8160 for one label. [mix-3]
pub fn expand(output: &Digest32, label: &[u8], length: usize) -> Result<Vec<u8>, Reject> {
    if length > MAX_EXPANSION {
        return Err(Reject::ExpandTooLong);
    }
    let mut out = alloc::vec![0; length];
    hkdf_expand(&output.0, &[tag::EXPAND.as_bytes(), label], &mut out)?;
    Ok(out)
}
