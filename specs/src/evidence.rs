//! Evidence: proof of a crime, for anyone who has the committee of its epoch.
//!
//! An accusation names nobody that has not signed: it is two signed preimages of which an honest member signs one at
//! most, or one signed preimage with what refutes it. Signatures are never compared, since one preimage has many.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::chain::Beacon;
use crate::codec::Limits;
use crate::committee::Committee;
use crate::consensus::{ProposalHead, SignedVote};
use crate::hash::Digest32;
use crate::message::{Commitment, HeaderVote, SignedCommitment, dealing_context, dealings_root};
use crate::pvss::{self, Dealing, MAX_TICKETS};
use crate::reject::Reject;
use crate::schedule::Schedule;

/// A beacon of 512 members, or a dealing at 683 tickets.
pub const EVIDENCE_LIMITS: Limits = Limits::bytes(64 << 10);

/// One C for position 0 and one for each ticket.
const MOST_POINTS: usize = MAX_TICKETS + 1;

/// One dealing of a signed commitment that does not verify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadDealing {
    pub signed: SignedCommitment,
    /// The hashes of the commitment's dealings, whose root it signs.
    pub hashes: Vec<Digest32>,
    /// Which of them, from 0.
    pub index: u16,
    pub dealing: Dealing,
}

impl BadDealing {
    /// The first dealing of `commitment` that is not too long among those at the `refused` places, which do not verify;
    /// `None` if there is none. `hashes` are those of its dealings.
    pub fn find(commitment: &Commitment, hashes: Vec<Digest32>, refused: &[u16]) -> Option<BadDealing> {
        let dealings = refused.iter().filter_map(|index| Some((*index, commitment.dealings.get(usize::from(*index))?)));
        let (index, dealing) = dealings.into_iter().find(|(_, dealing)| dealing.c.len() <= MOST_POINTS)?;
        Some(BadDealing { signed: commitment.signed, hashes, index, dealing: dealing.clone() })
    }

    /// [evidence-4]
    fn verify(&self, chain: &Digest32, schedule: &Schedule, committee: &Committee) -> Result<(), Reject> {
        let body = &self.signed.body;
        if body.epoch != committee.epoch() {
            return Err(Reject::NotEvidence); // good for no epoch: nobody ever took it for a commitment
        }
        if self.hashes.len() as u64 != schedule.window {
            return Err(Reject::BadCount);
        }
        if self.dealing.c.len() > MOST_POINTS {
            return Err(Reject::TooLong);
        }
        if dealings_root(&self.hashes) != body.root {
            return Err(Reject::WrongRoot);
        }
        self.signed.verify(chain, committee.signers())?;
        let round = schedule.rounds_of(body.window).nth(usize::from(self.index)).ok_or(Reject::BadPosition)?;
        let context = dealing_context(chain, committee, round, body.member);
        if self.hashes.get(usize::from(self.index)) != Some(&self.dealing.hash(&context)) {
            return Err(Reject::WrongRoot);
        }
        match pvss::verify(&self.dealing, &context, committee.ticket_set()) {
            Ok(_) => Err(Reject::NotEvidence),
            Err(_) => Ok(()),
        }
    }
}

/// The crimes that can be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Crime {
    TwoCommitments,
    BadDealing,
    TwoProposals,
    TwoVotes,
    TwoHeaderVotes,
    UncertifiedHeader,
}

impl Crime {
    /// What the member did, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Crime::TwoCommitments => "two commitments for one window",
            Crime::BadDealing => "signed dealings that do not verify",
            Crime::TwoProposals => "two proposals of one round",
            Crime::TwoVotes => "two votes of one step",
            Crime::TwoHeaderVotes => "two header votes for one round",
            Crime::UncertifiedHeader => "a header vote against the certified header",
        }
    }
}

/// Proof of a crime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    TwoCommitments { first: SignedCommitment, second: SignedCommitment },
    BadDealing(Box<BadDealing>),
    TwoProposals { first: ProposalHead, second: ProposalHead },
    TwoVotes { first: SignedVote, second: SignedVote },
    TwoHeaderVotes { first: HeaderVote, second: HeaderVote },
    UncertifiedHeader { vote: HeaderVote, beacon: Box<Beacon> },
}

impl Evidence {
    pub fn crime(&self) -> Crime {
        match self {
            Evidence::TwoCommitments { .. } => Crime::TwoCommitments,
            Evidence::BadDealing(_) => Crime::BadDealing,
            Evidence::TwoProposals { .. } => Crime::TwoProposals,
            Evidence::TwoVotes { .. } => Crime::TwoVotes,
            Evidence::TwoHeaderVotes { .. } => Crime::TwoHeaderVotes,
            Evidence::UncertifiedHeader { .. } => Crime::UncertifiedHeader,
        }
    }

    /// The accused, by its index in the committee of [`Self::epoch`].
    pub fn member(&self) -> u16 {
        match self {
            Evidence::TwoCommitments { first, .. } => first.body.member,
            Evidence::BadDealing(bad) => bad.signed.body.member,
            Evidence::TwoProposals { first, .. } => first.proposal.member,
            Evidence::TwoVotes { first, .. } => first.vote.member,
            Evidence::TwoHeaderVotes { first, .. } => first.member,
            Evidence::UncertifiedHeader { vote, .. } => vote.member,
        }
    }

    /// The window that the crime was committed in.
    pub fn window(&self, schedule: &Schedule) -> u64 {
        match self {
            Evidence::TwoCommitments { first, .. } => first.body.window,
            Evidence::BadDealing(bad) => bad.signed.body.window,
            Evidence::TwoProposals { first, .. } => first.proposal.height,
            Evidence::TwoVotes { first, .. } => first.vote.height,
            Evidence::TwoHeaderVotes { first, .. } => schedule.window_of(first.round),
            Evidence::UncertifiedHeader { vote, .. } => schedule.window_of(vote.round),
        }
    }

    /// The epoch whose committee judges it. [evidence-1]
    pub fn epoch(&self, schedule: &Schedule) -> u64 {
        schedule.epoch_of_window(self.window(schedule))
    }

    /// Whether the preimages are of one member, for one place, and contradict each other. [evidence-2]
    fn contradicts(&self) -> bool {
        match self {
            Evidence::TwoCommitments { first, second } => {
                let (a, b) = (&first.body, &second.body);
                (a.member, a.window) == (b.member, b.window) && a != b
            }
            Evidence::BadDealing(_) => true,
            Evidence::TwoProposals { first, second } => first.proposal.conflicts_with(&second.proposal),
            Evidence::TwoVotes { first, second } => first.vote.conflicts_with(&second.vote),
            Evidence::TwoHeaderVotes { first: a, second: b } => {
                (a.member, a.round) == (b.member, b.round) && a.header != b.header
            }
            Evidence::UncertifiedHeader { vote, beacon } => {
                beacon.header.round == vote.round && beacon.header.hash() != vote.header
            }
        }
    }

    /// Whether the accusation holds, under the committee of [`Self::epoch`]. [evidence-3]
    pub fn verify(&self, chain: &Digest32, schedule: &Schedule, committee: &Committee) -> Result<(), Reject> {
        if self.window(schedule) == 0 || self.epoch(schedule) != committee.epoch() {
            return Err(Reject::WrongEpoch);
        }
        if !self.contradicts() {
            return Err(Reject::NotEvidence);
        }
        let signers = committee.signers();
        let key = signers.verifier(self.member())?;
        match self {
            Evidence::TwoCommitments { first, second } => {
                first.verify(chain, signers)?;
                second.verify(chain, signers)
            }
            Evidence::BadDealing(bad) => bad.verify(chain, schedule, committee),
            Evidence::TwoProposals { first, second } => {
                first.verify(chain, key)?;
                second.verify(chain, key)
            }
            Evidence::TwoVotes { first, second } => {
                first.verify(chain, key)?;
                second.verify(chain, key)
            }
            Evidence::TwoHeaderVotes { first, second } => {
                first.verify(chain, signers)?;
                second.verify(chain, signers)
            }
            Evidence::UncertifiedHeader { vote, beacon } => {
                vote.verify(chain, signers)?;
                beacon.verify(chain, schedule, signers).map(|_| ())
            }
        }
    }
}
