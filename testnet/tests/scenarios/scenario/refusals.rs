//! What must be refused, clearly and by name, before any harm is done.

use std::fs;
use std::net::TcpListener;

use beacon_spec::bundle::KeyBundle;
use beacon_spec::genesis::Draft;
use beacon_spec::keys::SecretKey;
use beacon_spec::pvss::TicketSecret;
use beacon_testnet::binaries::Binaries;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Net, copy, node, refused, success};

#[tokio::test]
async fn a_member_with_a_third_of_the_weight_needs_the_exemption() {
    let directory = TempDir::new().unwrap();
    let binaries = Binaries::beside().unwrap();
    let out = directory.path().join("draft.json");
    let member = |seed: u8, weight: u64| format!("{}:{weight}", SecretKey::from_seed(&[seed; 32]).identity());
    let members = [member(1, 4), member(2, 4), member(3, 4)];
    let mut words = vec!["genesis", "draft", "--name", "heavy", "--out", out.to_str().unwrap()];
    for member in &members {
        words.extend(["--member", member]);
    }
    refused(&node(&binaries, &words).await, &["weight 4 of 12", "--development-exemption"]);
    assert!(!out.exists());
    words.push("--development-exemption");
    success(&node(&binaries, &words).await);
}

/// A bundle that is signed as it should be, with a ticket key whose secret its maker does not hold.
#[tokio::test]
async fn a_bad_proof_of_possession_is_not_sealed() {
    let directory = TempDir::new().unwrap();
    let binaries = Binaries::beside().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (identity, voting) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
    let member = identity.identity().to_string();
    let words = ["genesis", "draft", "--name", "one", "--member", &member, "--development-exemption", "--out"];
    success(&node(&binaries, &[&words[..], &[&file("draft.json")]].concat()).await);
    let draft: Draft = serde_json::from_slice(&fs::read(file("draft.json")).unwrap()).unwrap();
    let ceremony = draft.ceremony();
    for (name, stolen) in [("good.json", false), ("stolen.json", true)] {
        let (secret, own) = TicketSecret::from_seed(&[3; 32]);
        let (_, others) = TicketSecret::from_seed(&[4; 32]);
        let keys = [(secret, if stolen { others } else { own })];
        let bundle = KeyBundle::make(&ceremony, &identity, 1, &voting, &keys);
        let document = json!({ "ceremony": ceremony, "identity": member, "bundle": bundle });
        fs::write(file(name), document.to_string()).unwrap();
    }
    let seal = async |bundle: &str, out: &str| {
        let words = ["genesis", "seal", "--draft", &file("draft.json"), "--bundle", &file(bundle), "--out", &file(out)];
        node(&binaries, &words).await
    };
    refused(&seal("stolen.json", "genesis.bin").await, &["stolen.json", &member, "proof of possession"]);
    success(&seal("good.json", "genesis.bin").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chains_database_is_refused() {
    let mut first = Net::start(&[1, 1, 1, 1], 200, 1).await;
    first.rounds_more(2).await;
    first.network.stop_all().await.unwrap();
    let (old, data) = (first.network.chain.clone(), TempDir::new().unwrap());
    copy(&first.network.nodes[0].home.join("data"), data.path());
    drop(first);

    let second = Net::made(&[1, 1, 1, 1], 200, 1).await;
    let home = &second.network.nodes[0].home;
    copy(data.path(), &home.join("data"));
    let output = node(&second.network.binaries, &["run", "--home", home.to_str().unwrap()]).await;
    refused(&output, &[&old, &second.network.chain]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let net = Net::made(&[1, 1, 1, 1], 200, 1).await;
    for node_number in 0..3 {
        let endpoints = net.network.nodes[node_number].endpoints;
        let port = [endpoints.peers, endpoints.http, endpoints.local][node_number];
        let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let home = net.network.nodes[node_number].home.to_str().unwrap().to_owned();
        refused(&node(&net.network.binaries, &["run", "--home", &home]).await, &[&port.to_string(), "in use"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_key_file_is_named() {
    let net = Net::made(&[1, 1, 1, 1], 200, 1).await;
    let run = async |number: usize| {
        let home = net.network.nodes[number].home.to_str().unwrap().to_owned();
        node(&net.network.binaries, &["run", "--home", &home]).await
    };
    let secrets = |number: usize| net.network.nodes[number].home.join("keys/secrets");
    // Open to others; damaged; not there; and, which stands for unreadable whatever the user's rights, no file.
    fs::set_permissions(secrets(0), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    refused(&run(0).await, &["keys/secrets", "0644", "chmod 600"]);
    let length = fs::metadata(secrets(1)).unwrap().len();
    fs::write(secrets(1), vec![0; usize::try_from(length).unwrap()]).unwrap();
    refused(&run(1).await, &["keys/secrets", "damaged"]);
    fs::remove_file(secrets(2)).unwrap();
    refused(&run(2).await, &["keys/secrets"]);
    fs::remove_file(secrets(3)).unwrap();
    fs::create_dir(secrets(3)).unwrap();
    refused(&run(3).await, &["keys/secrets", "Is a directory"]);
}
