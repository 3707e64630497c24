//! The node's two HTTP listeners: the public one, read-only, and the local one with private randomness and for the
//! operator. Nothing is served on both that is secret, and nothing of the beacon on the local one.
//!
//! Beacons are served from memory first and from the store after that, because a round is announced the moment it is
//! certified and may reach the disk later. Nothing on the public one changes the node.
//!
//! Reading order: `answer` (refusals, formats, caching), `view` (JSON shapes), `recent` (the newest rounds), `api`
//! (what handlers ask), then the handlers: `beacon` (rounds), `chain` (genesis and committees), `events` (the
//! stream), `drand` and `nist` (the same in their shapes), `health`, `admin` (the operator's orders), `local` (private
//! randomness); `openapi` (documents of what there is), `guard` (who may use the local listener); and `listen` (sockets).

mod admin;
mod answer;
mod api;
mod beacon;
mod chain;
mod drand;
mod events;
mod evidence;
mod guard;
pub mod health;
mod listen;
mod local;
mod nist;
mod openapi;
mod recent;
#[cfg(test)]
mod tests;
mod view;

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower::ServiceExt;
use tower_http::cors::{Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;

pub use self::admin::{Asked, ChangeView, Order};
use self::answer::Refusal;
pub use self::api::{ApiSetup, PublicApi};
pub use self::guard::{Guard, Token};
pub use self::listen::{ListenError, bind, serve};
pub use self::local::{LocalApi, local_router};
use self::openapi::{Documented, Operation};

/// How long a request may take; the stream is exempt.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a request body on the public listener, where no request has a use for one.
const BODY_LIMIT: usize = 4096;
/// Bytes of a request body on the local listener: an order with the bundles of many newcomers.
const ORDER_LIMIT: usize = 4 << 20;

const ABOUT: &str = "The beacon: public, verifiable randomness, the same for everybody. Its output must never be used \
    as a key, nor bytes expanded from it.";

/// What anybody may ask of beacons, each question answered at once.
fn beacons() -> Documented<PublicApi> {
    Documented::new()
        .route(Operation::get("/beacon/info", "The chain, its schedule and its light genesis"), get(chain::info))
        .route(Operation::get("/beacon/genesis", "The sealed genesis"), get(chain::genesis))
        .route(
            Operation::get("/beacon/committee", "A committee")
                .query("epoch", "the epoch; the newest if left out")
                .answers(404, "no such epoch"),
            get(chain::committee),
        )
        .route(
            Operation::get("/beacon/evidence", "Proofs of members' crimes")
                .query("epoch", "the epoch; the newest if left out")
                .query("from", "the first member; `next` of the answer before"),
            get(evidence::evidence),
        )
        .route(
            Operation::get("/beacon/rounds", "Consecutive rounds")
                .query("from", "first round")
                .query("to", "last round"),
            get(beacon::range),
        )
        .route(Operation::get("/beacon/rounds/latest", "The newest round"), get(beacon::latest))
        .route(
            Operation::get("/beacon/rounds/{round}", "One round").answers(404, "no such round").answers(425, "not yet"),
            get(beacon::round),
        )
        .route(
            Operation::get("/beacon/rounds/{round}/proof", "That a round is in the chain")
                .query("head", "under which head"),
            get(beacon::proof),
        )
        .route(
            Operation::get("/beacon/rounds/{round}/transcript", "What a round was mixed from").answers(404, "pruned"),
            get(beacon::transcript),
        )
}

/// The same for peers that ask without HTTP.
#[derive(Clone)]
pub struct Beacons(Router);

impl Beacons {
    pub fn new(api: PublicApi) -> Beacons {
        let router = beacons().map(|router| router.layer(from_fn(in_time))).bare();
        Beacons(finish(router, api.clone(), BODY_LIMIT, || Refusal::OnlyGet).with_state(api))
    }

    /// The answer to a path below `/beacon/`: the status and the body, of `limit` bytes at most.
    pub async fn ask(self, path: &str, limit: usize) -> (u16, Vec<u8>) {
        let Ok(request) = Request::get(format!("/beacon/{path}")).body(Body::empty()) else {
            return (StatusCode::BAD_REQUEST.as_u16(), Vec::new());
        };
        let Ok(response) = self.0.oneshot(request).await;
        let status = response.status().as_u16();
        match to_bytes(response.into_body(), limit).await {
            Ok(body) => (status, body.to_vec()),
            Err(_) => (StatusCode::PAYLOAD_TOO_LARGE.as_u16(), Vec::new()),
        }
    }
}

/// What anybody may ask.
pub fn public_router(api: PublicApi) -> Router {
    let plain = beacons()
        .route(
            Operation::get("/health", "How the node is").answers(503, "it is behind its schedule or has stopped"),
            get(health::health),
        )
        .route(Operation::get("/metrics", "Metrics for Prometheus"), get(health::metrics));
    let plain = nist::routes(drand::prompt(plain)).map(|router| router.layer(from_fn(in_time)));
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET])
        .allow_headers(Any)
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(86_400));
    let stream = Operation::get("/beacon/stream", "Server-sent events: each round as it comes")
        .query("from", "first round; Last-Event-ID goes on after a break");
    let router = drand::waiting(plain.route(stream, get(events::stream))).serve("beacon-node, public listener", ABOUT);
    finish(router, api.clone(), BODY_LIMIT, || Refusal::OnlyGet).with_state(api).layer(cors)
}

/// What every listener does with every request.
fn finish<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    api: PublicApi,
    body_limit: usize,
    wrong_method: fn() -> Refusal,
) -> Router<S> {
    router
        .fallback(async || Refusal::NoSuchPath)
        .method_not_allowed_fallback(async move || wrong_method())
        .layer(RequestBodyLimitLayer::new(body_limit))
        .layer(from_fn_with_state(api, counted))
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
