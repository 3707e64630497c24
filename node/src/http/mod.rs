//! The node's two HTTP listeners: the public one, read-only, and the local one for the operator.
//!
//! Beacons are served from memory first and from the store after that, because a round is announced the moment it is
//! certified and may reach the disk later. Nothing on the public one changes the node.
//!
//! Reading order: `answer` (refusals, formats, caching), `view` (JSON shapes), `recent` (the newest rounds), `api`
//! (what handlers ask), then the handlers: `beacon` (rounds), `chain` (genesis and committees), `events` (the
//! stream), `health`, `admin` (the operator's orders); and `listen` (sockets).

mod admin;
mod answer;
mod api;
mod beacon;
mod chain;
mod events;
pub mod health;
mod listen;
mod recent;
#[cfg(test)]
mod tests;
mod view;

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::cors::{Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;

pub use self::admin::{Asked, ChangeView, Order};
use self::answer::Refusal;
pub use self::api::{ApiSetup, PublicApi};
pub use self::listen::{ListenError, bind, serve};

/// How long a request may take; the stream is exempt.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a request body on the public listener, where no request has a use for one.
const BODY_LIMIT: usize = 4096;
/// Bytes of a request body on the local listener: an order with the bundles of many newcomers.
const ORDER_LIMIT: usize = 4 << 20;

/// What anybody may ask.
pub fn public_router(api: PublicApi) -> Router {
    let plain = Router::new()
        .route("/beacon/info", get(chain::info))
        .route("/beacon/genesis", get(chain::genesis))
        .route("/beacon/committee", get(chain::committee))
        .route("/beacon/rounds", get(beacon::range))
        .route("/beacon/rounds/latest", get(beacon::latest))
        .route("/beacon/rounds/{round}", get(beacon::round))
        .route("/beacon/rounds/{round}/proof", get(beacon::proof))
        .route("/beacon/rounds/{round}/transcript", get(beacon::transcript))
        .route("/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .layer(from_fn(in_time));
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET])
        .allow_headers(Any)
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(86_400));
    let router = plain.route("/beacon/stream", get(events::stream));
    finish(router, api, BODY_LIMIT).layer(cors)
}

/// What the operator of this machine may ask.
pub fn local_router(api: PublicApi) -> Router {
    let router = Router::new()
        .route("/admin/status", get(health::status))
        .route("/admin/committee", get(admin::committee))
        .route("/admin/orders", post(admin::order))
        .route("/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .layer(from_fn(in_time));
    finish(router, api, ORDER_LIMIT)
}

fn finish(router: Router<PublicApi>, api: PublicApi, body_limit: usize) -> Router {
    router
        .fallback(async || Refusal::NoSuchPath)
        .method_not_allowed_fallback(async || Refusal::OnlyGet)
        .layer(RequestBodyLimitLayer::new(body_limit))
        .layer(from_fn_with_state(api.clone(), counted))
        .with_state(api)
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::Busy.into_response(),
    }
}

async fn counted(State(api): State<PublicApi>, path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let route = path.as_ref().map_or("other", MatchedPath::as_str);
    api.metrics().http_request(route, response.status().as_u16());
    response
}
