//! The shell: starts the parts, then runs the one loop that feeds the engine and executes its effects.
//!
//! Reading order: this file (start and stop), `driver` (the loop), `effects` (what each effect does), `work` (threads
//! for dealing, verification, entropy and answers).

mod driver;
mod effects;
mod error;
mod operator;
mod report;
#[cfg(test)]
mod tests;
mod work;

use std::io;
use std::sync::{Arc, Mutex};

use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

use beacon_engine::batch::Recovered;
use beacon_engine::engine::{self, BundleSecrets, Engine};
use beacon_entropy::pool::EntropyPool;

use crate::cli::Prepared;
use crate::clock;
use crate::config::Listener;
use crate::http::{self, ApiSetup, Guard, LocalApi, PublicApi};
use crate::keystore::KeyStore;
use crate::metrics::Metrics;
use crate::network::{Network, NetworkConfig};
use crate::services::{Cluster, Filler, Services};
use crate::store::{Report, Store};

use driver::{About, Driver, Parts, Sources};
pub use error::ShellError;
use work::{Completion, Tools, Workshop};

/// Orders of the operator that may wait.
const ORDERS: usize = 16;

/// Runs the node until a signal or a fatal error.
pub fn run(prepared: Prepared) -> Result<(), ShellError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .map_err(|error| ShellError::Runtime(error.to_string()))?;
    runtime.block_on(serve(prepared))
}

fn engine_config(prepared: &Prepared) -> engine::Config {
    engine::Config {
        chain: prepared.sealed.chain,
        parameters: prepared.sealed.genesis.draft.parameters.clone(),
        committee: Arc::new(prepared.sealed.committee.clone()),
        identity: prepared.identity,
        long_lived: prepared.keys.long_lived().clone(),
        bundles: secrets(&prepared.keys),
        restored: prepared.restored,
        unsafe_release: prepared.unsafe_release,
        unsafe_withhold_openings: prepared.withhold_openings,
    }
}

fn secrets(keys: &KeyStore) -> Vec<Arc<BundleSecrets>> {
    keys.bundles().iter().map(|bundle| Arc::new(bundle.secrets())).collect()
}

fn network_config(prepared: &Prepared) -> NetworkConfig {
    NetworkConfig {
        identity_secret: Zeroizing::new(*prepared.keys.identity_secret().seed()),
        chain: prepared.sealed.chain.0,
        listen: prepared.config.listen.clone(),
        peers: prepared.config.peers.clone(),
        members: Vec::new(), // the engine names them in its first step
        limits: prepared.config.limits.network(),
    }
}

/// Keeps keys that can sign from doing so with another database than before. One that an earlier start with
/// `--restored` has `silenced` is theirs from now on.
fn tie_keys(prepared: &Prepared, store: &Store, silenced: bool) -> Result<(), ShellError> {
    let (keys, released) = (&prepared.keys, prepared.unsafe_release);
    if keys.bundles().is_empty() || (prepared.restored && !silenced) {
        return Ok(());
    }
    keys.tie(&store.identity()?, silenced || released).map_err(ShellError::Keys)
}

/// Runs the node on the caller's runtime.
pub async fn serve(prepared: Prepared) -> Result<(), ShellError> {
    let stop_node = shutdown_signal();
    let _limit = file_size_limit();
    let config = &prepared.config;
    let chain = prepared.sealed.chain;
    let mut registry = Registry::with_prefix("beacon");
    let metrics = Metrics::register(&mut registry);
    let public = bind(config.http, "http").await?;
    let local = bind(config.local_http, "local_http").await?;
    let store = Arc::new(Store::open(&config.data_dir, chain, &prepared.sealed.bytes)?);
    store.adopt(&config.data_dir, !prepared.keys.bundles().is_empty())?;
    let recovered: Recovered = store.recover()?;
    tie_keys(&prepared, &store, recovered.silent_through > 0)?;
    let equipment = config.entropy.equipment(prepared.emulate_chip);
    let pool = config.entropy.pool(&equipment).map_err(ShellError::source)?;
    let pool = Arc::new(EntropyPool::start(pool)?);

    let (completions, done) = mpsc::unbounded_channel();
    let written = completions.clone();
    let writer = store.writer(config.transcripts_keep.rounds(), move |report| {
        let completion = match report {
            Report::Durable { seq, took } => Completion::Durable { seq, took },
            Report::Failed(error) => Completion::DiskFailed(error),
        };
        // Refused only when the loop has ended; nothing depends on the report then.
        let _ = written.send(completion);
    })?;
    let (network, events) = Network::start(network_config(&prepared), &mut registry).await?;

    let (orders, ordered) = mpsc::channel(ORDERS);
    let (status, status_shown) = watch::channel(report::initial(&prepared));
    let api = PublicApi::new(ApiSetup {
        store: store.clone(),
        light: prepared.sealed.genesis.light(&prepared.sealed.committee),
        status: status_shown,
        metrics: metrics.clone(),
        registry: Arc::new(registry),
        orders,
        clock: clock::now,
    });
    api.add_committee(&prepared.sealed.committee);
    let (stop_http, stopping) = watch::channel(false);
    let mut routers: Vec<_> = public.map(|listener| (listener, http::public_router(api.clone()))).into_iter().collect();
    // Without the listener nobody could ask for what the services give.
    let mut filler = None;
    if let Some(listener) = local {
        let services = Services::open(&prepared.home, &config.services, equipment, pool.clone())?;
        let services = Arc::new(services);
        filler = Some(Filler::start(services.clone()).map_err(|error| ShellError::Runtime(error.to_string()))?);
        let guard = Guard::new(prepared.token.clone(), config.services.cors.clone());
        routers.push((listener, http::local_router(LocalApi::new(api.clone(), services), guard)));
    }
    let servers: Vec<_> = routers
        .into_iter()
        .map(|(listener, router)| {
            let mut stopping = stopping.clone();
            let stop = async move { drop(stopping.wait_for(|stop| *stop).await) };
            tokio::spawn(http::serve(listener, router, api.clone(), stop))
        })
        .collect();

    let public = http::Beacons::new(api.clone());
    let cluster = Arc::new(Cluster::new(&config.cluster));
    let watching = tokio::spawn(cluster.clone().watch(network.clone()));
    let (engine, first) = Engine::recover(engine_config(&prepared), recovered, clock::now());
    let about = About::of(&prepared);
    let keys = Arc::new(Mutex::new(prepared.keys));
    let workshop = Workshop::new(Tools {
        completions,
        pool,
        cluster,
        store,
        network: network.clone(),
        public,
        chain,
        keys,
        metrics: metrics.clone(),
    });
    tracing::info!(round = engine.head().0, "ready");
    let parts = Parts { engine, network: network.clone(), writer, workshop, api, metrics, status };
    let mut driver = Driver::new(parts, about);
    let outcome = driver.run(first, Sources { events, done, ordered }, stop_node).await;
    // Refused only when no listener was configured.
    let _ = stop_http.send(true);
    for server in servers {
        match server.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a listener ended with an error"),
            Err(error) => tracing::warn!(%error, "a listener ended with an error"),
        }
    }
    watching.abort();
    network.shutdown().await;
    driver.close();
    drop(filler);
    tracing::info!("stopped");
    outcome
}

async fn bind(listener: Listener, what: &'static str) -> Result<Option<TcpListener>, ShellError> {
    match listener.0 {
        Some(address) => Ok(Some(http::bind(address, what).await?)),
        None => Ok(None),
    }
}

/// While this is held, a file that outgrows the process' limit (`ulimit -f`) is an error of the write, which says so,
/// and not a signal that ends the process without a word.
fn file_size_limit() -> Option<tokio::signal::unix::Signal> {
    const SIGXFSZ: i32 = 25;
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ)).ok()
}

/// Resolves at SIGINT or SIGTERM. The handlers are there as soon as this is called, so that a signal during a long start
/// ends the node in good order too.
fn shutdown_signal() -> impl Future<Output = ()> {
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        tokio::select! {
            () = received(terminate) => {}
            () = received(interrupt) => {}
        }
    }
}

/// An error means that no handler could be installed; then only the other signal, or SIGKILL, stops the node.
async fn received(signal: io::Result<Signal>) {
    match signal {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}
