//! The light client: asks servers, lets the trust module judge, fails over, bans liars, keeps the trusted head.

mod builder;
mod evidence;
mod export;
mod fetch;
pub(crate) mod scan;

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use beacon_spec::codec::Limits;
use beacon_spec::committee::Signers;
use beacon_spec::hash::Digest32;
use beacon_spec::reject::Reject;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{Mutex, MutexGuard};

pub use builder::{Builder, Clock, system_time};
pub use fetch::Audited;
pub use scan::{Scan, ScanOptions};

use crate::error::Error;
use crate::refusal::{Reason, Refusal};
use crate::source::{Fault, Request, Source};
use crate::state::{Saved, StateDir};
use crate::trust::walk::Walk;
use crate::trust::{Conflict, Trust, Verified};

/// How often a subscription stores the head.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// A server with what this run learnt of it.
pub(crate) struct Server {
    pub(crate) source: Arc<dyn Source>,
    /// Why it is not asked any more.
    ban: StdMutex<Option<Refusal>>,
}

impl Server {
    pub(crate) fn name(&self) -> &str {
        self.source.name()
    }

    pub(crate) fn ban(&self) -> Option<Refusal> {
        self.ban.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_ban(&self, refusal: Refusal) {
        self.ban.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(refusal);
    }
}

pub(crate) struct Inner {
    chain: Digest32,
    servers: Vec<Server>,
    trust: Mutex<Option<Trust>>,
    /// When a subscription last stored the head.
    kept: StdMutex<Option<Instant>>,
    state: Option<StateDir>,
    /// The hash of the head that is on disk as far as this client knows.
    stored: StdMutex<Option<Digest32>>,
    checkpoint: Option<(u64, Digest32)>,
    trusting_period: Duration,
    /// How long a server is waited for before the next is asked besides.
    stagger: Duration,
    clock: Clock,
}

/// A light client of one chain. Clones share everything.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

/// Why one server did not do for one question.
#[derive(Debug)]
pub(crate) enum Miss {
    Fault(Fault),
    Refused(Refusal),
    /// The server does not matter: the chain is in conflict, or the question is wrong.
    Final(Error),
}

impl From<Fault> for Miss {
    fn from(fault: Fault) -> Self {
        Miss::Fault(fault)
    }
}

impl From<Refusal> for Miss {
    fn from(refusal: Refusal) -> Self {
        Miss::Refused(refusal)
    }
}

impl From<Error> for Miss {
    fn from(error: Error) -> Self {
        Miss::Final(error)
    }
}

impl Client {
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub fn chain(&self) -> &Digest32 {
        &self.inner.chain
    }

    /// The clock this client goes by, Unix milliseconds.
    pub fn now(&self) -> u64 {
        (self.inner.clock)()
    }

    /// Servers that are not asked any more in this run, each with its refusal.
    pub fn bans(&self) -> Vec<Refusal> {
        self.inner.servers.iter().filter_map(Server::ban).collect()
    }

    /// What is known of the chain: from the stored state, or fetched and checked under the chain hash.
    pub async fn trust(&self) -> Result<Trust, Error> {
        Ok(self.lock().await?.1)
    }

    /// The newest round there is, verified.
    pub async fn latest(&self) -> Result<Verified, Error> {
        self.head().await.map_err(old_head)
    }

    /// As [`Client::latest`], with the faults of servers that are behind left as they are.
    pub(crate) async fn head(&self) -> Result<Verified, Error> {
        let (mut guard, mut trust) = self.lock().await?;
        let result = self.newest(&mut trust).await;
        *guard = Some(trust);
        result
    }

    /// One round, verified: by its certificate if it is the newest, by an MMR proof and its certificate if it is past.
    pub async fn get(&self, round: u64) -> Result<Verified, Error> {
        if round == 0 {
            return Err(Error::Usage("rounds count from 1; round 0 is the genesis".into()));
        }
        let (mut guard, mut trust) = self.lock().await?;
        let result = self.round(&mut trust, round).await;
        *guard = Some(trust);
        result.map_err(old_head)
    }

    /// The round that is in force at a time: the last one due at or before it.
    pub async fn round_at(&self, time: u64) -> Result<u64, Error> {
        let trust = self.trust().await?;
        let schedule = trust.schedule();
        schedule.round_at(time).map_err(|_| {
            Error::Usage(match schedule.period {
                0 => "this chain has no period, so its rounds have no times".to_owned(),
                _ => format!("before the first round, which is due at {}", crate::time::format(schedule.genesis_time)),
            })
        })
    }

    /// The round in force at a time, verified; [`Error::NotYet`] for times that are still to come.
    pub async fn at(&self, time: u64) -> Result<Verified, Error> {
        let round = self.round_at(time).await?;
        self.get(round).await
    }

    /// Locks the trust in for one operation, making or loading it first. The operation works on the clone and puts
    /// it back.
    async fn lock(&self) -> Result<(MutexGuard<'_, Option<Trust>>, Trust), Error> {
        let mut guard = self.inner.trust.lock().await;
        let trust = match guard.take() {
            Some(trust) => trust,
            None => self.begin().await?,
        };
        *guard = Some(trust.clone());
        Ok((guard, trust))
    }

    /// The first trust of a run: the stored state, or the light genesis under the chain hash; and the checkpoint.
    async fn begin(&self) -> Result<Trust, Error> {
        let stored = match &self.inner.state {
            Some(state) => state.load(&self.inner.chain)?,
            None => None,
        };
        let (trust, since) = match stored {
            Some(stored) => {
                self.note_stored(stored.trust.head().map(Verified::hash));
                (stored.trust, stored.accepted)
            }
            None => {
                let trust = self.any(|server| self.fetch_genesis(server)).await?;
                let since = trust.schedule().genesis_time;
                (trust, since)
            }
        };
        let Some((round, hash)) = self.inner.checkpoint else {
            self.check_age(since)?;
            return Ok(trust);
        };
        let trust = &trust;
        let (trust, point) = self.any(|server| self.apply_checkpoint(server, trust, round, hash)).await?;
        // Whoever has the keys of that time could go on from an old header as well as from the genesis.
        if trust.schedule().period > 0 {
            self.check_age(point.header().due)?;
        }
        Ok(trust)
    }

    /// Refuses trust that was last renewed at `since` if that is longer ago than the trusting period.
    fn check_age(&self, since: u64) -> Result<(), Error> {
        let age = self.now().saturating_sub(since);
        let period = u64::try_from(self.inner.trusting_period.as_millis()).unwrap_or(u64::MAX);
        if age <= period {
            return Ok(());
        }
        let what = format!(
            "trust that is {} old, beyond the trusting period of {}: give a recent round and its header hash, from \
             somebody you trust, as a checkpoint",
            crate::time::span(age),
            crate::time::span(period),
        );
        Err(Refusal::new(Reject::Stale, what).into())
    }

    /// Asks servers until one does: the first, and while that does not answer soon, or fails, the next besides.
    ///
    /// Refused servers are banned; in the error a refusal outweighs silence, since it is the graver news.
    pub(crate) async fn any<'a, T, F>(&'a self, ask: impl Fn(&'a Server) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Miss>>,
    {
        self.any_from(0, ask).await
    }

    /// As [`Client::any`], leaving out the first `skip` servers.
    pub(crate) async fn any_from<'a, T, F>(&'a self, skip: usize, ask: impl Fn(&'a Server) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Miss>>,
    {
        let ask = &ask;
        let mut misses = Misses::default();
        let mut left = self.inner.servers.iter().skip(skip);
        let mut asked = FuturesUnordered::new();
        loop {
            for server in left.by_ref() {
                match server.ban() {
                    Some(ban) => misses.banned(server, ban),
                    None => {
                        asked.push(async move { (server, ask(server).await) });
                        break;
                    }
                }
            }
            let more = left.len() > 0;
            tokio::select! {
                answer = asked.next() => match answer {
                    Some((_, Ok(answer))) => return Ok(answer),
                    Some((server, Err(miss))) => misses.missed(server, miss)?,
                    None => return Err(misses.error()),
                },
                () = tokio::time::sleep(self.inner.stagger), if more => {}
            }
        }
    }

    /// Asks one server for bytes.
    pub(crate) async fn ask(&self, server: &Server, request: Request, limits: &Limits) -> Result<Vec<u8>, Fault> {
        server.source.fetch(request, limits.max_bytes).await
    }

    /// Moves the trusted head along a walk that has just taken `beacons`, see [`Trust::follow`]. The head may have moved
    /// by other means since the walk began: if the walk passes another header of its round, that is a conflict.
    pub(crate) async fn follow_walk(&self, walk: &Walk, beacons: &[Verified], server: &Server) -> Result<(), Miss> {
        let mut guard = self.inner.trust.lock().await;
        let (Some(trust), Some(last)) = (guard.as_mut(), beacons.last()) else {
            return Ok(());
        };
        let passed = trust.head().and_then(|head| beacons.iter().find(|beacon| beacon.round() == head.round()));
        if let Some(passed) = passed.filter(|passed| Some(passed.hash()) != trust.head().map(Verified::hash)) {
            return Err(conflict(trust, passed, server).into());
        }
        trust.follow(walk, last);
        // Each round in turn would keep the disk busy; what is lost in a crash is a second of progress.
        let due = {
            let mut kept = self.inner.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let due = kept.is_none_or(|kept| kept.elapsed() >= KEEP_EVERY);
            if due {
                *kept = Some(Instant::now());
            }
            due
        };
        if due { self.keep(trust, server).await } else { Ok(()) }
    }

    /// Stores the head after it moved. What another process stored meanwhile must be of the same chain of headers.
    async fn keep(&self, trust: &Trust, server: &Server) -> Result<(), Miss> {
        let (Some(state), Some(head)) = (&self.inner.state, trust.head()) else {
            return Ok(());
        };
        loop {
            let known = *self.inner.stored.lock().unwrap_or_else(PoisonError::into_inner);
            match state.save(trust, known.as_ref(), self.now(), server.name())? {
                Saved::Done => {
                    self.note_stored(Some(head.hash()));
                    return Ok(());
                }
                Saved::Other(other) => match self.compare_stored(server, trust, &other).await {
                    Ok(()) if other.header.round > head.round() => return Ok(()),
                    Ok(()) => self.note_stored(Some(other.header.hash())),
                    // Nothing is known against either head; the one that is there stays.
                    Err(Miss::Fault(_)) => return Ok(()),
                    Err(miss) => return Err(miss),
                },
            }
        }
    }

    fn note_stored(&self, head: Option<Digest32>) {
        *self.inner.stored.lock().unwrap_or_else(PoisonError::into_inner) = head;
    }

    /// Whether there is a server that is not banned.
    pub(crate) fn has_servers(&self) -> bool {
        self.inner.servers.iter().any(|server| server.ban().is_none())
    }

    pub(crate) fn servers(&self) -> &[Server] {
        &self.inner.servers
    }
}

/// What servers answered instead of what was asked.
#[derive(Default)]
struct Misses {
    refused: Option<Refusal>,
    faults: Vec<(String, Fault)>,
}

impl Misses {
    fn banned(&mut self, server: &Server, ban: Refusal) {
        self.faults.push((server.name().to_owned(), Fault::Banned(ban.to_string())));
        self.refused.get_or_insert(ban);
    }

    /// Notes a miss and bans for lies; an error that no other server can mend is given back.
    fn missed(&mut self, server: &Server, miss: Miss) -> Result<(), Error> {
        match miss {
            Miss::Final(error) => return Err(error),
            Miss::Fault(fault) => self.faults.push((server.name().to_owned(), fault)),
            Miss::Refused(refusal) => {
                let refusal = refusal.by(server.name());
                server.set_ban(refusal.clone());
                self.refused.get_or_insert(refusal);
            }
        }
        Ok(())
    }

    fn error(self) -> Error {
        self.refused.map_or(Error::Unreachable(self.faults), Error::from)
    }
}

/// What it means that servers are behind: alone it is no answer at all, and whoever asked for the newest round is told
/// that this client knows a newer one. And what it means that they have no round yet.
fn old_head(error: Error) -> Error {
    let Error::Unreachable(faults) = error else {
        return error;
    };
    for (server, fault) in &faults {
        if let Fault::Behind { theirs, ours } = fault {
            let refusal = Refusal::new(Reason::OldHead, "newest beacon").field("header.round");
            return refusal.mismatch(format!("round {ours} or newer"), format!("round {theirs}")).by(server).into();
        }
    }
    Error::Unreachable(faults)
}

/// A committee that a header names, found among those known.
fn known_committee<'a>(trust: &'a Trust, hash: &Digest32) -> Option<&'a Arc<Signers>> {
    Some(trust.signers()).filter(|signers| signers.hash() == *hash)
}

/// The conflict between the trusted head and a certified header.
fn conflict(trust: &Trust, offered: &Verified, server: &Server) -> Error {
    let trusted = trust.head().unwrap_or(offered).header().clone();
    Conflict { trusted, offered: offered.header().clone(), from: Some(server.name().to_owned()) }.into()
}
