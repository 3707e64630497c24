//! A chain file as a source: what a server would answer, from a disk.
//!
//! The file is indexed, not verified: like a server it is believed in nothing, and the trust module judges what it
//! gives. It answers for rounds that it has with their certificate, as `beacon export --certificates` writes them, and
//! proves any of them if it has all headers from round 1 on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use beacon_spec::chain::{HEADER_BYTES, hash_encoded};
use beacon_spec::codec::{decode, encode};
use beacon_spec::genesis::LightGenesis;
use beacon_spec::hash::Digest32;
use beacon_spec::mmr::{self, Mmr};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};

use super::{Fault, Pushes, Request, Source};
use crate::chainfile::{MAGIC, Part, read_part};
use crate::trust::GENESIS_LIMITS;
use crate::trust::links::{self, RawHeader};

/// Where bytes stand in the file.
#[derive(Clone, Copy, Debug)]
struct Span {
    at: u64,
    length: usize,
}

/// A chain file, indexed.
pub struct FileSource {
    name: String,
    path: PathBuf,
    genesis: Span,
    /// Headers by round.
    headers: BTreeMap<u64, Run>,
    /// Certificates by round.
    certificates: BTreeMap<u64, Span>,
    /// Signer lists by epoch.
    committees: BTreeMap<u64, Span>,
}

/// Consecutive headers.
#[derive(Clone, Copy, Debug)]
struct Run {
    at: u64,
    count: u64,
}

impl FileSource {
    /// Indexes a file; the error says why it is no chain file.
    pub fn open(path: &Path) -> Result<FileSource, String> {
        FileSource::index(path).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn index(path: &Path) -> io::Result<FileSource> {
        let mut input = BufReader::new(File::open(path)?);
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic)?;
        if magic != MAGIC {
            return Err(io::Error::other("it does not begin as a chain file does"));
        }
        let mut source = FileSource {
            name: format!("file:{}", path.display()),
            path: path.to_owned(),
            genesis: Span { at: 0, length: 0 },
            headers: BTreeMap::new(),
            certificates: BTreeMap::new(),
            committees: BTreeMap::new(),
        };
        let mut last = 0;
        loop {
            let (part, length) = read_part(&mut input)?;
            let at = input.stream_position()?;
            let mut rest = length as u64;
            match part {
                Some(Part::End) => break,
                Some(Part::Genesis) => source.genesis = Span { at, length },
                Some(Part::Headers) => {
                    let count = rest / HEADER_BYTES as u64;
                    rest = rest.checked_sub(HEADER_BYTES as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
                    let first = round_at(&mut input)?;
                    source.headers.insert(first, Run { at, count });
                    last = first.saturating_add(count).saturating_sub(1);
                }
                Some(Part::Certificate) => drop(source.certificates.insert(last, Span { at, length })),
                Some(Part::Beacon) => {
                    rest = rest.checked_sub(HEADER_BYTES as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
                    last = round_at(&mut input)?;
                    source.headers.insert(last, Run { at, count: 1 });
                    let certificate = Span { at: at + HEADER_BYTES as u64, length: length - HEADER_BYTES };
                    source.certificates.insert(last, certificate);
                }
                Some(Part::Signers) => {
                    let mut epoch = [0; 8];
                    input.read_exact(&mut epoch)?;
                    rest = rest.checked_sub(8).ok_or(io::ErrorKind::UnexpectedEof)?;
                    source.committees.insert(u64::from_be_bytes(epoch), Span { at, length });
                }
                None => return Err(io::Error::other("it has a part of an unknown kind")),
            }
            let rest = i64::try_from(rest).map_err(io::Error::other)?;
            input.seek_relative(rest)?;
        }
        Ok(source)
    }

    fn answer(&self, request: Request, limit: usize) -> Result<Vec<u8>, Fault> {
        match request {
            Request::LightGenesis => self.bytes(self.genesis, limit),
            Request::Latest => {
                let last = self.certificates.last_key_value().ok_or(Fault::NotYet)?;
                self.beacon(*last.0, limit)
            }
            Request::Round(round) => self.beacon(round, limit),
            Request::Range { from, to } => self.range(from, to, limit),
            Request::Committee { epoch: 1 } => {
                let genesis = self.bytes(self.genesis, limit.saturating_add(GENESIS_LIMITS.max_bytes))?;
                let light: LightGenesis = decode(&genesis, &GENESIS_LIMITS).map_err(|_| missing())?;
                Ok(encode(&light.signers))
            }
            Request::Committee { epoch } => self.bytes(*self.committees.get(&epoch).ok_or_else(missing)?, limit),
            Request::Proof { round, head } => self.prove(round, head),
            Request::Members { .. } | Request::Transcript(_) | Request::Evidence { .. } => Err(missing()),
        }
    }

    fn beacon(&self, round: u64, limit: usize) -> Result<Vec<u8>, Fault> {
        let certificate = *self.certificates.get(&round).ok_or_else(|| self.none(round))?;
        let header = self.header(round).ok_or_else(missing)?;
        let certificate = self.bytes(certificate, limit.saturating_sub(HEADER_BYTES))?;
        Ok([self.bytes(header, HEADER_BYTES)?, certificate].concat())
    }

    /// A round that the file does not have with its certificate: it may be one to come.
    fn none(&self, round: u64) -> Fault {
        let newest = self.certificates.last_key_value().map_or(0, |last| *last.0);
        if round > newest { Fault::NotYet } else { Fault::Missing(Some("no certificate in the file".into())) }
    }

    fn header(&self, round: u64) -> Option<Span> {
        let (first, run) = self.headers.range(..=round).next_back()?;
        let place = round - first;
        (place < run.count).then_some(Span { at: run.at + place * HEADER_BYTES as u64, length: HEADER_BYTES })
    }

    fn range(&self, from: u64, to: u64, limit: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; 8];
        let mut count = 0u64;
        for round in from..=to {
            match self.beacon(round, limit.saturating_sub(bytes.len())) {
                Ok(beacon) => bytes.extend(beacon),
                Err(fault) if count == 0 => return Err(fault),
                Err(_) => break,
            }
            count += 1;
        }
        bytes[..8].copy_from_slice(&count.to_be_bytes());
        Ok(bytes)
    }

    /// Proves a round by building the range up to `head` and keeping only the nodes that the proof asks for.
    fn prove(&self, round: u64, head: u64) -> Result<Vec<u8>, Fault> {
        let count = head.checked_sub(1).ok_or_else(missing)?;
        let wanted = RefCell::new(BTreeMap::new());
        let note = |position| {
            wanted.borrow_mut().insert(position, Digest32::ZERO);
            Some(Digest32::ZERO)
        };
        mmr::prove(round, count, note).ok_or_else(missing)?;
        let mut nodes = wanted.into_inner();
        let mut range = Mmr::new();
        let built = self.each_header(count, |round, raw| {
            for (position, node) in range.append(round, hash_encoded(raw)) {
                nodes.entry(position).and_modify(|wanted| *wanted = node);
            }
        });
        built.map_err(|_| missing())?;
        let proof = mmr::prove(round, count, |position| nodes.get(&position).copied()).ok_or_else(missing)?;
        Ok(encode(&proof))
    }

    /// Gives the headers of rounds 1 to `count` in order, or an error if one is not there.
    fn each_header(&self, count: u64, mut take: impl FnMut(u64, &RawHeader)) -> io::Result<()> {
        let mut input = BufReader::with_capacity(1 << 18, File::open(&self.path)?);
        let mut raw = [0; HEADER_BYTES];
        let mut next = 1;
        while next <= count {
            let first = self.header(next).ok_or(io::ErrorKind::NotFound)?;
            let (start, run) = self.headers.range(..=next).next_back().ok_or(io::ErrorKind::NotFound)?;
            input.seek(SeekFrom::Start(first.at))?;
            let last = count.min(start + (run.count - 1));
            for round in next..=last {
                input.read_exact(&mut raw)?;
                take(round, &raw);
            }
            next = last + 1;
        }
        Ok(())
    }

    fn bytes(&self, span: Span, limit: usize) -> Result<Vec<u8>, Fault> {
        if span.length > limit {
            return Err(Fault::TooLong(limit));
        }
        let read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(span.at))?;
            let mut bytes = vec![0; span.length];
            file.read_exact(&mut bytes).map(|()| bytes)
        };
        read().map_err(|error: io::Error| Fault::Connect(error.to_string()))
    }
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch(&self, request: Request, limit: usize) -> BoxFuture<'_, Result<Vec<u8>, Fault>> {
        futures::future::ready(self.answer(request, limit)).boxed()
    }

    /// A file pushes nothing: what is in it is fetched, and more does not come.
    fn subscribe(&self, _: u64) -> BoxFuture<'_, Result<Pushes, Fault>> {
        futures::future::ready(Ok(stream::pending().boxed())).boxed()
    }
}

fn missing() -> Fault {
    Fault::Missing(None)
}

/// The round of the header at the cursor, which moves past it.
fn round_at(input: &mut impl Read) -> io::Result<u64> {
    let mut raw = [0; HEADER_BYTES];
    input.read_exact(&mut raw)?;
    Ok(links::read(&raw).round)
}
