//! The registry: what the next epoch's committee will be made of.
//!
//! It starts empty with each epoch, grows with the decided values of the epoch's windows but the last two, and then
//! gives the next committee, identically to all. Every value carries the registry's hash after it, so that whoever
//! joins in the middle of an epoch can take the registry from anyone.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::bundle::{KeyBundle, MAX_TICKET_KEYS};
use crate::codec::encode;
use crate::committee::{Committee, MAX_MEMBERS, MAX_WEIGHT, Member};
use crate::hash::{Digest32, Hasher, tag};
use crate::keys::{IdentityKey, PointBytes, SecretKey, Signature, Verifier, VotingKey};
use crate::message::{Amendment, Change, Registration, Value};
use crate::reject::Reject;
use crate::schedule::Schedule;
use crate::tickets;

/// Changes that one amendment may carry.
pub const MAX_CHANGES: usize = 64;
/// Ticket keys that anybody may register, and those for each ticket of who has more.
const KEYS_OF_ANYBODY: usize = 16;
const KEYS_A_TICKET: usize = 4;

/// What of the genesis and the chain the rules of membership depend on.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    pub chain: &'a Digest32,
    pub schedule: &'a Schedule,
    pub registrations_per_value: u16,
    /// The genesis' development exemption.
    pub exempt: bool,
}

/// Bundles registered for the next epoch, and the pending amendment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// The epoch in which it grows.
    pub epoch: u64,
    /// By member, strictly increasing.
    pub registered: Vec<Registration>,
    pub pending: Option<Amendment>,
}

impl Amendment {
    /// What approvals sign: everything but the approvals. [registry-1]
    pub fn digest(&self, chain: &Digest32) -> Digest32 {
        Hasher::new(tag::AMENDMENT)
            .fixed(&chain.0)
            .u64(self.follows)
            .u64(self.expires)
            .framed(&encode(&self.changes))
            .finish()
    }

    /// Signs the amendment with a member's identity key and keeps the approvals sorted; a second one replaces the
    /// first.
    pub fn approve(&mut self, chain: &Digest32, member: u16, identity: &SecretKey) {
        let signature = identity.sign(&self.digest(chain));
        self.approvals.retain(|(other, _)| *other != member);
        self.approvals.push((member, signature));
        self.approvals.sort_by_key(|(member, _)| *member);
    }

    /// Judges the approvals: sorted, genuine, more than two thirds of the weight in force. [registry-2]
    fn check_approvals(&self, chain: &Digest32, committee: &Committee) -> Result<(), Reject> {
        if self.approvals.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(Reject::NotSorted);
        }
        let digest = self.digest(chain);
        let mut weight = 0u64;
        for (member, signature) in &self.approvals {
            check_approval(&digest, *member, signature, committee)?;
            weight += committee.signers().weight(*member); // distinct members: at most the total
        }
        if committee.signers().is_quorum(weight) { Ok(()) } else { Err(Reject::NoApproval) }
    }
}

/// Judges one member's approval of the amendment with this digest. [registry-2]
pub fn check_approval(
    digest: &Digest32,
    member: u16,
    signature: &Signature,
    committee: &Committee,
) -> Result<(), Reject> {
    let identity = committee.signers().identity(member).ok_or(Reject::UnknownMember)?;
    Verifier::new(&identity.0)?.verify(digest, signature)
}

/// The keys that a new bundle must not repeat.
struct Taken {
    tickets: BTreeSet<PointBytes>,
    voting: BTreeSet<VotingKey>,
}

impl Taken {
    /// Counts the bundle's keys as taken, or refuses one that is. [registry-3]
    fn take(&mut self, bundle: &KeyBundle) -> Result<(), Reject> {
        let new = bundle.ticket_keys.iter().all(|ticket| self.tickets.insert(ticket.key));
        if new && self.voting.insert(bundle.voting_key) { Ok(()) } else { Err(Reject::DuplicateKey) }
    }
}

impl Registry {
    pub fn new(epoch: u64) -> Self {
        Registry { epoch, registered: Vec::new(), pending: None }
    }

    /// The hash that values carry. [registry-4]
    pub fn hash(&self) -> Digest32 {
        let count = u32::try_from(self.registered.len()).unwrap_or(u32::MAX);
        let mut hasher = Hasher::new(tag::REGISTRY).u64(self.epoch).u32(count);
        for registration in &self.registered {
            hasher = hasher.framed(&encode(registration));
        }
        match &self.pending {
            None => hasher.u32(0).finish(),
            Some(amendment) => hasher.u32(1).framed(&encode(amendment)).finish(),
        }
    }

    pub fn bundle_of(&self, member: u16) -> Option<&KeyBundle> {
        let index = self.registered.binary_search_by_key(&member, |registration| registration.member).ok()?;
        self.registered.get(index).map(|registration| &registration.bundle)
    }

    fn taken(&self, committee: &Committee) -> Taken {
        let in_force = committee.members().iter().map(|member| &member.bundle);
        let registered = self.registered.iter().map(|registration| &registration.bundle);
        let inside = self.pending.iter().flat_map(|amendment| &amendment.changes).filter_map(|change| match change {
            Change::Add { bundle, .. } => Some(bundle),
            Change::Remove { .. } | Change::Weight { .. } => None,
        });
        let bundles: Vec<&KeyBundle> = in_force.chain(registered).chain(inside).collect();
        Taken {
            tickets: bundles.iter().flat_map(|bundle| bundle.ticket_keys.iter().map(|ticket| ticket.key)).collect(),
            voting: bundles.iter().map(|bundle| bundle.voting_key).collect(),
        }
    }

    /// Whether values of `window` may carry registrations and amendments: all but the epoch's last two. [registry-5]
    pub fn is_open(window: u64, schedule: &Schedule) -> bool {
        let last = schedule.last_window_of_epoch(schedule.epoch_of_window(window));
        window.saturating_add(2) <= last
    }

    /// The registry after `value`, if its registrations, its amendment and its registry hash hold. [registry-6]
    pub fn after(&self, value: &Value, committee: &Committee, rules: &Rules<'_>) -> Result<Registry, Reject> {
        let carries = !value.registrations.is_empty() || value.amendment.is_some();
        if carries && !Self::is_open(value.window, rules.schedule) {
            return Err(Reject::NotAllowedHere);
        }
        if value.registrations.len() > usize::from(rules.registrations_per_value) {
            return Err(Reject::BadCount);
        }
        let mut next = self.clone();
        let mut taken = self.taken(committee);
        if let Some(amendment) = &value.amendment {
            next.amend(amendment, value.window, committee, rules, &mut taken)?;
        }
        if value.registrations.windows(2).any(|pair| pair[0].member >= pair[1].member) {
            return Err(Reject::NotSorted);
        }
        for registration in &value.registrations {
            next.register(registration, committee, rules, &mut taken)?;
        }
        if next.pending.is_some() {
            next.check_result(committee, rules)?;
        }
        if next.hash() == value.registry { Ok(next) } else { Err(Reject::WrongRegistry) }
    }

    /// Whether a registration could be included now.
    pub fn admits(
        &self,
        registration: &Registration,
        committee: &Committee,
        rules: &Rules<'_>,
    ) -> Result<Registry, Reject> {
        let mut next = self.clone();
        next.register(registration, committee, rules, &mut self.taken(committee))?;
        if next.pending.is_some() {
            next.check_result(committee, rules)?;
        }
        Ok(next)
    }

    /// Whether an amendment could be included in a value of `window`.
    pub fn admits_amendment(
        &self,
        amendment: &Amendment,
        window: u64,
        committee: &Committee,
        rules: &Rules<'_>,
    ) -> Result<Registry, Reject> {
        let mut next = self.clone();
        next.amend(amendment, window, committee, rules, &mut self.taken(committee))?;
        next.check_result(committee, rules)?;
        Ok(next)
    }

    /// Whether an amendment could be included in a value of `window` once a quorum approves of it.
    pub fn admits_proposal(
        &self,
        amendment: &Amendment,
        window: u64,
        committee: &Committee,
        rules: &Rules<'_>,
    ) -> Result<(), Reject> {
        self.check_terms(amendment, window, committee)?;
        let mut next = self.clone();
        next.adopt(amendment, rules, &mut self.taken(committee))?;
        next.check_result(committee, rules)
    }

    /// How many ticket keys a registration of `member` may have at most: more would make lists of members longer than
    /// one answer, and dear to judge. An error if the pending amendment has no result. [registry-7]
    pub fn most_keys(&self, committee: &Committee, member: u16) -> Result<usize, Reject> {
        let identity = committee.signers().identity(member).ok_or(Reject::UnknownMember)?;
        let now = committee.ticket_counts().get(usize::from(member)).map_or(0, |count| *count as usize);
        let tickets = now.max(self.pending_tickets(committee, &identity)?);
        Ok((KEYS_A_TICKET * tickets).max(KEYS_OF_ANYBODY))
    }

    /// At most one registration a member and epoch, by members only, with enough keys for the tickets in force, and not
    /// many more. [registry-7]
    fn register(
        &mut self,
        registration: &Registration,
        committee: &Committee,
        rules: &Rules<'_>,
        taken: &mut Taken,
    ) -> Result<(), Reject> {
        let member = registration.member;
        let identity = committee.signers().identity(member).ok_or(Reject::UnknownMember)?;
        let position = match self.registered.binary_search_by_key(&member, |known| known.member) {
            Ok(_) => return Err(Reject::DuplicateKey),
            Err(position) => position,
        };
        registration.bundle.verify(rules.chain, &identity, self.epoch.saturating_add(1))?;
        let tickets = committee.ticket_counts().get(usize::from(member)).copied().unwrap_or(0);
        if registration.bundle.ticket_keys.len() < tickets as usize {
            return Err(Reject::TooFewTicketKeys);
        }
        let keys = registration.bundle.ticket_keys.len();
        let many = keys > KEYS_OF_ANYBODY.max(KEYS_A_TICKET * tickets as usize);
        if many && keys > self.most_keys(committee, member)? {
            return Err(Reject::BadCount);
        }
        taken.take(&registration.bundle)?;
        self.registered.insert(position, registration.clone());
        Ok(())
    }

    /// At most one amendment an epoch: approved, timely, following the membership in force. [registry-8]
    fn amend(
        &mut self,
        amendment: &Amendment,
        window: u64,
        committee: &Committee,
        rules: &Rules<'_>,
        taken: &mut Taken,
    ) -> Result<(), Reject> {
        self.check_terms(amendment, window, committee)?;
        amendment.check_approvals(rules.chain, committee)?;
        self.adopt(amendment, rules, taken)
    }

    fn check_terms(&self, amendment: &Amendment, window: u64, committee: &Committee) -> Result<(), Reject> {
        if self.pending.is_some() {
            return Err(Reject::NotAllowedHere);
        }
        if amendment.follows != committee.membership() || window > amendment.expires {
            return Err(Reject::Expired);
        }
        let changes = amendment.changes.len();
        if changes == 0 || changes > MAX_CHANGES { Err(Reject::BadCount) } else { Ok(()) }
    }

    /// Judges the joiners' bundles and takes the amendment in.
    fn adopt(&mut self, amendment: &Amendment, rules: &Rules<'_>, taken: &mut Taken) -> Result<(), Reject> {
        for change in &amendment.changes {
            if let Change::Add { identity, bundle, .. } = change {
                bundle.verify(rules.chain, identity, self.epoch.saturating_add(1))?;
                taken.take(bundle)?;
            }
        }
        self.pending = Some(amendment.clone());
        Ok(())
    }

    /// The members as they would be with the pending amendment. [registry-9]
    fn amended(&self, committee: &Committee) -> Result<Vec<Member>, Reject> {
        let mut members: BTreeMap<IdentityKey, Member> =
            self.carried(committee).into_iter().map(|member| (member.identity, member)).collect();
        let mut named = BTreeSet::new();
        for change in self.pending.iter().flat_map(|amendment| &amendment.changes) {
            let (identity, weight) = match change {
                Change::Add { identity, weight, .. } | Change::Weight { identity, weight } => (identity, *weight),
                Change::Remove { identity } => (identity, 0),
            };
            if !named.insert(*identity) {
                return Err(Reject::DuplicateKey);
            }
            if weight > MAX_WEIGHT {
                return Err(Reject::BadWeight);
            }
            match change {
                Change::Add { bundle, .. } => {
                    let member = Member { identity: *identity, weight, bundle: bundle.clone() };
                    if members.insert(*identity, member).is_some() {
                        return Err(Reject::DuplicateKey);
                    }
                }
                Change::Remove { .. } => drop(members.remove(identity).ok_or(Reject::UnknownMember)?),
                Change::Weight { .. } => {
                    members.get_mut(identity).ok_or(Reject::UnknownMember)?.weight = weight;
                }
            }
        }
        Ok(members.into_values().collect())
    }

    /// The members in force, each with the bundle it registered or else the one it had.
    fn carried(&self, committee: &Committee) -> Vec<Member> {
        let members = committee.members().iter().zip(0u16..);
        members
            .map(|(member, index)| Member {
                bundle: self.bundle_of(index).unwrap_or(&member.bundle).clone(),
                ..member.clone()
            })
            .collect()
    }

    /// The pending amendment's result: weights in range, nobody too heavy, ticket keys enough for all. [registry-10]
    fn check_result(&self, committee: &Committee, rules: &Rules<'_>) -> Result<(), Reject> {
        let members = self.amended(committee)?;
        if members.is_empty() || members.len() > MAX_MEMBERS {
            return Err(Reject::BadCount);
        }
        let weights: Vec<u64> = members.iter().map(|member| member.weight).collect();
        let total: u64 = weights.iter().sum(); // at most 512 · 10^6
        if total == 0 {
            return Err(Reject::BadTotal);
        }
        if !rules.exempt && weights.iter().any(|weight| weight * 3 >= total) {
            return Err(Reject::TooHeavy);
        }
        let enough = tickets::assign(&weights)
            .iter()
            .zip(&members)
            .all(|(count, member)| member.bundle.ticket_keys.len() >= *count as usize);
        if enough { Ok(()) } else { Err(Reject::TooFewTicketKeys) }
    }

    /// Whether the pending amendment takes effect: members of its result that registered in this epoch make more
    /// than two thirds of its weight, so that a mistyped or dead committee never takes over. [registry-11]
    pub fn amendment_holds(&self, committee: &Committee) -> bool {
        let Ok(members) = self.amended(committee) else { return false };
        let total: u64 = members.iter().map(|member| member.weight).sum();
        let registered = |member: &&Member| {
            committee.signers().index_of(&member.identity).is_some_and(|index| self.bundle_of(index).is_some())
        };
        let alive: u64 = members.iter().filter(registered).map(|member| member.weight).sum();
        self.pending.is_some() && 3 * u128::from(alive) > 2 * u128::from(total)
    }

    /// Tickets that `identity` would have under the pending amendment; 0 without one.
    fn pending_tickets(&self, committee: &Committee, identity: &IdentityKey) -> Result<usize, Reject> {
        if self.pending.is_none() {
            return Ok(0);
        }
        let members = self.amended(committee)?;
        let weights: Vec<u64> = members.iter().map(|member| member.weight).collect();
        let counts = tickets::assign(&weights);
        let place = members.iter().position(|member| member.identity == *identity);
        Ok(place.and_then(|index| counts.get(index)).map_or(0, |count| *count as usize))
    }

    /// Ticket keys that `member` should register: twice what is needed now or under the pending amendment, so that a
    /// later amendment finds enough.
    pub fn keys_wanted(&self, committee: &Committee, member: u16) -> usize {
        let now = committee.ticket_counts().get(usize::from(member)).map_or(0, |count| *count as usize);
        let identity = committee.signers().identity(member);
        let pending = identity.and_then(|identity| self.pending_tickets(committee, &identity).ok()).unwrap_or(0);
        (2 * now.max(pending).max(1)).min(MAX_TICKET_KEYS)
    }

    /// The committee of the next epoch. [registry-12]
    pub fn next_committee(&self, committee: &Committee, exempt: bool) -> Result<Committee, Reject> {
        let epoch = committee.epoch().checked_add(1).ok_or(Reject::WrongEpoch)?;
        if self.amendment_holds(committee) {
            return Committee::new(epoch, committee.membership() + 1, self.amended(committee)?, exempt);
        }
        Committee::new(epoch, committee.membership(), self.carried(committee), exempt)
    }
}
