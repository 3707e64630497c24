//! Answering peers from what is stored. Pure but for the archive it is given, so that the simulator serves alike.

use beacon_spec::chain::{Beacon, Transcript};
use beacon_spec::codec::encode;
use beacon_spec::committee::MemberList;
use beacon_spec::hash::Digest32;
use beacon_spec::message::Commitment;
use beacon_spec::mmr::Mmr;
use beacon_spec::registry::Registry;

use crate::batch::Decision;
use crate::checkpoint::Checkpoint;
use crate::event::{Millis, PeerStatus, Request, Response, RoundRecord};

/// Bytes of one answer, below the network's limit of 4 MiB.
const MAX_ANSWER: usize = 3 << 20;
/// Rounds and decisions of one answer.
pub const MAX_ROUNDS: u16 = 256;

/// Read access to what a node keeps.
pub trait Archive {
    type Error;
    /// Newest certified round and its header hash.
    fn tip(&self) -> Result<Option<(u64, Digest32)>, Self::Error>;
    /// Highest decided window, 0 before the first.
    fn decided(&self) -> Result<u64, Self::Error>;
    fn genesis(&self) -> Result<Vec<u8>, Self::Error>;
    fn beacon(&self, round: u64) -> Result<Option<Beacon>, Self::Error>;
    fn transcript(&self, round: u64) -> Result<Option<Transcript>, Self::Error>;
    fn decision(&self, window: u64) -> Result<Option<Decision>, Self::Error>;
    fn commitment(&self, window: u64, member: u16, hash: &Digest32) -> Result<Option<Commitment>, Self::Error>;
    /// The newest registry that is kept of `window` or an earlier one.
    fn registry(&self, window: u64) -> Result<Option<Registry>, Self::Error>;
    /// The Merkle mountain range over the first `count` headers, if its peaks are kept.
    fn range(&self, count: u64) -> Result<Option<Mmr>, Self::Error>;
    /// The members of an epoch after the first.
    fn members(&self, epoch: u64) -> Result<Option<MemberList>, Self::Error>;
}

/// Answers `request`; what is not there is left out, and answers stop before they grow too large.
pub fn serve<A: Archive>(archive: &A, chain: &Digest32, now: Millis, request: &Request) -> Result<Response, A::Error> {
    Ok(match request {
        Request::Status => {
            let (round, header) = archive.tip()?.unwrap_or((0, *chain));
            Response::Status(PeerStatus { round, header, decided: archive.decided()?, clock: now })
        }
        Request::Genesis => Response::Genesis(archive.genesis()?),
        Request::Rounds { from, count, transcripts } => Response::Rounds(bounded(*from, *count, |round| {
            let Some(beacon) = archive.beacon(round)? else { return Ok(None) };
            let transcript = if *transcripts { archive.transcript(round)? } else { None };
            Ok(Some(RoundRecord { beacon, transcript }))
        })?),
        Request::Decisions { from, count } => {
            Response::Decisions(bounded(*from, *count, |window| archive.decision(window))?)
        }
        Request::Commitments { window, wanted } => {
            let mut found = Vec::new();
            let mut size = 0;
            for entry in wanted.iter().take(512) {
                if let Some(commitment) = archive.commitment(*window, entry.member, &entry.commitment)? {
                    size += encode(&commitment).len();
                    if size > MAX_ANSWER && !found.is_empty() {
                        break;
                    }
                    found.push(commitment);
                }
            }
            Response::Commitments(found)
        }
        Request::Registry { window } => {
            let found = archive.decision(*window)?.zip(archive.registry(*window)?);
            // What is kept may be older than the decision, when this node joined between the two.
            let fitting = found.filter(|(decision, registry)| decision.value.registry == registry.hash());
            Response::Registry(fitting.map(Box::new))
        }
        Request::Committee { epoch } => Response::Committee(archive.members(*epoch)?.map(Box::new)),
        Request::Checkpoint { round } => Response::Checkpoint(checkpoint(archive, *round)?.map(Box::new)),
    })
}

fn checkpoint<A: Archive>(archive: &A, round: u64) -> Result<Option<Checkpoint>, A::Error> {
    let Some(beacon) = archive.beacon(round)? else { return Ok(None) };
    let Some(before) = archive.range(round.saturating_sub(1))? else { return Ok(None) };
    let members = archive.members(beacon.header.epoch)?;
    Ok(Some(Checkpoint { beacon, before, members }))
}

/// Items of consecutive numbers until one is missing or the answer is full.
fn bounded<T: serde::Serialize, E>(
    from: u64,
    count: u16,
    mut get: impl FnMut(u64) -> Result<Option<T>, E>,
) -> Result<Vec<T>, E> {
    let mut found = Vec::new();
    let mut size = 0;
    for offset in 0..u64::from(count.min(MAX_ROUNDS)) {
        let Some(number) = from.checked_add(offset) else { break };
        let Some(item) = get(number)? else { break };
        size += encode(&item).len();
        if size > MAX_ANSWER && !found.is_empty() {
            break;
        }
        found.push(item);
    }
    Ok(found)
}
