//! Lokey's data, queue configuration, status and health.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use beacon_entropy::draw::IntFormat;
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{LocalApi, body};
use crate::clock;
use crate::http::answer::{BINARY, JSON, Refusal, fresh};
use crate::store::{BLOCK, CAPACITY, QueueStatus, TakeError, Which};
use crate::when::rfc3339;

const LIMIT: u64 = 100_000;
const CHUNK: u64 = 1 << 20;
/// No queue is longer, in bytes.
const OFFSET: u64 = 32_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DataRequest {
    format: String,
    limit: u64,
    /// Values that are passed over.
    #[serde(default)]
    offset: u64,
    /// Bytes of each piece in which the answer is sent.
    #[serde(default = "usual_chunk")]
    chunk_size: u64,
    source: String,
}

fn usual_chunk() -> u64 {
    64 * 1024
}

/// Values, or bytes.
#[derive(Clone, Copy)]
enum Form {
    Integers(IntFormat),
    Binary,
}

/// A request that keeps the rules, in bytes.
struct Range {
    form: Form,
    which: Which,
    first: u64,
    length: u64,
    chunk: usize,
}

impl DataRequest {
    fn judge(&self) -> Result<Range, Refusal> {
        let form = match self.format.as_str() {
            "binary" => Form::Binary,
            name => Form::Integers(IntFormat::by_name(name).ok_or_else(|| {
                let names = IntFormat::NAMES.map(|(name, _)| name).join(", ");
                Refusal::bad("bad-format", format!("format is binary, {names}"))
            })?),
        };
        let which = match self.source.as_str() {
            "trng" => Which::Trng,
            "fortuna" => Which::Fortuna,
            _ => return Err(Refusal::bad("bad-source", "source is trng or fortuna".into())),
        };
        let within = |name: &str, value: u64, least: u64, most: u64| match (least..=most).contains(&value) {
            true => Ok(value),
            false => Err(Refusal::bad("bad-number", format!("{name} is {least} to {most}, not {value}"))),
        };
        let width = match form {
            Form::Binary => 1,
            Form::Integers(format) => format.width() as u64,
        };
        let length = within("limit", self.limit, 1, LIMIT)? * width;
        let first = within("offset", self.offset, 0, OFFSET)? * width;
        let chunk = within("chunk_size", self.chunk_size, 1, CHUNK)?;
        Ok(Range { form, which, first, length, chunk: usize::try_from(chunk).unwrap_or(BLOCK) })
    }
}

pub(super) async fn data(State(api): State<LocalApi>, bytes: Bytes) -> Result<Response, Refusal> {
    let Range { form, which, first, length, chunk } = body::<DataRequest>(&bytes)?.judge()?;
    let block = BLOCK as u64;
    let (skip, within) = (first / block, first % block);
    let count = (within + length).div_ceil(block);
    let taken = api
        .work(move |services| {
            let keep = !services.delete_on_consumption();
            services.queues.take(which, skip, count, keep).map_err(Refusal::from)
        })
        .await?;
    // `within` is below the size of a block, and `count` blocks hold `within + length` bytes.
    let (start, end) = (within as usize, (within + length) as usize);
    let wanted = taken.get(start..end).ok_or(Refusal::Lost)?;
    let (kind, text) = match form {
        Form::Binary => (BINARY, Bytes::copy_from_slice(wanted)),
        Form::Integers(format) => (JSON, crate::http::answer::json(&format.decode(wanted))),
    };
    let pieces = pieces(text, chunk).map(Ok::<_, std::convert::Infallible>);
    let mut response = Body::from_stream(stream::iter(pieces)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    if matches!(form, Form::Binary) {
        let name = header::HeaderValue::from_static("attachment; filename=\"random.bin\"");
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn pieces(mut rest: Bytes, size: usize) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!rest.is_empty()).then(|| rest.split_to(size.clamp(1, rest.len()))))
}

impl From<TakeError> for Refusal {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::TooFew { .. } => Refusal::TooFew(error.to_string()),
            TakeError::Store(error) => Refusal::Store(error),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueSizes {
    trng_queue_size: u64,
    fortuna_queue_size: u64,
}

pub(super) async fn queue(State(api): State<LocalApi>) -> Response {
    let capacity = |which| api.services.queues.status(which).queue_capacity;
    let sizes = QueueSizes { trng_queue_size: capacity(Which::Trng), fortuna_queue_size: capacity(Which::Fortuna) };
    fresh(StatusCode::OK, &sizes)
}

pub(super) async fn set_queue(State(api): State<LocalApi>, bytes: Bytes) -> Result<Response, Refusal> {
    let sizes: QueueSizes = body(&bytes)?;
    for (name, size) in [("trng_queue_size", sizes.trng_queue_size), ("fortuna_queue_size", sizes.fortuna_queue_size)] {
        if !CAPACITY.contains(&size) {
            let error = format!("{name} is {} to {}, not {size}", CAPACITY.start(), CAPACITY.end());
            return Err(Refusal::bad("bad-number", error));
        }
    }
    api.work(move |services| {
        services.queues.resize(Which::Trng, sizes.trng_queue_size)?;
        services.queues.resize(Which::Fortuna, sizes.fortuna_queue_size)?;
        Ok(fresh(StatusCode::OK, &sizes))
    })
    .await
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Consumption {
    delete_on_consumption: bool,
}

pub(super) async fn consumption(State(api): State<LocalApi>) -> Response {
    fresh(StatusCode::OK, &Consumption { delete_on_consumption: api.services.delete_on_consumption() })
}

pub(super) async fn set_consumption(State(api): State<LocalApi>, bytes: Bytes) -> Result<Response, Refusal> {
    let asked: Consumption = body(&bytes)?;
    api.services.set_delete_on_consumption(asked.delete_on_consumption);
    Ok(fresh(StatusCode::OK, &asked))
}

#[derive(Serialize)]
struct StatusView {
    trng: QueueStatus,
    fortuna: QueueStatus,
    database: Value,
}

pub(super) async fn status(State(api): State<LocalApi>) -> Result<Response, Refusal> {
    api.work(|services| {
        let queues = &services.queues;
        let size = queues.size();
        let database = json!({
            "size_bytes": size,
            "size_human": format!("{:.1} kB", size as f64 / 1000.0),
            "path": queues.path().display().to_string(),
        });
        let view = StatusView { trng: queues.status(Which::Trng), fortuna: queues.status(Which::Fortuna), database };
        Ok(fresh(StatusCode::OK, &view))
    })
    .await
}

pub(super) async fn health(State(api): State<LocalApi>) -> Result<Response, Refusal> {
    api.work(|services| {
        let (controller, fortuna) = (services.has_workers(), services.fortuna.info().seeded);
        let database = services.queues.check().is_ok() && services.trouble().is_none();
        let details = json!({ "api": true, "controller": controller, "fortuna": fortuna, "database": database });
        Ok(healthy(controller && fortuna && database, details))
    })
    .await
}

/// Lokey's health answer: 200 or 503.
pub(super) fn healthy(well: bool, details: Value) -> Response {
    let (code, status) = match well {
        true => (StatusCode::OK, "healthy"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "unhealthy"),
    };
    fresh(code, &json!({ "status": status, "timestamp": rfc3339(clock::now()), "details": details }))
}
