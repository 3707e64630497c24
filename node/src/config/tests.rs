//! Layers, complaints, and the file that `init` writes.

use std::fs;
use std::path::PathBuf;

use super::*;

struct File {
    _home: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config.toml");
    fs::write(&path, text).unwrap();
    File { _home: home, path }
}

fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect::<Vec<_>>().into_iter()
}

fn load(text: &str, pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Layers::default().file(&file(text).path).variables(variables(pairs)).load()
}

fn refused(text: &str, pairs: &[(&str, &str)], parts: &[&str]) {
    let error = load(text, pairs).unwrap_err();
    let said = format!("{error}; {}", error.remedy);
    for part in parts {
        assert!(said.contains(part), "{said:?} lacks {part:?}");
    }
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(load("", &[]).unwrap(), Config::default());
    assert_eq!(Layers::default().load().unwrap(), Config::default());
}

#[test]
fn stronger_layers_win() {
    let text = "http = '127.0.0.1:1'\nlocal_http = '127.0.0.1:2'\n[log]\nlevel = 'warn'\nformat = 'text'";
    let environment = [("BEACON_LOCAL_HTTP", "127.0.0.1:3"), ("BEACON_LOG__LEVEL", "debug"), ("HTTP", "x")];
    let file = file(text);
    let layers = Layers::default().file(&file.path).variables(variables(&environment));
    let config = layers.log_format(Some(LogFormat::Json)).load().unwrap();
    assert_eq!((config.http.to_string(), config.local_http.to_string()), ("127.0.0.1:1".into(), "127.0.0.1:3".into()));
    assert_eq!(config.log, LogConfig { level: "debug".into(), format: LogFormat::Json });
}

#[test]
fn variables_carry_lists_and_words() {
    let chain = "ab".repeat(32);
    let environment = [
        ("BEACON_CHAIN", chain.as_str()),
        ("BEACON_LISTEN", "/ip4/127.0.0.1/tcp/1, /ip6/::1/udp/1/quic-v1"),
        ("BEACON_PEERS", "[\"/dns/beacon.example/tcp/7700\"]"),
        ("BEACON_HTTP", "off"),
        ("BEACON_TRANSCRIPTS_KEEP", "all"),
        ("BEACON_ENTROPY__WORKERS", "[[\"os\"], [\"file:/tmp/x\", \"sleep\"]]"),
        ("BEACON_ENTROPY__DNS_SERVERS", "127.0.0.1:53, [::1]:53"),
        ("BEACON_SEAL_KEY", "is for the key store"),
    ];
    let config = load("transcripts_keep = 5", &environment).unwrap();
    assert_eq!(config.chain, Some(Digest32([0xab; 32])));
    assert_eq!(config.listen, ["/ip4/127.0.0.1/tcp/1", "/ip6/::1/udp/1/quic-v1"]);
    assert_eq!(config.peers, ["/dns/beacon.example/tcp/7700"]);
    assert_eq!((config.http, config.transcripts_keep), (Listener(None), Keep::All));
    let workers = |emulate| config.entropy.pool(&config.entropy.equipment(emulate)).unwrap().workers.len();
    assert_eq!((workers(false), workers(true)), (2, 3));
    assert_eq!(config.entropy.dns_servers, ["127.0.0.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
}

#[test]
fn former_names_of_settings_still_work() {
    let environment = [
        ("BEACON_TRNG_QUEUE_SIZE", "500"),
        ("BEACON_FORTUNA_QUEUE_SIZE", "600"),
        ("BEACON_HASH_INTERVAL_MS", "50"),
        ("BEACON_AMPLIFICATION_FACTOR", "8"),
        ("BEACON_SEED_COUNT", "2"),
        ("BEACON_I2C_BUS_NUMBER", "4"),
    ];
    let config = load("", &environment).unwrap();
    let services = &config.services;
    assert_eq!((services.trng_queue_size, services.fortuna_queue_size, services.hash_interval_ms), (500, 600, 50));
    assert_eq!((services.amplification_factor, services.seed_count, config.entropy.i2c_bus), (8, 2, 4));
}

#[test]
fn a_cluster_names_identities_and_is_off() {
    assert!(!Config::default().cluster.draw && !Config::default().cluster.serve);
    let text = format!("[cluster]\npeers = ['{}']\ndraw = true\nquota = 5", "07".repeat(32));
    let config = load(&text, &[]).unwrap();
    assert_eq!((config.cluster.peers[0].0, config.cluster.quota), ([7; 32], 5));
    assert_eq!(load(&template(&config), &[]).unwrap(), config);
    refused("[cluster]\npeers = ['xyz']", &[], &["key cluster.peers"]);
}

#[test]
fn off_the_loopback_the_local_listener_needs_a_token() {
    let config = load("local_http = '0.0.0.0:1'\nlocal_token_file = 'token'", &[]).unwrap();
    assert_eq!(config.local_token_file, Some("token".into()));
    assert_eq!(load(&template(&config), &[]).unwrap(), config);
}

#[test]
fn unknown_keys_name_the_nearest() {
    refused("lisen = []", &[], &["config.toml", "key lisen", "did you mean listen?"]);
    refused("[log]\nlevle = 'info'", &[], &["config.toml", "key log.levle", "did you mean level?"]);
    refused("", &[("BEACON_LOG__FROMAT", "json")], &["BEACON_LOG__FROMAT", "key log.fromat", "did you mean format?"]);
    refused("zzzzzz = 1", &[], &["key zzzzzz", "remove it", "transcripts_keep"]);
}

#[test]
fn complaints_name_place_key_value_and_remedy() {
    refused("http = 8080", &[], &["config.toml", "key http", "8080", "string"]);
    refused("http = 'localhost'", &[], &["config.toml", "key http", "localhost", "127.0.0.1:8080"]);
    refused("transcripts_keep = -1", &[], &["key transcripts_keep", "-1", "\"all\""]);
    refused("transcripts_keep = 'some'", &[], &["key transcripts_keep", "some", "\"all\""]);
    refused("transcripts_keep = 0", &[], &["key transcripts_keep", "0 keeps none", "\"all\""]);
    refused("[log]\nformat = 'xml'", &[], &["key log.format", "xml", "text, json"]);
    refused("[log]\nlevel = 'a=b=c'", &[], &["config.toml", "key log.level", "a=b=c", "trace"]);
    refused("listen = ['127.0.0.1:7700']", &[], &["key listen", "127.0.0.1:7700", "/ip4/192.0.2.1/tcp/7700"]);
    refused("", &[("BEACON_PEERS", "/ip4/1.2.3.4/tcp/x")], &["environment variable BEACON_PEERS", "key peers"]);
    refused("local_http = '0.0.0.0:1'", &[], &["key local_http", "0.0.0.0:1", "loopback", "127.0.0.1:PORT"]);
    refused("[services]\ntrng_queue_size = 9", &[], &["key services.trng_queue_size", "9", "10 to 1000000"]);
    refused("[services]\nseed_count = 0", &[], &["key services.seed_count", "0", "1 to 32"]);
    refused("[services]\ncors = ['*']", &[], &["key services.cors", "\"*\"", "http://localhost:3000"]);
    refused("http = '0.0.0.0:8081'", &[], &["key local_http", "127.0.0.1:8081", "different ports"]);
    refused("[entropy]\nworkers = [['oss']]", &[], &["key entropy.workers", "\"oss\"", "\"os\"", "page-fault"]);
    refused("[entropy]\ntcp_hosts = ['x']", &[], &["key entropy.tcp_hosts", "\"x\"", "192.0.2.1:53"]);
    refused("[entropy]\nworkers = []", &[], &["key entropy.workers", "at least one"]);
    refused("[limits]\nhandshakes = 0", &[], &["key limits.handshakes", "0", "1 or more"]);
    refused("chain = 'ab'", &[], &["config.toml", "key chain", "bad-hex"]);
    refused("[log", &[], &["config.toml"]);
}

#[test]
fn a_missing_file_is_named() {
    let error = Layers::default().file(&PathBuf::from("/nonexistent/config.toml")).load().unwrap_err();
    assert!(error.to_string().contains("/nonexistent/config.toml: there is no such file"));
}

#[test]
fn the_template_reads_back_as_what_it_was_made_of() {
    let default = Config::default();
    assert_eq!(load(&template(&default), &[]).unwrap(), default);
    let other = Config {
        chain: Some(Digest32([7; 32])),
        peers: vec!["/ip4/10.0.0.1/tcp/7700".into()],
        http: Listener(None),
        data_dir: "da\"ta".into(),
        transcripts_keep: Keep::All,
        log: LogConfig { level: "debug".into(), format: LogFormat::Json },
        ..default
    };
    assert_eq!(load(&template(&other), &[]).unwrap(), other);
}
