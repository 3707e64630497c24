"""Chapters keys, bundle, committee, genesis, registry: who counts how much, with which keys."""

from . import curve, pvss, wire
from .hashing import framed, h256, tree_root, u16, u32, u64
from .plan import last_window_of_epoch, epoch_of_window, threshold, tickets
from .rules import Reject, bind, cached, need, on

MAX_MEMBERS, MAX_WEIGHT, MAX_TICKET_KEYS, MAX_CHANGES = 512, 1_000_000, 683, 64


def is_quorum(weight, total):
    return 3 * weight > 2 * total if on("committee-3 strictly above two thirds") else 3 * weight >= 2 * total


# bundle.md


def _bundle_digest(tag, scope, identity, bundle):
    keys = b"".join(
        ticket["key"] + bind("bundle-2 proofs", ticket["proof"]["challenge"] + ticket["proof"]["response"])
        for ticket in bundle["ticket_keys"]
    )
    return h256(
        tag,
        bind("bundle-2 scope", scope),
        bind("bundle-2 identity", identity),
        bind("bundle-2 epoch", u64(bundle["epoch"])),
        bind("bundle-2 voting key", bundle["voting_key"]),
        bind("bundle-2 count", u32(len(bundle["ticket_keys"]))),
        bind("bundle-2 ticket keys", keys),
    )


def possession_context(scope, identity, epoch):
    return h256(
        "beacon/1/ticket-key-proof",
        bind("bundle-1 scope", scope),
        bind("bundle-1 identity", identity),
        bind("bundle-1 epoch", u64(epoch)),
    )


def verify_bundle(bundle, scope, identity, epoch):
    """[bundle-3]"""
    need("bundle-3 epoch", bundle["epoch"] == epoch, "wrong-epoch")
    need("bundle-3 number of ticket keys", len(bundle["ticket_keys"]) <= MAX_TICKET_KEYS, "bad-count")
    if on("bundle-3 identity signature"):
        curve.verify(identity, _bundle_digest("beacon/1/bundle", scope, identity, bundle), bundle["signature"])
    if on("bundle-3 voting key"):
        curve.public_key(bundle["voting_key"])
    digest = _bundle_digest("beacon/1/bundle-voting-key", scope, identity, bundle)
    try:
        curve.verify(bundle["voting_key"], digest, bundle["voting_proof"])
    except Reject:
        need("bundle-3 voting proof", False, "bad-possession")
    around = possession_context(scope, identity, epoch)
    for k, ticket in enumerate(bundle["ticket_keys"]):
        if on("bundle-3 possession"):
            proof = ticket["proof"]
            pvss.verify_possession(ticket["key"], around, k, proof["challenge"], proof["response"])
    keys = [ticket["key"] for ticket in bundle["ticket_keys"]]
    need("bundle-4 no key twice", len(set(keys)) == len(keys), "duplicate-key")


# committee.md


def list_hash(signers):
    """[committee-1]"""
    leaves = [
        h256(
            "beacon/1/signer",
            bind("committee-1 index", u16(i)),
            bind("committee-1 identity", signer["identity"]),
            bind("committee-1 weight", u64(signer["weight"])),
            bind("committee-1 voting key", signer["voting_key"]),
        )
        for i, signer in enumerate(signers["signers"])
    ]
    return h256(
        "beacon/1/committee",
        bind("committee-1 epoch", u64(signers["epoch"])),
        bind("committee-1 membership number", u64(signers["membership"])),
        bind("committee-1 count", u32(len(leaves))),
        bind("committee-1 signer root", tree_root(leaves)),
        bind("committee-1 ticket root", signers["ticket_root"]),
    )


class Signers:
    """A judged signer list. [committee-2]"""

    def __init__(self, signers):
        entries = signers["signers"]
        need("committee-2 number of signers", 1 <= len(entries) <= MAX_MEMBERS, "bad-count")
        order = [entry["identity"] for entry in entries]
        need("committee-2 order", all(a < b for a, b in zip(order, order[1:])), "not-sorted")
        need("committee-2 weights", all(entry["weight"] <= MAX_WEIGHT for entry in entries), "bad-weight")
        self.total = sum(entry["weight"] for entry in entries)
        need("committee-2 some weight", self.total > 0, "bad-total")
        keys = [entry["voting_key"] for entry in entries]
        need("committee-2 no voting key twice", len(set(keys)) == len(keys), "duplicate-key")
        if on("committee-2 voting keys"):
            for key in keys:
                curve.public_key(key)
        self.list, self.hash, self.epoch = signers, list_hash(signers), signers["epoch"]
        self.weights = [entry["weight"] for entry in entries]
        self.keys, self.identities = keys, order

    def voting_key(self, member):
        need("committee-2 member is there", member < len(self.keys), "unknown-member")
        need("committee-2 member has weight", self.weights[member % len(self.keys)] > 0, "no-weight")
        return self.keys[member % len(self.keys)]

    def weight(self, member):
        return self.weights[member] if member < len(self.weights) else 0

    def is_quorum(self, weight):
        return is_quorum(weight, self.total)


class Committee:
    """[committee-4] and [committee-5]"""

    def __init__(self, epoch, membership, members, exempt):
        weights = tuple(member["weight"] for member in members)
        total = sum(weights)
        light = exempt or all(3 * weight < total for weight in weights)
        need("committee-4 nobody too heavy", light, "too-heavy")
        need("committee-4 number of members", 1 <= len(members) <= MAX_MEMBERS, "bad-count")
        need("committee-4 weights", all(weight <= MAX_WEIGHT for weight in weights), "bad-weight")
        self.members, self.tickets = members, tickets(weights)
        keys, leaves, self.owners = [], [], []
        for i, (member, count) in enumerate(zip(members, self.tickets)):
            bundle = member["bundle"]
            held = [ticket["key"] for ticket in bundle["ticket_keys"]]
            need("committee-4 ticket keys enough", len(held) >= count, "too-few-ticket-keys")
            keys += held[:count]
            self.owners += [i] * count
            spare = held if on("committee-5 spare keys") else held[:count]
            leaf = (
                bind("committee-5 index", u16(i)),
                bind("committee-5 tickets", u32(count)),
                bind("committee-5 epoch of the bundle", u64(bundle["epoch"])),
                bind("committee-5 number of keys", u32(len(held))),
                bind("committee-5 keys", b"".join(spare)),
            )
            leaves.append(h256("beacon/1/ticket-keys", *leaf))
        everything = [ticket["key"] for member in members for ticket in member["bundle"]["ticket_keys"]]
        need("committee-4 no ticket key twice", len(set(everything)) == len(everything), "duplicate-key")
        signers = [
            {"identity": m["identity"], "weight": m["weight"], "voting_key": m["bundle"]["voting_key"]} for m in members
        ]
        root = tree_root(leaves)
        self.signers = Signers({"epoch": epoch, "membership": membership, "signers": signers, "ticket_root": root})
        pvss.ticket_set(tuple(keys))
        self.keys, self.epoch, self.membership = tuple(keys), epoch, membership
        self.ticket_root, self.hash = root, self.signers.hash

    def threshold(self):
        return threshold(len(self.keys))


# genesis.md


def ceremony(draft):
    """[genesis-3]"""
    return h256("beacon/1/ceremony", bind("genesis-3 draft", framed(wire.encode(wire.DRAFT, draft))))


def check_parameters(p, members):
    """[genesis-2]"""
    s = p["schedule"]
    need("genesis-2 window", 1 <= s["window"] <= 64, "bad-parameter")
    need("genesis-2 epoch", 4 <= s["epoch_windows"] <= 2**32, "bad-parameter")
    need("genesis-2 period", s["period"] <= 366 * 86_400_000, "bad-parameter")
    need("genesis-2 genesis time", s["genesis_time"] <= 2**52, "bad-parameter")
    half = s["period"] == 0 or p["catch_up_interval"] <= s["period"] // 2
    need("genesis-2 catch-up within half a period", half, "bad-parameter")
    need("genesis-2 catch-up interval", p["catch_up_interval"] <= 60_000, "bad-parameter")
    need("genesis-2 lead", p["lead"] <= 3_600_000, "bad-parameter")
    need("genesis-2 recovery delay", p["recovery_delay"] <= 60_000, "bad-parameter")
    need("genesis-2 grace", p["grace"] <= 60_000, "bad-parameter")
    room = s["epoch_windows"] * p["registrations_per_value"] >= 4 * members
    need("genesis-2 room for registrations", room, "bad-parameter")


def check_draft(draft):
    """[genesis-1]"""
    members = draft["members"]
    need("genesis-1 version", draft["version"] == 1, "unknown-version")
    need("genesis-1 name", 1 <= len(draft["name"].encode()) <= 64, "bad-count")
    need("genesis-1 number of members", 1 <= len(members) <= MAX_MEMBERS, "bad-count")
    order = [member["identity"] for member in members]
    need("genesis-1 order", all(a < b for a, b in zip(order, order[1:])), "not-sorted")
    weights = [member["weight"] for member in members]
    need("genesis-1 weights", all(weight <= MAX_WEIGHT for weight in weights), "bad-weight")
    need("genesis-1 some weight", sum(weights) > 0, "bad-total")
    light = draft["parameters"]["development_exemption"] or all(3 * weight < sum(weights) for weight in weights)
    need("genesis-1 nobody too heavy", light, "too-heavy")
    check_parameters(draft["parameters"], len(members))


def chain_hash(draft, signers, bundles):
    """[genesis-5]"""
    return h256(
        "beacon/1/chain",
        bind("genesis-5 ceremony", ceremony(draft)),
        bind("genesis-5 committee", list_hash(signers)),
        bind("genesis-5 bundles", bundles),
    )


@cached
def open_genesis(data):
    """[genesis-4] Gives the genesis, its committee, the chain hash and the light genesis."""
    genesis = wire.decode("Genesis", data, 40 << 20)
    draft, bundles = genesis["draft"], genesis["bundles"]
    check_draft(draft)
    need("genesis-4 one bundle a member", len(bundles) == len(draft["members"]), "bad-count")
    scope = ceremony(draft)
    members = []
    for member, bundle in zip(draft["members"], bundles):
        if on("genesis-4 bundles"):
            verify_bundle(bundle, scope, member["identity"], 1)
        members.append({"identity": member["identity"], "weight": member["weight"], "bundle": bundle})
    committee = Committee(1, 0, members, draft["parameters"]["development_exemption"])
    root = h256("beacon/1/bundles", framed(wire.encode(wire.vec(wire.KEY_BUNDLE), bundles)))
    light = {"draft": draft, "signers": committee.signers.list, "bundles": root}
    return genesis, committee, chain_hash(draft, committee.signers.list, root), light


def check_light(light, chain):
    found = chain_hash(light["draft"], light["signers"], light["bundles"])
    need("genesis-5 chain hash", found == chain, "wrong-chain")
    check_draft(light["draft"])
    signers = light["signers"]
    same = [(m["identity"], m["weight"]) for m in light["draft"]["members"]]
    listed = [(s["identity"], s["weight"]) for s in signers["signers"]]
    first = signers["epoch"] == 1 and signers["membership"] == 0
    need("genesis-5 signers of the draft", listed == same, "wrong-committee")
    need("genesis-5 first epoch", first, "wrong-committee")
    return Signers(signers)


# registry.md


def registry_hash(registry):
    """[registry-4]"""
    fields = [bind("registry-4 epoch", u64(registry["epoch"])), u32(len(registry["registered"]))]
    for registration in registry["registered"]:
        fields.append(bind("registry-4 registrations", framed(wire.encode(wire.REGISTRATION, registration))))
    if registry["pending"] is None:
        fields.append(u32(0))
    else:
        fields.append(u32(1))
        fields.append(bind("registry-4 amendment", framed(wire.encode(wire.AMENDMENT, registry["pending"]))))
    return h256("beacon/1/registry", *fields)


def amendment_digest(amendment, chain):
    """[registry-1]"""
    return h256(
        "beacon/1/amendment",
        bind("registry-1 chain", chain),
        bind("registry-1 membership number", u64(amendment["follows"])),
        bind("registry-1 expiry", u64(amendment["expires"])),
        bind("registry-1 changes", framed(wire.encode(wire.vec(wire.CHANGE), amendment["changes"]))),
    )


def _check_approvals(amendment, chain, committee):
    """[registry-2]"""
    approvals = amendment["approvals"]
    order = [member for member, _ in approvals]
    need("registry-2 order", all(a < b for a, b in zip(order, order[1:])), "not-sorted")
    digest, weight = amendment_digest(amendment, chain), 0
    for member, signature in approvals:
        if member >= len(committee.members):
            need("registry-2 member is there", False, "unknown-member")
            continue
        if on("registry-2 signatures"):
            curve.verify(committee.signers.identities[member], digest, signature)
        weight += committee.signers.weight(member)
    need("registry-2 quorum", committee.signers.is_quorum(weight), "no-approval")


class Growing:
    """A registry while a value is judged."""

    def __init__(self, registry, committee, chain, exempt):
        self.registry = {**registry, "registered": list(registry["registered"])}
        self.committee, self.chain, self.exempt = committee, chain, exempt
        bundles = [member["bundle"] for member in committee.members] if on("registry-3 keys in force") else []
        if on("registry-3 keys registered"):
            bundles += [registration["bundle"] for registration in registry["registered"]]
        for kind, change in (registry["pending"] or {"changes": []})["changes"]:
            bundles += [change["bundle"]] if kind == "Add" else []
        self.ticket_keys = {ticket["key"] for bundle in bundles for ticket in bundle["ticket_keys"]}
        self.voting_keys = {bundle["voting_key"] for bundle in bundles}

    def take(self, bundle):
        """[registry-3]"""
        keys = {ticket["key"] for ticket in bundle["ticket_keys"]}
        need("registry-3 ticket keys new", not keys & self.ticket_keys, "duplicate-key")
        need("registry-3 voting key new", bundle["voting_key"] not in self.voting_keys, "duplicate-key")
        self.ticket_keys |= keys
        self.voting_keys.add(bundle["voting_key"])

    def amend(self, amendment, window):
        """[registry-8]"""
        need("registry-8 one at a time", self.registry["pending"] is None, "not-allowed-here")
        need("registry-8 membership number", amendment["follows"] == self.committee.membership, "expired")
        need("registry-8 expiry", window <= amendment["expires"], "expired")
        need("registry-8 number of changes", 1 <= len(amendment["changes"]) <= MAX_CHANGES, "bad-count")
        _check_approvals(amendment, self.chain, self.committee)
        for kind, change in amendment["changes"]:
            if kind == "Add":
                if on("registry-8 bundles of joiners"):
                    verify_bundle(change["bundle"], self.chain, change["identity"], self.registry["epoch"] + 1)
                self.take(change["bundle"])
        self.registry["pending"] = amendment

    def register(self, registration):
        """[registry-7]"""
        member, bundle = registration["member"], registration["bundle"]
        need("registry-7 members only", member < len(self.committee.members), "unknown-member")
        member = min(member, len(self.committee.members) - 1)
        known = [other["member"] for other in self.registry["registered"]]
        need("registry-7 once an epoch", registration["member"] not in known, "duplicate-key")
        if on("registry-7 bundle"):
            identity = self.committee.signers.identities[member]
            verify_bundle(bundle, self.chain, identity, self.registry["epoch"] + 1)
        enough = len(bundle["ticket_keys"]) >= self.committee.tickets[member]
        need("registry-7 ticket keys for the tickets in force", enough, "too-few-ticket-keys")
        keys = len(bundle["ticket_keys"])
        few = keys <= max(16, 4 * self.committee.tickets[member]) or keys <= 4 * self.pending_tickets(member)
        need("registry-7 not many more ticket keys", few, "bad-count")
        self.take(bundle)
        self.registry["registered"].append(registration)
        self.registry["registered"].sort(key=lambda other: other["member"])

    def pending_tickets(self, member):
        if self.registry["pending"] is None or not on("registry-7 tickets under the pending amendment"):
            return 0
        members = self.amended()
        identities = [other["identity"] for other in members]
        identity = self.committee.signers.identities[member]
        weights = tuple(other["weight"] for other in members)
        return tickets(weights)[identities.index(identity)] if identity in identities else 0

    def carried(self):
        """[registry-12]"""
        bundles = {other["member"]: other["bundle"] for other in self.registry["registered"]}
        if not on("registry-12 registered bundles"):
            bundles = {}
        return [{**member, "bundle": bundles.get(i, member["bundle"])} for i, member in enumerate(self.committee.members)]

    def amended(self):
        """[registry-9]"""
        members = {member["identity"]: member for member in self.carried()}
        named = set()
        for kind, change in (self.registry["pending"] or {"changes": []})["changes"]:
            identity, weight = change["identity"], change.get("weight", 0)
            need("registry-9 one change a member", identity not in named, "duplicate-key")
            named.add(identity)
            need("registry-9 weights", weight <= MAX_WEIGHT, "bad-weight")
            if kind == "Add":
                need("registry-9 joiners are new", identity not in members, "duplicate-key")
                members[identity] = {"identity": identity, "weight": weight, "bundle": change["bundle"]}
                continue
            need("registry-9 others are members", identity in members, "unknown-member")
            if kind == "Remove":
                members.pop(identity, None)
            elif identity in members:
                members[identity] = {**members[identity], "weight": weight}
        return [members[identity] for identity in sorted(members)]

    def check_result(self):
        """[registry-10]"""
        members = self.amended()
        need("registry-10 number of members", 1 <= len(members) <= MAX_MEMBERS, "bad-count")
        weights = tuple(member["weight"] for member in members)
        need("registry-10 some weight", sum(weights) > 0, "bad-total")
        light = self.exempt or all(3 * weight < sum(weights) for weight in weights)
        need("registry-10 nobody too heavy", light, "too-heavy")
        held = [len(member["bundle"]["ticket_keys"]) for member in members]
        enough = all(have >= count for have, count in zip(held, tickets(weights)))
        need("registry-10 ticket keys enough", enough, "too-few-ticket-keys")

    def holds(self):
        """[registry-11]"""
        if self.registry["pending"] is None:
            return False
        members = self.amended()
        registered = {self.committee.signers.identities[other["member"]] for other in self.registry["registered"]}
        alive = sum(member["weight"] for member in members if member["identity"] in registered)
        enough = is_quorum(alive, sum(member["weight"] for member in members))
        return enough or not on("registry-11 members that registered")

    def next_committee(self):
        """[registry-12]"""
        epoch, number = self.committee.epoch + 1, self.committee.membership
        if self.holds():
            return Committee(epoch, number + 1, self.amended(), self.exempt)
        return Committee(epoch, number, self.carried(), self.exempt)


def registry_after(registry, value, committee, chain, parameters):
    """[registry-6]"""
    schedule = parameters["schedule"]
    carries = value["registrations"] or value["amendment"] is not None
    last = last_window_of_epoch(schedule, epoch_of_window(schedule, value["window"]))
    open_ = value["window"] + 2 <= last
    need("registry-5 not in the last two windows", not carries or open_, "not-allowed-here")
    limit = parameters["registrations_per_value"]
    need("registry-6 number of registrations", len(value["registrations"]) <= limit, "bad-count")
    growing = Growing(registry, committee, chain, parameters["development_exemption"])
    if value["amendment"] is not None:
        growing.amend(value["amendment"], value["window"])
    order = [registration["member"] for registration in value["registrations"]]
    need("registry-6 order", all(a < b for a, b in zip(order, order[1:])), "not-sorted")
    for registration in value["registrations"]:
        growing.register(registration)
    if growing.registry["pending"] is not None:
        growing.check_result()
    found = registry_hash(growing.registry)
    need("registry-6 hash", found == value["registry"], "wrong-registry")
    return found
