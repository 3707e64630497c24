//! Rules [certify-2] and [certify-4] on every subset of a small committee, and [chain-2]: the hash covers every byte.

#[path = "vectors/world.rs"]
#[allow(dead_code, reason = "the world serves the vectors' generator, which uses all of it")]
mod world;

use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{HEADER_BYTES, Header, hash_encoded};
use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::mmr::Mmr;
use beacon_spec::reject::Reject;
use world::World;

fn header(world: &World) -> Header {
    world.header(&world.chain, &Mmr::new(), &world.transcript(1, &[0, 1, 3, 4], &[]))
}

/// Total 9, so 6 is exactly two thirds.
const WEIGHTS: [u64; 6] = [2, 2, 0, 2, 1, 2];

#[test]
fn certify_2_a_minimal_quorum_of_the_heaviest_or_nothing() {
    let world = World::new("subsets", &WEIGHTS);
    let signers = world.committees[0].signers();
    let header = header(&world);
    let votes: Vec<_> = (0..6).map(|member| (member, world.header_vote(&header, member))).collect();
    for subset in 0u32..1 << 6 {
        let chosen: Vec<_> = votes.iter().filter(|vote| subset >> vote.0 & 1 == 1).copied().collect();
        let weight: u64 = chosen.iter().map(|vote| WEIGHTS[usize::from(vote.0)]).sum();
        let Some(certificate) = Certificate::assemble(&chosen, signers) else {
            assert!(3 * weight <= 2 * 9, "{subset:b} is a quorum");
            continue;
        };
        assert_eq!(certificate.verify(&header.chain, header.round, &header.hash(), signers), Ok(()));
        let members = certificate.members(signers).expect("it verified");
        let of = |members: &[u16]| members.iter().map(|member| WEIGHTS[usize::from(*member)]).sum::<u64>();
        for left_out in &members {
            let rest: Vec<u16> = members.iter().filter(|member| *member != left_out).copied().collect();
            let lightest = members.iter().map(|member| WEIGHTS[usize::from(*member)]).min();
            let needed = Some(WEIGHTS[usize::from(*left_out)]) != lightest || 3 * of(&rest) <= 2 * 9;
            assert!(needed, "{subset:b}: member {left_out} is not needed");
        }
    }
}

#[test]
fn certify_4_every_subset_by_its_weight() {
    let world = World::new("subsets", &WEIGHTS);
    let signers = world.committees[0].signers();
    let header = header(&world);
    for subset in 0u16..1 << 6 {
        let members: Vec<u16> = (0..6).filter(|member| subset >> member & 1 == 1).collect();
        let weight: u64 = members.iter().map(|member| WEIGHTS[usize::from(*member)]).sum();
        let expected = match (members.contains(&2), 3 * weight > 2 * 9) {
            (true, _) => Err(Reject::BadBitmap),
            (false, true) => Ok(()),
            (false, false) => Err(Reject::NoQuorum),
        };
        let certificate = world.certificate(&header, &members);
        assert_eq!(certificate.verify(&header.chain, header.round, &header.hash(), signers), expected, "{members:?}");
    }
}

#[test]
fn chain_2_the_hash_covers_every_byte() {
    let world = World::new("subsets", &WEIGHTS);
    let header = header(&world);
    let bytes = encode(&header);
    assert_eq!(bytes.len(), HEADER_BYTES);
    assert_eq!(header.hash(), hash_encoded(&bytes));
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert_ne!(hash_encoded(&other), header.hash(), "byte {at}");
        let decoded: Header = decode(&other, &Limits::bytes(HEADER_BYTES)).expect("every 270 bytes are a header");
        assert_eq!(decoded.hash(), hash_encoded(&other));
    }
}

/// The output is the same whoever is recovered, and from whichever shares.
#[test]
fn chain_5_withholding_changes_no_bit() {
    let world = World::new("withholding", &[1, 1, 1, 1]);
    let honest = world.transcript(1, &[0, 1, 2, 3], &[]);
    let header = world.header(&world.chain, &Mmr::new(), &honest);
    for subset in 0u16..1 << 4 {
        let withheld: Vec<u16> = (0..4).filter(|member| subset >> member & 1 == 1).collect();
        let transcript = world.transcript(1, &[0, 1, 2, 3], &withheld);
        assert_eq!(transcript.audit(&header, &world.committees[0]), Ok(()), "{withheld:?} withhold");
    }
}
