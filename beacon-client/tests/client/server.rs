//! A server for tests: HTTP/1.1 by hand over a fabricated chain, so that it can misbehave byte by byte.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use beacon_client::fabricate::Chain;
use beacon_client::source::wire::BeaconJson;
use beacon_spec::codec::encode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a server does with an honest answer.
pub enum Reply {
    /// Status 200 with this body.
    Ok(Vec<u8>),
    /// Another status, with extra header lines.
    Status(u16, &'static str, Vec<u8>),
    /// These bytes and then the end of the connection, whatever they are.
    Raw(Vec<u8>),
    /// Nothing at all, the connection staying open.
    Silence,
    /// The answer one byte at a time, slower than anybody waits.
    Drip(Vec<u8>),
    /// A body that never ends.
    Endless,
}

/// Twists the answer to a path. `None` stands for an honest 404 or 425.
pub type Twist = Arc<dyn Fn(&str, Option<Vec<u8>>) -> Reply + Send + Sync>;

pub struct TestServer {
    pub url: String,
    /// The newest round served; raising it pushes to subscribers.
    pub tip: watch::Sender<u64>,
    /// Paths asked for, in order.
    pub asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An honest answer as it is.
pub fn honest(_: &str, body: Option<Vec<u8>>) -> Reply {
    match body {
        Some(body) => Reply::Ok(body),
        None => Reply::Status(425, "Retry-After: 1\r\n", br#"{"error":"not yet","code":"not-yet"}"#.to_vec()),
    }
}

impl TestServer {
    pub async fn honest(chain: &Arc<Chain>) -> TestServer {
        TestServer::start(chain, Arc::new(honest)).await
    }

    /// A server that twists the answers to paths that contain `part`, and is honest otherwise.
    pub async fn twisted(
        chain: &Arc<Chain>,
        part: &'static str,
        twist: impl Fn(Option<Vec<u8>>) -> Reply + Send + Sync + 'static,
    ) -> TestServer {
        let twist = move |path: &str, body| if path.contains(part) { twist(body) } else { honest(path, body) };
        TestServer::start(chain, Arc::new(twist)).await
    }

    pub async fn start(chain: &Arc<Chain>, twist: Twist) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound listener"));
        let tip = watch::Sender::new(chain.beacons.len() as u64);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (served, tips, log) = (Arc::clone(chain), tip.clone(), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let connection = Connection {
                    stream,
                    chain: Arc::clone(&served),
                    tip: tips.subscribe(),
                    twist: Arc::clone(&twist),
                    asked: Arc::clone(&log),
                };
                connections.spawn(connection.serve());
            }
        });
        TestServer { url, tip, asked, task }
    }

    /// How many paths were asked for that contain `part`.
    pub fn hits(&self, part: &str) -> usize {
        self.asked
            .lock()
            .expect("no test panics while it holds the log")
            .iter()
            .filter(|path| path.contains(part))
            .count()
    }
}

struct Connection {
    stream: TcpStream,
    chain: Arc<Chain>,
    tip: watch::Receiver<u64>,
    twist: Twist,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Connection {
    /// Answers requests until the client or the twist ends the connection.
    async fn serve(mut self) {
        while let Some(path) = self.request().await {
            self.asked.lock().expect("no test panics while it holds the log").push(path.clone());
            let goes_on = if path.starts_with("/beacon/stream") {
                self.push(&path).await.is_ok()
            } else {
                let body = answer(&self.chain, *self.tip.borrow(), &path);
                let reply = (self.twist)(&path, body);
                self.reply(reply).await.unwrap_or(false)
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn request(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        Some(head.split(' ').nth(1)?.to_owned())
    }

    async fn reply(&mut self, reply: Reply) -> std::io::Result<bool> {
        match reply {
            Reply::Ok(body) => self.whole(200, "", &body).await.map(|()| true),
            Reply::Status(status, extra, body) => self.whole(status, extra, &body).await.map(|()| true),
            Reply::Raw(bytes) => self.stream.write_all(&bytes).await.map(|()| false),
            Reply::Silence => std::future::pending().await,
            Reply::Drip(body) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                self.stream.write_all(head.as_bytes()).await?;
                let mut drops = tokio::time::interval(Duration::from_millis(200));
                for byte in body {
                    drops.tick().await;
                    self.stream.write_u8(byte).await?;
                }
                Ok(true)
            }
            Reply::Endless => {
                self.stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
                loop {
                    self.stream.write_all(b"1000\r\n").await?;
                    self.stream.write_all(&[0; 4096]).await?;
                    self.stream.write_all(b"\r\n").await?;
                }
            }
        }
    }

    async fn whole(&mut self, status: u16, extra: &str, body: &[u8]) -> std::io::Result<()> {
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{extra}\r\n", body.len());
        self.stream.write_all(&[head.as_bytes(), body].concat()).await
    }

    /// Pushes beacons from `from` to the tip, and on as the tip rises. The twist sees each event's text; any reply but
    /// [`Reply::Ok`] ends the stream with its bytes.
    async fn push(&mut self, path: &str) -> std::io::Result<()> {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        let mut next = parameter(path, "from").unwrap_or(1);
        let mut started = false;
        loop {
            let tip = *self.tip.borrow_and_update();
            while next <= tip {
                let text = event(&self.chain, next);
                match (self.twist)(path, Some(text)) {
                    Reply::Ok(bytes) => {
                        if !std::mem::replace(&mut started, true) {
                            self.stream.write_all(head.as_bytes()).await?;
                        }
                        self.stream.write_all(&bytes).await?;
                    }
                    other => {
                        self.reply(other).await?;
                        return Err(std::io::ErrorKind::ConnectionAborted.into());
                    }
                }
                next += 1;
            }
            if !std::mem::replace(&mut started, true) {
                self.stream.write_all(head.as_bytes()).await?;
            }
            self.stream.write_all(b": alive\n\n").await?;
            if self.tip.changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The text of one pushed event.
pub fn event(chain: &Chain, round: u64) -> Vec<u8> {
    let beacon = chain.beacon(round).expect("the tip is in the chain");
    let json = serde_json::to_string(&BeaconJson::new(beacon)).expect("beacons have a JSON form");
    format!("event: beacon\nid: {round}\ndata: {json}\n\n").into_bytes()
}

fn parameter(path: &str, name: &str) -> Option<u64> {
    let query = path.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// What an honest server answers; nothing for rounds beyond the tip.
pub fn answer(chain: &Chain, tip: u64, path: &str) -> Option<Vec<u8>> {
    let known = |round: u64| chain.beacon(round).filter(|_| round <= tip);
    let place = path.split('?').next()?.strip_prefix("/beacon/")?;
    match place.split('/').collect::<Vec<_>>().as_slice() {
        ["info"] => Some(encode(&chain.genesis)),
        ["committee"] => chain.committee(parameter(path, "epoch")?).map(encode),
        ["rounds"] => {
            let from = parameter(path, "from")?;
            let to = parameter(path, "to")?.min(tip).min(from + 999);
            let beacons: Vec<_> = (from..=to).filter_map(known).collect();
            Some(encode(&beacons))
        }
        ["rounds", "latest"] => known(tip).map(encode),
        ["rounds", round] => known(round.parse().ok()?).map(encode),
        ["rounds", round, "proof"] => {
            let head = parameter(path, "head").filter(|head| *head <= tip)?;
            chain.proof(round.parse().ok()?, head).map(|proof| encode(&proof))
        }
        _ => None,
    }
}
