//! Beginning at a checkpoint: a round and header hash that the operator trusts, and what a peer gives to go on from it.

use serde::{Deserialize, Serialize};

use beacon_spec::chain::Beacon;
use beacon_spec::committee::{Committee, MemberList};
use beacon_spec::genesis::Parameters;
use beacon_spec::hash::Digest32;
use beacon_spec::mmr::Mmr;
use beacon_spec::reject::Reject;

/// A peer's answer about a round from which another node wants to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub beacon: Beacon,
    /// Over the headers before it.
    pub before: Mmr,
    /// The members of its epoch; none for the first epoch, whose are in the genesis.
    pub members: Option<MemberList>,
}

/// What a store begins with: as if all rounds up to this one had been certified here.
#[derive(Clone, Debug)]
pub struct Start {
    pub beacon: Beacon,
    pub members: Option<MemberList>,
    /// Nodes by position: the peaks before the round, from which all later proofs follow, and what the round completes.
    pub nodes: Vec<(u64, Digest32)>,
    /// After the round.
    pub mmr: Mmr,
}

impl Checkpoint {
    /// Judges an answer: the header has the trusted hash, and everything else follows from the header. `first` is the
    /// committee of the genesis. [sync-6]
    pub fn judge(
        self,
        (round, hash): (u64, Digest32),
        chain: &Digest32,
        parameters: &Parameters,
        first: &Committee,
    ) -> Result<Start, Reject> {
        let Checkpoint { beacon, before, members } = self;
        let header = &beacon.header;
        if header.round != round {
            return Err(Reject::WrongRound);
        }
        if header.hash() != hash {
            return Err(Reject::Conflict);
        }
        let later;
        let (committee, members) = if header.epoch == 1 {
            (first, None)
        } else {
            let list = members.filter(|list| list.epoch == header.epoch).ok_or(Reject::WrongCommittee)?;
            later = list.clone().check(&header.committee, parameters.development_exemption)?;
            (&later, Some(list))
        };
        // The certificate too: it is kept and served like any other.
        beacon.verify(chain, &parameters.schedule, committee.signers())?;
        if before.count() != round - 1 || before.root() != header.mmr {
            return Err(Reject::BadMmr);
        }
        let mut nodes: Vec<_> = before.peaks().collect();
        let mut mmr = before;
        nodes.extend(mmr.append(round, hash));
        Ok(Start { beacon, members, nodes, mmr })
    }
}
