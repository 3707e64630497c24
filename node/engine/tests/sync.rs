//! Catching up with peers that lie, boast, keep silent or send too little; and from a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use beacon_engine::batch::{Batch, Decision, Record, Recovered};
use beacon_engine::checkpoint::Checkpoint;
use beacon_engine::engine::{Config, Engine};
use beacon_engine::event::{Effect, Fault, Input, Request, Response, RoundRecord, Step};
use beacon_engine::serve::{Archive, MAX_ROUNDS, serve};
use beacon_spec::VERSION;
use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{Beacon, Header, Transcript};
use beacon_spec::committee::{Committee, MemberList};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{IdentityKey, SecretKey, Signature};
use beacon_spec::message::{Commitment, HeaderVote};
use beacon_spec::mmr::{self, Mmr};
use beacon_spec::registry::Registry;
use beacon_spec::reject::Reject;
use beacon_testnet::sim::{GENESIS_TIME, Net, Setup};

const ROUNDS: u64 = 2_000;
/// Rounds are due long before the test begins.
const NOW: u64 = GENESIS_TIME + 10_000_000;

/// A certified chain without dealings, as peers hold it.
struct Chain {
    config: Config,
    beacons: Vec<Beacon>,
    members: BTreeMap<u64, MemberList>,
}

impl Chain {
    fn new(rounds: u64, epoch_windows: u64) -> Chain {
        let net = Net::new(&Setup { epoch_windows, ..Setup::default() });
        let member = &net.nodes[0].config;
        let keys: Vec<SecretKey> = net.nodes.iter().map(|node| node.config.bundles[0].voting.clone()).collect();
        let observer = SecretKey::from_seed(&[0x0b; 32]).identity();
        let config = Config { identity: observer, bundles: Vec::new(), ..member.clone() };
        let mut chain = Chain { config, beacons: Vec::new(), members: BTreeMap::new() };
        let mut committee = Committee::clone(&member.committee);
        let (mut range, mut previous) = (Mmr::new(), member.chain);
        for round in 1..=rounds {
            let header = chain.header(round, previous, &range, &committee);
            previous = header.hash();
            range.append(round, previous);
            let digest = HeaderVote::digest(&member.chain, round, &previous);
            let votes: Vec<(u16, Signature)> =
                (0u16..).zip(&keys).map(|(index, key)| (index, key.sign(&digest))).collect();
            let certificate = Certificate::assemble(&votes, committee.signers()).expect("all sign");
            chain.beacons.push(Beacon { header, certificate });
            if net.schedule.is_last_round_of_epoch(round) {
                committee = successor(&committee);
                chain.members.insert(committee.epoch(), committee.list());
            }
        }
        chain
    }

    fn header(&self, round: u64, previous: Digest32, range: &Mmr, committee: &Committee) -> Header {
        let schedule = self.config.parameters.schedule;
        let hands_over = schedule.is_last_round_of_epoch(round);
        Header {
            version: VERSION,
            chain: self.config.chain,
            round,
            due: schedule.time_of(round).expect("few rounds"),
            previous,
            epoch: schedule.epoch_of(round),
            committee: committee.hash(),
            next_committee: if hands_over { successor(committee).hash() } else { committee.hash() },
            window: schedule.window_of(round),
            dealing_set: Digest32([1; 32]),
            weight: 100,
            contributors: 4,
            mmr: range.root(),
            output: Digest32([2; 32]),
        }
    }

    fn tip(&self) -> (u64, Digest32) {
        self.beacons.last().map_or((0, self.config.chain), |beacon| (beacon.header.round, beacon.header.hash()))
    }
}

/// The same members with the same keys, an epoch later.
fn successor(committee: &Committee) -> Committee {
    let list = committee.list();
    Committee::new(list.epoch + 1, list.membership, list.members, true).expect("as sound as the one before")
}

impl Archive for Chain {
    type Error = Infallible;
    fn tip(&self) -> Result<Option<(u64, Digest32)>, Infallible> {
        Ok(Some(Chain::tip(self)))
    }
    fn decided(&self) -> Result<u64, Infallible> {
        Ok(0)
    }
    fn genesis(&self) -> Result<Vec<u8>, Infallible> {
        Ok(Vec::new())
    }
    fn beacon(&self, round: u64) -> Result<Option<Beacon>, Infallible> {
        Ok(round.checked_sub(1).and_then(|index| self.beacons.get(index as usize)).cloned())
    }
    fn transcript(&self, _: u64) -> Result<Option<Transcript>, Infallible> {
        Ok(None)
    }
    fn decision(&self, _: u64) -> Result<Option<Decision>, Infallible> {
        Ok(None)
    }
    fn commitment(&self, _: u64, _: u16, _: &Digest32) -> Result<Option<Commitment>, Infallible> {
        Ok(None)
    }
    fn registry(&self, _: u64) -> Result<Option<Registry>, Infallible> {
        Ok(None)
    }
    fn range(&self, count: u64) -> Result<Option<Mmr>, Infallible> {
        let mut nodes = BTreeMap::new();
        let mut range = Mmr::new();
        for beacon in &self.beacons {
            nodes.extend(range.append(beacon.header.round, beacon.header.hash()));
        }
        Ok(mmr::range(count, |position| nodes.get(&position).copied()))
    }
    fn members(&self, epoch: u64) -> Result<Option<MemberList>, Infallible> {
        Ok(self.members.get(&epoch).cloned())
    }
}

/// What a peer does with requests for rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Honest,
    /// Gives so many at most.
    Short(usize),
    /// Says it has more than there is, and never answers.
    Silent,
    /// Says it has more than there is, and gives nothing.
    Boasts,
    WrongOutput,
    WrongSignature,
    /// Signed by fewer than a quorum.
    FewSigners,
    /// The rounds after those asked for.
    Shifted,
    /// A round in the middle is left out.
    Gap,
    /// More rounds than were asked for.
    TooMany,
    /// A transcript that does not give the output.
    WrongTranscript,
}

impl Peer {
    fn answer(self, chain: &Chain, request: &Request) -> Option<Response> {
        let request = match (self, request) {
            (Peer::Shifted, Request::Rounds { from, count, transcripts }) => {
                Request::Rounds { from: from + 1, count: *count, transcripts: *transcripts }
            }
            (Peer::TooMany, Request::Rounds { from, transcripts, .. }) => {
                Request::Rounds { from: *from, count: MAX_ROUNDS, transcripts: *transcripts }
            }
            (_, request) => request.clone(),
        };
        let Ok(mut response) = serve(chain, &chain.config.chain, NOW, &request);
        match (&mut response, self) {
            (Response::Status(status), Peer::Silent | Peer::Boasts) => status.round += 1_000_000,
            (Response::Rounds(_), Peer::Silent) => return None,
            (Response::Rounds(rounds), _) => self.spoil(rounds),
            _ => {}
        }
        Some(response)
    }

    fn spoil(self, rounds: &mut Vec<RoundRecord>) {
        let middle = rounds.len() / 2;
        let Some(record) = rounds.get_mut(middle) else { return };
        match self {
            Peer::Short(most) => rounds.truncate(most),
            Peer::Boasts => rounds.clear(),
            Peer::WrongOutput => record.beacon.header.output.0[0] ^= 1,
            Peer::WrongSignature => record.beacon.certificate.signatures[0].0[0] ^= 1,
            Peer::FewSigners => record.beacon.certificate = Certificate { bitmap: vec![0], signatures: Vec::new() },
            Peer::Gap => drop(rounds.remove(middle)),
            Peer::WrongTranscript => {
                record.transcript = Some(Transcript { round: record.beacon.header.round, contributions: Vec::new() });
            }
            _ => {}
        }
    }

    /// What a node must have said about it.
    fn blame(self) -> Option<Reject> {
        Some(match self {
            Peer::Honest | Peer::Short(_) | Peer::Silent | Peer::Boasts => return None,
            Peer::WrongOutput => Reject::BadSignature,
            Peer::WrongSignature => Reject::BadSignature,
            Peer::FewSigners => Reject::NoQuorum,
            Peer::Shifted | Peer::Gap | Peer::TooMany => Reject::WrongRound,
            Peer::WrongTranscript => Reject::WrongRoot,
        })
    }
}

/// One node that catches up, in virtual time.
struct Run<'a> {
    chain: &'a Chain,
    peers: Vec<Peer>,
    engine: Engine,
    now: u64,
    queue: BTreeMap<(u64, u64), Input>,
    counter: u64,
    batches: Vec<Batch>,
    /// Requests for rounds under way, by number; the most at once; and how many each peer had.
    open: BTreeSet<u64>,
    most_open: usize,
    asked: Vec<u64>,
    faults: Vec<(usize, Reject)>,
}

fn key(peer: usize) -> IdentityKey {
    SecretKey::from_seed(&[0x70 + peer as u8; 32]).identity()
}

impl<'a> Run<'a> {
    fn new(chain: &'a Chain, peers: &[Peer], recovered: Recovered) -> Run<'a> {
        let (engine, step) = Engine::recover(chain.config.clone(), recovered, NOW);
        let mut run = Run {
            chain,
            peers: peers.to_vec(),
            engine,
            now: NOW,
            queue: BTreeMap::new(),
            counter: 0,
            batches: Vec::new(),
            open: BTreeSet::new(),
            most_open: 0,
            asked: vec![0; peers.len()],
            faults: Vec::new(),
        };
        run.execute(step);
        for peer in 0..peers.len() {
            run.later(1, Input::PeerUp(key(peer)));
        }
        run
    }

    fn later(&mut self, after: u64, input: Input) {
        self.counter += 1;
        self.queue.insert((self.now + after, self.counter), input);
    }

    fn execute(&mut self, step: Step) {
        for fault in step.faults {
            let Fault::Peer { peer, reason } = fault else { panic!("a crime: {fault:?}") };
            let index = (0..self.peers.len()).find(|index| key(*index) == peer).expect("one of the peers");
            self.faults.push((index, reason));
        }
        for effect in step.effects {
            match effect {
                Effect::Persist(batch) => {
                    let seq = batch.seq;
                    self.batches.push(batch);
                    self.later(1, Input::Durable(seq));
                }
                Effect::Request { id, to, request } => self.ask(id, to, &request),
                Effect::Halt(halt) => panic!("{halt:?}"),
                _ => {}
            }
        }
    }

    fn ask(&mut self, id: u64, to: IdentityKey, request: &Request) {
        let peer = (0..self.peers.len()).find(|index| key(*index) == to).expect("one of the peers");
        // Rounds up to the head are asked for again for their transcripts.
        if matches!(request, Request::Rounds { from, .. } if *from > self.engine.head().0) {
            self.open.insert(id);
            self.most_open = self.most_open.max(self.open.len());
            self.asked[peer] += 1;
        }
        let response = self.peers[peer].answer(self.chain, request);
        // Who keeps silent is given up by the transport.
        let after = if response.is_some() { 100 } else { 20_000 };
        self.later(after, Input::Response { id, from: to, response: response.map(Box::new) });
    }

    /// Lets the next thing happen.
    fn advance(&mut self) {
        let next = self.queue.first_key_value().map(|((time, _), _)| *time);
        let deadline = self.engine.deadline().map(|at| at.max(self.now));
        let tick = deadline.is_some_and(|at| next.is_none_or(|next| at < next));
        let input = if tick {
            self.now = deadline.expect("it is some");
            Input::Tick
        } else {
            let ((time, _), input) = self.queue.pop_first().expect("peers are asked for ever");
            self.now = self.now.max(time);
            input
        };
        if let Input::Response { id, .. } = &input {
            self.open.remove(id);
        }
        let step = self.engine.step(self.now, input);
        self.execute(step);
    }

    /// Runs until the head is that of the chain.
    fn finish(&mut self) {
        let limit = self.now + 600_000;
        while self.engine.head() != self.chain.tip() {
            assert!(self.now < limit, "at round {} of {}", self.engine.head().0, self.chain.tip().0);
            self.advance();
        }
    }
}

/// What the disk gives back when only these batches reached it.
fn recovered(batches: &[Batch]) -> Recovered {
    let mut found = Recovered::default();
    for record in batches.iter().flat_map(|batch| &batch.records) {
        match record {
            Record::Round { beacon, mmr, .. } => found.tip = Some((Beacon::clone(beacon), mmr.clone())),
            Record::Committee(list) => found.committees.push(MemberList::clone(list)),
            _ => {}
        }
    }
    found
}

#[test]
fn sync_1_several_peers_are_asked_at_once() {
    let chain = Chain::new(ROUNDS, 100_000);
    let mut run = Run::new(&chain, &[Peer::Honest; 3], Recovered::default());
    run.finish();
    assert_eq!(run.most_open, 3, "each has a range of its own");
    assert!(run.asked.iter().all(|asked| *asked >= 2), "{:?}", run.asked);
    assert_eq!(run.asked.iter().sum::<u64>(), ROUNDS.div_ceil(u64::from(MAX_ROUNDS)), "no range is asked for twice");
    assert_eq!(run.faults, []);
}

#[test]
fn sync_1_answers_may_be_short_and_epochs_may_end_anywhere() {
    let chain = Chain::new(300, 70);
    let mut run = Run::new(&chain, &[Peer::Short(7), Peer::Honest, Peer::Short(100)], Recovered::default());
    run.finish();
    assert_eq!(run.faults, []);
}

#[test]
fn sync_1_silent_and_boasting_peers_hold_up_nothing() {
    let chain = Chain::new(ROUNDS, 100_000);
    let mut alone = Run::new(&chain, &[Peer::Short(8)], Recovered::default());
    alone.finish();
    let peers = [Peer::Silent, Peer::Boasts, Peer::Silent, Peer::Short(8), Peer::Boasts, Peer::Silent];
    let mut run = Run::new(&chain, &peers, Recovered::default());
    run.finish();
    // They are asked in the beginning, for a range each, and then ever more rarely.
    let mut silences = 0;
    for (peer, asked) in peers.iter().zip(&run.asked).filter(|(peer, _)| !matches!(peer, Peer::Short(_))) {
        assert!(*asked <= 6, "{peer:?} was asked {asked} times");
        silences += if *peer == Peer::Silent { *asked } else { 0 };
    }
    // Each silence costs the time after which another is asked, and not that after which it is given up.
    let (took, least) = (run.now - NOW, alone.now - NOW);
    assert!(took <= least + 1_500 * silences, "{took} ms instead of {least} with {silences} silences");
}

/// As many silent peers as there are ranges at once, and more.
#[test]
fn sync_1_silent_peers_in_every_place_do_not_stop_the_others() {
    let chain = Chain::new(ROUNDS, 100_000);
    let mut peers = vec![Peer::Silent; 6];
    peers.push(Peer::Honest);
    let mut run = Run::new(&chain, &peers, Recovered::default());
    run.finish();
    assert!(run.now - NOW < 4_000, "{} ms: a silent peer kept its place until it was given up", run.now - NOW);
}

#[test]
fn sync_4_liars_are_blamed_and_the_rest_completes_the_sync() {
    let chain = Chain::new(ROUNDS, 100_000);
    let liars = [
        Peer::WrongOutput,
        Peer::WrongSignature,
        Peer::FewSigners,
        Peer::Shifted,
        Peer::Gap,
        Peer::TooMany,
        Peer::WrongTranscript,
    ];
    for liar in liars {
        let mut run = Run::new(&chain, &[liar, Peer::Honest, liar], Recovered::default());
        run.finish();
        let reasons: BTreeSet<Reject> = run.faults.iter().map(|(_, reason)| *reason).collect();
        let blamed: BTreeSet<usize> = run.faults.iter().map(|(peer, _)| *peer).collect();
        // More than was asked for is noticed only where less was asked for.
        if liar != Peer::TooMany {
            assert_eq!(reasons, liar.blame().into_iter().collect(), "{liar:?}");
            assert_eq!(blamed, BTreeSet::from([0, 2]), "{liar:?}");
        }
        assert!(!blamed.contains(&1), "{liar:?}: the honest one is blamed");
    }
}

#[test]
fn sync_4_a_sync_cut_anywhere_goes_on_where_it_was() {
    let chain = Chain::new(120, 50);
    let peers = [Peer::Short(5), Peer::Short(3)];
    let mut whole = Run::new(&chain, &peers, Recovered::default());
    whole.finish();
    assert!(whole.batches.len() > 20, "{} places to cut", whole.batches.len());
    for cut in 0..=whole.batches.len() {
        let found = recovered(&whole.batches[..cut]);
        let at = found.tip.as_ref().map_or(0, |(beacon, _)| beacon.header.round);
        let mut again = Run::new(&chain, &peers, found);
        assert_eq!(again.engine.head().0, at);
        again.finish();
        assert_eq!(again.faults, []);
        let rounds = again.batches.iter().flat_map(|batch| &batch.records);
        let first = rounds.filter_map(|record| match record {
            Record::Round { beacon, .. } => Some(beacon.header.round),
            _ => None,
        });
        assert_eq!(first.min(), (at < 120).then_some(at + 1), "nothing is fetched twice");
    }
}

fn checkpoint(chain: &Chain, round: u64) -> Checkpoint {
    let Ok(response) = serve(chain, &chain.config.chain, NOW, &Request::Checkpoint { round });
    let Response::Checkpoint(Some(found)) = response else { panic!("not there: {response:?}") };
    *found
}

fn judge(chain: &Chain, answer: Checkpoint, round: u64) -> Result<beacon_engine::checkpoint::Start, Reject> {
    let hash = chain.beacons[round as usize - 1].header.hash();
    answer.judge((round, hash), &chain.config.chain, &chain.config.parameters, &chain.config.committee)
}

#[test]
fn sync_6_a_node_begins_at_a_checkpoint_and_follows() {
    let chain = Chain::new(300, 70);
    // In the first epoch, in a later one, and at its last and first rounds.
    for round in [1, 5, 70, 71, 100, 140, 299] {
        let start = judge(&chain, checkpoint(&chain, round), round).expect("the peer is honest");
        let mut nodes: BTreeMap<u64, Digest32> = start.nodes.iter().copied().collect();
        let found = Recovered {
            committees: start.members.into_iter().collect(),
            tip: Some((start.beacon, start.mmr)),
            ..Recovered::default()
        };
        let mut run = Run::new(&chain, &[Peer::Honest, Peer::Short(20)], found);
        run.finish();
        assert_eq!(run.faults, []);
        // What is kept proves every round from the checkpoint on under the newest root.
        for record in run.batches.iter().flat_map(|batch| &batch.records) {
            if let Record::Round { nodes: made, .. } = record {
                nodes.extend(made.iter().copied());
            }
        }
        let root = chain.beacons[299].header.mmr;
        for proven in round..300 {
            let proof = mmr::prove(proven, 299, |position| nodes.get(&position).copied()).expect("the nodes are kept");
            let hash = chain.beacons[proven as usize - 1].header.hash();
            assert_eq!(mmr::verify(&root, 299, proven, &hash, &proof), Ok(()));
        }
    }
}

#[test]
fn sync_6_a_checkpoint_that_is_not_the_trusted_one_is_refused() {
    let chain = Chain::new(200, 70);
    let other = Chain::new(90, 90);
    let spoilt = |change: fn(&mut Checkpoint)| {
        let mut answer = checkpoint(&chain, 100);
        change(&mut answer);
        judge(&chain, answer, 100).err()
    };
    assert_eq!(judge(&chain, checkpoint(&chain, 100), 100).err(), None);
    assert_eq!(judge(&chain, checkpoint(&chain, 99), 100).err(), Some(Reject::WrongRound));
    assert_eq!(spoilt(|answer| answer.beacon.header.output.0[0] ^= 1), Some(Reject::Conflict));
    assert_eq!(spoilt(|answer| answer.beacon.certificate.signatures[0].0[0] ^= 1), Some(Reject::BadSignature));
    assert_eq!(spoilt(|answer| answer.members = None), Some(Reject::WrongCommittee));
    let heavier = |answer: &mut Checkpoint| answer.members.iter_mut().for_each(|list| list.members[0].weight += 1);
    assert_eq!(spoilt(heavier), Some(Reject::WrongCommittee));
    assert_eq!(spoilt(|answer| drop(answer.before.append(100, Digest32::ZERO))), Some(Reject::BadMmr));
    let mut answer = checkpoint(&chain, 100);
    answer.before = other.range(99).expect("infallible").unwrap_or_default();
    assert_eq!(judge(&chain, answer, 100).err(), Some(Reject::BadMmr));
}
