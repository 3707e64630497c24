//! A node's public HTTP interface as a source.
//!
//! Connections are kept open one at a time; every request has one time limit over connecting, sending and reading all
//! of the body; bodies are cut off at the size the answer can have; redirects, cookies, proxies and compression do not
//! exist.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::tls::Authorities;
use super::wire::{SseEvent, SseParser, read_beacon};
use super::{Fault, Push, PushError, Pushes, Request, Source};

const BINARY: &str = "application/octet-stream";
const EVENTS: &str = "text/event-stream";
const AGENT: &str = concat!("beacon/", env!("CARGO_PKG_VERSION"));
/// The longest error body that is read.
const ERROR_BYTES: usize = 4 << 10;
/// A subscription without a byte for so long is given up: servers send a heartbeat every 10 s.
pub const SILENCE: Duration = Duration::from_secs(25);

/// A server, by the base of its address.
pub struct HttpSource {
    /// As the user wrote it, without a slash at the end.
    name: String,
    host: String,
    port: u16,
    tls: bool,
    /// Mozilla's if none are given.
    authorities: Option<Authorities>,
    /// What stands between host and `/beacon`; empty, or begins with a slash.
    prefix: String,
    timeout: Duration,
    idle: Mutex<Option<Connection>>,
}

/// An open connection; its task ends with it.
struct Connection {
    sender: http1::SendRequest<Empty<Bytes>>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl HttpSource {
    /// Reads `http://host[:port][/prefix]` or `https://…`; the error says what is wrong with the text.
    pub fn new(url: &str, timeout: Duration) -> Result<HttpSource, String> {
        let bad = |why: &str| format!("{url} is no server address: {why}");
        let uri: Uri = url.parse().map_err(|_| bad("it does not read as a URL"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("it must begin with http:// or https://")),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(|| bad("a host is missing, or there is a password"))?;
        if uri.query().is_some() {
            return Err(bad("it must not have a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let name = url.trim_end_matches('/').to_owned();
        Ok(HttpSource { name, host, port, tls, authorities: None, prefix, timeout, idle: Mutex::new(None) })
    }

    /// Accepts the certificates of these authorities.
    #[must_use]
    pub fn trusting(mut self, authorities: Authorities) -> HttpSource {
        self.authorities = Some(authorities);
        self
    }

    fn path(&self, request: Request) -> String {
        format!("{}/beacon/{}", self.prefix, request.path())
    }

    async fn connect(&self) -> Result<Connection, Fault> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(connect_fault)?;
        tcp.set_nodelay(true).map_err(connect_fault)?;
        let stream: Box<dyn Stream> = if self.tls {
            let name = ServerName::try_from(self.host.clone()).map_err(connect_fault)?;
            let authorities = self.authorities.clone().unwrap_or_else(Authorities::built_in);
            Box::new(TlsConnector::from(authorities.config()).connect(name, tcp).await.map_err(connect_fault)?)
        } else {
            Box::new(tcp)
        };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(64 << 10);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(hyper_fault)?;
        let task = tokio::spawn(async move {
            // How a connection ends is seen by the request in progress; an idle one is found closed at its next use.
            let _ = connection.await;
        });
        Ok(Connection { sender, task: task.abort_handle() })
    }

    async fn send(&self, connection: &mut Connection, path: &str, accept: &str) -> Result<Response<Incoming>, Fault> {
        let request = hyper::Request::get(path)
            .header(HOST, self.authority())
            .header(ACCEPT, accept)
            .header(USER_AGENT, AGENT)
            .body(Empty::new())
            .map_err(|error| Fault::Protocol(error.to_string()))?;
        connection.sender.ready().await.map_err(hyper_fault)?;
        connection.sender.send_request(request).await.map_err(hyper_fault)
    }

    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (false, 80) | (true, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.take().filter(|connection| !connection.sender.is_closed())
    }

    async fn get(&self, request: Request, limit: usize) -> Result<Vec<u8>, Fault> {
        let path = self.path(request);
        let kept = self.take_idle();
        let (mut connection, response) = match kept {
            // A kept connection may have been closed at the other end meanwhile: that is worth one new one.
            Some(mut connection) => match self.send(&mut connection, &path, BINARY).await {
                Ok(response) => (connection, response),
                Err(_) => self.fresh(&path, BINARY).await?,
            },
            None => self.fresh(&path, BINARY).await?,
        };
        let keep = response.headers().get(CONNECTION).is_none_or(|value| value != "close");
        let response = check_status(response).await?;
        let body = read_body(response.into_body(), limit).await?;
        if keep && connection.sender.ready().await.is_ok() {
            *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
        Ok(body)
    }

    async fn fresh(&self, path: &str, accept: &str) -> Result<(Connection, Response<Incoming>), Fault> {
        let mut connection = self.connect().await?;
        let response = self.send(&mut connection, path, accept).await?;
        Ok((connection, response))
    }

    async fn open_stream(&self, from: u64) -> Result<Pushes, Fault> {
        let path = format!("{}/beacon/stream?from={from}", self.prefix);
        let (connection, response) = self.fresh(&path, EVENTS).await?;
        let response = check_status(response).await?;
        let events = Events { _connection: connection, body: response.into_body(), parser: SseParser::default() };
        let batches = stream::try_unfold(events, Events::advance);
        Ok(batches.map_ok(|pushes| stream::iter(pushes).map(Ok)).try_flatten().boxed())
    }
}

/// The events of an open subscription.
struct Events {
    /// Held so that the connection lives as long as the subscription.
    _connection: Connection,
    body: Incoming,
    parser: SseParser,
}

impl Events {
    /// What the next bytes bring; nothing at the end of the stream.
    async fn advance(mut self) -> Result<Option<(Vec<Push>, Self)>, PushError> {
        let frame = timeout(SILENCE, self.body.frame()).await.map_err(|_| Fault::Timeout)?;
        let Some(frame) = frame else {
            return Ok(None);
        };
        let Ok(bytes) = frame.map_err(hyper_fault)?.into_data() else {
            return Ok(Some((Vec::new(), self)));
        };
        let refused = |refusal| PushError::Refused(Box::new(refusal));
        let mut pushes = Vec::new();
        for event in self.parser.push(&bytes).map_err(refused)? {
            match event {
                SseEvent::Event { name, data } if name == b"beacon" => {
                    pushes.push(Push::Beacon(Box::new(read_beacon(&data).map_err(refused)?)));
                }
                SseEvent::Comment | SseEvent::Event { .. } => pushes.push(Push::Heartbeat),
            }
        }
        Ok(Some((pushes, self)))
    }
}

impl Source for HttpSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch(&self, request: Request, limit: usize) -> BoxFuture<'_, Result<Vec<u8>, Fault>> {
        async move { timeout(self.timeout, self.get(request, limit)).await.map_err(|_| Fault::Timeout)? }.boxed()
    }

    fn subscribe(&self, from: u64) -> BoxFuture<'_, Result<Pushes, Fault>> {
        async move { timeout(self.timeout, self.open_stream(from)).await.map_err(|_| Fault::Timeout)? }.boxed()
    }
}

/// Turns statuses other than 200 into faults. Bodies of redirects and of rounds to come say nothing more.
async fn check_status(response: Response<Incoming>) -> Result<Response<Incoming>, Fault> {
    let status = response.status().as_u16();
    let body = match status {
        200 => return Ok(response),
        300..400 | 425 => Vec::new(),
        _ => read_body(response.into_body(), ERROR_BYTES).await.unwrap_or_default(),
    };
    Err(Fault::of_status(status, &body))
}

async fn read_body(mut body: Incoming, limit: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(hyper_fault)?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limit {
            return Err(Fault::TooLong(limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn connect_fault(error: impl std::fmt::Display) -> Fault {
    Fault::Connect(error.to_string())
}

fn hyper_fault(error: hyper::Error) -> Fault {
    if error.is_timeout() {
        Fault::Timeout
    } else if error.is_parse() || error.is_user() {
        Fault::Protocol(error.to_string())
    } else {
        Fault::Closed
    }
}
