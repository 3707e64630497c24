//! Sockets: binding with a useful complaint, a bound on connections, and the end of those that do nothing.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

use super::PublicApi;

/// Connections of one listener at one time; more wait in the queue of the operating system.
const CONNECTIONS: usize = 1024;
/// A connection on which nothing moves for this long is closed. A stream has its heartbeats.
const IDLE: Duration = Duration::from_secs(60);
/// How long answers in progress may take once the node stops.
const FAREWELL: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "cannot listen on {address} for {what}: the port is in use. Stop the program that holds it \
         (`ss -lntp` names it), or set {what} to another address"
    )]
    PortInUse { address: SocketAddr, what: &'static str },
    #[error("cannot listen on {address} for {what}: {reason}")]
    Refused { address: SocketAddr, what: &'static str, reason: io::Error },
}

/// Binds `address`; `what` is the configuration key that named it.
pub async fn bind(address: SocketAddr, what: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|reason| match reason.kind() {
        io::ErrorKind::AddrInUse => ListenError::PortInUse { address, what },
        _ => ListenError::Refused { address, what, reason },
    })
}

/// Serves `router` until `stop` comes true, then ends the streams of `api` and gives other answers a moment.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    api: PublicApi,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let bounded = Bounded { listener, seats: Arc::new(Semaphore::new(CONNECTIONS)) };
    let server = axum::serve(bounded, router).with_graceful_shutdown(async move {
        stop.await;
        api.close();
        // The receiver is gone only if the server has ended by itself.
        let _ = stopping.send(());
    });
    let overdue = async {
        match stopped.await {
            Ok(()) => tokio::time::sleep(FAREWELL).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = server.into_future() => ended,
        () = overdue => Ok(()),
    }
}

/// A listener with a bounded number of connections.
struct Bounded {
    listener: TcpListener,
    seats: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let Ok(seat) = Arc::clone(&self.seats).acquire_owned().await else {
            // The semaphore lives as long as the listener and is never closed.
            return std::future::pending().await;
        };
        let (stream, address) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        let idle = Box::pin(sleep_until(Instant::now() + IDLE));
        (Connection { stream, moved: Instant::now(), idle, _seat: seat }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when nothing has moved on it for [`IDLE`].
struct Connection {
    stream: TcpStream,
    moved: Instant,
    /// Set anew only when it goes off, so that moving bytes costs no timer.
    idle: Pin<Box<Sleep>>,
    _seat: OwnedSemaphorePermit,
}

impl Connection {
    /// Notes progress, or fails once there has been none for too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.moved = Instant::now();
            return done;
        }
        loop {
            ready!(self.idle.as_mut().poll(cx));
            let end = self.moved + IDLE;
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.idle.as_mut().reset(end);
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_read(cx, buffer);
        this.watch(cx, done)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.watch(cx, done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.watch(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
