//! The judge gives the verdicts of the specification's vectors.

use beacon_spec::chain::HEADER_BYTES;
use beacon_spec::codec::encode;
use beacon_spec::trust::Head;
use serde_json::Value;

use super::*;
use crate::fabricate::{Chain, Plan};

const VECTORS: &str = include_str!("../../../specs/vectors/chain.json");

/// The inputs of one case.
struct Inputs<'a> {
    shared: &'a Value,
    case: &'a Value,
}

impl Inputs<'_> {
    fn get<T: serde::de::DeserializeOwned>(&self, name: &str) -> T {
        let value = &self.case["in"][name];
        let shared = value.as_str().and_then(|text| text.strip_prefix('@'));
        serde_json::from_value(shared.map_or(value, |name| &self.shared[name]).clone()).expect("a value of this type")
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        hex::decode(self.get::<String>(name)).expect("hexadecimal")
    }

    /// A trust in the chain of the vectors whose committee is in force.
    fn trust(&self) -> Result<Trust, Refusal> {
        let (chain, schedule) = (self.get("chain"), self.get("schedule"));
        let any = Chain::build(Plan::new(4), 1).expect("a plan");
        let mut genesis = any.genesis;
        genesis.draft.parameters.schedule = schedule;
        let signers = Arc::new(self.signers()?);
        Ok(Trust { chain, genesis: Arc::new(genesis), signers, head: None })
    }

    fn signers(&self) -> Result<Signers, Refusal> {
        let judged = decode(&self.bytes("signers"), &SIGNERS_LIMITS).and_then(Signers::new);
        judged.map_err(|reject| Refusal::new(reject, "signers"))
    }

    fn header(&self, name: &str) -> Result<Header, Refusal> {
        let header = decode(&self.bytes(name), &Limits::bytes(HEADER_BYTES));
        header.map_err(|reject| Refusal::new(reject, "header"))
    }
}

/// A header that counts as verified.
fn verified(header: Header, hash: Digest32) -> Verified {
    let certificate = Certificate { bitmap: Vec::new(), signatures: Vec::new() };
    Verified { beacon: Beacon { header, certificate }, hash, how: How::Certificate }
}

fn leap(inputs: &Inputs<'_>) -> Result<(), Refusal> {
    let mut trust = inputs.trust()?;
    let beacon = trust.read_beacon(&inputs.bytes("beacon"), None)?;
    let from: Head = inputs.get("head");
    if from.round > 0 {
        let header = Header { round: from.round, ..beacon.header.clone() };
        trust.head = Some(verified(header, from.hash));
    }
    let other = |reject| Err(Refusal::new(reject, "head"));
    match trust.head_candidate(beacon)? {
        Candidate::Extends(_) | Candidate::Same => Ok(()),
        Candidate::NeedsProof(newer) => verify_proof(newer.header(), from.round, &from.hash, &inputs.bytes("proof")),
        Candidate::Older(_) => other(Reject::WrongRound),
        Candidate::Conflicts(_) => other(Reject::Conflict),
    }
}

fn past(inputs: &Inputs<'_>) -> Result<(), Refusal> {
    let head = inputs.header("head")?;
    let mut trust = inputs.trust()?;
    let hash = head.hash();
    trust.head = Some(verified(head, hash));
    let beacon = trust.read_beacon(&inputs.bytes("beacon"), None)?;
    trust.past(trust.proven(beacon, &inputs.bytes("proof"))?, &inputs.signers()?).map(drop)
}

fn judge(kind: &str, inputs: &Inputs<'_>) -> Result<(), Refusal> {
    match kind {
        "beacon" => {
            let trust = inputs.trust()?;
            trust.certified(trust.read_beacon(&inputs.bytes("beacon"), None)?).map(drop)
        }
        "leap" => leap(inputs),
        "past" => past(inputs),
        "hand-over" => {
            let last = inputs.header("last")?;
            let schedule: Schedule = inputs.get("schedule");
            if !schedule.is_last_round_of_epoch(last.round) {
                return Err(Refusal::new(Reject::WrongRound, "hand-over"));
            }
            read_signers(&inputs.bytes("signers"), last.epoch + 1, &last.next_committee).map(drop)
        }
        other => panic!("no kind {other}"),
    }
}

#[test]
fn chain_4_trust_3_trust_4_trust_5_as_the_vectors_say() {
    let file: Value = serde_json::from_str(VECTORS).expect("JSON");
    let mut judged = 0;
    for case in file["cases"].as_array().expect("cases") {
        let kind = case["kind"].as_str().expect("a kind");
        if !["beacon", "leap", "past", "hand-over"].contains(&kind) {
            continue;
        }
        let found = judge(kind, &Inputs { shared: &file["shared"], case });
        let code = found.as_ref().map_or_else(Refusal::code, |()| "ok");
        assert_eq!(code, case["out"]["verdict"], "{kind}: {}: {found:?}", case["name"]);
        judged += 1;
    }
    assert!(judged >= 40, "{judged} cases");
}

#[test]
fn trust_3_a_hand_over_in_mid_epoch_is_of_the_wrong_round() {
    let chain = Chain::build(Plan::new(4).epochs(1, 4), 8).expect("a plan");
    let start = Trust::new(&encode(&chain.genesis), chain.chain).expect("an honest genesis");
    let list = encode(&chain.committees[1]);
    for (round, verdict) in [(3, Some("wrong-round")), (4, None), (8, Some("wrong-committee"))] {
        let last = chain.beacon(round).expect("a round").clone();
        let handed = start.clone().hand_over(last, &list);
        assert_eq!(handed.err().map(|refusal| refusal.code()), verdict, "round {round}");
    }
}

#[test]
fn every_change_of_a_beacon_of_the_vectors_is_refused() {
    let file: Value = serde_json::from_str(VECTORS).expect("JSON");
    let cases = file["cases"].as_array().expect("cases").iter();
    let good: Vec<_> = cases.filter(|case| case["kind"] == "beacon" && case["out"]["verdict"] == "ok").collect();
    assert!(good.len() >= 3);
    for case in good {
        let inputs = Inputs { shared: &file["shared"], case };
        let trust = inputs.trust().expect("a committee");
        let judge = |bytes: &[u8]| trust.certified(trust.read_beacon(bytes, None)?);
        let bytes = inputs.bytes("beacon");
        judge(&bytes).expect("untouched bytes");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(judge(&changed).is_err(), "{}: bit {bit}", case["name"]);
        }
        for length in 0..bytes.len() {
            assert!(judge(&bytes[..length]).is_err(), "{}: {length} bytes", case["name"]);
        }
    }
}
