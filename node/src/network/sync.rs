//! Requests and answers: one substream each, one byte that says what is asked, then opaque bytes up
//! to the end of the stream, never more than the limit.
//!
//! Two questions the network answers by itself: which addresses it knows of the members, so that a
//! node that knows one address finds the whole committee; and whether it is there at all.

use std::io;
use std::time::Duration;

use beacon_spec::gossip;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::request_response::{Behaviour, Codec, Config, OutboundFailure, ProtocolSupport};
use libp2p::{Multiaddr, PeerId, StreamProtocol};

use super::{REQUEST_MAX, RESPONSE_MAX, RequestFailure};

pub(super) type Sync = Behaviour<SyncCodec>;

/// Long enough for the largest answer at 2.3 Mbit/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Requests under way at one time on one connection and in one direction.
const CONCURRENT: usize = 16;
/// Addresses in one answer at most.
pub(super) const EXCHANGE_MAX: usize = 256;
/// A multiaddr with peer identifier is far shorter.
const ADDRESS_MAX: usize = 512;

const TAG_OPAQUE: u8 = 0;
const TAG_ADDRESSES: u8 = 1;
const TAG_PRESENCE: u8 = 2;
const TAG_DRAW: u8 = 3;
const TAG_PUBLIC: u8 = gossip::ASK_PUBLIC;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// Bytes for the owner of the node.
    Opaque(Vec<u8>),
    /// The members' addresses.
    Addresses,
    /// Whether the peer answers; the answer is empty.
    Presence,
    /// Private random bytes out of the peer's own pool, for the owner of the node to give or refuse.
    Draw,
    /// A path of the public interface. Nodes answer it and ask it of nobody.
    Public(String),
}

pub(super) fn behaviour(namespace: &str) -> Result<Sync, String> {
    let protocol = StreamProtocol::try_from_owned(gossip::asking(namespace)).map_err(|error| error.to_string())?;
    Ok(Behaviour::with_codec(
        SyncCodec,
        [(protocol, ProtocolSupport::Full)],
        Config::default().with_request_timeout(REQUEST_TIMEOUT).with_max_concurrent_streams(CONCURRENT),
    ))
}

pub(super) fn failure(error: &OutboundFailure) -> RequestFailure {
    match error {
        OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => RequestFailure::NotConnected,
        OutboundFailure::Timeout => RequestFailure::Timeout,
        OutboundFailure::UnsupportedProtocols => RequestFailure::Unsupported,
        OutboundFailure::Io(_) => RequestFailure::Refused,
    }
}

/// Reads and writes questions and answers.
#[derive(Clone, Default)]
pub(super) struct SyncCodec;

impl Codec for SyncCodec {
    type Protocol = StreamProtocol;
    type Request = Question;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Question>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut tag = [0; 1];
        io.read_exact(&mut tag).await?;
        let body = read_bounded(io, REQUEST_MAX).await?;
        match (tag[0], body.is_empty()) {
            (TAG_OPAQUE, _) => Ok(Question::Opaque(body)),
            (TAG_ADDRESSES, true) => Ok(Question::Addresses),
            (TAG_PRESENCE, true) => Ok(Question::Presence),
            (TAG_DRAW, true) => Ok(Question::Draw),
            (TAG_PUBLIC, _) if body.len() <= gossip::PATH_MAX => String::from_utf8(body)
                .map(Question::Public)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a path that is no text")),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "unknown question")),
        }
    }

    /// An answer starts with one zero byte, so that an empty answer differs from a closed stream.
    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut tag = [0; 1];
        io.read_exact(&mut tag).await?;
        if tag[0] != TAG_OPAQUE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "unknown answer"));
        }
        read_bounded(io, RESPONSE_MAX).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, question: Question) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match question {
            Question::Opaque(data) => {
                io.write_all(&[TAG_OPAQUE]).await?;
                io.write_all(&data).await
            }
            Question::Addresses => io.write_all(&[TAG_ADDRESSES]).await,
            Question::Presence => io.write_all(&[TAG_PRESENCE]).await,
            Question::Draw => io.write_all(&[TAG_DRAW]).await,
            Question::Public(path) => {
                io.write_all(&[TAG_PUBLIC]).await?;
                io.write_all(path.as_bytes()).await
            }
        }
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, answer: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&[TAG_OPAQUE]).await?;
        io.write_all(&answer).await
    }
}

/// Reads to the end of the stream; the buffer grows with what arrives, never beyond the limit.
async fn read_bounded<T>(io: &mut T, limit: usize) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin + Send,
{
    let mut body = Vec::new();
    io.take(limit as u64 + 1).read_to_end(&mut body).await?;
    if body.len() > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message too long"));
    }
    Ok(body)
}

/// Encodes addresses, each ending in `/p2p/…`: a length of two bytes and the binary multiaddr.
pub(super) fn encode_addresses<'a>(addresses: impl Iterator<Item = (&'a PeerId, &'a Multiaddr)>) -> Vec<u8> {
    let mut out = Vec::new();
    let full = addresses
        .filter_map(|(peer, address)| address.clone().with_p2p(*peer).ok())
        .map(|address| address.to_vec())
        .filter(|bytes| bytes.len() <= ADDRESS_MAX)
        .take(EXCHANGE_MAX);
    for bytes in full {
        let length = u16::try_from(bytes.len()).unwrap_or(0);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&bytes);
    }
    out
}

/// Decodes addresses; `None` if anything about them is malformed.
pub(super) fn decode_addresses(mut bytes: &[u8]) -> Option<Vec<(PeerId, Multiaddr)>> {
    let mut addresses = Vec::new();
    while !bytes.is_empty() {
        if addresses.len() == EXCHANGE_MAX {
            return None;
        }
        let (head, rest) = bytes.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*head));
        let (body, rest) = (length <= ADDRESS_MAX && length <= rest.len()).then(|| rest.split_at(length))?;
        addresses.push(split_peer(Multiaddr::try_from(body.to_vec()).ok()?)?);
        bytes = rest;
    }
    Some(addresses)
}

/// Takes the peer identifier off the end of an address.
pub(super) fn split_peer(mut address: Multiaddr) -> Option<(PeerId, Multiaddr)> {
    match address.pop()? {
        libp2p::core::multiaddr::Protocol::P2p(peer) => Some((peer, address)),
        _ => None,
    }
}

/// The address without a peer identifier at its end, if it had one.
pub(super) fn without_peer(address: Multiaddr) -> Multiaddr {
    split_peer(address.clone()).map_or(address, |(_, bare)| bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arbitrary::near;
    use futures::executor::block_on;
    use futures::io::Cursor;

    const PROTOCOL: StreamProtocol = StreamProtocol::new("/test");

    #[test]
    fn questions_and_answers_round_trip() {
        let plain = [Question::Addresses, Question::Presence, Question::Draw];
        let opaque = [vec![1; REQUEST_MAX], Vec::new()].map(Question::Opaque);
        let public = ["", &"p".repeat(gossip::PATH_MAX)].map(|path| Question::Public(path.to_owned()));
        for question in plain.into_iter().chain(opaque).chain(public) {
            let mut wire = Cursor::new(Vec::new());
            block_on(SyncCodec.write_request(&PROTOCOL, &mut wire, question.clone())).unwrap();
            let mut wire = Cursor::new(wire.into_inner());
            let read = block_on(SyncCodec.read_request(&PROTOCOL, &mut wire)).unwrap();
            assert_eq!(read, question);
        }
        let mut wire = Cursor::new(Vec::new());
        block_on(SyncCodec.write_response(&PROTOCOL, &mut wire, vec![5; 10])).unwrap();
        let mut wire = Cursor::new(wire.into_inner());
        let read = block_on(SyncCodec.read_response(&PROTOCOL, &mut wire)).unwrap();
        assert_eq!(read, vec![5; 10]);
    }

    #[test]
    fn oversize_truncated_and_unknown_are_refused() {
        let mut long = Cursor::new(vec![TAG_OPAQUE; REQUEST_MAX + 2]);
        assert!(block_on(SyncCodec.read_request(&PROTOCOL, &mut long)).is_err());
        let mut long = Cursor::new(vec![TAG_OPAQUE; RESPONSE_MAX + 2]);
        assert!(block_on(SyncCodec.read_response(&PROTOCOL, &mut long)).is_err());
        let long_path = [vec![TAG_PUBLIC], vec![b'p'; gossip::PATH_MAX + 1]].concat();
        for bad in [vec![], vec![9], vec![TAG_ADDRESSES, 1], long_path, vec![TAG_PUBLIC, 0xff]] {
            let mut bad = Cursor::new(bad);
            assert!(block_on(SyncCodec.read_request(&PROTOCOL, &mut bad)).is_err());
        }
        let mut closed = Cursor::new(Vec::new());
        assert!(block_on(SyncCodec.read_response(&PROTOCOL, &mut closed)).is_err());
    }

    #[test]
    fn addresses_round_trip_and_malformed_ones_are_refused() {
        let peer = PeerId::random();
        let address: Multiaddr = "/ip4/127.0.0.1/tcp/9000".parse().unwrap();
        let wire = encode_addresses([(&peer, &address)].into_iter());
        assert_eq!(decode_addresses(&wire), Some(vec![(peer, address.clone())]));
        for length in 1..wire.len() {
            assert_eq!(decode_addresses(&wire[..length]), None);
        }
        let many = std::iter::repeat_n((&peer, &address), EXCHANGE_MAX + 5);
        let wire = encode_addresses(many);
        assert_eq!(decode_addresses(&wire).unwrap().len(), EXCHANGE_MAX);
        let bare = address.to_vec();
        let mut wire = (bare.len() as u16).to_be_bytes().to_vec();
        wire.extend(bare);
        assert_eq!(decode_addresses(&wire), None, "an address without a peer");
    }

    proptest::proptest! {
        /// Whatever a peer sends as a question is one, or is refused; one that is read is written alike.
        #[test]
        fn any_bytes_are_a_question_or_refused(bytes in near(&QUESTIONS.concat())) {
            if let Ok(question) = block_on(SyncCodec.read_request(&PROTOCOL, &mut Cursor::new(&bytes))) {
                let mut wire = Cursor::new(Vec::new());
                block_on(SyncCodec.write_request(&PROTOCOL, &mut wire, question)).unwrap();
                proptest::prop_assert_eq!(wire.into_inner(), bytes);
            }
        }

        /// Whatever a peer sends as addresses is a bounded list of them, or is refused.
        #[test]
        fn any_bytes_are_addresses_or_refused(bytes in near(&some_addresses())) {
            if let Some(addresses) = decode_addresses(&bytes) {
                proptest::prop_assert!(addresses.len() <= EXCHANGE_MAX);
                let again = encode_addresses(addresses.iter().map(|(peer, address)| (peer, address)));
                proptest::prop_assert_eq!(decode_addresses(&again), Some(addresses));
            }
        }
    }

    const QUESTIONS: [&[u8]; 2] = [&[TAG_PUBLIC], b"/beacon/rounds/latest"];

    fn some_addresses() -> Vec<u8> {
        let peers = [PeerId::random(), PeerId::random()];
        let addresses = ["/ip4/127.0.0.1/tcp/9000", "/dns4/localhost/udp/9000/quic-v1"];
        let addresses: Vec<Multiaddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        encode_addresses(peers.iter().zip(&addresses))
    }
}
