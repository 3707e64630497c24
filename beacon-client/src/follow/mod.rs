//! A subscription that loses no round: pushed where that works, fetched where it does not.
//!
//! Up to three servers push at once and the first to bring a round wins. A round that does not come when it is due is
//! fetched; a gap is fetched before what comes after it. Every beacon is verified by its certificate and by its link to
//! the one before, so what comes out is one chain, in order, each round once, whoever it came from. Servers that lie
//! are banned with their reason; others are tried again after a while.

mod backoff;
mod push;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use beacon_spec::chain::Beacon;
use futures::Stream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::client::scan::take_or_fork;
use crate::client::{Client, Miss};
use crate::error::Error;
use crate::refusal::Refusal;
pub use crate::source::Arrival;
use crate::source::Fault;
use crate::trust::walk::Walk;
use crate::trust::{Trust, Verified};
use backoff::Backoff;
use push::{Pushed, Pushers};

/// What a subscription tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// The next round.
    Beacon(Box<Verified>, Arrival),
    /// Rounds are due that no server has: by the clock `expected` is due, the newest here is `have`.
    Late { have: u64, expected: u64 },
    /// A server failed and will be tried again.
    Trouble { server: String, fault: Fault },
    /// A server lied and will not be asked again.
    Banned(Box<Refusal>),
}

/// Events of a chain from one round on; dropping it ends the subscription. As a [`Stream`] it gives the beacons only.
pub struct Subscription {
    events: mpsc::Receiver<Result<Event, Error>>,
    task: JoinHandle<()>,
}

impl Subscription {
    /// The next event. After an error, which no server can mend, there are no more.
    pub async fn event(&mut self) -> Option<Result<Event, Error>> {
        self.events.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stream for Subscription {
    type Item = Result<Verified, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::task::ready!(self.events.poll_recv(context)) {
                Some(Ok(Event::Beacon(verified, _))) => return Poll::Ready(Some(Ok(*verified))),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Client {
    /// Subscribes to all rounds from `from` on, or from the newest.
    pub async fn subscribe(&self, from: Option<u64>) -> Result<Subscription, Error> {
        if from == Some(0) {
            return Err(Error::Usage("rounds count from 1; round 0 is the genesis".into()));
        }
        let trust = self.trust().await?;
        let (sender, events) = mpsc::channel(64);
        let client = self.clone();
        let task = tokio::spawn(async move {
            let ended = match Follower::begin(client, trust, from, sender.clone()).await {
                Ok(mut follower) => follower.run().await,
                Err(error) => Err(error),
            };
            if let Err(Some(error)) = ended {
                // A subscriber that has gone away needs no error.
                let _ = sender.send(Err(error)).await;
            }
        });
        Ok(Subscription { events, task })
    }

    /// Waits until a round is certified, however long that takes, and gives it.
    pub async fn wait_for(&self, round: u64) -> Result<Verified, Error> {
        let mut subscription = self.subscribe(Some(round)).await?;
        while let Some(event) = subscription.event().await {
            if let Event::Beacon(verified, _) = event? {
                return Ok(*verified);
            }
        }
        Err(Error::NotYet { round, due: None })
    }

    /// The first round after the newest.
    pub async fn next(&self) -> Result<Verified, Error> {
        let newest = self.latest().await?;
        self.wait_for(newest.round() + 1).await
    }
}

/// Why a follower ends: an error for the subscriber, or none because there is no subscriber.
type Ended = Option<Error>;

struct Follower {
    client: Client,
    trust: Trust,
    walk: Walk,
    /// The first round that the subscriber wants.
    from: u64,
    /// The round to come.
    next: u64,
    /// Tells the pushers where to begin when they connect again.
    wanted: watch::Sender<Option<u64>>,
    pushers: Pushers,
    sender: mpsc::Sender<Result<Event, Error>>,
    backoff: Backoff,
    /// The lateness told last, so that it is told once.
    told_late: u64,
    /// Faults told and not over yet, by server.
    troubles: BTreeMap<String, Fault>,
}

impl Follower {
    /// Finds where to begin: at `from` or at the newest round, or at the genesis if there is no round yet.
    async fn begin(
        client: Client,
        trust: Trust,
        from: Option<u64>,
        sender: mpsc::Sender<Result<Event, Error>>,
    ) -> Result<Follower, Ended> {
        let mut backoff = Backoff::default();
        // Joining a peer's gossip takes a while, so it begins before anything is fetched.
        let (wanted, next_wanted) = watch::channel(None);
        let pushers = Pushers::start(&client, next_wanted);
        let head = loop {
            match client.head().await {
                Ok(head) => break Some(head),
                Err(Error::NotYet { .. }) if trust.round() == 0 => break None,
                Err(Error::Unreachable(faults)) => {
                    for (server, fault) in faults {
                        tell(&sender, Event::Trouble { server, fault }).await?;
                    }
                }
                Err(Error::Refused(refusal)) if client.has_servers() => {
                    tell(&sender, Event::Banned(refusal)).await?;
                }
                Err(error) => return Err(Some(error)),
            }
            tokio::time::sleep(backoff.next()).await;
        };
        let trust = client.trust().await?;
        let newest = head.as_ref().map_or(1, Verified::round);
        let from = from.unwrap_or(newest);
        let (walk, first) = client.begin_walk(&trust, from.min(newest)).await?;
        let next = walk.last().map_or(from.min(newest), |(round, _)| round + 1);
        wanted.send_replace(Some(next));
        let follower = Follower {
            client,
            trust,
            walk,
            from,
            next,
            wanted,
            pushers,
            sender,
            backoff,
            told_late: 0,
            troubles: BTreeMap::new(),
        };
        if let Some(first) = first {
            follower.emit(first, Arrival::Fetch).await?;
        }
        Ok(follower)
    }

    async fn run(&mut self) -> Result<(), Ended> {
        // What is there already is fetched at once rather than pushed one by one.
        let mut poll = Instant::now();
        loop {
            let before = self.next;
            tokio::select! {
                biased;
                () = self.sender.closed() => return Err(None),
                () = tokio::time::sleep_until(poll) => {
                    self.fetch(u64::MAX).await?;
                    poll = Instant::now() + self.patience();
                }
                pushed = self.pushers.recv() => {
                    self.on_push(pushed).await?;
                    // Only progress puts the poll off: signs of life do not.
                    if self.next > before {
                        poll = Instant::now() + self.patience();
                    }
                }
            }
        }
    }

    async fn on_push(&mut self, (server, pushed): (usize, Pushed)) -> Result<(), Ended> {
        match pushed {
            Pushed::Alive => {
                self.troubles.remove(self.client.servers()[server].name());
                Ok(())
            }
            Pushed::Fault(fault) => self.trouble(self.client.servers()[server].name().to_owned(), fault).await,
            Pushed::Refused(refusal) => self.ban(server, *refusal).await,
            Pushed::Beacon(beacon) => self.on_beacon(server, *beacon).await,
        }
    }

    async fn on_beacon(&mut self, server: usize, beacon: Beacon) -> Result<(), Ended> {
        let round = beacon.header.round;
        self.troubles.remove(self.client.servers()[server].name());
        if round < self.next {
            return Ok(());
        }
        let now = self.client.now();
        let verdict = self.trust.check_header(&beacon.header);
        if let Err(refusal) = verdict.and_then(|()| self.trust.check_not_future(&beacon.header, now)) {
            return self.ban(server, refusal).await;
        }
        if round > self.next {
            self.fetch(round - 1).await?;
        }
        if round == self.next { self.take(server, beacon).await } else { Ok(()) }
    }

    /// Takes a pushed beacon of the round to come.
    async fn take(&mut self, server: usize, beacon: Beacon) -> Result<(), Ended> {
        // Any server may know the committee that is wanted; the hash that the last header named decides.
        let ready = self.client.any(|server| self.client.give_committee(server, &self.walk)).await;
        let mut walk = match ready {
            Ok(ready) => ready,
            Err(error) => return self.survive(error).await,
        };
        let name = self.client.servers()[server].name();
        match take_or_fork(&mut walk, beacon, name, Walk::take) {
            Ok(verified) => {
                let arrival = self.client.servers()[server].source.arrival();
                self.commit(server, walk, vec![verified], arrival).await
            }
            Err(Miss::Refused(refusal)) => self.ban(server, refusal).await,
            Err(Miss::Final(error)) => Err(Some(error)),
            Err(Miss::Fault(fault)) => {
                let server = name.to_owned();
                self.trouble(server, fault).await
            }
        }
    }

    /// Makes a walk that took these beacons the present one, and gives them out.
    async fn commit(
        &mut self,
        server: usize,
        walk: Walk,
        beacons: Vec<Verified>,
        arrival: Arrival,
    ) -> Result<(), Ended> {
        let Some(last) = beacons.last() else {
            return Ok(());
        };
        match self.client.follow_walk(&walk, &beacons, &self.client.servers()[server]).await {
            Ok(()) => {}
            Err(Miss::Refused(refusal)) => return self.ban(server, refusal).await,
            Err(Miss::Final(error)) => return Err(Some(error)),
            Err(Miss::Fault(fault)) => {
                return self.trouble(self.client.servers()[server].name().to_owned(), fault).await;
            }
        }
        self.walk = walk;
        self.next = last.round() + 1;
        self.wanted.send_replace(Some(self.next));
        self.backoff.reset();
        self.told_late = 0;
        for verified in beacons {
            self.emit(verified, arrival).await?;
        }
        Ok(())
    }

    /// Fetches from `next` up to `to` as far as servers have it, and tells when the chain is late.
    async fn fetch(&mut self, to: u64) -> Result<(), Ended> {
        while self.next <= to {
            let range = (self.next, to);
            let (client, trust, walk) = (&self.client, &self.trust, &self.walk);
            let result = client.any(|server| async move {
                let (walk, beacons) = client.walk_on(server, trust, walk, range, Walk::take).await?;
                Ok((client.position(server), walk, beacons))
            });
            match result.await {
                Ok((server, walk, beacons)) => self.commit(server, walk, beacons, Arrival::Fetch).await?,
                Err(error) => return self.survive(error).await,
            }
        }
        Ok(())
    }

    /// Goes on after an error that time or another server may mend; ends with any other.
    async fn survive(&mut self, error: Error) -> Result<(), Ended> {
        let Error::Unreachable(faults) = error else {
            return match error {
                Error::Refused(refusal) if self.client.has_servers() => {
                    tell(&self.sender, Event::Banned(refusal)).await
                }
                error => Err(Some(error)),
            };
        };
        for (server, fault) in faults {
            if !matches!(fault, Fault::NotYet | Fault::Missing(_) | Fault::Banned(_)) {
                self.trouble(server, fault).await?;
            }
        }
        self.tell_late().await
    }

    /// Tells of a fault, once until it changes or the server shows life.
    async fn trouble(&mut self, server: String, fault: Fault) -> Result<(), Ended> {
        if self.troubles.get(&server) == Some(&fault) {
            return Ok(());
        }
        self.troubles.insert(server.clone(), fault.clone());
        tell(&self.sender, Event::Trouble { server, fault }).await
    }

    /// Tells how many rounds are due beyond the newest, once for each number.
    async fn tell_late(&mut self) -> Result<(), Ended> {
        let have = self.next - 1;
        let now = self.client.now().saturating_sub(self.grace());
        let expected = self.trust.schedule().round_at(now).unwrap_or(0);
        if expected > have && expected != self.told_late {
            self.told_late = expected;
            tell(&self.sender, Event::Late { have, expected }).await?;
        }
        Ok(())
    }

    /// How long to wait for a push before asking: until the round is due and a grace more, then with back-off.
    fn patience(&mut self) -> Duration {
        let schedule = self.trust.schedule();
        let until_due = match schedule.period {
            0 => 0,
            _ => schedule.time_of(self.next).unwrap_or(u64::MAX).saturating_sub(self.client.now()),
        };
        if until_due > 0 {
            // An hour at most: clocks are set, and machines sleep.
            return Duration::from_millis(until_due.saturating_add(self.grace()).min(3_600_000));
        }
        self.backoff.next()
    }

    /// How long after its due time, in milliseconds, a round is not yet called late.
    fn grace(&self) -> u64 {
        (self.trust.schedule().period / 2).clamp(100, 2000)
    }

    async fn ban(&mut self, server: usize, refusal: Refusal) -> Result<(), Ended> {
        let server = &self.client.servers()[server];
        let refusal = refusal.by(server.name());
        server.set_ban(refusal.clone());
        if !self.client.has_servers() {
            return Err(Some(refusal.into()));
        }
        tell(&self.sender, Event::Banned(Box::new(refusal))).await
    }

    async fn emit(&self, verified: Verified, arrival: Arrival) -> Result<(), Ended> {
        if verified.round() < self.from {
            return Ok(());
        }
        tell(&self.sender, Event::Beacon(Box::new(verified), arrival)).await
    }
}

/// Gives the subscriber an event, waiting as long as it is busy; ends when it has gone away.
async fn tell(sender: &mpsc::Sender<Result<Event, Error>>, event: Event) -> Result<(), Ended> {
    sender.send(Ok(event)).await.map_err(|_| None)
}
