//! How answers and refusals look: JSON or binary, caching, and `{"error", "code"}`.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::store::StoreError;

pub(super) const BINARY: &str = "application/octet-stream";
pub(super) const JSON: &str = "application/json";

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A number, range or option that cannot be read.
    Bad {
        code: &'static str,
        error: String,
    },
    /// Rounds begin with 1 and end where time does.
    NoSuchRound,
    NoSuchEpoch(u64),
    NoSuchPath,
    UnknownChain,
    /// No round belongs to the time asked about.
    NoSuchTime,
    OnlyGet,
    WrongMethod,
    /// A page of another origin asks.
    Origin,
    /// The listener was reached under a name that is not the loopback's.
    Host,
    Unauthorized,
    /// Raw samples are not given out here.
    RawForbidden,
    /// A queue holds too little.
    TooFew(String),
    /// There is no randomness to be had in this way, or not in time.
    Unavailable(String),
    /// Not certified yet; worth asking again after so many seconds.
    NotYet {
        round: u64,
        seconds: u64,
    },
    /// A transcript that this node does not keep, or has never learned.
    Pruned {
        round: u64,
    },
    /// This node began with a later round.
    BeforeCheckpoint {
        round: u64,
        first: u64,
    },
    /// Too many at once, or too slow.
    Busy,
    /// The store failed. The reason is for the operator's log.
    Store(StoreError),
    /// A reading thread ended without an answer.
    Lost,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error)
    }
}

#[derive(Serialize)]
struct RefusalView {
    error: String,
    code: &'static str,
}

impl Refusal {
    pub fn bad(code: &'static str, error: String) -> Refusal {
        Refusal::Bad { code, error }
    }

    /// The same with `"success": false`, as clients of the ANU server look for it.
    pub fn without_success(self) -> Response {
        let (status, code, error) = self.parts();
        fresh(status, &serde_json::json!({ "success": false, "error": error, "code": code }))
    }

    fn parts(&self) -> (StatusCode, &'static str, String) {
        match self {
            Refusal::Bad { code, error } => (StatusCode::BAD_REQUEST, code, error.clone()),
            Refusal::NoSuchRound => (
                StatusCode::NOT_FOUND,
                "no-such-round",
                "there is no such round: rounds begin with 1 and have a due time below 2^64 ms".to_owned(),
            ),
            Refusal::NoSuchEpoch(epoch) => {
                (StatusCode::NOT_FOUND, "no-such-epoch", format!("this node knows no committee of epoch {epoch}"))
            }
            Refusal::NoSuchPath => (StatusCode::NOT_FOUND, "no-such-path", "nothing is served here".to_owned()),
            Refusal::OnlyGet => (StatusCode::METHOD_NOT_ALLOWED, "only-get", "only GET is served here".to_owned()),
            Refusal::UnknownChain => (
                StatusCode::NOT_FOUND,
                "unknown-chain",
                "this node serves one chain; /drand/chains names it".to_owned(),
            ),
            Refusal::NoSuchTime => (
                StatusCode::NOT_FOUND,
                "no-such-time",
                "no round belongs to this time: it is before the first one, beyond 2^64 ms, or the chain has no period"
                    .to_owned(),
            ),
            Refusal::WrongMethod => {
                (StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "this path takes other methods".to_owned())
            }
            Refusal::Origin => (
                StatusCode::FORBIDDEN,
                "origin",
                "pages of this origin may not use this listener; services.cors lists those that may".to_owned(),
            ),
            Refusal::Host => (
                StatusCode::FORBIDDEN,
                "host",
                "this listener answers to 127.0.0.1, [::1] and localhost only".to_owned(),
            ),
            Refusal::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "token", "send the token: Authorization: Bearer TOKEN".to_owned())
            }
            Refusal::RawForbidden => (
                StatusCode::FORBIDDEN,
                "raw",
                "unconditioned samples are not given out here; services.raw = true allows it".to_owned(),
            ),
            Refusal::TooFew(error) => (StatusCode::NOT_FOUND, "too-few", error.clone()),
            Refusal::Unavailable(error) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.clone()),
            Refusal::NotYet { round, .. } => {
                (StatusCode::TOO_EARLY, "not-yet", format!("round {round} is not due or not certified yet"))
            }
            Refusal::Pruned { round } => {
                (StatusCode::NOT_FOUND, "pruned", format!("this node does not keep the transcript of round {round}"))
            }
            Refusal::BeforeCheckpoint { round, first } => (
                StatusCode::NOT_FOUND,
                "before-checkpoint",
                format!("this node began at the checkpoint of round {first} and does not hold round {round}"),
            ),
            Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests at once".to_owned()),
            Refusal::Store(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "store", "the stored data cannot be read".to_owned())
            }
            Refusal::Lost => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "the reading was cut short".to_owned()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Refusal::Store(error) = &self {
            tracing::error!(%error, "a request could not be answered");
        }
        let (status, code, error) = self.parts();
        let body = json(&RefusalView { error, code });
        let headers = [(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, headers, body).into_response();
        let wait = match self {
            Refusal::NotYet { seconds, .. } => Some(seconds),
            Refusal::Busy => Some(1),
            _ => None,
        };
        if let Some(seconds) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// How long others may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Forever,
    Seconds(u64),
}

impl Keep {
    /// The value of `Cache-Control`.
    pub fn control(self) -> String {
        match self {
            Keep::Forever => "public, max-age=31536000, immutable".to_owned(),
            Keep::Seconds(seconds) => format!("public, max-age={seconds}"),
        }
    }
}

/// An answer in one of its two forms.
pub(super) fn answer(
    form: Form,
    keep: Keep,
    json: impl FnOnce() -> Bytes,
    binary: impl FnOnce() -> Vec<u8>,
) -> Response {
    let (kind, body) = match form {
        Form::Json => (JSON, json()),
        Form::Binary => (BINARY, binary().into()),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::VARY, "accept")];
    (headers, [(header::CACHE_CONTROL, keep.control())], body).into_response()
}

/// JSON that others may keep as `control` says.
pub(super) fn kept(control: impl Into<String>, value: &impl Serialize) -> Response {
    let headers: [(HeaderName, String); 2] =
        [(header::CONTENT_TYPE, JSON.into()), (header::CACHE_CONTROL, control.into())];
    (StatusCode::OK, headers, json(value)).into_response()
}

/// JSON that must not be kept.
pub(super) fn fresh(status: StatusCode, value: &impl Serialize) -> Response {
    let headers = [(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, "no-store")];
    (status, headers, json(value)).into_response()
}

pub(super) fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("views have string keys and nothing that fails to serialize").into()
}

/// The form that the request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Binary,
}

/// The query, one value a name.
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Refuses names other than these.
    pub fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let other = self.0.keys().find(|name| !known.contains(&name.as_str()));
        other.map_or(Ok(()), |name| {
            let error = format!("there is no parameter {:?}; there are {}", shortened(name), known.join(", "));
            Err(Refusal::bad("bad-query", error))
        })
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The number under `name`.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.0.get(name).map(|text| number(name, text)).transpose()
    }

    /// Whether `name` is 1; it is 0 if it is not there.
    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.0.get(name).map(String::as_str) {
            None | Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(other) => {
                let error = format!("{name} is 0 or 1, not {:?}", shortened(other));
                Err(Refusal::Bad { code: "bad-flag", error })
            }
        }
    }

    pub fn form(&self, headers: &HeaderMap) -> Result<Form, Refusal> {
        match self.0.get("format").map(String::as_str) {
            Some("binary") => Ok(Form::Binary),
            Some("json") => Ok(Form::Json),
            Some(other) => Err(Refusal::Bad {
                code: "bad-format",
                error: format!("format is json or binary, not {:?}", shortened(other)),
            }),
            None => {
                let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
                let binary = accepted
                    .flat_map(|value| value.split(','))
                    .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(BINARY)));
                Ok(if binary { Form::Binary } else { Form::Json })
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query: Result<Query<BTreeMap<String, String>>, QueryRejection> =
            Query::from_request_parts(parts, state).await;
        let bad = |error: QueryRejection| Refusal::Bad { code: "bad-query", error: error.to_string() };
        query.map(|Query(values)| Params(values)).map_err(bad)
    }
}

/// The form asked for, for handlers without other options.
impl<S: Send + Sync> FromRequestParts<S> for Form {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Params::from_request_parts(parts, state).await?.form(&parts.headers)
    }
}

/// The round number in a path.
pub(super) struct Round(pub u64);

impl<S: Send + Sync> FromRequestParts<S> for Round {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|error| Refusal::Bad { code: "bad-path", error: error.to_string() })?;
        number("the round", &text).map(Round)
    }
}

/// Decimal digits and nothing else, up to 2^64 − 1.
pub(super) fn number(name: &str, text: &str) -> Result<u64, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits { text.parse().ok() } else { None };
    parsed.ok_or_else(|| Refusal::Bad {
        code: "bad-number",
        error: format!("{name} is a whole number from 0 to 2^64 - 1, not {:?}", shortened(text)),
    })
}

/// The start of what was sent, so that a refusal is never longer than its request deserves.
fn shortened(text: &str) -> String {
    text.chars().take(32).collect()
}
