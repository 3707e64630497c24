//! A served chain, and a client that speaks HTTP to it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tempfile::{TempDir, tempdir};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use beacon_engine::batch::Record;
use beacon_spec::bundle::KeyBundle;
use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::committee::Committee;
use beacon_spec::genesis::{Draft, DraftMember, Genesis, Parameters};
use beacon_spec::keys::SecretKey;
use beacon_spec::pvss::TicketSecret;

use crate::http::health::NodeStatus;
use crate::http::{ApiSetup, Guard, LocalApi, PublicApi, bind, local_router, public_router, serve};
use crate::metrics::Metrics;
use crate::services::Services;
use crate::services::tests::services;
use crate::store::Store;
use crate::store::tests::fixture::{Round, Writing, rounds, schedule, transcript};

/// Half a second after round 12 is due.
pub fn now() -> u64 {
    schedule().genesis_time + 11 * 3000 + 500
}

/// A sealed genesis of four equal members.
pub fn genesis() -> Genesis {
    let mut identities: Vec<SecretKey> = (1..=4).map(|seed| SecretKey::from_seed(&[seed; 32])).collect();
    identities.sort_by_key(SecretKey::identity);
    let parameters = Parameters {
        schedule: schedule(),
        catch_up_interval: 100,
        lead: 5000,
        recovery_delay: 50,
        grace: 100,
        registrations_per_value: 4,
        development_exemption: false,
    };
    let members = identities.iter().map(|key| DraftMember { identity: key.identity(), weight: 10 }).collect();
    let draft = Draft {
        version: beacon_spec::VERSION,
        name: "a chain of tests".into(),
        parameters,
        members,
        predecessor: None,
    };
    let ceremony = draft.ceremony();
    let bundles = identities.iter().zip(1u8..).map(|(identity, seed)| {
        let tickets: Vec<_> = (0..4).map(|k| TicketSecret::from_seed(&[seed * 16 + k; 32])).collect();
        KeyBundle::make(&ceremony, identity, 1, &SecretKey::from_seed(&[seed + 100; 32]), &tickets)
    });
    Genesis { bundles: bundles.collect(), draft }
}

/// A store with its chain behind both listeners.
pub struct Server {
    pub api: PublicApi,
    pub writing: Writing,
    pub chain: Vec<Round>,
    pub committee: Committee,
    pub genesis: Genesis,
    pub status: watch::Sender<NodeStatus>,
    pub services: Arc<Services>,
    pub public: SocketAddr,
    pub local: SocketAddr,
    pub stop: oneshot::Sender<()>,
    pub served: JoinHandle<()>,
    _homes: [TempDir; 2],
}

/// A chain of `count` rounds, the first `stored` of them on disk and the first `known` of them certified. Even rounds
/// have transcripts, of which `keep` rounds are kept.
pub async fn start(count: u64, stored: u64, known: u64, keep: u64, clock: fn() -> u64) -> Server {
    let genesis = genesis();
    let (committee, chain_hash) = genesis.check().expect("the fixture keeps the rules");
    let chain = rounds(count, chain_hash, committee.hash());
    let home = tempdir().expect("temporary directory");
    let store = Arc::new(Store::open(home.path(), chain_hash, &encode(&genesis)).expect("a new directory"));
    let mut writing = Writing::start(&store, keep);
    for round in &chain[..stored as usize] {
        writing.put(records(round), false);
    }
    writing.settle();
    let mut registry = Registry::with_prefix("beacon");
    let metrics = Metrics::register(&mut registry);
    let (status, report) = watch::channel(NodeStatus::default());
    let light = genesis.light(&committee);
    let registry = Arc::new(registry);
    // Nobody takes orders here: what they bring about is the shell's affair.
    let (orders, _) = mpsc::channel(1);
    let setup = ApiSetup { store: Arc::clone(&store), light, status: report, metrics, registry, orders, clock };
    let api = PublicApi::new(setup);
    api.add_committee(&committee);
    for round in &chain[stored as usize..known as usize] {
        let number = round.beacon.header.round;
        let told = number.is_multiple_of(2).then(|| Arc::new(transcript(number)));
        api.publish(&round.beacon, told);
    }
    let (queues, private) = services();
    let private = Arc::new(private);
    let local = local_router(LocalApi::new(api.clone(), private.clone()), Guard::default());
    let (public, local) = (listener(&api, public_router(api.clone())), listener(&api, local));
    let ((public, first, stop_public), (local, second, stop_local)) = (public.await, local.await);
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        // Dropped or used: either way the test is done with the server.
        let _ = stopped.await;
        let _ = (stop_public.send(()), stop_local.send(()));
    });
    let served = tokio::spawn(async move {
        let (first, second) = tokio::join!(first, second);
        first.expect("the server does not panic");
        second.expect("the server does not panic");
    });
    let homes = [home, queues];
    Server {
        api,
        writing,
        chain,
        committee,
        genesis,
        status,
        services: private,
        public,
        local,
        stop,
        served,
        _homes: homes,
    }
}

pub async fn listener(api: &PublicApi, router: Router) -> (SocketAddr, JoinHandle<()>, oneshot::Sender<()>) {
    let socket = bind(([127, 0, 0, 1], 0).into(), "http").await.expect("a free port");
    let address = socket.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let api = api.clone();
    let task = tokio::spawn(async move {
        let until = async { drop(stopped.await) };
        serve(socket, router, api, until).await.expect("serves until it is stopped");
    });
    (address, task, stop)
}

pub fn records(round: &Round) -> Vec<Record> {
    let number = round.beacon.header.round;
    let mut records = vec![round.record()];
    if number.is_multiple_of(2) {
        records.push(Record::Transcript(Box::new(transcript(number))));
    }
    records
}

/// An answer read to its end.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn decode<T: serde::de::DeserializeOwned>(&self) -> T {
        decode(&self.body, &Limits::bytes(1 << 24)).expect("the binary form")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub fn code(&self) -> String {
        let json = self.json();
        assert!(json["error"].as_str().is_some_and(|error| !error.is_empty()), "an error says what is wrong");
        json["code"].as_str().expect("an error has a code").to_owned()
    }
}

pub async fn open(address: SocketAddr, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
    send(address, method, path, headers, Bytes::new()).await
}

pub async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.expect("connects");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("speaks HTTP");
    tokio::spawn(async move { drop(connection.await) });
    let mut request = Request::builder().method(method).uri(path);
    if headers.iter().all(|(name, _)| *name != "host") {
        request = request.header("host", address.to_string());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sender.send_request(request.body(Full::new(body)).expect("a request")).await.expect("an answer")
}

pub async fn ask(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let (parts, body) = open(address, Method::GET, path, headers).await.into_parts();
    let body = body.collect().await.expect("the whole body").to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

impl Server {
    pub async fn get(&self, path: &str) -> Answer {
        ask(self.public, path, &[]).await
    }

    pub async fn binary(&self, path: &str) -> Answer {
        let answer = ask(self.public, path, &[("accept", "application/octet-stream")]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert_eq!(answer.header("vary").split(", ").next(), Some("accept"));
        let parameter = if path.contains('?') { "&format=binary" } else { "?format=binary" };
        assert_eq!(self.get(&format!("{path}{parameter}")).await.body, answer.body);
        answer
    }
}
