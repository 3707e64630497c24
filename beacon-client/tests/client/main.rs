//! The client against servers of the test's own making, honest and otherwise, over the loopback.

mod bits;
mod command;
mod draw;
mod epochs;
mod files;
mod follow;
mod hostile;
mod server;
mod state;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use beacon_client::fabricate::{Chain, Plan};
use beacon_client::{Builder, Client};

/// Four members of equal weight, three seconds a round.
pub fn chain(rounds: u64) -> Arc<Chain> {
    Arc::new(Chain::build(Plan::new(4), rounds).expect("the plan is good"))
}

/// A client whose clock stands where the last round of the chain is due, without stored state.
pub fn builder(chain: &Chain) -> Builder {
    let now = chain.beacons.last().map_or(0, |last| last.header.due);
    Client::builder().chain(chain.chain).clock(Arc::new(move || now)).timeout(Duration::from_secs(5))
}

pub fn client(chain: &Chain, servers: &[&server::TestServer]) -> Client {
    builder(chain)
        .servers(servers.iter().map(|server| server.url.clone()))
        .build()
        .expect("the builder has all it needs")
}
