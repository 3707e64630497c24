//! A small network with every secret known: what the vectors' generator signs with. Nothing here is random.

use beacon_spec::bundle::KeyBundle;
use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{Beacon, Contribution, Header, Revealed, Transcript};
use beacon_spec::committee::{Committee, Member};
use beacon_spec::genesis::{Draft, DraftMember, Genesis, Parameters};
use beacon_spec::hash::{Digest32, Hasher};
use beacon_spec::keys::{PointBytes, SecretKey, Signature};
use beacon_spec::message::{Commitment, HeaderVote, dealing_context};
use beacon_spec::mix;
use beacon_spec::mmr::Mmr;
use beacon_spec::pvss::{self, Dealing, Secret, Share, TicketSecret};
use beacon_spec::schedule::Schedule;

pub fn seed(label: &str, numbers: &[u64]) -> [u8; 32] {
    let hasher = Hasher::new("test").framed(label.as_bytes());
    numbers.iter().fold(hasher, |hasher, number| hasher.u64(*number)).finish().0
}

/// The secrets of one member: its identity, and its keys of one epoch.
#[derive(Clone)]
pub struct Keys {
    pub identity: SecretKey,
    pub voting: SecretKey,
    pub tickets: Vec<(TicketSecret, PointBytes)>,
}

impl Keys {
    /// Keys number `i` for `epoch`, with `count` ticket keys.
    pub fn new(i: u64, epoch: u64, count: usize) -> Keys {
        Keys {
            identity: SecretKey::from_seed(&seed("identity", &[i])),
            voting: SecretKey::from_seed(&seed("voting", &[i, epoch])),
            tickets: (0..count as u64).map(|k| TicketSecret::from_seed(&seed("ticket", &[i, epoch, k]))).collect(),
        }
    }

    pub fn bundle(&self, scope: &Digest32, epoch: u64) -> KeyBundle {
        KeyBundle::make(scope, &self.identity, epoch, &self.voting, &self.tickets)
    }
}

/// Two rounds a window and four windows an epoch, so that ten rounds cross into the second epoch.
pub const SCHEDULE: Schedule = Schedule { genesis_time: 1_700_000_000_000, period: 1000, window: 2, epoch_windows: 4 };

pub const PARAMETERS: Parameters = Parameters {
    schedule: SCHEDULE,
    catch_up_interval: 500,
    lead: 60_000,
    recovery_delay: 300,
    grace: 200,
    registrations_per_value: 16,
    development_exemption: false,
};

/// Members with their keys, in member order, and the committees of two epochs.
pub struct World {
    pub genesis: Genesis,
    pub chain: Digest32,
    /// Keys of epoch 1 and of epoch 2.
    pub keys: [Vec<Keys>; 2],
    pub committees: [Committee; 2],
}

impl World {
    /// `weights` in member order. Every member has one ticket key more than it needs.
    pub fn new(name: &str, weights: &[u64]) -> World {
        let tickets = beacon_spec::tickets::assign(weights);
        let mut order: Vec<u64> = (0..weights.len() as u64).collect();
        order.sort_by_key(|i| Keys::new(*i, 0, 0).identity.identity());
        let of_epoch = |epoch: u64| -> Vec<Keys> {
            order.iter().zip(&tickets).map(|(i, count)| Keys::new(*i, epoch, *count as usize + 1)).collect()
        };
        let first = of_epoch(1);
        let members = first.iter().zip(weights);
        let members = members.map(|(keys, weight)| DraftMember { identity: keys.identity.identity(), weight: *weight });
        let draft = Draft {
            version: beacon_spec::VERSION,
            name: name.into(),
            parameters: PARAMETERS,
            members: members.collect(),
            predecessor: None,
        };
        let ceremony = draft.ceremony();
        let bundles = first.iter().map(|keys| keys.bundle(&ceremony, 1)).collect();
        let genesis = Genesis { draft, bundles };
        let (committee, chain) = genesis.check().expect("the fixture's genesis is good");
        let (second, committee_2) = second_epoch(&first, &of_epoch(2), &committee, &chain);
        World { genesis, chain, keys: [first, second], committees: [committee, committee_2] }
    }

    pub fn keys_of(&self, epoch: u64) -> &[Keys] {
        &self.keys[epoch as usize - 1]
    }

    pub fn committee(&self, epoch: u64) -> &Committee {
        &self.committees[epoch as usize - 1]
    }

    /// The dealing of `member` for `round` and its opening.
    pub fn deal(&self, round: u64, member: u16) -> (Dealing, [u8; 32]) {
        let committee = self.committee(SCHEDULE.epoch_of(round));
        let context = dealing_context(&self.chain, committee, round, member);
        let (dealing, key) = pvss::deal(&seed("deal", &[round, member.into()]), &context, committee.ticket_set());
        (dealing, key.reveal().0)
    }

    pub fn commitment(&self, window: u64, member: u16) -> Commitment {
        let epoch = SCHEDULE.epoch_of_window(window);
        let dealings = SCHEDULE.rounds_of(window).map(|round| self.deal(round, member).0).collect();
        let key = &self.keys_of(epoch)[usize::from(member)].voting;
        Commitment::make(&self.chain, self.committee(epoch), &SCHEDULE, window, member, dealings, key)
    }

    /// The shares of `positions` for the dealing of `member`.
    pub fn shares(&self, round: u64, member: u16, positions: &[u16]) -> Vec<Share> {
        let epoch = SCHEDULE.epoch_of(round);
        let committee = self.committee(epoch);
        let context = dealing_context(&self.chain, committee, round, member);
        let dealing = pvss::verify(&self.deal(round, member).0, &context, committee.ticket_set()).expect("honest");
        let share = |position: &u16| {
            let owner = committee.owner(*position).expect("a position of the committee");
            let place = committee.positions(owner).position(|other| other == *position).expect("the owner's");
            let secret = &self.keys_of(epoch)[usize::from(owner)].tickets[place].0;
            pvss::share(secret, *position, &dealing, committee.ticket_set()).expect("the owner's position")
        };
        positions.iter().map(share).collect()
    }

    /// What `contributors` of `round` made; those in `withheld` were recovered from the last shares.
    pub fn transcript(&self, round: u64, contributors: &[u16], withheld: &[u16]) -> Transcript {
        let set = self.committee(SCHEDULE.epoch_of(round)).ticket_set();
        let last: Vec<u16> = (1..=set.tickets() as u16).rev().take(set.threshold()).collect();
        let contribution = |member: &u16| {
            let (dealing, d) = self.deal(round, *member);
            let revealed = if withheld.contains(member) {
                Revealed::Recovered(self.shares(round, *member, &last))
            } else {
                Revealed::Opened(beacon_spec::keys::ScalarBytes(d))
            };
            Contribution { member: *member, dealing, revealed }
        };
        Transcript { round, contributions: contributors.iter().map(contribution).collect() }
    }

    /// The header that follows from the chain so far and a transcript.
    pub fn header(&self, previous: &Digest32, mmr: &Mmr, transcript: &Transcript) -> Header {
        let round = transcript.round;
        let epoch = SCHEDULE.epoch_of(round);
        let committee = self.committee(epoch);
        let next = if SCHEDULE.is_last_round_of_epoch(round) { self.committee(epoch + 1) } else { committee };
        let mut hashes = Vec::new();
        let mut secrets: Vec<(u16, Secret)> = Vec::new();
        for contribution in &transcript.contributions {
            let context = dealing_context(&self.chain, committee, round, contribution.member);
            let dealing = pvss::verify(&contribution.dealing, &context, committee.ticket_set()).expect("honest");
            let d = beacon_spec::keys::ScalarBytes(self.deal(round, contribution.member).1);
            hashes.push((contribution.member, dealing.hash()));
            secrets.push((contribution.member, pvss::open(&dealing, &d).expect("its own key")));
        }
        let dealing_set = mix::dealing_set_root(round, &hashes);
        Header {
            version: beacon_spec::VERSION,
            chain: self.chain,
            round,
            due: SCHEDULE.time_of(round).expect("a near round"),
            previous: *previous,
            epoch,
            committee: committee.hash(),
            next_committee: next.hash(),
            window: SCHEDULE.window_of(round),
            dealing_set,
            weight: hashes.iter().map(|(member, _)| committee.signers().weight(*member)).sum(),
            contributors: hashes.len() as u32,
            mmr: mmr.root(),
            output: mix::output(&self.chain, round, previous, &dealing_set, &secrets),
        }
    }

    pub fn header_vote(&self, header: &Header, member: u16) -> Signature {
        let key = &self.keys_of(header.epoch)[usize::from(member)].voting;
        HeaderVote::make(&header.chain, header.round, member, header.hash(), key).signature
    }

    /// The certificate that exactly these members sign, whether it is a quorum or not.
    pub fn certificate(&self, header: &Header, members: &[u16]) -> Certificate {
        let mut bitmap = vec![0; self.genesis.bundles.len().div_ceil(8)];
        members.iter().for_each(|member| bitmap[usize::from(*member) / 8] |= 1 << (member % 8));
        Certificate { bitmap, signatures: members.iter().map(|member| self.header_vote(header, *member)).collect() }
    }

    /// Rounds 1 to `rounds` with their transcripts: `contributors` all contribute, and the one whose turn it is
    /// withholds its opening.
    pub fn chain(&self, rounds: u64, contributors: &[u16]) -> Vec<(Beacon, Transcript)> {
        let (mut previous, mut mmr) = (self.chain, Mmr::new());
        let mut beacons = Vec::new();
        for round in 1..=rounds {
            let withheld = contributors[round as usize % contributors.len()];
            let transcript = self.transcript(round, contributors, &[withheld]);
            let header = self.header(&previous, &mmr, &transcript);
            let signers = self.committee(header.epoch).signers();
            let weighted = (0..signers.len() as u16).filter(|member| signers.weight(*member) > 0);
            let votes: Vec<_> = weighted.map(|member| (member, self.header_vote(&header, member))).collect();
            let certificate = Certificate::assemble(&votes, signers).expect("all sign");
            previous = header.hash();
            mmr.append(round, previous);
            beacons.push((Beacon { header, certificate }, transcript));
        }
        beacons
    }
}

/// The second epoch: members at even indices have registered new bundles, the others keep theirs.
fn second_epoch(first: &[Keys], second: &[Keys], committee: &Committee, chain: &Digest32) -> (Vec<Keys>, Committee) {
    let mut keys = Vec::new();
    let mut members: Vec<Member> = Vec::new();
    for (index, member) in committee.members().iter().enumerate() {
        let renewed = index % 2 == 0;
        let bundle = if renewed { second[index].bundle(chain, 2) } else { member.bundle.clone() };
        members.push(Member { bundle, ..member.clone() });
        keys.push(if renewed { second[index].clone() } else { first[index].clone() });
    }
    (keys, Committee::new(2, 0, members, false).expect("the same weights"))
}
