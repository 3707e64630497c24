//! Private randomness on the local listener.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use serde_json::{Value, json};

use super::fixture::{Answer, Server, ask, listener, now, send, start};
use crate::http::{Guard, LocalApi, Token, local_router};
use crate::services::tests::services;
use crate::store::Which;

async fn server() -> Server {
    start(2, 1, 2, 0, now).await
}

async fn request(server: &Server, method: Method, path: &str, body: &str) -> Answer {
    let (parts, body) = send(server.local, method, path, &[], Bytes::from(body.to_owned())).await.into_parts();
    let body = body.collect().await.expect("the whole body").to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

impl Server {
    async fn private(&self, path: &str) -> Answer {
        ask(self.local, path, &[]).await
    }

    async fn data(&self, body: &Value) -> Answer {
        request(self, Method::POST, "/api/v1/data", &body.to_string()).await
    }
}

#[tokio::test]
async fn length_counts_values_and_size_the_bytes_of_each() {
    let server = server().await;
    for path in ["/API/jsonI.php", "/api/v1/random"] {
        let answer = server.private(&format!("{path}?length=10&type=hex16&size=2")).await;
        let view = answer.json();
        assert_eq!((&view["length"], &view["size"], &view["success"]), (&json!(10), &json!(2), &json!(true)));
        let values = view["data"].as_array().expect("a list");
        assert!(values.len() == 10 && values.iter().all(|value| value.as_str().is_some_and(|text| text.len() == 4)));
        assert_eq!(answer.header("cache-control"), "no-store");
        for (kind, most) in [("uint8", u64::from(u8::MAX)), ("uint16", u64::from(u16::MAX)), ("uint64", u64::MAX)] {
            let view = server.private(&format!("{path}?length=1024&type={kind}")).await.json();
            let values: Vec<u64> = serde_json::from_value(view["data"].clone()).expect("numbers");
            assert_eq!((values.len(), &view["value_count"], &view["type"]), (1024, &json!(1024), &json!(kind)));
            let top = values.iter().copied().max().unwrap_or(0);
            assert!(top <= most && top > most / 2, "{kind}");
        }
        let signed = server.private(&format!("{path}?length=1000&type=int32")).await.json();
        let values: Vec<i32> = serde_json::from_value(signed["data"].clone()).expect("signed numbers");
        assert!(values.iter().any(|value| *value < 0) && values.iter().any(|value| *value > 0));
    }
}

#[tokio::test]
async fn wrong_questions_are_refused_in_the_same_shape() {
    let server = server().await;
    for (query, status, code) in [
        ("", 400, "bad-number"),
        ("length=0", 400, "bad-number"),
        ("length=1025", 400, "bad-number"),
        ("length=x", 400, "bad-number"),
        ("length=1&type=uint7", 400, "bad-type"),
        ("length=1&type=uint8&size=2", 400, "bad-size"),
        ("length=1&type=hex16&size=1025", 400, "bad-number"),
        ("length=1&lenght=1", 400, "bad-query"),
        ("length=1&raw=yes", 400, "bad-raw"),
        ("length=1&raw=true", 400, "bad-query"),
        ("length=1&source=slep", 400, "no-such-source"),
        ("length=1&source=file:/etc/passwd", 400, "no-such-source"),
        ("length=1&source=dns", 400, "source-not-here"),
        ("length=1&source=os&conditioning=md5", 400, "bad-conditioning"),
    ] {
        let answer = server.private(&format!("/api/v1/random?{query}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{query}");
        assert_eq!(answer.json()["success"], false);
    }
    let near = server.private("/api/v1/random?length=1&source=slep").await.json();
    assert!(near["error"].as_str().is_some_and(|error| error.contains("\"sleep\"")));
}

#[tokio::test]
async fn a_single_source_is_conditioned_unless_raw_is_allowed() {
    let server = server().await;
    let view = server.private("/api/v1/random?length=40&source=os").await.json();
    assert_eq!((&view["conditioned"], &view["source"], &view["value_count"]), (&json!(true), &json!("os"), &json!(40)));
    let view = server.private("/api/v1/random?length=4&source=os&raw=true").await.json();
    assert_eq!((&view["conditioned"], &view["success"]), (&json!(false), &json!(true)));
}

#[tokio::test]
async fn unconditioned_samples_are_forbidden_unless_the_operator_allows_them() {
    let server = server().await;
    let (_home, mut private) = services();
    private.raw = false;
    let router = local_router(LocalApi::new(server.api.clone(), Arc::new(private)), Guard::default());
    let (address, _task, _stop) = listener(&server.api, router).await;
    for (query, status) in
        [("raw=true", 403), ("conditioning=raw", 403), ("conditioning=von-neumann", 403), ("raw=false", 200)]
    {
        let answer = ask(address, &format!("/api/v1/random?length=1&source=os&{query}"), &[]).await;
        assert_eq!(answer.status, status, "{query}");
    }
}

#[tokio::test]
async fn a_queue_gives_all_or_nothing_and_nothing_twice() {
    let server = server().await;
    let body = |format: &str, limit: u64| json!({ "format": format, "limit": limit, "source": "fortuna" });
    assert_eq!(server.data(&body("uint8", 1)).await.status, 404);
    let blocks: Vec<[u8; 32]> = (0..10).map(|i| [i; 32]).collect();
    server.services.queues.push(Which::Fortuna, &blocks).expect("written");
    let first = server.data(&body("uint8", 40)).await.json();
    let expected: Vec<u8> = [[0u8; 32], [1; 32]].concat()[..40].to_vec();
    assert_eq!(first, json!(expected), "a bare array");
    let binary = server.data(&body("binary", 64)).await;
    assert_eq!(
        (binary.header("content-type"), &binary.body[..]),
        ("application/octet-stream", &[[2u8; 32], [3; 32]].concat()[..])
    );
    assert!(binary.header("content-disposition").contains("random.bin"));
    let short = server.data(&body("uint64", 25)).await;
    assert_eq!((short.status, short.code().as_str()), (404, "too-few"));
    let mut offset = body("uint16", 2);
    offset["offset"] = json!(17);
    offset["chunk_size"] = json!(1);
    assert_eq!(server.data(&offset).await.json(), json!([0x0505, 0x0505]), "one block passed over, and one value");
    assert_eq!(server.private("/api/v1/status").await.json()["fortuna"]["queue_current"], 4);
    let metrics = server.private("/metrics").await;
    let line = "beacon_queue_blocks{queue=\"fortuna\",count=\"consumed\"} 6";
    assert!(String::from_utf8_lossy(&metrics.body).lines().any(|found| found == line));
}

#[tokio::test]
async fn data_requests_keep_their_bounds() {
    let server = server().await;
    let good = json!({ "format": "int8", "limit": 1, "offset": 0, "chunk_size": 1, "source": "trng" });
    for (name, value) in [
        ("format", json!("int7")),
        ("limit", json!(0)),
        ("limit", json!(100_001)),
        ("limit", json!(-1)),
        ("offset", json!(-1)),
        ("chunk_size", json!(0)),
        ("chunk_size", json!(1_048_577)),
        ("source", json!("beacon")),
        ("other", json!(1)),
    ] {
        let mut body = good.clone();
        body[name] = value;
        assert_eq!(server.data(&body).await.status, 400, "{body}");
    }
    assert_eq!(request(&server, Method::POST, "/api/v1/data", "{").await.status, 400);
    assert_eq!(server.private("/api/v1/data").await.status, 405);
}

#[tokio::test]
async fn queues_are_resized_and_kept_while_running() {
    let server = server().await;
    let path = "/api/v1/config/queue";
    let sizes = |trng, fortuna| json!({ "trng_queue_size": trng, "fortuna_queue_size": fortuna });
    assert_eq!(server.private(path).await.json(), sizes(100, 100));
    assert_eq!(
        request(&server, Method::PUT, path, &sizes(10, 1_000_000).to_string()).await.json(),
        sizes(10, 1_000_000)
    );
    assert_eq!(server.private(path).await.json(), sizes(10, 1_000_000));
    for wrong in [sizes(9, 10), sizes(10, 1_000_001)] {
        assert_eq!(request(&server, Method::PUT, path, &wrong.to_string()).await.status, 400);
    }
    let path = "/api/v1/config/consumption";
    assert_eq!(server.private(path).await.json(), json!({ "delete_on_consumption": true }));
    let keep = json!({ "delete_on_consumption": false });
    assert_eq!(request(&server, Method::PUT, path, &keep.to_string()).await.json(), keep);
    server.services.queues.push(Which::Trng, &[[7; 32]]).expect("written");
    let body = json!({ "format": "uint8", "limit": 2, "source": "trng" });
    for _ in 0..2 {
        assert_eq!(server.data(&body).await.json(), json!([7, 7]));
    }
}

#[tokio::test]
async fn the_generators_have_lokeys_shapes() {
    let server = server().await;
    let one = server.private("/controller/generate").await.json();
    assert_eq!(one["data"].as_str().map(str::len), Some(64));
    let many = server.private("/controller/generate?count=3").await.json();
    let distinct: BTreeSet<&str> = many["data"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(distinct.len(), 3);
    assert_eq!(server.private("/controller/info").await.json()["status"], "running");
    let bytes = server.private("/fortuna/generate?size=1000").await.json();
    assert_eq!((&bytes["size"], bytes["data"].as_str().map(str::len)), (&json!(1000), Some(2000)));
    let seeded = request(&server, Method::POST, "/fortuna/seed", r#"{"seeds":["00ff","aa"]}"#).await.json();
    assert_eq!((&seeded["status"], &seeded["count"]), (&json!("reseeded"), &json!(2)));
    let amplified = request(&server, Method::POST, "/fortuna/amplify", r#"{"seed":"0011"}"#).await.json();
    assert_eq!(amplified["size"], 8, "four times the seed");
    assert_eq!(server.private("/fortuna/info").await.json()["amplification_factor"], 4);
    for path in ["/controller/health", "/fortuna/health", "/api/v1/health"] {
        let answer = server.private(path).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("healthy")), "{path}");
        assert!(answer.json()["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    }
    for path in [
        "/controller/generate?count=0",
        "/controller/generate?count=101",
        "/fortuna/generate?size=0",
        "/fortuna/generate?size=1048577",
    ] {
        assert_eq!(server.private(path).await.status, 400, "{path}");
    }
    for (path, body) in [
        ("/fortuna/seed", r#"{"seeds":[]}"#),
        ("/fortuna/seed", r#"{"seeds":["xy"]}"#),
        ("/fortuna/amplify", r#"{"seed":""}"#),
    ] {
        assert_eq!(request(&server, Method::POST, path, body).await.status, 400, "{path} {body}");
    }
}

#[tokio::test]
async fn a_part_that_is_not_healthy_is_unavailable() {
    let server = server().await;
    for worker in server.services.pool.status().workers {
        assert!(server.services.pool.workers().remove(worker.index));
    }
    for path in ["/controller/health", "/api/v1/health"] {
        let answer = server.private(path).await;
        assert_eq!((answer.status, &answer.json()["status"]), (503, &json!("unhealthy")), "{path}");
    }
    let details = &server.private("/api/v1/health").await.json()["details"];
    assert_eq!(
        (&details["controller"], &details["fortuna"], &details["database"]),
        (&json!(false), &json!(true), &json!(true))
    );
    assert_eq!(server.private("/fortuna/health").await.status, 200);
}

#[tokio::test]
async fn injected_bytes_wait_for_the_next_contribution() {
    let server = server().await;
    let answer = request(&server, Method::POST, "/admin/entropy/inject", "dice: 4 1 6").await.json();
    assert_eq!(answer, json!({ "injected_bytes": 11, "credited_bits": 0 }));
    assert_eq!(request(&server, Method::POST, "/admin/entropy/inject", "").await.status, 400);
    server.private("/controller/generate").await;
    let pool = server.services.pool.clone();
    let next = move || pool.contribution(std::time::Duration::from_secs(5));
    let report = tokio::task::spawn_blocking(next).await.expect("no panic").expect("a contribution").report;
    assert_eq!(report.injected, 11, "a block for somebody else leaves them");
}

#[tokio::test]
async fn nothing_private_is_served_in_public() {
    let server = server().await;
    let document = server.private("/openapi.json").await.json();
    let public = server.get("/openapi.json").await.json();
    let paths =
        |document: &Value| document["paths"].as_object().expect("paths").keys().cloned().collect::<BTreeSet<_>>();
    let both: Vec<String> = paths(&document).intersection(&paths(&public)).cloned().collect();
    assert_eq!(both, ["/health", "/metrics"]);
    for path in paths(&document).difference(&paths(&public)) {
        assert_eq!(server.get(path).await.code(), "no-such-path", "{path}");
    }
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let answer = request(&server, method, path, "").await;
            assert!(![404, 405].contains(&answer.status) || path == "/api/v1/data", "{path}: {}", answer.status);
        }
    }
    let page = server.private("/swagger").await;
    assert!(page.header("content-type").starts_with("text/html") && !page.header("content-security-policy").is_empty());
}

#[tokio::test]
async fn web_pages_and_other_names_are_kept_out() {
    let server = server().await;
    let own = format!("http://{}", server.local);
    for (headers, status) in [
        (vec![("origin", "http://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("host", "evil.example")], 403),
        (vec![("origin", own.as_str())], 200),
        (vec![("host", "localhost:1")], 200),
    ] {
        assert_eq!(ask(server.local, "/fortuna/generate", &headers).await.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn with_a_token_nobody_enters_without_it() {
    let server = server().await;
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = home.path().join("token");
    let secret = "0123456789abcdef0123456789abcdef";
    std::fs::write(&file, secret).expect("written");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
    let guard = Guard::new(Some(Token::read(&file).expect("a token")), vec!["http://localhost:3000".into()]);
    let api = LocalApi::new(server.api.clone(), server.services.clone());
    let (address, _task, _stop) = listener(&server.api, local_router(api, guard)).await;
    let bearer = format!("Bearer {secret}");
    for (headers, status) in [
        (vec![], 401),
        (vec![("authorization", "Bearer 0123456789abcdef0123456789abcdeX")], 401),
        (vec![("authorization", &bearer[..20])], 401),
        (vec![("authorization", bearer.as_str())], 200),
        (vec![("authorization", bearer.as_str()), ("host", "beacon.example")], 200),
        (vec![("authorization", bearer.as_str()), ("origin", "http://evil.example")], 403),
    ] {
        let answer = ask(address, "/fortuna/generate", &headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(answer.header("www-authenticate"), if status == 401 { "Bearer" } else { "" });
    }
    let page = [("authorization", bearer.as_str()), ("origin", "http://localhost:3000")];
    let allowed = ask(address, "/fortuna/generate", &page).await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, "http://localhost:3000"));
    assert_eq!(ask(address, "/openapi.json", &[]).await.status, 200, "the document is no secret");
}
