//! A walk from round to round: every link, every certificate, every change of committee, and the MMR root.

use std::sync::Arc;

use beacon_spec::chain::{Beacon, Header};
use beacon_spec::codec::encode;
use beacon_spec::committee::Signers;
use beacon_spec::hash::Digest32;
use beacon_spec::mmr::Mmr;
use beacon_spec::reject::Reject;

use super::links::{Links, RawHeader};
use super::{Conflict, How, Trust, Verified, check_committee, read_signers};
use crate::refusal::Refusal;

/// Consecutive beacons being verified. After the last header of an epoch the walk wants the next signer list.
#[derive(Clone)]
pub struct Walk {
    links: Links,
    signers: Arc<Signers>,
    /// The committee to be fetched before the next step: epoch and hash.
    wanted: Option<(u64, Digest32)>,
    /// The range over all headers so far, kept by walks that start at round 1.
    mmr: Option<Mmr>,
    certificates: bool,
    /// The last header whose certificate was verified.
    certified: Option<Digest32>,
    /// Certificates of the committee in force that were verified.
    verified: u32,
    last: Option<Header>,
    steps: u64,
}

/// After so many certificates of one committee its keys are prepared, which costs about as much again.
const PREPARE_AFTER: u32 = 100;

impl Walk {
    /// A walk from round 1. Without `certificates` only those asked for by [`Walk::take`] and those that change
    /// the committee are verified.
    pub fn from_genesis(trust: &Trust, signers: Arc<Signers>, certificates: bool) -> Walk {
        let links = Links::from_genesis(*trust.chain(), *trust.schedule(), signers.hash());
        Walk {
            links,
            signers,
            wanted: None,
            mmr: Some(Mmr::new()),
            certificates,
            certified: None,
            verified: 0,
            last: None,
            steps: 0,
        }
    }

    /// A walk that starts at a beacon verified already, whose committee `signers` is.
    pub fn from_verified(trust: &Trust, first: &Verified, signers: Arc<Signers>) -> Result<Walk, Refusal> {
        check_committee(first.header(), &signers)?;
        let links = Links::new(*trust.chain(), *trust.schedule());
        let mut walk = Walk {
            links,
            signers,
            wanted: None,
            mmr: None,
            certificates: true,
            certified: None,
            verified: 0,
            last: None,
            steps: 0,
        };
        walk.step(first.beacon())?;
        Ok(walk)
    }

    /// Drops the verification of each certificate.
    #[must_use]
    pub fn certificates(mut self, each: bool) -> Walk {
        self.certificates = each;
        self
    }

    /// The signer list that must be given before the next step: epoch and hash.
    pub fn wants(&self) -> Option<(u64, Digest32)> {
        self.wanted
    }

    /// Gives the signer list that is wanted, encoded.
    pub fn give(&mut self, signers: &[u8]) -> Result<(), Refusal> {
        if let Some((epoch, hash)) = self.wanted {
            self.signers = Arc::new(read_signers(signers, epoch, &hash)?);
            self.verified = 0;
            self.wanted = None;
        }
        Ok(())
    }

    /// Rounds taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Round and hash of the last header taken.
    pub fn last(&self) -> Option<(u64, Digest32)> {
        self.links.last()
    }

    /// Takes the beacon of the next round.
    pub fn step(&mut self, beacon: &Beacon) -> Result<Digest32, Refusal> {
        let header = &beacon.header;
        if let Some((epoch, _)) = self.wanted {
            return Err(Refusal::new(
                Reject::WrongCommittee,
                format!("round {} before the committee of epoch {epoch}", header.round),
            ));
        }
        let encoded = encode(header);
        let raw: &RawHeader = encoded.as_slice().try_into().map_err(|_| Refusal::new(Reject::Malformed, "header"))?;
        let (_, hash) = self.links.push(raw)?;
        check_committee(header, &self.signers)?;
        let changes = header.next_committee != header.committee;
        if self.certificates || changes {
            self.verify_certificate(beacon, &hash)?;
            self.certified = Some(hash);
        }
        self.check_root(header, hash)?;
        if changes {
            self.wanted = Some((header.epoch + 1, header.next_committee));
        }
        self.last = Some(header.clone());
        self.steps += 1;
        Ok(hash)
    }

    /// Takes the beacon of the next round with its certificate, whether or not the walk verifies each.
    pub fn take(&mut self, beacon: Beacon) -> Result<Verified, Refusal> {
        let hash = self.step(&beacon)?;
        self.confirm(&beacon, &hash)?;
        Ok(Verified { beacon, hash, how: How::Certificate })
    }

    /// Verifies the certificate of the beacon just taken, whose header hash is `hash`, unless that has been done.
    pub fn confirm(&mut self, beacon: &Beacon, hash: &Digest32) -> Result<(), Refusal> {
        if self.certified != Some(*hash) {
            self.verify_certificate(beacon, hash)?;
            self.certified = Some(*hash);
        }
        Ok(())
    }

    /// The conflict between the last header and a beacon that was refused, if the committee in force certified that
    /// one too: what tells a fork from an invention. A last header that nobody certified may be the invention itself.
    pub fn fork(&self, refused: &Beacon) -> Option<Conflict> {
        let trusted = self.last.as_ref().filter(|last| self.certified == Some(last.hash()))?;
        let excludes = match refused.header.round.checked_sub(trusted.round)? {
            0 => refused.header != *trusted,
            1 => refused.header.previous != trusted.hash(),
            _ => false,
        };
        let certified = excludes
            && check_committee(&refused.header, &self.signers).is_ok()
            && refused
                .certificate
                .verify(&refused.header.chain, refused.header.round, &refused.header.hash(), &self.signers)
                .is_ok();
        certified.then(|| Conflict { trusted: trusted.clone(), offered: refused.header.clone(), from: None })
    }

    /// The committee in force.
    pub fn signers(&self) -> &Arc<Signers> {
        &self.signers
    }

    fn verify_certificate(&mut self, beacon: &Beacon, hash: &Digest32) -> Result<(), Refusal> {
        self.verified = self.verified.saturating_add(1);
        if self.verified == PREPARE_AFTER {
            self.signers = Arc::new(Signers::clone(&self.signers).prepared());
        }
        let verdict = beacon.certificate.verify(&beacon.header.chain, beacon.header.round, hash, &self.signers);
        verdict.map_err(|reject| Refusal::new(reject, format!("certificate of round {}", beacon.header.round)))
    }

    /// The MMR root, where the range is known from round 1.
    fn check_root(&mut self, header: &Header, hash: Digest32) -> Result<(), Refusal> {
        let Some(mmr) = &mut self.mmr else {
            return Ok(());
        };
        let root = mmr.root();
        if root != header.mmr {
            let refusal = Refusal::new(Reject::BadMmr, format!("header of round {}", header.round));
            return Err(refusal.field("header.mmr").mismatch(root, header.mmr));
        }
        mmr.append(header.round, hash);
        Ok(())
    }
}
