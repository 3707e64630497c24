//! Committees from members, and signer lists.

use beacon_spec::committee::{Member, MemberList, SignerList};
use beacon_spec::hash::Digest32;
use beacon_spec::keys::{PointBytes, VotingKey};
use serde_json::json;

use crate::build::{Build, wire, with};
use crate::certificate::WEIGHTS;
use crate::world::World;

pub fn build() -> Build {
    let mut build = Build::new();
    committees(&mut build);
    signer_lists(&mut build);
    member_lists(&mut build);
    build
}

fn committees(build: &mut Build) {
    let world = World::new("committees", &[1, 1, 0, 1, 1]);
    let nine = World::new("nine", &WEIGHTS);
    let members: Vec<Member> = world.committees[0].members().to_vec();
    let mut exempt_too = |name: &str, verdict: &str, exempt: bool, epoch: u64, members: &Vec<Member>| {
        let input = json!({ "epoch": epoch, "membership": epoch - 1, "exempt": exempt, "members": wire(members) });
        build.case("committee", name, verdict, input);
    };
    exempt_too("five members, one without weight", "ok", false, 1, &members);
    exempt_too("the same in the next epoch", "ok", false, 2, &members);
    exempt_too("with bundles of two epochs", "ok", false, 2, &world.committees[1].members().to_vec());
    exempt_too("nine of uneven weight", "ok", false, 1, &nine.committees[0].members().to_vec());
    let three = members[..2].iter().chain(&members[3..4]).cloned().collect::<Vec<_>>();
    exempt_too("three members, exempted", "ok", true, 1, &three);
    exempt_too("one member, exempted", "ok", true, 1, &members[..1].to_vec());
    exempt_too("three members", "too-heavy", false, 1, &three);
    exempt_too(
        "nobody with weight, exempted",
        "bad-total",
        true,
        1,
        &with(&members, |m| {
            m.iter_mut().for_each(|member| member.weight = 0);
        }),
    );
    let mut case = |name: &str, verdict: &str, change: &dyn Fn(&mut Vec<Member>)| {
        exempt_too(name, verdict, false, 1, &with(&members, |members| change(members)));
    };
    case("nobody with weight", "too-heavy", &|m| m.iter_mut().for_each(|member| member.weight = 0));
    case("no member", "bad-count", &|m| m.clear());
    case("a third of the weight", "too-heavy", &|m| (m[0].weight, m[1].weight, m[3].weight) = (2, 1, 2));
    case("a weight above a million", "bad-weight", &|m| m.iter_mut().for_each(|member| member.weight *= 1_000_001));
    case("weights of a million", "ok", &|m| m.iter_mut().for_each(|member| member.weight *= 1_000_000));
    case("a weight above a million and no ticket keys", "bad-weight", &|m| {
        m.iter_mut().for_each(|member| member.weight *= 1_000_001);
        m[0].bundle.ticket_keys.clear();
    });
    case("out of order", "not-sorted", &|m| m.swap(0, 1));
    case("one member twice", "not-sorted", &|m| m[1].identity = m[0].identity);
    case("too few ticket keys", "too-few-ticket-keys", &|m| m[0].bundle.ticket_keys.clear());
    case("as many ticket keys as tickets", "ok", &|m| m[0].bundle.ticket_keys.truncate(1));
    case("one ticket key for two members", "duplicate-key", &|m| {
        m[1].bundle.ticket_keys[0] = m[0].bundle.ticket_keys[0].clone()
    });
    case("a spare key that another has too", "duplicate-key", &|m| {
        m[2].bundle.ticket_keys[0] = m[0].bundle.ticket_keys[1].clone();
    });
    case("one voting key for two members", "duplicate-key", &|m| m[1].bundle.voting_key = m[0].bundle.voting_key);
    case("a voting key of small order", "bad-key", &|m| m[1].bundle.voting_key = VotingKey([0; 32]));
    case("the identity as a ticket key", "identity-point", &|m| m[0].bundle.ticket_keys[0].key = PointBytes([0; 32]));
    case("a ticket key that is no point", "bad-point", &|m| m[0].bundle.ticket_keys[0].key = PointBytes([0xff; 32]));
    case("a spare key changed", "ok", &|m| m[0].bundle.ticket_keys[1].key = PointBytes([0xff; 32]));
    case("the epoch of a bundle changed", "ok", &|m| m[0].bundle.epoch = 3);
    let heavy = with(&members[2], |member| member.weight = 1_000_001);
    let crowd = format!("{:016x}({})*513;", 513, wire(&heavy));
    let input = json!({ "epoch": 1, "membership": 0, "exempt": false, "members": crowd });
    build.case("committee", "513 members", "bad-count", input);
}

fn signer_lists(build: &mut Build) {
    let world = World::new("signers", &WEIGHTS);
    let good: &SignerList = world.committees[0].signers().list();
    let mut case = |name: &str, verdict: &str, change: &dyn Fn(&mut SignerList)| {
        build.case("signers", name, verdict, json!({ "signers": wire(&with(good, |list| change(list))) }));
    };
    case("nine signers", "ok", &|_| {});
    case("another epoch", "ok", &|l| l.epoch = 2);
    case("another membership number", "ok", &|l| l.membership = 1);
    case("another ticket root", "ok", &|l| l.ticket_root = Digest32::ZERO);
    case("another weight", "ok", &|l| l.signers[3].weight = 1);
    case("another voting key", "ok", &|l| l.signers[0].voting_key = world.keys[1][0].voting.voting());
    case("two signers", "ok", &|l| l.signers.truncate(2));
    case("one signer", "ok", &|l| l.signers.truncate(1));
    case("no signer", "bad-count", &|l| l.signers.clear());
    case("out of order", "not-sorted", &|l| l.signers.swap(7, 8));
    case("one identity twice", "not-sorted", &|l| l.signers[1].identity = l.signers[0].identity);
    case("a weight of a million", "ok", &|l| l.signers[0].weight = 1_000_000);
    case("a weight above a million", "bad-weight", &|l| l.signers[0].weight = 1_000_001);
    case("the largest weight", "bad-weight", &|l| l.signers[0].weight = u64::MAX);
    case("no weight at all", "bad-total", &|l| l.signers.iter_mut().for_each(|signer| signer.weight = 0));
    case("one voting key twice", "duplicate-key", &|l| l.signers[8].voting_key = l.signers[0].voting_key);
    case("a voting key of small order", "bad-key", &|l| l.signers[8].voting_key = VotingKey([0; 32]));
    case("a bad voting key without weight", "bad-key", &|l| l.signers[3].voting_key = VotingKey([0xff; 32]));
    case("order before weight", "not-sorted", &|l| {
        l.signers.swap(0, 1);
        l.signers[0].weight = u64::MAX;
    });
    case("total before keys", "bad-total", &|l| {
        l.signers.iter_mut().for_each(|signer| (signer.weight, signer.voting_key) = (0, VotingKey([0; 32])));
    });
}

fn member_lists(build: &mut Build) {
    let world = World::new("members", &[1, 1, 0, 1, 1]);
    let good = &world.committees[0];
    let mut case = |name: &str, verdict: &str, exempt: bool, change: &dyn Fn(&mut MemberList)| {
        let list = wire(&with(&good.list(), |list| change(list)));
        let input = json!({ "list": list, "hash": good.hash(), "exempt": exempt });
        build.case("member-list", name, verdict, input);
    };
    case("as it is", "ok", false, &|_| {});
    case("the exemption, which nobody uses", "ok", true, &|_| {});
    case("another epoch", "wrong-committee", false, &|l| l.epoch += 1);
    case("another membership number", "wrong-committee", false, &|l| l.membership += 1);
    case("another weight", "wrong-committee", false, &|l| l.members[2].weight = 1);
    case("another identity", "wrong-committee", false, &|l| l.members[0].identity.0[31] ^= 1);
    case("a bundle of another epoch", "wrong-committee", false, &|l| l.members[0].bundle.epoch += 1);
    case("another voting key", "wrong-committee", false, &|l| {
        l.members[0].bundle.voting_key = world.keys[1][0].voting.voting();
    });
    case("ticket keys in another order", "wrong-committee", false, &|l| l.members[0].bundle.ticket_keys.swap(0, 1));
    case("a spare ticket key left out", "wrong-committee", false, &|l| {
        l.members[0].bundle.ticket_keys.pop();
    });
    case("a member left out", "too-heavy", false, &|l| l.members.truncate(4));
    case("a member left out, exempted", "wrong-committee", true, &|l| l.members.truncate(4));
    case("a proof of possession changed", "ok", false, &|l| {
        l.members[0].bundle.ticket_keys[0].proof.challenge.0[0] ^= 1
    });
    case("a signature changed", "ok", false, &|l| l.members[0].bundle.signature.0[0] ^= 1);
}
