//! Mixing, header votes, certificates, and the growth of the chain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use beacon_spec::VERSION;
use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{Beacon, Contribution, Header, Revealed, Transcript};
use beacon_spec::committee::Committee;
use beacon_spec::evidence::{Crime, Evidence};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{IdentityKey, Signature};
use beacon_spec::message::{HeaderVote, SetEntry};
use beacon_spec::mix;
use beacon_spec::mmr::Mmr;
use beacon_spec::pvss::Secret;
use beacon_spec::reject::Reject;
use beacon_spec::sabotage::{Bug, planted};

use crate::batch::Record;
use crate::engine::Engine;
use crate::event::{Effect, Halt, Message, Recipient};
use crate::open::Round;
use crate::resend::Own as OwnMessage;

/// The certified chain, as far as the next header needs it.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// Newest certified round, 0 at the start.
    pub round: u64,
    /// Its header hash; the chain hash at the start.
    pub hash: Digest32,
    /// Over the headers of rounds 1 to `round`.
    pub mmr: Mmr,
    /// Signatures of the newest header that were verified when they came as votes.
    pub votes: BTreeMap<u16, Signature>,
    /// Whether a certificate of the newest round has gone out from here by gossip.
    pub passed_on: bool,
    /// Rounds since the start, or since the epoch began.
    under: u64,
}

/// After so many rounds under a committee its keys are prepared. Each costs about a hundred verifications of its own, and
/// every round takes several of each key.
const PREPARE_AFTER: u64 = 32;

impl Chain {
    pub(crate) fn new(round: u64, hash: Digest32, mmr: Mmr) -> Chain {
        Chain { round, hash, mmr, votes: BTreeMap::new(), passed_on: false, under: 0 }
    }
}

/// Members that gossip the beacon of a round; the others keep quiet unless asked.
const PUBLISHERS: u64 = 2;

impl Engine {
    pub(crate) fn try_certify(&mut self) -> bool {
        self.try_mix() | self.try_assemble()
    }

    /// Mixes once every secret of the decided set is known, and votes for the header. [mix-4] [certify-5]
    fn try_mix(&mut self) -> bool {
        if self.round.header.is_some() || self.round.settled {
            return false;
        }
        let Some(set) = self.decided_set() else { return false };
        let known = |entry: &SetEntry| Some((entry.member, self.secret(entry.member)?));
        let late = self.round.quorum_at.is_some() && planted(Bug::MixedWithoutTheMissing);
        let secrets: Option<Vec<(u16, Secret)>> =
            if late { Some(set.iter().filter_map(known).collect()) } else { set.iter().map(known).collect() };
        let Some(secrets) = secrets else { return false };
        let set = set.to_vec();
        let Some(committee) = self.committee_of_window(self.current_window()) else { return false };
        let Some(header) = self.header(&set, &secrets, &committee) else { return false };
        let hash = header.hash();
        let round = header.round;
        self.round.header = Some((header, hash));
        if let Some(own) = self.own(&committee) {
            let vote = HeaderVote::make(&self.config.chain, round, own.member, hash, &own.secrets.voting);
            self.send(Recipient::Members, Message::HeaderVote(vote), 0);
            self.resend_later(OwnMessage::HeaderVote(round));
            if let Some(window) = self.windows.get_mut(&self.config.parameters.schedule.window_of(round)) {
                window.votes.insert((round, own.member), vote);
            }
        }
        true
    }

    /// The header of the next round: every field follows from the chain and the secrets. [chain-1]
    fn header(&mut self, set: &[SetEntry], secrets: &[(u16, Secret)], committee: &Committee) -> Option<Header> {
        let round = self.chain.round + 1;
        let schedule = self.schedule();
        let index = self.index_in_window(round);
        let window = self.windows.get(&schedule.window_of(round))?;
        let hashes: Option<Vec<(u16, Digest32)>> =
            set.iter().map(|entry| Some((entry.member, window.dealing(entry, index)?.hash()))).collect();
        let dealing_set = mix::dealing_set_root(round, &hashes?);
        let next_committee = self.next_committee(round, committee)?; // unknown: others certify, and it is fetched
        let signers = committee.signers();
        Some(Header {
            version: VERSION,
            chain: self.config.chain,
            round,
            due: schedule.time_of(round).ok()?,
            previous: self.chain.hash,
            epoch: committee.epoch(),
            committee: committee.hash(),
            next_committee,
            window: schedule.window_of(round),
            dealing_set,
            weight: set.iter().map(|entry| signers.weight(entry.member)).sum(),
            contributors: u32::try_from(set.len()).ok()?,
            mmr: self.chain.mmr.root(),
            output: mix::output(&self.config.chain, round, &self.chain.hash, &dealing_set, secrets),
        })
    }

    /// The committee hash that the header of `round` hands over to. [chain-6]
    fn next_committee(&self, round: u64, committee: &Committee) -> Option<Digest32> {
        if self.schedule().is_last_round_of_epoch(round) {
            Some(self.committee(committee.epoch() + 1)?.hash())
        } else {
            Some(committee.hash())
        }
    }

    /// The first header vote of each member and round counts, whoever brings it: it signs chain, round and header.
    /// [certify-6]
    pub(crate) fn on_header_vote(&mut self, from: IdentityKey, vote: HeaderVote) {
        if !self.is_near(vote.round) {
            return;
        }
        let chain = self.config.chain;
        let number = self.schedule().window_of(vote.round);
        let Some(committee) = self.committee_of_window(number) else { return };
        let Some(window) = self.window_mut(number) else { return };
        let known = window.votes.get(&(vote.round, vote.member)).copied();
        if known.is_some_and(|known| known.header == vote.header) && !planted(Bug::RepetitionIsACrime) {
            return;
        }
        let proven = known.is_some() && !self.is_news(number, vote.member, Crime::TwoHeaderVotes);
        if proven && !planted(Bug::RepetitionIsACrime) {
            return;
        }
        if let Err(reason) = vote.verify(&chain, committee.signers()) {
            return self.blame(from, reason);
        }
        match known {
            None => {
                if let Some(window) = self.window_mut(number) {
                    window.votes.insert((vote.round, vote.member), vote);
                }
                self.round.settled = false;
            }
            Some(first) => self.accuse(Evidence::TwoHeaderVotes { first, second: vote }),
        }
    }

    /// Certifies the own header once votes for it carry a quorum. [certify-2]
    fn try_assemble(&mut self) -> bool {
        if self.round.settled {
            return false;
        }
        let Some((header, hash)) = self.round.header.clone() else { return false };
        let Some(committee) = self.committee_of_window(header.window) else { return false };
        let votes: Vec<(u16, Signature)> = self.votes_for(header.round, header.window, &hash).into_iter().collect();
        let Some(certificate) = Certificate::assemble(&votes, committee.signers()) else { return false };
        let transcript = self.transcript();
        let beacon = Beacon { header, certificate };
        let members = committee.signers().len() as u64;
        let publishes = self
            .own(&committee)
            .is_some_and(|own| (u64::from(own.member) + beacon.header.round) % members < PUBLISHERS);
        if publishes {
            self.send(Recipient::Gossip, Message::Beacon(Box::new(beacon.clone())), 0);
        }
        self.adopt(beacon, hash, transcript);
        self.chain.passed_on = publishes;
        true
    }

    /// What the next round's output is mixed from, once all of it is known.
    fn transcript(&self) -> Option<Transcript> {
        let round = self.chain.round + 1;
        let index = self.index_in_window(round);
        let window = self.windows.get(&self.current_window())?;
        let decided = window.decision.as_ref()?;
        let contributions: Option<Vec<Contribution>> = decided
            .decision
            .value
            .set
            .iter()
            .map(|entry| {
                let revealed = match decided.openings.get(&(round, entry.member)) {
                    Some((d, _)) => Revealed::Opened(*d),
                    None => Revealed::Recovered(self.round.recovered.get(&entry.member)?.1.clone()),
                };
                let dealing = window.dealing(entry, index)?.dealing().clone();
                Some(Contribution { member: entry.member, dealing, revealed })
            })
            .collect();
        Some(Transcript { round, contributions: contributions? })
    }

    /// Judges a beacon that follows the head. [certify-7]
    pub(crate) fn check_next(&self, beacon: &Beacon) -> Result<Digest32, Reject> {
        let header = &beacon.header;
        if header.round != self.chain.round + 1 {
            return Err(Reject::WrongRound);
        }
        if header.previous != self.chain.hash {
            return Err(Reject::BrokenLink);
        }
        if header.mmr != self.chain.mmr.root() {
            return Err(Reject::BadMmr);
        }
        let schedule = self.schedule();
        let committee = self.committee(schedule.epoch_of(header.round)).ok_or(Reject::WrongCommittee)?;
        let hash = beacon.verify(&self.config.chain, &schedule, committee.signers())?;
        match self.next_committee(header.round, &committee) {
            Some(next) if next != header.next_committee => Err(Reject::WrongCommittee),
            // Not known here: the quorum that signed the header answers for it.
            _ => Ok(hash),
        }
    }

    /// Whether the next round's committee is here. Without it nothing about the round can be judged.
    pub(crate) fn can_judge_next(&self) -> bool {
        self.committees.contains_key(&self.schedule().epoch_of(self.chain.round + 1))
    }

    /// A beacon from gossip: the next one is adopted, the newest one passed on, and a later one says how far others
    /// are. [certify-8]
    pub(crate) fn on_beacon(&mut self, from: IdentityKey, beacon: Beacon) {
        let round = beacon.header.round;
        if round < self.chain.round {
            return;
        }
        if round == self.chain.round {
            return self.pass_on(from, &beacon);
        }
        if round > self.chain.round + 1 || !self.can_judge_next() {
            return self.heard_of(from, round);
        }
        match self.check_next(&beacon) {
            Ok(hash) => {
                self.out.relay = true;
                let transcript = self.round.header.is_some().then(|| self.transcript()).flatten();
                self.adopt(beacon, hash, transcript);
                self.chain.passed_on = true;
            }
            Err(reason) => self.blame(from, reason),
        }
    }

    /// The newest round from gossip, which is here already: the first of its certificates goes on to peers that certify
    /// nothing themselves. What came as votes before is not verified again. [certify-8]
    fn pass_on(&mut self, from: IdentityKey, beacon: &Beacon) {
        let hash = beacon.header.hash();
        if self.chain.passed_on || hash != self.chain.hash {
            return;
        }
        let Some(committee) = self.committee(beacon.header.epoch) else { return };
        let known = |member, signature: &Signature| self.chain.votes.get(&member) == Some(signature);
        match beacon.certificate.verify_knowing(
            (&self.config.chain, beacon.header.round, &hash),
            committee.signers(),
            known,
        ) {
            Ok(()) => {
                self.out.relay = true;
                self.chain.passed_on = true;
            }
            Err(reason) => self.blame(from, reason),
        }
    }

    /// The votes held for this header, each verified when it came.
    fn votes_for(&self, round: u64, window: u64, hash: &Digest32) -> BTreeMap<u16, Signature> {
        let Some(window) = self.windows.get(&window) else { return BTreeMap::new() };
        let votes = window.votes.range((round, 0)..=(round, u16::MAX)).filter(|(_, vote)| vote.header == *hash);
        votes.map(|((_, member), vote)| (*member, vote.signature)).collect()
    }

    /// Appends a certified beacon to the chain. An own header that differs stops the node. [certify-9]
    pub(crate) fn adopt(&mut self, beacon: Beacon, hash: Digest32, transcript: Option<Transcript>) {
        let round = beacon.header.round;
        if let Some((_, own)) = &self.round.header
            && *own != hash
        {
            return self.halt(Halt::ForkedHeader { round, own: *own, certified: hash });
        }
        self.judge_votes(&beacon);
        self.count_participation(&beacon, transcript.as_ref());
        let nodes = self.chain.mmr.append(round, hash);
        self.chain.round = round;
        self.chain.hash = hash;
        self.chain.votes = self.votes_for(round, beacon.header.window, &hash);
        self.chain.passed_on = false;
        let record = Record::Round { beacon: Box::new(beacon.clone()), nodes, mmr: self.chain.mmr.clone() };
        self.persist(record, false);
        match &transcript {
            Some(transcript) => drop(self.persist(Record::Transcript(Box::new(transcript.clone())), false)),
            None => self.sync.miss_transcript(round),
        }
        let recovered: BTreeSet<u16> = self.round.recovered.keys().copied().collect();
        let previous_open = self.round.opened_at.or(self.round.previous_open);
        self.round = Round { slow: recovered, previous_open, ..Round::default() };
        if self.schedule().is_last_round_of_epoch(round) {
            self.round.slow.clear(); // the next epoch numbers its members anew
        }
        self.sync.head_since = self.now;
        self.prepare_keys(beacon.header.epoch, round);
        self.note_hand_over(round, beacon.header.next_committee);
        self.plan_erasure(round);
        self.drop_past_windows();
        self.drop_past_registries();
        self.out.effects.push(Effect::Publish { beacon: Arc::new(beacon), transcript: transcript.map(Arc::new) });
    }

    /// Prepares the keys of a committee that stays in force for a while.
    fn prepare_keys(&mut self, epoch: u64, round: u64) {
        self.chain.under += 1;
        if self.chain.under == PREPARE_AFTER
            && let Some(committee) = self.committees.get_mut(&epoch)
        {
            *committee = Arc::new(Committee::clone(committee).prepared());
        }
        if self.schedule().is_last_round_of_epoch(round) {
            self.chain.under = 0;
        }
    }

    /// Forgets windows that are certified whole. The last of them stays on disk for peers that are behind.
    fn drop_past_windows(&mut self) {
        if planted(Bug::PastWindowsKept) {
            return;
        }
        let current = self.current_window();
        let before = self.windows.len();
        self.windows = self.windows.split_off(&current);
        if self.windows.len() < before && current > 2 {
            self.persist(Record::Forget { window: current - 2 }, false);
        }
    }
}
