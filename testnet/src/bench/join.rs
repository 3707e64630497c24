//! What joining a chain costs a client that knows nothing but the chain hash, against a server of the loopback that has
//! the answers in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use beacon_client::fabricate::{Fabricator, Plan};
use beacon_client::state::StateDir;
use beacon_client::{Client, Digest32};
use beacon_spec::chain::Beacon;
use beacon_spec::codec::encode;
use beacon_spec::reject::Reject;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::{JoinHandle, JoinSet};

use super::Figure;
use super::networks::scratch;
use crate::binaries::Binaries;
use crate::failure::Failure;
use crate::measure;
use crate::sim::meter::{calibrate, processor_time};

const MEMBERS: usize = 16;
const ROUNDS: u64 = 1_000_000;
/// Ten epochs end before the newest round.
const EPOCH: u64 = 95_000;
/// A million rounds are within the trusting period.
const PERIOD: u64 = 3000;

/// The answers to all that a client asks on its way to the newest round.
struct Answers {
    chain: Digest32,
    by_path: BTreeMap<String, Vec<u8>>,
}

impl Answers {
    /// Of a chain of `rounds` rounds, the newest of which is due now.
    fn fabricate(rounds: u64) -> Result<Answers, Reject> {
        let genesis_time = (measure::now_ms() as u64).saturating_sub((rounds - 1) * PERIOD);
        let mut fabricator = Fabricator::new(Plan::new(MEMBERS).epochs(1, EPOCH).times(genesis_time, PERIOD))?;
        let mut by_path = BTreeMap::new();
        let mut answer =
            |path: String, body: Vec<u8>| drop(by_path.insert(format!("/beacon/{path}format=binary"), body));
        answer("info?".into(), encode(fabricator.genesis()));
        for round in 1..=rounds {
            let header = fabricator.header()?;
            if round == rounds {
                let certificate = fabricator.certify(&header);
                answer("rounds/latest?".into(), encode(&Beacon { header, certificate }));
            } else if round % EPOCH == 0 {
                let certificate = fabricator.certify(&header);
                answer(format!("rounds/{round}?"), encode(&Beacon { header, certificate }));
                let list = fabricator.hand_over()?;
                answer(format!("committee?epoch={}&", list.epoch), encode(&list));
            }
        }
        Ok(Answers { chain: fabricator.chain(), by_path })
    }
}

/// A server of answers that are there; it counts the bytes that leave, heads of HTTP included.
struct Server {
    url: String,
    sent: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(by_path: BTreeMap<String, Vec<u8>>) -> std::io::Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (sent, by_path) = (Arc::new(AtomicUsize::new(0)), Arc::new(by_path));
        let counter = Arc::clone(&sent);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&by_path), Arc::clone(&counter)));
            }
        });
        Ok(Server { url, sent, task })
    }
}

/// Answers one request after the other until the client goes away.
async fn serve(
    stream: TcpStream,
    by_path: Arc<BTreeMap<String, Vec<u8>>>,
    sent: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let body = head.split(' ').nth(1).and_then(|path| by_path.get(path));
        let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
        let body = body.map_or(&[][..], Vec::as_slice);
        let answer = [format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
        sent.fetch_add(answer.len(), Ordering::Relaxed);
        stream.write_all(&answer).await?;
    }
}

fn bad(reason: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("the client cannot be measured: {reason}"), "report it")
}

/// From the genesis through ten changes of the committee to round 1,000,000: what the library fetches and takes of the
/// processor, HTTP and the file of the trusted head included, on a thread of its own. The median of some runs.
pub(super) async fn far() -> Result<Vec<Figure>, Failure> {
    const RUNS: usize = 20;
    let answers = Answers::fabricate(ROUNDS).map_err(|reason| bad(&reason))?;
    let server = Server::start(answers.by_path).await.map_err(|reason| bad(&reason))?;
    let (url, chain) = (server.url.clone(), answers.chain);
    let directory = scratch("join")?;
    let homes: Vec<PathBuf> = (0..RUNS).map(|run| directory.join(run.to_string())).collect();
    let joining = std::thread::spawn(move || -> Result<Duration, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|reason| bad(&reason))?;
        calibrate();
        let mut took = Vec::new();
        for home in homes {
            let before = processor_time();
            let client = Client::builder().chain(chain).server(&url).state(StateDir::new(home)).build();
            let newest = runtime.block_on(client.map_err(|reason| bad(&reason))?.latest());
            if newest.map_err(|reason| bad(&reason))?.round() != ROUNDS {
                return Err(bad(&"it joined elsewhere"));
            }
            took.push(processor_time().saturating_sub(before));
        }
        took.sort_unstable();
        Ok(took[RUNS / 2])
    });
    let joined = tokio::task::spawn_blocking(|| joining.join()).await.map_err(|reason| bad(&reason))?;
    let median = joined.map_err(|_| bad(&"it panicked"))??;
    std::fs::remove_dir_all(&directory).map_err(|error| Failure::file("remove", &directory, &error))?;
    let bytes = server.sent.load(Ordering::Relaxed) as f64 / RUNS as f64 / 1000.0;
    Ok(vec![
        Figure::at_most("joining at round 10^6, 16 members, 10 changes: fetched", bytes, 30.0, "kB"),
        Figure::at_most("joining at round 10^6, 16 members: processor", median.as_secs_f64() * 1000.0, 10.0, "ms"),
    ])
}

/// `beacon latest` as a process that was never there before, on a chain without changes of the committee: the best of
/// some, which other load disturbed least.
pub(super) async fn cold(binaries: &Binaries) -> Result<Vec<Figure>, Failure> {
    const RUNS: usize = 30;
    const ROUNDS: u64 = 100;
    let answers = Answers::fabricate(ROUNDS).map_err(|reason| bad(&reason))?;
    let chain = answers.chain.to_string();
    let server = Server::start(answers.by_path).await.map_err(|reason| bad(&reason))?;
    let directory = scratch("latest")?;
    let mut best = Duration::MAX;
    for run in 0..RUNS {
        let mut command = Command::new(&binaries.client);
        command
            .args(["latest", "--url", &server.url, "--chain", &chain, "--home"])
            .arg(directory.join(run.to_string()));
        let began = Instant::now();
        let output = command.stderr(Stdio::inherit()).output().await;
        let output = output.map_err(|error| Failure::file("start", &binaries.client, &error))?;
        best = best.min(began.elapsed());
        if !output.status.success() || !output.stdout.starts_with(format!("{ROUNDS} ").as_bytes()) {
            return Err(bad(&format!("`beacon latest` ended with {}", output.status)));
        }
    }
    std::fs::remove_dir_all(&directory).map_err(|error| Failure::file("remove", &directory, &error))?;
    let took = best.as_secs_f64() * 1000.0;
    Ok(vec![Figure::at_most("`beacon latest`, cold process, loopback, 16 members", took, 30.0, "ms")])
}
