//! The stream of beacons: every round from a chosen one on, once each and in order.
//!
//! A subscriber is a cursor. Whatever is at or below the tip comes from memory or from the store, and only then does
//! the subscriber wait for the tip to move; so there is no seam at which a round could be lost or doubled, and one
//! that reads slowly lags behind without holding up anybody. It is closed by the listener if it does not read at all.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::watch;

use super::answer::{Params, Refusal, number};
use super::api::{Live, PublicApi, Seat};
use super::recent::Announced;

/// How often a silent stream shows that it lives.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);
/// Rounds read at once while catching up.
const STRIDE: u64 = 64;

pub(super) async fn stream(
    State(api): State<PublicApi>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let seat = api.seat()?;
    let live = api.live();
    let next = match last_event(&headers)? {
        // A browser that reconnects repeats its first address, so what it has seen counts more.
        Some(last) => last.saturating_add(1),
        None => params.number("from")?.unwrap_or_else(|| live.borrow().tip.saturating_add(1)),
    };
    // A node that began at a checkpoint has nothing earlier to send.
    let next = next.max(api.first_round());
    let subscriber = Subscriber { api, live, next, ready: VecDeque::new(), _seat: seat };
    let body = Body::from_stream(stream::try_unfold(subscriber, Subscriber::advance));
    let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    // Proxies that gather an answer before passing it on would hold events back.
    Ok((kind, [("x-accel-buffering", "no")], body).into_response())
}

fn last_event(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    number("Last-Event-ID", value.to_str().unwrap_or("")).map(Some)
}

struct Subscriber {
    api: PublicApi,
    live: watch::Receiver<Live>,
    /// The round that is sent next.
    next: u64,
    ready: VecDeque<Arc<Announced>>,
    _seat: Seat,
}

/// Why a stream broke off. The reason is in the log; a subscriber just comes back.
#[derive(Debug, thiserror::Error)]
#[error("the stream broke off")]
struct Broken;

impl Subscriber {
    async fn advance(mut self) -> Result<Option<(Bytes, Self)>, Broken> {
        loop {
            if let Some(announced) = self.ready.pop_front() {
                self.next = announced.round().saturating_add(1);
                return Ok(Some((announced.event(), self)));
            }
            let Live { tip, open } = *self.live.borrow_and_update();
            if !open {
                return Ok(None);
            }
            if self.next <= tip {
                self.refill(tip).await?;
                continue;
            }
            match tokio::time::timeout(HEARTBEAT, self.live.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ok(None),
                Err(_) => return Ok(Some((Bytes::from_static(b":\n\n"), self))),
            }
        }
    }

    async fn refill(&mut self, tip: u64) -> Result<(), Broken> {
        let to = tip.min(self.next.saturating_add(STRIDE - 1));
        match self.api.rounds(self.next, to).await {
            Ok(rounds) if !rounds.is_empty() => {
                self.ready.extend(rounds);
                Ok(())
            }
            Ok(_) => {
                tracing::error!(round = self.next, "a certified round is neither in memory nor in the store");
                Err(Broken)
            }
            Err(refusal) => {
                tracing::error!(?refusal, "a stream broke off");
                Err(Broken)
            }
        }
    }
}
