//! Fetching from a running network what the operator trusts by its hash: the genesis, and a checkpoint to begin from.

use std::time::Duration;

use beacon_engine::checkpoint::Start;
use beacon_engine::event::{Request, Response};
use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::genesis::Genesis;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::IdentityKey;
use prometheus_client::registry::Registry;

use super::documents::Sealed;
use super::failure::Failure;
use crate::keystore::KeyStore;
use crate::network::{Network, NetworkConfig, NetworkEvent, NetworkLimits, RESPONSE_MAX};

/// How long a peer may take to be reached and to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Dials `peers` and takes the genesis from the first that gives one of `chain`.
pub(super) fn genesis(store: &KeyStore, peers: &[String], chain: &Digest32) -> Result<Sealed, Failure> {
    let wanted = Wanted { chain: *chain, what: format!("genesis of chain {chain}"), request: Request::Genesis };
    run(store, peers, &wanted, |response| judge(response, chain))
}

/// Dials `peers` and takes the checkpoint (round and header hash) from the first that gives it.
pub(super) fn checkpoint(
    store: &KeyStore,
    peers: &[String],
    sealed: &Sealed,
    trusted: (u64, Digest32),
) -> Result<Start, Failure> {
    let (round, hash) = trusted;
    let what = format!("checkpoint of round {round} with header hash {hash}");
    let wanted = Wanted { chain: sealed.chain, what, request: Request::Checkpoint { round } };
    let parameters = &sealed.genesis.draft.parameters;
    run(store, peers, &wanted, |response| match response {
        Response::Checkpoint(Some(answer)) => {
            answer.judge(trusted, &sealed.chain, parameters, &sealed.committee).map_err(|reason| reason.to_string())
        }
        Response::Checkpoint(None) => Err("it does not hold that round".into()),
        _ => Err("something else than a checkpoint".into()),
    })
}

/// What is asked of every peer until one answers well.
struct Wanted {
    chain: Digest32,
    /// For people.
    what: String,
    request: Request,
}

fn run<T>(
    store: &KeyStore,
    peers: &[String],
    wanted: &Wanted,
    judge: impl Fn(Response) -> Result<T, String>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start threads: {error}"), "raise the limit on threads"))?;
    runtime.block_on(ask(store, peers, wanted, judge))
}

async fn ask<T>(
    store: &KeyStore,
    peers: &[String],
    wanted: &Wanted,
    judge: impl Fn(Response) -> Result<T, String>,
) -> Result<T, Failure> {
    let config = NetworkConfig {
        identity_secret: store.identity_secret().seed(),
        chain: wanted.chain.0,
        listen: Vec::new(),
        peers: peers.to_vec(),
        members: Vec::new(),
        limits: NetworkLimits::default(),
    };
    let started = Network::start(config, &mut Registry::default()).await;
    let (network, mut events) = started
        .map_err(|error| Failure::usage(error.to_string(), "write --peer as a multiaddr: /ip4/192.0.2.1/tcp/7700"))?;
    let mut refusals = Vec::new();
    let answer = tokio::time::timeout(PATIENCE, async {
        while let Some(event) = events.recv().await {
            match event {
                NetworkEvent::PeerUp(peer) => {
                    network.request(peer, encode(&wanted.request));
                }
                NetworkEvent::Response { from, result, .. } => {
                    let peer = IdentityKey(from);
                    let answer = result.map_err(|failure| format!("{failure:?}")).and_then(|bytes| {
                        let limits = Limits::bytes(RESPONSE_MAX);
                        decode(&bytes, &limits).map_err(|reason| reason.to_string()).and_then(&judge)
                    });
                    match answer {
                        Ok(good) => return Some(good),
                        Err(reason) => refusals.push(format!("{peer} answered badly ({reason})")),
                    }
                    if refusals.len() >= peers.len() {
                        return None;
                    }
                }
                _ => {}
            }
        }
        None
    })
    .await;
    network.shutdown().await;
    answer.ok().flatten().ok_or_else(|| unanswered(peers, &wanted.what, &refusals))
}

/// Accepts only the genesis whose chain hash the operator gave.
fn judge(response: Response, chain: &Digest32) -> Result<Sealed, String> {
    let Response::Genesis(bytes) = response else { return Err("something else than a genesis".into()) };
    let (genesis, committee) = Genesis::open(&bytes, chain).map_err(|reason| reason.to_string())?;
    Ok(Sealed { bytes, genesis, committee, chain: *chain })
}

fn unanswered(peers: &[String], wanted: &str, refusals: &[String]) -> Failure {
    let mut what = format!("no {wanted} from {}", peers.join(", "));
    if refusals.is_empty() {
        what += &format!(" within {} s", PATIENCE.as_secs());
    }
    for refusal in refusals {
        what += &format!("; {refusal}");
    }
    let remedy = "see that a node runs there and is of this chain (a node of another chain does not answer), that its \
                  port is reachable, and that the hash is right";
    Failure::new(what, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use beacon_spec::genesis::{Draft, DraftMember, Parameters};
    use beacon_spec::schedule::Schedule;

    fn sealed(store: &mut KeyStore, name: &str) -> Sealed {
        let identity = store.identity();
        let schedule = Schedule { genesis_time: 1, period: 1000, window: 1, epoch_windows: 4 };
        let parameters = Parameters {
            schedule,
            catch_up_interval: 100,
            lead: 0,
            recovery_delay: 50,
            grace: 20,
            registrations_per_value: 16,
            development_exemption: true,
        };
        let members = vec![DraftMember { identity, weight: 1 }];
        let draft = Draft { version: beacon_spec::VERSION, name: name.into(), parameters, members, predecessor: None };
        store.bundle_or_generate(&draft.ceremony(), 1, 4).unwrap();
        let bundle = store.bundle(&draft.ceremony(), 1).unwrap().public(store.identity_secret());
        Sealed::judge(encode(&Genesis { draft, bundles: vec![bundle] })).unwrap()
    }

    /// A node of `chain` that answers every request with `genesis`; gives its address.
    async fn serve(store: &KeyStore, chain: Digest32, genesis: Vec<u8>) -> String {
        let config = NetworkConfig {
            identity_secret: store.identity_secret().seed(),
            chain: chain.0,
            listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
            peers: Vec::new(),
            members: vec![store.identity().0],
            limits: NetworkLimits::default(),
        };
        let (network, mut events) = Network::start(config, &mut Registry::default()).await.unwrap();
        let (listening, mut address) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match event {
                    NetworkEvent::Listening(found) => listening.send(found).await.unwrap(),
                    NetworkEvent::Request { channel, data, .. } => {
                        assert_eq!(data, encode(&Request::Genesis));
                        network.respond(channel, encode(&Response::Genesis(genesis.clone())));
                    }
                    _ => {}
                }
            }
        });
        address.recv().await.unwrap()
    }

    #[tokio::test]
    async fn the_genesis_comes_from_a_peer_and_only_the_right_one() {
        let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut member = KeyStore::create(home.path()).unwrap();
        let observer = KeyStore::create(other.path()).unwrap();
        let right = sealed(&mut member, "right");
        let wrong = sealed(&mut member, "wrong");
        let wanted = Wanted { chain: right.chain, what: format!("genesis {}", right.chain), request: Request::Genesis };
        let judge = |response| judge(response, &right.chain);
        let peer = [serve(&member, right.chain, right.bytes.clone()).await];
        assert_eq!(ask(&observer, &peer, &wanted, judge).await.unwrap().bytes, right.bytes);
        let liar = [serve(&member, right.chain, wrong.bytes).await];
        let said = ask(&observer, &liar, &wanted, judge).await.err().unwrap().to_string();
        for part in [&right.chain.to_string(), &liar[0], "answered badly (wrong-chain)"] {
            assert!(said.contains(part), "{said:?} lacks {part:?}");
        }
    }
}
