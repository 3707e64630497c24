//! The operator's: sources, the pool, injection, metrics.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use beacon_entropy::probe::scan;
use serde_json::json;

use super::LocalApi;
use crate::http::answer::{Refusal, fresh};
use crate::http::health;
use crate::store::Which;

/// A user's bytes join the next contribution; they count nothing and replace nothing.
pub(super) async fn inject(State(api): State<LocalApi>, bytes: Bytes) -> Result<Response, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::bad("bad-body", "the body is empty: there is nothing to mix in".into()));
    }
    api.services.pool.inject(&bytes);
    Ok(fresh(StatusCode::OK, &json!({ "injected_bytes": bytes.len(), "credited_bits": 0 })))
}

pub(super) async fn sources(State(api): State<LocalApi>) -> Result<Response, Refusal> {
    api.work(|services| Ok(fresh(StatusCode::OK, &scan(&services.equipment)))).await
}

pub(super) async fn pool(State(api): State<LocalApi>) -> Response {
    fresh(StatusCode::OK, &api.services.pool.status())
}

pub(super) async fn metrics(State(api): State<LocalApi>) -> Result<Response, Refusal> {
    for (name, which) in [("trng", Which::Trng), ("fortuna", Which::Fortuna)] {
        api.public.metrics().queue(name, &api.services.queues.status(which));
    }
    health::metrics(State(api.public)).await
}
