//! One GET over one connection to a node on the loopback.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(5);
/// No answer that is asked for here is longer.
const ANSWER_MAX: u64 = 64 << 20;

/// An answer: its status and its body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| format!("status {}, and no JSON: {error}", self.status))
    }
}

/// Asks in HTTP/1.0, so that the body is what follows until the connection closes.
pub async fn get(address: SocketAddr, path: &str) -> Result<Answer, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut bytes).await?;
        std::io::Result::Ok(bytes)
    };
    let bytes = match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(format!("http://{address}{path}: {error}")),
        Err(_) => return Err(format!("http://{address}{path}: no answer in {} s", PATIENCE.as_secs())),
    };
    parse(&bytes).ok_or_else(|| format!("http://{address}{path}: no HTTP"))
}

/// `get`, read as JSON whatever the status.
pub async fn get_json(address: SocketAddr, path: &str) -> Result<Value, String> {
    get(address, path).await?.json()
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let line = std::str::from_utf8(bytes[..head].split(|byte| *byte == b'\r').next()?).ok()?;
    let status = line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: bytes[head + 4..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer = parse(b"HTTP/1.0 503 Service Unavailable\r\ncontent-type: x\r\n\r\n{\"a\":1}").unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json().unwrap()["a"], 1);
        assert!(parse(b"SMTP nonsense\r\n\r\n").is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_none());
    }
}
