//! What members gossip is what clients read.

use beacon_engine::event::Message;
use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{Beacon, Header};
use beacon_spec::codec::encode;
use beacon_spec::gossip::{frame, read_beacon};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::Signature;

#[test]
fn gossip_3_a_beacon_travels_as_clients_read_it() {
    let digest = Digest32([7; 32]);
    let header = Header {
        version: beacon_spec::VERSION,
        chain: digest,
        round: 9,
        due: 10,
        previous: digest,
        epoch: 1,
        committee: digest,
        next_committee: digest,
        window: 9,
        dealing_set: digest,
        weight: 3,
        contributors: 3,
        mmr: digest,
        output: digest,
    };
    let certificate = Certificate { bitmap: vec![7], signatures: vec![Signature([1; 64]); 3] };
    let beacon = Beacon { header, certificate };
    let message = encode(&Message::Beacon(Box::new(beacon.clone())));
    assert_eq!(read_beacon(&frame(0, &message)), Ok(beacon));
}
