//! Bytes that were changed on disk or on their way: the client refuses them and says why.

use beacon_client::chainfile::{self, FileError};

use crate::harness::{Net, refused, success};

/// Every byte of an exported chain, one after the other, flipped.
#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_an_exported_chain_can_be_flipped() {
    let mut net = Net::start(&[30, 30, 25, 15], 200, 1).await;
    net.rounds_more(4).await;
    let file = net.directory.path().join("chain.bin");
    let path = file.to_str().unwrap().to_owned();
    success(&net.beacon(&net.url(2), &["export", "--all", "--out", &path]).await);
    let (bytes, chain) = (std::fs::read(&file).unwrap(), net.chain());
    chainfile::verify(&bytes[..], &chain, |_| {}).expect("the file as it was exported verifies");
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1 << (position % 8);
        match chainfile::verify(&changed[..], &chain, |_| {}) {
            Err(FileError::Refused(_)) => {}
            Err(FileError::Io(error)) => panic!("byte {position}: an input error instead of a refusal: {error}"),
            Ok(_) => panic!("byte {position} of {} can be flipped", bytes.len()),
        }
    }
    let mut changed = bytes;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&file, changed).unwrap();
    refused(&net.beacon(&net.url(2), &["verify", &path]).await, &["refused"]);
    net.finish().await;
}
