//! Acts on a running network: other processes ask its supervisor over a socket in the network's directory.
//!
//! One connection carries one request and one answer, each a line of JSON. Whoever may open the directory may ask.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::home::State;
use crate::node::terminate;

const SOCKET: &str = "control.sock";
/// What the kernel takes as the path of a socket.
const PATH_MAX: usize = 107;
const LINE_MAX: u64 = 4096;

/// What a supervisor can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// SIGKILL.
    Kill(usize),
    /// Start again, honest; stops it first if it runs.
    Restart(usize),
    /// Start again with its openings withheld.
    Withhold(usize),
    /// SIGTERM.
    Stop(usize),
    /// Stop every node and end.
    StopAll,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// What was done.
    Done(String),
    Failed(Failure),
}

/// A request and where its answer goes.
pub struct Asked {
    pub act: Act,
    answer: oneshot::Sender<Answer>,
    /// Resolves when the answer is written, or can no longer be.
    written: oneshot::Receiver<()>,
}

impl Asked {
    /// Answers, and waits until the answer is on its way: this process may be about to end.
    pub async fn answer(self, result: Result<String, Failure>) {
        let answer = result.map_or_else(Answer::Failed, Answer::Done);
        // Whoever asked may have gone; the act is done all the same.
        let _ = self.answer.send(answer);
        let _ = self.written.await;
    }
}

/// The listening end; it ends with this structure.
pub struct Listener {
    requests: mpsc::Receiver<Asked>,
    task: JoinHandle<()>,
}

impl Listener {
    pub fn open(home: &Path) -> Result<Listener, Failure> {
        let path = socket(home)?;
        let listener = UnixListener::bind(&path).map_err(|error| Failure::file("listen on", &path, &error))?;
        let (sender, requests) = mpsc::channel(8);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    // A connection that breaks off or asks nonsense is nobody's loss but its own.
                    let _ = serve(stream, sender).await;
                });
            }
        });
        Ok(Listener { requests, task })
    }

    /// The next request. Pends for ever when none can come any more.
    pub async fn next(&mut self) -> Asked {
        match self.requests.recv().await {
            Some(asked) => asked,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: UnixStream, sender: mpsc::Sender<Asked>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_MAX)).read_line(&mut line).await?;
    // Dropped when this function ends, which tells that the answer is written.
    let _writing;
    let answer = match serde_json::from_str(&line) {
        Ok(act) => {
            let (answer, answered) = oneshot::channel();
            let (writing, written) = oneshot::channel();
            _writing = writing;
            let sent = sender.send(Asked { act, answer, written }).await.is_ok();
            let gone = || Answer::Failed(Failure::new("the supervisor is ending", "start the network anew"));
            if sent { answered.await.unwrap_or_else(|_| gone()) } else { gone() }
        }
        Err(error) => Answer::Failed(Failure::new(format!("no request: {error}"), "ask with beacon-testnet")),
    };
    let mut line = serde_json::to_string(&answer)?;
    line.push('\n');
    write.write_all(line.as_bytes()).await
}

/// Asks the supervisor of the network in `home`.
pub async fn ask(home: &Path, act: Act) -> Result<String, Failure> {
    let path = socket(home)?;
    let Ok(stream) = UnixStream::connect(&path).await else {
        let what = format!("no supervisor answers in {}", home.display());
        return Err(Failure::new(what, "start a network with `beacon-testnet up`, or name its directory with --home"));
    };
    let exchange = async {
        let (read, mut write) = stream.into_split();
        let mut line = serde_json::to_string(&act)?;
        line.push('\n');
        write.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(read).read_line(&mut answer).await?;
        std::io::Result::Ok(serde_json::from_str::<Answer>(&answer)?)
    };
    match exchange.await.map_err(|error| Failure::file("talk over", &path, &error))? {
        Answer::Done(done) => Ok(done),
        Answer::Failed(failure) => Err(failure),
    }
}

/// Stops the network in `home`: by its supervisor, or, when that was killed, node by node.
pub async fn stop_all(home: &Path) -> Result<String, Failure> {
    let state = State::read(home)?;
    match ask(home, Act::StopAll).await {
        Ok(done) => Ok(done),
        Err(failure) => {
            let left: Vec<u32> = state.still_running().filter_map(|node| node.pid).collect();
            if left.is_empty() {
                return Err(failure);
            }
            left.iter().for_each(|pid| terminate(*pid));
            Ok(format!("no supervisor answers; the {} nodes it left were told to stop", left.len()))
        }
    }
}

fn socket(home: &Path) -> Result<PathBuf, Failure> {
    let path = home.join(SOCKET);
    let length = path.as_os_str().len();
    if length > PATH_MAX {
        let what = format!("{} is {length} bytes long, and a socket's path has at most {PATH_MAX}", path.display());
        return Err(Failure::new(what, "choose a shorter --home"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn acts_reach_the_supervisor_and_answers_come_back() {
        let home = tempfile::tempdir().unwrap();
        let mut listener = Listener::open(home.path()).unwrap();
        let supervisor = tokio::spawn(async move {
            let first = listener.next().await;
            assert_eq!(first.act, Act::Kill(2));
            first.answer(Ok("killed".into())).await;
            listener.next().await.answer(Err(Failure::new("there is no node 9", "nodes are 0 to 3"))).await;
        });
        assert_eq!(ask(home.path(), Act::Kill(2)).await.unwrap(), "killed");
        let said = ask(home.path(), Act::Stop(9)).await.unwrap_err().to_string();
        assert!(said.contains("there is no node 9"), "{said}");
        supervisor.await.unwrap();
        let said = ask(home.path(), Act::StopAll).await.unwrap_err().to_string();
        assert!(said.contains("no supervisor answers"), "{said}");
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused() {
        let said = socket(&PathBuf::from("/").join("x".repeat(120))).unwrap_err().to_string();
        assert!(said.contains("shorter --home"), "{said}");
    }
}
