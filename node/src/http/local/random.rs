//! `/api/v1/random` and `/API/jsonI.php`: values as the quantum random number server of the ANU gives them, where
//! `length` counts values and `size` the bytes of a hex16 value.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use beacon_entropy::conditioning::Method;
use beacon_entropy::draw::{IntFormat, Value};
use beacon_entropy::stream::SourceStream;
use serde::Serialize;
use zeroize::Zeroizing;

use super::LocalApi;
use crate::http::answer::{Params, Refusal, fresh};
use crate::services::Services;

/// Most values of one answer, and most bytes of a hex16 value.
const MOST: u64 = 1024;
/// A single source may take so long.
const PATIENCE: Duration = Duration::from_secs(8);
/// Bytes drawn from a source between two looks at the clock.
const PIECE: usize = 32;

/// What the values look like.
#[derive(Clone, Copy)]
enum Shape {
    Hex { size: usize },
    Integer(IntFormat),
}

impl Shape {
    fn width(self) -> usize {
        match self {
            Shape::Hex { size } => size,
            Shape::Integer(format) => format.width(),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data {
    Hex(Vec<String>),
    Integers(Vec<Value>),
}

#[derive(Serialize)]
struct RandomView<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    value_count: usize,
    data: Data,
    success: bool,
    conditioned: bool,
    source: &'a str,
}

/// Where the bytes come from.
enum From {
    Generator,
    Source { name: String, method: Method },
}

struct Asked {
    kind: String,
    shape: Shape,
    length: usize,
    from: From,
}

pub(super) async fn random(State(api): State<LocalApi>, params: Result<Params, Refusal>) -> Response {
    match answer(&api, params).await {
        Ok(response) => response,
        Err(refusal) => refusal.without_success(),
    }
}

async fn answer(api: &LocalApi, params: Result<Params, Refusal>) -> Result<Response, Refusal> {
    let asked = read(&params?, api.services.raw)?;
    let bytes = draw(api, &asked).await?;
    let data = match asked.shape {
        Shape::Hex { size } => Data::Hex(bytes.chunks_exact(size).map(hex::encode).collect()),
        Shape::Integer(format) => Data::Integers(format.decode(&bytes)),
    };
    let (source, conditioned) = match &asked.from {
        From::Generator => ("pool", true),
        From::Source { name, method } => (name.as_str(), *method != Method::Raw),
    };
    let view = RandomView {
        kind: &asked.kind,
        length: asked.length,
        size: matches!(asked.shape, Shape::Hex { .. }).then(|| asked.shape.width()),
        value_count: asked.length,
        data,
        success: true,
        conditioned,
        source,
    };
    Ok(fresh(StatusCode::OK, &view).into_response())
}

fn read(params: &Params, raw_allowed: bool) -> Result<Asked, Refusal> {
    params.only(&["length", "type", "size", "source", "conditioning", "raw"])?;
    let bounded = |name: &str, usual: Option<u64>| {
        let number = params.number(name)?.or(usual);
        let number = number.filter(|number| (1..=MOST).contains(number));
        // At most 1024, as just checked.
        number.map(|number| number as usize).ok_or_else(|| Refusal::bad("bad-number", format!("{name} is 1 to {MOST}")))
    };
    let length = bounded("length", None)?;
    let kind = params.text("type").unwrap_or("uint8").to_owned();
    let shape = match (kind.as_str(), params.text("size")) {
        ("hex16", _) => Shape::Hex { size: bounded("size", Some(1))? },
        (_, Some(_)) => return Err(Refusal::bad("bad-size", "size belongs to type=hex16".into())),
        (name, None) => Shape::Integer(IntFormat::by_name(name).ok_or_else(|| {
            let names = IntFormat::NAMES.map(|(name, _)| name).join(", ");
            Refusal::bad("bad-type", format!("type is hex16, {names}"))
        })?),
    };
    Ok(Asked { kind, shape, length, from: from(params, raw_allowed)? })
}

fn from(params: &Params, raw_allowed: bool) -> Result<From, Refusal> {
    let raw = match params.text("raw") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Refusal::bad("bad-raw", "raw is true or false".into())),
    };
    let method = match params.text("conditioning") {
        None => None,
        Some(name) => Some(Method::by_name(name).ok_or_else(|| {
            let names = Method::NAMES.map(|(name, _)| name).join(", ");
            Refusal::bad("bad-conditioning", format!("conditioning is one of {names}"))
        })?),
    };
    let method = match (raw, method) {
        (true, None | Some(Method::Raw)) => Some(Method::Raw),
        (true, Some(_)) => {
            return Err(Refusal::bad("bad-raw", "raw=true and conditioning contradict each other".into()));
        }
        (false, method) => method,
    };
    let Some(name) = params.text("source") else {
        return match method {
            None => Ok(From::Generator),
            Some(_) => Err(Refusal::bad("bad-query", "raw and conditioning belong to a source".into())),
        };
    };
    let method = method.unwrap_or(Method::Sha3);
    // Neither of these two makes up for a poor source.
    if matches!(method, Method::Raw | Method::VonNeumann) && !raw_allowed {
        return Err(Refusal::RawForbidden);
    }
    Ok(From::Source { name: name.to_owned(), method })
}

async fn draw(api: &LocalApi, asked: &Asked) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let mut bytes = Zeroizing::new(vec![0u8; asked.length * asked.shape.width()]);
    match &asked.from {
        From::Generator => {
            let filled = api.services.random.fill(&mut bytes);
            filled.map_err(|error| Refusal::Unavailable(error.to_string()))?;
            Ok(bytes)
        }
        From::Source { name, method } => {
            let turn = api.draws.clone().acquire_owned().await.map_err(|_| Refusal::Busy)?;
            let (name, method) = (name.clone(), *method);
            api.work(move |services| {
                let _turn = turn;
                sampled(services, &name, method, &mut bytes).map(|()| bytes)
            })
            .await
        }
    }
}

fn sampled(services: &Services, name: &str, method: Method, out: &mut [u8]) -> Result<(), Refusal> {
    let until = Instant::now() + PATIENCE;
    // A path is not to be chosen from outside.
    let known = beacon_entropy::sources::maker(name).and_then(|_| services.equipment.spec(name));
    let source = known.map_err(|error| Refusal::bad("no-such-source", error.to_string()))?.build();
    if !source.availability().is_available() {
        return Err(Refusal::bad("source-not-here", format!("the source {name} is not available; see /sources")));
    }
    let mut stream = SourceStream::new(source, method);
    for piece in out.chunks_mut(PIECE) {
        if Instant::now() >= until {
            return Err(Refusal::Unavailable(format!("{name} is too slow for so many values")));
        }
        stream.read(piece).map_err(|error| Refusal::Unavailable(format!("{name}: {error}")))?;
    }
    Ok(())
}
