//! Lokey's Fortuna service.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use beacon_entropy::fortuna::FortunaError;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{LocalApi, body, lokey};
use crate::clock;
use crate::http::answer::{Params, Refusal, fresh};
use crate::services::Services;
use crate::when::rfc3339;

/// The source number of what comes from outside.
const OUTSIDE: u8 = 1;
const USUAL_SIZE: u64 = 128;

impl From<FortunaError> for Refusal {
    fn from(error: FortunaError) -> Self {
        match error {
            FortunaError::Unseeded => Refusal::Unavailable(error.to_string()),
            other => Refusal::bad("bad-request", other.to_string()),
        }
    }
}

pub(super) async fn generate(State(api): State<LocalApi>, params: Params) -> Result<Response, Refusal> {
    params.only(&["size"])?;
    let size = params.number("size")?.unwrap_or(USUAL_SIZE);
    let bytes = api.services.fortuna.generate(usize::try_from(size).unwrap_or(usize::MAX))?;
    Ok(given(&bytes))
}

fn given(bytes: &[u8]) -> Response {
    fresh(StatusCode::OK, &json!({ "data": hex::encode(bytes), "size": bytes.len() }))
}

pub(super) async fn info(State(api): State<LocalApi>) -> Response {
    let info = api.services.fortuna.info();
    let view = json!({
        "status": if info.seeded { "running" } else { "unseeded" },
        "amplification_factor": info.settings.amplification_factor,
        "seed_count": info.settings.seed_count,
        "process_interval_ms": info.settings.process_interval_ms,
        "last_reseeded": last_seeded(&api.services),
        "reseeds": info.reseeds,
        "events": info.events,
        "bytes": info.bytes,
    });
    fresh(StatusCode::OK, &view)
}

fn last_seeded(services: &Services) -> Value {
    let ago = services.fortuna.info().last_seeded_seconds;
    ago.map_or(Value::Null, |ago| rfc3339(clock::now().saturating_sub((ago * 1000.0) as u64)).into())
}

pub(super) async fn health(State(api): State<LocalApi>) -> Response {
    let seeded = api.services.fortuna.info().seeded;
    lokey::healthy(seeded, json!({ "generator": seeded }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seeds {
    seeds: Vec<String>,
}

pub(super) async fn seed(State(api): State<LocalApi>, bytes: Bytes) -> Result<Response, Refusal> {
    let Seeds { seeds } = body(&bytes)?;
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| unhex(seed)).collect::<Result<_, _>>()?;
    let count = api.services.fortuna.seed(OUTSIDE, &seeds)?;
    let view = json!({ "status": "reseeded", "count": count, "last_reseeded": last_seeded(&api.services) });
    Ok(fresh(StatusCode::OK, &view))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Amplify {
    seed: String,
    /// The amplification factor times the seed's length, if it is left out.
    size: Option<usize>,
}

pub(super) async fn amplify(State(api): State<LocalApi>, bytes: Bytes) -> Result<Response, Refusal> {
    let Amplify { seed, size } = body(&bytes)?;
    let seed = Zeroizing::new(unhex(&seed)?);
    Ok(given(&api.services.fortuna.amplify(&seed, size)?))
}

fn unhex(text: &str) -> Result<Vec<u8>, Refusal> {
    hex::decode(text).map_err(|_| Refusal::bad("bad-hex", "a seed is written in hexadecimal, two digits a byte".into()))
}
