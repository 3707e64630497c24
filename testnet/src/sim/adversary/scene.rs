//! What an adversary knows and can do.

use std::sync::Arc;

use beacon_engine::engine::BundleSecrets;
use beacon_engine::event::Message;
use beacon_engine::job::{DealJob, Job, JobResult};
use beacon_spec::committee::Committee;
use beacon_spec::evidence::Crime;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::SecretKey;
use beacon_spec::message::{Commitment, DealerShares, Shares, Value};
use beacon_spec::pvss::{self, Dealing};
use beacon_spec::schedule::Schedule;
use zeroize::Zeroizing;

use crate::sim::net::Net;
use crate::sim::post::Parcel;
use crate::sim::rng::Rng;

/// The place of one member in the network.
pub struct Scene<'a> {
    net: &'a mut Net,
    pub me: usize,
    pub now: u64,
    pub chain: Digest32,
    pub schedule: Schedule,
}

impl Scene<'_> {
    pub(super) fn new(net: &mut Net, me: usize) -> Scene<'_> {
        let (now, schedule, chain) = (net.now, net.schedule, net.nodes[me].config.chain);
        Scene { me, now, chain, schedule, net }
    }

    pub fn rng(&mut self) -> &mut Rng {
        &mut self.net.adversaries.rng
    }

    /// Counts a crime that was committed.
    pub fn acted(&mut self, name: &'static str) {
        *self.net.adversaries.counts.entry(name).or_default() += 1;
    }

    /// Notes an own crime that others may prove.
    pub fn guilty(&mut self, crime: Crime) {
        self.net.adversaries.crimes.insert((self.me, crime));
    }

    pub fn committee(&self, window: u64) -> Option<Arc<Committee>> {
        self.net.committees.get(&self.schedule.epoch_of_window(window)).cloned()
    }

    /// The own place in the committee of `window`, if it is of it.
    pub fn member(&self, window: u64) -> Option<u16> {
        self.committee(window)?.signers().index_of(&self.net.nodes[self.me].config.identity)
    }

    /// The node of a member.
    pub fn node_of(&self, committee: &Committee, member: u16) -> Option<usize> {
        let identity = committee.signers().identity(member)?;
        self.net.nodes.iter().position(|node| node.config.identity == identity)
    }

    /// The own secrets in a committee.
    fn secrets(&self, committee: &Committee) -> Option<Arc<BundleSecrets>> {
        let config = &self.net.nodes[self.me].config;
        let member = committee.members().iter().find(|member| member.identity == config.identity)?;
        config.bundles.iter().find(|bundle| bundle.voting.voting() == member.bundle.voting_key).cloned()
    }

    /// The own voting key in a committee.
    pub fn key(&self, committee: &Committee) -> Option<SecretKey> {
        Some(self.secrets(committee)?.voting.clone())
    }

    /// The own shares of the own decided dealing of `round`, which its dealer has no need to send.
    pub fn own_dealing_shared(&self, round: u64) -> Option<Shares> {
        let window = self.schedule.window_of(round);
        let (committee, member) = (self.committee(window)?, self.member(window)?);
        let decision = self.net.nodes[self.me].disk.decisions.get(&window)?;
        let entry = decision.value.set.iter().find(|entry| entry.member == member)?;
        let index = (round - self.schedule.rounds_of(window).start()) as usize;
        let dealing = self.net.ledger.verified.get(&entry.commitment)?.dealings().get(index)?;
        let secrets = self.secrets(&committee)?;
        let shares = committee
            .positions(member)
            .zip(&secrets.tickets)
            .filter_map(|(position, secret)| pvss::share(secret, position, dealing, committee.ticket_set()).ok())
            .collect();
        Some(Shares { round, member, dealers: vec![DealerShares { dealer: member, shares }] })
    }

    /// Everyone but itself.
    pub fn everyone(&self) -> Vec<usize> {
        (0..self.net.nodes.len()).filter(|node| *node != self.me).collect()
    }

    pub fn is_adversary(&self, node: usize) -> bool {
        node == self.me || self.net.adversaries.is_adversary(node)
    }

    pub fn message(&self, message: Message) -> Parcel {
        Parcel { to: self.everyone(), gossip: false, message }
    }

    pub fn gossip(&self, message: Message) -> Parcel {
        Parcel { gossip: true, ..self.message(message) }
    }

    /// Makes honest dealings from a fresh seed.
    pub fn deal(&mut self, window: u64) -> Option<Commitment> {
        let committee = self.committee(window)?;
        let key = self.key(&committee)?;
        let seed = Zeroizing::new(self.rng().bytes());
        let (chain, schedule, member) = (self.chain, self.schedule, self.member(window)?);
        let job = Job::Deal(Box::new(DealJob { chain, schedule, committee, window, member, seed, key }));
        match self.net.ledger.run(job, &[0; 32], false) {
            JobResult::Dealt { commitment, .. } => Some(*commitment),
            JobResult::Verified { .. } => None,
        }
    }

    /// Signs dealings of whatever kind.
    pub fn commit(&self, window: u64, dealings: Vec<Dealing>) -> Option<Commitment> {
        let committee = self.committee(window)?;
        let key = self.key(&committee)?;
        let member = self.member(window)?;
        Some(Commitment::make(&self.chain, &committee, &self.schedule, window, member, dealings, &key))
    }

    /// Tells the ledger the one-time keys of own dealings.
    pub fn know_keys(&mut self, commitment: &Commitment, keys: Vec<[u8; 32]>) {
        self.net.ledger.keys.insert(commitment.signed.body.hash(&self.chain), Zeroizing::new(keys));
    }

    /// Tells the ledger that own dealings were made from another's: the own index, and whose.
    pub fn know_source(&mut self, own: &Commitment, source: &Commitment, places: &[(usize, usize)]) {
        let (own, source) = (own.signed.body.hash(&self.chain), source.signed.body.hash(&self.chain));
        for (mine, theirs) in places {
            self.net.ledger.derived.insert((own, *mine), (source, *theirs));
        }
    }

    pub fn eclipse(&mut self, victim: usize, until: u64) {
        self.net.adversaries.eclipsed = Some((victim, until));
    }

    /// Whether somebody is eclipsed already, or nobody can be.
    pub fn is_eclipse_over(&self) -> bool {
        let eclipsed = self.net.adversaries.eclipsed;
        !self.net.adversaries.calm && eclipsed.is_none_or(|(_, until)| until + 2_000 < self.now)
    }

    pub fn clock(&self) -> u64 {
        self.net.nodes[self.me].clock(self.now)
    }

    /// The value of a proposal.
    pub fn value(&self, bytes: &[u8]) -> Option<Value> {
        beacon_spec::codec::decode(bytes, &beacon_spec::message::MESSAGE_LIMITS).ok()
    }
}

/// The even nodes and the others.
pub fn halves(to: &[usize]) -> (Vec<usize>, Vec<usize>) {
    to.iter().partition(|node| **node % 2 == 0)
}
