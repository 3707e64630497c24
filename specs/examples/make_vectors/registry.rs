//! Registrations and amendments: what a value may carry, what follows, and who the next committee is.

use beacon_spec::bundle::KeyBundle;
use beacon_spec::hash::Digest32;
use beacon_spec::keys::Signature;
use beacon_spec::message::{Amendment, Change, Registration, Value};
use beacon_spec::registry::{Registry, Rules};
use serde_json::json;

use crate::build::{Build, wire, with};
use crate::world::{Keys, SCHEDULE, World};

const WEIGHTS: [u64; 7] = [1, 1, 1, 0, 1, 1, 1];
/// Five of six approve: more than two thirds.
const QUORUM: &[u16] = &[0, 1, 2, 4, 5];
/// A network in which one member has five tickets. Members of 15 of 22 approve.
const UNEVEN: [u64; 16] = [7, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
const UNEVEN_QUORUM: &[u16] = &[0, 1, 2, 3, 4, 5, 6, 7, 8];

struct Cases {
    world: World,
    build: Build,
    /// The shared value that is the world's genesis, and who approves of amendments.
    genesis: &'static str,
    quorum: &'static [u16],
}

pub fn build() -> Build {
    let world = World::new("registry", &WEIGHTS);
    let mut build = Build::new();
    build.share("genesis", json!(wire(&world.genesis)));
    build.share("empty", json!(wire(&Registry::new(1))));
    let mut cases = Cases { world, build, genesis: "@genesis", quorum: QUORUM };
    registrations(&mut cases);
    amendments(&mut cases);
    approvals(&mut cases);
    results(&mut cases);
    hand_overs(&mut cases);
    let world = World::new("uneven registry", &UNEVEN);
    cases.build.share("uneven", json!(wire(&world.genesis)));
    let mut uneven = Cases { world, build: cases.build, genesis: "@uneven", quorum: UNEVEN_QUORUM };
    numbers_of_keys(&mut uneven);
    uneven.build
}

impl Cases {
    /// New keys of a member, as many ticket keys as it has now.
    fn keys(&self, member: u16) -> Keys {
        let now = &self.world.keys[0][usize::from(member)];
        Keys { identity: now.identity.clone(), ..Keys::new(200 + u64::from(member), 2, now.tickets.len()) }
    }

    fn bundle(&self, member: u16) -> KeyBundle {
        self.keys(member).bundle(&self.world.chain, 2)
    }

    fn registrations(&self, members: &[u16]) -> Vec<Registration> {
        members.iter().map(|member| Registration { member: *member, bundle: self.bundle(*member) }).collect()
    }

    /// A member that is not in the committee yet.
    fn stranger(&self) -> Keys {
        Keys::new(100, 2, 3)
    }

    fn join(&self, weight: u64) -> Change {
        let keys = self.stranger();
        let bundle = keys.bundle(&self.world.chain, 2);
        Change::Add { identity: keys.identity.identity(), weight, bundle }
    }

    fn identity(&self, member: u16) -> beacon_spec::keys::IdentityKey {
        self.keys(member).identity.identity()
    }

    fn amendment(&self, changes: Vec<Change>) -> Amendment {
        let mut amendment = Amendment { follows: 0, expires: 2, changes, approvals: Vec::new() };
        self.quorum.iter().for_each(|member| self.approve(&mut amendment, *member));
        amendment
    }

    fn approve(&self, amendment: &mut Amendment, member: u16) {
        amendment.approve(&self.world.chain, member, &self.keys(member).identity);
    }

    /// The amendment changed and approved again.
    fn amended(&self, amendment: &Amendment, change: impl FnOnce(&mut Amendment)) -> Amendment {
        let mut amendment = with(amendment, change);
        amendment.approvals.clear();
        self.quorum.iter().for_each(|member| self.approve(&mut amendment, *member));
        amendment
    }

    fn rules(&self) -> Rules<'_> {
        let registrations_per_value = self.world.genesis.draft.parameters.registrations_per_value;
        Rules { chain: &self.world.chain, schedule: &SCHEDULE, registrations_per_value, exempt: false }
    }

    /// What a value with these makes of `before`, judged with the hash that it should have if it is accepted.
    fn case(
        &mut self,
        name: &str,
        verdict: &str,
        (before, window): (&Registry, u64),
        registrations: Vec<Registration>,
        amendment: Option<Amendment>,
    ) -> Registry {
        let mut after = before.clone();
        after.registered.extend(registrations.clone());
        after.registered.sort_by_key(|registration| registration.member);
        after.pending = amendment.clone().or(after.pending);
        let value = Value { window, epoch: 1, set: Vec::new(), registrations, amendment, registry: after.hash() };
        let right = before.after(&value, self.world.committee(1), &self.rules());
        self.add(name, verdict, before, &value);
        right.unwrap_or_else(|_| before.clone())
    }

    fn add(&mut self, name: &str, verdict: &str, before: &Registry, value: &Value) {
        let input = json!({ "genesis": self.genesis, "registry": wire(before), "value": wire(value) });
        self.build.case("registry", name, verdict, input);
    }
}

fn registrations(cases: &mut Cases) {
    let empty = Registry::new(1);
    let at = (&empty, 1);
    let none: Vec<Registration> = Vec::new();
    cases.case("nothing", "ok", at, none.clone(), None);
    cases.case("nothing, in the last window", "ok", (&empty, 4), none, None);
    let two = cases.registrations(&[1, 4]);
    let after = cases.case("two registrations", "ok", at, two.clone(), None);
    let more = cases.registrations(&[0, 3]);
    cases.case("two more", "ok", (&after, 2), more, None);
    cases.case("in the last window but two", "ok", (&empty, 2), two.clone(), None);
    cases.case("in the last window but one", "not-allowed-here", (&empty, 3), two.clone(), None);
    cases.case("in the last window", "not-allowed-here", (&empty, 4), two.clone(), None);
    cases.case("a second time", "duplicate-key", (&after, 2), two[..1].to_vec(), None);
    let again = Keys { identity: cases.keys(1).identity, ..Keys::new(300, 2, 3) }.bundle(&cases.world.chain, 2);
    let again = vec![Registration { member: 1, bundle: again }];
    cases.case("a second time with other keys", "duplicate-key", (&after, 2), again, None);
    let bare = Keys { tickets: Vec::new(), ..cases.keys(3) }.bundle(&cases.world.chain, 2);
    let bare = vec![Registration { member: 3, bundle: bare }; 17];
    cases.case("one more than a value may carry", "bad-count", at, bare, None);
    cases.case("out of order", "not-sorted", at, vec![two[1].clone(), two[0].clone()], None);
    cases.case("one twice", "not-sorted", at, vec![two[0].clone(), two[0].clone()], None);
    let mut one = |name: &str, verdict: &str, change: &dyn Fn(&Cases, &mut Registration)| {
        let registration = with(&two[0], |registration| change(cases, registration));
        cases.case(name, verdict, at, vec![registration], None);
    };
    one("a member that is not there", "unknown-member", &|_, r| r.member = 7);
    one("another member's bundle", "bad-signature", &|_, r| r.member = 2);
    one("a bundle for this epoch", "wrong-epoch", &|c, r| r.bundle = c.keys(1).bundle(&c.world.chain, 1));
    one("a bundle for the epoch after next", "wrong-epoch", &|c, r| r.bundle = c.keys(1).bundle(&c.world.chain, 3));
    one("a bundle bound to the ceremony", "bad-signature", &|c, r| {
        r.bundle = c.keys(1).bundle(&c.world.genesis.draft.ceremony(), 2);
    });
    one("too few ticket keys", "too-few-ticket-keys", &|c, r| {
        r.bundle = Keys { tickets: Vec::new(), ..c.keys(1) }.bundle(&c.world.chain, 2);
    });
    one("ticket keys in force", "duplicate-key", &|c, r| {
        r.bundle = Keys { tickets: c.world.keys[0][0].tickets.clone(), ..c.keys(1) }.bundle(&c.world.chain, 2);
    });
    one("the voting key in force", "duplicate-key", &|c, r| {
        r.bundle = Keys { voting: c.world.keys[0][1].voting.clone(), ..c.keys(1) }.bundle(&c.world.chain, 2);
    });
    let copied = Keys { tickets: cases.keys(1).tickets.clone(), ..cases.keys(4) }.bundle(&cases.world.chain, 2);
    let both = vec![two[0].clone(), Registration { member: 4, bundle: copied.clone() }];
    cases.case("one ticket key of two members in one value", "duplicate-key", at, both, None);
    let first = cases.registrations(&[1]);
    let after_first = cases.case("one registration", "ok", at, first, None);
    let copy = vec![Registration { member: 4, bundle: copied }];
    cases.case("a ticket key registered before", "duplicate-key", (&after_first, 2), copy, None);
    let wrong = Value {
        window: 1,
        epoch: 1,
        set: Vec::new(),
        registrations: two,
        amendment: None,
        registry: Registry::new(1).hash(),
    };
    cases.add("the hash of the registry before", "wrong-registry", &empty, &wrong);
    cases.add(
        "another hash without any change",
        "wrong-registry",
        &empty,
        &Value { registrations: Vec::new(), registry: Digest32::ZERO, ..wrong },
    );
}

/// Four keys a ticket, in force or pending, or sixteen.
fn numbers_of_keys(cases: &mut Cases) {
    let empty = Registry::new(1);
    let register = |cases: &Cases, member: u16, count: u64| {
        let keys = Keys { identity: cases.keys(member).identity, ..Keys::new(400 + count, 2, count as usize) };
        vec![Registration { member, bundle: keys.bundle(&cases.world.chain, 2) }]
    };
    let mut case = |name: &str, verdict: &str, member: u16, count: u64, amendment: Option<Amendment>| {
        let registrations = register(cases, member, count);
        cases.case(name, verdict, (&empty, 1), registrations, amendment);
    };
    case("sixteen keys for one ticket", "ok", 1, 16, None);
    case("seventeen keys for one ticket", "bad-count", 1, 17, None);
    case("twenty keys for five tickets", "ok", 0, 20, None);
    case("twenty-one keys for five tickets", "bad-count", 0, 21, None);
    let weight = |member: u16, weight| Change::Weight { identity: cases.identity(member), weight };
    let grown = cases.amendment(vec![weight(0, 1), weight(1, 7)]);
    let mut case = |name: &str, verdict: &str, member: u16, count: u64| {
        let registrations = register(cases, member, count);
        cases.case(name, verdict, (&empty, 1), registrations, Some(grown.clone()));
    };
    case("twenty keys for five pending tickets", "ok", 1, 20);
    case("twenty-one keys for five pending tickets", "bad-count", 1, 21);
}

fn amendments(cases: &mut Cases) {
    let empty = Registry::new(1);
    let (at, none) = ((&empty, 1), Vec::new());
    let join = cases.amendment(vec![cases.join(1)]);
    let pending = cases.case("somebody joins", "ok", at, none.clone(), Some(join.clone()));
    let registrations = cases.registrations(&[0, 1]);
    cases.case("with registrations in the same value", "ok", at, registrations.clone(), Some(join.clone()));
    cases.case("registrations after it", "ok", (&pending, 2), registrations, None);
    cases.case("a second one", "not-allowed-here", (&pending, 2), none.clone(), Some(join.clone()));
    cases.case(
        "an amendment in the last window but one",
        "not-allowed-here",
        (&empty, 3),
        none.clone(),
        Some(join.clone()),
    );
    let mut one = |name: &str, verdict: &str, change: &dyn Fn(&Cases, &mut Amendment)| {
        let amendment = cases.amended(&join, |amendment| change(cases, amendment));
        cases.case(name, verdict, at, Vec::new(), Some(amendment));
    };
    one("expiring in this window", "ok", &|_, a| a.expires = 1);
    one("expired", "expired", &|_, a| a.expires = 0);
    one("following another membership", "expired", &|_, a| a.follows = 1);
    one("no change", "bad-count", &|_, a| a.changes.clear());
    one("65 changes", "bad-count", &|c, a| {
        a.changes = (0..65).map(|_| Change::Remove { identity: c.identity(0) }).collect();
    });
    one("64 changes, all of one member", "duplicate-key", &|c, a| {
        a.changes = (0..64).map(|_| Change::Remove { identity: c.identity(0) }).collect();
    });
    one("a joiner's bundle for another epoch", "wrong-epoch", &|c, a| {
        let keys = c.stranger();
        let bundle = keys.bundle(&c.world.chain, 3);
        a.changes = vec![Change::Add { identity: keys.identity.identity(), weight: 1, bundle }];
    });
    one("a joiner with a ticket key in force", "duplicate-key", &|c, a| {
        let keys = Keys { tickets: c.world.keys[0][0].tickets.clone(), ..c.stranger() };
        let bundle = keys.bundle(&c.world.chain, 2);
        a.changes = vec![Change::Add { identity: keys.identity.identity(), weight: 1, bundle }];
    });
    one("weight and removal of one member", "duplicate-key", &|c, a| {
        a.changes =
            vec![Change::Weight { identity: c.identity(0), weight: 1 }, Change::Remove { identity: c.identity(0) }];
    });
    one("a member that is there joins", "duplicate-key", &|c, a| {
        a.changes = vec![Change::Add { identity: c.identity(5), weight: 1, bundle: c.bundle(5) }];
    });
    one("a stranger leaves", "unknown-member", &|c, a| {
        a.changes = vec![Change::Remove { identity: c.stranger().identity.identity() }];
    });
    one("a stranger's weight", "unknown-member", &|c, a| {
        a.changes = vec![Change::Weight { identity: c.stranger().identity.identity(), weight: 1 }];
    });
}

fn approvals(cases: &mut Cases) {
    let empty = Registry::new(1);
    let good = cases.amendment(vec![cases.join(1)]);
    let mut case = |name: &str, verdict: &str, change: &dyn Fn(&Cases, &mut Amendment)| {
        let amendment = with(&good, |amendment| change(cases, amendment));
        cases.case(name, verdict, (&empty, 1), Vec::new(), Some(amendment));
    };
    case("approved by all", "ok", &|c, a| [3, 6].iter().for_each(|member| c.approve(a, *member)));
    case("approved by exactly two thirds", "no-approval", &|_, a| a.approvals.truncate(4));
    case("approved by two thirds and one without weight", "no-approval", &|c, a| {
        a.approvals.pop();
        c.approve(a, 3);
    });
    case("approved by nobody", "no-approval", &|_, a| a.approvals.clear());
    case("approvals out of order", "not-sorted", &|_, a| a.approvals.swap(0, 1));
    case("one approval twice", "not-sorted", &|_, a| a.approvals[1] = a.approvals[0]);
    case("an approval of nobody", "unknown-member", &|_, a| a.approvals.push((7, Signature([0; 64]))));
    case("an approval of another", "bad-signature", &|_, a| a.approvals[1].1 = a.approvals[0].1);
    case("an approval by a voting key", "bad-signature", &|c, a| {
        a.approvals[0].1 = c.world.keys[0][0].voting.sign(&a.digest(&c.world.chain));
    });
    case("an approval for another chain", "bad-signature", &|c, a| {
        a.approvals[0].1 = c.keys(0).identity.sign(&a.digest(&Digest32::ZERO));
    });
    case("an expiry that was not approved", "bad-signature", &|_, a| a.expires = 9);
    case("a change that was not approved", "bad-signature", &|c, a| {
        a.changes = vec![Change::Remove { identity: c.identity(0) }]
    });
}

fn results(cases: &mut Cases) {
    let empty = Registry::new(1);
    let mut case = |name: &str, verdict: &str, changes: Vec<Change>| {
        let amendment = cases.amendment(changes);
        cases.case(name, verdict, (&empty, 1), Vec::new(), Some(amendment));
    };
    let identities: Vec<_> =
        (0..7).map(|member| World::new("registry", &WEIGHTS).genesis.draft.members[member].identity).collect();
    let weight = |member: usize, weight| Change::Weight { identity: identities[member], weight };
    let remove = |member: usize| Change::Remove { identity: identities[member] };
    case("two leave", "ok", vec![remove(0), remove(5)]);
    case("one is given no weight", "ok", vec![weight(0, 0)]);
    case("one without weight is given some", "ok", vec![weight(3, 1)]);
    let uneven = [9, 4, 20, 23, 6, 4, 8].into_iter().enumerate().map(|(member, given)| weight(member, given));
    case("one needs more ticket keys than it has", "too-few-ticket-keys", uneven.collect());
    case("a weight above a million", "bad-weight", vec![weight(0, 1_000_001)]);
    case("one becomes too heavy", "too-heavy", vec![weight(0, 3)]);
    case("too few are left", "too-heavy", vec![remove(0), remove(1), remove(2)]);
    case("nobody is left", "bad-count", (0..7).map(remove).collect());
    case("nobody with weight is left", "bad-total", (0..7).map(|member| weight(member, 0)).collect());
}

fn hand_overs(cases: &mut Cases) {
    let empty = Registry::new(1);
    let join = cases.amendment(vec![cases.join(1)]);
    let mut case = |name: &str, members: &[u16], amendment: Option<&Amendment>| {
        let registered = cases.registrations(members);
        let registry = Registry { registered, pending: amendment.cloned(), ..empty.clone() };
        cases.build.case("next-committee", name, "ok", json!({ "genesis": "@genesis", "registry": wire(&registry) }));
    };
    case("nobody registered", &[], None);
    case("two registered", &[1, 4], None);
    case("all registered", &[0, 1, 2, 3, 4, 5, 6], None);
    case("an amendment and all registered", &[0, 1, 2, 3, 4, 5, 6], Some(&join));
    case("an amendment and five registered", &[0, 1, 2, 4, 5], Some(&join));
    case("an amendment and four registered", &[0, 1, 2, 4], Some(&join));
    case("an amendment and nobody registered", &[], Some(&join));
}
