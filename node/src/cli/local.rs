//! Asking a running node over its local listener: one plain HTTP/1 request.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::failure::Failure;
use super::home::{Home, read_token};
use crate::config::{Config, Layers};
use crate::http::Token;

const PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_MAX: usize = 4 << 20;

/// Which node to ask.
#[derive(Args)]
pub(super) struct Local {
    /// The node's directory, whose configuration names the local listener
    #[arg(long, value_name = "DIR", env = "BEACON_HOME")]
    home: Option<PathBuf>,
    /// The local listener itself
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The file with the listener's token, where it asks for one [default: the configuration's]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Local {
    /// Whether a node is named at all; every request needs one.
    pub(super) fn is_named(&self) -> bool {
        self.home.is_some() || self.url.is_some()
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, Bytes::new())
    }

    /// Sends a JSON body. A refusal of the node's is an error with its words.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(path, body.to_string().into())
    }

    /// Sends any body.
    pub(super) fn send(&self, path: &str, body: Bytes) -> Result<Value, Failure> {
        self.ask(Method::POST, path, body)
    }

    fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Value, Failure> {
        let config = self.config()?;
        let authority = self.authority(config.as_ref())?;
        let token = self.token(config.as_ref().map(|(_, config)| config))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("cannot start: {error}"), "raise the limit on open files"))?;
        let asking = request(&authority, method, path, token.as_ref(), body);
        let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await });
        let unreachable = |reason: String| {
            let what = format!("no answer from http://{authority}{path}: {reason}");
            Failure::new(what, "see that the node runs (`beacon-node run`) and that local_http is this address")
        };
        let (status, bytes) = answer.map_err(|_| unreachable("nothing came in 5 s".into()))?.map_err(unreachable)?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| unreachable(format!("no JSON: {error}")))?;
        match (status, value.get("error").and_then(Value::as_str)) {
            (StatusCode::OK, _) => Ok(value),
            (StatusCode::BAD_REQUEST, Some(error)) => Err(Failure::new(
                error.to_owned(),
                "correct the command; its --help and `beacon-node status` tell more",
            )),
            (status, error) => {
                Err(unreachable(format!("the listener answered {status} {}", error.unwrap_or_default())))
            }
        }
    }

    /// The home and its configuration, unless the listener is named directly.
    fn config(&self) -> Result<Option<(Home, Config)>, Failure> {
        let (None, Some(home)) = (&self.url, &self.home) else { return Ok(None) };
        let home = Home::at(home.clone());
        let config = Layers::default().file(&home.config()).environment().load()?;
        Ok(Some((home, config)))
    }

    fn token(&self, config: Option<&Config>) -> Result<Option<Token>, Failure> {
        match (&self.token_file, config, &self.home) {
            (Some(file), _, _) => read_token(file).map(Some),
            (None, Some(config), Some(home)) => Home::at(home.clone()).token(config),
            _ => Ok(None),
        }
    }

    /// Host and port of the listener to ask.
    fn authority(&self, config: Option<&(Home, Config)>) -> Result<String, Failure> {
        if let Some(url) = &self.url {
            let uri: Option<Uri> = url.parse().ok();
            let plain = uri.filter(|uri| uri.scheme_str().is_none_or(|scheme| scheme == "http"));
            let authority = plain.and_then(|uri| uri.authority().cloned()).filter(|found| found.port_u16().is_some());
            let bad = || Failure::usage(format!("--url {url:?} is no local listener"), "write http://127.0.0.1:8081");
            return Ok(authority.ok_or_else(bad)?.to_string());
        }
        let (home, config) = config.ok_or_else(|| Failure::usage("neither --home nor --url", "give one of them"))?;
        let off = |path: &Path| {
            let what = format!("{} says local_http = \"off\"", path.display());
            Failure::new(what, "give local_http an address on the loopback and restart the node")
        };
        config.local_http.0.map(|address| address.to_string()).ok_or_else(|| off(&home.config()))
    }
}

/// One request over one connection.
async fn request(
    authority: &str,
    method: Method,
    path: &str,
    token: Option<&Token>,
    body: Bytes,
) -> Result<(StatusCode, Bytes), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect(authority).await.map_err(|error| text(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", authority);
    request = request.header("connection", "close").header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", token.header().as_slice());
    }
    let request = request.body(Full::new(body)).map_err(|error| text(&error))?;
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
        let of = |url: &str| Local { home: None, url: Some(url.into()), token_file: None }.authority(None);
        assert_eq!(of("http://127.0.0.1:8081").unwrap(), "127.0.0.1:8081");
        assert_eq!(of("http://[::1]:8081/x").unwrap(), "[::1]:8081");
        assert_eq!(of("127.0.0.1:8081").unwrap(), "127.0.0.1:8081");
        for bad in ["https://127.0.0.1:8081", "http://localhost", "", "a b"] {
            assert!(of(bad).unwrap_err().to_string().contains("http://127.0.0.1:8081"), "{bad}");
        }
    }
}
