//! A refusal: what was offered, by whom, why it was not believed, and in which field where that is known.

use core::fmt;

use beacon_spec::reject::Reject;
use serde::Serialize;

/// Why something was refused: a rule of the specification, or one that only a client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A rule of the protocol.
    Spec(Reject),
    /// A head older than one this client has already verified.
    OldHead,
    /// A round that is not due for a while yet: the server invents, or this machine's clock is wrong.
    FutureRound,
    /// A valid answer to another question than the one asked.
    NotAsked,
    /// Text that is not the JSON agreed on.
    BadJson,
    /// A beacon whose convenience fields contradict its header.
    Inconsistent,
    /// A file that does not begin as a chain file does.
    NotAChainFile,
    /// A file that ends too early or holds its parts in an order that proves nothing.
    BadChainFile,
    /// A stored state whose checksum does not hold.
    CorruptState,
}

impl Reason {
    /// The stable name used in JSON and in messages.
    pub const fn code(self) -> &'static str {
        match self {
            Reason::Spec(reject) => reject.code(),
            Reason::OldHead => "old-head",
            Reason::FutureRound => "future-round",
            Reason::NotAsked => "not-asked",
            Reason::BadJson => "bad-json",
            Reason::Inconsistent => "inconsistent",
            Reason::NotAChainFile => "not-a-chain-file",
            Reason::BadChainFile => "bad-chain-file",
            Reason::CorruptState => "corrupt-state",
        }
    }
}

impl From<Reject> for Reason {
    fn from(reject: Reject) -> Self {
        Reason::Spec(reject)
    }
}

/// One refusal. Its text names every part that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    /// What was offered, such as "beacon of round 7".
    pub what: String,
    /// The field that was wrong, as a path into the type, where it is known.
    pub field: Option<&'static str>,
    /// What the field had to be and what it was, where that helps.
    pub mismatch: Option<(String, String)>,
    /// The server or file that offered it.
    pub from: Option<String>,
}

impl Refusal {
    pub fn new(reason: impl Into<Reason>, what: impl Into<String>) -> Self {
        let reason = reason.into();
        let field = if let Reason::Spec(reject) = reason { field_of(reject) } else { None };
        Refusal { reason, what: what.into(), field, mismatch: None, from: None }
    }

    #[must_use]
    pub fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    #[must_use]
    pub fn mismatch(mut self, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        self.mismatch = Some((expected.to_string(), found.to_string()));
        self
    }

    /// Names the server or file, unless it is named already.
    #[must_use]
    pub fn by(mut self, from: &str) -> Self {
        self.from.get_or_insert_with(|| from.to_owned());
        self
    }

    pub fn code(&self) -> &'static str {
        self.reason.code()
    }
}

/// Where a rule of the specification looks, if it looks at one field only.
const fn field_of(reject: Reject) -> Option<&'static str> {
    match reject {
        Reject::UnknownVersion => Some("header.version"),
        Reject::WrongChain => Some("header.chain"),
        Reject::WrongDueTime => Some("header.due"),
        Reject::WrongEpoch => Some("header.epoch"),
        Reject::WrongWindow => Some("header.window"),
        Reject::WrongCommittee => Some("header.committee"),
        Reject::BrokenLink => Some("header.previous"),
        Reject::BadBitmap => Some("certificate.bitmap"),
        Reject::BadSignature | Reject::BadCount => Some("certificate.signatures"),
        Reject::NoQuorum => Some("certificate.bitmap"),
        Reject::BadMmr => Some("siblings"),
        Reject::WrongOutput => Some("header.output"),
        _ => None,
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.what)?;
        if let Some(from) = &self.from {
            write!(f, " from {from}")?;
        }
        if let Some(field) = self.field {
            write!(f, ", field {field}")?;
        }
        if let Some((expected, found)) = &self.mismatch {
            write!(f, ": expected {expected}, found {found}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

impl Serialize for Refusal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", self.code())?;
        map.serialize_entry("what", &self.what)?;
        if let Some(from) = &self.from {
            map.serialize_entry("from", from)?;
        }
        if let Some(field) = self.field {
            map.serialize_entry("field", field)?;
        }
        if let Some((expected, found)) = &self.mismatch {
            map.serialize_entry("expected", expected)?;
            map.serialize_entry("found", found)?;
        }
        map.end()
    }
}
