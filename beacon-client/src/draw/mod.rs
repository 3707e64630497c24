//! Draws that others can check: a commitment before the round is known, a result after it, and all of it again.
//!
//! What is drawn is a matter of the specification (`beacon_spec::draw`). Here are the files that people hand around: the
//! commitment, which must be published before the round is due (that it was is for its readers to know, not for this
//! code), the outcome with the proof of its round, and the page for people.

pub mod page;

use beacon_spec::hash::Digest32;
use beacon_spec::reject::Reject;
use serde::{Deserialize, Serialize};

pub use beacon_spec::draw::{BadList, BadRules, List, Rules};

use crate::chainfile;
use crate::error::Error;
use crate::refusal::{Reason, Refusal};
use crate::trust::Verified;

const FORMAT: &str = "beacon-draw/1";

/// A draw before its round: what is published, so that nothing can be chosen afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    pub format: String,
    pub chain: Digest32,
    #[serde(with = "beacon_spec::codec::number")]
    pub round: u64,
    /// When the round is due, Unix milliseconds.
    #[serde(with = "beacon_spec::codec::number")]
    pub due: u64,
    pub rules: String,
    #[serde(with = "beacon_spec::codec::number")]
    pub entries: u64,
    pub list: Digest32,
    /// The draw hash over all of the above but the due time, which follows from chain and round.
    pub draw: Digest32,
}

impl Commitment {
    pub fn new(chain: Digest32, round: u64, due: u64, rules: &Rules, list: &List) -> Result<Commitment, Error> {
        rules.check(list).map_err(|bad| Error::Usage(bad.to_string()))?;
        let listed = list.hash();
        Ok(Commitment {
            format: FORMAT.into(),
            chain,
            round,
            due,
            rules: rules.to_string(),
            entries: list.entries().len() as u64,
            list: listed,
            draw: beacon_spec::draw::hash(&chain, round, rules, &listed),
        })
    }

    /// Judges a commitment that was read: format, the list it names, rules, and draw hash.
    pub fn check(&self, list: &List) -> Result<Rules, Refusal> {
        let refused = |reason: Reason, field| Refusal::new(reason, "draw commitment").field(field);
        if self.format != FORMAT {
            return Err(refused(Reject::UnknownVersion.into(), "format").mismatch(FORMAT, &self.format));
        }
        let listed = list.hash();
        if self.list != listed || self.entries != list.entries().len() as u64 {
            return Err(refused(Reason::Inconsistent, "list").mismatch(self.list, listed));
        }
        let bad = |bad: BadRules| refused(bad.reject().into(), "rules");
        let rules: Rules = self.rules.parse().map_err(bad)?;
        rules.check(list).map_err(bad)?;
        let draw = beacon_spec::draw::hash(&self.chain, self.round, &rules, &listed);
        if self.draw != draw {
            return Err(refused(Reason::Inconsistent, "draw").mismatch(draw, self.draw));
        }
        Ok(rules)
    }

    /// What the round's output draws. The beacon must be of the round and chain committed to.
    pub fn draw(&self, list: &List, beacon: &Verified) -> Result<Vec<String>, Refusal> {
        let rules = self.check(list)?;
        let refused = |reject, field| Refusal::new(reject, "draw commitment").field(field);
        if beacon.header().chain != self.chain {
            return Err(refused(Reject::WrongChain, "chain").mismatch(beacon.header().chain, self.chain));
        }
        if beacon.round() != self.round {
            return Err(refused(Reject::WrongRound, "round").mismatch(beacon.round(), self.round));
        }
        if beacon.header().due != self.due {
            return Err(refused(Reject::WrongDueTime, "due").mismatch(beacon.header().due, self.due));
        }
        let drawn = rules.draw(list, beacon.output(), &self.draw);
        drawn.map_err(|bad| Refusal::new(bad.reject(), "draw commitment").field("rules"))
    }
}

/// A draw after its round, with everything that checks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub commitment: Commitment,
    /// The list as it was committed to, one entry a line.
    pub list: String,
    pub output: Digest32,
    pub results: Vec<String>,
    /// A bundle, see [`chainfile`], that proves the round from the chain hash.
    #[serde(with = "beacon_spec::codec::hex_vec")]
    pub proof: Vec<u8>,
}

impl Outcome {
    /// Draws, and keeps the proof.
    pub fn new(commitment: Commitment, list: &List, beacon: &Verified, proof: Vec<u8>) -> Result<Outcome, Refusal> {
        let results = commitment.draw(list, beacon)?;
        Ok(Outcome { commitment, list: list.to_text(), output: *beacon.output(), results, proof })
    }

    /// Verifies everything again from the chain hash, which the reader has from elsewhere: the bundle, the commitment,
    /// the list, and every result.
    pub fn check(&self, chain: &Digest32) -> Result<Verified, Error> {
        let refused = |reason: Reason, field| Refusal::new(reason, "draw").field(field);
        let summary = chainfile::verify(self.proof.as_slice(), chain, |_| {}).map_err(|error| match error {
            chainfile::FileError::Refused(refusal) => Error::from(refusal.by("the draw's proof")),
            // Reading from memory fails in no other way.
            chainfile::FileError::Io(_) => Error::from(refused(Reason::BadChainFile, "proof")),
        })?;
        let list = List::parse(self.list.as_bytes()).map_err(|bad| refused(bad.reject().into(), "list"))?;
        if list.to_text() != self.list {
            return Err(refused(Reason::Inconsistent, "list").into());
        }
        let results = self.commitment.draw(&list, &summary.head)?;
        if self.output != *summary.head.output() {
            return Err(refused(Reject::WrongOutput.into(), "output")
                .mismatch(summary.head.output(), self.output)
                .into());
        }
        if self.results != results {
            return Err(refused(Reason::Inconsistent, "results").into());
        }
        Ok(summary.head)
    }
}
