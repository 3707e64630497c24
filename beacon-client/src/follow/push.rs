//! The servers that push: one task each, connecting again after every failure.

use beacon_spec::chain::Beacon;
use futures::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::backoff::Backoff;
use crate::client::Client;
use crate::refusal::Refusal;
use crate::source::{Arrival, Fault, Push, PushError};

/// Servers that push at the same time; the others are asked only for what is missing.
const RACERS: usize = 3;

/// What a server pushed.
pub enum Pushed {
    Beacon(Box<Beacon>),
    Alive,
    Fault(Fault),
    Refused(Box<Refusal>),
}

/// The tasks, which end with this value.
pub struct Pushers {
    pushed: mpsc::Receiver<(usize, Pushed)>,
    _tasks: JoinSet<()>,
}

impl Pushers {
    /// Starts to push from the first servers; `wanted` is the round to begin with at each connection. Until there is one,
    /// only peers that gossip are connected to, since they push what comes and nothing else.
    pub fn start(client: &Client, wanted: watch::Receiver<Option<u64>>) -> Pushers {
        let (sender, pushed) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        for server in 0..client.servers().len().min(RACERS) {
            let (client, mut wanted, sender) = (client.clone(), wanted.clone(), sender.clone());
            tasks.spawn(async move {
                let gossips = client.servers()[server].source.arrival() == Arrival::Gossip;
                // An error means that the subscription has ended.
                if gossips || wanted.wait_for(Option::is_some).await.is_ok() {
                    keep_pushing(&client, server, &wanted, &sender).await;
                }
            });
        }
        Pushers { pushed, _tasks: tasks }
    }

    /// The next thing pushed, with the server's place in the list; never, if no server pushes any more.
    pub async fn recv(&mut self) -> (usize, Pushed) {
        match self.pushed.recv().await {
            Some(pushed) => pushed,
            None => std::future::pending().await,
        }
    }
}

/// Subscribes to a server again and again, until it is banned or nobody listens.
async fn keep_pushing(
    client: &Client,
    server: usize,
    wanted: &watch::Receiver<Option<u64>>,
    sender: &mpsc::Sender<(usize, Pushed)>,
) {
    let mut backoff = Backoff::default();
    while client.servers()[server].ban().is_none() {
        let from = wanted.borrow().unwrap_or(1);
        let fault = match client.servers()[server].source.subscribe(from).await {
            Ok(mut pushes) => loop {
                let pushed = match pushes.next().await {
                    Some(Ok(Push::Beacon(beacon))) => {
                        backoff.reset();
                        Pushed::Beacon(beacon)
                    }
                    Some(Ok(Push::Heartbeat)) => Pushed::Alive,
                    Some(Err(PushError::Fault(fault))) => break fault,
                    Some(Err(PushError::Refused(refusal))) => {
                        // The listener bans the server, and so ends this task.
                        let _ = sender.send((server, Pushed::Refused(refusal))).await;
                        return;
                    }
                    None => break Fault::Closed,
                };
                if sender.send((server, pushed)).await.is_err() || client.servers()[server].ban().is_some() {
                    return;
                }
            },
            Err(fault) => fault,
        };
        if sender.send((server, Pushed::Fault(fault))).await.is_err() {
            return;
        }
        tokio::time::sleep(backoff.next()).await;
    }
}
