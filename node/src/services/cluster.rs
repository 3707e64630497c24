//! Peers that give each other private random bytes, each out of its own pool.
//!
//! A node asks only the peers that its configuration names, answers only those, and answers from its own workers
//! alone: an answer is never made by asking others. What a peer gives is mixed with this node's own bytes, counts
//! nothing and replaces nothing. Peers are asked ahead of time, so that no contribution waits for one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use beacon_spec::keys::IdentityKey;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use zeroize::Zeroizing;

use crate::config::ClusterConfig;
use crate::network::{Network, PeerKey};

/// Bytes of one draw.
const DRAW: usize = 32;
/// A peer may take so long to answer.
const PATIENCE: Duration = Duration::from_millis(5000);
/// After a failure it is asked again so much later.
const AGAIN: Duration = Duration::from_secs(10);
/// How often it is asked whether it is there, and how long that may take: a dead peer shows in less than 3 s.
const LOOK: Duration = Duration::from_millis(1000);
const LOOK_PATIENCE: Duration = Duration::from_millis(1500);
/// The time that a quota is for.
const MINUTE: Duration = Duration::from_secs(60);

/// One configured peer, for the status page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterPeer {
    pub identity: IdentityKey,
    pub up: bool,
    /// Draws that this node got from it, and that failed.
    pub drawn: u64,
    pub failed: u64,
    /// Draws that it got from this node, and that were refused.
    pub given: u64,
    pub refused: u64,
    /// Why its last draw failed.
    pub last_error: Option<String>,
}

struct Peer {
    shown: ClusterPeer,
    /// What it gave and has not been used.
    ready: Option<Zeroizing<Vec<u8>>>,
    /// No draw before this.
    due: Option<Instant>,
    asking: bool,
    /// The running minute of its quota and how often it drew in it.
    quota: Option<(Instant, u32)>,
}

/// The configured peers.
pub struct Cluster {
    config: ClusterConfig,
    peers: Mutex<BTreeMap<PeerKey, Peer>>,
}

impl Cluster {
    pub fn new(config: &ClusterConfig) -> Cluster {
        let peer = |identity: &IdentityKey| Peer {
            shown: ClusterPeer {
                identity: *identity,
                up: false,
                drawn: 0,
                failed: 0,
                given: 0,
                refused: 0,
                last_error: None,
            },
            ready: None,
            due: None,
            asking: false,
            quota: None,
        };
        let peers = config.peers.iter().map(|identity| (identity.0, peer(identity))).collect();
        Cluster { config: config.clone(), peers: Mutex::new(peers) }
    }

    /// Watches the peers, and draws ahead from them if the configuration says so, for as long as the task lives.
    pub async fn watch(self: Arc<Self>, network: Network) {
        if self.lock().is_empty() {
            return;
        }
        let mut every = interval(LOOK);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let keys: Vec<PeerKey> = self.lock().keys().copied().collect();
            for key in keys {
                let (cluster, network) = (self.clone(), network.clone());
                tokio::spawn(async move { cluster.look(&network, key).await });
            }
        }
    }

    async fn look(&self, network: &Network, key: PeerKey) {
        let answered = timeout(LOOK_PATIENCE, network.presence(key)).await;
        let up = matches!(answered, Ok(Ok(())));
        self.with(&key, |peer| peer.shown.up = up);
        if up && self.config.draw && self.begin(&key, Instant::now()) {
            let drawn = match timeout(PATIENCE, network.draw(key)).await {
                Ok(Ok(bytes)) if bytes.len() == DRAW => Ok(bytes),
                Ok(Ok(bytes)) if bytes.is_empty() => Err("the peer refuses".to_owned()),
                Ok(Ok(bytes)) => Err(format!("the peer answered {} bytes", bytes.len())),
                Ok(Err(failure)) => Err(format!("{failure:?}")),
                Err(_) => Err("no answer in time".to_owned()),
            };
            self.end(&key, drawn, Instant::now());
        }
    }

    /// Whether this peer is to be asked at `now`; it then is.
    fn begin(&self, key: &PeerKey, now: Instant) -> bool {
        self.with(key, |peer| {
            let wanted = peer.ready.is_none() && !peer.asking && peer.due.is_none_or(|due| due <= now);
            peer.asking |= wanted;
            wanted
        })
        .unwrap_or(false)
    }

    fn end(&self, key: &PeerKey, drawn: Result<Zeroizing<Vec<u8>>, String>, now: Instant) {
        self.with(key, |peer| {
            peer.asking = false;
            match drawn {
                Ok(bytes) => {
                    peer.shown.drawn += 1;
                    peer.shown.last_error = None;
                    peer.ready = Some(bytes);
                }
                Err(reason) => {
                    peer.shown.failed += 1;
                    peer.shown.last_error = Some(reason);
                    peer.due = Some(now + AGAIN);
                }
            }
        });
    }

    /// What peers have given since the last call; each draw is used once.
    pub fn take(&self) -> Vec<Zeroizing<Vec<u8>>> {
        self.lock().values_mut().filter_map(|peer| peer.ready.take()).collect()
    }

    /// Whether `from` may draw at `now`; counted either way.
    pub fn admits(&self, from: &PeerKey, now: Instant) -> bool {
        let (serve, most) = (self.config.serve, self.config.quota);
        self.with(from, |peer| {
            let (since, used) = peer.quota.filter(|(since, _)| now.duration_since(*since) < MINUTE).unwrap_or((now, 0));
            let admitted = serve && used < most;
            peer.quota = Some((since, used.saturating_add(u32::from(admitted))));
            let counter = if admitted { &mut peer.shown.given } else { &mut peer.shown.refused };
            *counter += 1;
            admitted
        })
        // Strangers to the configuration get nothing and leave no trace.
        .unwrap_or(false)
    }

    pub fn view(&self) -> Vec<ClusterPeer> {
        self.lock().values().map(|peer| peer.shown.clone()).collect()
    }

    fn with<T>(&self, key: &PeerKey, change: impl FnOnce(&mut Peer) -> T) -> Option<T> {
        self.lock().get_mut(key).map(change)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PeerKey, Peer>> {
        // Every change is a few assignments that stand by themselves.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerKey = [1; 32];
    const B: PeerKey = [2; 32];

    fn cluster(serve: bool, quota: u32) -> Cluster {
        Cluster::new(&ClusterConfig { peers: vec![IdentityKey(A)], draw: true, serve, quota })
    }

    #[tokio::test(start_paused = true)]
    async fn only_named_peers_are_served_and_within_their_quota() {
        let cluster = cluster(true, 2);
        let now = Instant::now();
        assert_eq!([0, 1, 59].map(|s| cluster.admits(&A, now + Duration::from_secs(s))), [true, true, false]);
        assert!(cluster.admits(&A, now + Duration::from_secs(60)), "another minute");
        assert!(!cluster.admits(&B, now), "not configured");
        let view = cluster.view();
        assert_eq!((view.len(), view[0].given, view[0].refused), (1, 3, 1));
        assert!(!self::cluster(false, 2).admits(&A, now), "serving is off");
    }

    #[tokio::test(start_paused = true)]
    async fn a_draw_is_used_once_and_a_failure_rests() {
        let cluster = cluster(false, 0);
        let now = Instant::now();
        assert!(cluster.begin(&A, now));
        assert!(!cluster.begin(&A, now), "one at a time");
        cluster.end(&A, Err("late".into()), now);
        assert!(!cluster.begin(&A, now + Duration::from_millis(9999)));
        assert!(cluster.begin(&A, now + AGAIN));
        cluster.end(&A, Ok(Zeroizing::new(vec![7; DRAW])), now + AGAIN);
        assert!(!cluster.begin(&A, now + AGAIN), "one is ready");
        assert_eq!(cluster.take(), [Zeroizing::new(vec![7; DRAW])]);
        assert!(cluster.take().is_empty());
        assert!(cluster.begin(&A, now + AGAIN));
        let view = cluster.view();
        assert_eq!((view[0].drawn, view[0].failed, view[0].last_error.clone()), (1, 1, None));
    }
}
