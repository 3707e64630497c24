use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fixture::{ask, now, open, start};
use crate::http::{ListenError, bind};

#[tokio::test]
async fn a_port_in_use_is_named_with_the_remedy() {
    let first = bind(([127, 0, 0, 1], 0).into(), "http").await.expect("a free port");
    let address = first.local_addr().expect("bound");
    let error = bind(address, "local_http").await.expect_err("the port is taken");
    assert!(matches!(error, ListenError::PortInUse { .. }));
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("set local_http to another address"), "{text}");
}

#[tokio::test]
async fn pages_of_anywhere_may_read_the_public_listener() {
    let server = start(2, 1, 2, 0, now).await;
    let origin = [("origin", "https://example.org")];
    for path in ["/beacon/rounds/1", "/beacon/rounds/9", "/health"] {
        let answer = ask(server.public, path, &origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
    }
    assert_eq!(ask(server.local, "/health", &origin).await.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn only_get_is_served() {
    let server = start(2, 1, 2, 0, now).await;
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let response = open(server.public, method, "/beacon/rounds/1", &[]).await;
        assert_eq!(response.status(), 405);
    }
}

#[tokio::test]
async fn garbage_and_long_bodies_end_the_connection_not_the_server() {
    let server = start(2, 1, 2, 0, now).await;
    let long = format!("POST /beacon/info HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 1 << 30);
    for bytes in [b"\x16\x03\x01\x00garbage\r\n\r\n".to_vec(), long.into_bytes(), vec![b'A'; 1 << 20]] {
        let mut stream = TcpStream::connect(server.public).await.expect("connects");
        // The server may close while it is still being written to.
        let _ = stream.write_all(&bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(server.get("/beacon/info").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_moves_is_closed() {
    let server = start(2, 1, 2, 0, now).await;
    let mut stream = TcpStream::connect(server.public).await.expect("connects");
    stream.write_all(b"GET /beacon/info HT").await.expect("writes");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}
