//! Every published beacon is accepted by the client's judge, which shares no code with the engine but the
//! specification.

use std::collections::BTreeMap;

use beacon_client::trust::{Candidate, Trust};
use beacon_spec::chain::Beacon;
use beacon_spec::codec::encode;
use beacon_spec::hash::{Digest32, Hasher, tag};

use super::{Checker, Facts, Seen};

pub const NAME: &str = "client";

pub struct Client {
    chain: Digest32,
    light: Vec<u8>,
    trust: Option<Trust>,
    /// Beacons that were accepted, by their bytes' hash, with their rounds.
    accepted: BTreeMap<Digest32, u64>,
}

impl Client {
    pub fn new(chain: Digest32, light: Vec<u8>) -> Self {
        Client { chain, light, trust: None, accepted: BTreeMap::new() }
    }

    fn accept(&mut self, beacon: &Beacon, facts: &Facts) -> Result<(), String> {
        let mut trust = match self.trust.take() {
            Some(trust) => trust,
            None => Trust::new(&self.light, self.chain).map_err(|refusal| refusal.to_string())?,
        };
        let verdict = extend(&mut trust, beacon, facts);
        self.trust = Some(trust);
        verdict
    }
}

fn extend(trust: &mut Trust, beacon: &Beacon, facts: &Facts) -> Result<(), String> {
    let header = &beacon.header;
    if header.epoch > trust.signers().epoch() {
        let last = trust.head().map(|head| head.beacon().clone()).ok_or("an epoch without a head before it")?;
        let next = facts.committees.get(&header.epoch).ok_or("the next committee is not known")?;
        trust.hand_over(last, &encode(next.signers().list())).map_err(|refusal| refusal.to_string())?;
    }
    if header.epoch < trust.signers().epoch() {
        // An older round, seen again with another certificate.
        let signers = facts.committees.get(&header.epoch).ok_or("the committee is not known")?.signers();
        let verdict = beacon.verify(trust.chain(), trust.schedule(), signers);
        return verdict.map(drop).map_err(|reason| reason.to_string());
    }
    match trust.head_candidate(beacon.clone()).map_err(|refusal| refusal.to_string())? {
        Candidate::Extends(verified) => {
            trust.set_head(verified);
            Ok(())
        }
        Candidate::Same | Candidate::Older(_) => Ok(()),
        Candidate::NeedsProof(_) => Err("it leaves rounds out".into()),
        Candidate::Conflicts(_) => Err("it conflicts with the head".into()),
    }
}

impl Checker for Client {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, seen: &Seen, facts: &Facts) -> Result<(), String> {
        let Seen::Published { node, beacon } = seen else { return Ok(()) };
        let id = Hasher::new(tag::STATUS).framed(&encode(*beacon)).finish();
        let round = beacon.header.round;
        if self.accepted.contains_key(&id) {
            return Ok(());
        }
        self.accept(beacon, facts)
            .map_err(|what| format!("the client refuses round {round} as node {node} publishes it: {what}"))?;
        self.accepted.insert(id, round);
        Ok(())
    }
}
