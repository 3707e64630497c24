//! What nodes say of themselves, asked again and again.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::http;

const INTERVAL: Duration = Duration::from_secs(1);

/// The parts of `/health` that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    pub peers: Option<u64>,
    /// Newest certified round.
    pub current: Option<u64>,
    /// Rounds that the schedule is ahead of it.
    pub behind: Option<u64>,
}

impl Health {
    fn read(answer: &Value) -> Health {
        let number = |field: &str| answer.get(field).and_then(Value::as_u64);
        Health { peers: number("peers"), current: number("current"), behind: number("behind") }
    }
}

/// Asks one node; `None` when it does not answer.
pub async fn of(address: SocketAddr) -> Option<Health> {
    http::get_json(address, "/health").await.ok().as_ref().map(Health::read)
}

/// Asks all nodes every second; ends when this is dropped.
pub struct Poll {
    latest: watch::Receiver<Vec<Option<Health>>>,
    task: JoinHandle<()>,
}

impl Poll {
    pub fn start(addresses: Vec<SocketAddr>) -> Poll {
        let (sender, latest) = watch::channel(vec![None; addresses.len()]);
        let task = tokio::spawn(async move {
            loop {
                let answers = join_all(addresses.iter().map(|address| of(*address))).await;
                if sender.send(answers).is_err() {
                    return;
                }
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Poll { latest, task }
    }

    pub fn latest(&self) -> Vec<Option<Health>> {
        self.latest.borrow().clone()
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.task.abort();
    }
}
