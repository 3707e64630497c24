//! The local listener: private randomness and the operator's page.
//!
//! Reading order: `random` (the shape of the ANU server and of openentropy), `lokey` (queues), `controller` and
//! `fortuna` (the two generators), `admin` (status, sources, injection).

mod admin;
mod controller;
mod fortuna;
mod lokey;
mod random;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::FromRef;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::answer::Refusal;
use super::api::PublicApi;
use super::guard::{Guard, guarded};
use super::openapi::{Documented, Operation};
use super::{ORDER_LIMIT, admin as orders, finish, health, in_time};
use crate::services::Services;

/// Requests that wait for sources, the chip or the disk at one time; more wait their turn. The threads for such work are
/// few and shared with the beacon's own, which must not queue behind these.
const TURNS: usize = 3;
/// Of these, how many may draw from single sources, which takes long.
const SOURCE_DRAWS: usize = 2;

const ABOUT: &str = "Private randomness of this machine, status and administration. What is given out here is fit for \
    keys and known to the asker alone. The output of the beacon is public, is served elsewhere, and is never a key.";

/// What the local listener serves from.
#[derive(Clone)]
pub struct LocalApi {
    public: PublicApi,
    services: Arc<Services>,
    turns: Arc<Semaphore>,
    draws: Arc<Semaphore>,
}

impl LocalApi {
    pub fn new(public: PublicApi, services: Arc<Services>) -> Self {
        let bound = |count| Arc::new(Semaphore::new(count));
        LocalApi { public, services, turns: bound(TURNS), draws: bound(SOURCE_DRAWS) }
    }

    /// Works on a thread that may wait for sources, the chip or the disk.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Services) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let services = self.services.clone();
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| Refusal::Busy)?;
        let work = move || {
            // Kept until the work ends, even if the asker has gone.
            let _turn = turn;
            work(&services)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Lost)?
    }
}

impl FromRef<LocalApi> for PublicApi {
    fn from_ref(api: &LocalApi) -> PublicApi {
        api.public.clone()
    }
}

/// Every route of the local listener.
pub fn local_router(api: LocalApi, guard: Guard) -> Router {
    let documented = Documented::new();
    let documented = lokey_routes(generator_routes(random_routes(documented)));
    let router = operator_routes(documented)
        .map(|router| router.layer(from_fn(in_time)))
        .serve("beacon-node, local listener", ABOUT);
    let origins = guard.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .max_age(Duration::from_secs(600));
    let public = api.public.clone();
    finish(router, public, ORDER_LIMIT, || Refusal::WrongMethod)
        .with_state(api)
        .layer(from_fn_with_state(guard, guarded))
        .layer(cors)
}

fn random_routes(routes: Documented<LocalApi>) -> Documented<LocalApi> {
    let random = |path| {
        Operation::get(path, "Random values; length counts values")
            .query("length", "how many values, 1 to 1024")
            .query("type", "hex16, uint8, uint16, uint32, uint64, int8, int16, int32 or int64")
            .query("size", "with hex16: bytes of each value, 1 to 1024; 1 if left out")
            .query("source", "one source by its name, instead of the generator")
            .query("conditioning", "with source: sha3 (the usual), sha256, von-neumann or raw")
            .query("raw", "with source: true is conditioning=raw")
            .answers(400, "a wrong length, type, size, source or query")
            .answers(403, "unconditioned samples are not given out here")
            .answers(503, "the source gives nothing, or not in time")
    };
    routes.route(random("/api/v1/random"), get(random::random)).route(random("/API/jsonI.php"), get(random::random))
}

fn lokey_routes(routes: Documented<LocalApi>) -> Documented<LocalApi> {
    let queue = "{\"trng_queue_size\":100,\"fortuna_queue_size\":100}";
    let data = "{\"format\":\"uint16\",\"limit\":10,\"offset\":0,\"chunk_size\":4096,\"source\":\"fortuna\"}";
    let path = "/api/v1/config/queue";
    routes
        .route(
            Operation::post("/api/v1/data", "Values out of a queue: a bare array, or binary")
                .body(data)
                .answers(400, "a wrong format, limit, offset, chunk_size or source")
                .answers(404, "the queue holds too little; nothing was taken"),
            post(lokey::data),
        )
        .route(Operation::get(path, "How many blocks of 32 bytes each queue holds"), get(lokey::queue))
        .route(
            Operation::put(path, "Resize the queues, 10 to 1000000 blocks").body(queue).answers(400, "out of range"),
            axum::routing::put(lokey::set_queue),
        )
        .route(
            Operation::get("/api/v1/config/consumption", "Whether what is read leaves its queue"),
            get(lokey::consumption),
        )
        .route(
            Operation::put("/api/v1/config/consumption", "With false, every asker gets the same bytes")
                .body("{\"delete_on_consumption\":true}"),
            axum::routing::put(lokey::set_consumption),
        )
        .route(Operation::get("/api/v1/status", "The queues and their database"), get(lokey::status))
        .route(
            Operation::get("/api/v1/health", "Health of the parts").answers(503, "a part is not healthy"),
            get(lokey::health),
        )
}

fn generator_routes(routes: Documented<LocalApi>) -> Documented<LocalApi> {
    routes
        .route(
            Operation::get("/controller/generate", "Blocks of 32 bytes mixed from all workers, in hexadecimal")
                .query("count", "1 to 100; 1 if left out")
                .answers(400, "a wrong count"),
            get(controller::generate),
        )
        .route(Operation::get("/controller/info", "The workers and the ATECC608A"), get(controller::info))
        .route(
            Operation::get("/controller/health", "Whether there is randomness").answers(503, "no worker runs"),
            get(controller::health),
        )
        .route(
            Operation::get("/fortuna/generate", "Bytes of Fortuna, in hexadecimal")
                .query("size", "1 to 1048576; 128 if left out")
                .answers(400, "a wrong size")
                .answers(503, "Fortuna is not seeded"),
            get(fortuna::generate),
        )
        .route(Operation::get("/fortuna/info", "State and settings of Fortuna"), get(fortuna::info))
        .route(
            Operation::get("/fortuna/health", "Whether Fortuna is seeded").answers(503, "it is not"),
            get(fortuna::health),
        )
        .route(
            Operation::post("/fortuna/seed", "Add seeds (hexadecimal) to Fortuna's pools; they replace nothing")
                .body("{\"seeds\":[\"00112233445566778899aabbccddeeff\"]}")
                .answers(400, "no seeds, or not hexadecimal"),
            post(fortuna::seed),
        )
        .route(
            Operation::post("/fortuna/amplify", "Stir a seed in and give out bytes; size counts them")
                .body("{\"seed\":\"00112233445566778899aabbccddeeff\",\"size\":64}")
                .answers(400, "a wrong seed or size"),
            post(fortuna::amplify),
        )
}

fn operator_routes(routes: Documented<LocalApi>) -> Documented<LocalApi> {
    routes
        .route(Operation::get("/admin/status", "The node's report on itself"), get(health::status))
        .route(
            Operation::get("/admin/committee", "The committee in force and the next one's making"),
            get(orders::committee),
        )
        .route(
            Operation::post(
                "/admin/orders",
                "Show, propose, approve or register; needs content-type: application/json",
            )
            .body("{\"order\":\"show\"}")
            .answers(400, "refused, and why"),
            post(orders::order),
        )
        .route(
            Operation::post(
                "/admin/entropy/inject",
                "Mix the body's bytes into the next contribution; they count nothing",
            )
            .answers(400, "an empty body"),
            post(admin::inject),
        )
        .route(
            Operation::get("/sources", "Every source, what it counts for, and whether it is here"),
            get(admin::sources),
        )
        .route(Operation::get("/pool/status", "The pool: workers, sources, credit, alarms"), get(admin::pool))
        .route(
            Operation::get("/health", "How the node is").answers(503, "it is behind its schedule or has stopped"),
            get(health::health),
        )
        .route(Operation::get("/metrics", "Metrics for Prometheus"), get(admin::metrics))
}

/// Reads a JSON body.
fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(bytes)
        .map_err(|error| Refusal::bad("bad-body", format!("the body is not as it should be: {error}")))
}
