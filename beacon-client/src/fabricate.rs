//! Valid chains signed with test keys: for tests, benchmarks and demonstrations of millions of rounds.
//!
//! Links, schedule, hand-overs between epochs, MMR roots, signer lists and certificates are real; what nodes alone could
//! check is not there: outputs are hashes of the seed, and there are no dealings behind them. All keys follow from the
//! seed, so such a chain is worth nothing to anybody who does not distrust it.

use std::io::{self, Write};

use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{Beacon, Header};
use beacon_spec::committee::{Signer, SignerList, Signers};
use beacon_spec::genesis::{Draft, DraftMember, LightGenesis, Parameters};
use beacon_spec::hash::{Digest32, Hasher};
use beacon_spec::keys::{IdentityKey, SecretKey};
use beacon_spec::message::HeaderVote;
use beacon_spec::mmr::{self, Mmr, MmrProof};
use beacon_spec::reject::Reject;
use beacon_spec::schedule::Schedule;

use crate::chainfile::Writer;

const TAG: &str = "beacon-client/1/fabricate";

/// What to fabricate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// 1..=512 members; one weight each.
    pub weights: Vec<u64>,
    pub schedule: Schedule,
    /// Everything random-looking follows from it.
    pub seed: u64,
    /// From this round on outputs differ from those of the same plan without a fork.
    pub fork: Option<u64>,
}

impl Plan {
    /// Equal weights, one epoch longer than any test, rounds three seconds apart from 2024-01-01 on.
    pub fn new(members: usize) -> Plan {
        let schedule = Schedule { genesis_time: 1_704_067_200_000, period: 3000, window: 1, epoch_windows: 1 << 32 };
        Plan { weights: vec![1; members], schedule, seed: 0, fork: None }
    }

    #[must_use]
    pub fn seed(mut self, seed: u64) -> Plan {
        self.seed = seed;
        self
    }

    /// Rounds of a window and windows of an epoch.
    #[must_use]
    pub fn epochs(mut self, window: u64, epoch_windows: u64) -> Plan {
        self.schedule.window = window;
        self.schedule.epoch_windows = epoch_windows;
        self
    }

    /// Due time of round 1 in Unix milliseconds, and the distance between rounds in milliseconds.
    #[must_use]
    pub fn times(mut self, genesis_time: u64, period: u64) -> Plan {
        self.schedule.genesis_time = genesis_time;
        self.schedule.period = period;
        self
    }

    #[must_use]
    pub fn fork(mut self, round: u64) -> Plan {
        self.fork = Some(round);
        self
    }

    fn digest(&self, what: u64, a: u64, b: u64) -> Digest32 {
        Hasher::new(TAG).u64(self.seed).u64(what).u64(a).u64(b).finish()
    }
}

/// A chain in the making: gives one header after the other and signs on demand.
pub struct Fabricator {
    plan: Plan,
    genesis: LightGenesis,
    chain: Digest32,
    /// Identity secrets' owners in member order: the number that the voting keys derive from.
    owners: Vec<u64>,
    signers: Signers,
    keys: Vec<SecretKey>,
    next: (u64, Digest32),
    mmr: Mmr,
}

impl Fabricator {
    /// Refuses what a genesis would refuse: no or too many members, weights and times out of range. A member with a
    /// third of the weight gets the development exemption.
    pub fn new(plan: Plan) -> Result<Fabricator, Reject> {
        let mut members: Vec<(IdentityKey, u64, u64)> = plan
            .weights
            .iter()
            .zip(0u64..)
            .map(|(weight, owner)| (SecretKey::from_seed(&plan.digest(0, owner, 0).0).identity(), *weight, owner))
            .collect();
        members.sort_unstable();
        let owners = members.iter().map(|member| member.2).collect::<Vec<_>>();
        let total = plan.weights.iter().fold(0u64, |sum, weight| sum.saturating_add(*weight));
        let draft = Draft {
            version: beacon_spec::VERSION,
            name: "fabricated".into(),
            parameters: Parameters {
                schedule: plan.schedule,
                catch_up_interval: (plan.schedule.period / 2).min(60_000),
                lead: 0,
                recovery_delay: 0,
                grace: 0,
                registrations_per_value: u16::MAX,
                development_exemption: plan.weights.iter().any(|weight| weight.saturating_mul(3) >= total),
            },
            members: members
                .iter()
                .map(|(identity, weight, _)| DraftMember { identity: *identity, weight: *weight })
                .collect(),
            predecessor: None,
        };
        let keys = voting_keys(&plan, &owners, 1);
        let list = signer_list(&plan, &draft, &keys, 1);
        let genesis = LightGenesis { draft, signers: list, bundles: plan.digest(5, 0, 0) };
        let chain = genesis.chain();
        let (_, signers) = genesis.clone().check(&chain)?;
        Ok(Fabricator { plan, genesis, chain, owners, signers, keys, next: (1, chain), mmr: Mmr::new() })
    }

    pub fn chain(&self) -> Digest32 {
        self.chain
    }

    pub fn genesis(&self) -> &LightGenesis {
        &self.genesis
    }

    /// The committee of the next header.
    pub fn signers(&self) -> &Signers {
        &self.signers
    }

    /// The next header. After the last of an epoch call [`Fabricator::hand_over`] before the next.
    pub fn header(&mut self) -> Result<Header, Reject> {
        let (round, previous) = self.next;
        let schedule = self.plan.schedule;
        let committee = self.signers.hash();
        let salt = self.plan.fork.map_or(0, |fork| u64::from(round >= fork));
        let next_committee = match schedule.is_last_round_of_epoch(round) {
            true => self.next_list().hash(),
            false => committee,
        };
        let header = Header {
            version: beacon_spec::VERSION,
            chain: self.chain,
            round,
            due: schedule.time_of(round)?,
            previous,
            epoch: schedule.epoch_of(round),
            committee,
            next_committee,
            window: schedule.window_of(round),
            dealing_set: self.plan.digest(3, round, salt),
            weight: self.signers.total_weight(),
            contributors: u32::try_from(self.signers.len()).unwrap_or(u32::MAX),
            mmr: self.mmr.root(),
            output: self.plan.digest(4, round, salt),
        };
        let hash = header.hash();
        self.mmr.append(round, hash);
        self.next = (round + 1, hash);
        Ok(header)
    }

    /// Signs a header of the epoch in force with the heaviest members that make a quorum.
    pub fn certify(&self, header: &Header) -> Certificate {
        let digest = HeaderVote::digest(&header.chain, header.round, &header.hash());
        let mut members: Vec<u16> = (0u16..).take(self.signers.len()).collect();
        members.sort_by_key(|member| std::cmp::Reverse(self.signers.weight(*member)));
        let mut weight = 0;
        let quorum = members.iter().take_while(|member| {
            let more = !self.signers.is_quorum(weight);
            weight += self.signers.weight(**member);
            more
        });
        let mut votes: Vec<_> = quorum.map(|member| (*member, self.keys[usize::from(*member)].sign(&digest))).collect();
        votes.sort_unstable_by_key(|vote| vote.0);
        Certificate::assemble(&votes, &self.signers).expect("the members were taken until they were a quorum")
    }

    /// Goes to the next epoch with new voting keys, and gives its signer list.
    pub fn hand_over(&mut self) -> Result<SignerList, Reject> {
        let list = self.next_list();
        self.keys = voting_keys(&self.plan, &self.owners, list.epoch);
        self.signers = Signers::new(list.clone())?;
        Ok(list)
    }

    fn next_list(&self) -> SignerList {
        let epoch = self.signers.epoch() + 1;
        signer_list(&self.plan, &self.genesis.draft, &voting_keys(&self.plan, &self.owners, epoch), epoch)
    }
}

fn voting_keys(plan: &Plan, owners: &[u64], epoch: u64) -> Vec<SecretKey> {
    owners.iter().map(|owner| SecretKey::from_seed(&plan.digest(1, *owner, epoch).0)).collect()
}

fn signer_list(plan: &Plan, draft: &Draft, keys: &[SecretKey], epoch: u64) -> SignerList {
    let signer = |(member, key): (&DraftMember, &SecretKey)| Signer {
        identity: member.identity,
        weight: member.weight,
        voting_key: key.voting(),
    };
    let signers = draft.members.iter().zip(keys).map(signer).collect();
    SignerList { epoch, membership: 0, signers, ticket_root: plan.digest(2, epoch, 0) }
}

/// Streams a chain file of `rounds` rounds. Certificates are on the last header of each epoch, on every `every`-th
/// round if that is not 0, and on the last. Returns the chain hash; a million rounds take seconds.
pub fn write<W: Write>(plan: Plan, rounds: u64, every: u64, out: W) -> io::Result<(Digest32, W)> {
    let mut fabricator = Fabricator::new(plan).map_err(io::Error::other)?;
    let schedule = fabricator.plan.schedule;
    let mut writer = Writer::new(out, fabricator.genesis())?;
    for round in 1..=rounds {
        let header = fabricator.header().map_err(io::Error::other)?;
        writer.header(&header)?;
        let hands_over = schedule.is_last_round_of_epoch(round);
        if hands_over || round == rounds || (every > 0 && round.is_multiple_of(every)) {
            writer.certificate(&fabricator.certify(&header))?;
        }
        if hands_over {
            writer.signers(&fabricator.hand_over().map_err(io::Error::other)?)?;
        }
    }
    Ok((fabricator.chain(), writer.finish()?))
}

/// A whole chain in memory, as a server would hold it, every round certified.
pub struct Chain {
    pub chain: Digest32,
    pub genesis: LightGenesis,
    /// Round r at `beacons[r − 1]`.
    pub beacons: Vec<Beacon>,
    /// Epoch e at `committees[e − 1]`.
    pub committees: Vec<SignerList>,
    /// MMR nodes by position.
    nodes: Vec<Digest32>,
}

impl Chain {
    pub fn build(plan: Plan, rounds: u64) -> Result<Chain, Reject> {
        let mut fabricator = Fabricator::new(plan)?;
        let schedule = fabricator.plan.schedule;
        let mut chain = Chain {
            chain: fabricator.chain(),
            genesis: fabricator.genesis().clone(),
            beacons: Vec::new(),
            committees: vec![fabricator.genesis().signers.clone()],
            nodes: Vec::new(),
        };
        let mut range = Mmr::new();
        for round in 1..=rounds {
            let header = fabricator.header()?;
            chain.nodes.extend(range.append(round, header.hash()).into_iter().map(|(_, node)| node));
            let certificate = fabricator.certify(&header);
            chain.beacons.push(Beacon { header, certificate });
            if schedule.is_last_round_of_epoch(round) {
                chain.committees.push(fabricator.hand_over()?);
            }
        }
        Ok(chain)
    }

    pub fn beacon(&self, round: u64) -> Option<&Beacon> {
        self.beacons.get(usize::try_from(round.checked_sub(1)?).ok()?)
    }

    pub fn committee(&self, epoch: u64) -> Option<&SignerList> {
        self.committees.get(usize::try_from(epoch.checked_sub(1)?).ok()?)
    }

    /// That `round` is under the root which the header of `head` carries.
    pub fn proof(&self, round: u64, head: u64) -> Option<MmrProof> {
        self.beacon(head)?;
        mmr::prove(round, head - 1, |position| self.nodes.get(usize::try_from(position).ok()?).copied())
    }
}
