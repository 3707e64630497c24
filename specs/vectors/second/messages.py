"""Chapters messages.md and consensus.md: what members sign and send."""

from . import curve, pvss
from .hashing import framed, h256, tree_root, u16, u32, u64
from .members import is_quorum
from .plan import rounds_of
from .rules import bind, need, on


# messages.md


def commitment_hash(body, chain):
    """[commit-1]"""
    return h256(
        "beacon/1/commitment",
        bind("commit-1 chain", chain),
        bind("commit-1 epoch", u64(body["epoch"])),
        bind("commit-1 window", u64(body["window"])),
        bind("commit-1 member", u16(body["member"])),
        bind("commit-1 root", body["root"]),
    )


def dealings_root(hashes):
    """[commit-2]"""
    return h256("beacon/1/dealing-root", bind("commit-2 count", u32(len(hashes))), tree_root(hashes))


def check_commitment(commitment, chain, committee, schedule, window):
    """[commit-3], then every dealing. Gives the commitment hash and the dealing hashes."""
    body, dealings = commitment["signed"]["body"], commitment["dealings"]
    need("commit-3 window", body["window"] == window, "wrong-window")
    need("commit-3 epoch", body["epoch"] == committee.epoch, "wrong-epoch")
    need("commit-3 number of dealings", len(dealings) == schedule["window"], "bad-count")
    key = committee.signers.voting_key(body["member"])
    if on("commit-3 signature"):
        curve.verify(key, commitment_hash(body, chain), commitment["signed"]["signature"])
    first = rounds_of(schedule, window)[0]
    around = [
        pvss.context(chain, committee.epoch, committee.hash, first + i, body["member"]) for i in range(len(dealings))
    ]
    hashes = [pvss.dealing_hash(*both) for both in zip(around, dealings)]
    need("commit-3 root", dealings_root(hashes) == body["root"], "wrong-root")
    for context, dealing in zip(around, dealings):
        if on("deal-1 dealings verify"):
            pvss.verify(dealing, context, committee.keys)
    return commitment_hash(body, chain), hashes


def ready_digest(chain, round_, member):
    """[open-2]"""
    return h256(
        "beacon/1/ready",
        bind("open-2 chain", chain),
        bind("open-2 round", u64(round_)),
        bind("open-2 member", u16(member)),
    )


def vote_digest_of_header(chain, round_, header):
    """[certify-1]"""
    return h256(
        "beacon/1/header-vote",
        bind("certify-1 chain", chain),
        bind("certify-1 round", u64(round_)),
        bind("certify-1 header hash", header),
    )


def check_value(value, committee, window):
    """[agree-1]"""
    need("agree-1 window", value["window"] == window, "wrong-window")
    need("agree-1 epoch", value["epoch"] == committee.epoch, "wrong-epoch")
    order = [entry["member"] for entry in value["set"]]
    need("agree-1 order", all(a < b for a, b in zip(order, order[1:])), "not-sorted")
    weight = 0
    for member in order:
        committee.signers.voting_key(member)
        weight += committee.signers.weight(member)
    need("agree-1 quorum", committee.signers.is_quorum(weight), "no-quorum")


# consensus.md


def value_id(value):
    """[consensus-1]"""
    return h256("beacon/1/value", bind("consensus-1 value", framed(value)))


def vote_digest(chain, kind, height, round_, choice, member):
    """[consensus-2]"""
    return h256(
        "beacon/1/vote",
        bind("consensus-2 chain", chain),
        bind("consensus-2 kind", {"Prevote": b"\1", "Precommit": b"\2"}[kind]),
        bind("consensus-2 height", u64(height)),
        bind("consensus-2 round", u32(round_)),
        bind("consensus-2 choice", bytes([choice is not None])),
        bind("consensus-2 value", choice or bytes(32)),
        bind("consensus-2 member", u16(member)),
    )


def proposal_digest(chain, proposal):
    """[consensus-4]"""
    lock = proposal["pol_round"]
    return h256(
        "beacon/1/proposal",
        bind("consensus-4 chain", chain),
        bind("consensus-4 height", u64(proposal["height"])),
        bind("consensus-4 round", u32(proposal["round"])),
        bind("consensus-4 lock", bytes([lock is not None])),
        bind("consensus-4 lock round", u32(lock or 0)),
        bind("consensus-4 value", proposal["value_id"]),
        bind("consensus-4 member", u16(proposal["member"])),
    )


def check_proposal(signed, chain, signers):
    proposal = signed["proposal"]
    key = signers.voting_key(proposal["member"])
    need("consensus-4 value belongs to its id", value_id(signed["value"]) == proposal["value_id"], "malformed")
    digest = proposal_digest(chain, proposal)
    if on("consensus-4 signature"):
        curve.verify(key, digest, signed["signature"])
    return digest


def _step():
    step = ["height"] if on("consensus-3 same height") else []
    step += ["round"] if on("consensus-3 same round") else []
    return step + (["member"] if on("consensus-3 same member") else [])


def votes_conflict(first, second):
    """[consensus-3]"""
    steps = _step() + (["kind"] if on("consensus-3 same kind") else [])
    return all(first[name] == second[name] for name in steps) and first["value_id"] != second["value_id"]


def proposals_conflict(first, second):
    """[consensus-3]"""
    steps = _step()
    differ = first != second if on("consensus-3 any field") else first["value_id"] != second["value_id"]
    return all(first[name] == second[name] for name in steps) and differ


def _weigh(members, signers, enough):
    """Order, then each member, then the weight. [consensus-6]"""
    last, weight = -1, 0
    for member in members:
        need("consensus-6 order", last < member, "not-sorted")
        last = member
        need("consensus-6 members are there", member < len(signers), "unknown-member")
        entry = signers[min(member, len(signers) - 1)]
        need("consensus-6 members have weight", entry["weight"] > 0, "no-weight")
        weight += entry["weight"]
    need("consensus-6 quorum", enough(weight, sum(entry["weight"] for entry in signers)), "no-quorum")


def _verify_votes(votes, chain, height, round_, signers):
    for member, kind, choice, signature in votes:
        digest = vote_digest(chain, kind, height, round_, choice, member)
        if on("consensus-6 signatures"):
            curve.verify(signers[min(member, len(signers) - 1)]["voting_key"], digest, signature)


def check_quorum_certificate(kind, certificate, chain, signers):
    """[consensus-6] and [consensus-7]"""
    if not on("consensus-7 prevotes"):
        kind = "Precommit"
    _weigh([member for member, _ in certificate["signers"]], signers, is_quorum)
    votes = [(member, kind, certificate["value_id"], signature) for member, signature in certificate["signers"]]
    _verify_votes(votes, chain, certificate["height"], certificate["round"], signers)


def check_round_certificate(certificate, chain, signers):
    """[consensus-8]"""
    kind, votes = certificate["kind"][0], certificate["votes"]
    only = all(vote["kind"][0] == "Precommit" for vote in votes)
    need("consensus-8 precommits only", kind == "Skip" or only, "malformed")
    third = on("consensus-8 a third to skip")
    enough = (lambda weight, total: 3 * weight > total) if kind == "Skip" and third else is_quorum
    _weigh([vote["member"] for vote in votes], signers, enough)
    votes = [(vote["member"], vote["kind"][0], vote["value_id"], vote["signature"]) for vote in votes]
    _verify_votes(votes, chain, certificate["height"], certificate["round"], signers)
