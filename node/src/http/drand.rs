//! The beacon in the shape of drand's HTTP interface, under `/drand`: the same paths, status codes and caching.
//!
//! What drand has and this beacon does not is left out rather than imitated: there is no group key, and no field is
//! called a signature that is none. A client that verifies drand's signatures has to verify ours by `/beacon/…`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use beacon_spec::hash::Digest32;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::answer::{Refusal, fresh, kept, number};
use super::api::PublicApi;
use super::beacon::until_next;
use super::health::report;
use super::openapi::{Documented, Operation};
use super::recent::Announced;

/// How the outputs come about, as drand names its schemes.
const SCHEME: &str = "beacon-dhpvss-ristretto255-sha3";
/// A past round may be kept for a week, as drand says it; it never changes.
const PAST: &str = "public, max-age=604800, immutable";
/// The longest that the next round is waited for; a silent connection is closed after a minute.
const WAIT: Duration = Duration::from_secs(50);
/// A round may be certified so much after it is due and still be waited for.
const LATE: u64 = 10_000;

/// The routes, in both versions of the interface, that are answered at once.
pub(super) fn prompt(mut routes: Documented<PublicApi>) -> Documented<PublicApi> {
    let chain = "unknown chain";
    for path in ["/drand/chains", "/drand/v2/chains"] {
        routes = routes.route(Operation::get(path, "The chain hash"), get(chains));
    }
    for path in ["/drand/info", "/drand/{chain}/info", "/drand/v2/chains/{chain}/info"] {
        routes = routes.route(Operation::get(path, "The chain's schedule").answers(404, chain), get(info));
    }
    for path in ["/drand/health", "/drand/{chain}/health", "/drand/v2/chains/{chain}/health"] {
        let operation = Operation::get(path, "Current and expected round").answers(503, "behind").answers(404, chain);
        routes = routes.route(operation, get(health));
    }
    for path in ["/drand/public/latest", "/drand/{chain}/public/latest", "/drand/v2/chains/{chain}/rounds/latest"] {
        routes = routes.route(Operation::get(path, "The newest round").answers(404, chain), get(latest));
    }
    routes
}

/// Those that may wait for the next round.
pub(super) fn waiting(mut routes: Documented<PublicApi>) -> Documented<PublicApi> {
    let chain = "unknown chain";
    let next = "/drand/v2/chains/{chain}/rounds/next";
    routes =
        routes.route(Operation::get(next, "The next round, when it is there").answers(404, chain), get(self::next));
    for path in ["/drand/public/{round}", "/drand/{chain}/public/{round}", "/drand/v2/chains/{chain}/rounds/{round}"] {
        let operation = Operation::get(path, "One round; the next one is waited for")
            .answers(400, "no number of a round")
            .answers(404, chain)
            .answers(425, "not yet; Retry-After says when");
        routes = routes.route(operation, get(round));
    }
    routes
}

/// What the path names: this chain, if any, and a round.
struct Place {
    round: Option<u64>,
}

impl FromRequestParts<PublicApi> for Place {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &PublicApi) -> Result<Self, Refusal> {
        let named = RawPathParams::from_request_parts(parts, api).await;
        let named = named.map_err(|error| Refusal::bad("bad-path", error.to_string()))?;
        let mut place = Place { round: None };
        for (name, text) in &named {
            match name {
                "chain" if text != api.chain().to_string() => return Err(Refusal::UnknownChain),
                "round" => place.round = Some(number("the round", text)?),
                _ => {}
            }
        }
        match place.round {
            Some(0) => Err(Refusal::bad("bad-number", "rounds begin with 1".into())),
            _ => Ok(place),
        }
    }
}

#[derive(Serialize)]
struct RoundView {
    round: u64,
    randomness: Digest32,
    /// Of the header that holds the randomness, and of the one before.
    hash: Digest32,
    previous_hash: Digest32,
    /// Where the round is with its certificate, to be verified.
    verify: String,
}

impl From<&Announced> for RoundView {
    fn from(announced: &Announced) -> Self {
        let header = &announced.beacon.header;
        RoundView {
            round: header.round,
            randomness: header.output,
            hash: header.hash(),
            previous_hash: header.previous,
            verify: format!("/beacon/rounds/{}", header.round),
        }
    }
}

async fn chains(State(api): State<PublicApi>) -> Response {
    kept("public, max-age=60", &[api.chain()])
}

async fn info(State(api): State<PublicApi>, _place: Place) -> Response {
    let schedule = api.schedule();
    // drand counts in seconds; whole ones are written as it writes them.
    let seconds = |millis: u64| match millis % 1000 {
        0 => Value::from(millis / 1000),
        _ => Value::from(millis as f64 / 1000.0),
    };
    let view = json!({
        "period": seconds(schedule.period),
        "genesis_time": seconds(schedule.genesis_time),
        "hash": api.chain(),
        "schemeID": SCHEME,
        "metadata": { "beaconID": api.light().draft.name },
    });
    kept(PAST, &view)
}

async fn health(State(api): State<PublicApi>, _place: Place) -> Response {
    let report = report(&api);
    let well = report.behind <= 1 && report.halted.is_none();
    let code = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    fresh(code, &json!({ "current": report.round, "expected": report.expected }))
}

async fn latest(State(api): State<PublicApi>, _place: Place) -> Result<Response, Refusal> {
    let announced = api.round(api.tip().max(1)).await?;
    Ok(kept(until_next(&api, announced.round()).control(), &RoundView::from(&*announced)))
}

async fn next(State(api): State<PublicApi>, _place: Place) -> Result<Response, Refusal> {
    let round = api.tip().saturating_add(1);
    let announced = awaited(&api, round).await?;
    // A moment later another round is the next one.
    Ok(kept("no-store", &RoundView::from(&*announced)))
}

async fn round(State(api): State<PublicApi>, place: Place) -> Result<Response, Refusal> {
    let announced = awaited(&api, place.round.ok_or(Refusal::NoSuchRound)?).await?;
    Ok(kept(PAST, &RoundView::from(&*announced)))
}

/// The round, when it is there; the one after the newest is waited for, if it is due soon.
async fn awaited(api: &PublicApi, round: u64) -> Result<Arc<Announced>, Refusal> {
    let soon = Duration::from_millis(
        api.schedule().time_of(round).unwrap_or(u64::MAX).saturating_sub(api.now()).saturating_add(LATE),
    );
    if round == api.tip().saturating_add(1) && soon <= WAIT + Duration::from_millis(LATE) {
        // A place as on the stream, so that those who wait are bounded together with those who listen.
        let _seat = api.seat()?;
        let mut live = api.live();
        let arrived = live.wait_for(|live| live.tip >= round || !live.open);
        // Out of time or at the end of the node, the answer below says that it is not there yet.
        drop(timeout(soon.min(WAIT), arrived).await);
    }
    api.round(round).await
}
