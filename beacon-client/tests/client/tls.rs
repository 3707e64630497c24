//! Servers behind TLS: a certificate of an accepted authority for this host, and nothing else.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use beacon_client::source::tls::Authorities;
use beacon_client::{Client, Error};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto::ring};

use super::server::TestServer;
use super::state::Home;
use super::{builder, chain};

/// An authority of the test's own.
struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority { certificate: parameters.self_signed(&key).expect("a certificate"), key }
    }

    fn accepted(&self) -> Authorities {
        Authorities::with_pem(self.certificate.pem().as_bytes()).expect("a certificate in PEM")
    }

    /// What a server at `host` shows.
    fn server(&self, host: &str) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        let certificate = parameters.signed_by(&key, &self.certificate, &self.key).expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .expect("a key of this certificate");
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Stands before a server and takes TLS off. Ends with the set of tasks.
async fn behind(acceptor: TlsAcceptor, server: &TestServer, tasks: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("a bound listener"));
    let plain = server.url.trim_start_matches("http://").to_owned();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, plain) = (acceptor.clone(), plain.clone());
            connections.spawn(async move {
                // A client that does not accept the certificate ends the connection; so does one that has its answer.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let Ok(mut server) = TcpStream::connect(plain).await else { return };
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    url
}

fn fault(result: Result<beacon_client::Verified, Error>) -> String {
    match result {
        Err(error @ Error::Unreachable(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_an_accepted_certificate_for_this_host_will_do() {
    let (chain, mut tasks) = (chain(5), JoinSet::new());
    let server = TestServer::honest(&chain).await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let good = behind(authority.server("127.0.0.1"), &server, &mut tasks).await;
    let elsewhere = behind(authority.server("127.0.0.2"), &server, &mut tasks).await;
    let client = |url: &str, accepted: Option<Authorities>| -> Client {
        let builder = builder(&chain).server(url);
        accepted.into_iter().fold(builder, |builder, one| builder.authorities(one)).build().expect("a client")
    };
    let trusting = client(&good, Some(authority.accepted()));
    assert_eq!(trusting.latest().await.expect("an accepted certificate").round(), 5);
    assert_eq!(trusting.wait_for(5).await.expect("a stream over TLS").round(), 5);
    assert!(fault(client(&good, None).latest().await).contains("no connection"));
    assert!(fault(client(&good, Some(stranger.accepted())).latest().await).contains("no connection"));
    assert!(fault(client(&elsewhere, Some(authority.accepted())).latest().await).contains("no connection"));
    assert_eq!(server.hits("info"), 1, "whoever is not accepted is asked for nothing");
}

#[tokio::test]
async fn servers_that_do_not_speak_tls() {
    let chain = chain(5);
    let plain = TestServer::honest(&chain).await;
    let client = |url: String| builder(&chain).server(url).timeout(Duration::from_millis(400)).build();
    let url = plain.url.replace("http:", "https:");
    let fails = fault(client(url).expect("a client").latest().await);
    assert!(fails.contains("no connection") || fails.contains("in time"), "{fails}");
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://{}", silent.local_addr().expect("a bound listener"));
    assert!(fault(client(url).expect("a client").latest().await).contains("in time"));
}

#[tokio::test]
async fn an_authority_is_given_by_its_file() {
    let (chain, mut tasks, home) = (chain(5), JoinSet::new(), Home::new("tls"));
    let server = TestServer::honest(&chain).await;
    let authority = Authority::new();
    let url = behind(authority.server("127.0.0.1"), &server, &mut tasks).await;
    let file = home.path().join("ca.pem");
    let hash = chain.chain.to_string();
    let run = async || -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beacon"));
        command.args(["latest", "--url", &url, "--chain", &hash, "--trusting-period", "36500"]);
        command.env("BEACON_HOME", home.path()).env("BEACON_CA", &file);
        command.output().await.expect("the binary runs")
    };
    assert_eq!(run().await.status.code(), Some(2), "there is no file");
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, text).expect("a writable file");
        let output = run().await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains("ca.pem"), "{error}");
    }
    std::fs::write(&file, authority.certificate.pem()).expect("a writable file");
    let output = run().await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.starts_with(b"5 "));
}
