//! Where bytes come from. A source is believed in nothing: it answers requests with bytes or a fault, and the trust
//! module judges the bytes.

pub mod file;
#[cfg(feature = "gossip")]
pub mod gossip;
pub mod http;
pub mod tls;
pub mod wire;

use core::fmt;

use beacon_spec::chain::Beacon;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::refusal::Refusal;

/// What a source can be asked for; every answer is the encoding of the type named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `LightGenesis`
    LightGenesis,
    /// `Beacon`, the newest certified.
    Latest,
    /// `Beacon`
    Round(u64),
    /// `Vec<Beacon>`, both ends included; it may stop early at the tip.
    Range { from: u64, to: u64 },
    /// `MmrProof` of `round` under the header of `head`.
    Proof { round: u64, head: u64 },
    /// `SignerList`
    Committee { epoch: u64 },
    /// `MemberList`: the committee with all keys.
    Members { epoch: u64 },
    /// `Transcript`
    Transcript(u64),
    /// `Vec<Evidence>` of an epoch against members from index `from` on, by member; it may stop between two members.
    Evidence { epoch: u64, from: u16 },
}

impl Request {
    /// The path under a node's `/beacon/` whose answer this is, in binary.
    pub fn path(self) -> String {
        match self {
            Request::LightGenesis => "info?format=binary".to_owned(),
            Request::Latest => "rounds/latest?format=binary".to_owned(),
            Request::Round(round) => format!("rounds/{round}?format=binary"),
            Request::Range { from, to } => format!("rounds?from={from}&to={to}&format=binary"),
            Request::Proof { round, head } => format!("rounds/{round}/proof?head={head}&format=binary"),
            Request::Committee { epoch } => format!("committee?epoch={epoch}&format=binary"),
            Request::Members { epoch } => format!("committee?epoch={epoch}&full=1&format=binary"),
            Request::Transcript(round) => format!("rounds/{round}/transcript?format=binary"),
            Request::Evidence { epoch, from } => format!("evidence?epoch={epoch}&from={from}&format=binary"),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::LightGenesis => f.write_str("light genesis"),
            Request::Latest => f.write_str("newest beacon"),
            Request::Round(round) => write!(f, "round {round}"),
            Request::Range { from, to } => write!(f, "rounds {from} to {to}"),
            Request::Proof { round, head } => write!(f, "proof of round {round} under {head}"),
            Request::Committee { epoch } => write!(f, "committee of epoch {epoch}"),
            Request::Members { epoch } => write!(f, "members of epoch {epoch}"),
            Request::Transcript(round) => write!(f, "transcript of round {round}"),
            Request::Evidence { epoch, .. } => write!(f, "evidence of epoch {epoch}"),
        }
    }
}

/// How a source failed to answer. None of these is a lie: a source that lies is refused by the trust module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection: refused, unknown host, bad TLS.
    Connect(String),
    /// No whole answer in time.
    Timeout,
    /// The connection ended before the answer did.
    Closed,
    /// More bytes than the answer can have.
    TooLong(usize),
    /// Not HTTP, or HTTP this client does not speak.
    Protocol(String),
    /// A redirect; it is not followed, since servers are chosen by the user.
    Redirect(u16),
    /// Any other status, with the code that the body gave.
    Status(u16, Option<String>),
    /// The round is not certified there yet.
    NotYet,
    /// The source does not have this, with its reason.
    Missing(Option<String>),
    /// The newest round there is older than what this client has verified.
    Behind { theirs: u64, ours: u64 },
    /// The source was refused before in this run, and is not asked again.
    Banned(String),
}

impl Fault {
    /// What a status of HTTP other than 200 means, with the code from the JSON body where there is one.
    fn of_status(status: u16, body: &[u8]) -> Fault {
        let json = serde_json::from_slice::<serde_json::Value>(body).ok();
        let code = json.and_then(|json| {
            Some(json.get("code")?.as_str()?.chars().filter(char::is_ascii_graphic).take(40).collect())
        });
        match status {
            300..400 => Fault::Redirect(status),
            404 => Fault::Missing(code),
            425 => Fault::NotYet,
            _ => Fault::Status(status, code),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = |code: &Option<String>| code.as_ref().map_or_else(String::new, |code| format!(" ({code})"));
        match self {
            Fault::Connect(why) => write!(f, "no connection: {why}"),
            Fault::Timeout => f.write_str("no answer in time"),
            Fault::Closed => f.write_str("the connection closed before the answer was complete"),
            Fault::TooLong(limit) => write!(f, "an answer of more than {limit} bytes"),
            Fault::Protocol(why) => write!(f, "not the protocol expected: {why}"),
            Fault::Redirect(status) => write!(f, "a redirect (status {status}), which is not followed"),
            Fault::Status(status, text) => write!(f, "status {status}{}", code(text)),
            Fault::NotYet => f.write_str("not certified yet"),
            Fault::Missing(text) => write!(f, "not there{}", code(text)),
            Fault::Behind { theirs, ours } => write!(f, "stands at round {theirs}, round {ours} is verified already"),
            Fault::Banned(why) => write!(f, "refused before: {why}"),
        }
    }
}

impl std::error::Error for Fault {}

/// How a round arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arrival {
    /// Pushed by a peer that gossips.
    Gossip,
    /// Pushed by a server over its event stream.
    Stream,
    /// Asked for.
    Fetch,
}

impl Arrival {
    /// The stable name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Arrival::Gossip => "gossip",
            Arrival::Stream => "stream",
            Arrival::Fetch => "fetch",
        }
    }
}

/// One event of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    Beacon(Box<Beacon>),
    /// A sign of life without content.
    Heartbeat,
}

/// How a subscription failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushError {
    Fault(Fault),
    Refused(Box<Refusal>),
}

impl From<Fault> for PushError {
    fn from(fault: Fault) -> Self {
        PushError::Fault(fault)
    }
}

/// Beacons as a source pushes them, in its order and not yet judged.
pub type Pushes = BoxStream<'static, Result<Push, PushError>>;

/// A place that beacons can be asked of.
pub trait Source: Send + Sync {
    /// How messages call it: its address.
    fn name(&self) -> &str;

    /// Asks for the encoding of one thing, of at most `limit` bytes.
    fn fetch(&self, request: Request, limit: usize) -> BoxFuture<'_, Result<Vec<u8>, Fault>>;

    /// Subscribes to beacons from round `from` on, or from the next that is certified.
    fn subscribe(&self, from: u64) -> BoxFuture<'_, Result<Pushes, Fault>>;

    /// How its pushes arrive.
    fn arrival(&self) -> Arrival {
        Arrival::Stream
    }
}
