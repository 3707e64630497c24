//! What the library says of one vector: from the inputs of a case to its verdict and what follows from it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use beacon_spec::bundle::KeyBundle;
use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{BEACON_LIMITS, Beacon, HEADER_BYTES, Header, TRANSCRIPT_LIMITS, Transcript};
use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::committee::{Committee, Member, MemberList, SignerList, Signers};
use beacon_spec::consensus::{
    CommitCertificate, PolkaCertificate, Proposal, RoundCertificate, SignedProposal, SignedVote, Vote, proposer,
    value_id,
};
use beacon_spec::draw;
use beacon_spec::evidence::{EVIDENCE_LIMITS, Evidence};
use beacon_spec::genesis::{Draft, GENESIS_LIMITS, Genesis, LightGenesis, Parameters};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{IdentityKey, PointBytes, ScalarBytes, Signature, Verifier};
use beacon_spec::message::{
    COMMITMENT_LIMITS, Commitment, HeaderVote, MESSAGE_LIMITS, Ready, SetEntry, SignedCommitment, Value as Agreed,
    dealing_context,
};
use beacon_spec::mix;
use beacon_spec::mmr::{self, MmrProof};
use beacon_spec::pvss::{self, Secret, Share, TicketSecret, TicketSet};
use beacon_spec::registry::{Registry, Rules};
use beacon_spec::reject::Reject;
use beacon_spec::schedule::Schedule;
use beacon_spec::trust::{Head, hand_over, past};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// One case of a vector file.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Case {
    pub kind: String,
    pub name: String,
    #[serde(rename = "in")]
    pub input: Map<String, Value>,
    #[serde(rename = "out", default)]
    pub output: Value,
}

/// A vector file: values that several cases take, by name, and the cases. A text "@name" stands for a shared value.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct File {
    pub shared: Map<String, Value>,
    pub cases: Vec<Case>,
}

impl File {
    /// The inputs of a case with the shared values put in.
    pub fn inputs(&self, case: &Case) -> Input {
        let resolve = |value: &Value| match value.as_str().and_then(|text| text.strip_prefix('@')) {
            Some(name) => self.shared.get(name).unwrap_or_else(|| panic!("no shared value {name}")).clone(),
            None => value.clone(),
        };
        Input(case.input.iter().map(|(name, value)| (name.clone(), resolve(value))).collect())
    }
}

/// A genesis with what follows from it.
struct Opened {
    committee: Committee,
    chain: Digest32,
    parameters: Parameters,
}

thread_local! {
    static OPENED: RefCell<BTreeMap<String, Rc<Opened>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Inputs of a case by name.
#[derive(Clone, Debug)]
pub struct Input(pub Map<String, Value>);

impl Input {
    fn get<T: DeserializeOwned>(&self, name: &str) -> T {
        let value = self.0.get(name).unwrap_or_else(|| panic!("the case has no {name}"));
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Hexadecimal, in which `(00)*5;` stands for `0000000000`.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let text: String = self.get(name);
        let mut bytes = Vec::new();
        let mut pieces = text.split('(');
        let plain = |text: &str| hex::decode(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        bytes.extend(plain(pieces.next().unwrap_or_default()));
        for piece in pieces {
            let (unit, rest) = piece.split_once(")*").unwrap_or_else(|| panic!("{name}: no count"));
            let end = rest.find(';').unwrap_or_else(|| panic!("{name}: no end of the count"));
            let count: usize = rest[..end].parse().unwrap_or_else(|error| panic!("{name}: {error}"));
            bytes.extend(plain(unit).repeat(count));
            bytes.extend(plain(&rest[end + 1..]));
        }
        bytes
    }

    fn decode<T: DeserializeOwned>(&self, name: &str, limits: &Limits) -> Result<T, Reject> {
        decode(&self.bytes(name), limits)
    }

    fn signers(&self) -> Result<Signers, Reject> {
        Signers::new(self.decode("signers", &SMALL)?)
    }

    /// The shared genesis, judged once a thread.
    fn opened(&self) -> Rc<Opened> {
        let text: String = self.get("genesis");
        let known = OPENED.with_borrow(|opened| opened.get(&text).cloned());
        known.unwrap_or_else(|| {
            let genesis: Genesis = self.decode("genesis", &GENESIS_LIMITS).expect("the shared genesis");
            let (committee, chain) = genesis.check().expect("the shared genesis");
            let opened = Rc::new(Opened { committee, chain, parameters: genesis.draft.parameters });
            OPENED.with_borrow_mut(|all| all.insert(text, Rc::clone(&opened)));
            opened
        })
    }
}

/// Limit of what has no limit of its own in the library.
const SMALL: Limits = Limits::bytes(64 << 10);
const HEADER_LIMITS: Limits = Limits::bytes(HEADER_BYTES);
/// As the engine's for values.
const VALUE_LIMITS: Limits = Limits::bytes(512 << 10);

type Judged = Result<Value, Reject>;

/// The verdict on a case and, if it is accepted, what follows from it.
pub fn judge(kind: &str, input: &Input) -> Value {
    let judged = match kind {
        "bundle" => bundle(input),
        "signers" => signers(input),
        "committee" => committee(input),
        "member-list" => member_list(input),
        "draft" => draft(input),
        "genesis" => genesis(input),
        "light-genesis" => light(input),
        "commitment" => commitment(input),
        "signed-commitment" => signed_commitment(input),
        "ready" => ready(input),
        "header-vote" => header_vote(input),
        "evidence" => evidence(input),
        "value" => value(input),
        "vote" => vote(input),
        "proposal" => proposal(input),
        "commit-certificate" | "polka-certificate" | "round-certificate" => agreement_certificate(kind, input),
        "vote-conflict" | "proposal-conflict" => conflict(kind, input),
        "proposer" => rotation(input),
        "assembly" => assembly(input),
        "certificate" => certificate(input),
        "header" => header(input),
        "beacon" => beacon(input),
        "follow" => follow(input),
        "leap" => leap(input),
        "past" => earlier(input),
        "hand-over" => handed_over(input),
        "mmr-proof" => mmr_proof(input),
        "transcript" => transcript(input),
        "mix" => mixed(input),
        "expand" => expanded(input),
        "draw" => drawn(input),
        "draw-list" => draw_list(input),
        "point" => point(input),
        "ticket-key" => ticket_key(input),
        "scalar" => scalar(input),
        "recover" => recovered(input),
        "registry" => registry(input),
        "next-committee" => next_committee(input),
        other => crate::format::format(other, &input.bytes("bytes"), true),
    };
    match judged {
        Ok(Value::Object(mut map)) => {
            map.insert("verdict".into(), "ok".into());
            Value::Object(map)
        }
        Ok(_) => json!({ "verdict": "ok" }),
        Err(reject) => json!({ "verdict": reject.code() }),
    }
}

fn bundle(input: &Input) -> Judged {
    let bundle: KeyBundle = input.decode("bundle", &MESSAGE_LIMITS)?;
    bundle.verify(&input.get("scope"), &input.get::<IdentityKey>("identity"), input.get("epoch"))?;
    Ok(Value::Null)
}

fn signers(input: &Input) -> Judged {
    let signers = input.signers()?;
    Ok(json!({ "hash": signers.hash(), "total": signers.total_weight() }))
}

fn committee(input: &Input) -> Judged {
    let members: Vec<Member> = input.decode("members", &GENESIS_LIMITS)?;
    let committee = Committee::new(input.get("epoch"), input.get("membership"), members, input.get("exempt"))?;
    let owners: Vec<_> = (1..=committee.ticket_set().tickets() as u16).map(|j| committee.owner(j)).collect();
    Ok(json!({
        "hash": committee.hash(),
        "ticket_root": committee.signers().list().ticket_root,
        "tickets": committee.ticket_counts(),
        "owners": owners,
        "threshold": committee.ticket_set().threshold(),
    }))
}

fn member_list(input: &Input) -> Judged {
    let list: MemberList = input.decode("list", &GENESIS_LIMITS)?;
    let committee = list.check(&input.get("hash"), input.get("exempt"))?;
    Ok(json!({ "tickets": committee.ticket_counts() }))
}

fn draft(input: &Input) -> Judged {
    let draft: Draft = input.decode("draft", &SMALL)?;
    draft.check()?;
    Ok(json!({ "ceremony": draft.ceremony() }))
}

fn genesis(input: &Input) -> Judged {
    let (genesis, committee) = Genesis::open(&input.bytes("genesis"), &input.get("chain"))?;
    Ok(json!({ "committee": committee.hash(), "light": hex::encode(encode(&genesis.light(&committee))) }))
}

fn light(input: &Input) -> Judged {
    let light: LightGenesis = input.decode("light", &SMALL)?;
    let (_, signers) = light.check(&input.get("chain"))?;
    Ok(json!({ "committee": signers.hash() }))
}

/// Binding, signature, root, and then every dealing.
fn commitment(input: &Input) -> Judged {
    let committee = &input.opened().committee;
    let (chain, schedule, window): (Digest32, Schedule, u64) =
        (input.get("chain"), input.get("schedule"), input.get("window"));
    let commitment: Commitment = input.decode("commitment", &COMMITMENT_LIMITS)?;
    let hashes = commitment.check(&chain, committee, &schedule, window)?;
    for (round, dealing) in schedule.rounds_of(window).zip(&commitment.dealings) {
        let context = dealing_context(&chain, committee, round, commitment.signed.body.member);
        pvss::verify(dealing, &context, committee.ticket_set())?;
    }
    Ok(json!({ "hash": commitment.signed.body.hash(&chain), "dealings": hashes }))
}

fn signed_commitment(input: &Input) -> Judged {
    let signed: SignedCommitment = input.decode("signed", &MESSAGE_LIMITS)?;
    signed.verify(&input.get("chain"), &input.signers()?)?;
    Ok(json!({ "hash": signed.body.hash(&input.get("chain")) }))
}

fn ready(input: &Input) -> Judged {
    let ready: Ready = input.decode("ready", &MESSAGE_LIMITS)?;
    ready.verify(&input.get("chain"), &input.signers()?)?;
    Ok(Value::Null)
}

fn header_vote(input: &Input) -> Judged {
    let vote: HeaderVote = input.decode("vote", &MESSAGE_LIMITS)?;
    vote.verify(&input.get("chain"), &input.signers()?)?;
    Ok(Value::Null)
}

fn evidence(input: &Input) -> Judged {
    let evidence: Evidence = input.decode("evidence", &EVIDENCE_LIMITS)?;
    let schedule = input.get("schedule");
    evidence.verify(&input.get("chain"), &schedule, &input.opened().committee)?;
    Ok(json!({ "member": evidence.member(), "crime": evidence.crime().words(), "epoch": evidence.epoch(&schedule) }))
}

fn value(input: &Input) -> Judged {
    let bytes = input.bytes("value");
    let value: Agreed = decode(&bytes, &VALUE_LIMITS)?;
    value.check(&input.opened().committee, input.get("window"))?;
    Ok(json!({ "id": value_id(&bytes) }))
}

fn vote(input: &Input) -> Judged {
    let signed: SignedVote = input.decode("vote", &MESSAGE_LIMITS)?;
    let (chain, signers): (Digest32, _) = (input.get("chain"), input.signers()?);
    signed.verify(&chain, signers.verifier(signed.vote.member)?)?;
    Ok(json!({ "digest": signed.vote.digest(&chain) }))
}

fn proposal(input: &Input) -> Judged {
    let signed: SignedProposal = input.decode("proposal", &MESSAGE_LIMITS)?;
    let (chain, signers): (Digest32, _) = (input.get("chain"), input.signers()?);
    signed.verify(&chain, signers.verifier(signed.proposal.member)?)?;
    Ok(json!({ "digest": signed.proposal.digest(&chain), "value_id": signed.proposal.value_id }))
}

fn agreement_certificate(kind: &str, input: &Input) -> Judged {
    let chain = input.get("chain");
    let list: SignerList = input.decode("signers", &SMALL)?;
    let total = list.signers.iter().map(|signer| signer.weight).sum();
    let voters: Vec<(u64, Verifier)> = list
        .signers
        .iter()
        .map(|signer| Ok((signer.weight, Verifier::new(&signer.voting_key.0)?)))
        .collect::<Result<_, Reject>>()?;
    let voter = |member: u16| voters.get(usize::from(member)).map(|(weight, key)| (*weight, key));
    match kind {
        "commit-certificate" => {
            input.decode::<CommitCertificate>("certificate", &SMALL)?.verify(&chain, voter, total)?
        }
        "polka-certificate" => input.decode::<PolkaCertificate>("certificate", &SMALL)?.verify(&chain, voter, total)?,
        _ => input.decode::<RoundCertificate>("certificate", &SMALL)?.verify(&chain, voter, total)?,
    }
    Ok(Value::Null)
}

/// Whether two signed preimages of one member convict it.
fn conflict(kind: &str, input: &Input) -> Judged {
    let conflict = if kind == "vote-conflict" {
        let [first, second] = ["first", "second"].map(|name| input.decode::<Vote>(name, &MESSAGE_LIMITS));
        first?.conflicts_with(&second?)
    } else {
        let [first, second] = ["first", "second"].map(|name| input.decode::<Proposal>(name, &MESSAGE_LIMITS));
        first?.conflicts_with(&second?)
    };
    Ok(json!({ "conflict": conflict }))
}

/// The certificate of valid votes; none if they are no quorum.
fn assembly(input: &Input) -> Judged {
    let votes: Vec<(u16, Signature)> = input.get("votes");
    let certificate = Certificate::assemble(&votes, &input.signers()?);
    Ok(json!({ "certificate": certificate.map(|certificate| hex::encode(encode(&certificate))) }))
}

fn rotation(input: &Input) -> Judged {
    let weights: Vec<u64> = input.get("weights");
    let members = weights.iter().zip(0u16..).map(|(weight, member)| (member, *weight));
    Ok(json!({ "proposer": proposer(members, input.get("height"), input.get("round")) }))
}

fn certificate(input: &Input) -> Judged {
    let signers = input.signers()?;
    let certificate: Certificate = input.decode("certificate", &BEACON_LIMITS)?;
    certificate.verify(&input.get("chain"), input.get("round"), &input.get("header"), &signers)?;
    Ok(json!({ "members": certificate.members(&signers)? }))
}

fn header(input: &Input) -> Judged {
    let bytes = input.bytes("header");
    let header: Header = decode(&bytes, &HEADER_LIMITS)?;
    header.check(&input.get("chain"), &input.get("schedule"))?;
    Ok(json!({ "hash": header.hash() }))
}

fn beacon(input: &Input) -> Judged {
    let beacon: Beacon = input.decode("beacon", &BEACON_LIMITS)?;
    let hash = beacon.verify(&input.get("chain"), &input.get("schedule"), &input.signers()?)?;
    Ok(json!({ "hash": hash }))
}

fn follow(input: &Input) -> Judged {
    let beacon: Beacon = input.decode("beacon", &BEACON_LIMITS)?;
    let head: Head = input.get("head");
    let head = head.follow(&beacon, &input.get("chain"), &input.get("schedule"), &input.signers()?)?;
    Ok(json!({ "head": head }))
}

fn leap(input: &Input) -> Judged {
    let beacon: Beacon = input.decode("beacon", &BEACON_LIMITS)?;
    let proof: MmrProof = input.decode("proof", &SMALL)?;
    let head: Head = input.get("head");
    let head = head.leap(&beacon, &proof, &input.get("chain"), &input.get("schedule"), &input.signers()?)?;
    Ok(json!({ "head": head }))
}

fn earlier(input: &Input) -> Judged {
    let head: Header = input.decode("head", &HEADER_LIMITS)?;
    let beacon: Beacon = input.decode("beacon", &BEACON_LIMITS)?;
    let proof: MmrProof = input.decode("proof", &SMALL)?;
    let hash = past(&head, &beacon, &proof, &input.get("chain"), &input.get("schedule"), &input.signers()?)?;
    Ok(json!({ "hash": hash }))
}

fn handed_over(input: &Input) -> Judged {
    let last: Header = input.decode("last", &HEADER_LIMITS)?;
    let signers = hand_over(&last, &input.get("schedule"), input.decode("signers", &SMALL)?)?;
    Ok(json!({ "committee": signers.hash() }))
}

fn mmr_proof(input: &Input) -> Judged {
    let proof: MmrProof = input.decode("proof", &SMALL)?;
    let number = |name| input.get::<Number>(name).0;
    mmr::verify(&input.get("root"), number("count"), number("round"), &input.get("header"), &proof)?;
    Ok(Value::Null)
}

/// A `u64` of JSON, beyond 2^53 as text.
#[derive(serde::Deserialize)]
struct Number(#[serde(with = "beacon_spec::codec::number")] u64);

fn transcript(input: &Input) -> Judged {
    let header: Header = input.decode("header", &HEADER_LIMITS)?;
    let transcript: Transcript = input.decode("transcript", &TRANSCRIPT_LIMITS)?;
    transcript.audit(&header, &input.opened().committee)?;
    Ok(Value::Null)
}

fn mixed(input: &Input) -> Judged {
    let (chain, previous): (Digest32, Digest32) = (input.get("chain"), input.get("previous"));
    let round = input.get("round");
    let dealings: Vec<SetEntry> = input.get("dealings");
    let dealings: Vec<_> = dealings.iter().map(|entry| (entry.member, entry.commitment)).collect();
    let secrets: Vec<(u16, Secret)> = input.get("secrets");
    let root = mix::dealing_set_root(round, &dealings);
    Ok(json!({ "root": root, "output": mix::output(&chain, round, &previous, &root, &secrets) }))
}

fn expanded(input: &Input) -> Judged {
    let bytes = mix::expand(&input.get("output"), &input.bytes("label"), input.get("length"))?;
    Ok(json!({ "bytes": hex::encode(bytes) }))
}

/// A draw as its drawer publishes it: list hash and draw hash before the round, results after it.
fn drawn(input: &Input) -> Judged {
    let (text, rules): (String, String) = (input.get("text"), input.get("rules"));
    let rules: draw::Rules = rules.parse().map_err(|bad: draw::BadRules| bad.reject())?;
    let list = draw::List::parse(text.as_bytes()).map_err(|bad| bad.reject())?;
    let hash = draw::hash(&input.get("chain"), input.get::<Number>("round").0, &rules, &list.hash());
    let results = rules.draw(&list, &input.get("output"), &hash).map_err(|bad| bad.reject())?;
    Ok(json!({ "list": list.hash(), "draw": hash, "results": results }))
}

fn draw_list(input: &Input) -> Judged {
    let list = draw::List::parse(&input.bytes("list")).map_err(|bad| bad.reject())?;
    Ok(json!({
        "entries": list.entries().len(),
        "weighted": list.weighted(),
        "text": list.to_text(),
        "hash": list.hash(),
    }))
}

/// A single ticket's share is the secret, so recovery decodes the point and encodes it again.
fn point(input: &Input) -> Judged {
    let key = TicketSecret::from_seed(&[1; 32]).1;
    let zero = ScalarBytes([0; 32]);
    let share = Share { position: 1, a: input.get("point"), challenge: zero, response: zero };
    let secret = pvss::recover(&[share], &TicketSet::new(&[key])?)?;
    Ok(json!({ "point": secret }))
}

fn ticket_key(input: &Input) -> Judged {
    let tickets = TicketSet::new(&input.get::<Vec<PointBytes>>("keys"))?;
    Ok(json!({ "threshold": tickets.threshold() }))
}

/// A ticket secret: canonical and not zero.
fn scalar(input: &Input) -> Judged {
    let secret = TicketSecret::from_bytes(&input.get::<ScalarBytes>("scalar").0)?;
    Ok(json!({ "public": secret.public() }))
}

fn recovered(input: &Input) -> Judged {
    let tickets = TicketSet::new(&input.get::<Vec<PointBytes>>("keys"))?;
    let shares: Vec<Share> = input.get("shares");
    Ok(json!({ "secret": pvss::recover(&shares, &tickets)? }))
}

/// What a value makes of the registry before it.
fn registry(input: &Input) -> Judged {
    let opened = input.opened();
    let Opened { committee, chain, parameters } = &*opened;
    let before: Registry = input.decode("registry", &MESSAGE_LIMITS)?;
    let value: Agreed = input.decode("value", &VALUE_LIMITS)?;
    let rules = Rules {
        chain,
        schedule: &parameters.schedule,
        registrations_per_value: parameters.registrations_per_value,
        exempt: parameters.development_exemption,
    };
    let after = before.after(&value, committee, &rules)?;
    Ok(json!({ "hash": after.hash() }))
}

fn next_committee(input: &Input) -> Judged {
    let opened = input.opened();
    let Opened { committee, parameters, .. } = &*opened;
    let registry: Registry = input.decode("registry", &MESSAGE_LIMITS)?;
    let next = registry.next_committee(committee, parameters.development_exemption)?;
    Ok(json!({ "hash": next.hash(), "holds": registry.amendment_holds(committee), "tickets": next.ticket_counts() }))
}
