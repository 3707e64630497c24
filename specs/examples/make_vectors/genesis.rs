//! Drafts, sealed geneses and light ones.

use beacon_spec::genesis::{Draft, DraftMember, Genesis, LightGenesis, Predecessor};
use beacon_spec::hash::Digest32;
use serde_json::json;

use crate::build::{Build, wire, with};
use crate::world::{Keys, World, seed};

const YEAR: u64 = 366 * 86_400_000;

pub fn build() -> Build {
    let world = World::new("genesis", &[1, 1, 0, 1, 1]);
    let mut build = Build::new();
    drafts(&mut build, &world.genesis.draft);
    ranges(&mut build, &world.genesis.draft);
    sealed(&mut build, &world);
    light(&mut build, &world);
    build
}

fn drafts(build: &mut Build, good: &Draft) {
    let mut case = |name: &str, verdict: &str, change: &dyn Fn(&mut Draft)| {
        build.case("draft", name, verdict, json!({ "draft": wire(&with(good, |draft| change(draft))) }));
    };
    case("five members", "ok", &|_| {});
    case("another name", "ok", &|d| d.name = "genesis 2".into());
    case("with a predecessor", "ok", &|d| {
        d.predecessor = Some(Predecessor { chain: Digest32::ZERO, round: 77, header_hash: Digest32([1; 32]) });
    });
    case("version 0", "unknown-version", &|d| d.version = 0);
    case("version 2", "unknown-version", &|d| d.version = 2);
    case("no name", "bad-count", &|d| d.name.clear());
    case("a name of 64 bytes", "ok", &|d| d.name = "é".repeat(32));
    case("a name of 65 bytes", "bad-count", &|d| d.name = "é".repeat(32) + "e");
    case("no member", "bad-count", &|d| d.members.clear());
    case("512 members", "ok", &|d| {
        d.members = many(512);
        d.parameters.registrations_per_value = 512;
    });
    case("513 members", "bad-count", &|d| d.members = many(513));
    case("out of order", "not-sorted", &|d| d.members.swap(0, 1));
    case("one member twice", "not-sorted", &|d| d.members[1] = d.members[0].clone());
    case("a weight above a million", "bad-weight", &|d| d.members[0].weight = 1_000_001);
    case("weights of a million", "ok", &|d| d.members.iter_mut().for_each(|member| member.weight *= 1_000_000));
    case("no weight at all", "bad-total", &|d| d.members.iter_mut().for_each(|member| member.weight = 0));
    case("a third of the weight", "too-heavy", &|d| d.members[0].weight = 2);
    case("a third of the weight, exempted", "ok", &|d| {
        d.members[0].weight = 2;
        d.parameters.development_exemption = true;
    });
    case("version before name", "unknown-version", &|d| (d.version, d.name) = (0, String::new()));
    case("order before weight", "not-sorted", &|d| {
        d.members.swap(0, 1);
        d.members[0].weight = u64::MAX;
    });
    case("heaviness before parameters", "too-heavy", &|d| {
        d.members[0].weight = 2;
        d.parameters.schedule.window = 0;
    });
    let bytes = wire(good);
    build.case("draft", "a byte too many", "trailing-bytes", json!({ "draft": bytes.clone() + "00" }));
    build.case("draft", "a flag of 2", "malformed", json!({ "draft": bytes[..bytes.len() - 2].to_string() + "02" }));
}

/// Members with made-up identities, in order.
fn many(count: u64) -> Vec<DraftMember> {
    let mut members: Vec<_> = (0..count)
        .map(|i| DraftMember { identity: beacon_spec::keys::IdentityKey(seed("many", &[i])), weight: 1 })
        .collect();
    members.sort_by_key(|member| member.identity);
    members
}

fn ranges(build: &mut Build, good: &Draft) {
    type Limit = (&'static str, fn(&mut Draft, u64), &'static [(u64, bool)]);
    let limits: [Limit; 9] = [
        (
            "rounds of a window",
            |d, x| d.parameters.schedule.window = x,
            &[(0, false), (1, true), (64, true), (65, false)],
        ),
        (
            "windows of an epoch",
            |d, x| d.parameters.schedule.epoch_windows = x,
            &[(0, false), (3, false), (4, true), (1 << 32, true), ((1 << 32) + 1, false), (u64::MAX, false)],
        ),
        (
            "period",
            |d, x| d.parameters.schedule.period = x,
            &[(0, true), (1000, true), (999, false), (YEAR, true), (YEAR + 1, false)],
        ),
        (
            "genesis time",
            |d, x| d.parameters.schedule.genesis_time = x,
            &[(0, true), (1 << 52, true), ((1 << 52) + 1, false)],
        ),
        ("catch-up interval", |d, x| d.parameters.catch_up_interval = x, &[(0, true), (500, true), (501, false)]),
        ("lead", |d, x| d.parameters.lead = x, &[(0, true), (3_600_000, true), (3_600_001, false)]),
        ("recovery delay", |d, x| d.parameters.recovery_delay = x, &[(0, true), (60_000, true), (60_001, false)]),
        ("grace", |d, x| d.parameters.grace = x, &[(0, true), (60_000, true), (60_001, false)]),
        (
            "registrations a value",
            |d, x| d.parameters.registrations_per_value = x as u16,
            &[(4, false), (5, true), (65535, true)],
        ),
    ];
    for (name, set, values) in limits {
        for (value, good_value) in values {
            let verdict = if *good_value { "ok" } else { "bad-parameter" };
            let draft = with(good, |draft| set(draft, *value));
            build.case("draft", &format!("{name}: {value}"), verdict, json!({ "draft": wire(&draft) }));
        }
    }
    let fast =
        |interval| with(good, |d| (d.parameters.schedule.period, d.parameters.catch_up_interval) = (0, interval));
    build.case("draft", "no period, catch-up interval 60000", "ok", json!({ "draft": wire(&fast(60_000)) }));
    build.case("draft", "no period, catch-up interval 60001", "bad-parameter", json!({ "draft": wire(&fast(60_001)) }));
    let slow =
        |interval| with(good, |d| (d.parameters.schedule.period, d.parameters.catch_up_interval) = (YEAR, interval));
    build.case(
        "draft",
        "a year's period, catch-up interval 60001",
        "bad-parameter",
        json!({ "draft": wire(&slow(60_001)) }),
    );
}

fn sealed(build: &mut Build, world: &World) {
    let good = &world.genesis;
    build.share("chain", json!(world.chain));
    let mut case = |name: &str, verdict: &str, change: &dyn Fn(&mut Genesis)| {
        let genesis = with(good, |genesis| change(genesis));
        build.case("genesis", name, verdict, json!({ "chain": "@chain", "genesis": wire(&genesis) }));
    };
    let ceremony = good.draft.ceremony();
    let keys = |i: usize| &world.keys[0][i];
    case("five members", "ok", &|_| {});
    case("another name", "bad-signature", &|g| g.draft.name = "genesis 2".into());
    case("another weight", "bad-signature", &|g| g.draft.members[2].weight = 1);
    case("another lead", "bad-signature", &|g| g.draft.parameters.lead = 0);
    case("a draft that is refused", "too-heavy", &|g| g.draft.members[2].weight = 5);
    case("a bundle left out", "bad-count", &|g| g.bundles.truncate(4));
    case("a bundle too many", "bad-count", &|g| g.bundles.push(g.bundles[0].clone()));
    case("two bundles swapped", "bad-signature", &|g| g.bundles.swap(0, 1));
    case("a bundle for epoch 2", "wrong-epoch", &|g| g.bundles[1] = keys(1).bundle(&ceremony, 2));
    case("a bundle bound to the chain", "bad-signature", &|g| g.bundles[1] = keys(1).bundle(&world.chain, 1));
    case("a bundle without ticket keys", "too-few-ticket-keys", &|g| {
        g.bundles[0] = Keys { tickets: Vec::new(), ..keys(0).clone() }.bundle(&ceremony, 1);
    });
    case("ticket keys shared by two members", "duplicate-key", &|g| {
        g.bundles[1] = Keys { tickets: keys(0).tickets.clone(), ..keys(1).clone() }.bundle(&ceremony, 1);
    });
    case("a voting key shared by two members", "duplicate-key", &|g| {
        g.bundles[1] = Keys { voting: keys(0).voting.clone(), ..keys(1).clone() }.bundle(&ceremony, 1);
    });
    case("another bundle of a member", "wrong-chain", &|g| {
        g.bundles[1] = Keys { tickets: Keys::new(9, 9, 2).tickets, ..keys(1).clone() }.bundle(&ceremony, 1);
    });
    let bytes = wire(good);
    let raw = [("a byte too many", "trailing-bytes", bytes.clone() + "00"), ("nothing", "malformed", String::new())];
    for (name, verdict, bytes) in raw {
        build.case("genesis", name, verdict, json!({ "chain": "@chain", "genesis": bytes }));
    }
    let other = json!({ "chain": Digest32::ZERO, "genesis": bytes });
    build.case("genesis", "under another chain hash", "wrong-chain", other);
}

fn light(build: &mut Build, world: &World) {
    let good = world.genesis.light(&world.committees[0]);
    build.case("light-genesis", "five members", "ok", json!({ "chain": "@chain", "light": wire(&good) }));
    let other = json!({ "chain": Digest32::ZERO, "light": wire(&good) });
    build.case("light-genesis", "under another chain hash", "wrong-chain", other);
    // Each change is under the chain hash that follows from it, but for those that break the hash.
    let mut case = |name: &str, verdict: &str, change: &dyn Fn(&mut LightGenesis)| {
        let light = with(&good, |light| change(light));
        let input = json!({ "chain": light.chain(), "light": wire(&light) });
        build.case("light-genesis", name, verdict, input);
    };
    case("other bundles", "ok", &|l| l.bundles = Digest32::ZERO);
    case("another ticket root", "ok", &|l| l.signers.ticket_root = Digest32::ZERO);
    case("of epoch 2", "wrong-committee", &|l| l.signers.epoch = 2);
    case("after an amendment", "wrong-committee", &|l| l.signers.membership = 1);
    case("a weight that the draft does not have", "wrong-committee", &|l| l.signers.signers[0].weight = 2);
    case("an identity that the draft does not have", "wrong-committee", &|l| l.signers.signers[4].identity.0[0] ^= 1);
    case("a signer left out", "wrong-committee", &|l| l.signers.signers.truncate(4));
    case("one voting key twice", "duplicate-key", &|l| {
        l.signers.signers[1].voting_key = l.signers.signers[0].voting_key
    });
    case("a draft that is refused", "bad-parameter", &|l| l.draft.parameters.schedule.window = 0);
    let mut broken = |name: &str, change: &dyn Fn(&mut LightGenesis)| {
        let light = with(&good, |light| change(light));
        build.case("light-genesis", name, "wrong-chain", json!({ "chain": "@chain", "light": wire(&light) }));
    };
    broken("other bundles under the old hash", &|l| l.bundles = Digest32::ZERO);
    broken("another voting key under the old hash", &|l| l.signers.signers[0].voting_key.0[0] ^= 1);
    broken("another grace under the old hash", &|l| l.draft.parameters.grace += 1);
}
