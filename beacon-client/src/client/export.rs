//! Export: rounds with everything that proves them from the chain hash on.

use std::io::{self, Write};
use std::sync::Arc;

use beacon_spec::chain::{BEACON_LIMITS, Beacon};
use beacon_spec::codec::decode;
use beacon_spec::committee::{SignerList, Signers};
use beacon_spec::reject::Reject;

use super::fetch::last_round;
use super::{Client, Miss, Server};
use crate::chainfile::Writer;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::source::Request;
use crate::trust::walk::Walk;
use crate::trust::{SIGNERS_LIMITS, Trust, Verified};

impl Client {
    /// Writes the rounds `from` to `to` (the newest if not given) as a chain file. All that is written has been
    /// verified; returns the first and the last round.
    ///
    /// A file that does not start at round 1 carries the hand-overs of the epochs before its first round. With
    /// `certificates` each round has its own, so that the file can answer for any of them as a server does.
    pub async fn export(
        &self,
        from: u64,
        to: Option<u64>,
        certificates: bool,
        out: impl Write,
    ) -> Result<(u64, Verified), Error> {
        let head = self.latest().await?;
        let to = to.unwrap_or(head.round());
        if from == 0 || from > to {
            return Err(Error::Usage(format!("no rounds from {from} to {to}: they count from 1")));
        }
        let last = self.get(to).await?;
        let trust = self.trust().await?;
        let mut writer = Writer::new(out, trust.genesis()).map_err(unwritten)?;
        let mut walk = self.export_start(&trust, from, &mut writer).await?;
        loop {
            let next = walk.last().map_or(1, |(round, _)| round + 1);
            if next > to {
                break;
            }
            let wanted = walk.wants();
            let (after, beacons) =
                self.any(|server| self.walk_on(server, &trust, &walk, (next, to), Walk::take)).await?;
            walk = after;
            if wanted.is_some() {
                writer.signers(walk.signers().list()).map_err(unwritten)?;
            }
            write_run(&mut writer, &beacons, to, certificates).map_err(unwritten)?;
        }
        if walk.last() != Some((to, last.hash())) {
            return Err(Refusal::new(Reject::BrokenLink, format!("links from round {from} to round {to}")).into());
        }
        writer.finish().map_err(unwritten)?;
        Ok((from, last))
    }

    /// Writes what comes before the run, and gives the walk that goes on from there.
    async fn export_start<W: Write>(&self, trust: &Trust, from: u64, writer: &mut Writer<W>) -> Result<Walk, Error> {
        let signers = Arc::new(Signers::new(trust.genesis().signers.clone())?);
        if from == 1 {
            return Ok(Walk::from_genesis(trust, signers, true));
        }
        let first = self.get(from).await?;
        let mut signers = signers;
        while signers.epoch() < first.header().epoch {
            let (beacon, list) = self.any(|server| self.hand_over(server, trust, &signers)).await?;
            writer.beacon(&beacon).and_then(|()| writer.signers(&list)).map_err(unwritten)?;
            signers = Arc::new(Signers::new(list)?);
        }
        writer.beacon(first.beacon()).map_err(unwritten)?;
        Ok(Walk::from_verified(trust, &first, signers)?)
    }

    /// The last beacon of an epoch and the committee that it names.
    async fn hand_over(&self, server: &Server, trust: &Trust, signers: &Signers) -> Result<(Beacon, SignerList), Miss> {
        let last = last_round(trust, signers.epoch());
        let bytes = self.ask(server, Request::Round(last), &BEACON_LIMITS).await?;
        let beacon = trust.read_beacon(&bytes, Some(last))?;
        let epoch = signers.epoch() + 1;
        let bytes = self.ask(server, Request::Committee { epoch }, &SIGNERS_LIMITS).await?;
        let mut of_epoch = trust.under(signers.clone());
        of_epoch.hand_over(beacon.clone(), &bytes)?;
        let list = decode(&bytes, &SIGNERS_LIMITS).map_err(|reject| Refusal::new(reject, "signer list"))?;
        Ok((beacon, list))
    }
}

/// Writes the headers of a run; certificates of each, or where a reader needs them: at the end of an epoch and of
/// the file.
fn write_run<W: Write>(writer: &mut Writer<W>, beacons: &[Verified], to: u64, each: bool) -> io::Result<()> {
    for beacon in beacons {
        let header = beacon.header();
        writer.header(header)?;
        if each || header.round == to || header.next_committee != header.committee {
            writer.certificate(beacon.certificate())?;
        }
    }
    Ok(())
}

fn unwritten(error: io::Error) -> Error {
    Error::File { path: "export".into(), message: error.to_string() }
}
