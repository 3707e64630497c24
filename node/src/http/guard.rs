//! Who may use the local listener: whoever has the token, or, without one, programs of this machine and no web page.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use zeroize::Zeroizing;

use super::answer::Refusal;
use super::openapi::{DOCUMENT, SWAGGER};

/// Shortest token.
const TOKEN_MIN: usize = 32;
/// A token file is no longer than this.
const TOKEN_MAX: u64 = 4096;

/// What a request to the local listener must show.
#[derive(Clone, Default)]
pub struct Guard {
    token: Option<Token>,
    /// Web origins that may read.
    pub(super) origins: Vec<String>,
}

/// A secret that clients show.
#[derive(Clone)]
pub struct Token(Zeroizing<Vec<u8>>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([REDACTED])")
    }
}

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("others than its owner may read it; make it 0600")]
    Permissions,
    #[error("its first line has fewer than 32 characters, or others than letters, digits and -._~+/=")]
    Content,
}

impl Token {
    /// The first line of a file that only its owner may read.
    pub fn read(path: &Path) -> Result<Token, TokenError> {
        let file = File::open(path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            return Err(TokenError::Permissions);
        }
        let mut text = Zeroizing::new(Vec::new());
        file.take(TOKEN_MAX).read_to_end(&mut text)?;
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
        match line.len() >= TOKEN_MIN && line.iter().all(fits) {
            true => Ok(Token(Zeroizing::new(line.to_vec()))),
            false => Err(TokenError::Content),
        }
    }

    /// What goes into the header `Authorization`.
    pub fn header(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([b"Bearer ".as_slice(), &self.0].concat())
    }

    /// Compares in a time that does not depend on where the two differ.
    fn is(&self, shown: &[u8]) -> bool {
        let differences = self.0.iter().zip(shown).fold(0, |sum, (a, b)| sum | (a ^ b));
        self.0.len() == shown.len() && std::hint::black_box(differences) == 0
    }
}

impl Guard {
    pub fn new(token: Option<Token>, origins: Vec<String>) -> Self {
        Guard { token, origins }
    }

    fn judge(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST).unwrap_or_default();
        // A page of another origin may neither read nor change anything, not even by a request it cannot read.
        if let Some(origin) = text(header::ORIGIN) {
            let own = origin.strip_prefix("http://").is_some_and(|authority| authority == host);
            if !own && !self.origins.iter().any(|allowed| allowed == origin) {
                return Err(Refusal::Origin);
            }
        }
        match &self.token {
            Some(token) => {
                let shown = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
                let shown = shown.and_then(|value| value.strip_prefix(b"Bearer "));
                let open = [DOCUMENT, SWAGGER].contains(&uri.path());
                match open || shown.is_some_and(|shown| token.is(shown)) {
                    true => Ok(()),
                    false => Err(Refusal::Unauthorized),
                }
            }
            // A name that an attacker has pointed at the loopback is not the loopback's.
            None if is_loopback(host) => Ok(()),
            None => Err(Refusal::Host),
        }
    }
}

/// Whether the value of a `Host` header names this machine's loopback.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Lets through what the guard allows. Preflight requests are answered before, by the CORS layer.
pub(super) async fn guarded(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.judge(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("token");
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        (dir, path)
    }

    #[test]
    fn a_token_file_is_private_and_long_enough() {
        let good = "abcdefghijklmnopqrstuvwxyz-012345";
        let (_dir, path) = file(&format!("{good}\nmore\n"), 0o600);
        assert_eq!(&**Token::read(&path).expect("fits").header(), format!("Bearer {good}").as_bytes());
        for (text, mode) in
            [(good, 0o640), (&good[..31], 0o600), ("", 0o600), ("abcdefghijklmnopqrstuvwxyz 012345", 0o600)]
        {
            let (_dir, path) = file(text, mode);
            assert!(Token::read(&path).is_err(), "{text:?} {mode:o}");
        }
    }

    #[test]
    fn only_names_of_the_loopback_are_its_own() {
        for host in ["127.0.0.1:8081", "127.0.0.1", "localhost:1", "[::1]:8081", "127.9.9.9:1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example:8081", "[::2]:1", "10.0.0.1", "localhost.evil"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
