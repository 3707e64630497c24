//! Asking the running node on its local listener.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::failure::Failure;
use super::home::Home;
use crate::config::Layers;

const PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_MAX: usize = 4 << 20;

/// Where the node's local listener is.
#[derive(Args)]
pub(super) struct Local {
    /// The node's directory, whose configuration names the local listener
    #[arg(long, value_name = "DIR", env = "BEACON_HOME", required_unless_present = "url")]
    home: Option<PathBuf>,
    /// The local listener itself
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Local {
    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, Vec::new())
    }

    /// Sends a JSON body. A refusal of the node's is an error with its words.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, body.to_string().into_bytes())
    }

    fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Value, Failure> {
        let authority = self.authority()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("cannot start: {error}"), "raise the limit on open files"))?;
        let answer =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange(&authority, method, path, body)).await });
        let unreachable = |reason: String| {
            let what = format!("no answer from http://{authority}{path}: {reason}");
            Failure::new(what, "see that the node runs (`beacon-node run`) and that local_http is this address")
        };
        let (status, bytes) = answer.map_err(|_| unreachable("nothing in 5 s".into()))?.map_err(unreachable)?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| unreachable(format!("no JSON: {error}")))?;
        match (status, value.get("error").and_then(Value::as_str)) {
            (StatusCode::OK, _) => Ok(value),
            (StatusCode::BAD_REQUEST, Some(error)) => {
                Err(Failure::new(error.to_owned(), "see `beacon-node committee status`, then correct the command"))
            }
            (status, _) => Err(unreachable(format!("the listener answered {status}"))),
        }
    }

    /// Host and port of the listener.
    fn authority(&self) -> Result<String, Failure> {
        if let Some(url) = &self.url {
            let uri: Option<Uri> = url.parse().ok();
            let plain = uri.filter(|uri| uri.scheme_str().is_none_or(|scheme| scheme == "http"));
            let authority = plain.and_then(|uri| uri.authority().cloned()).filter(|found| found.port_u16().is_some());
            let bad = || Failure::usage(format!("--url {url:?} is no local listener"), "write http://127.0.0.1:8081");
            return Ok(authority.ok_or_else(bad)?.to_string());
        }
        let home = self.home.clone().ok_or_else(|| Failure::usage("neither --home nor --url", "give one of them"))?;
        let path = Home::at(home).config();
        let config = Layers::default().file(&path).environment().load()?;
        config.local_http.0.map(|address| address.to_string()).ok_or_else(|| {
            let what = format!("{} says local_http = \"off\"", path.display());
            Failure::new(what, "give local_http an address on the loopback and restart the node")
        })
    }
}

/// One request over one connection.
async fn exchange(authority: &str, method: Method, path: &str, body: Vec<u8>) -> Result<(StatusCode, Bytes), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect(authority).await.map_err(|error| text(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", authority)
        .header("connection", "close")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| text(&error))?;
    let response = sender.send_request(request).await.map_err(|error| text(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|error| text(&error))?;
    driver.abort();
    Ok((status, body.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_must_name_a_plain_listener() {
        let of = |url: &str| Local { home: None, url: Some(url.into()) }.authority();
        assert_eq!(of("http://127.0.0.1:8081").unwrap(), "127.0.0.1:8081");
        assert_eq!(of("http://[::1]:8081/x").unwrap(), "[::1]:8081");
        assert_eq!(of("127.0.0.1:8081").unwrap(), "127.0.0.1:8081");
        for bad in ["https://127.0.0.1:8081", "http://localhost", "", "a b"] {
            assert!(of(bad).unwrap_err().to_string().contains("http://127.0.0.1:8081"), "{bad}");
        }
    }
}
