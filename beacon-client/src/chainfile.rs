//! Chain files and offline bundles: one format, written and verified as a stream in bounded memory.
//!
//! After the magic come parts, each a tag byte, a big-endian `u32` length and so many bytes:
//!
//! | tag | holds | means |
//! |---|---|---|
//! | `G` | `LightGenesis` | first part; hashes to the chain hash that the reader trusts |
//! | `H` | headers, 270 bytes each | follow the header before, or the genesis |
//! | `C` | `Certificate` | of the last header |
//! | `B` | `Beacon` | certified on its own; the headers that follow link to it |
//! | `S` | `SignerList` | the next epoch's committee, after the certified last header of an epoch |
//! | `E` | `u64` headers, `u64` parts before | last part: without it the file was cut |
//!
//! A chain of a million rounds is `G`, `H`…, `C`, `E`; a bundle for one round is `G`, (`B`, `S`)…, `B`, `E`: the last
//! header of each epoch on the way, then the round itself. Headers count as verified when a certificate after them was;
//! nothing is reported before `E`.

use std::io::{self, Read, Write};

use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{BEACON_LIMITS, Beacon, HEADER_BYTES, Header};
use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::committee::SignerList;
use beacon_spec::genesis::LightGenesis;
use beacon_spec::hash::Digest32;
use beacon_spec::reject::Reject;

use crate::refusal::{Reason, Refusal};
use crate::trust::links::{Links, RawHeader};
use crate::trust::{GENESIS_LIMITS, SIGNERS_LIMITS, Trust, Verified};

/// How every file begins.
pub const MAGIC: [u8; 8] = *b"BEACON1\n";
/// Headers of one `H` part as the writer cuts them.
const RUN: usize = 4096;
/// Headers read at a time.
const CHUNK: usize = 512;
/// Bundled beacons that are kept for the report: a bundle answers for a few rounds, ranges are links.
const MAX_KEPT: usize = 1024;

/// The kinds of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Genesis,
    Headers,
    Certificate,
    Beacon,
    Signers,
    End,
}

impl Part {
    const ALL: [(u8, Part); 6] = [
        (b'G', Part::Genesis),
        (b'H', Part::Headers),
        (b'C', Part::Certificate),
        (b'B', Part::Beacon),
        (b'S', Part::Signers),
        (b'E', Part::End),
    ];

    fn tag(self) -> u8 {
        Part::ALL.iter().find(|(_, part)| *part == self).map_or(0, |(tag, _)| *tag)
    }
}

/// Reads what stands before each part: its kind, if it is a known one, and its length in bytes.
pub fn read_part(input: &mut impl Read) -> io::Result<(Option<Part>, usize)> {
    let mut head = [0; 5];
    input.read_exact(&mut head)?;
    let [tag, length @ ..] = head;
    let part = Part::ALL.iter().find(|(known, _)| *known == tag).map(|(_, part)| *part);
    Ok((part, u32::from_be_bytes(length) as usize))
}

/// Writes a chain file part by part; [`Writer::finish`] makes it complete.
pub struct Writer<W: Write> {
    out: W,
    run: Vec<u8>,
    headers: u64,
    parts: u64,
}

impl<W: Write> Writer<W> {
    pub fn new(mut out: W, genesis: &LightGenesis) -> io::Result<Self> {
        out.write_all(&MAGIC)?;
        let mut writer = Writer { out, run: Vec::with_capacity(RUN * HEADER_BYTES), headers: 0, parts: 0 };
        writer.part(Part::Genesis, &encode(genesis))?;
        Ok(writer)
    }

    /// The header that follows the last one.
    pub fn header(&mut self, header: &Header) -> io::Result<()> {
        self.run.extend_from_slice(&encode(header));
        self.headers += 1;
        if self.run.len() >= RUN * HEADER_BYTES { self.flush_run() } else { Ok(()) }
    }

    /// The certificate of the last header.
    pub fn certificate(&mut self, certificate: &Certificate) -> io::Result<()> {
        self.flush_run()?;
        self.part(Part::Certificate, &encode(certificate))
    }

    /// A beacon that stands on its own certificate.
    pub fn beacon(&mut self, beacon: &Beacon) -> io::Result<()> {
        self.flush_run()?;
        self.part(Part::Beacon, &encode(beacon))
    }

    /// The signer list of the next epoch.
    pub fn signers(&mut self, signers: &SignerList) -> io::Result<()> {
        self.flush_run()?;
        self.part(Part::Signers, &encode(signers))
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.flush_run()?;
        let end = encode(&(self.headers, self.parts));
        self.part(Part::End, &end)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn flush_run(&mut self) -> io::Result<()> {
        if self.run.is_empty() {
            return Ok(());
        }
        let run = std::mem::take(&mut self.run);
        self.part(Part::Headers, &run)?;
        self.run = run;
        self.run.clear();
        Ok(())
    }

    fn part(&mut self, part: Part, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| io::Error::other("a part of 4 GiB"))?;
        self.out.write_all(&[part.tag()])?;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(bytes)?;
        self.parts += 1;
        Ok(())
    }
}

/// What a file proves.
#[derive(Clone, Debug)]
pub struct Summary {
    pub trust: Trust,
    /// The last certified header.
    pub head: Verified,
    /// The first round of the last linked run, which reaches to the head without a gap.
    pub first: u64,
    /// Headers verified by hash links.
    pub headers: u64,
    pub certificates: u64,
    /// Beacons that stand on their own certificate, hand-overs left out: the last 1024 of them.
    pub beacons: Vec<Verified>,
}

/// Why a file could not be verified.
#[derive(Debug)]
pub enum FileError {
    Refused(Box<Refusal>),
    Io(io::Error),
}

impl From<Refusal> for FileError {
    fn from(refusal: Refusal) -> Self {
        FileError::Refused(Box::new(refusal))
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => bad("the file ends before its end mark").into(),
            _ => FileError::Io(error),
        }
    }
}

fn bad(what: &str) -> Refusal {
    Refusal::new(Reason::BadChainFile, what)
}

/// Verifies a whole file under the chain hash that the reader trusts. `progress` is told the headers verified so far.
pub fn verify(input: impl Read, chain: &Digest32, progress: impl FnMut(u64)) -> Result<Summary, FileError> {
    verify_with(input, chain, &[], progress)
}

/// As [`verify`]; headers that are trusted already, by round and hash, must be those of the file where it has them.
pub fn verify_with(
    mut input: impl Read,
    chain: &Digest32,
    trusted: &[(u64, Digest32)],
    mut progress: impl FnMut(u64),
) -> Result<Summary, FileError> {
    let mut magic = [0; MAGIC.len()];
    match input.read_exact(&mut magic) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
        _ if magic != MAGIC => return Err(Refusal::new(Reason::NotAChainFile, "first eight bytes").into()),
        _ => {}
    }
    let (part, length) = read_part(&mut input)?;
    if part != Some(Part::Genesis) {
        return Err(bad("the first part is not the genesis").into());
    }
    let genesis = part_bytes(&mut input, length, &GENESIS_LIMITS, "light genesis")?;
    let mut reader = Reader::new(Trust::new(&genesis, *chain)?, trusted);
    loop {
        let (part, length) = read_part(&mut input)?;
        if part == Some(Part::End) {
            return reader.end(&mut input, length);
        }
        reader.part(part, length, &mut input, &mut progress)?;
        reader.parts += 1;
    }
}

fn part_bytes(input: &mut impl Read, length: usize, limits: &Limits, what: &str) -> Result<Vec<u8>, FileError> {
    if length > limits.max_bytes {
        return Err(Refusal::new(Reject::TooLong, what).into());
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The state of a verification between two parts.
struct Reader<'a> {
    trust: Trust,
    /// Headers that the reader of the file trusts already.
    trusted: &'a [(u64, Digest32)],
    links: Links,
    /// The first round of the linked run in progress.
    first: u64,
    /// The last header, while it waits for a certificate.
    open: Option<Header>,
    /// The last certified header.
    head: Option<Verified>,
    headers: u64,
    parts: u64,
    certificates: u64,
    beacons: Vec<Verified>,
}

impl<'a> Reader<'a> {
    fn new(trust: Trust, trusted: &'a [(u64, Digest32)]) -> Self {
        let links = Links::from_genesis(*trust.chain(), *trust.schedule(), trust.signers().hash());
        let (open, head, beacons) = (None, None, Vec::new());
        Reader { trust, trusted, links, first: 1, open, head, headers: 0, parts: 1, certificates: 0, beacons }
    }

    fn part(
        &mut self,
        part: Option<Part>,
        length: usize,
        input: &mut impl Read,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), FileError> {
        match part {
            Some(Part::Headers) => return self.headers(length, input, progress),
            Some(Part::Certificate) => {
                let bytes = part_bytes(input, length, &BEACON_LIMITS, "certificate")?;
                self.certificate(&bytes)?;
            }
            Some(Part::Beacon) => {
                let bytes = part_bytes(input, length, &BEACON_LIMITS, "beacon")?;
                self.beacon(&bytes)?;
            }
            Some(Part::Signers) => {
                let bytes = part_bytes(input, length, &SIGNERS_LIMITS, "signer list")?;
                self.signers(&bytes)?;
            }
            Some(Part::Genesis | Part::End) | None => {
                return Err(bad("a part of an unknown kind, or a second genesis").into());
            }
        }
        Ok(())
    }

    fn headers(
        &mut self,
        length: usize,
        input: &mut impl Read,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), FileError> {
        if length == 0 || !length.is_multiple_of(HEADER_BYTES) {
            return Err(bad("a run of headers of a broken length").into());
        }
        let committee = self.trust.signers().hash();
        let mut buffer = vec![0; length.min(CHUNK * HEADER_BYTES)];
        let mut left = length;
        while left > 0 {
            let chunk = &mut buffer[..left.min(CHUNK * HEADER_BYTES)];
            input.read_exact(chunk)?;
            left -= chunk.len();
            let (raws, _) = chunk.as_chunks::<HEADER_BYTES>();
            for raw in raws {
                self.header(raw, &committee)?;
            }
            progress(self.headers);
        }
        Ok(())
    }

    fn header(&mut self, raw: &RawHeader, committee: &Digest32) -> Result<(), Refusal> {
        let (header, hash) = self.links.push(raw)?;
        self.check_trusted(header.round, &hash)?;
        if header.committee != *committee {
            // Links allow the committee that the last header of an epoch names, but here it was never certified.
            let refusal = Refusal::new(Reject::WrongCommittee, format!("header of round {}", header.round));
            return Err(refusal.mismatch(committee, header.committee));
        }
        self.open = Some(header);
        self.headers += 1;
        Ok(())
    }

    fn certificate(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let Some(header) = self.open.take() else {
            return Err(bad("a certificate without a header"));
        };
        let what = || format!("certificate of round {}", header.round);
        let certificate = decode(bytes, &BEACON_LIMITS).map_err(|reject| Refusal::new(reject, what()))?;
        self.certify(Beacon { header, certificate })?;
        Ok(())
    }

    fn check_trusted(&self, round: u64, hash: &Digest32) -> Result<(), Refusal> {
        match self.trusted.iter().find(|known| known.0 == round && known.1 != *hash) {
            Some(known) => {
                let refusal =
                    Refusal::new(Reject::Conflict, format!("header of round {round}, which is trusted already"));
                Err(refusal.field("hash").mismatch(known.1, hash))
            }
            None => Ok(()),
        }
    }

    fn certify(&mut self, beacon: Beacon) -> Result<&Verified, Refusal> {
        let verified = self.trust.certified(beacon)?;
        self.certificates += 1;
        Ok(self.head.insert(verified))
    }

    fn beacon(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.open.is_some() {
            return Err(bad("headers without a certificate before a beacon"));
        }
        let beacon = self.trust.read_beacon(bytes, None)?;
        if let Some(head) = self.head.as_ref().filter(|head| beacon.header.round <= head.round()) {
            let refusal = Refusal::new(Reject::WrongRound, format!("beacon of round {}", beacon.header.round));
            return Err(refusal.field("header.round").mismatch(format!("> {}", head.round()), beacon.header.round));
        }
        let raw = encode(&beacon.header);
        self.links = Links::new(*self.trust.chain(), *self.trust.schedule());
        self.links.push(raw.as_slice().try_into().map_err(|_| bad("a header of another width"))?)?;
        self.first = beacon.header.round;
        self.check_trusted(beacon.header.round, &beacon.header.hash())?;
        let verified = self.certify(beacon)?.clone();
        if self.beacons.len() == MAX_KEPT {
            self.beacons.remove(0);
        }
        self.beacons.push(verified);
        Ok(())
    }

    fn signers(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let last = self.head.as_ref().filter(|_| self.open.is_none());
        let last = last.ok_or_else(|| bad("a signer list without a certified header before"))?;
        self.beacons.pop_if(|beacon| beacon.round() == last.round());
        self.trust.hand_over(last.beacon().clone(), bytes)
    }

    fn end(self, input: &mut impl Read, length: usize) -> Result<Summary, FileError> {
        let bytes = part_bytes(input, length, &Limits::bytes(16), "end mark")?;
        let counts: (u64, u64) =
            decode(&bytes, &Limits::bytes(16)).map_err(|reject| Refusal::new(reject, "end mark"))?;
        if counts != (self.headers, self.parts) {
            return Err(bad("the end mark counts other headers or parts").into());
        }
        if input.read(&mut [0])? != 0 {
            return Err(Refusal::new(Reject::TrailingBytes, "chain file").into());
        }
        if self.open.is_some() {
            return Err(bad("the last headers have no certificate").into());
        }
        let mut trust = self.trust;
        let head = self.head.ok_or_else(|| bad("nothing but a genesis"))?;
        if head.header().committee == trust.signers().hash() {
            trust.set_head(head.clone());
        }
        let (first, headers, certificates, beacons) = (self.first, self.headers, self.certificates, self.beacons);
        Ok(Summary { trust, head, first, headers, certificates, beacons })
    }
}
